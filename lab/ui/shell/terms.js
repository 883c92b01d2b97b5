// Parts of the head's equation and what they mean light each other up. Runs as gr.HTML's js_on_load: `element` is given.
const tab = element.closest(".tabitem") ?? document.body, terms = [...element.querySelectorAll(".term")];
const dark = () => { for (const one of tab.querySelectorAll(".meant")) one.classList.remove("meant"); };
const light = (term) => {
  dark();
  for (const one of [term, ...tab.querySelectorAll(term.dataset.places)]) one.classList.add("meant");
};
for (const term of terms) {
  term.addEventListener("pointerenter", () => light(term));
  term.addEventListener("focus", () => light(term));
  term.addEventListener("pointerleave", dark);
  term.addEventListener("blur", dark);
}
tab.addEventListener("pointerover", ({ target }) => {
  if (element.contains(target)) return;
  for (const term of terms) term.classList.toggle("meant", target.closest(term.dataset.places) !== null);
});
