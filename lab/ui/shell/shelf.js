// The last finished runs of a tab, in this page alone. `attach` is called by the row of runs; `labShelves` of the tab is told
// of every run that has ended (lab/ui/shell/shelf.py: record), or of none where the stage shows something else.
const MOST_RUNS = 8, MOST_CHARACTERS = 16_000_000; // of runs, and of their pictures and settings together
const THUMB = { width: 104, height: 72 }, LONGEST = 48;

// What differs

const short = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST)} …` : text);
const words = (value) => (value.picture ? "a picture" : Array.isArray(value) ? value.join(", ") : short(value));
// Of a list, which a lane is, the parts that differ; of anything else the whole.
const changes = (before, after) => {
  if (Array.isArray(before) && Array.isArray(after)) return after.flatMap((part, i) => (part === before[i] ? [] : [`${before[i]} → ${part}`]));
  if (before.picture && after.picture) return ["another one"];
  return [words(before) === words(after) ? "another text" : `${words(before)} → ${words(after)}`];
};
// Every control that is set otherwise, "Seed: 3 → 4"; those that changed alike together. Of another room of its tab only what both have:
// that each has controls of its own goes without saying.
export const differences = (before, after) => {
  const labels = new Map(), moved = before.room && after.room && before.room[1] !== after.room[1];
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (moved && !(name in before && name in after)) continue;
    const [label, value] = after[name] ?? [before[name][0], "none"], was = before[name]?.[1] ?? "none";
    if (JSON.stringify(was) === JSON.stringify(value)) continue;
    for (const one of changes(was, value)) labels.set(one, [...(labels.get(one) ?? []), label]);
  }
  return [...labels].map(([one, all]) => `${all.join(", ")}: ${one}`).join("; ");
};

// The stage as it is, without what it does.
const still = (stage) => {
  const content = (stage.querySelector(".reel") ?? stage.querySelector("[style*='--columns']")).cloneNode(true);
  for (const one of content.querySelectorAll("canvas, [data-frames]")) one.remove();
  content.classList.remove("reel", "moves", "waits");
  content.hidden = false; // a strip for the shelf alone
  for (const one of [content, ...content.querySelectorAll("*")]) {
    for (const name of ["data-reel", "data-at", "data-part", "data-key", "tabindex", "aria-pressed"]) one.removeAttribute(name);
    if (one.getAttribute("role") === "button") one.removeAttribute("role");
    if (one.matches("button")) one.disabled = true;
  }
  return content;
};
// Its finished pictures, and how many stand in a row.
const grid = (content) => {
  const pictures = [...content.querySelectorAll("img")].filter((one) => !one.closest("figure.same, .near, .lead"));
  const holder = content.matches("[style*='--columns']") ? content : content.querySelector("[style*='--columns']");
  const columns = Math.min(pictures.length, Number(holder?.style.getPropertyValue("--columns")) || pictures.length);
  return { pictures, columns, rows: Math.ceil(pictures.length / columns) };
};
const thumbnail = async (content) => {
  const { pictures, columns, rows } = grid(content), side = Math.floor(2 * Math.min(THUMB.width / columns, THUMB.height / rows));
  const canvas = Object.assign(document.createElement("canvas"), { width: side * columns, height: side * rows });
  canvas.setAttribute("aria-hidden", "true");
  await Promise.all(pictures.map((one) => one.decode()));
  const pen = canvas.getContext("2d");
  for (const [i, one] of pictures.entries()) pen.drawImage(one, (i % columns) * side, Math.floor(i / columns) * side, side - 1, side - 1);
  return canvas;
};

export const attach = (element, trigger) => {
  const shelf = element.querySelector(".shelf"), list = shelf.querySelector("ol"), said = shelf.querySelector(".shelf-said");
  const tab = shelf.dataset.tab;
  const place = document.getElementById(`${tab}-pinned`), bar = place.querySelector(".pinned-bar"), beside = place.querySelector(".pinned-run");
  const stage = () => document.getElementById(`${tab}-stage`);
  const shown = () => stage().querySelector("[data-reel]")?.dataset.reel ?? [...stage().querySelectorAll("img")].map((one) => one.src).join();
  const running = () => document.getElementById(`${tab}-stop`)?.disabled === false;
  let runs = [], count = 0, now = null, pinned = null; // newest first; the one on the stage

  const say = (text) => { said.textContent = text; };
  const button = (words, run, action) => {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: words });
    made.setAttribute("aria-label", `${words} of run ${run.number}`.replace(/^(Bring back|Pin|Unpin) of/, "$1"));
    made.addEventListener("click", action);
    return made;
  };
  const comeBack = (run) => {
    say(`Run ${run.number} comes back.`);
    trigger("click", { settings: run.whole || run.code });
  };
  const copy = async (run) => {
    await copyLink(run.code);
    say(`The link of run ${run.number} is copied${run.whole ? ", but its own picture is too large for it" : ""}.`);
  };
  const actions = (run) => {
    const link = button("Copy link", run, () => copy(run));
    link.disabled = !run.code;
    return [button("Bring back", run, () => comeBack(run)), button(run === pinned ? "Unpin" : "Pin", run, () => pin(run === pinned ? null : run)), link];
  };

  const sentence = () => {
    if (now === pinned) return `Run ${pinned.number} is pinned. What the next run has set otherwise is said here.`;
    if (!now) return `Run ${pinned.number} is pinned. Beside it is no finished run.`;
    const other = differences(pinned.settings, now.settings);
    return `Run ${pinned.number} is pinned, beside it is run ${now.number}. ${other ? `${other}.` : "Nothing is set otherwise."}`;
  };
  const compare = () => {
    if (!pinned) return;
    const words = bar.querySelector("p"), text = sentence();
    if (words.textContent !== text) words.textContent = text;
  };
  const pin = (run) => {
    const left = pinned;
    pinned = run;
    const { columns, rows } = grid((run ?? left).content), column = stage().closest(".stage");
    column.classList.toggle("pinning", !!run);
    column.classList.toggle("stacked", !!run && columns > 2 * rows && !run.content.querySelector(".lane"));
    beside.replaceChildren(...(run ? [run.content.cloneNode(true)] : []));
    if (run) {
      const words = document.createElement("p");
      words.className = "pinned-words";
      words.dataset.aloud = "";
      words.tabIndex = 0; // it scrolls where much differs
      bar.replaceChildren(words, ...actions(run));
      compare();
    } else bar.replaceChildren();
    show();
    (run ? bar : left.card.isConnected ? left.card : list).querySelectorAll("button")[1]?.focus({ preventScroll: true });
    if (run) scrollTo(0, 0);
  };

  const show = () => {
    const focus = document.activeElement, within = list.contains(focus);
    for (const run of runs) {
      if (run === now) run.card.setAttribute("aria-current", "true"); else run.card.removeAttribute("aria-current");
      run.card.querySelector("div").replaceChildren(...actions(run));
    }
    list.replaceChildren(...runs.map((run) => run.card));
    if (within) [...list.querySelectorAll("button")].find((one) => one.ariaLabel === focus.ariaLabel)?.focus({ preventScroll: true });
  };
  const card = (run) => {
    const made = document.createElement("li"), title = document.createElement("b"), words = document.createElement("span");
    const preset = document.querySelector(`#${tab}-presets button[aria-pressed=true]`)?.textContent.trim();
    title.textContent = `Run ${run.number}${preset ? ` · ${preset}` : ""}`;
    words.textContent = words.title = run.words;
    made.append(title, words, document.createElement("div"));
    return made;
  };
  const fit = () => {
    const size = () => runs.reduce((sum, run) => sum + run.size, 0);
    while (runs.length > MOST_RUNS || (runs.length > 1 && size() > MOST_CHARACTERS)) runs.pop();
  };

  const put = (record) => {
    now = null;
    if (record) {
      const run = JSON.parse(record), key = run.whole || run.code, last = runs[0];
      const replaced = run.follows && last?.follows && last !== pinned ? last : runs.find((one) => (one.whole || one.code) === key);
      const before = replaced === last ? runs[1] : last;
      const content = still(stage());
      now = Object.assign(replaced ?? { number: ++count }, run, { content, size: content.outerHTML.length + record.length });
      const other = before ? differences(before.settings, run.settings) : "";
      now.words = before ? other || "Nothing is set otherwise." : "The first run of this page.";
      now.shown = shown();
      now.card = card(now);
      const { card: own } = now;
      thumbnail(content).then((picture) => own.prepend(picture));
      runs = [now, ...runs.filter((one) => one !== replaced)];
      fit();
      say("");
    }
    show();
    compare();
  };
  // What streams in beside the pinned run is none of the shelf yet.
  new MutationObserver(() => {
    if (!now || !running() || shown() === now.shown) return;
    now = null;
    show();
    compare();
  }).observe(stage(), { childList: true, subtree: true });

  window.labShelves = { ...window.labShelves, [tab]: put };
  if (window.labRecords?.[tab]) put(window.labRecords[tab]);
};
