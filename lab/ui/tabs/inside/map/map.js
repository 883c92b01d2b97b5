// The map: two planes of codes to drag over. The page decodes by itself (decoder.js); the server is told what rests, for the link.
import { decode, load, paint } from './decoder.js';

const REST_MS = 400, WALK = 9, NEARBY = 40, MANY = 300; // pictures of a walk; ellipses near the cross, where there are more dots than MANY
const ENLARGED = 5; // times, so that one can see an ellipse
const ZOOM = 3, CELLS = 17, TIGHT_PX = 24; // a close look's half side, its pictures along a side; where 1 σ is smaller, draws are drawn smaller
const START = 0.3; // of half the plane, between the cross at first and one's own picture: both are seen
const OF_CROSS = '#c2255c';
const NUMBERS = { f: Float32Array, b: Uint8Array };
const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
const unpack = (text, kind) => new NUMBERS[kind](bytes(text).buffer);
const image = (uri) => {
  const one = new Image();
  one.src = uri;
  return one.decode().then(() => one);
};
const round = (value, digits = 2) => value.toFixed(digits).replace('-', '−');

// One network's plane.
class Plane {
  constructor(room, network, given, root) {
    Object.assign(this, { room, network, ...given, root, given: given.box, zoomed: false });
    this.codes = unpack(given.codes, 'f');
    this.std = given.std && unpack(given.std, 'f');
    this.far = unpack(given.far, 'f');
    this.box = root.querySelector('.map-box');
    this.canvas = this.box.querySelector('canvas');
    [this.middleX, this.middleY, this.half] = given.box;
    const at = given.own ? given.own.code : [this.codes[0], this.codes[1]];
    this.cross = this.inside(at.map((value, axis) => value + START * this.half * (value > given.box[axis] ? -1 : 1)));
    this.zoomButton = root.querySelector('[data-zoom]');
    this.zoomButton.hidden = this.half < 2 * ZOOM;
    this.zoomButton.addEventListener('click', () => this.zoom(!this.zoomed));
    this.values = null;
    this.dots = document.createElement('canvas');
    load(given.address).then((weights) => {
      if (room.left.aborted) return;
      this.weights = weights;
      this.values = new Float32Array(3 * weights.side ** 2);
      this.decodeHere();
      room.fillRows();
    });
    image(given.grid).then((picture) => {
      if (room.left.aborted) return;
      this.picture = picture;
      this.background();
    });
    if (given.own) this.showOwn();
    this.listen();
  }

  // Places

  get count() {
    return this.codes.length / 2;
  }

  inside([x, y]) {
    const limit = (value, middle) => Math.max(middle - this.half, Math.min(middle + this.half, value));
    return [limit(x, this.middleX), limit(y, this.middleY)];
  }

  toPixel(x, y, side) {
    return [((x - this.middleX) / this.half + 1) * side / 2, (1 - (y - this.middleY) / this.half) * side / 2];
  }

  code(index) {
    return [this.codes[2 * index], this.codes[2 * index + 1]];
  }

  nearest([x, y]) {
    let best = 0, least = Infinity;
    for (let i = 0; i < this.count; i += 1) {
      const distance = (this.codes[2 * i] - x) ** 2 + (this.codes[2 * i + 1] - y) ** 2;
      if (distance < least) [best, least] = [i, distance];
    }
    return best;
  }

  sees([x, y]) {
    return Math.max(Math.abs(x - this.middleX), Math.abs(y - this.middleY)) <= this.half;
  }

  // The whole plane, or what is about N(0, I), decoded here anew.
  zoom(closer) {
    this.zoomed = closer;
    [this.middleX, this.middleY, this.half] = closer ? [0, 0, ZOOM] : this.given;
    this.zoomButton.setAttribute('aria-pressed', closer);
    this.zoomButton.textContent = closer ? 'The whole plane' : 'Zoom to N(0, I)';
    this.background();
    this.moveTo(this.sees(this.cross) ? this.cross : [-ZOOM / 2, -ZOOM / 2]); // between the circles
  }

