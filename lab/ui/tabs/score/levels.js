// Noise levels, x_t = signal * x_0 + noise * eps, and the processes that pass through them; as lab/engine/process.py.
const BETA_MIN = 0.1, BETA_MAX = 20; // of the variance-preserving SDE (Song et al. 2021, appendix C)

// The share of the picture in the variance at time t in [0, 1] (Song et al. 2021, eq. 33), as its logarithm.
const logBar = (t) => -0.5 * t * t * (BETA_MAX - BETA_MIN) - t * BETA_MIN;

export const beta = (t) => BETA_MIN + t * (BETA_MAX - BETA_MIN);
export const preserving = (t) => ({ signal: Math.exp(logBar(t) / 2), noise: Math.sqrt(-Math.expm1(logBar(t))) });
export const exploding = (sigma) => ({ signal: 1, noise: sigma });
export const straight = (t) => ({ signal: 1 - t, noise: t });

export const logSnr = ({ signal, noise }) => 2 * (Math.log(signal) - Math.log(noise));
export const norm = ({ signal, noise }) => Math.hypot(signal, noise);

// The variance-preserving level of a log-SNR.
export const levelOf = (lambda) => ({ signal: 1 / Math.sqrt(1 + Math.exp(-lambda)), noise: 1 / Math.sqrt(1 + Math.exp(lambda)) });
