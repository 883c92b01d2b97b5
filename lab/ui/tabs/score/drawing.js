// The pointer and the keys on the plane: the cross, the particle that is marked, and points that are put, dragged and erased.
import { HALF } from "./draw.js";
import { levelOf } from "./levels.js";
import { formatted, MOST as MOST_POINTS, nearest } from "./points.js";

const REACH = 0.14; // of the pointer around a point, in the coordinates of the view
const STEP = 0.1, FINE = 0.02; // of an arrow key, and with Shift
const EDGE = 2;
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export class Pointer {
  constructor(stage) {
    this.stage = stage;
    this.dragged = -1;
    const { grid } = stage;
    grid.addEventListener("pointerdown", (event) => this.down(event));
    grid.addEventListener("pointermove", (event) => this.move(event));
    for (const kind of ["pointerup", "pointercancel"]) grid.addEventListener(kind, () => this.up());
    grid.addEventListener("contextmenu", (event) => { if (this.drawing) event.preventDefault(); });
    grid.addEventListener("keydown", (event) => this.key(event));
  }

  // The buttons of those who draw.
  get tools() {
    const { stage } = this;
    return {
      erase: ({ target }) => {
        stage.erasing = !stage.erasing;
        target.setAttribute("aria-pressed", String(stage.erasing));
      },
      clear: () => this.change([]),
    };
  }

  get drawing() {
    const { now } = this.stage.scene;
    return now.data === "drawn" && now.experiment === "field";
  }

  placeOf({ target, clientX, clientY }) {
    const canvas = target.closest("canvas");
    if (!canvas) return null;
    const box = canvas.getBoundingClientRect();
    return [((clientX - box.left) / box.width - 0.5) * 2 * HALF, (0.5 - (clientY - box.top) / box.height) * 2 * HALF];
  }

  down(event) {
    const place = this.placeOf(event), { scene } = this.stage;
    if (!place) return;
    if (scene.now.experiment === "learn") { this.markNear(event, place); return; }
    if (scene.now.experiment !== "field") return;
    event.target.setPointerCapture(event.pointerId);
    this.held = true;
    if (!this.drawing) { this.probe(place); return; }
    const [x, y] = this.clean(place), at = nearest(scene.data.points, x, y, REACH / this.signal), erase = event.button === 2 || event.altKey || this.stage.erasing;
    if (erase) { if (at >= 0) this.change(scene.data.points.filter((_, k) => k !== at)); this.held = false; return; }
    this.dragged = at >= 0 ? at : this.put([x, y]);
  }

  move(event) {
    if (!this.held) return;
    const place = this.placeOf(event);
    if (!place) return;
    if (!this.drawing) { this.probe(place); return; }
    if (this.dragged < 0) return;
    const points = copied(this.stage);
    points[this.dragged] = this.bound(this.clean(place));
    this.change(points);
  }

  up() {
    this.held = false;
    this.dragged = -1;
  }

  // Arrow keys move the cross; Enter puts a point there, Delete takes the nearest away.
  key(event) {
    const way = MOVES[event.key], { scene } = this.stage;
    if (scene.now.experiment !== "field" || (!way && !this.drawing)) return;
    if (way) {
      const step = event.shiftKey ? FINE : STEP;
      this.probe([scene.probe[0] + way[0] * step, scene.probe[1] + way[1] * step]);
    } else if (event.key === "Enter") {
      if (this.stage.erasing) this.takeAway(); else this.put(this.clean(scene.probe));
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.takeAway();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  // The point that is nearest to the cross.
  takeAway() {
    const { data, probe } = this.stage.scene, at = nearest(data.points, ...this.clean(probe), Infinity);
    if (at >= 0) this.change(data.points.filter((_, k) => k !== at));
  }

  // Points are those of the data, x_0: what is drawn on x_t lies on signal * x_0.
  get signal() {
    return Math.max(0.2, levelOf(this.stage.lambda).signal);
  }

  clean([x, y]) {
    return [x / this.signal, y / this.signal];
  }

  bound([x, y]) {
    return [x, y].map((value) => Math.round(100 * Math.max(-EDGE, Math.min(EDGE, value))) / 100);
  }

  probe(place) {
    this.stage.scene.probe = place.map((value) => Math.max(-HALF, Math.min(HALF, value)));
    this.stage.look();
    this.stage.chart();
  }

  put(place) {
    const points = copied(this.stage);
    if (points.length >= MOST_POINTS) {
      this.stage.tell({ full: true });
      return -1;
    }
    this.change([...points, this.bound(place)]);
    return points.length;
  }

  change(points) {
    this.stage.redraw(formatted(points));
  }

  markNear(event, place) {
    const { stage } = this, key = event.target.closest("figure").dataset.key, run = stage.scene.runs.get(key === "error" ? "learned" : key);
    if (!run) return;
    const frames = run.frames, { lambda } = stage, frame = frames.reduce((best, one) => (Math.abs(one.lambda - lambda) < Math.abs(best.lambda - lambda) ? one : best), frames[0]);
    const pairs = Array.from({ length: frame.places.length / 2 }, (_, i) => [frame.places[2 * i], frame.places[2 * i + 1]]);
    stage.scene.mark = Math.max(0, nearest(pairs, ...place, Infinity));
    stage.look();
  }
}

const copied = (stage) => stage.scene.data.points.map((point) => [...point]);
