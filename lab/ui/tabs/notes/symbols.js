// What a symbol means: said of the one that is pointed at, that the keys have reached, or that was tapped.
const NEAR = 20; // px from a finger to a symbol that is meant
const PARTS = "article, header, tbody";

const box = (notes) => {
  let tip = notes.querySelector(".symbol-tip");
  if (!tip) {
    tip = document.createElement("div");
    tip.className = "symbol-tip";
    tip.setAttribute("role", "status");
    notes.append(tip);
  }
  return tip;
};

const explain = (notes, symbol) => {
  const tip = box(notes), row = symbol && notes.querySelector(`template[data-row="${symbol.dataset.symbol}"]`);
  if (row && symbol.classList.contains("pointed")) return;
  for (const one of notes.querySelectorAll(".pointed")) one.classList.remove("pointed");
  tip.replaceChildren(...(row ? [row.content.cloneNode(true)] : []));
  if (!row) return;
  symbol.classList.add("pointed");
  const place = symbol.getBoundingClientRect(), frame = notes.getBoundingClientRect();
  const below = place.bottom + 6 + tip.offsetHeight < innerHeight || place.top < tip.offsetHeight + 6;
  tip.style.top = `${(below ? place.bottom + 6 : place.top - 6 - tip.offsetHeight) - frame.top}px`;
  tip.style.left = `${Math.max(0, Math.min(place.left - frame.left, frame.width - tip.offsetWidth))}px`;
};

const distance = (one, x, y) => {
  const { left, right, top, bottom } = one.getBoundingClientRect();
  return Math.hypot(Math.max(left - x, 0, x - right), Math.max(top - y, 0, y - bottom));
};

// The symbol nearest to a finger, of the step that it touches.
const nearest = (target, x, y) => {
  const all = [...(target.closest(PARTS)?.querySelectorAll("[data-symbol]") ?? [])];
  const by = all.map((one) => [distance(one, x, y), one]).sort(([a], [b]) => a - b);
  return by[0]?.[0] <= NEAR ? by[0][1] : null;
};

// One symbol of every step is reached by Tab, the others from it by the arrow keys.
export const reach = (notes) => {
  box(notes);
  for (const part of notes.querySelectorAll(PARTS)) {
    const all = [...part.querySelectorAll("[data-symbol]")];
    if (!all.some((one) => one.tabIndex === 0)) all[0]?.setAttribute("tabindex", "0");
  }
};

const walk = (event) => {
  const symbol = event.target.closest("[data-symbol]");
  if (!symbol || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  const all = [...symbol.closest(PARTS).querySelectorAll("[data-symbol]")];
  const at = all.indexOf(symbol);
  const next = all[{ ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key]];
  if (!next) return;
  event.preventDefault();
  symbol.setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  next.focus();
};

export const begin = (notes) => {
  let finger = false;
  notes.addEventListener("pointerdown", ({ pointerType }) => { finger = pointerType === "touch"; });
  notes.addEventListener("pointerover", ({ target, pointerType }) => { if (pointerType !== "touch") explain(notes, target.closest("[data-symbol]")); });
  notes.addEventListener("pointerleave", ({ pointerType }) => { if (pointerType !== "touch") explain(notes, null); });
  notes.addEventListener("click", (event) => {
    if (!finger) return;
    const symbol = event.target.closest("a, button, input") ? null : nearest(event.target, event.clientX, event.clientY);
    explain(notes, symbol);
    if (symbol) event.preventDefault(); // its label's number is not meant
  });
  notes.addEventListener("focusin", ({ target }) => { if (target.matches("[data-symbol]:focus-visible")) explain(notes, target); });
  notes.addEventListener("focusout", ({ target }) => { if (target.matches("[data-symbol]")) explain(notes, null); });
  notes.addEventListener("keydown", (event) => {
    if (event.key === "Escape") explain(notes, null);
    else walk(event);
  });
  reach(notes);
};
