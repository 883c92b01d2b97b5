// Standard normal numbers from a seed: the small fast counter generator of Doty-Humphrey (PractRand, sfc32) and Marsaglia's polar
// method. Every lane of a run draws the same stream.
export class Random {
  constructor(seed) {
    this.state = new Uint32Array([0x9e3779b9, 0x243f6a88, seed >>> 0, 1]);
    for (let i = 0; i < 16; i += 1) this.bits();
  }

  bits() {
    const s = this.state, sum = (s[0] + s[1] + s[3]) >>> 0;
    s[3] += 1;
    s[0] = s[1] ^ (s[1] >>> 9);
    s[1] = s[2] + (s[2] << 3);
    s[2] = ((s[2] << 21) | (s[2] >>> 11)) + sum;
    return sum;
  }

  uniform() {
    return this.bits() / 2 ** 32;
  }

  normals(values) {
    for (let i = 0; i < values.length; i += 2) {
      let u = 0, v = 0, square = 0;
      while (square >= 1 || square === 0) {
        u = 2 * this.uniform() - 1;
        v = 2 * this.uniform() - 1;
        square = u * u + v * v;
      }
      const factor = Math.sqrt((-2 * Math.log(square)) / square);
      values[i] = u * factor;
      if (i + 1 < values.length) values[i + 1] = v * factor;
    }
    return values;
  }
}
