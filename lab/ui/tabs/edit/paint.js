// Paints on the layer above the picture, in whole pixels of it: colours, or the hole as what is not transparent. When the pointer is
// lifted the whole layer is handed over, so that no stroke hangs on the answer to the one before. What the server had not heard of
// when it sent another canvas of the same drawing is painted onto that one again.
// Runs as gr.HTML's js_on_load: `element`, `trigger` and `watch` are given.
const SIZES = { small: 0.03, medium: 0.09, large: 0.2 }; // of the side
const SHOWN = 512; // pixels of the veil that the hatching is made for
const MOST_UNDONE = 30, MOST_KEPT = 60;
const state = {
  tool: "brush", size: "medium", colour: "#d62839",
  shown: null, // what the server sent last: the canvas, and its attributes as text
  count: 0, // of what was handed over
  sent: [], // what was handed over that the server may not have heard of, by its count
  before: [], // layers to go back to
  stroke: null, // under way: pointer, last place, paint, and the places
  at: null, // the keyboard's crosshair, in pixels
  due: 0,
};
const part = (name) => element.querySelector(`.paint ${name}`);
const settings = () => element.querySelector(".paint")?.dataset ?? {};
const inkOf = (canvas) => canvas.getContext("2d", { willReadFrequently: true });

// What the server sent

function prepare() {
  const canvas = part(".ink"), now = settings();
  if (!canvas) return;
  const attributes = JSON.stringify([now, canvas.width, canvas.dataset.src]);
  if (state.shown?.canvas === canvas && state.shown.attributes === attributes) { look(); return; }
  const was = state.shown, frame = [now.id, now.mode, now.laid, canvas.width].join();
  if (was?.id !== now.id || was.mode !== now.mode) {
    state.sent = [];
    state.stroke = null;
  }
  if (was?.frame !== frame) {
    state.before = [];
    state.at = null;
  }
  state.shown = { canvas, attributes, frame, id: now.id, mode: now.mode };
  if (!canvas.dataset.src) loaded(canvas, null);
  else {
    const image = new Image();
    image.onload = () => { if (state.shown.attributes === attributes) loaded(canvas, image); };
    image.src = canvas.dataset.src;
  }
}
function loaded(canvas, image) {
  const ink = inkOf(canvas), chosen = part("select"), seen = Number(settings().seen);
  ink.clearRect(0, 0, canvas.width, canvas.height);
  if (image) ink.drawImage(image, 0, 0);
  if (chosen) chosen.value = chosen.querySelector("[selected]")?.value ?? "";
  const unheard = state.sent.filter(({ count }) => count > seen), area = unheard.findLastIndex(({ more }) => more.area);
  if (area >= 0) send(unheard.slice(0, area + 1), unheard[area].more); // replaces what was painted before
  const strokes = unheard.slice(area + 1);
  for (const { paint } of strokes) paint(canvas);
  if (strokes.length) send(strokes);
  if (state.stroke) trace(canvas, state.stroke);
  look();
}

// What is painted

function discs(canvas, from, to, { size, colour }) {
  const ink = inkOf(canvas), side = canvas.width, radius = Math.max(1, Math.round(size * side)) / 2;
  ink.fillStyle = colour || "#000";
  const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) * side));
  for (let i = 0; i <= steps; i++) {
    const x = (from[0] + (to[0] - from[0]) * i / steps) * side, y = (from[1] + (to[1] - from[1]) * i / steps) * side;
    for (let row = Math.floor(y - radius); row <= Math.ceil(y + radius); row++) {
      const half = Math.sqrt(Math.max(0, radius ** 2 - (row + 0.5 - y) ** 2));
      let begin = Math.ceil(x - half - 0.5), end = Math.floor(x + half + 0.5);
      if (radius < 1) { begin = Math.floor(x); end = row === Math.floor(y) ? begin + 1 : begin; } // a brush of one pixel
      if (end > begin) ink[colour ? "fillRect" : "clearRect"](begin, row, end - begin, 1);
    }
  }
}
function trace(canvas, stroke) {
  const [first, ...rest] = stroke.places;
  discs(canvas, first, first, stroke);
  let last = first;
  for (const place of rest) {
    discs(canvas, last, place, stroke);
    last = place;
  }
}
function clear(canvas) { inkOf(canvas).clearRect(0, 0, canvas.width, canvas.height); }
function invert(canvas) {
  const ink = inkOf(canvas), layer = ink.getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 3; i < layer.data.length; i += 4) layer.data[i] = 255 - layer.data[i];
  ink.putImageData(layer, 0, 0);
}
function keep(canvas) {
  state.before.push(inkOf(canvas).getImageData(0, 0, canvas.width, canvas.height));
  state.before.splice(0, state.before.length - MOST_UNDONE);
}
function change(paint) {
  const canvas = part(".ink");
  keep(canvas);
  paint(canvas);
  hand(paint);
}
function hand(paint, more = {}) {
  const one = { paint, more }, chosen = part("select");
  state.sent.push(one);
  state.sent.splice(0, state.sent.length - MOST_KEPT);
  if (chosen && !more.area && !settings().laid) chosen.value = ""; // it was painted on
  send([one], more);
}
function send(these, more = {}) {
  const { id, mode } = settings();
  state.count += 1;
  for (const one of these) one.count = state.count;
  look();
  trigger("input", { n: state.count, id, mode, ink: part(".ink").toDataURL("image/png"), ...more });
}
function undo() {
  const layer = state.before.pop();
  if (!layer) return;
  const back = (canvas) => inkOf(canvas).putImageData(layer, 0, 0);
  back(part(".ink"));
  hand(back);
}

