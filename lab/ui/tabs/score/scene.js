// What is set and what was computed of it, without the page: the data in closed form, the lanes' runs, the network that learns.
import { levelOf } from "./levels.js";
import { Mixture } from "./mixture.js";
import { Network } from "./network.js";
import { drawn, parsed } from "./points.js";
import { COUNT } from "./measures.js";
import { exact } from "./runs.js";

export const LEAST = -8, MOST = 8; // of log-SNR
const FIELD_COUNT = 2400; // particles where there is one plane

export class Scene {
  constructor(content) {
    this.content = content; // toys, lanes, picture
    this.now = {};
    this.runs = new Map();
    this.network = null;
    this.losses = [];
    this.least = null; // the loss of the exact score
    this.taken = 0;
    this.qualities = [];
    this.floor = null;
    this.bends = []; // what guidance does at each scale
    this.probe = [0.35, -0.15]; // in the coordinates of the view
    this.mark = 0; // the particle whose step is shown
  }

  // Takes what the controls say; returns whether the data changed, and whether what is computed from them did.
  set(now) {
    const before = { data: this.dataKey, run: this.runKey };
    this.now = now;
    const fresh = { data: this.dataKey !== before.data, run: this.runKey !== before.run };
    if (fresh.data) this.take();
    return fresh;
  }

  get dataKey() {
    return JSON.stringify([this.now.data, this.now.data === "drawn" ? this.now.points : "", this.now.seed, this.now.experiment === "field"]);
  }

  get runKey() {
    const { experiment, lanes, steps, start, size, scale, objective, levels, training } = this.now;
    const own = { field: [], walk: [lanes, steps, start, size], guide: [steps, scale], learn: [steps, objective, levels, training] }[experiment];
    return JSON.stringify([experiment, this.dataKey, own]);
  }

  take() {
    const { data, points, seed, experiment } = this.now;
    this.data = data === "drawn" ? drawn(parsed(points)) : this.content.toys[data];
    this.mixture = this.data.points.length ? new Mixture(this.data) : null;
    if (this.mixture) this.exact = exact({ mixture: this.data, seed }, experiment === "field" ? FIELD_COUNT : COUNT);
    this.memo = new Map();
  }

  // What a run needs to know, for the worker.
  get spec() {
    const { seed, start, size, steps, experiment } = this.now;
    return { mixture: this.data, seed, steps, start: experiment === "walk" ? start : "noise", size, lanes: this.lanes };
  }

  // The lanes of the experiment.
  get lanes() {
    const { experiment, lanes, scale, levels } = this.now;
    if (experiment === "walk") return lanes.map((name) => ({ key: name, name }));
    if (experiment === "guide") return this.guidable ? [1, scale].map((one, k) => ({ key: `scale${k}`, name: "ddim", scale: one })) : [];
    if (experiment === "learn" && levels === "all") return [{ key: "exact", name: "ddpm" }, { key: "learned", name: "ddpm", learned: true }];
    return [];
  }

  get guidable() {
    return this.mixture?.classCount > 1;
  }

  // The density at a level as values of a lattice, kept for as long as levels come back.
  density({ signal, noise }, side, half) {
    const key = `${signal.toFixed(3)} ${noise.toFixed(3)}`;
    if (!this.memo.has(key)) {
      if (this.memo.size > 64) this.memo.clear();
      this.memo.set(key, this.mixture.density({ signal, noise }, side, half));
    }
    return this.memo.get(key);
  }

  // The score times the noise at places, exact or as the network has it: as long as the noise where all of it is to go.
  field(places, level, learned = false) {
    const out = new Float64Array(places.length);
    if (!learned) return this.mixture.score(places, level, out).map((value) => value * level.noise);
    return this.network.denoise(places, level, out).map((x0, i) => (level.signal * x0 - places[i]) / level.noise);
  }

  learnt({ weights, loss, taken }) {
    this.network = new Network(weights.objective, weights.layers);
    this.losses.push([taken, loss]);
    this.taken = taken;
  }

  forget() {
    this.runs.clear();
    this.qualities = [];
    this.floor = null;
    this.bends = [];
    this.network = null;
    this.losses = [];
    this.least = null;
    this.taken = 0;
  }

  // The particles of exact samples at a level: x_t = signal x_0 + noise eps.
  moved(lambda) {
    const { signal, noise } = levelOf(lambda), { x0, eps } = this.exact;
    this.places ??= new Float64Array(0);
    if (this.places.length !== x0.length) this.places = new Float64Array(x0.length);
    for (let i = 0; i < x0.length; i += 1) this.places[i] = signal * x0[i] + noise * eps[i];
    return this.places;
  }
}

// Where a run's film stands at a log-SNR: between two frames, or on one.
export function frameAt(run, lambda) {
  const { frames } = run, place = (k) => frames[k].at ?? frames[k].lambda;
  let low = 0, high = frames.length - 1;
  if (lambda >= place(high)) return still(frames, high);
  if (lambda <= place(low)) return still(frames, low);
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (place(middle) <= lambda) low = middle; else high = middle;
  }
  const way = (lambda - place(low)) / (place(high) - place(low)), one = frames[low], other = frames[high];
  const places = new Float32Array(one.places.length);
  for (let i = 0; i < places.length; i += 1) places[i] = one.places[i] + way * (other.places[i] - one.places[i]);
  const between = (a, b) => a + way * (b - a);
  const level = { signal: between(one.level.signal, other.level.signal), noise: between(one.level.noise, other.level.noise) };
  return { places, level, lambda: between(one.lambda, other.lambda), calls: one.calls, kinds: way < 0.5 ? one.kinds : other.kinds, index: low };
}

const still = (frames, index) => ({ ...frames[index], index });
