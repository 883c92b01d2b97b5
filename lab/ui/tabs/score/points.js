// Points that a visitor draws, as text: "-101,34 20,5", hundredths of a unit; as lab/ui/tabs/score/points.py.
export const MOST = 500, STD = 0.06;
const EDGE = 200; // hundredths: within the window

export function parsed(text) {
  const pairs = (text || "").split(" ").map((word) => /^(-?\d{1,3}),(-?\d{1,3})$/.exec(word)).filter(Boolean);
  return pairs.slice(0, MOST).map(([, x, y]) => [bounded(x) / 100, bounded(y) / 100]);
}

const bounded = (value) => Math.max(-EDGE, Math.min(EDGE, Math.round(Number(value))));

export const formatted = (points) => points.map(([x, y]) => `${bounded(100 * x)},${bounded(100 * y)}`).join(" ");

// Drawn points as data for a mixture.
export const drawn = (points) => ({ points, weights: points.map(() => 1), std: STD, classes: points.map(() => 0), class_titles: ["your points"] });

// The number of the point within reach of a place; -1 where there is none.
export function nearest(points, x, y, reach) {
  let best = -1, least = reach;
  points.forEach(([px, py], k) => {
    const away = Math.hypot(px - x, py - y);
    if (away <= least) { best = k; least = away; }
  });
  return best;
}
