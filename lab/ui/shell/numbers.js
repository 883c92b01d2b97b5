// The number beside a slider. One that the slider cannot take is not told to anybody: it is said what it takes, and when the
// box is left it has the nearest number that is possible, which then is told as if it had been typed.
() => {
  const sliderOf = (box) => (box.matches?.("input[type=number]") ? box.closest(".block")?.querySelector("input[type=range]") : null);
  const fits = (box, { min, max }) => box.value !== "" && Number(min) <= box.value && box.value <= Number(max);
  document.addEventListener("input", (event) => {
    const box = event.target, slider = sliderOf(box);
    if (!slider) return;
    const possible = fits(box, slider);
    box.setCustomValidity(possible ? "" : `Choose a number from ${slider.min} to ${slider.max}.`);
    if (possible) return;
    event.stopImmediatePropagation();
    box.reportValidity();
  }, true);
  const settle = ({ target: box }) => {
    const slider = sliderOf(box);
    if (!slider || fits(box, slider)) return;
    box.value = box.value === "" ? slider.value : Math.min(Math.max(box.value, slider.min), slider.max);
    box.setCustomValidity("");
    box.dispatchEvent(new Event("input", { bubbles: true }));
  };
  for (const kind of ["change", "focusout"]) document.addEventListener(kind, settle, true);
}
