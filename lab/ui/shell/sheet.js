// The stage as it is seen, 1,600 px wide, with what it asks above it and its settings beneath, as a PNG that opens them again.
async (text) => {
  if (!text) return;
  const { capsule, words, keyword } = JSON.parse(text);
  const WIDTH = 1600, MARGIN = 40, LONGEST = 12000;
  const stage = [...document.querySelectorAll(document.querySelector("[data-present]").dataset.stages)].find((one) => one.offsetParent);
  const tab = stage.closest(".tabitem"), page = getComputedStyle(document.body), whole = stage.getBoundingClientRect();
  const scale = (WIDTH - 2 * MARGIN) / whole.width, family = page.fontFamily, ink = page.color;
  const canvas = document.createElement("canvas"), pen = canvas.getContext("2d");

  // Sentences as lines of a width.
  const lines = (sentence, font) => {
    pen.font = font;
    return sentence.split(" ").reduce((all, word) => {
      const longer = `${all.at(-1)} ${word}`.trim();
      if (pen.measureText(longer).width <= WIDTH - 2 * MARGIN) all[all.length - 1] = longer;
      else all.push(word);
      return all;
    }, [""]);
  };
  const asked = lines(tab.querySelector(".lab-head h2")?.textContent || document.title, `600 40px ${family}`);
  const home = `${location.origin}${location.pathname}`;
  const foot = [words.join(" · "), `Drop this picture on ${home} to open these settings.`].flatMap((one) => lines(one, `22px ${family}`));
  const top = MARGIN + 52 * asked.length + 16, under = top + whole.height * scale + 20;
  canvas.width = WIDTH;
  canvas.height = Math.min(LONGEST, Math.ceil(under + 32 * foot.length + MARGIN));

  const write = (rows, font, y, step, colour) => {
    pen.font = font;
    pen.fillStyle = colour;
    pen.textBaseline = "top";
    for (const [i, row] of rows.entries()) pen.fillText(row, MARGIN, y + i * step);
  };
  pen.fillStyle = page.getPropertyValue("--body-background-fill");
  pen.fillRect(0, 0, canvas.width, canvas.height);
  write(asked, `600 40px ${family}`, MARGIN, 52, ink);
  write(foot, `22px ${family}`, under, 32, ink);

  // The stage, element by element in its order: ground, borders, frames, picture, words.
  pen.setTransform(scale, 0, 0, scale, MARGIN - whole.left * scale, top - whole.top * scale);
  const clear = (colour) => /, 0\)$|^transparent$/.test(colour);
  const box = (element, look) => {
    const at = element.getBoundingClientRect(), round = Math.min(parseFloat(look.borderRadius) || 0, at.width / 2, at.height / 2);
    if (!clear(look.backgroundColor)) {
      pen.fillStyle = look.backgroundColor;
      pen.beginPath();
      pen.roundRect(at.left, at.top, at.width, at.height, round);
      pen.fill();
    }
    const edges = { Top: [at.left, at.top, at.width, 0], Bottom: [at.left, at.bottom, at.width, 0], Left: [at.left, at.top, 0, at.height] };
    for (const [side, [x, y, w, h]] of Object.entries(edges)) {
      const thick = parseFloat(look[`border${side}Width`]);
      if (!thick || look[`border${side}Style`] === "none" || clear(look[`border${side}Color`])) continue;
      pen.fillStyle = look[`border${side}Color`];
      pen.fillRect(x, side === "Bottom" ? y - thick : y, w || thick, h || thick);
    }
    for (const [, colour, spread] of look.boxShadow.matchAll(/(rgba?\([^)]*\)) 0px 0px 0px ([\d.]+)px(?! inset)/g)) {
      pen.strokeStyle = colour;
      pen.lineWidth = Number(spread);
      pen.beginPath();
      pen.roundRect(at.left - spread / 2, at.top - spread / 2, at.width + pen.lineWidth, at.height + pen.lineWidth, round);
      pen.stroke();
    }
    if (!element.matches("img, canvas") || (element.matches("img") && !element.naturalWidth)) return;
    pen.imageSmoothingEnabled = look.imageRendering !== "pixelated";
    pen.drawImage(element, at.left, at.top, at.width, at.height);
  };
  const say = (node) => {
    const look = getComputedStyle(node.parentElement), range = document.createRange();
    pen.font = `${look.fontStyle} ${look.fontWeight} ${look.fontSize} ${look.fontFamily}`;
    pen.fillStyle = look.color;
    pen.textBaseline = "middle";
    for (const word of node.data.matchAll(/\S+/g)) {
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const at = range.getBoundingClientRect();
      if (at.width) pen.fillText(word[0], at.left, at.top + at.height / 2);
    }
  };
  const draw = (element) => {
    const look = getComputedStyle(element);
    if (look.display === "none" || look.visibility === "hidden" || look.opacity === "0" || element.matches("svg")) return;
    box(element, look);
    for (const child of element.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) say(child);
      else if (child.nodeType === Node.ELEMENT_NODE) draw(child);
    }
  };
  draw(stage);

  // A chunk of text before the first of the picture: length, "tEXt", keyword, 0, text, checksum (PNG, section 11.3.4.3).
  const plain = new Uint8Array(await (await new Promise((done) => canvas.toBlob(done))).arrayBuffer());
  const data = new TextEncoder().encode(`tEXt${keyword}\0${capsule}`), chunk = new Uint8Array(data.length + 8), view = new DataView(chunk.buffer);
  let sum = -1;
  for (const byte of data) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  view.setUint32(0, data.length - 4);
  chunk.set(data, 4);
  view.setUint32(data.length + 4, ~sum >>> 0);
  const HEAD = 33;  // of every PNG: its signature and its first chunk
  const file = new Blob([plain.slice(0, HEAD), chunk, plain.slice(HEAD)], { type: "image/png" });
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: `${stage.id.replace(/-.*/, "")}-comparison.png` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