// What is seen of it

function look() {
  state.due ||= requestAnimationFrame(() => { state.due = 0; veil(); words(); });
}
function veil() {
  const canvas = part(".ink"), over = part(".veil");
  if (!canvas || settings().mode !== "mask") return;
  const side = canvas.width, scale = over.width / side, opacity = inkOf(canvas).getImageData(0, 0, side, side).data;
  const paint = over.getContext("2d");
  paint.reset();
  paint.imageSmoothingEnabled = false;
  paint.drawImage(canvas, 0, 0, over.width, over.height);
  paint.globalCompositeOperation = "source-in"; // hatched where the mask is
  paint.fillStyle = paint.createPattern(hatching(over.width / SHOWN), "repeat");
  paint.fillRect(0, 0, over.width, over.height);
  paint.globalCompositeOperation = "source-over";
  paint.beginPath();
  const edge = (x, y, across, down) => { paint.moveTo(x * scale, y * scale); paint.lineTo((x + across) * scale, (y + down) * scale); };
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const at = 4 * (y * side + x) + 3, isHole = opacity[at] > 0;
      if (isHole !== (x > 0 && opacity[at - 4] > 0)) edge(x, y, 0, 1);
      if (isHole !== (y > 0 && opacity[at - 4 * side] > 0)) edge(x, y, 1, 0);
      if (isHole && x === side - 1) edge(side, y, 0, 1);
      if (isHole && y === side - 1) edge(x, side, 1, 0);
    }
  }
  for (const [colour, width] of [["#fff", 7], ["#111", 3]]) { // seen on whatever lies beneath
    paint.strokeStyle = colour;
    paint.lineWidth = width * over.width / SHOWN;
    paint.stroke();
  }
}
function hatching(unit) {
  const tile = Object.assign(document.createElement("canvas"), { width: 16 * unit, height: 16 * unit }), paint = tile.getContext("2d");
  paint.scale(unit, unit);
  paint.fillStyle = "rgb(20 20 28 / .5)";
  paint.fillRect(0, 0, 16, 16);
  paint.strokeStyle = "rgb(255 255 255 / .85)";
  paint.lineWidth = 3;
  for (const x of [-16, 0, 16]) { paint.moveTo(x - 2, 18); paint.lineTo(x + 18, -2); }
  paint.stroke();
  return tile;
}
function words() {
  const canvas = part(".ink"), { mode } = settings();
  if (!canvas) return;
  for (const button of element.querySelectorAll("[data-tool][aria-pressed]")) {
    button.setAttribute("aria-pressed", String([state.tool, state.size].includes(button.dataset.tool)));
  }
  for (const button of element.querySelectorAll("[data-colour]")) button.setAttribute("aria-pressed", String(button.dataset.colour === state.colour));
  part("input[type=color]")?.classList.toggle("chosen", !part(`[data-colour="${state.colour}"]`));
  const layer = inkOf(canvas).getImageData(0, 0, canvas.width, canvas.height).data;
  let covered = 0;
  for (let i = 3; i < layer.length; i += 4) covered += layer[i] > 0;
  part(".hint")?.classList.toggle("gone", covered > 0 || state.stroke !== null || (mode === "strokes" && !part("img").matches("[alt='Blank paper']")));
  if (part("[data-tool=undo]")) part("[data-tool=undo]").disabled = !state.before.length;
  const share = 100 * covered / canvas.width ** 2;
  const figure = covered && share < 1 ? "less than 1" : share > 99 && share < 100 ? "more than 99" : share.toFixed(0);
  if (mode === "mask" && !state.stroke) part(".share").textContent = covered ? `The hole covers ${figure} %.` : "Nothing is painted yet.";
}

// Mouse, finger, pen

