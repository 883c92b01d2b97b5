// One plane: density, contours, arrows of the score, particles and their paths, on a canvas.
export const HALF = 2.4; // of the window, in the coordinates of the view
export const COLOURS = ["#4269d0", "#ff725c", "#3ca951", "#efb118", "#a463f2", "#6cc5b0", "#9c6b4e", "#ff8ab7"];
const LATTICE = 72, HEIGHTS = [0.03, 0.12, 0.3, 0.55, 0.8];
const ARROWS = 17, LOGS = 9; // natural units of log density from full to no colour

const rgb = (colour) => [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));

export class Plane {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.ground = Object.assign(document.createElement("canvas"), { width: LATTICE, height: LATTICE });
    this.pixels = new ImageData(LATTICE, LATTICE);
  }

  // Takes the size that the page gives it; false where it is not to be seen.
  fit() {
    const side = Math.round(this.canvas.clientWidth * Math.min(2, devicePixelRatio));
    if (!side) return false;
    if (this.canvas.width !== side) this.canvas.width = this.canvas.height = side;
    this.scale = side / (2 * HALF);
    return true;
  }

  clear() {
    this.pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.ink = getComputedStyle(this.canvas).color;
  }

  px(x) { return (x + HALF) * this.scale; }
  py(y) { return (HALF - y) * this.scale; }
  unit() { return this.canvas.width / 400; }

  // Values on a lattice as colour, from nothing to the whole at 1.
  shade(values, colour) {
    const [red, green, blue] = rgb(colour), { data } = this.pixels;
    for (let i = 0; i < values.length; i += 1) {
      data[4 * i] = red;
      data[4 * i + 1] = green;
      data[4 * i + 2] = blue;
      data[4 * i + 3] = 255 * Math.max(0, Math.min(1, values[i]));
    }
    this.ground.getContext("2d").putImageData(this.pixels, 0, 0);
    this.pen.imageSmoothingEnabled = true;
    this.pen.drawImage(this.ground, 0, 0, this.canvas.width, this.canvas.height);
  }

  density(values, { colour = COLOURS[0], logarithm = false, contours = true } = {}) {
    const most = values.reduce((best, value) => Math.max(best, value), 1e-300);
    const shades = values.map((value) => 0.42 * (logarithm ? 1 + Math.log(Math.max(value, 1e-300) / most) / LOGS : Math.sqrt(value / most)));
    this.shade(shades, colour);
    if (!contours) return;
    const heights = logarithm ? [1, 2, 3.5, 5, 7].map((depth) => most * Math.exp(-depth)) : HEIGHTS.map((share) => share * most);
    this.contours(values, heights);
  }

  // Marching squares: in each cell the line along which the density has a height.
  contours(values, heights) {
    this.pen.beginPath();
    const cell = this.canvas.width / LATTICE, least = heights.reduce((low, height) => Math.min(low, height), Infinity);
    for (let j = 0, at = 0; j < LATTICE - 1; j += 1, at += 1) {
      for (let i = 0; i < LATTICE - 1; i += 1, at += 1) {
        const a = values[at], b = values[at + 1], c = values[at + LATTICE + 1], d = values[at + LATTICE];
        const high = Math.max(a, b, c, d), low = Math.min(a, b, c, d);
        if (high < least) continue;
        for (const height of heights) if (low <= height && height < high) this.crossing([a, b, c, d], height, i + 0.5, j + 0.5, cell);
      }
    }
    this.stroke(this.ink, 0.7, 0.35);
  }

  // The line of one cell, whose corners have these values from the upper left clockwise.
  crossing(corners, height, i, j, cell) {
    let open = false;
    for (let k = 0; k < 4; k += 1) {
      const one = corners[k] - height, other = corners[(k + 1) % 4] - height;
      if (one > 0 === other > 0) continue;
      const way = one / (one - other), x = [i + way, i + 1, i + 1 - way, i][k] * cell, y = [j, j + way, j + 1, j + 1 - way][k] * cell;
      if (open) this.pen.lineTo(x, y); else this.pen.moveTo(x, y);
      open = !open;
    }
  }

  stroke(colour, width, alpha = 1) {
    const { pen } = this;
    pen.globalAlpha = alpha;
    pen.strokeStyle = colour;
    pen.lineWidth = width * this.unit();
    pen.stroke();
    pen.globalAlpha = 1;
  }

  // Arrows on a lattice of the plane: `field(places)` gives a vector at each, of length about 1 where it is as long as the noise.
  arrows(field) {
    const { pen } = this, step = (2 * HALF) / ARROWS, places = latticeOf(ARROWS), vectors = field(places), longest = 0.85 * step;
    pen.beginPath();
    for (let i = 0; i < places.length; i += 2) {
      const length = Math.hypot(vectors[i], vectors[i + 1]);
      if (!(length > 1e-6)) continue;
      const reach = (longest * length) / (0.8 + length), dx = (vectors[i] / length) * reach, dy = (vectors[i + 1] / length) * reach;
      this.arrow(places[i] - dx / 2, places[i + 1] - dy / 2, places[i] + dx / 2, places[i + 1] + dy / 2);
    }
    this.stroke(this.ink, 1, 0.62);
  }

  arrow(x0, y0, x1, y1) {
    const { pen } = this, ax = this.px(x0), ay = this.py(y0), bx = this.px(x1), by = this.py(y1);
    const head = Math.min(5 * this.unit(), 0.4 * Math.hypot(bx - ax, by - ay)), angle = Math.atan2(by - ay, bx - ax);
    pen.moveTo(ax, ay);
    pen.lineTo(bx, by);
    for (const turn of [2.6, -2.6]) {
      pen.moveTo(bx, by);
      pen.lineTo(bx + head * Math.cos(angle + turn), by + head * Math.sin(angle + turn));
    }
  }

  // Dots, coloured by class.
  particles(places, kinds, { alpha = 0.75, size = 2.2 } = {}) {
    const { pen } = this, side = Math.max(1.5, size * this.unit()), most = Math.max(0, ...new Set(kinds));
    pen.globalAlpha = alpha;
    for (let kind = 0; kind <= most; kind += 1) {
      pen.fillStyle = COLOURS[kind % COLOURS.length];
      for (let i = 0; i < kinds.length; i += 1) {
        if (kinds[i] === kind) pen.fillRect(this.px(places[2 * i]) - side / 2, this.py(places[2 * i + 1]) - side / 2, side, side);
      }
    }
    pen.globalAlpha = 1;
  }

  // The paths of some particles through frames of places, up to a frame.
  paths(frames, upTo, kinds, which) {
    for (const i of which) {
      this.pen.beginPath();
      for (let k = 0; k <= upTo; k += 1) this.pen.lineTo(this.px(frames[k].places[2 * i]), this.py(frames[k].places[2 * i + 1]));
      this.stroke(COLOURS[kinds[i] % COLOURS.length], 1.1, 0.7);
    }
  }

  line(x0, y0, x1, y1, colour, width = 1.5, alpha = 1) {
    this.pen.beginPath();
    this.pen.moveTo(this.px(x0), this.py(y0));
    this.pen.lineTo(this.px(x1), this.py(y1));
    this.stroke(colour, width, alpha);
  }

  ring(x, y, radius, colour, width = 2) {
    this.pen.beginPath();
    this.pen.arc(this.px(x), this.py(y), Math.max(1, radius * this.scale), 0, 2 * Math.PI);
    this.stroke(colour, width);
  }

  // The ellipse of one deviation of a Gaussian: `covariance` is [xx, xy, yy].
  ellipse(x, y, [xx, xy, yy], colour, width = 2) {
    const middle = (xx + yy) / 2, apart = Math.hypot((xx - yy) / 2, xy), turn = Math.atan2(2 * xy, xx - yy) / 2;
    this.pen.beginPath();
    this.pen.ellipse(this.px(x), this.py(y), Math.sqrt(middle + apart) * this.scale, Math.sqrt(Math.max(0, middle - apart)) * this.scale,
      -turn, 0, 2 * Math.PI);
    this.stroke(colour, width);
  }

  dot(x, y, radius, colour) {
    this.pen.beginPath();
    this.pen.arc(this.px(x), this.py(y), radius * this.unit(), 0, 2 * Math.PI);
    this.pen.fillStyle = colour;
    this.pen.fill();
  }

  cross(x, y, colour) {
    const reach = 9 / 400 * 2 * HALF;
    this.line(x - reach, y, x + reach, y, colour, 2);
    this.line(x, y - reach, x, y + reach, colour, 2);
  }

  // A sentence in the place of all else.
  notice(text) {
    this.clear();
    const { pen } = this;
    pen.fillStyle = this.ink;
    pen.font = `${15 * this.unit()}px system-ui, sans-serif`;
    pen.textAlign = "center";
    pen.fillText(text, this.canvas.width / 2, this.canvas.height / 2, this.canvas.width * 0.9);
  }
}

// The middles of the cells of a lattice over the window, as particles.
export function latticeOf(side) {
  const places = new Float64Array(2 * side * side), step = (2 * HALF) / side;
  for (let j = 0; j < side; j += 1) {
    for (let i = 0; i < side; i += 1) places.set([(i + 0.5) * step - HALF, HALF - (j + 0.5) * step], 2 * (j * side + i));
  }
  return places;
}

export { LATTICE };
