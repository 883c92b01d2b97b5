// A small network that learns a score: (x_t, log-SNR) -> 2 numbers, three layers with SiLU between them, trained by Adam
// (Kingma and Ba 2015). Its input is divided by the deviation of x_t (Karras et al. 2022), which here is about 1 at every level.
import { levelOf } from "./levels.js";
import { product, transposed } from "./matrices.js";
import { Random } from "./random.js";

const WIDTH = 64, INPUTS = 15;
const LEAST_SEED = 4093;
const RATE = 1e-2, DECAY_1 = 0.9, DECAY_2 = 0.999, SMALL = 1e-8;
const SIZES = [[INPUTS, WIDTH], [WIDTH, WIDTH], [WIDTH, 2]];

// What the network is asked for, from eps and x_0; and x_0 back from its answer. NCSN's loss, sigma^2 |s + eps / sigma|^2, is that of
// s sigma = -eps (Song and Ermon 2019, eq. 6).
const OBJECTIVES = {
  score: { target: (eps) => -eps, x0: (x, answer, { signal, noise }) => (x + noise * answer) / signal },
  eps: { target: (eps) => eps, x0: (x, answer, { signal, noise }) => (x - noise * answer) / signal },
  // on the variance-preserving level of the straight flow's log-SNR: v = eps - x_0
  flow: { target: (eps, x0) => eps - x0, x0: (x, answer, { signal, noise }) => (x - noise * answer) / (signal + noise) },
};

export class Network {
  constructor(objective, weights) {
    this.objective = objective;
    this.weights = weights; // one Float32Array a layer: a row an input, and then the biases
  }

  static fresh(objective, random) {
    return new Network(objective, SIZES.map(([from, to]) => {
      const layer = random.normals(new Float32Array((from + 1) * to)), scale = Math.sqrt(1 / from);
      return layer.map((value, i) => (i < from * to ? value * scale : 0));
    }));
  }

  // The two answers for every particle; `lambdas` is the log-SNR of each. Keeps what `train` needs of the way.
  forward(x, lambdas) {
    const count = lambdas.length, input = new Float32Array(count * INPUTS);
    for (let b = 0; b < count; b += 1) {
      input.set([...placeFeatures(x[2 * b]), ...placeFeatures(x[2 * b + 1]), ...levelFeatures(lambdas[b])], b * INPUTS);
    }
    const ways = [{ input }];
    for (const [depth, [from, to]] of SIZES.entries()) {
      const way = ways[depth], sums = linear(way.input, this.weights[depth], count, from, to);
      if (depth === SIZES.length - 1) return { answer: sums, ways, count };
      const gates = sums.map((value) => 1 / (1 + Math.exp(-value)));
      ways.push({ input: sums.map((value, i) => value * gates[i]), sums, gates });
    }
    return null;
  }

  // E[x_0 | x_t], as the network has it, of particles at one level of any process that has some signal.
  denoise(particles, level, out) {
    const size = Math.hypot(level.signal, level.noise), at = { signal: level.signal / size, noise: level.noise / size };
    const lambda = 2 * Math.log(level.signal / level.noise), scaled = particles.map((value) => value / size);
    const { answer } = this.forward(scaled, new Float32Array(particles.length / 2).fill(lambda)), { x0 } = OBJECTIVES[this.objective];
    for (let i = 0; i < out.length; i += 1) out[i] = x0(scaled[i], answer[i], at);
    return out;
  }
}

// Waves of a place let so small a network tell the arms of a roll apart (Tancik et al. 2020).
const placeFeatures = (x) => [x, Math.sin(2 * x), Math.cos(2 * x), Math.sin(4 * x), Math.cos(4 * x)];
const levelFeatures = (lambda) => [lambda / 4, Math.sin(lambda / 2), Math.cos(lambda / 2), Math.sin(lambda), Math.cos(lambda)];

// input (count, from) times weights (from, to), and biases, as (count, to).
function linear(input, weights, count, from, to) {
  const sums = product(input, weights, count, from, to), biases = weights.subarray(from * to);
  for (let row = 0; row < sums.length; row += to) for (let j = 0; j < to; j += 1) sums[row + j] += biases[j];
  return sums;
}

