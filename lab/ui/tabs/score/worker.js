// What takes longer than a frame: lanes, their quality, and training, beside the page's own thread. A job that is out of date is
// ended with its worker.
import { bent } from "./guidance.js";
import { Random } from "./random.js";
import { Mixture } from "./mixture.js";
import { Training } from "./network.js";
import { qualities, recorded } from "./runs.js";

const PAUSE_MS = 60; // between two reports of a training

const JOBS = {
  *lanes(spec) {
    for (const lane of spec.lanes) if (lane.name !== "exact") yield { key: lane.key, run: recorded(spec, lane) };
  },

  *quality(spec) {
    yield* qualities(spec, spec.counts);
  },

  *bends(spec) {
    const mixture = new Mixture(spec.mixture);
    for (const scale of spec.scales) {
      const run = recorded(spec, { name: "ddim", scale });
      yield { scale, ...bent(mixture, run.frames.at(-1).places) };
    }
  },

  *train(spec) {
    const training = new Training({
      mixture: new Mixture(spec.mixture), objective: spec.objective, lambda: spec.lambda, steps: spec.steps, random: new Random(spec.seed),
    });
    yield { least: training.least() };
    let losses = [], since = performance.now();
    while (training.taken < spec.steps) {
      losses.push(training.step());
      if (performance.now() - since < PAUSE_MS && training.taken < spec.steps) continue;
      const loss = losses.reduce((sum, value) => sum + value, 0) / losses.length;
      yield { taken: training.taken, loss, weights: { objective: spec.objective, layers: training.network.weights } };
      losses = [];
      since = performance.now();
    }
  },
};

addEventListener("message", ({ data }) => {
  for (const found of JOBS[data.job](data)) postMessage({ id: data.id, ...found });
  postMessage({ id: data.id, done: true });
});
