// The notes in their tab: pages are fetched when they are asked for, and the lab's address says which step is read, on which numbers.
//
// A place is a page, and perhaps a step of it and the numbers that differ from the step's own: "forward.posterior-mean,t:700". One that a person types may have
// the numbers that stand before their titles: "2.3".
import { answered, called, check, refused } from "./checks.js";
import { begin, fit } from "./page.js";

const TAB = "notes", PAUSE_MS = 200;
const frame = () => new Promise((ready) => requestAnimationFrame(ready));

const read = (place) => {
  const [whole, ...pairs] = place.split(","), [name, ...rest] = whole.split(".");
  return { name, step: rest.join("."), numbers: pairs.map((pair) => pair.split(/:(.*)/s, 2)) };
};
const short = (name) => `“${name.slice(0, 40)}${name.length > 40 ? "…" : ""}”`;
const idOf = (name, step) => `${name}-${step}`;
const formOf = (step) => step?.querySelector("form.check");
const changed = (form) => [...(form?.querySelectorAll("input") ?? [])].filter((one) => one.value.trim() !== one.defaultValue && !refused(one));

// Bring a step into sight, and the keys to it.
const arrive = (step) => {
  const first = step.querySelector("h3") ?? step;
  first.tabIndex = -1;
  first.focus({ preventScroll: true });
  step.scrollIntoView({ block: "start" });
};

// What stands in place of a page that cannot be had.
const unanswered = (again) => {
  const sentence = document.createElement("p"), button = document.createElement("button");
  sentence.textContent = "The lab does not answer. Look whether it runs, and ";
  button.textContent = "try again";
  button.addEventListener("click", again);
  return [sentence, button];
};

// A sentence about a link that does not fit, above what is shown in its stead.
const remark = (notes, place, words) => {
  notes.querySelector(".remark")?.remove();
  if (!words) return;
  const said = document.createElement("p");
  said.className = "remark";
  said.setAttribute("role", "status");
  place.before(said);
  said.append(...[words].flat());
};

// Set a step's numbers as a link says, all others to the step's own; a sentence where some cannot be taken.
const set = (form, numbers) => {
  const dropped = [];
  const before = [...form.elements].map((one) => one.value).join();
  for (const one of form.querySelectorAll("input")) one.value = one.defaultValue;
  for (const [name, value] of numbers) {
    const input = [...form.querySelectorAll("input")].find((one) => one.name === name);
    if (!input || refused({ value: value ?? "", dataset: input.dataset })) dropped.push(input ? called(input) : name.slice(0, 20));
    else input.value = value;
  }
  if (before !== [...form.elements].map((one) => one.value).join()) form.classList.add("old");
  if (!dropped.length) return [];
  const names = dropped.slice(0, 3).flatMap((one, i) => (i ? [", ", one] : [one])), others = dropped.length < numbers.length;
  return ["The link's ", ...names, ` cannot be taken: the step's own numbers stand there${others ? ", and the link's in the other places" : ""}.`];
};

