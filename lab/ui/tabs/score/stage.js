// The stage of the tab: planes, slider, Play and chart, drawn here alone. The server is told what rests, for the link.
import { cellsOf } from "./cells.js";
import { chartOf } from "./charts.js";
import { Plane } from "./draw.js";
import { Pointer } from "./drawing.js";
import { Job } from "./jobs.js";
import { formatted, parsed } from "./points.js";
import { LEAST, MOST, Scene } from "./scene.js";
import { Side } from "./side.js";

const PLAY_MS = 5500, REST_MS = 400, WAIT_MS = 120, CHART_MS = 250, PATIENCE_MS = 400, AGAIN_MS = 900;
const SCALES = [1, 1.5, 2, 3, 4, 6, 8, 10];
// Numbers of calls for the chart: to 64, or to as many as the lanes have, up to 1,024.
const countsUpTo = (steps) => (steps <= 64 ? [1, 2, 4, 8, 16, 32, 64] : [...[1, 4, 16, 64, 256].filter((count) => count < steps), Math.min(1024, steps)]);
const reduced = matchMedia("(prefers-reduced-motion: reduce)");
const named = (name) => document.getElementById(`score-${name}`);
const slider = () => named("level").querySelector("input[type=range]");

class Stage {
  constructor(root, content, tell) {
    this.root = root;
    this.tell = tell;
    this.scene = new Scene(content);
    this.side = new Side(root.querySelector(".score-side"), content.picture);
    this.jobs = { lanes: new Job(), quality: new Job(), train: new Job() };
    this.grid = root.querySelector(".score-planes");
    this.planes = new Map();
    this.captions = new Map();
    this.cells = [];
    this.playing = this.frame = this.chartDue = 0;
    this.pressed = this.shown = -Infinity;
    this.pointer = new Pointer(this);
    this.side.ready.then(() => this.look());
  }

  get lambda() {
    return Number(slider().value);
  }

  // Another setting of the controls. After a press of a preset, and where other data or lanes are chosen, their film plays.
  set(given) {
    this.show(this.pending(given, this.scene.now));
  }

  // Other points, drawn here: the server hears of them once they rest.
  redraw(text) {
    const count = parsed(text).length;
    this.root.querySelector(".score-spoken").textContent = `${count} ${count === 1 ? "point" : "points"}`;
    this.drawn = text;
    this.show({ ...this.scene.now, points: text });
  }

  show(values) {
    const before = this.scene.now, fresh = this.scene.set(values);
    const other = before.experiment !== values.experiment || before.data !== values.data || String(before.lanes) !== String(values.lanes);
    this.arrange();
    const pressed = performance.now() - this.pressed < 3000;
    if (fresh.run) this.compute(other || pressed, pressed || values.levels === "one" || values.experiment === "field" ? values.level : MOST);
    else if (pressed && !this.playing) this.play(values.level);
    this.shown = performance.now();
    this.chart();
    this.look();
  }

  // What the controls say, in numbers that can be, and with points that were drawn since the server last heard of them.
  pending(given, before) {
    const whole = (name, least, most) => Math.max(least, Math.min(most, Math.round(typeof given[name] === "number" ? given[name] : before[name] ?? least))); // a box that is empty changes nothing
    const values = { ...given, steps: whole("steps", 1, 10000), training: whole("training", 100, 20000), seed: whole("seed", 0, 2 ** 32 - 1) };
    const chosen = performance.now() - this.pressed < 3000, begun = values.data === "drawn" && !values.points && before.data && before.data !== "drawn";
    if (values.points === this.drawn || chosen) this.drawn = undefined;
    else if (this.drawn !== undefined) values.points = this.drawn;
    else if (begun) values.points = this.drawn = formatted(this.scene.data.points); // what was shown is where one's own begins
    return values;
  }

  // Whether anything is still computed, or about to be.
  get busy() {
    return "behind" in this.grid.dataset || Object.values(this.jobs).some((job) => job.busy);
  }

  // The planes that the experiment has, in as many columns as let them be large.
  arrange() {
    this.cells = cellsOf(this.scene);
    const names = this.cells.map(({ key, title }) => `${key} ${title}`).join();
    if (names !== this.names) {
      this.names = names;
      this.grid.replaceChildren(...this.cells.map((cell) => this.figure(cell)));
      const count = this.cells.length, columns = count <= 4 ? count : 3;
      this.grid.style.setProperty("--columns", columns);
      this.grid.style.setProperty("--rows", Math.ceil(count / columns));
    }
    this.root.dataset.experiment = this.scene.now.experiment;
    this.root.toggleAttribute("data-drawing", this.scene.now.data === "drawn");
    for (const canvas of this.grid.querySelectorAll("canvas")) this.name(canvas);
    named("train").hidden = this.scene.now.experiment !== "learn";
  }

