// The chart of a figure made by charts.py, moved to other states of its processes. `layout.meta` is the chart's name.
// Arrays are new and the rest is as it was: so Plotly finds what changed.
const MOVES = {
  schedule({ data, layout }, states) {
    const [low, high] = layout.yaxis2.range, dots = data.length - 2 * states.length;
    states.forEach(({ t, bar, level }, k) => {
      const beyond = level > high ? "triangle-up" : level < low ? "triangle-down" : "circle";
      const [on, other] = [data[dots + 2 * k], data[dots + 2 * k + 1]];
      Object.assign(on, { x: [t], y: [bar] });
      Object.assign(other, { x: [t], y: [Math.max(low, Math.min(high, level))], marker: { ...other.marker, symbol: beyond } });
    });
  },
  values({ data }, states, source) {
    states.forEach((state, k) => { data[k].y = source.histogram(state); });
  },
  frequencies({ data, layout }, states, source) {
    const [{ bar }] = states, signal = source.spectra[0].slice(1).map((power) => bar * power), last = signal.length;
    data[0].y = signal;
    data[1].y = signal.map(() => (bar < 1 ? 1 - bar : null));
    states.forEach((state, k) => { data[2 + k].y = source.spectrum(state); });
    const under = bar < 1 ? signal.findIndex((power) => power < 1 - bar) : -1;
    layout.shapes = [{ ...layout.shapes[0], x0: under < 0 ? last : under + 1 }];
  },
};

export function moved({ data, layout }, states, source) {
  const figure = { data: data.map((trace) => ({ ...trace })), layout: { ...layout } };
  MOVES[layout.meta](figure, states, source);
  return figure;
}
