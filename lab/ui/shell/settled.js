// Run, or a preset, pressed while the server still answers a control waits for the answer: it may set other controls, as Steps
// sets those of every lane, and a run takes them as they are.
() => {
  const PRESSES = "button.lab-go, .presets button", LONGEST_MS = 5000;
  const answer = window.fetch;
  let underWay = 0, pressed = null, passes = false;
  window.fetch = async (...request) => {
    if (!String(request[0]?.url ?? request[0]).includes("/run/predict")) return answer(...request);
    underWay += 1;
    try {
      return await answer(...request);
    } finally {
      setTimeout(() => { underWay -= 1; }, 100); // until the page has it, and has asked again where something else was changed meanwhile
    }
  };
  window.addEventListener("click", (event) => {
    const button = event.target.closest?.(PRESSES);
    if (!button || !underWay || passes) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const waits = pressed !== null;
    pressed = button; // of several presses the last one counts
    if (waits) return;
    const until = performance.now() + LONGEST_MS;
    const press = () => {
      if (underWay && performance.now() < until) return void setTimeout(press, 20);
      const last = pressed;
      pressed = null;
      passes = true;
      if (last.isConnected && !last.disabled) last.click();
      passes = false;
    };
    press();
  }, true);
}
