// Runs as gr.HTML's js_on_load: `element` is given, and holds the table of the chart beside it. What Plotly was given, or what
// the paths of an SVG say in data-points, as rows: a table while it is open, and a file from `labCharts.save`.
const details = element.querySelector("details"), region = details.lastElementChild, id = details.dataset.of;
const plain = (text) => (text ?? "").replace(/<[^>]*>/g, "");
const plotly = (plot) => plot.data.flatMap((trace) => {
  const title = (axis) => plain(plot.layout[axis.replace(/[xy]/, "$&axis")]?.title?.text);
  const x = title(trace.xaxis ?? "x"), y = trace.meta ?? title(trace.yaxis ?? "y"), curve = plain(trace.name);
  if (trace.z) return trace.z.flatMap((row, i) => row.map((z, j) => ({ curve, [x || "column"]: trace.x[j], [y || "row"]: trace.y[i], value: z })));
  const value = (i) => (trace.text?.[i]?.startsWith("below") ? trace.text[i] : trace.y[i]); // what lies under the axis
  return [...trace.x].map((at, i) => ({ curve, [x || "x"]: at, [y || "y"]: value(i) }));
});
const drawn = (svg) => { // the lines of its curves, and the pictures around them
  const paths = [...svg.querySelectorAll("[data-points]")], { chart, across } = paths[0]?.dataset ?? {};
  const row = (curve, point) => ({ chart, curve, [across]: Number(point.split(",")[0]), value: Number(point.split(",")[1]) });
  return [
    ...paths.flatMap((path) => path.dataset.points.split(" ").map((point) => row(path.dataset.curve, point))),
    ...[...svg.querySelectorAll("[data-point]")].map((dot) => row(dot.dataset.words.replace(/ · [^·]*$/, ""), dot.dataset.point)),
  ];
};
const source = (name) => {
  const place = document.getElementById(name), plot = place?.querySelector(".js-plotly-plot");
  return plot?.data ?? place?.querySelector("svg");
};
const rows = (name) => {
  const place = document.getElementById(name), plot = place?.querySelector(".js-plotly-plot");
  const all = plot?.data ? plotly(plot) : [...(place?.querySelectorAll("svg") ?? [])].flatMap(drawn);
  const known = all.filter((row) => Object.values(row).every((value) => value !== null && value !== undefined));
  const head = [...new Set(known.flatMap(Object.keys))], merged = new Map();
  for (const row of known) { // what two axes say of one place is one row
    const keys = Object.keys(row), last = keys.pop(), place = JSON.stringify(keys.map((key) => [key, row[key]]));
    const same = (merged.get(place) ?? []).find((other) => !(last in other));
    if (same) same[last] = row[last];
    else merged.set(place, [...(merged.get(place) ?? []), row]);
  }
  const short = (value) => (typeof value === "number" ? Number(value.toPrecision(5)) : value ?? "");
  return [head, ...[...merged.values()].flat().map((row) => head.map((key) => short(row[key])))];
};

const call = () => { // as a whole: Plotly's drawings have no names
  const place = document.getElementById(id);
  if (!place || place.role) return;
  place.role = "figure";
  place.ariaLabel = region.getAttribute("aria-label").replace(/, numbers$/, "");
};

let shown = null;
const show = () => {
  if (!details.isConnected || !details.open || source(id) === shown) return;
  shown = source(id);
  const [head, ...body] = rows(id), table = Object.assign(document.createElement("table"), { className: "lab-table" });
  for (const cells of [head, ...body]) {
    const row = table.insertRow();
    for (const cell of cells) {
      const item = document.createElement(cells === head ? "th" : "td");
      if (cells === head) item.scope = "col";
      item.textContent = cell;
      row.append(item);
    }
  }
  region.replaceChildren(body.length ? table : "No curve yet.");
};
details.addEventListener("toggle", () => {
  shown = null;
  show();
});
const timer = setInterval(() => {
  if (!details.isConnected) return clearInterval(timer);
  call();
  show();
}, 400); // a new figure takes the place of the old

window.labCharts = {
  save(name) {
    const [head, ...body] = rows(name);
    if (!body.length) return false;
    const quoted = (value) => (/[",\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value);
    const text = [head, ...body].map((row) => row.map(quoted).join(",")).join("\r\n");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([`\uFEFF${text}\r\n`], { type: "text/csv" })); // the mark tells a spreadsheet that it is UTF-8
    link.download = `${name}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    return true;
  },
};
