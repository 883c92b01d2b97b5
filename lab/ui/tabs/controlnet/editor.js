// Draws on the map in whole pixels of it, drags joints, and hands over what was made when the pointer is lifted.
// Where every change is a run, what is under the pen is handed over as often as runs come back. Runs as gr.HTML's js_on_load: `element`, `trigger` and `watch` are given.
const state = {tool: 'pen', shown: null, before: [], stroke: null, joint: null, due: 0};
const part = (name) => element.querySelector(`.map-editor ${name}`);
const hand = (data) => trigger('input', data);
const PAIRS = [[2,5],[3,6],[4,7],[8,11],[9,12],[10,13],[14,15],[16,17]];

function prepare() {
  element.querySelectorAll('.tools [data-tool]').forEach((button) => {
    if (button.hasAttribute('aria-pressed')) button.setAttribute('aria-pressed', button.dataset.tool === state.tool);
  });
  const canvas = part('canvas');
  if (!canvas || (state.shown && state.shown[0] === canvas && state.shown[1] === canvas.dataset.src)) return;
  state.shown = [canvas, canvas.dataset.src];
  state.before = [];
  const image = new Image();
  image.onload = () => canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
  image.src = canvas.dataset.src;
}
function place(event, box) {
  const rect = box.getBoundingClientRect();
  return [(event.clientX - rect.left) / rect.width, (event.clientY - rect.top) / rect.height];
}
function mark(canvas, from, to) {
  const ink = canvas.getContext('2d'), side = canvas.width, erase = state.tool === 'eraser';
  const size = Math.max(erase ? 5 : 1, Math.round(side * (erase ? 0.07 : 0.012)));
  ink.fillStyle = erase ? '#000' : '#fff';
  const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) * side));
  for (let i = 0; i <= steps; i++) {
    const x = (from[0] + (to[0] - from[0]) * i / steps) * side, y = (from[1] + (to[1] - from[1]) * i / steps) * side;
    ink.fillRect(Math.floor(x - (size - 1) / 2), Math.floor(y - (size - 1) / 2), size, size);
  }
}
function changed(canvas) {
  state.shown = [canvas, null];  // no longer what the server sent
  const hint = part('.hint');
  if (hint) hint.classList.add('gone');
  hand({drawn: canvas.toDataURL('image/png')});
}
function joints() {
  return [...element.querySelectorAll('circle[data-joint]')].map(
    (c) => [c.cx.baseVal.value / 1000, c.cy.baseVal.value / 1000, Number(c.dataset.on)]);
}
function put(places) {
  const circles = element.querySelectorAll('circle[data-joint]');
  places.forEach(([x, y, on], i) => {
    circles[i].setAttribute('cx', x * 1000); circles[i].setAttribute('cy', y * 1000); circles[i].dataset.on = on;
  });
  element.querySelectorAll('line[data-ends]').forEach((line) => {
    const [a, b] = line.dataset.ends.split(' ').map(Number);
    line.setAttribute('x1', places[a][0] * 1000); line.setAttribute('y1', places[a][1] * 1000);
    line.setAttribute('x2', places[b][0] * 1000); line.setAttribute('y2', places[b][1] * 1000);
    line.classList.toggle('off', !(places[a][2] && places[b][2]));
  });
}
function nearest(at) {
  const away = joints().map(([x, y]) => Math.hypot(x - at[0], y - at[1]));
  const best = away.indexOf(Math.min(...away));
  return away[best] < 0.07 ? best : null;
}
function move(index, x, y) {
  const places = joints();
  places[index][0] = Math.min(1, Math.max(0, x)); places[index][1] = Math.min(1, Math.max(0, y));
  put(places);
}
element.addEventListener('pointerdown', (event) => {
  if (event.button) return;
  const canvas = event.target.closest('canvas:not([data-fixed])'), skeleton = event.target.closest('.board > svg');
  if (canvas) {
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    state.before.push(canvas.toDataURL('image/png'));
    const at = place(event, canvas);
    state.stroke = {canvas, last: at};
    mark(canvas, at, at);
  } else if (skeleton) {
    state.joint = nearest(place(event, skeleton));
    if (state.joint === null) return;
    event.preventDefault();
    skeleton.setPointerCapture(event.pointerId);
    element.querySelectorAll('circle[data-joint]')[state.joint].focus();
  }
});
element.addEventListener('pointermove', (event) => {
  if (state.stroke) {
    for (const one of event.getCoalescedEvents?.().length ? event.getCoalescedEvents() : [event]) {
      const at = place(one, state.stroke.canvas);
      mark(state.stroke.canvas, state.stroke.last, at);
      state.stroke.last = at;
    }
    follow();
  } else if (state.joint !== null) {
    move(state.joint, ...place(event, part('.board > svg')));
    follow();
  }
});
// What the pen or the joint is doing, for a run that ends before it is lifted.
function follow() {
  const run = document.getElementById('controlnet-run');
  if (state.due || run.disabled || !document.querySelector('#controlnet-live input').checked) return;
  state.due = setTimeout(() => {
    state.due = 0;
    if (state.stroke) hand({drawn: state.stroke.canvas.toDataURL('image/png')});
    else if (state.joint !== null) hand({joints: joints()});
  }, 120);
}
function lift() {
  clearTimeout(state.due);
  state.due = 0;
  if (state.stroke) changed(state.stroke.canvas);
  if (state.joint !== null) hand({joints: joints()});
  state.stroke = state.joint = null;
}
element.addEventListener('pointerup', lift);
element.addEventListener('pointercancel', lift);
function turn(index) {
  const places = joints();
  places[index][2] = 1 - places[index][2];
  put(places);
  hand({joints: places});
}
element.addEventListener('dblclick', (event) => {
  const skeleton = event.target.closest('.board > svg');
  const index = skeleton ? nearest(place(event, skeleton)) : null;
  if (index !== null) turn(index);
});
element.addEventListener('keydown', (event) => {
  const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], Enter: null, ' ': null}[event.key];
  const circle = event.target.closest('circle[data-joint]');
  if (step === undefined || !circle) return;
  event.preventDefault();
  const index = Number(circle.dataset.joint), [x, y] = joints()[index];
  if (!step) { turn(index); return; }
  move(index, x + step[0] * 0.015, y + step[1] * 0.015);
  hand({joints: joints()});
});
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-tool]');
  if (!button) return;
  const tool = button.dataset.tool, canvas = part('canvas');
  if (tool === 'pen' || tool === 'eraser') { state.tool = tool; prepare(); }
  if (tool === 'clear' && canvas) {
    state.before.push(canvas.toDataURL('image/png'));
    const ink = canvas.getContext('2d');
    ink.fillStyle = '#000';
    ink.fillRect(0, 0, canvas.width, canvas.height);
    changed(canvas);
  }
  if (tool === 'undo' && canvas && state.before.length) {
    const image = new Image();
    image.onload = () => { canvas.getContext('2d').drawImage(image, 0, 0); changed(canvas); };
    image.src = state.before.pop();
  }
  if (tool === 'invert') hand({invert: true});
  if (tool === 'mirror') {
    const places = joints().map(([x, y, on]) => [1 - x, y, on]);
    for (const [a, b] of PAIRS) [places[a], places[b]] = [places[b], places[a]];
    put(places);
    hand({joints: places});
  }
});
watch('value', prepare);
prepare();
