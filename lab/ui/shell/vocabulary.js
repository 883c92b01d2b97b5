// What the lab's own models know, beneath each prompt: names while one types, words that they never saw, and the nearest
// that they did. As lab/vocabulary.py reads prompts, in the page; the words come once, when a prompt is first focused.
const IRREGULAR = { children: "child", feet: "foot", geese: "goose", men: "man", mice: "mouse", teeth: "tooth", women: "woman" };
const STOP = new Set("a an and at in of on the with".split(" "));
const MOST = 8, NEAREST = 3, SIMILAR = 0.3, CELL = 24, PAUSE_MS = 400;
const places = new Map();  // by tab
let known, loading;

function stem(word) {
  let one = IRREGULAR[word] ?? word;
  if (one.length > 3) one = one.replace(/(?<![sui])s$/, "");
  if (one.length > 3) one = one.replace(/ie$/, "y").replace(/(ve|fe)$/, "f").replace(/(?:(?<=[osxz])|(?<=[cs]h))e$/, "");
  return one;
}

const plain = (text) => text.normalize("NFKD").toLowerCase().replace(/['’]|\p{Mn}/gu, "");
const words = (text) => (plain(text.slice(0, 300)).match(/[\p{L}\p{N}]+/gu) ?? []).map(stem);
const bare = (emoji) => emoji.replace(/[\ufe0f\u{1f3fb}-\u{1f3ff}]/gu, "");
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

function prepare(raw) {
  const things = raw.things.map(([name, emoji, keywords], index) => {
    const parts = words(name);
    return { name, emoji, index, parts, all: new Set([...parts, ...words(keywords.join(" ").slice(0, 300)), ...raw.styles.flatMap(words), "style"]),
      typed: plain(name).split(/[^\p{L}\p{N}]+/u), keywords: plain(keywords.join(" ")).split(/[^\p{L}\p{N}]+/u) };
  });
  const names = new Map([...raw.things, ...raw.heldOut].map(([name, emoji]) => [bare(emoji), name]));
  const tint = "[\\ufe0f\\u{1f3fb}-\\u{1f3ff}]*";
  const signs = [...names.keys()].sort((a, b) => b.length - a.length).map((one) => [...one].map(escaped).join(tint) + tint);
  const learned = new Set([...raw.people, ...raw.learned, ...raw.things.flatMap(([name, , keywords]) => [name, ...keywords])].flatMap(words));
  known = { ...raw, things, names, learned, emoji: new RegExp(signs.join("|"), "gu"),
    medium: new RegExp(`^(?:[\\p{L}\\p{N}-]+\\s+){0,4}?(?:${raw.media.join("|")})s?\\s+(?:of|showing)\\s+`, "iu") };
  return known;
}

const load = (source) => loading ??= fetch(source).then((answer) => answer.json()).then(prepare);

// Prompts as models read them

function readEmoji(prompt) {
  const found = new Map();
  const text = prompt.replace(known.emoji, (sign) => { found.set(sign, known.names.get(bare(sign))); return ` ${found.get(sign)} `; });
  return [found.size ? text.trim().replace(/\s+/g, " ").replace(/\s+([,;])/g, "$1") : prompt, found];
}

function asRead(prompt) {
  let text = readEmoji(prompt)[0].trim();
  while (known.medium.test(text)) text = text.replace(known.medium, "");
  return text;
}

function unknownWords(prompt) {
  const pieces = asRead(prompt).slice(0, 300).normalize("NFC").match(/[\p{L}\p{N}]+(?:['’][\p{L}\p{N}]+)*|(?:\p{So}|\u200d|\ufe0f|[\u{1f3fb}-\u{1f3ff}])+/gu) ?? [];
  return [...new Set(pieces)].filter((piece) => !words(piece).some((word) => known.learned.has(word)));
}

function matches(prompt) {
  let line = ` ${words(asRead(prompt)).join(" ")} `;
  for (const style of known.styles) line = line.replace(` ${words(style).join(" ")} style `, " ");
  const terms = line.split(" ").filter((word) => word && !STOP.has(word));
  return known.things.some((one) => terms.every((term) => one.all.has(term)));
}

function bigrams(word) {
  const padded = ` ${word} `;
  return word ? new Set(Array.from({ length: padded.length - 1 }, (_, i) => padded.slice(i, i + 2))) : new Set();
}

function dice(a, b) {
  const one = bigrams(a), other = bigrams(b);
  return 2 * [...one].filter((pair) => other.has(pair)).length / Math.max(one.size + other.size, 1);
}

function nearest(prompt) {
  const text = asRead(prompt).slice(0, 60), unknown = unknownWords(text);
  const odd = (unknown.length ? unknown : [text]).map((one) => words(one).join(" "));
  const familiar = new Set(words(text).filter((word) => known.learned.has(word) && !STOP.has(word)));
  const score = ({ parts }) => Math.max(...odd.flatMap((word) => [dice(word, parts.join(" ")), ...parts.map((part) => 0.95 * dice(word, part))]))
    + 0.5 * [...familiar].filter((word) => parts.includes(word)).length / Math.max(familiar.size, 1);
  return known.things.map((one) => [score(one), one]).filter(([value]) => value >= SIMILAR)
    .sort(([a, one], [b, other]) => b - a || one.name.length - other.name.length || one.index - other.index)
    .slice(0, NEAREST).map(([, one]) => one.name);
}

// The end of a prompt that names could complete, and those names: first what begins so.
function completions(prompt) {
  const typed = [...prompt.matchAll(/[^\s,;]+/g)];
  const from = typed.findLastIndex((word, i) => i && /[,;]/.test(prompt.slice(typed[i - 1].index, word.index)));
  for (const first of typed.slice(Math.max(from, 0))) {
    const query = plain(prompt.slice(first.index)).split(/[^\p{L}\p{N}]+/u).filter(Boolean);
    if (!query.length || (query.length === 1 && query[0].length < 2)) continue;
    const rank = ({ typed: own, keywords }) => {
      const within = (list) => query.every((word, i) => list.some((one) => (i < query.length - 1 ? one === word : one.startsWith(word))));
      return own.join(" ").startsWith(query.join(" ")) ? 0 : within(own) ? 1 : within([...own, ...keywords]) ? 2 : 3;
    };
    const found = known.things.map((one) => [rank(one), one]).filter(([value]) => value < 3).sort(([a], [b]) => a - b);
    if (found.length) return [first.index, found.slice(0, MOST).map(([, one]) => one)];
  }
  return [0, []];
}

// The page

function sentence(kind, prompt) {
  const [text, emoji] = readEmoji(prompt), unknown = unknownWords(prompt).slice(0, 3);
  const parts = kind ? [...emoji].map(([sign, name]) => `${sign} is read as ${name}.`) : [];
  const lacking = kind === "learned" ? unknown.length > 0 : kind === "exact" && text.trim() !== "" && !matches(prompt);
  if (lacking && unknown.length) {
    const quoted = unknown.map((word) => `“${word.slice(0, 30)}”`).join(", ");
    const where = kind === "exact" ? "drawings of its set" : "things that it was trained on";
    parts.push(`${quoted} ${unknown.length > 1 ? "are" : "is"} not among the ${known.things.length} ${where}.`);
  } else if (lacking) parts.push(`No drawing of its set is all of “${text.slice(0, 40)}”.`);
  return [parts.join(" "), lacking ? nearest(prompt) : []];
}

class Place {
  constructor(root) {
    this.root = root;
    this.tab = root.dataset.tab;
    this.models = JSON.parse(root.dataset.models);
    this.model = root.dataset.model;
    this.status = root.querySelector("[role=status]");
    this.near = root.querySelector(".near");
    this.list = root.querySelector("[role=listbox]");
    this.dice = root.querySelector(".draw");
    this.near.addEventListener("click", ({ target }) => { if (target.matches("button")) this.take(target.textContent); });
    this.dice.addEventListener("click", () => this.ready().then(() => this.draw()));
    this.list.addEventListener("pointerdown", (event) => event.preventDefault());  // the prompt keeps the focus
    this.list.addEventListener("click", ({ target }) => this.choose(target.closest("[role=option]")));
  }
  get input() { return document.querySelector(`#${this.tab}-prompt :is(input, textarea)`); }
  get kind() { return this.models[this.model] ?? ""; }
  get options() { return [...this.list.children]; }
  set(text) {
    this.input.value = text;
    this.input.dispatchEvent(new Event("input", { bubbles: true }));
    this.close();
  }
  take(name) {
    this.set(name);
    this.input.focus();
  }
  // A caption that the model knows: a thing by its name, for a learned model a person too.
  draw() {
    const captions = known.things.map(({ name }) => name).concat(this.kind === "learned" ? known.people : []);
    this.set(captions[Math.floor(Math.random() * captions.length)]);
  }
  ready() {
    const names = { role: "combobox", autocomplete: "off", "aria-autocomplete": "list", "aria-controls": this.list.id, "aria-expanded": String(!this.list.hidden) };
    for (const [name, value] of Object.entries(names)) this.input.setAttribute(name, value);
    return load(this.root.dataset.words).then(() => this.mark());
  }
  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.mark(), PAUSE_MS);
  }
  mark() {
    if (!known || !this.input) return;
    const [text, names] = this.list.hidden ? sentence(this.kind, this.input.value) : ["", []];
    if (this.status.textContent !== text) this.status.textContent = text;
    this.status.title = text;
    this.near.replaceChildren(...names.map((name) => Object.assign(document.createElement("button"), { type: "button", textContent: name })));
  }
  open() {
    if (!known) return;
    const [from, things] = this.kind ? completions(this.input.value) : [0, []];
    this.from = from;
    this.list.replaceChildren(...things.map((one, i) => {
      const option = Object.assign(document.createElement("li"), { id: `${this.list.id}-${i}`, role: "option", textContent: one.name });
      option.setAttribute("aria-selected", "false");
      const thumbnail = document.createElement("i");
      thumbnail.style.background = `url("${this.root.dataset.sheet}") ${-(one.index % known.columns) * CELL}px ${-Math.floor(one.index / known.columns) * CELL}px`;
      option.prepend(thumbnail);
      return option;
    }));
    this.list.hidden = !things.length || (things.length === 1 && things[0].name === this.input.value.slice(from));
    this.activate(-1);
  }
  close() {
    this.list.hidden = true;
    this.activate(-1);
    this.later();
  }
  activate(index) {
    this.active = index;
    this.options.forEach((option, i) => { option.setAttribute("aria-selected", String(i === index)); });
    this.input?.setAttribute("aria-expanded", String(!this.list.hidden));
    if (index < 0) this.input?.removeAttribute("aria-activedescendant");
    else this.input.setAttribute("aria-activedescendant", this.options[index].id);
  }
  choose(option) { if (option) this.set(this.input.value.slice(0, this.from) + option.textContent); }
  key(event) {
    const n = this.options.length;
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in steps) {
      if (this.list.hidden) this.open();
      else this.activate(this.active < 0 && event.key === "ArrowUp" ? n - 1 : (this.active + steps[event.key] + n) % n);
    } else if (event.key === "Enter" && !this.list.hidden && this.active >= 0) this.choose(this.options[this.active]);
    else if (event.key === "Escape" && !this.list.hidden) this.close();
    else {
      if (event.key === "Enter") this.close();
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}

const placeOf = (target) => places.get(target.closest?.(".lab-prompt")?.id.replace(/-prompt$/, ""));

// Names in the note of a refusal are as good as those beneath the prompt.
document.addEventListener("click", ({ target }) => {
  const name = target.closest?.(".lab-note [data-name]");
  if (!name) return;
  places.get(name.closest("[id$=-note]").id.replace(/-note$/, ""))?.take(name.dataset.name);
  const note = name.closest(".lab-note"); // the refusal has been answered
  note.classList.remove("bad");
  note.textContent = "Press Run.";
});
document.addEventListener("focusin", ({ target }) => placeOf(target)?.ready());
document.addEventListener("focusout", ({ target }) => placeOf(target)?.close());
document.addEventListener("input", ({ target, isTrusted }) => {
  const place = placeOf(target);
  if (isTrusted) place?.open();
  place?.later();
});
document.addEventListener("keydown", (event) => { if (!event.isComposing && event.target.matches?.("input, textarea")) placeOf(event.target)?.key(event); }, true);

window.labVocabulary = {
  mark(tab, model) {
    const place = places.get(tab);
    if (!place) return;
    place.model = model;
    place.dice.hidden = !place.kind;
    place.root.closest(".block").hidden = place.models[model] === undefined;
    place.later();
  },
  unknown: (prompt) => unknownWords(prompt), nearest: (prompt) => nearest(prompt), read: (prompt) => readEmoji(prompt)[0], matches: (prompt) => matches(prompt),
};

export function attach(root) { places.set(root.dataset.tab, new Place(root)); }
