// Reflow (Liu et al. 2023, section 2.2): the straight flow between pairs (z, x) of noise and what a flow made of it. With each
// pair's line blurred by a bandwidth the velocity of the whole is known in closed form, and nothing has to be trained.
const BANDWIDTH = 0.06;

// The velocity E[z - x | x_t] of pairs, as a function of particles and time.
export function pairVelocity(z, x, bandwidth = BANDWIDTH) {
  const count = z.length / 2, odds = new Float64Array(count), scale = -0.5 / bandwidth ** 2;
  return (particles, t, out) => {
    for (let i = 0; i < particles.length; i += 2) {
      let best = -Infinity, sum = 0, vx = 0, vy = 0;
      for (let k = 0; k < count; k += 1) {
        const dx = particles[i] - ((1 - t) * x[2 * k] + t * z[2 * k]), dy = particles[i + 1] - ((1 - t) * x[2 * k + 1] + t * z[2 * k + 1]);
        odds[k] = scale * (dx * dx + dy * dy);
        if (odds[k] > best) best = odds[k];
      }
      for (let k = 0; k < count; k += 1) {
        if (odds[k] < best - 30) continue;
        const odd = Math.exp(odds[k] - best);
        sum += odd;
        vx += odd * (z[2 * k] - x[2 * k]);
        vy += odd * (z[2 * k + 1] - x[2 * k + 1]);
      }
      out[i] = vx / sum;
      out[i + 1] = vy / sum;
    }
    return out;
  };
}
