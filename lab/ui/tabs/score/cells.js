// What each experiment shows: a list of planes, each with its title, how it is drawn at a log-SNR, and what stands under it.
import { COLOURS, HALF, LATTICE, latticeOf } from "./draw.js";
import { levelOf, preserving } from "./levels.js";
import { posterior } from "./lanes.js";
import { bent, wished } from "./guidance.js";
import { sharesOf } from "./measures.js";
import { frameAt } from "./scene.js";

const PATHS = Array.from({ length: 48 }, (_, i) => 26 * i); // particles whose paths are drawn
const ERROR_LATTICE = 36;
const LEARNED = "#e8590c", FOUND = "#3ca951", MARGINAL = "#4269d0"; // p_theta, q given x_0, the exact reverse
const figure = (value) => value.toFixed(2).replace("-", "−");
const share = (value) => value.toFixed(2);

export function cellsOf(scene) {
  const { experiment, lanes } = scene.now;
  if (!scene.mixture) return [nothing("No points yet", experiment === "field" ? "Press here to put a point" : "Choose Look to put points")];
  if (experiment === "walk" && !lanes.length) return [nothing("No lanes yet", "Choose a lane or more")];
  return { field: fieldCells, walk: walkCells, guide: guideCells, learn: learnCells }[experiment](scene);
}

const nothing = (title, words) => ({ key: "empty", title, draw: (plane) => plane.notice(words), says: () => "" });

// Ground and arrows, as far as they are to be seen.
function ground(plane, scene, level, { arrows = true, learned = false } = {}) {
  const { show } = scene.now;
  plane.clear();
  if (show.includes("density")) {
    plane.density(scene.density(level, LATTICE, HALF), { logarithm: show.includes("log"), contours: show.includes("contours") });
  }
  if (arrows && show.includes("arrows")) plane.arrows((places) => scene.field(places, level, learned));
}

function fieldCells(scene) {
  const draw = (plane, lambda) => {
    const { show, data } = scene.now;
    ground(plane, scene, levelOf(lambda));
    if (show.includes("particles")) plane.particles(scene.moved(lambda), scene.exact.kinds, { size: 2 });
    if (data === "drawn") points(plane, scene, lambda);
    probe(plane, scene, lambda);
  };
  return [{ key: "field", title: "x_t", draw, says: (lambda) => `log-SNR ${figure(lambda)}, noise ${share(levelOf(lambda).noise)}` }];
}

function points(plane, scene, lambda) {
  const { signal } = levelOf(lambda);
  for (const [x, y] of scene.data.points) plane.dot(x * signal, y * signal, 4, plane.ink);
}

// At the cross: which points it may have come from, as lines to them, the mean of them all, and the score's arrow.
function probe(plane, scene, lambda) {
  const [x, y] = scene.probe, level = levelOf(lambda), { mixture } = scene;
  mixture.weigh(x, y, level);
  const odds = mixture.odds.slice(), mean = [0, 0], most = Math.max(...odds);
  for (let k = 0; k < odds.length; k += 1) {
    mean[0] += odds[k] * mixture.x[k];
    mean[1] += odds[k] * mixture.y[k];
    if (odds[k] > 0.02 * most && odds[k] > 0.003) plane.line(x, y, level.signal * mixture.x[k], level.signal * mixture.y[k], plane.ink, 1, Math.min(0.8, 0.15 + odds[k]));
  }
  const [dx, dy] = scene.field(Float64Array.of(x, y), level), reach = 0.5 / Math.max(0.5, Math.hypot(dx, dy));
  plane.pen.beginPath();
  plane.arrow(x, y, x + dx * reach, y + dy * reach);
  plane.stroke("#d6336c", 3);
  plane.dot(mean[0], mean[1], 5, "#d6336c");
  plane.cross(x, y, plane.ink);
}

function walkCells(scene) {
  const rows = scene.content.lanes;
  return scene.now.lanes.map((name) => {
    const { title, colour } = rows[name];
    if (name === "exact") {
      const draw = (plane, lambda) => {
        ground(plane, scene, levelOf(lambda));
        if (scene.now.show.includes("particles")) plane.particles(scene.moved(lambda), scene.exact.kinds);
      };
      return { key: name, title, colour, draw, says: () => "drawn from the data", shares: () => sharesOf(scene.exact.kinds, scene.mixture.classCount) };
    }
    return { key: name, title, colour, ...filmed(scene, name) };
  });
}

// A plane on which a lane's film is drawn.
function filmed(scene, key, { learned = false, arrows = true, kinds = null, over = () => {} } = {}) {
  const at = (lambda) => (scene.runs.has(key) ? frameAt(scene.runs.get(key), lambda) : null);
  return {
    draw: (plane, lambda) => {
      const frame = at(lambda), run = scene.runs.get(key), { show } = scene.now;
      ground(plane, scene, frame?.level ?? levelOf(lambda), { arrows, learned });
      if (!frame) return;
      if (show.includes("paths")) plane.paths(run.frames, frame.index, kinds ?? run.kinds, PATHS);
      if (show.includes("particles")) plane.particles(frame.places, kinds ?? run.kinds, show.includes("paths") ? { alpha: 0.35 } : {});
      over(plane, run, frame);
    },
    says: (lambda) => {
      const frame = at(lambda);
      if (!frame) return "computing …";
      return `call ${frame.calls.toLocaleString("en")} of ${scene.runs.get(key).calls.toLocaleString("en")}`;
    },
    straight: () => (scene.now.show.includes("paths") ? scene.runs.get(key)?.straight ?? null : null),
    shares: (lambda) => {
      const frame = at(lambda);
      return frame && sharesOf(frame.kinds, scene.mixture.classCount);
    },
  };
}

