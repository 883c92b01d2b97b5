// While t is dragged or plays, x_t, its level and the chart are drawn here, in canvases above the pictures of the server, which
// is asked for nothing. Once t rests, what was drawn becomes the value of its component, and the server is asked for the rest:
// the chain and what can be recovered. An answer for another t than the slider's is dropped.
import { moved } from "./curves.js";
import { figures, Source } from "./process.js";

const REST = 12; // frames without another t, a fifth of a second: by frames, so that a busy page is not taken for a rest
const SHARE = 3; // times what a chart took are left to the pictures before the next one
const named = (name) => document.getElementById(`noising-${name}`);
const slider = () => named("t").querySelector("input[type=range]");
const figure = (k) => named(k ? "other" : "jump")?.querySelector("figure");
const stamp = (name) => Number(named(name).querySelector("figure")?.dataset.t); // NaN while Gradio puts another one in its place

const PLAY_MS = 6000; // from t = 0 to T
const STILLS = 10; // that t plays in where motion is not wanted
const reduced = matchMedia("(prefers-reduced-motion: reduce)");

let source = null, states = [], moving = false, frame = 0, still = 0, chartDue = 0, chartSeen = false, playing = 0, ask;

function canvasOf(shown) {
  const box = shown.querySelector(".box"), before = box.querySelector("canvas");
  if (before?.width === source.side) return before;
  before?.remove();
  const canvas = Object.assign(document.createElement("canvas"), { width: source.side, height: source.side });
  canvas.classList.toggle("crisp", box.querySelector("img").classList.contains("crisp"));
  canvas.setAttribute("aria-hidden", "true");
  canvas.plane = new ImageData(source.side, source.side);
  canvas.plane.data.fill(255); // opaque
  box.append(canvas);
  return canvas;
}

function drawPicture(state, k) {
  const shown = figure(k);
  if (!shown) return;
  const canvas = canvasOf(shown);
  source.paint(state, canvas.plane);
  canvas.getContext("2d").putImageData(canvas.plane, 0, 0);
  shown.querySelector("figcaption span").firstChild.data = figures(state); // no new node: the style sheet asks what is there
  shown.dataset.t = state.t;
}

function drawChart() {
  const graph = named("chart").querySelector(".js-plotly-plot"), now = performance.now();
  if (!chartSeen || !graph?.data || now < chartDue) return;
  const { data, layout } = moved(graph, states, source);
  window.Plotly.react(graph, data, layout);
  chartDue = performance.now() + SHARE * (performance.now() - now);
}

function draw(t) {
  states = source.at(t);
  states.forEach(drawPicture);
  drawChart();
}

function look() {
  if (!frame) frame = requestAnimationFrame(tick);
}

function tick() {
  frame = 0;
  if (!source) return look(); // it comes any moment
  const t = Number(slider().value);
  if (t !== stamp("jump")) {
    draw(t);
    still = 0;
    if (!moving) begin();
  }
  if (!moving) return;
  if (still < REST) { still += 1; look(); } else rest();
}

function begin() {
  moving = true;
  named("pictures").dataset.behind = ""; // the chain, and what can be recovered, are those of another t
}

function rest() {
  moving = false;
  ask();
}

// Play moves the slider, and everything follows as it does when a hand moves it.
function play() {
  const T = Number(slider().max), t = Number(slider().value), from = t < T ? t : 0, began = performance.now();
  const next = (now) => {
    const way = Math.min(1, from / T + Math.max(0, now - began) / PLAY_MS);
    set(Math.round(T * (reduced.matches ? Math.floor(way * STILLS) / STILLS : way)));
    if (way === 1 || !named("pictures").offsetParent) pause(); else playing = requestAnimationFrame(next);
  };
  playing = requestAnimationFrame(next);
  label();
}

function pause() {
  cancelAnimationFrame(playing);
  playing = 0;
  label();
}

function label() {
  named("play").textContent = playing ? "Pause" : "Play";
}

function set(t) {
  slider().value = t;
  slider().dispatchEvent(new Event("input", { bubbles: true }));
}

// Whatever a person sets by hand has the page, but for the choice of the chart, which shows what plays.
function handled({ target, isTrusted }) {
  if (!playing || !isTrusted || !target.closest("button, input, label") || target.closest("#noising-play, #noising-chart-choice")) return;
  if (target.closest("[role=tabpanel]")?.contains(named("pictures"))) pause();
}

async function take(text) {
  source = null;
  if (playing) pause();
  if (!text) return;
  const content = JSON.parse(text), next = await Source.of(content);
  if (text === current()) source = next;
}

let root;
const current = () => root.querySelector("[data-source]")?.dataset.source || "";

// What the page has drawn, as the components' values: the pictures with their captions, and the chart. The canvas stays above
// its picture, which is decoded when the browser comes to it.
function settled(jump, other, plot) {
  if (!source || !states.length || !figure(0)?.querySelector("canvas")) return [jump, other, plot];
  const pictures = states.map((_, k) => {
    const shown = figure(k), copy = shown.cloneNode(true), image = copy.querySelector("img");
    image.setAttribute("src", shown.querySelector("canvas").toDataURL());
    image.setAttribute("alt", shown.querySelector("figcaption").textContent);
    return copy.outerHTML;
  });
  const whole = plot && JSON.parse(plot.plot);
  return [pictures[0], pictures[1] ?? other, whole && { ...plot, plot: JSON.stringify({ ...whole, ...moved(whole, states, source) }) }];
}

// The server's answer, if it is one to what is shown now.
function answered(text, chain, recovered) {
  const answer = text ? JSON.parse(text) : {};
  if (answer.key !== source?.key || answer.t !== Number(slider().value)) return [chain, recovered];
  return [answer.chain, answer.recovered];
}

export function attach(element, trigger, watch) {
  root = element;
  ask = () => trigger("click");
  watch("value", () => take(current()));
  take(current());
  for (const kind of ["input", "click", "focusout"]) named("t").addEventListener(kind, look);
  const away = ({ target }) => { if (moving && !playing && !named("t").contains(target)) rest(); };
  for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, away, true);
  for (const kind of ["pointerdown", "click", "input"]) document.addEventListener(kind, handled, true);
  document.addEventListener("click", ({ target }) => {
    if (target.closest("#noising-play")) (playing ? pause : play)();
  });
  document.addEventListener("keydown", ({ key }) => { if (key === "Escape" && playing) pause(); });
  new IntersectionObserver((seen) => { chartSeen = seen.at(-1).isIntersecting; }).observe(named("chart"));
  const beside = named("chain").parentElement;
  new MutationObserver(() => {
    if (stamp("chain") === stamp("jump") && stamp("recovered") === stamp("jump")) delete named("pictures").dataset.behind;
  }).observe(beside, { subtree: true, childList: true, attributeFilter: ["data-t"] });
  window.labNoising = { settled, answered };
}
