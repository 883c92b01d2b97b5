// A number that its box, or the slider beside it, cannot take is not told to anybody: it is said what they take, and when the
// box is left it has the nearest number that is possible, which then is told as if it had been typed.
() => {
  const sliderOf = (box) => box.closest(".block")?.querySelector("input[type=range]");
  const limitsOf = (box) => (box.matches?.("input[type=number]") ? sliderOf(box) ?? (box.min || box.max ? box : null) : null);
  const fits = (box, { type, min, max }) => (box.value === "" ? type !== "range" : (min === "" || Number(min) <= box.value) && (max === "" || box.value <= Number(max)));
  const refused = new WeakMap(); // what was typed; Gradio may write there, late, the number that it was told before
  document.addEventListener("input", (event) => {
    const box = event.target, limits = limitsOf(box);
    if (!limits) return;
    const possible = fits(box, limits);
    box.setCustomValidity(possible ? "" : `Choose a number from ${limits.min} ${limits.max === "" ? "up" : `to ${limits.max}`}.`);
    if (possible) return void refused.delete(box);
    refused.set(box, box.value);
    event.stopImmediatePropagation();
    box.reportValidity();
  }, true);
  const settle = ({ target: box }) => {
    const limits = limitsOf(box), value = refused.get(box) ?? box.value;
    if (!limits || fits({ value }, limits)) return;
    const low = limits.min === "" ? -Infinity : Number(limits.min), high = limits.max === "" ? Infinity : Number(limits.max);
    box.value = value === "" ? limits.value : Math.min(Math.max(value, low), high);
    box.setCustomValidity("");
    box.dispatchEvent(new Event("input", { bubbles: true }));
  };
  for (const kind of ["change", "focusout"]) document.addEventListener(kind, settle, true);
}
