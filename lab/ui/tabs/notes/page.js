// A page of the notes, in the tab or on its own.
import { check, checkAll, left } from "./checks.js";
import * as symbols from "./symbols.js";

// --- the timeline: a work that is pointed at, with what it took and what it gave

const light = (notes, work) => {
  for (const one of notes.querySelectorAll(".timeline .lit")) one.classList.remove("lit");
  if (!work) return;
  work.classList.add("lit");
  for (const arc of notes.querySelectorAll(".timeline path")) {
    if (![arc.dataset.before, arc.dataset.after].includes(work.dataset.work)) continue;
    arc.classList.add("lit");
    for (const end of [arc.dataset.before, arc.dataset.after]) notes.querySelector(`[data-work="${end}"]`).classList.add("lit");
  }
};

// --- the page

// What is wider than its place scrolls, and keys reach it; the chapter that is open is in sight.
export const fit = (notes) => {
  const nav = notes.querySelector("nav"), open = nav?.querySelector("[aria-current]");
  if (open) nav.scrollLeft = open.offsetLeft - (nav.clientWidth - open.offsetWidth) / 2;
  for (const one of notes.querySelectorAll(".equation, .wide, article p")) {
    if (one.scrollWidth > one.clientWidth + 1) one.tabIndex = 0;
    else one.removeAttribute("tabindex");
  }
  symbols.reach(notes);
};

export const begin = (notes) => {
  notes.addEventListener("submit", (event) => {
    event.preventDefault();
    check(event.target);
  });
  notes.addEventListener("input", (event) => event.target.form?.classList.add("old"));
  notes.addEventListener("change", ({ target }) => { if (target.form?.matches(".check")) left(target.form); });
  notes.addEventListener("click", (event) => {
    const button = event.target.closest(".check-all");
    if (button) checkAll(notes, button);
    if (event.target.closest(".paper")) print();
  });
  for (const kind of ["pointerover", "pointerdown"])
    notes.addEventListener(kind, ({ target }) => light(notes, target.closest("[data-work]")));
  symbols.begin(notes);
  new ResizeObserver(() => fit(notes)).observe(notes);
};