  get close() {
    if (!this.weights) return null;
    if (!this.closePicture) {
      const { side } = this.weights, sheet = document.createElement('canvas'), tile = document.createElement('canvas');
      Object.assign(sheet, { width: CELLS * side, height: CELLS * side });
      Object.assign(tile, { width: side, height: side });
      for (let k = 0; k < CELLS ** 2; k += 1) {
        const column = k % CELLS, row = Math.floor(k / CELLS), place = (i) => ZOOM * ((2 * i + 1) / CELLS - 1);
        paint(tile, decode(this.weights, [place(column), -place(row)]));
        sheet.getContext('2d').drawImage(tile, column * side, row * side);
      }
      this.closePicture = sheet;
    }
    return this.closePicture;
  }

  // Pictures beside it

  part(name) {
    return this.root.querySelector(`.map-here [data-of=${name}] canvas`);
  }

  decodeHere() {
    if (!this.weights) return;
    paint(this.part('decoded'), decode(this.weights, this.cross, this.values));
    this.root.dataset.decoded = this.cross.map((value) => round(value, 3)).join(' ');
  }

  showOwn() {
    for (const [name, uri] of [['own', this.own.picture], ['again', this.own.decoded]]) {
      image(uri).then((one) => this.room.left.aborted || this.part(name).getContext('2d').drawImage(one, 0, 0));
    }
    this.root.querySelector('[data-of=again] figcaption').textContent = `RMS ${this.own.rms}`;
    this.root.querySelector('.map-here').toggleAttribute('data-own', true);
  }

  moveTo(code, told = true) {
    this.cross = this.inside(code);
    this.near = this.nearest(this.cross);
    this.decodeHere();
    this.room.showNearest(this.part('nearest'), this.near);
    const [x, y] = this.cross, [a, b] = this.code(this.near), title = this.room.titles[this.near];
    this.root.querySelector('.map-said').textContent = `z = ${round(x)}, ${round(y)}; nearest: ${title}, ${round(Math.hypot(a - x, b - y))} away`;
    this.draw();
    if (told) this.room.moved(this);
  }

  // Drawing: the background and the dots once, what moves each time

  resize() {
    const side = Math.round(this.box.clientWidth * Math.min(2, devicePixelRatio || 1));
    if (!side) return;
    for (const canvas of [this.canvas, this.dots]) Object.assign(canvas, { width: side, height: side });
    this.side = side;
    this.scale = side / this.box.clientWidth; // canvas pixels in a CSS pixel
    this.background();
  }

  background() {
    if (!this.side) return;
    const { side, scale } = this, context = this.dots.getContext('2d'), behind = this.room.behind, unit = side / 2 / this.half;
    context.clearRect(0, 0, side, side);
    context.imageSmoothingEnabled = false;
    context.globalAlpha = 0.8; // so that dots stand out
    const shown = this.zoomed ? this.close : this.picture;
    if (behind === 'grid' && shown) context.drawImage(shown, 0, 0, side, side);
    context.globalAlpha = 1;
    if (behind === 'far') this.shade(context);
    const [x, y] = this.toPixel(0, 0, side);
    for (const sigma of [1, 2]) { // the prior
      ring(context, x, y, sigma * unit, '#fff', 4 * scale);
      ring(context, x, y, sigma * unit, '#111', 1.5 * scale, sigma === 2 ? [5 * scale, 4 * scale] : []);
    }
    if (this.std && this.count <= MANY) for (let i = 0; i < this.count; i += 1) this.ellipse(context, i, 0.22);
    const radius = (this.count > MANY ? 1.6 : 3.4) * scale * Math.min(1, Math.max(0.85, this.box.clientWidth / 300)); // smaller on a phone
    for (let i = 0; i < this.count; i += 1) this.dot(context, i, radius);
    this.draw();
  }

  // Lighter where what is decoded is near a training picture; the darkest is what lies farthest off in either plane.
  shade(context) {
    const { cells, far } = this, { least, most } = this.room.distances, small = document.createElement('canvas');
    Object.assign(small, { width: cells, height: cells });
    const data = small.getContext('2d').createImageData(cells, cells);
    for (let i = 0; i < far.length; i += 1) {
      const share = (far[i] - least) / (most - least);
      data.data.set([255 - 225 * share, 255 - 215 * share, 255 - 190 * share, 255], 4 * i);
    }
    small.getContext('2d').putImageData(data, 0, 0);
    context.imageSmoothingEnabled = true;
    const [x, y, half] = this.given, size = this.side * half / this.half;
    context.drawImage(small, ...this.toPixel(x - half, y + half, this.side), size, size);
  }

