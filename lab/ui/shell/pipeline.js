// The pipeline of a tab, as gr.HTML's js_on_load: `element` is given. Which part is at work, by the note of a run that lasts
// or by the place of its film; and where the picture unfolds.
const { tab, last } = element.querySelector("[data-tab]").dataset;
const part = (name) => document.getElementById(`${tab}-${name}`);
let now = "", way = 0;

const show = () => {
  element.style.setProperty("--way", way);
  for (const one of element.querySelectorAll("[data-at]")) one.classList.toggle("now", now !== "" && one.dataset.at === now);
};
const look = () => {
  const note = part("note")?.querySelector("[data-at]"), film = part("stage")?.querySelector(".moves[data-at]");
  [now, way] = note ? [note.dataset.at, Number(note.dataset.way)]
    : film ? (film.dataset.at === "0" ? ["before", 0] : ["network", film.dataset.at / last]) : ["", 0];
  show();
};
const observe = (found, filter) => {
  if (found) new MutationObserver(look).observe(found, { subtree: true, childList: true, attributes: true, attributeFilter: filter });
};
// The line is laid out before what it follows; of the two the note comes last.
const follow = () => {
  if (!part("note")) return setTimeout(follow, 50);
  observe(part("note"), ["data-at", "data-way"]);
  observe(part("stage"), ["data-at", "class"]);
  look();
};
follow();
new MutationObserver(show).observe(element, { subtree: true, childList: true });

element.addEventListener("beforetoggle", () => {
  element.style.setProperty("--under", `${element.getBoundingClientRect().bottom}px`);
}, true);
