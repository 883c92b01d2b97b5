// A small chart of curves as SVG, with axes and names. What its paths say in data-points is the table beneath it (chart.js).
const HEIGHT = 190, LEFT = 56, RIGHT = 12, TOP = 8, BOTTOM = 34;

const escaped = (text) => String(text).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
const short = (value) => (Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3))));

function scaleOf({ min, max, log }, from, to) {
  const put = log ? Math.log : (value) => value;
  return (value) => from + ((put(Math.max(min, Math.min(max, value))) - put(min)) / (put(max) - put(min))) * (to - from);
}

// `width` in pixels; `series` are {title, colour, points, dashed}; axes are {label, min, max, ticks, log}.
export function chart({ width, x, y, series, title }) {
  const px = scaleOf(x, LEFT, width - RIGHT), py = scaleOf(y, HEIGHT - BOTTOM, TOP);
  const lines = y.ticks.map((tick) => `<path class="grid" d="M${LEFT} ${py(tick)}H${width - RIGHT}"/><text x="${LEFT - 6}" y="${py(tick) + 4}" text-anchor="end">${short(tick)}</text>`);
  const marks = x.ticks.map((tick) => `<text x="${px(tick)}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${short(tick)}</text>`);
  const curves = series.map(({ title: name, colour, points, dashed }) => {
    const path = points.map(([a, b], i) => `${i ? "L" : "M"}${px(a).toFixed(1)} ${py(b).toFixed(1)}`).join("");
    const dots = points.length < 12 ? points.map(([a, b]) => `<circle cx="${px(a).toFixed(1)}" cy="${py(b).toFixed(1)}" r="3" fill="${colour}"/>`).join("") : "";
    const said = `data-chart="${escaped(title)}" data-across="${escaped(x.label)}" data-curve="${escaped(name)}" data-points="${points.map(([a, b]) => `${Number(a.toPrecision(5))},${Number(b.toPrecision(4))}`).join(" ")}"`;
    return `<path ${points.length ? said : ""} d="${path}" fill="none" stroke="${colour}" stroke-width="2"${dashed ? ' stroke-dasharray="5 4"' : ""}/>${dots}`;
  });
  return (
    `<svg viewBox="0 0 ${width} ${HEIGHT}" role="img" aria-label="${escaped(title)}">${lines.join("")}${marks.join("")}` +
    `<text x="${(LEFT + width - RIGHT) / 2}" y="${HEIGHT - 3}" text-anchor="middle">${escaped(x.label)}</text>${curves.join("")}</svg>` +
    `<p class="score-legend">${series.map(({ title: name, colour }) => `<span><i class="dot" style="background:${colour}"></i>${escaped(name)}</span>`).join("")}</p>`
  );
}
