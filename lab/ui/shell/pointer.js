// Runs as gr.HTML's js_on_load: `element` is given. `labPointers` of the tab is told what the controls are set to, and last
// the code of the link of what is shown, which is new as soon as that is there. What a link or the shelf brings is a preset's
// where all that it holds is.
const line = element.querySelector(".pointer"), { tab, base, presets, paths } = JSON.parse(line.dataset.presets);
const EARLIER = "These pictures were made with other settings. Press Run for pictures with these.";
const words = (values) => JSON.stringify(values.map((value) => value ?? ""));
const wanted = presets.map(({ changes }) => words(base.map((value, index) => (index in changes ? changes[index] : value))));
const linked = new URL(performance.getEntriesByType("navigation")[0].name).searchParams.has("c") && performance.now() < 15000;

// what the controls are set to; what the pictures were made with; whether a map or a picture was changed since, and whether
// that came too late for the run that is under way, or about to begin; whether that run has shown something
// the pictures and maps that the link of what is shown holds
let held = null, set = base, made = null, touched = false, late = false, begins = false, painted = false;
let pressed = linked ? -1 : 0, settled = true, now = wanted[0], code = "", due = false, sentence = line.innerHTML;

const chips = () => [...document.querySelectorAll(`#${tab}-presets button`)];
const holds = () => pressed >= 0 && (!settled || now === wanted[pressed]);
const stage = () => document.getElementById(`${tab}-stage`);
const running = () => document.getElementById(`${tab}-stop`)?.disabled === false;
const earlier = () => made !== null && !(running() && painted) && (touched || made.some((value, i) => value !== undefined && words([value]) !== words([set[i]])));
const show = () => {
  const stale = earlier(), next = holds() ? presets[pressed].look : stale && !running() ? EARLIER : "";
  stage()?.closest(".stage").classList.toggle("earlier", stale);
  for (const [index, chip] of chips().entries()) chip.setAttribute("aria-pressed", String(holds() && index === pressed));
  if (next !== sentence) line.innerHTML = sentence = next; // a reader says it once
};
// In a lesson, to what the question is about.
const lead = (place) => {
  const { top, bottom } = place.getBoundingClientRect();
  if (top >= 0 && bottom <= innerHeight) return;
  place.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
};
const point = () => {
  due = false;
  const place = document.querySelector(presets[pressed].place);
  if (!place?.offsetParent) return;
  if (document.querySelector(`#${tab}-lesson`)?.offsetParent) lead(place);
  place.classList.remove("pointed");
  void place.offsetWidth; // so that the fade begins anew
  place.classList.add("pointed");
  setTimeout(() => place.classList.remove("pointed"), 1400);
};

// The code of a link is the run's settings, compressed (lab/capsules/capsule.py).
const unpack = async (text) => {
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).json();
};
const subjects = (value) => Object.values(value).flatMap((one) => (Array.isArray(one) ? subjects(one) : typeof one === "object" && one ? [one] : []));
const recognise = () => {
  if (!held || holds() || touched || earlier()) return;
  const shows = (one, { example, area = "" }) => example && one.example === example && (one.area ?? "") === area && !one.strokes;
  const index = presets.findIndex((preset, i) => now === wanted[i] && held.every((one) => shows(one, preset)));
  if (index >= 0) [pressed, settled] = [index, true];
};
const take = (text) => {
  made = held = null;
  touched = late;
  painted = false;
  if (!text) show();
  else unpack(text).then(({ values }) => {
    if (text !== code) return;
    if (paths.length) made = paths.map((path) => path.reduce((part, key) => part?.[key], values));
    held = subjects(values);
    recognise();
    show();
  });
};
let observed = false;
const observe = () => {
  if (observed || !stage()) return;
  observed = true;
  new MutationObserver(() => {
    if (!running()) return;
    painted = true;
    if (touched) held = null; // these are of something else
    touched = late;
    show();
  }).observe(stage(), { childList: true, subtree: true });
  const stop = document.getElementById(`${tab}-stop`);
  if (stop) new MutationObserver(() => { begins = false; show(); }).observe(stop, { attributeFilter: ["disabled"] });
};

window.labPointers = window.labPointers || {};
window.labPointers[tab] = (values) => {
  const shown = values.pop();
  observe();
  set = values;
  now = words(values);
  painted &&= running();
  settled ||= now === wanted[pressed];
  if (shown === code) recognise();
  show();
  if (shown !== code && due && holds()) point();
  if (shown !== code) {
    code = shown;
    take(code);
  }
};

const away = (event) => {
  const place = event.target.closest?.(`#tab-${tab}, .tabitem`);
  if (!place?.contains(element)) return;
  touched = true;
  late = event.type === "own" && (running() || begins) && !document.querySelector(`#${tab}-live input:checked`);
  if (pressed < 0) return show();
  if (event.target.closest(presets[pressed].place)) return; // what the sentence says to do
  pressed = -1;
  show();
};
// A run knows what was set when it was asked for.
const asks = (event) => {
  const entered = event.key === "Enter" && event.target.closest?.(`#tab-${tab}`)?.contains(element);
  if (!entered && !event.target.closest?.(`#${tab}-run, #${tab}-presets button`)) return;
  late = false;
  begins = true;
};
for (const kind of ["click", "keydown"]) document.addEventListener(kind, asks, true);
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
document.addEventListener("pointerdown", (event) => { if (event.target.closest(".map-editor, .paint:not([data-mode=look])")) away(event); }, true);
document.addEventListener("own", away, true);
requestAnimationFrame(show);