  figure({ key, title, colour }) {
    const figure = document.createElement("figure");
    figure.className = "lab-pic";
    figure.dataset.key = key;
    const dot = colour ? `<i class="dot" style="background:${colour}"></i>` : "";
    figure.innerHTML = `<div class="box"><canvas role="img" aria-label="${title}"></canvas></div><figcaption>${dot}<b></b><span></span></figcaption><div class="score-shares" hidden><div></div><div class="truth"></div><span></span></div>`;
    figure.querySelector("b").innerHTML = title === "x_t" ? "x<sub>t</sub>" : "";
    if (title !== "x_t") figure.querySelector("b").textContent = title;
    this.planes.set(key, new Plane(figure.querySelector("canvas")));
    this.captions.set(key, { span: figure.querySelector("figcaption span"), bars: figure.querySelector(".score-shares") });
    return figure;
  }

  // What the keys do on the plane, for those who hear it; elsewhere it is a picture with a caption.
  name(canvas) {
    const looks = this.scene.now.experiment === "field";
    canvas.tabIndex = looks ? 0 : -1;
    canvas.setAttribute("role", looks ? "application" : "img");
    if (looks) canvas.setAttribute("aria-label", `The plane. Arrow keys move the cross.${this.pointer.drawing ? " Enter puts a point there, Delete takes the nearest away." : ""}`);
  }

  // Computing

  compute(film, level) {
    for (const job of Object.values(this.jobs)) job.end();
    clearTimeout(this.due);
    this.pause();
    this.grid.dataset.behind = "";
    this.due = setTimeout(() => this.begin(film, level), WAIT_MS);
  }

  begin(film, level) {
    const { scene } = this;
    scene.forget();
    delete this.grid.dataset.behind;
    setTimeout(() => this.look(), PATIENCE_MS); // what is quick is not first seen empty
    named("train").textContent = scene.mixture ? "Stop" : "Train";
    if (!scene.mixture) return this.look();
    if (scene.now.experiment === "learn") return this.train(film, level);
    const spec = scene.spec;
    const done = () => {
      if (film) this.play(Math.max(level, LEAST));
      if (scene.now.experiment === "walk") this.measure(spec); else if (spec.lanes.length) this.bend(spec);
    };
    if (!spec.lanes.some(({ name }) => name !== "exact")) return done();
    return this.jobs.lanes.run({ job: "lanes", ...spec }, ({ key, run }) => {
      scene.runs.set(key, run);
      this.look();
    }, done);
  }

  measure(spec) {
    this.jobs.quality.run({ job: "quality", ...spec, counts: countsUpTo(spec.steps) }, (found) => {
      if ("floor" in found) this.scene.floor = found.floor; else this.scene.qualities.push(found);
      this.chart();
    });
  }

  // What guidance does at every scale.
  bend(spec) {
    this.jobs.quality.run({ job: "bends", ...spec, scales: SCALES }, (found) => {
      this.scene.bends.push(found);
      this.chart();
    });
  }

  train(film, level) {
    const { scene } = this, { objective, levels, training, seed } = scene.now, one = levels === "one";
    const spec = { job: "train", mixture: scene.data, objective, lambda: one ? level : null, steps: training, seed };
    this.jobs.train.run(spec, (found) => {
      if ("least" in found) scene.least = found.least; else scene.learnt(found);
      this.look();
      this.chart();
    }, () => this.trained(film));
  }

  // The network has learned, or was stopped: its chain is run beside the exact one, from the same noise.
  trained(film) {
    named("train").textContent = "Train";
    const { scene } = this, spec = scene.spec;
    this.chart();
    if (!spec.lanes.length || !scene.network) return;
    spec.weights = { objective: scene.network.objective, layers: scene.network.weights };
    this.jobs.lanes.run({ job: "lanes", ...spec }, ({ key, run }) => {
      scene.runs.set(key, run);
      this.look();
    }, () => { if (film) this.play(MOST); });
  }

  trainOrStop() {
    if (this.jobs.train.busy) {
      this.jobs.train.end();
      this.trained(true);
    } else {
      this.compute(true, this.lambda);
    }
  }

  // The film: the slider is moved, and everything follows as it does when a hand moves it.

