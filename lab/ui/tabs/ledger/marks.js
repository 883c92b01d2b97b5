// A dot on each curve of the chart where the slider of bits stands. Runs as the stage's js_on_load, before the reel's script:
// `element` is given. Each trace has in `customdata` the place of the slider at each point.
const box = element.closest("#ledger-stage");
let drawn = null, width = 0;
const mark = () => {
  const graph = document.querySelector("#ledger-plot .js-plotly-plot"), holder = box.querySelector("[data-reel]"), frames = holder?.querySelector("[data-frames]");
  const paper = graph?.querySelector(".svg-container"), { xaxis, yaxis } = graph?._fullLayout ?? {};
  drawn = graph?.data ?? null;
  width = graph?._fullLayout?.width ?? 0;
  if (!paper || !xaxis || !yaxis) return;
  const last = frames ? JSON.parse(frames.dataset.frames).last : 0, place = Number(holder?.dataset.at);
  const dots = place < last ? graph.data.flatMap((trace) => {
    const k = trace.customdata?.findLastIndex((own, i) => own <= place && trace.y[i] !== null) ?? -1;
    if (k < 0) return [];
    const dot = document.createElement("i");
    dot.style.cssText = `left:${xaxis._offset + xaxis.d2p(trace.x[k])}px;top:${yaxis._offset + yaxis.d2p(trace.y[k])}px;background:${trace.line.color}`;
    return [dot];
  }) : [];
  const marks = paper.querySelector(".ledger-marks") ?? paper.appendChild(Object.assign(document.createElement("div"), { className: "ledger-marks", ariaHidden: "true" }));
  marks.replaceChildren(...dots);
};
new MutationObserver(mark).observe(box, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-at"] });
const timer = setInterval(() => {
  if (!box.isConnected) return clearInterval(timer);
  const graph = document.querySelector("#ledger-plot .js-plotly-plot");
  if (graph && (graph.data !== drawn || graph._fullLayout?.width !== width)) mark();
}, 300); // another chart, or another width
