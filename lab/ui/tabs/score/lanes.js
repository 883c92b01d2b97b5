// The lanes: generators that move all particles by one call of a denoiser, x_t -> E[x_0 | x_t], and yield the noise level that the
// particles then have; as lab/engine/plane_lanes.py. `denoise(x, level, out)`; `noise(out)` fills with standard normal numbers.
import { beta, exploding, preserving, straight } from "./levels.js";

const times = (steps) => Array.from({ length: steps + 1 }, (_, i) => 1 - i / steps);

// DDPM (Ho et al. 2020, eq. 7): the posterior q(x_s | x_t, x_0) with the denoiser's x_0.
export function* ddpm({ denoise, noise, x, steps }) {
  const x0 = new Float64Array(x.length), z = new Float64Array(x.length), t = times(steps);
  for (let i = 0; i < steps; i += 1) {
    const now = preserving(t[i]), next = preserving(t[i + 1]), { a, b, deviation } = posterior(now, next);
    denoise(x, now, x0);
    noise(z);
    for (let j = 0; j < x.length; j += 1) x[j] = a * x0[j] + b * x[j] + deviation * z[j];
    yield next;
  }
}

// q(x_s | x_t, x_0) = N(a x_0 + b x_t, deviation^2) between two variance-preserving levels.
export function posterior(now, next) {
  const alpha = (now.signal / next.signal) ** 2, left = next.noise ** 2 / now.noise ** 2;
  return { a: (next.signal * (1 - alpha)) / now.noise ** 2, b: Math.sqrt(alpha) * left, deviation: Math.sqrt(left * (1 - alpha)) };
}

// DDIM with eta 0 (Song et al. 2021, eq. 12), which follows the probability flow.
export function* ddim({ denoise, x, steps }) {
  const x0 = new Float64Array(x.length), t = times(steps);
  for (let i = 0; i < steps; i += 1) {
    const now = preserving(t[i]), next = preserving(t[i + 1]), keep = next.noise / now.noise;
    denoise(x, now, x0);
    for (let j = 0; j < x.length; j += 1) x[j] = (next.signal - keep * now.signal) * x0[j] + keep * x[j];
    yield next;
  }
}

// The reverse SDE of the variance-preserving process by Euler and Maruyama (Song et al. 2021, eq. 6); the last step without noise.
export function* reverseSde({ denoise, noise, x, steps }) {
  const x0 = new Float64Array(x.length), z = new Float64Array(x.length), t = times(steps);
  for (let i = 0; i < steps; i += 1) {
    const now = preserving(t[i]), rate = beta(t[i]) / steps, variance = now.noise ** 2, spread = i < steps - 1 ? Math.sqrt(rate) : 0;
    denoise(x, now, x0);
    noise(z);
    for (let j = 0; j < x.length; j += 1) x[j] += rate * (0.5 * x[j] + (now.signal * x0[j] - x[j]) / variance) + spread * z[j];
    yield preserving(t[i + 1]);
  }
}

// Euler on the velocity of the straight flow (Liu et al. 2023, eq. 1): v = E[eps - x_0 | x_t].
export function* flow({ denoise, x, steps }) {
  const x0 = new Float64Array(x.length), t = times(steps);
  for (let i = 0; i < steps; i += 1) {
    denoise(x, straight(t[i]), x0);
    for (let j = 0; j < x.length; j += 1) x[j] -= (x[j] - x0[j]) / t[i] / steps;
    yield straight(t[i + 1]);
  }
}

// Euler on a velocity that is given as such: that of reflow (flow.js).
export function* along({ velocity, x, steps }) {
  const v = new Float64Array(x.length), t = times(steps);
  for (let i = 0; i < steps; i += 1) {
    velocity(x, t[i], v);
    for (let j = 0; j < x.length; j += 1) x[j] -= v[j] / steps;
    yield straight(t[i + 1]);
  }
}

// One step of Langevin dynamics at a level (Song and Ermon 2019, eq. 4).
function jiggle({ denoise, noise, x }, level, size, x0, z) {
  const pull = size / (2 * level.noise ** 2), push = Math.sqrt(size);
  denoise(x, level, x0);
  noise(z);
  for (let j = 0; j < x.length; j += 1) x[j] += pull * (level.signal * x0[j] - x[j]) + push * z[j];
}

// Langevin dynamics at one level, sigma, with steps of one size.
export function* langevin({ denoise, noise, x, steps, sigma, size }) {
  const x0 = new Float64Array(x.length), z = new Float64Array(x.length), level = exploding(sigma);
  for (let i = 0; i < steps; i += 1) {
    jiggle({ denoise, noise, x }, level, size, x0, z);
    yield level;
  }
}

// Annealed Langevin dynamics (Song and Ermon 2019, algorithm 1): falling sigmas, as many steps at each, of size * sigma^2 / last^2.
export function* annealed({ denoise, noise, x, steps, sigmas, size }) {
  const x0 = new Float64Array(x.length), z = new Float64Array(x.length), last = sigmas.at(-1);
  for (let i = 0; i < steps; i += 1) {
    const sigma = sigmas[Math.floor((i * sigmas.length) / steps)], level = exploding(sigma);
    jiggle({ denoise, noise, x }, level, (size * sigma * sigma) / (last * last), x0, z);
    yield level;
  }
}

// As many sigmas as asked, each the same fraction of the one before.
export const geometric = (first, last, count) =>
  Array.from({ length: count }, (_, i) => (count > 1 ? first * (last / first) ** (i / (count - 1)) : last));
