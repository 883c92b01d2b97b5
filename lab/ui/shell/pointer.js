// Runs as gr.HTML's js_on_load: `element` is given. `labPointers` of the tab is told what the controls are set to, and last
// the code of the link of what is shown, which is new as soon as that is there.
const line = element.querySelector(".pointer"), { tab, base, presets } = JSON.parse(line.dataset.presets);
const words = (values) => JSON.stringify(values.map((value) => value ?? ""));
const wanted = presets.map(({ changes }) => words(base.map((value, index) => (index in changes ? changes[index] : value))));
const linked = new URL(performance.getEntriesByType("navigation")[0].name).searchParams.has("c") && performance.now() < 15000;

let pressed = linked ? -1 : 0, settled = true, now = wanted[0], code = "", due = false, sentence = line.innerHTML;

const chips = () => [...document.querySelectorAll(`#${tab}-presets button`)];
const holds = () => pressed >= 0 && (!settled || now === wanted[pressed]);
const show = () => {
  const next = holds() ? presets[pressed].look : "";
  for (const [index, chip] of chips().entries()) chip.setAttribute("aria-pressed", String(next !== "" && index === pressed));
  if (next !== sentence) line.innerHTML = sentence = next; // a reader says it once
};
const point = () => {
  due = false;
  const place = document.querySelector(presets[pressed].place);
  if (!place?.offsetParent) return;
  place.classList.remove("pointed");
  void place.offsetWidth; // so that the fade begins anew
  place.classList.add("pointed");
  setTimeout(() => place.classList.remove("pointed"), 1400);
};

window.labPointers = window.labPointers || {};
window.labPointers[tab] = (values) => {
  const shown = values.pop();
  now = words(values);
  settled ||= now === wanted[pressed];
  show();
  if (shown !== code && due && holds()) point();
  code = shown;
};

const away = (event) => {
  const place = event.target.closest?.(`#tab-${tab}, .tabitem`);
  if (!place?.contains(element) || pressed < 0) return;
  if (event.target.closest(presets[pressed].place)) return; // what the sentence says to do
  pressed = -1;
  show();
};
document.addEventListener("click", (event) => {
  const index = chips().indexOf(event.target.closest("button"));
  if (index >= 0) {
    pressed = index;
    settled = now === wanted[index];
    due = true;
    show();
    if (settled) setTimeout(() => due && holds() && point(), 600); // nothing new comes
  } else if (event.target.closest(".controls [data-pick]")) away(event);
}, true);
document.addEventListener("pointerdown", (event) => { if (event.target.closest(".map-editor")) away(event); }, true);
document.addEventListener("change", (event) => { if (event.target.matches("input[type=file]")) away(event); }, true);
requestAnimationFrame(show);