function guideCells(scene) {
  if (!scene.guidable) return [nothing("One class", "Guidance needs data of two classes or more")];
  const kinds = wished(scene.mixture);
  return [1, scene.now.scale].map((scale, k) => {
    const key = `scale${k}`, film = filmed(scene, key, { arrows: false, kinds });
    const says = (lambda) => {
      const run = scene.runs.get(key);
      if (!run || lambda < 7.9) return film.says(lambda);
      const { shift, spread } = bent(scene.mixture, run.frames.at(-1).places);
      return `means moved by ${share(shift)}, spread × ${share(spread)}`;
    };
    const draw = (plane, lambda) => film.draw(plane, lambda);
    return { key, title: `Scale ${scale}`, colour: COLOURS[k], draw, says };
  });
}

function learnCells(scene) {
  const exact = filmed(scene, "exact", { over: (plane, run, frame) => mark(plane, scene, run, frame, false) });
  const film = filmed(scene, "learned", { learned: true, over: (plane, run, frame) => mark(plane, scene, run, frame, true) });
  const draw = (plane, lambda) => {
    if (scene.network) return film.draw(plane, lambda);
    return plane.notice("Nothing is learned yet");
  };
  const title = { score: "Learned score", eps: "Learned, from ε", flow: "Learned, from the velocity" }[scene.now.objective];
  const says = (one) => (lambda) => (scene.runs.has("learned") ? one.says(lambda) : "");
  return [
    { key: "exact", title: "Exact score", colour: MARGINAL, draw: exact.draw, says: says(exact) },
    { key: "learned", title, colour: LEARNED, draw, says: (lambda) => says(film)(lambda) || `${scene.taken.toLocaleString("en")} training steps` },
    { key: "error", title: "Error of the learned", colour: "#c92a2a", draw: (plane, lambda) => errorMap(plane, scene, lambda), says: (lambda) => errorWords(scene, lambda) },
  ];
}

// How far the learned score is from the exact one, in units of 1 / noise, at places.
function errors(scene, places, lambda) {
  const truth = scene.field(places, levelOf(lambda)), found = scene.field(places, levelOf(lambda), true), out = new Float32Array(places.length / 2);
  for (let i = 0; i < out.length; i += 1) out[i] = Math.hypot(found[2 * i] - truth[2 * i], found[2 * i + 1] - truth[2 * i + 1]);
  return out;
}

function errorMap(plane, scene, lambda) {
  plane.clear();
  if (!scene.network) return;
  const small = errors(scene, latticeOf(ERROR_LATTICE), lambda), whole = new Float32Array(LATTICE * LATTICE), part = LATTICE / ERROR_LATTICE;
  for (let i = 0; i < whole.length; i += 1) {
    whole[i] = 0.75 * Math.min(1, small[Math.floor(Math.floor(i / LATTICE) / part) * ERROR_LATTICE + Math.floor((i % LATTICE) / part)]);
  }
  plane.shade(whole, "#c92a2a");
  const values = scene.density(levelOf(lambda), LATTICE, HALF), most = Math.max(...values);
  plane.contours(values, [0.1 * most, 0.5 * most]);
}

function errorWords(scene, lambda) {
  if (!scene.network) return "";
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const inside = mean(errors(scene, scene.moved(lambda).slice(0, 600), lambda)), all = mean(errors(scene, latticeOf(16), lambda));
  return `on data ${share(inside)}, whole plane ${share(all)}`;
}

// One step of one particle: q(x_s | x_t, x_0) for the x_0 where its lane ends, and p_theta or the exact reverse beside it.
function mark(plane, scene, run, frame, learned) {
  const i = scene.mark, [x, y] = frame.places.slice(2 * i, 2 * i + 2), steps = run.calls, step = frame.calls;
  plane.ring(x, y, 0.05, plane.ink, 2);
  if (step >= steps || steps > 100) return;
  const now = preserving(1 - step / steps), next = preserving(1 - (step + 1) / steps), { a, b, deviation } = posterior(now, next);
  const end = run.frames.at(-1).places, known = [end[2 * i], end[2 * i + 1]], from = run.frames[frame.index].places, at = [from[2 * i], from[2 * i + 1]];
  const centre = (x0) => [a * x0[0] + b * at[0], a * x0[1] + b * at[1]], round = [deviation ** 2, 0, deviation ** 2], here = Float64Array.from(at);
  plane.ellipse(...centre(known), round, FOUND);
  if (learned) {
    plane.ellipse(...centre(scene.network.denoise(here, now, new Float64Array(2))), round, LEARNED);
    return;
  }
  const cov = scene.mixture.covariance(here[0], here[1], now).map((value, k) => a * a * value + round[k]);
  plane.ellipse(...centre(scene.mixture.denoise(here, now, new Float64Array(2))), cov, MARGINAL);
}
