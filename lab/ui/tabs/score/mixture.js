// A mixture of Gaussians of one deviation around points of the plane, and all that is known of it in closed form at any noise
// level; as lab/engine/mixture.py. Particles are Float64Arrays of x, y, x, y, ...
export class Mixture {
  // `classes` says of each point which class it belongs to, from 0.
  constructor({ points, weights, std, classes }) {
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    this.count = points.length;
    this.x = Float64Array.from(points, ([x]) => x);
    this.y = Float64Array.from(points, ([, y]) => y);
    this.weights = Float64Array.from(weights, (weight) => weight / total);
    this.logs = this.weights.map(Math.log);
    this.std = std;
    this.classes = classes;
    this.classCount = Math.max(0, ...classes) + 1;
    this.odds = new Float64Array(this.count);
  }

  // The points of one class alone.
  ofClass(kind) {
    const own = [...this.classes.keys()].filter((k) => this.classes[k] === kind);
    return new Mixture({
      points: own.map((k) => [this.x[k], this.y[k]]), weights: own.map((k) => this.weights[k]), std: this.std, classes: own.map(() => kind),
    });
  }

  variance({ signal, noise }) {
    return signal * signal * this.std * this.std + noise * noise;
  }

  // How likely each point is the one that a particle came from; into `odds`. Returns the log density there.
  weigh(px, py, level) {
    const { x, y, logs, odds, count } = this, { signal } = level, variance = this.variance(level), scale = -0.5 / variance;
    let best = -Infinity, sum = 0;
    for (let k = 0; k < count; k += 1) {
      const dx = px - signal * x[k], dy = py - signal * y[k], log = logs[k] + scale * (dx * dx + dy * dy);
      odds[k] = log;
      if (log > best) best = log;
    }
    for (let k = 0; k < count; k += 1) {
      const odd = Math.exp(odds[k] - best);
      odds[k] = odd;
      sum += odd;
    }
    for (let k = 0; k < count; k += 1) odds[k] /= sum;
    return best + Math.log(sum) - Math.log(2 * Math.PI * variance);
  }

  // E[x_0 | x_t] of every particle (the optimal denoiser) into `out`.
  denoise(particles, level, out) {
    const { x, y, odds, count } = this, { signal } = level;
    const keep = (signal * this.std * this.std) / this.variance(level); // of x_t; the rest is the points'
    for (let i = 0; i < particles.length; i += 2) {
      this.weigh(particles[i], particles[i + 1], level);
      let mx = 0, my = 0;
      for (let k = 0; k < count; k += 1) {
        mx += odds[k] * x[k];
        my += odds[k] * y[k];
      }
      out[i] = mx + keep * (particles[i] - signal * mx);
      out[i + 1] = my + keep * (particles[i + 1] - signal * my);
    }
    return out;
  }

  // The gradient of the log density, by Tweedie's formula.
  score(particles, level, out) {
    const { x, y, odds, count } = this, { signal } = level, variance = this.variance(level);
    for (let i = 0; i < particles.length; i += 2) {
      this.weigh(particles[i], particles[i + 1], level);
      let mx = 0, my = 0;
      for (let k = 0; k < count; k += 1) {
        mx += odds[k] * x[k];
        my += odds[k] * y[k];
      }
      out[i] = (signal * mx - particles[i]) / variance;
      out[i + 1] = (signal * my - particles[i + 1]) / variance;
    }
    return out;
  }

  // The covariance of x_0 given x_t at one place: [xx, xy, yy].
  covariance(px, py, level) {
    this.weigh(px, py, level);
    const { x, y, odds, count, std } = this, s2 = std * std, own = (s2 * level.noise ** 2) / this.variance(level);
    const away = level.noise ** 2 / this.variance(level); // how far a point's place moves its part's mean
    let mx = 0, my = 0, xx = 0, xy = 0, yy = 0;
    for (let k = 0; k < count; k += 1) {
      mx += odds[k] * x[k];
      my += odds[k] * y[k];
    }
    for (let k = 0; k < count; k += 1) {
      const dx = x[k] - mx, dy = y[k] - my;
      xx += odds[k] * dx * dx;
      xy += odds[k] * dx * dy;
      yy += odds[k] * dy * dy;
    }
    return [own + away * away * xx, away * away * xy, own + away * away * yy];
  }

  // The density on a lattice of side * side places, row by row from the top, of a window from -half to half. A Gaussian is the
  // product of one of x and one of y, so that the exponentials of rows and columns serve all places.
  density(level, side, half) {
    const { count, weights } = this, { signal } = level, variance = this.variance(level), step = (2 * half) / side;
    const columns = new Float64Array(side), values = new Float32Array(side * side), row = new Float64Array(side);
    for (let k = 0; k < count; k += 1) {
      for (let i = 0; i < side; i += 1) {
        const place = (i + 0.5) * step - half;
        columns[i] = Math.exp((-0.5 * (place - signal * this.x[k]) ** 2) / variance);
        row[i] = (weights[k] * Math.exp((-0.5 * (place + signal * this.y[k]) ** 2) / variance)) / (2 * Math.PI * variance);
      }
      for (let j = 0; j < side; j += 1) {
        const factor = row[j];
        if (factor < 1e-12) continue;
        for (let i = 0, at = j * side; i < side; i += 1, at += 1) values[at] += factor * columns[i];
      }
    }
    return values;
  }

  // x_0 of `particles.length / 2` draws into `particles`; returns the class of each.
  sample(particles, random) {
    const kinds = new Uint8Array(particles.length / 2);
    random.normals(particles);
    for (let i = 0; i < kinds.length; i += 1) {
      let left = random.uniform(), k = 0;
      while (k < this.count - 1 && left > this.weights[k]) {
        left -= this.weights[k];
        k += 1;
      }
      particles[2 * i] = this.x[k] + this.std * particles[2 * i];
      particles[2 * i + 1] = this.y[k] + this.std * particles[2 * i + 1];
      kinds[i] = this.classes[k];
    }
    return kinds;
  }

  // The most likely class of every particle at a level.
  classify(particles, level) {
    const kinds = new Uint8Array(particles.length / 2), sums = new Float64Array(this.classCount);
    for (let i = 0; i < kinds.length; i += 1) {
      this.weigh(particles[2 * i], particles[2 * i + 1], level);
      sums.fill(0);
      for (let k = 0; k < this.count; k += 1) sums[this.classes[k]] += this.odds[k];
      kinds[i] = sums.indexOf(Math.max(...sums));
    }
    return kinds;
  }

  // The share of each class in the data.
  shares() {
    const shares = new Array(this.classCount).fill(0);
    this.weights.forEach((weight, k) => { shares[this.classes[k]] += weight; });
    return shares;
  }
}