function place(event, canvas) {
  const rect = canvas.getBoundingClientRect();
  return [(event.clientX - rect.left) / rect.width, (event.clientY - rect.top) / rect.height];
}
function begin(places, pointer) {
  const canvas = part(".ink"), { mode } = settings();
  keep(canvas);
  state.stroke = { pointer, places, size: SIZES[state.size], colour: state.tool === "eraser" ? "" : mode === "mask" ? "#000" : state.colour };
  trace(canvas, state.stroke);
  look();
}
function go(to) {
  const { places } = state.stroke;
  discs(part(".ink"), places.at(-1), to, state.stroke);
  places.push(to);
}
function lift() {
  const { stroke } = state;
  if (!stroke) return;
  state.stroke = null;
  hand((canvas) => trace(canvas, stroke));
}
function ring(at) {
  const mark = part(".ring");
  mark.hidden = !at;
  if (!at) return;
  const size = 100 * Math.max(SIZES[state.size], 1 / part(".ink").width);
  mark.style.cssText = `left:${100 * at[0]}%;top:${100 * at[1]}%;width:${size}%`;
}
const onInk = (event) => event.target.closest(".ink[tabindex]");
element.addEventListener("pointerdown", (event) => {
  const canvas = onInk(event);
  if (!canvas || event.button || state.stroke) return;
  event.preventDefault();
  canvas.focus({ preventScroll: true });
  canvas.setPointerCapture(event.pointerId);
  begin([place(event, canvas)], event.pointerId);
});
element.addEventListener("pointermove", (event) => {
  const canvas = onInk(event);
  if (canvas && event.pointerType !== "touch") ring(place(event, canvas));
  if (!canvas || state.stroke?.pointer !== event.pointerId) return;
  for (const one of event.getCoalescedEvents?.().length ? event.getCoalescedEvents() : [event]) go(place(one, canvas));
  look();
});
for (const kind of ["pointerup", "pointercancel"]) {
  element.addEventListener(kind, (event) => { if (state.stroke?.pointer === event.pointerId) lift(); });
}
element.addEventListener("pointerout", (event) => { if (onInk(event) && !state.stroke) ring(null); });

// Keyboard

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
function crosshair() {
  const { width } = part(".ink");
  state.at ??= [width / 2, width / 2];
  return state.at.map((one) => one / width);
}
function say() {
  const [x, y] = state.at.map((one) => Math.min(Math.floor(one), part(".ink").width - 1)), over = inkOf(part(".ink")).getImageData(x, y, 1, 1).data[3];
  part(".where").textContent = `${x + 1} across, ${y + 1} down: ${over ? "painted" : "not painted"}`;
}
function press(event) {
  const step = ARROWS[event.key], canvas = part(".ink");
  const from = crosshair();
  if (step) {
    const stride = Math.max(1, Math.round(canvas.width / 32));
    state.at = state.at.map((one, axis) => Math.min(canvas.width, Math.max(0, one + step[axis] * stride)));
    if (event.shiftKey && !state.stroke) begin([from], "keys");
    if (state.stroke?.pointer === "keys") go(crosshair());
  } else if (event.key === " ") {
    if (!state.stroke) begin([from], "keys");
  } else if (event.key === "[" || event.key === "]") {
    const names = Object.keys(SIZES), at = names.indexOf(state.size) + (event.key === "]" ? 1 : -1);
    state.size = names[Math.min(names.length - 1, Math.max(0, at))];
  } else if (event.key === "z" && (event.ctrlKey || event.metaKey)) {
    undo();
  } else if (event.key === "Escape") {
    ring(null);
    part("[data-tool][aria-pressed=true]").focus();
    return true;
  } else return false;
  ring(crosshair());
  say();
  look();
  return true;
}
element.addEventListener("keydown", (event) => {
  if (!onInk(event) || !press(event)) return;
  event.preventDefault();
  event.stopPropagation();
});
element.addEventListener("keyup", (event) => {
  if (state.stroke?.pointer !== "keys" || (!ARROWS[event.key] && event.key !== " " && event.key !== "Shift")) return;
  lift();
  say();
});
element.addEventListener("focusin", (event) => { if (onInk(event)?.matches(":focus-visible")) ring(crosshair()); });
element.addEventListener("focusout", (event) => {
  if (!onInk(event)) return;
  if (state.stroke?.pointer === "keys") lift();
  ring(null);
});

// Tools

element.addEventListener("click", (event) => {
  const tool = event.target.closest("[data-tool]")?.dataset.tool, colour = event.target.closest("[data-colour]")?.dataset.colour;
  if (tool === "brush" || tool === "eraser") state.tool = tool;
  if (tool in SIZES) state.size = tool;
  if (tool === "undo") undo();
  if (tool === "clear") change(clear);
  if (tool === "invert") change(invert);
  if (colour) { state.colour = colour; state.tool = "brush"; }
  if (tool || colour) look();
});
element.addEventListener("input", (event) => {
  if (!event.target.matches("input[type=color]")) return;
  state.colour = event.target.value;
  state.tool = "brush";
  look();
});
element.addEventListener("change", (event) => {
  if (!event.target.matches("select") || !event.target.value) return;
  keep(part(".ink"));
  hand(null, { area: event.target.value });
});
watch("value", prepare);
prepare();
