// Light or dark, the keys and the way past the header. What is chosen is kept in this browser, where it keeps anything.
const kept = (name, value) => {
  try {
    if (value === undefined) return localStorage.getItem(name);
    localStorage.setItem(name, value);
  } catch { /* a browser that keeps nothing */ }
  return null;
};

const look = element.querySelector("[data-look]"), root = document.body;
const forced = new URLSearchParams(location.search).get("__theme");
const dark = () => root.classList.contains("dark");
const say = () => { look.textContent = dark() ? "Light" : "Dark"; }; // what a press makes of it
const wear = () => {
  const choice = forced ? null : kept("lab:look");
  if (choice && (choice === "dark") !== dark()) root.classList.toggle("dark", choice === "dark");
  say();
};
look.addEventListener("click", () => {
  kept("lab:look", dark() ? "light" : "dark");
  root.classList.toggle("dark");
});
// Gradio follows the system's look, also later: a choice made here stands above it until the page is opened anew.
new MutationObserver(say).observe(root, { attributeFilter: ["class"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTimeout(wear));
wear();

const keys = element.querySelector(".lab-keys"), single = element.querySelector("[data-single-keys]");
single.checked = kept("lab:single-keys") !== "off";
single.addEventListener("change", () => kept("lab:single-keys", single.checked ? "on" : "off"));
window.labKeys = { single: () => single.checked };
document.addEventListener("pointerdown", (event) => { if (!keys.contains(event.target)) keys.open = false; });
keys.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !keys.open) return;
  keys.open = false;
  keys.querySelector("summary").focus();
});

element.querySelector("[data-skip]").addEventListener("click", (event) => {
  event.preventDefault();
  const panel = [...document.querySelectorAll("[role=tabpanel]")].find((one) => one.offsetParent);
  const goal = panel?.querySelector(".stage") || panel;
  if (!goal) return;
  goal.tabIndex = -1;
  goal.focus({ preventScroll: true });
  goal.scrollIntoView({ block: "start" });
});
