// The words' stage: whichever word is pointed at lights its map up over the picture. Maps and pictures are sheets that came with
// the markup, so steps, levels and words change here without a request.
const AMBER = [255, 176, 32];
let kept = { word: "", level: "0", under: "x_0", opacity: 80 }; // what was chosen, for the next markup

const loaded = (uri) =>
  new Promise((done, fail) => {
    const image = new Image();
    image.onload = () => done(image);
    image.onerror = fail;
    image.src = uri;
  });

const percent = (share) => `${(100 * share).toFixed(share >= 0.0995 ? 0 : 1)} %`;

async function pixelsOf(level) {
  const image = await loaded(level.sheet);
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return { wide: image.width, data: context.getImageData(0, 0, image.width, image.height).data };
}

// One map as an overlay: dark where the word is not looked at, amber where it is.
// Without an opacity it is a picture of its own.
function overlay(sheet, side, word, frame, opacity) {
  const out = new ImageData(side, side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const value = sheet.data[4 * ((word * side + y) * sheet.wide + frame * side + x)] / 255;
      const at = 4 * (y * side + x);
      for (let c = 0; c < 3; c++) out.data[at + c] = AMBER[c] * value;
      out.data[at + 3] = opacity === null ? 255 : 255 * opacity * (0.85 * (1 - value) + 0.6 * value);
    }
  }
  return out;
}

function paint(canvas, image) {
  if (canvas.width !== image.width) canvas.width = canvas.height = image.width;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

async function begin(root, left) {
  const text = root.querySelector("[data-sheets]")?.dataset.sheets;
  if (!text) return;
  const look = JSON.parse(text);
  const one = (selector) => root.querySelector(selector);
  const all = (selector) => [...root.querySelectorAll(selector)];
  const words = all(".words-prompt button");
  const [heat, still, said] = [one("canvas.heat"), one("canvas.still"), one("[data-said]")];
  const [step, named] = [one(".words-step input"), one(".words-step span")];
  const shares = words.map((button) => button.querySelector("small"));
  const minis = all(".words-minis figure").map((figure) => [figure, figure.querySelector("canvas")]);
  const last = look.steps.length;
  const sheets = {};
  const frames = { x_0: await loaded(look.x_0.sheet), x_t: await loaded(look.x_t.sheet) };
  if (left.aborted) return;
  const before = look.names.indexOf(kept.word);
  const at = () => Math.min(Number(step.value), last); // newer markup may have set the slider beyond these frames
  let chosen = before < 0 ? look.chosen : before;
  let shown = chosen;
  let level = kept.level in look.levels ? kept.level : "0";
  let under = kept.under;
  let opacity = kept.opacity;

  async function sheetOf(name) {
    sheets[name] ??= await pixelsOf(look.levels[name]);
    return sheets[name];
  }

  function paintStill(frame) {
    still.hidden = frame === last;
    if (still.hidden) return;
    const { side } = look[under];
    still.width = still.height = side;
    still.getContext("2d").drawImage(frames[under], frame * side, 0, side, side, 0, 0, side, side);
  }

  function say(frame) {
    const [low, high, mean] = look.levels[level].numbers[shown][frame];
    const { i, n, t } = look.steps[frame] ?? {};
    named.textContent = frame === last ? "All steps" : `Call ${i + 1} of ${n}, t = ${t}`;
    step.setAttribute("aria-valuetext", named.textContent);
    said.textContent = `“${look.names[shown]}”: ${percent(mean)} of the attention; by place ${percent(low)} (dark) to ${percent(high)} (amber)`;
  }

  async function draw() {
    const name = level;
    const sheet = await sheetOf(name);
    if (name !== level || left.aborted) return; // another one was chosen while this one was decoded
    const frame = at();
    const { side } = look.levels[level];
    paintStill(frame);
    paint(heat, overlay(sheet, side, shown, frame, opacity / 100));
    for (const [word, [figure, canvas]] of minis.entries()) {
      paint(canvas, overlay(sheet, side, word, frame, null));
      figure.classList.toggle("on", word === shown);
    }
    for (const [k, button] of words.entries()) {
      button.setAttribute("aria-pressed", String(k === chosen));
      button.classList.toggle("on", k === shown);
      shares[k].textContent = percent(look.levels[level].numbers[k][frame][2]);
    }
    say(frame);
  }

  const show = (word) => {
    shown = word;
    draw();
  };
  const choose = (word) => {
    chosen = word;
    kept.word = look.names[word];
    show(word);
  };
  for (const part of [...words, ...minis.map(([figure]) => figure)]) {
    const word = Number(part.dataset.word);
    part.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && show(word));
    part.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && show(chosen));
    part.addEventListener("click", () => choose(word));
    part.addEventListener("focus", () => choose(word));
  }
  for (const name of ["level", "under"]) {
    const buttons = all(`[data-${name}]`);
    const press = (value) => {
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset[name] === value));
    };
    press(name === "level" ? level : under);
    for (const button of buttons) {
      button.addEventListener("click", () => {
        const value = button.dataset[name];
        if (name === "level") level = value;
        else under = value;
        kept = { ...kept, [name]: value };
        press(value);
        draw();
      });
    }
  }
  step.addEventListener("input", draw);
  const fade = one("[data-opacity]");
  fade.value = opacity;
  fade.addEventListener("input", () => {
    opacity = Number(fade.value);
    kept.opacity = opacity;
    draw();
  });
  await draw();
  if (!left.aborted) root.dataset.ready = "";
}

export function attach(root, _tell, left) {
  begin(root, left);
}