  dot(context, index, radius) {
    const [x, y] = this.toPixel(...this.code(index), this.side);
    context.beginPath();
    context.arc(x, y, radius, 0, 7);
    context.fillStyle = this.room.colourOf(index);
    context.fill();
    if (this.count <= MANY) {
      context.strokeStyle = '#fff';
      context.lineWidth = 0.75 * this.scale;
      context.stroke();
    }
  }

  ellipse(context, index, alpha) {
    const [x, y] = this.toPixel(...this.code(index), this.side), unit = ENLARGED * this.side / 2 / this.half;
    context.globalAlpha = alpha;
    context.beginPath();
    context.ellipse(x, y, this.std[2 * index] * unit, this.std[2 * index + 1] * unit, 0, 0, 7);
    context.fillStyle = context.strokeStyle = this.room.colourOf(index);
    context.fill();
    context.globalAlpha = Math.min(1, 2 * alpha);
    context.lineWidth = this.scale;
    context.stroke();
    context.globalAlpha = 1;
  }

  draw() {
    if (!this.side) return;
    const { side, scale, room } = this, context = this.canvas.getContext('2d');
    context.clearRect(0, 0, side, side);
    context.drawImage(this.dots, 0, 0);
    if (this.std && this.count > MANY) for (const index of this.nearby()) this.ellipse(context, index, 0.3);
    if (room.row === 'walk') this.drawWalk(context);
    else for (const [k, code] of (this.draws?.codes ?? []).entries()) mark(context, this.toPixel(...code, side), this.draws.near[k], side / 2 / this.half < TIGHT_PX * scale ? 0.6 * scale : scale);
    if (this.own && (!this.zoomed || this.sees(this.own.code))) {
      const [x, y] = this.toPixel(...this.inside(this.own.code), side);
      star(context, x, y, 8 * scale);
    }
    if (room.near !== undefined) {
      const [x, y] = this.toPixel(...this.code(room.near), side);
      ring(context, x, y, 8 * scale, '#fff', 5 * scale);
      ring(context, x, y, 8 * scale, OF_CROSS, 2.5 * scale);
    }
    const [x, y] = this.toPixel(...this.cross, side);
    for (const [width, colour] of [[7, '#fff'], [3.5, OF_CROSS]]) {
      context.lineWidth = width * scale;
      context.strokeStyle = colour;
      context.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(x + 5 * dx * scale, y + 5 * dy * scale);
        context.lineTo(x + 18 * dx * scale, y + 18 * dy * scale);
      }
      context.stroke();
    }
  }

  nearby() {
    const [x, y] = this.cross, of = (i) => (this.codes[2 * i] - x) ** 2 + (this.codes[2 * i + 1] - y) ** 2;
    return Array.from({ length: this.count }, (_, i) => i).sort((a, b) => of(a) - of(b)).slice(0, NEARBY);
  }

  drawWalk(context) {
    const { side, scale } = this, [from, to] = this.room.ends.map((index) => this.toPixel(...this.code(index), side));
    for (const [width, colour] of [[4, '#fff'], [2, '#111']]) {
      context.lineWidth = width * scale;
      context.strokeStyle = colour;
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(...to);
      context.stroke();
    }
    context.font = `bold ${11 * scale}px system-ui, sans-serif`;
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    for (const [[x, y], name] of [[from, 'A'], [to, 'B']]) {
      context.beginPath();
      context.arc(x, y, 8 * scale, 0, 7);
      context.fillStyle = '#111';
      context.fill();
      context.fillStyle = '#fff';
      context.fillText(name, x, y);
    }
  }

  // What a person does

  listen() {
    const { box } = this;
    const at = (event) => {
      const { left, top, width, height } = box.getBoundingClientRect();
      return [this.middleX + this.half * (2 * (event.clientX - left) / width - 1), this.middleY - this.half * (2 * (event.clientY - top) / height - 1)];
    };
    this.held = false;
    box.addEventListener('pointerdown', (event) => {
      if (event.button) return;
      this.held = true;
      box.setPointerCapture(event.pointerId);
      box.focus({ preventScroll: true });
      this.moveTo(at(event));
      event.preventDefault();
    });
    box.addEventListener('pointermove', (event) => this.held && this.moveTo(at(event)));
    for (const kind of ['pointerup', 'pointercancel']) box.addEventListener(kind, () => {
      this.held = false;
      this.room.rest();
    });
    box.addEventListener('focus', () => this.room.chosen(this));
    box.addEventListener('keydown', (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (way) {
        const step = this.half / (event.shiftKey ? 10 : 60);
        this.moveTo([this.cross[0] + step * way[0], this.cross[1] + step * way[1]]);
      } else if ('ab'.includes(event.key.toLowerCase())) this.room.setEnd('ab'.indexOf(event.key.toLowerCase()), this.near);
      else return;
      event.preventDefault();
    });
  }
}