  play(end = MOST) {
    this.pause();
    if (reduced.matches) return this.put(end);
    const begin = performance.now(), next = (now) => {
      const way = Math.min(1, Math.max(0, now - begin) / PLAY_MS);
      this.put(LEAST + (end - LEAST) * way);
      if (way === 1 || !this.root.offsetParent) this.pause(); else this.playing = requestAnimationFrame(next);
    };
    this.playing = requestAnimationFrame(next);
    named("play").textContent = "Pause";
    return null;
  }

  pause() {
    cancelAnimationFrame(this.playing);
    this.playing = 0;
    named("play").textContent = "Play";
  }

  put(lambda) {
    slider().value = lambda;
    slider().dispatchEvent(new Event("input", { bubbles: true }));
  }

  // Drawing

  look() {
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = 0;
    if (!this.root.offsetParent || !this.cells.length) return;
    const { lambda } = this, shown = this.cells.filter((cell) => this.planes.get(cell.key).fit()); // sizes first: asking later lays the page out anew
    for (const cell of shown) cell.draw(this.planes.get(cell.key), lambda);
    for (const cell of this.cells) this.say(cell, lambda);
    this.side.draw(this.scene, lambda);
    this.root.dataset.drawn = lambda;
    this.rest();
  }

  // What stands beneath a plane: its words and, where it has lanes, which share of the particles each class has, above that in the data.
  say(cell, lambda) {
    const { span, bars } = this.captions.get(cell.key), says = cell.says(lambda), shares = cell.shares?.(lambda);
    if (span.textContent !== says) span.textContent = says;
    bars.hidden = !shares || shares.length < 2;
    if (bars.hidden) return;
    const truth = this.scene.mixture.shares(), [own, data, words] = bars.children;
    const least = truth.indexOf(Math.min(...truth)), off = Math.max(...shares.map((value, kind) => Math.abs(value - truth[kind])));
    const straight = cell.straight?.() ?? null, text = straight !== null ? `off straight ${straight.toFixed(2)}` : shares.length === 2 ? `${this.scene.data.class_titles[least]} ${shares[least].toFixed(2)}, data ${truth[least].toFixed(2)}` : `shares off by up to ${off.toFixed(2)}`;
    for (const [bar, values] of [[own, shares], [data, truth]]) {
      if (bar.childElementCount !== values.length) bar.innerHTML = values.map((_, kind) => `<i data-kind="${kind % 8}"></i>`).join("");
      values.forEach((value, kind) => { bar.children[kind].style.width = `${100 * value}%`; });
    }
    if (words.textContent !== text) words.textContent = text;
  }

  chart() {
    if (this.chartDue) return;
    this.chartDue = setTimeout(() => {
      this.chartDue = 0;
      named("chart").innerHTML = chartOf(this.scene, Math.max(340, Math.min(900, named("chart").clientWidth)));
    }, CHART_MS);
  }

  // Once nothing has moved for a while the server is told, for the link.
  rest() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      const said = JSON.stringify([this.scene.now, this.lambda]);
      if (this.playing || said === this.said) return;
      this.said = said;
      this.tell(this.drawn === undefined ? {} : { points: this.drawn });
    }, REST_MS);
  }
}

export async function attach(element, trigger) {
  const root = element.querySelector(".score-stage"), answer = await fetch(new URL("content.json", import.meta.url));
  const stage = new Stage(root, await answer.json(), (data) => trigger("click", data));
  window.labScore = { set: (values) => stage.set(values), stage };
  slider().addEventListener("input", () => stage.look());
  for (const kind of ["click", "focusout"]) named("level").addEventListener(kind, () => stage.look());
  named("play").addEventListener("click", () => (stage.playing ? stage.pause() : stage.play()));
  for (const [name, act] of Object.entries(stage.pointer.tools)) root.querySelector(`[data-${name}]`).addEventListener("click", act);
  named("train").addEventListener("click", () => stage.trainOrStop());
  document.addEventListener("click", ({ target }) => {
    if (!target.closest("#score-presets button")) return;
    const at = performance.now();
    stage.pressed = at;
    stage.pause();
    setTimeout(() => { if (stage.shown < at) stage.play(stage.scene.now.level); }, AGAIN_MS); // nothing is set otherwise: once more
  }, true);
  document.addEventListener("keydown", ({ key }) => { if (key === "Escape" && stage.playing) stage.pause(); });
  const touch = ({ isTrusted, target }) => { if (isTrusted && stage.playing && named("level").contains(target)) stage.pause(); };
  for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, touch, true);
  new ResizeObserver(() => stage.look()).observe(stage.grid);
  stage.set(window.labScoreValues ?? JSON.parse(root.dataset.opening));
}