// The mean squared error over a batch and its gradient, layer by layer (backpropagation).
export function gradients(network, x, lambdas, targets) {
  const { answer, ways, count } = network.forward(x, lambdas), grads = SIZES.map(([from, to]) => new Float32Array((from + 1) * to));
  let loss = 0, back = answer.map((value, i) => {
    const off = value - targets[i];
    loss += (off * off) / count;
    return (2 * off) / count;
  });
  for (let depth = SIZES.length - 1; depth >= 0; depth -= 1) {
    const [from, to] = SIZES[depth], { input, sums, gates } = ways[depth], grad = grads[depth], biases = grad.subarray(from * to);
    grad.set(product(transposed(input, count, from), back, from, count, to));
    for (let row = 0; row < back.length; row += to) for (let j = 0; j < to; j += 1) biases[j] += back[row + j];
    if (!depth) break;
    const before = product(back, transposed(network.weights[depth].subarray(0, from * to), from, to), count, to, from);
    back = before.map((value, i) => value * gates[i] * (1 + sums[i] * (1 - gates[i])));
  }
  return { loss, grads };
}

// Training: `step` draws a batch of x_0, eps and log-SNR, and moves the weights once. With `lambda` at that one level alone.
export class Training {
  constructor({ mixture, objective, random, lambda = null, range = [-6, 8], batch = 256, steps = 3000 }) {
    Object.assign(this, { mixture, random, lambda, range, batch, steps, taken: 0 });
    this.network = Network.fresh(objective, random);
    this.first = SIZES.map(([from, to]) => new Float32Array((from + 1) * to));
    this.second = SIZES.map(([from, to]) => new Float32Array((from + 1) * to));
  }

  step() {
    const { x, lambdas, targets } = this.draws(this.batch, this.random), { loss, grads } = gradients(this.network, x, lambdas, targets);
    this.taken += 1;
    this.move(grads);
    return loss;
  }

  // Noisy data, their log-SNR, and what the network is to say of them.
  draws(count, random) {
    const x0 = new Float64Array(2 * count), eps = new Float64Array(2 * count), [low, high] = this.range;
    this.mixture.sample(x0, random);
    random.normals(eps);
    const x = new Float32Array(2 * count), targets = new Float32Array(2 * count), lambdas = new Float32Array(count);
    const { target } = OBJECTIVES[this.network.objective];
    for (let b = 0; b < count; b += 1) {
      lambdas[b] = this.lambda ?? low + (high - low) * random.uniform();
      const { signal, noise } = levelOf(lambdas[b]);
      for (let i = 2 * b; i < 2 * b + 2; i += 1) {
        x[i] = signal * x0[i] + noise * eps[i];
        targets[i] = target(eps[i], x0[i]);
      }
    }
    return { x, lambdas, targets };
  }

  // The loss of the exact denoiser, below which no network comes but by chance: a mean over draws of its own.
  least(count = 4096) {
    const { x, lambdas, targets } = this.draws(count, new Random(LEAST_SEED)), { target } = OBJECTIVES[this.network.objective];
    let sum = 0;
    for (let b = 0; b < count; b += 1) {
      const level = levelOf(lambdas[b]), x0 = this.mixture.denoise(Float64Array.from(x.subarray(2 * b, 2 * b + 2)), level, new Float64Array(2));
      for (let c = 0; c < 2; c += 1) sum += (target((x[2 * b + c] - level.signal * x0[c]) / level.noise, x0[c]) - targets[2 * b + c]) ** 2;
    }
    return sum / count;
  }

  // Adam, its rate falling to nothing along a half cosine.
  move(grads) {
    const rate = (RATE * (1 + Math.cos((Math.PI * Math.min(this.taken, this.steps)) / this.steps))) / 2;
    const whole = 1 - DECAY_1 ** this.taken, square = 1 - DECAY_2 ** this.taken;
    grads.forEach((grad, depth) => {
      const weights = this.network.weights[depth], first = this.first[depth], second = this.second[depth];
      for (let i = 0; i < grad.length; i += 1) {
        first[i] = DECAY_1 * first[i] + (1 - DECAY_1) * grad[i];
        second[i] = DECAY_2 * second[i] + (1 - DECAY_2) * grad[i] * grad[i];
        weights[i] -= (rate * first[i]) / whole / (Math.sqrt(second[i] / square) + SMALL);
      }
    });
  }
}
