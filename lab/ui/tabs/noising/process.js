// The forward process in the page: x_t = sqrt(alpha-bar) x_0 + sqrt(1 - alpha-bar) eps at any t, and what is measured of it,
// as lab/engine/noising.py does. `Source` holds what does not depend on t.
import { gaussian } from "./gaussian.js";

const BINS = 80, LOW = -4, BIN = 0.1, SAMPLE = 100000; // of the histogram
const LIMIT = 100; // stands for an infinite log-SNR

const doubles = (text) => new Float64Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
const mean = (one, other) => one.reduce((sum, value, i) => sum + value * other[i], 0) / one.length;

async function pixels(uri) {
  const image = new Image();
  image.src = uri;
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
  const pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0);
  return pen.getImageData(0, 0, image.width, image.height);
}

export class Source {
  static async of({ key, picture, seed, bars, aligned, spectra }) {
    const { width: side, data } = await pixels(picture), plane = side * side;
    const x0 = new Float32Array(3 * plane);
    for (let c = 0; c < 3; c += 1) for (let i = 0; i < plane; i += 1) x0[c * plane + i] = data[4 * i + c] / 127.5 - 1;
    const eps = gaussian(seed, 3 * plane);
    const power = { picture: mean(x0, x0), noise: mean(eps, eps), cross: mean(x0, eps) };
    const tables = bars.map(doubles);
    return Object.assign(new Source(), { key, side, x0, eps, power, aligned, spectra, tables, levels: tables.map((table) => table.map(logSnr)) });
  }

  // The states of all processes where the first of them stands at t.
  at(t) {
    const first = this.state(0, Math.min(t, this.tables[0].length - 1));
    return this.tables.map((_, k) => (k ? this.state(k, this.aligned ? this.nearest(k, first.level) : first.t) : first));
  }

  state(k, t) {
    const bar = this.tables[k][t], signal = Math.sqrt(bar), noise = Math.sqrt(1 - bar), { picture, cross } = this.power;
    const error = (signal - 1) ** 2 * picture + (1 - bar) * this.power.noise + 2 * (signal - 1) * noise * cross;
    return { t, bar, signal, noise, level: this.levels[k][t], psnr: 10 * Math.log10(4 / error) };
  }

  // The t of a process whose log-SNR is nearest to a level.
  nearest(k, level) {
    const wanted = bound(level, LIMIT - 1);
    let best = 0;
    this.levels[k].forEach((one, t, all) => { if (Math.abs(bound(one, LIMIT) - wanted) < Math.abs(bound(all[best], LIMIT) - wanted)) best = t; });
    return best;
  }

  // x_t into an ImageData of its side; the array of bytes rounds and clips.
  paint({ signal, noise }, { data }) {
    const { x0, eps } = this, plane = this.side ** 2;
    for (let c = 0; c < 3; c += 1) {
      for (let i = 0, k = c * plane; i < plane; i += 1, k += 1) data[4 * i + c] = (signal * x0[k] + noise * eps[k]) * 127.5 + 127.5;
    }
  }

  histogram({ signal, noise }) {
    const { x0, eps } = this, counts = new Float64Array(BINS), stride = Math.max(1, Math.floor(x0.length / SAMPLE)) | 1;
    for (let i = 0; i < x0.length; i += stride) {
      const bin = Math.floor((signal * x0[i] + noise * eps[i] - LOW) / BIN);
      if (bin >= 0 && bin < BINS) counts[bin] += 1;
    }
    const size = Math.ceil(x0.length / stride) * BIN;
    return Array.from(counts, (count) => count / size);
  }

  // Radial mean power of x_t without radius 0.
  spectrum({ bar, signal, noise }) {
    const [picture, own, cross] = this.spectra;
    return picture.slice(1).map((power, i) => bar * power + (1 - bar) * own[i + 1] + 2 * signal * noise * cross[i + 1]);
  }
}

const logSnr = (bar) => 2 * (Math.log(Math.sqrt(bar)) - Math.log(Math.sqrt(1 - bar)));
const bound = (value, limit) => Math.max(-limit, Math.min(limit, value));

// The level of a state in figures.
export function figures({ t, bar, level, psnr }) {
  if (level === Infinity) return `t = ${t} · the picture itself`;
  const rounded = Number(level.toFixed(1)) + 0, sign = rounded < 0 ? "−" : "+";
  const snr = level === -Infinity ? "−∞" : sign + Math.abs(rounded).toFixed(1);
  return `t = ${t} · ᾱ ${bar.toFixed(3)} · log-SNR ${snr} · PSNR ${psnr.toFixed(1)} dB`;
}
