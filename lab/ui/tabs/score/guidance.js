// Classifier-free guidance on the plane, with perfect scores: each particle is guided to a class of its own.
import { COUNT, moments } from "./measures.js";

// E[x_0 | x_t] guided: the unconditional one, and `scale` times the difference that the class makes (Ho and Salimans 2022).
export function guided(mixture, scale, kinds) {
  const classes = Array.from({ length: mixture.classCount }, (_, kind) => mixture.ofClass(kind));
  return (x, level, out) => {
    mixture.denoise(x, level, out);
    const one = new Float64Array(2), own = new Float64Array(2);
    for (let i = 0; i < x.length; i += 2) {
      one[0] = x[i];
      one[1] = x[i + 1];
      classes[kinds[i / 2]].denoise(one, level, own);
      for (let c = 0; c < 2; c += 1) out[i + c] += scale * (own[c] - out[i + c]);
    }
    return out;
  };
}

// The class that each particle is guided to: as often as it is in the data.
export function wished(mixture, count = COUNT) {
  const shares = mixture.shares(), kinds = new Uint8Array(count);
  let kind = 0, upTo = shares[0];
  for (let i = 0; i < count; i += 1) {
    while (i / count >= upTo && kind < shares.length - 1) {
      kind += 1;
      upTo += shares[kind];
    }
    kinds[i] = kind;
  }
  return kinds;
}

// How far guidance moves the mean of each class, and which part of its spread it leaves: means over the classes. `places` are
// where guided lanes end.
export function bent(mixture, places) {
  const kinds = wished(mixture, places.length / 2);
  let shift = 0, spread = 0;
  for (let kind = 0; kind < mixture.classCount; kind += 1) {
    const { mean, deviation } = momentsOf(mixture.ofClass(kind)), found = moments(places.filter((_, j) => kinds[j >> 1] === kind));
    shift += Math.hypot(found.mean[0] - mean[0], found.mean[1] - mean[1]) / mixture.classCount;
    spread += found.deviation / deviation / mixture.classCount;
  }
  return { shift, spread };
}

// Mean and deviation of a mixture (root of the mean squared distance from the mean).
function momentsOf({ x, y, weights, std }) {
  const mean = [0, 0];
  let square = 2 * std ** 2;
  weights.forEach((weight, k) => {
    mean[0] += weight * x[k];
    mean[1] += weight * y[k];
  });
  weights.forEach((weight, k) => { square += weight * ((x[k] - mean[0]) ** 2 + (y[k] - mean[1]) ** 2); });
  return { mean, deviation: Math.sqrt(square) };
}
