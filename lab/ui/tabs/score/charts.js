// The chart of each experiment, from what has been computed.
import { COLOURS } from "./draw.js";
import { chart } from "./curves.js";
import { oddsAt } from "./side.js";

const LEVELS = Array.from({ length: 65 }, (_, i) => -8 + i / 4);
const AXIS = { label: "log-SNR", min: -8, max: 8, ticks: [-8, -4, 0, 4, 8] };

export function chartOf(scene, width) {
  if (!scene.mixture) return "";
  return { field: weights, walk: quality, guide: bends, learn: losses }[scene.now.experiment](scene, width);
}

function weights(scene, width) {
  const rows = LEVELS.map((lambda) => oddsAt(scene, lambda));
  const series = scene.data.class_titles.map((title, k) => ({ title, colour: COLOURS[k % COLOURS.length], points: LEVELS.map((lambda, i) => [lambda, rows[i][k]]) }));
  return chart({ width, title: "How likely each class is the one that the cross came from", x: AXIS, y: { min: 0, max: 1, ticks: [0, 0.5, 1] }, series });
}

function quality(scene, width) {
  const rows = scene.content.lanes, own = scene.now.lanes.filter((name) => name !== "exact"), most = Math.max(64, ...scene.qualities.map(({ steps }) => steps));
  const series = own.map((name) => ({
    title: rows[name].title, colour: rows[name].colour, points: scene.qualities.filter((one) => one.name === name).map(({ steps, distance }) => [steps, distance]),
  }));
  if (scene.floor !== null) series.push({ title: "two sets of exact samples", colour: "#9498a0", dashed: true, points: [[1, scene.floor], [most, scene.floor]] });
  return chart({
    width, title: "Energy distance to the data", series,
    x: { label: "calls; upwards: energy distance to the data", min: 1, max: most, ticks: (most > 64 ? [1, 4, 16, 64, 256, 1024] : [1, 2, 4, 8, 16, 32, 64]).filter((tick) => tick <= most), log: true },
    y: { min: 0.001, max: 2, ticks: [0.001, 0.01, 0.1, 1], log: true },
  });
}

function bends(scene, width) {
  const of = (name) => scene.bends.map((found) => [found.scale, found[name]]);
  return chart({
    width, title: "What guidance does", x: { label: "guidance scale", min: 1, max: 10, ticks: [1, 2, 4, 6, 8, 10] }, y: { min: 0, max: 1.5, ticks: [0, 0.5, 1, 1.5] },
    series: [{ title: "how far the means of classes move", colour: COLOURS[1], points: of("shift") }, { title: "their spread, in that of the data", colour: COLOURS[0], points: of("spread") }],
  });
}

function losses(scene, width) {
  const most = Math.max(100, scene.now.training), step = Math.ceil(scene.losses.length / 240), points = [];
  for (let i = 0; i < scene.losses.length; i += step) {
    const part = scene.losses.slice(i, i + step);
    points.push([part.at(-1)[0], part.reduce((sum, [, loss]) => sum + loss, 0) / part.length]);
  }
  const series = [{ title: "squared error of the network, a batch", colour: "#e8590c", points }];
  if (scene.least !== null) series.push({ title: "of the exact score", colour: "#4269d0", dashed: true, points: [[0, scene.least], [most, scene.least]] });
  return chart({
    width, title: "Training loss", series,
    x: { label: "training steps", min: 0, max: most, ticks: [0, most / 4, most / 2, (3 * most) / 4, most] }, y: { min: 0, max: 3, ticks: [0, 1, 2, 3] },
  });
}