export const attach = async (element) => {
  const notes = element.querySelector(".notes"), names = notes.dataset.pages.split(" "), first = names[0];
  const pages = new Map(); // the nodes of each by its name: what was typed and checked there stays
  let here = { name: "", step: null }, latest = 0, pause = 0;

  const fetched = async (name) => {
    if (pages.has(name)) return pages.get(name);
    const address = new URL(`../${name}`, import.meta.url), response = await answered(address);
    if (!response.ok) throw new Error(response.statusText);
    const page = new DOMParser().parseFromString(await response.text(), "text/html").querySelector(".notes");
    for (const link of page.querySelectorAll("a[href]")) {
      const { at } = link.dataset; // a place of the notes is one of the tab
      link.setAttribute("href", new URL(at ? `../?tab=${TAB}&at=${at}` : link.getAttribute("href"), address).href);
    }
    pages.set(name, [...page.childNodes].map((node) => document.importNode(node, true)));
    return pages.get(name);
  };

  const write = (push = false) => {
    const numbers = changed(formOf(here.step)).map((one) => `,${one.name}:${one.value.trim()}`);
    const step = here.step ? `.${here.step.id.slice(here.name.length + 1)}` : "";
    window.labAddress.move(TAB, `${here.name}${step}${numbers.join("")}`, push);
  };

  // The step that is read: the one that was gone to, as long as all of it is in sight, else the last one that begins in the upper half.
  const reading = () => {
    const steps = [...notes.querySelectorAll(":is(article, .work)[id]")];
    const whole = here.step?.isConnected && here.step.getBoundingClientRect();
    if (whole && whole.top >= 0 && whole.bottom <= innerHeight) return here.step;
    if (!(notes.querySelector("h2")?.getBoundingClientRect().bottom < 0)) return null;
    return steps.findLast((one) => one.getBoundingClientRect().top < innerHeight / 2) ?? null;
  };
  const look = () => {
    if (!notes.offsetParent || notes.ariaBusy === "true") return;
    const step = reading();
    if (step === here.step) return;
    here = { ...here, step };
    write();
  };

  // Show a place of the address; or, with `push`, of a link in the notes, which leaves the numbers as they are, and makes it a further
  // entry of the browser's history. The newest call has the page.
  const go = async (place, push = false) => {
    const mine = ++latest, wanted = read(place);
    const number = /^[1-9]\d?$/.test(wanted.name) ? names[wanted.name] : null;
    const name = names.includes(wanted.name) ? wanted.name : number ?? first;
    let page = null;
    notes.ariaBusy = "true";
    try {
      page = await fetched(name);
    } catch {
      if (mine !== latest) return;
      notes.replaceChildren(...unanswered(() => go(place, push)));
      notes.ariaBusy = null;
      return;
    }
    while (!notes.offsetParent) await frame(); // the tab is being opened
    if (mine !== latest) return;
    remark(notes, null, "");
    if (!page[0].isConnected) notes.replaceChildren(...page);
    fit(notes);
    await frame(); // the browser's own scrolling, after Back, comes first
    if (mine !== latest) return;
    const byNumber = () => [...notes.querySelectorAll("article .here")].find((one) => one.textContent === `${wanted.name}.${wanted.step}`)?.closest("article");
    const step = (wanted.step && (notes.querySelector(`[id="${CSS.escape(idOf(name, wanted.step))}"]`) ?? byNumber())) || null;
    let words = "";
    if (name !== wanted.name && !notes.querySelector("h2").textContent.startsWith(`${wanted.name} `)) words = `The link names a page ${short(wanted.name)} that the notes do not have. Here they begin.`;
    else if (wanted.step && !step) words = `The link names a step ${short(wanted.step)} that this chapter does not have. Here it begins.`;
    const opened = !here.name, form = formOf(step), dropped = form && !push ? set(form, wanted.numbers) : [];
    if (dropped.length) words = dropped;
    remark(notes, step?.querySelector("h3") ?? notes.querySelector("h2"), words);
    if (step) arrive(step);
    else {
      scrollTo(0, 0);
      if (!opened) notes.querySelector("nav [aria-current]")?.focus({ preventScroll: true });
    }
    here = { name, step };
    notes.ariaBusy = null;
    write(push);
    window.labAddress.name(TAB, `${notes.querySelector("h2").textContent} · Notes`);
    if (!push && changed(form).length && form.classList.contains("old")) check(form);
  };

  begin(notes);
  notes.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-at]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(link.dataset.at, true);
  });
  notes.addEventListener("input", ({ target }) => {
    here = { ...here, step: target.closest("article") };
    write();
  });
  addEventListener("scroll", () => {
    clearTimeout(pause);
    pause = setTimeout(look, PAUSE_MS);
  }, { passive: true });
  document.addEventListener("lab:tab", async ({ detail }) => {
    if (detail !== TAB) return;
    while (!notes.offsetParent) await frame();
    look();
  });
  document.addEventListener("lab:place", ({ detail }) => { if (detail === TAB) go(window.labAddress.at(TAB) || first); });
  while (!window.labAddress) await frame();
  go(window.labAddress.at(TAB) || first);
};
