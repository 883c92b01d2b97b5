// The notes: a chapter in the tab or as a page of its own, its checks, and what its symbols mean.
const here = import.meta.url;

const word = (value) => document.createTextNode(value);

// What the lab answers; while it starts it says so by 202, and is asked again.
const answered = async (address) => {
  for (;;) {
    const response = await fetch(address);
    if (response.status !== 202) return response;
    await new Promise((later) => setTimeout(later, 1000));
  }
};

// --- checks

const ask = async (form) => {
  const values = new URLSearchParams(new FormData(form));
  values.set("step", form.dataset.step);
  try {
    const response = await answered(new URL(`check?${values}`, here));
    const answer = await response.json();
    return response.ok ? answer : { words: answer.refused ?? "The lab cannot compute this. Load the page anew." };
  } catch {
    return { words: "The lab does not answer. Look whether it runs, and try again." };
  }
};

// The sentence for the first number that cannot be taken, as the server has it; empty where all can.
const refused = (form) => {
  for (const { name, value, dataset: { low, high, whole } } of form.querySelectorAll("input")) {
    const number = value.trim() === "" ? Number.NaN : Number(value);
    const taken = number >= Number(low) && number <= Number(high) && (!whole || Number.isInteger(number));
    if (!taken) return `Give ${name} ${whole ? "a whole number" : "a number"} from ${low} to ${high}.`;
  }
  return "";
};

const check = async (form) => {
  const sides = form.querySelector(".sides"), words = refused(form);
  form.classList.add("asked");
  const answer = words ? { words } : await ask(form);
  for (const side of ["left", "right"]) sides.querySelector(`[data-side=${side}]`).textContent = answer[side] ?? "";
  sides.querySelector(".said").replaceChildren(word(answer.words));
  form.classList.remove("asked", "old");
  form.dataset.agree = answer.agree ?? "";
  return answer.agree === true;
};

const checkAll = async (notes, button) => {
  const forms = [...notes.querySelectorAll("form.check")], said = notes.querySelector(".all-said");
  button.disabled = true;
  let held = 0;
  for (const [i, form] of forms.entries()) {
    said.textContent = `Step ${i + 1} of ${forms.length} …`;
    if (await check(form)) held += 1;
  }
  said.textContent = held === forms.length ? `All ${held} hold on these numbers.` : `${held} of ${forms.length} hold on these numbers.`;
  button.disabled = false;
};

// --- symbols

const tip = (notes) => {
  let box = notes.querySelector(".symbol-tip");
  if (!box) {
    box = document.createElement("div");
    box.className = "symbol-tip";
    box.hidden = true;
    notes.append(box);
  }
  return box;
};

const explain = (notes, symbol) => {
  const box = tip(notes), row = symbol && notes.querySelector(`template[data-row="${symbol.dataset.symbol}"]`);
  for (const one of notes.querySelectorAll(".pointed")) one.classList.remove("pointed");
  box.hidden = !row;
  if (!row) return;
  symbol.classList.add("pointed");
  box.replaceChildren(row.content.cloneNode(true));
  const place = symbol.getBoundingClientRect(), frame = notes.getBoundingClientRect();
  box.style.top = `${place.bottom - frame.top + 6}px`;
  box.style.left = `${Math.max(0, Math.min(place.left - frame.left, frame.width - box.offsetWidth))}px`;
};

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

// --- a chapter

// What is wider than its place scrolls, and keys reach it; the chapter that is open is in sight.
const fit = (notes) => {
  const nav = notes.querySelector("nav"), open = nav?.querySelector("[aria-current]");
  if (open) nav.scrollLeft = open.offsetLeft - (nav.clientWidth - open.offsetWidth) / 2;
  for (const one of notes.querySelectorAll(".equation, .wide, article p")) {
    if (one.scrollWidth > one.clientWidth + 1) one.tabIndex = 0;
    else one.removeAttribute("tabindex");
  }
};

export const begin = (notes) => {
  notes.addEventListener("submit", (event) => {
    event.preventDefault();
    check(event.target);
  });
  notes.addEventListener("input", (event) => event.target.form?.classList.add("old"));
  notes.addEventListener("click", (event) => {
    const button = event.target.closest(".check-all");
    if (button) checkAll(notes, button);
    const anchor = event.target.closest("a[href^='#']");
    if (!anchor) return;
    event.preventDefault();  // in the tab the address is the lab's
    const place = notes.querySelector(`[id="${anchor.getAttribute("href").slice(1)}"]`);
    place.tabIndex = -1;
    place.focus();
    place.scrollIntoView({ block: "center" });
  });
  for (const kind of ["pointerover", "pointerdown"])
    notes.addEventListener(kind, ({ target }) => {
      explain(notes, target.closest("[data-symbol]"));
      light(notes, target.closest("[data-work]"));
    });
  notes.addEventListener("pointerleave", () => explain(notes, null));
  notes.addEventListener("keydown", (event) => { if (event.key === "Escape") explain(notes, null); });
  new ResizeObserver(() => fit(notes)).observe(notes);
};

// --- the tab

const show = async (notes, address) => {
  notes.setAttribute("aria-busy", "true");
  try {
    const response = await answered(address);
    if (!response.ok) throw new Error(response.statusText);
    const page = new DOMParser().parseFromString(await response.text(), "text/html").querySelector(".notes");
    for (const link of page.querySelectorAll("a[href]:not([href^='#'])")) link.href = new URL(link.getAttribute("href"), address);
    notes.replaceChildren(...page.childNodes);
    fit(notes);
  } catch {
    const sentence = document.createElement("p"), again = document.createElement("button");
    sentence.textContent = "The lab does not answer. Look whether it runs, and ";
    again.textContent = "try again";
    again.addEventListener("click", () => show(notes, address));
    notes.replaceChildren(sentence, again);
  }
  notes.removeAttribute("aria-busy");
};

export const attach = (element) => {
  const notes = element.querySelector(".notes");
  begin(notes);
  notes.addEventListener("click", async (event) => {
    const link = event.target.closest("nav a, .onward");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (link.hasAttribute("aria-current")) return;
    await show(notes, link.href);
    window.scrollTo(0, 0);
    notes.querySelector("nav [aria-current]")?.focus({ preventScroll: true });
  });
  show(notes, new URL(notes.dataset.first, here));
};
