// What a lane's run comes to: particles from a start, moved by a lane, kept at some of its steps for the film. Used by the worker.
import { exploding, logSnr, norm, preserving, straight } from "./levels.js";
import { guided, wished } from "./guidance.js";
import * as lanes from "./lanes.js";
import { COUNT, energyDistance, straightness } from "./measures.js";
import { Mixture } from "./mixture.js";
import { Network } from "./network.js";
import { Random } from "./random.js";
import { pairVelocity } from "./reflow.js";

const MOST_FRAMES = 100;
const LEVELS = 10, FIRST = 4, LAST = 0.2; // sigmas of annealed Langevin: the paper's 20 to 1, in units of 5
const PLAIN = 0.05; // sigma of Langevin at one level: little beside the data's own deviation
const SIZE = 0.004; // the paper's step, 0.1, in units of 5
const PAIRS = 1280, PAIR_STEPS = 100, PAIR_SEED = 7919; // what reflow is made of: other noise than the lanes'
const NEAR = 8; // log-SNR that stands for the picture itself: the end of the slider
const CLEAN = { signal: 1, noise: 0 };

const bounded = (lambda) => Math.max(-NEAR, Math.min(NEAR, lambda));

// The lanes by name: where they start, how they go on, and whether their paths say how straight a flow is.
const WAYS = {
  langevin: { first: () => exploding(PLAIN), go: (way) => lanes.langevin({ ...way, sigma: PLAIN, size: SIZE * way.size }) },
  annealed: { first: () => exploding(FIRST), go: (way) => lanes.annealed({ ...way, sigmas: sigmas(way.steps), size: SIZE * way.size }) },
  ddpm: { first: () => preserving(1), go: lanes.ddpm },
  ddim: { first: () => preserving(1), go: lanes.ddim, smooth: true },
  sde: { first: () => preserving(1), go: lanes.reverseSde },
  flow: { first: () => straight(1), go: lanes.flow, smooth: true },
  reflow: { first: () => straight(1), go: (way) => lanes.along({ ...way, velocity: reflowed(way, 1) }), smooth: true },
  reflow2: { first: () => straight(1), go: (way) => lanes.along({ ...way, velocity: reflowed(way, 2) }), smooth: true },
};

const sigmas = (steps) => lanes.geometric(FIRST, LAST, Math.min(LEVELS, steps));

// The velocity after `times` rounds of reflow. Its pairs are made by the flow before, from noise of their own.
function reflowed({ denoise, seed }, times) {
  const z = new Random(PAIR_SEED + seed).normals(new Float64Array(2 * PAIRS));
  let velocity = null;
  for (let round = 0; round < times; round += 1) {
    const x = z.slice(), way = { x, steps: PAIR_STEPS };
    for (const _ of velocity ? lanes.along({ ...way, velocity }) : lanes.flow({ ...way, denoise }));
    velocity = pairVelocity(z, x);
  }
  return velocity;
}

// Where all lanes of a run start, in the coordinates of the view (those of x_t where it has deviation 1).
function startOf(start, mixture, seed, count = COUNT) {
  const random = new Random(seed), places = random.normals(new Float64Array(2 * count));
  if (start === "square") return places.map(() => 3.2 * random.uniform() - 1.6); // the paper's [-8, 8], in units of 5
  if (start !== "mode") return places;
  const rare = mixture.shares().reduce((best, share, kind, all) => (share < all[best] ? kind : best), 0);
  const own = mixture.ofClass(rare);
  own.sample(places, random);
  return places;
}

// What moves the particles of a lane: the exact denoiser, guided or not, or a network.
function denoiserOf(lane, mixture, weights) {
  if (lane.learned) {
    const network = new Network(weights.objective, weights.layers);
    return (x, level, out) => network.denoise(x, level, out);
  }
  if (lane.scale !== undefined) return guided(mixture, lane.scale, wished(mixture));
  return (x, level, out) => mixture.denoise(x, level, out);
}

// A lane's run, frame by frame: places, their noise level and its log-SNR, the class that each particle is nearest to, and the number
// of calls. The first is the start, the last the end. Particles of an exploding process outgrow every window: theirs are divided
// so that they have deviation 1, as those of a preserving process of the same log-SNR have.
export function recorded(spec, lane) {
  const mixture = new Mixture(spec.mixture), random = new Random(spec.seed + 1), { first, go, smooth } = WAYS[lane.name];
  const level = first(), size = norm(level), x = startOf(spec.start, mixture, spec.seed).map((value) => value * size);
  const denoise = denoiserOf(lane, mixture, spec.weights), steps = lane.steps ?? spec.steps;
  const stride = Math.ceil(steps / MOST_FRAMES), frames = [frameOf(x, level, 0, mixture)], whole = [x.slice()];
  let calls = 0;
  for (const now of go({ denoise, noise: (out) => random.normals(out), x, steps, size: spec.size, seed: spec.seed })) {
    calls += 1;
    if (smooth) whole.push(x.slice());
    if (calls % stride === 0 || calls === steps) frames.push(frameOf(x, now, calls, mixture));
  }
  return { frames: level.signal === 1 ? spreadOut(frames, lane.name) : frames, calls, straight: smooth ? straightness(whole) : null, kinds: frames.at(-1).kinds };
}

function frameOf(x, level, calls, mixture) {
  const size = level.signal === 1 ? norm(level) : 1, places = Float32Array.from(x, (value) => value / size);
  const drawn = { signal: level.signal / size, noise: level.noise / size };
  return { lambda: bounded(logSnr(level)), level: drawn, calls, places, kinds: mixture.classify(x, CLEAN) };
}

// Steps at one level have one log-SNR. For the film those of annealed Langevin are spread up to the next level's, those of
// Langevin at one level over all of it.
function spreadOut(frames, name) {
  const last = frames.at(-1).calls, low = name === "annealed" ? frames[0].lambda : -NEAR, high = name === "annealed" ? frames.at(-1).lambda : NEAR;
  return frames.map((frame) => ({ ...frame, at: low + ((high - low) * frame.calls) / Math.max(1, last) }));
}

// How far the end of each lane is from the data, for each number of calls; and how far two sets of exact samples are.
export function* qualities(spec, counts) {
  const mixture = new Mixture(spec.mixture), sets = [101, 202].map((seed) => {
    const set = new Float64Array(2 * COUNT);
    mixture.sample(set, new Random(spec.seed + seed));
    return set;
  });
  yield { floor: energyDistance(...sets) };
  for (const steps of counts) {
    for (const lane of spec.lanes) {
      if (lane.name === "exact") continue;
      yield { name: lane.name, key: lane.key, steps, distance: energyDistance(recorded(spec, { ...lane, steps }).frames.at(-1).places, sets[0]) };
    }
  }
}

// Exact samples of the data, moved along with the level as x_t = signal x_0 + noise eps: no lane, but what lanes are to come to.
export function exact(spec, count = COUNT) {
  const mixture = new Mixture(spec.mixture), random = new Random(spec.seed + 2), x0 = new Float64Array(2 * count);
  const kinds = mixture.sample(x0, random);
  return { x0, eps: startOf(spec.start === "mode" || spec.start === "square" ? "noise" : spec.start, mixture, spec.seed, count), kinds };
}
