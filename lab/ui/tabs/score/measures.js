// What is measured of particles, as lab/engine/plane_lanes.py does.

export const COUNT = 1280; // particles of a lane, as in Song and Ermon 2019, appendix B.1

// The share of each class among particles.
export function sharesOf(kinds, count) {
  const shares = new Array(count).fill(0);
  for (const kind of kinds) shares[kind] += 1 / kinds.length;
  return shares;
}

// The mean distance between particles of two sets, of at most `most` each.
function apart(one, other, most) {
  const n = Math.min(one.length / 2, most), m = Math.min(other.length / 2, most);
  let sum = 0;
  for (let i = 0; i < n; i += 1) for (let j = 0; j < m; j += 1) sum += Math.hypot(one[2 * i] - other[2 * j], one[2 * i + 1] - other[2 * j + 1]);
  return sum / (n * m);
}

// The energy distance of two sets (Szekely and Rizzo 2013): 0 where they have one distribution.
export const energyDistance = (one, other, most = 640) => 2 * apart(one, other, most) - apart(one, one, most) - apart(other, other, most);

// How far paths are from straight lines walked at one speed (Liu et al. 2023, section 3): the mean of |(z - x) - v|^2 over the
// way, as a share of |z - x|^2. `frames` are the particles at equal steps of time, from z to x.
export function straightness(frames) {
  const first = frames[0], last = frames.at(-1), steps = frames.length - 1;
  let off = 0, whole = 0;
  for (let j = 0; j < first.length; j += 1) {
    const chord = last[j] - first[j];
    whole += chord * chord;
    for (let i = 0; i < steps; i += 1) off += ((frames[i + 1][j] - frames[i][j]) * steps - chord) ** 2 / steps;
  }
  return off / whole;
}

// Mean and deviation (root of the mean squared distance from the mean) of particles.
export function moments(particles) {
  const n = particles.length / 2;
  let mx = 0, my = 0, square = 0;
  for (let i = 0; i < n; i += 1) {
    mx += particles[2 * i] / n;
    my += particles[2 * i + 1] / n;
  }
  for (let i = 0; i < n; i += 1) square += ((particles[2 * i] - mx) ** 2 + (particles[2 * i + 1] - my) ** 2) / n;
  return { mean: [mx, my], deviation: Math.sqrt(square) };
}
