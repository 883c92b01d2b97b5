// Runs as gr.HTML's js_on_load: `element` is given, and holds the one place from which the page speaks. What carries
// `data-aloud` is said when it changes: what comes together in one go, the latest of each place. What is only `passing` is
// said where a run has long been silent, once.
const voice = element.querySelector("[role=status]");
const TOGETHER_MS = 400, PATIENCE_MS = 10000;
const last = new Map(), due = new Map(); // by place: what stood there, and what is to be said of it
let timer = 0, spoke = 0, told = false;

const shown = (one) => one.closest("[role=tabpanel]")?.offsetParent !== null;
const hidden = (one) => getComputedStyle(one).visibility === "hidden"; // a lesson's answer, until its run has ended
const say = () => {
  timer = 0;
  const ready = [...due].filter(([, one]) => !one.isConnected || !hidden(one));
  for (const [place] of ready) due.delete(place);
  const words = ready.map(([, one]) => (one.isConnected && shown(one) ? one.textContent.trim() : "")).filter(Boolean).join(" ");
  if (!words) return;
  spoke = performance.now();
  voice.textContent = words === voice.textContent ? `${words}\u00a0` : words; // said again though it is the same
};
const soon = () => { if (!timer) timer = setTimeout(say, TOGETHER_MS); };
const hear = (one) => {
  const place = `${one.closest("[id]").id} ${one.className.split(" ")[0]}`, text = one.textContent.trim();
  if (due.has(place)) due.set(place, one); // put in anew
  if (last.get(place) === text) return;
  last.set(place, text);
  due.delete(place);
  if (!text) return;
  if (!one.classList.contains("passing")) told = false;
  else if (told || performance.now() - spoke < PATIENCE_MS) return;
  else told = true;
  due.set(place, one);
  soon();
};
new MutationObserver((records) => {
  const changed = new Set();
  for (const { target, addedNodes } of records) {
    const one = (target.closest ? target : target.parentElement)?.closest("[data-aloud]");
    if (one) changed.add(one);
    else for (const node of addedNodes) {
      if (node.matches?.("[data-aloud]")) changed.add(node);
      else if (node.firstElementChild) for (const part of node.querySelectorAll("[data-aloud]")) changed.add(part);
    }
  }
  for (const one of changed) if (one.isConnected) hear(one);
}).observe(document.body, { subtree: true, childList: true, characterData: true });

// A stage is busy while its run can be stopped. What waited for the end of it is said then.
const busy = (button) => {
  button.closest("[role=tabpanel]")?.querySelector(".stage")?.setAttribute("aria-busy", String(!button.disabled));
  if (button.disabled && due.size) soon();
};
new MutationObserver((records) => {
  for (const { target } of records) if (target.id.endsWith("-stop")) busy(target);
}).observe(document.body, { subtree: true, attributeFilter: ["disabled"] });

// Gradio's lists of choices scroll, so Tab would go into one that is about to close, and get lost. Its crosses on what is
// chosen are called by numbers, and are buttons that do not know the space bar.
document.addEventListener("focusin", ({ target }) => {
  if (target.matches(".token > .token-remove")) target.ariaLabel = `Remove ${target.parentElement.textContent.trim()}`;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Tab") for (const list of document.querySelectorAll("ul[role=listbox]")) list.tabIndex = -1;
  if (event.key !== " " || !event.target.matches(".token-remove")) return;
  event.preventDefault();
  event.target.click();
}, true);

// Gradio's colour picker names neither its swatch nor its dropper and its line, and knows no Escape.
const PICKER = { ".swatch": "The colour", ".eyedropper": "Take a colour from the screen", "input[type=text]": "Colour, as text" };
document.addEventListener("click", ({ target }) => {
  if (target.matches(".dialog-button")) setTimeout(() => {
    for (const [part, name] of Object.entries(PICKER)) target.parentElement.querySelector(`.color-picker ${part}`)?.setAttribute("aria-label", name);
  });
});
document.addEventListener("keydown", ({ key, target }) => {
  const button = key === "Escape" && target.closest?.(".color-picker")?.previousElementSibling;
  if (!button) return;
  button.click();
  setTimeout(() => button.focus()); // once the picker is gone
});
