// A number that its box, or the slider beside it, cannot take is not told to anybody: it is said what they take, and when the
// box is left it has the nearest number that is possible, which then is told as if it had been typed, and the tab's note says so
// until something else is typed.
() => {
  const sliderOf = (box) => box.closest(".block")?.querySelector("input[type=range]");
  const limitsOf = (box) => (box.matches?.("input[type=number]") ? sliderOf(box) ?? (box.min || box.max ? box : null) : null);
  const whole = ({ step }) => step !== "" && Number.isInteger(Number(step));
  const fits = (box, limits) => (box.value === "" ? limits.type !== "range"
    : (limits.min === "" || Number(limits.min) <= box.value) && (limits.max === "" || box.value <= Number(limits.max)) && (!whole(limits) || Number.isInteger(Number(box.value))));
  const advice = (limits) => `Choose a ${whole(limits) ? "whole " : ""}number from ${limits.min} ${limits.max === "" ? "up" : `to ${limits.max}`}.`;
  let said = null; // the note that says what became of a number, and what it said before
  const unsay = () => {
    if (said && said.note.textContent === said.text) [said.note.className, said.note.innerHTML] = said.before;
    said = null;
  };
  const say = (box, typed, limits) => {
    unsay();
    const note = document.querySelector(`#${window.labTabs?.shown()}-note .lab-note`);
    if (!note) return;
    const label = box.ariaLabel?.replace(/^number input for /, "") || box.labels?.[0]?.textContent.trim();
    const text = `${label}: ${typed} is not possible, ${box.value} is taken. ${advice(limits)}`;
    said = { note, text, before: [note.className, note.innerHTML] };
    [note.className, note.textContent] = ["lab-note bad", text];
  };
  // Of "e" or "1e999" the browser gives no value.
  const read = ({ value, validity }) => ({ value, typed: value || (validity.badInput ? "what was typed" : "nothing") });
  const refused = new WeakMap(); // what was typed; Gradio may write there, late, the number that it was told before
  document.addEventListener("input", (event) => {
    const box = event.target, limits = limitsOf(box);
    if (!limits) return;
    const possible = fits(box, limits);
    box.setCustomValidity(possible ? "" : advice(limits));
    if (possible) {
      unsay();
      return void refused.delete(box);
    }
    refused.set(box, read(box));
    event.stopImmediatePropagation();
    box.reportValidity();
  }, true);
  const settle = ({ target: box }) => {
    const limits = limitsOf(box);
    if (!limits) return;
    const { value, typed } = refused.get(box) ?? read(box);
    if (fits({ value }, limits)) return;
    const low = limits.min === "" ? -Infinity : Number(limits.min), high = limits.max === "" ? Infinity : Number(limits.max);
    box.value = value === "" ? limits.value : Math.min(Math.max(whole(limits) ? Math.round(value) : value, low), high);
    box.setCustomValidity("");
    box.dispatchEvent(new Event("input", { bubbles: true }));
    say(box, typed, limits);
  };
  for (const kind of ["change", "focusout"]) document.addEventListener(kind, settle, true);
  // A box that is left as it was entered, or as Enter sent it, tells nobody that it is left: what is pressed in its place has
  // the page, whichever of the two the server would hear of first.
  const known = new WeakMap();
  const know = ({ target: box }) => { if (box.matches?.("input[type=number]")) known.set(box, box.value); };
  document.addEventListener("focusin", know, true);
  document.addEventListener("keydown", (event) => { if (event.key === "Enter") know(event); }, true);
  document.addEventListener("blur", (event) => { if (known.get(event.target) === event.target.value) event.stopImmediatePropagation(); }, true);
}
