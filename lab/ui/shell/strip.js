// The strip of tabs. Gradio's own buttons, unseen, open the tabs; which of them is selected is what the strip shows.
// For the other scripts of the page: `labTabs.open(name)`, `labTabs.shown()`, and the event "lab:tab" after a change.
const opener = element.querySelector(".tabbar-open"), list = element.querySelector("[role=tablist]");
const tabs = [...list.querySelectorAll("[role=tab]")];
const narrow = matchMedia("(max-width: 700px)");
let shown = "";

const gradios = (name) => document.getElementById(`tab-${name}-button`);
const unfold = (open) => {
  element.classList.toggle("tabbar-unfolded", open);
  opener.setAttribute("aria-expanded", String(open));
};
const focusable = (tab) => { for (const one of tabs) one.tabIndex = one === tab ? 0 : -1; };
const selected = () => tabs.find((tab) => tab.dataset.name === shown);

const show = (name) => {
  if (name === shown) return;
  shown = name;
  for (const tab of tabs) tab.setAttribute("aria-selected", String(tab === selected()));
  focusable(selected());
  opener.querySelector("b").textContent = selected().querySelector("b").textContent;
  unfold(false);
  document.dispatchEvent(new CustomEvent("lab:tab", { detail: name }));
};

window.labTabs = {
  names: tabs.map((tab) => tab.dataset.name),
  shown: () => shown,
  open: (name) => {
    gradios(name)?.click();
    return Boolean(gradios(name));
  },
};

// Questions stand beneath the names where all of them fit into one line.
const fit = () => {
  list.setAttribute("aria-orientation", narrow.matches ? "vertical" : "horizontal");
  element.classList.add("tabbar-asking");
  const high = (one) => one.getBoundingClientRect().top;
  const fits = high(list.firstElementChild) === high(list.lastElementChild) && list.scrollWidth <= list.clientWidth;
  element.classList.toggle("tabbar-asking", narrow.matches || fits);
};

list.addEventListener("click", (event) => {
  const tab = event.target.closest("[role=tab]");
  if (!tab) return;
  window.labTabs.open(tab.dataset.name);
  if (narrow.matches) opener.focus();
  unfold(false);
});
list.addEventListener("keydown", (event) => {
  const at = tabs.indexOf(event.target.closest("[role=tab]")), last = tabs.length - 1;
  const steps = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: last };
  if (event.key === "Escape" && narrow.matches) { unfold(false); opener.focus(); }
  if (at < 0 || !(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  event.preventDefault();
  const next = tabs.at(steps[event.key] > last ? 0 : steps[event.key]);
  focusable(next);
  next.focus();
});
list.addEventListener("focusout", (event) => {
  if (!list.contains(event.relatedTarget) && selected()) focusable(selected());
});
opener.addEventListener("click", () => {
  unfold(!element.classList.contains("tabbar-unfolded"));
  if (element.classList.contains("tabbar-unfolded")) selected()?.focus();
});
document.addEventListener("pointerdown", (event) => { if (!element.contains(event.target)) unfold(false); });

const follow = () => {
  const buttons = tabs.map((tab) => gradios(tab.dataset.name));
  if (!buttons.every(Boolean)) return setTimeout(follow, 20);
  const look = () => {
    const on = tabs.find((tab) => gradios(tab.dataset.name)?.getAttribute("aria-selected") === "true");
    if (on) show(on.dataset.name);
  };
  new MutationObserver(look).observe(buttons[0].parentElement, { subtree: true, attributeFilter: ["aria-selected"] });
  look();
};
new ResizeObserver(fit).observe(element);
narrow.addEventListener("change", () => unfold(false));
fit();
follow();