class Room {
  constructor(root, tell, left) {
    const content = JSON.parse(root.querySelector('[data-content]').dataset.content);
    Object.assign(this, { root, tell, left, titles: content.titles, colours: content.colours, words: content.rows, columns: content.columns, size: content.side });
    this.behind = root.dataset.behind;
    this.row = root.dataset.row;
    this.label = unpack(content.label, 'b');
    this.ends = content.ends;
    this.planes = Object.entries(content.planes).map(([network, given]) => new Plane(this, network, given, root.querySelector(`.map-plane[data-network=${network}]`)));
    const far = this.planes.flatMap((plane) => Array.from(plane.far));
    this.distances = { least: Math.min(...far), most: Math.max(...far) };
    this.said = [];
    this.read(root.dataset.at);
    image(content.sheet).then((sheet) => {
      if (left.aborted) return;
      this.sheet = sheet;
      for (const plane of this.planes) this.showNearest(plane.part('nearest'), plane.near);
      this.fillRows();
    });
    for (const plane of this.planes) plane.moveTo(plane.cross, false);
    this.near = this.planes[0].near;
    this.lay();
    const observer = new ResizeObserver(() => (left.aborted ? observer.disconnect() : this.lay()));
    observer.observe(root);
    this.offerEnds();
    this.fillRows();
  }

  lay() {
    const which = this.label.length > MANY ? `the ${NEARBY} posteriors nearest to the cross` : 'posteriors';
    this.root.querySelector('.ellipses').textContent = this.planes.some((plane) => plane.std) ? `ellipses: ${which}, 1 σ, drawn ${ENLARGED} times as large` : '';
    for (const plane of this.planes) plane.resize();
  }

  colourOf(index) {
    return this.colours[this.label[index]];
  }

  // Live controls

  follow({ map_behind, map_row, map_at }) {
    if (map_behind && map_behind !== this.behind) {
      this.behind = map_behind;
      for (const plane of this.planes) plane.background();
    }
    if (map_row && map_row !== this.row) {
      this.row = map_row;
      for (const plane of this.planes) plane.draw();
      this.fillRows();
    }
    if (map_at !== undefined && !this.said.includes(map_at)) this.read(map_at, true);
  }

  // "x y x y a b": the crosses of both planes and the ends of the walk.
  read(text, moves = false) {
    const numbers = (text ?? '').split(' ').map(Number);
    if (numbers.length !== 6 || !numbers.every(Number.isFinite)) return;
    this.planes.forEach((plane, k) => {
      plane.cross = plane.inside(numbers.slice(2 * k, 2 * k + 2));
    });
    const last = this.label.length - 1;
    this.ends = numbers.slice(4).map((index) => Math.max(0, Math.min(last, Math.round(index))));
    if (!moves) return;
    for (const plane of this.planes) plane.moveTo(plane.cross, false);
    this.fillRows();
  }

  rest() {
    clearTimeout(this.due);
    this.due = setTimeout(() => {
      if (this.left.aborted || this.planes.some((plane) => plane.held)) return; // it is told once the pointer is lifted
      const text = [...this.planes.flatMap((plane) => plane.cross.map((value) => value.toFixed(3))), ...this.ends].join(' ');
      if (text === this.said.at(-1)) return;
      this.said = [...this.said.slice(-20), text];
      this.tell({ map_at: text });
      this.root.querySelector('[data-aloud]').textContent = this.active?.root.querySelector('.map-said').textContent ?? '';
    }, REST_MS);
  }

