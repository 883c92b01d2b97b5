// Run, pressed while the server still answers an event that may set what Run reads, waits for the answer: Steps, for one, sets
// those of every lane.
() => {
  const LONGEST_MS = 5000, ASKED_MS = 150; // until the server has been asked about what was just changed
  const answer = window.fetch, underWay = new Set(); // events that are being answered
  let pressed = null, passes = false, changed = -Infinity;
  window.addEventListener("input", () => { changed = performance.now(); }, true);
  const eventOf = (test) => window.gradio_config.dependencies.find(test);
  window.fetch = async (...request) => {
    if (!String(request[0]?.url ?? request[0]).includes("/run/predict")) return answer(...request);
    const { fn_index } = JSON.parse(request[1]?.body ?? "{}"), mine = { outputs: eventOf(({ id }) => id === fn_index)?.outputs ?? [] };
    underWay.add(mine);
    try {
      return await answer(...request);
    } finally {
      setTimeout(() => underWay.delete(mine), 100); // until the page has it, and has asked again where something else was changed meanwhile
    }
  };
  const settled = (button) => {
    if (performance.now() - changed < ASKED_MS) return false;
    const part = window.gradio_config.components.find(({ props }) => props.elem_id === button.id)?.id;
    const reads = new Set(eventOf(({ targets }) => targets.some(([id, event]) => id === part && event === "click"))?.inputs);
    return ![...underWay].some(({ outputs }) => outputs.some((output) => reads.has(output)));
  };
  window.addEventListener("click", (event) => {
    const button = event.target.closest?.("button.lab-go.primary");
    if (!button || passes || settled(button)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (pressed) return; // it waits already
    pressed = button;
    const until = performance.now() + LONGEST_MS;
    const press = () => {
      if (!settled(button) && performance.now() < until) return void setTimeout(press, 20);
      pressed = null;
      passes = true;
      if (button.isConnected && !button.disabled) button.click();
      passes = false;
    };
    press();
  }, true);
}
