// The standard normal numbers that torch's CPU generator draws from a seed: Mersenne Twister (Matsumoto and Nishimura 1998),
// 24 bits to a uniform number, and Box and Muller's transform of eight and eight. `count` is a multiple of 16.
function* twister(seed) {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let i = 1; i < 624; i += 1) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  for (;;) {
    for (let i = 0; i < 624; i += 1) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
      state[i] = state[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    for (let y of state) {
      y ^= y >>> 11;
      y ^= (y << 7) & 0x9d2c5680;
      y ^= (y << 15) & 0xefc60000;
      yield (y ^ (y >>> 18)) & 0xffffff;
    }
  }
}

export function gaussian(seed, count) {
  const values = new Float32Array(count), bits = twister(seed);
  for (let i = 0; i < count; i += 1) values[i] = bits.next().value / 2 ** 24;
  for (let row = 0; row < count; row += 16) {
    for (let i = row; i < row + 8; i += 1) {
      const radius = Math.sqrt(-2 * Math.log(1 - values[i])), angle = 2 * Math.PI * values[i + 8];
      values[i] = radius * Math.cos(angle);
      values[i + 8] = radius * Math.sin(angle);
    }
  }
  return values;
}