  moved(plane) {
    this.chosen(plane);
    this.rest();
  }

  // The plane that is dragged over: its nearest picture is ringed in both.
  chosen(plane) {
    this.active = plane;
    this.near = plane.near;
    for (const one of this.planes) one.draw();
  }

  setEnd(which, index) {
    this.ends[which] = index;
    for (const plane of this.planes) plane.draw();
    this.fillRows();
    this.rest();
  }

  offerEnds() {
    for (const button of this.root.querySelectorAll('[data-end]')) {
      button.addEventListener('click', () => this.setEnd(Number(button.dataset.end), (this.active ?? this.planes[0]).near));
    }
  }

  // Pictures

  showNearest(canvas, index) {
    if (!this.sheet || index === undefined) return;
    const { size, columns } = this;
    canvas.getContext('2d').drawImage(this.sheet, (index % columns) * size, Math.floor(index / columns) * size, size, size, 0, 0, size, size);
    canvas.setAttribute('aria-label', this.titles[index]);
  }

  // The rows beneath the planes: draws or a walk, decoded here.
  fillRows() {
    const walk = this.row === 'walk', section = this.root.querySelector('.map-rows');
    section.dataset.row = this.row;
    this.root.querySelector('.map-legend').dataset.row = this.row;
    for (const figure of section.querySelectorAll('[data-true]')) this.showNearest(figure.querySelector('canvas'), this.ends[figure.dataset.true]);
    section.querySelector('h4').textContent = walk ? `${this.words.walk}: ${this.titles[this.ends[0]]} to ${this.titles[this.ends[1]]}` : this.words.draws;
    for (const plane of this.planes ?? []) {
      const row = section.querySelector(`[data-network=${plane.network}]`), draws = plane.draws;
      row.querySelector('b small').textContent = walk ? '' : draws?.share ?? '';
      if (!plane.weights) continue;
      for (const [k, figure] of row.querySelectorAll('figure:not([data-true])').entries()) {
        const code = walk ? between(plane.code(this.ends[0]), plane.code(this.ends[1]), k / (WALK - 1)) : draws?.codes[k];
        if (!code) continue;
        paint(figure.querySelector('canvas'), decode(plane.weights, code));
        figure.toggleAttribute('data-near', !walk && draws.near[k]);
        figure.querySelector('small').textContent = walk ? (k === 0 ? 'code A' : k === WALK - 1 ? 'code B' : '') : `RMS ${draws.rms[k].toFixed(0)}`;
      }
    }
  }
}

const between = (from, to, share) => from.map((value, axis) => value + share * (to[axis] - value));

function ring(context, x, y, radius, colour, width, dash = []) {
  context.beginPath();
  context.setLineDash(dash);
  context.lineWidth = width;
  context.strokeStyle = colour;
  context.arc(x, y, radius, 0, 7);
  context.stroke();
  context.setLineDash([]);
}

// A draw from the prior: filled where its picture is near a training picture.
function mark(context, [x, y], near, scale) {
  context.beginPath();
  context.rect(x - 3 * scale, y - 3 * scale, 6 * scale, 6 * scale);
  context.lineWidth = 4 * scale;
  context.strokeStyle = '#fff'; // seen on dark, too
  context.stroke();
  context.fillStyle = near ? '#111' : '#fff';
  context.fill();
  context.lineWidth = 1.5 * scale;
  context.strokeStyle = '#111';
  context.stroke();
}

function star(context, x, y, radius) {
  context.beginPath();
  for (let k = 0; k < 10; k += 1) {
    const long = k % 2 ? radius / 2.2 : radius, angle = k * Math.PI / 5 - Math.PI / 2;
    context.lineTo(x + long * Math.cos(angle), y + long * Math.sin(angle));
  }
  context.closePath();
  context.fillStyle = '#111';
  context.fill();
  context.lineWidth = radius / 5;
  context.strokeStyle = '#fff';
  context.stroke();
}

export function attach(root, tell, left) {
  const room = new Room(root, tell, left);
  root.dataset.ready = '';
  return (values) => room.follow(values);
}
