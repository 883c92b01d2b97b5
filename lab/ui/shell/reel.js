// A finished run from noise to picture: scrubbed and played in the page, from the sheets that came with the stage.
// Runs as gr.HTML's js_on_load of the stage: `element` is given. Pictures are drawn into canvases above the stage's own,
// which are the finished ones.
const FILM_MS = 2400;
const stage = element.closest('[id$="-stage"]');
const still = matchMedia('(prefers-reduced-motion: reduce)');
const part = (selector) => document.querySelector(`[data-reel-of="${stage.id}"] ${selector}`);
let reel = null, holder = null, key = '', place = 0, frame = 0;

const named = (name) => holder.querySelector(`[data-part="${name}"]`);
const index = (starts, position) => {
  let k = starts.length - 1;
  while (k > 0 && starts[k] > position) k -= 1;
  return k;
};
const canvas = (name, track) => {
  const image = named(name), made = document.createElement('canvas');
  made.width = track.width;
  made.height = track.height;
  made.setAttribute('aria-hidden', 'true');
  image.after(made);
  return made;
};
const draw = (track, position) => {
  const k = index(track.starts, position);
  if (k === track.now) return;
  track.now = k;
  const x = (k % track.columns) * track.wide, y = Math.floor(k / track.columns) * track.tall;
  track.to.getContext('2d').drawImage(track.image, x, y, track.width, track.height, 0, 0, track.width, track.height);
};
const say = (track, position) => {
  const k = index(track.starts, position);
  if (k !== track.now && track.at) track.at.innerHTML = track.texts[k];
  track.now = k;
};
const show = (position) => {
  place = position;
  const at = Math.round(position);
  if (at < reel.last) for (const track of reel.pictures) draw(track, at);
  for (const track of reel.words) say(track, at);
  holder.classList.toggle('moves', at < reel.last);
  holder.dataset.at = at;
  const slider = part('input');
  if (slider) slider.value = at;
};

const label = () => {
  const button = part('button'), words = part('span'), slider = part('input');
  if (!button) return;
  button.disabled = slider.disabled = !reel;
  button.textContent = frame ? 'Pause' : 'Play';
  words.textContent = frame ? 'Escape skips to the picture' : reel?.caption ?? words.textContent;
  if (!reel) slider.value = slider.max;
};
const stop = () => { cancelAnimationFrame(frame); frame = 0; label(); };
const end = () => { stop(); show(reel.last); };
const play = () => {
  const from = place < reel.last ? place : 0, began = performance.now();
  const next = (now) => {
    const position = from + (Math.max(0, now - began) / FILM_MS) * reel.last;
    if (position >= reel.last || !holder.offsetParent) { end(); return; }
    show(position);
    frame = requestAnimationFrame(next);
  };
  show(from);
  frame = requestAnimationFrame(next);
  label();
};

const bitmap = async (uri) => {
  const image = new Image();
  image.src = uri;
  await image.decode();
  return createImageBitmap(image);
};
// A stage that is painted anew has another reel, or none while its run lasts. Gradio patches the page's elements in place, so
// a reel is known by its key.
const take = async () => {
  const found = stage.querySelector('[data-reel]'), mine = found?.dataset.reel || '';
  if (mine === key) return;
  key = mine;
  cancelAnimationFrame(frame);
  frame = 0;
  reel = null;
  holder = found;
  label();
  if (!found) return;
  const content = JSON.parse(found.querySelector('[data-frames]').dataset.frames);
  const words = Object.entries(content.words).map(([name, track]) => ({ ...track, at: named(name) }));
  const images = await Promise.all(Object.values(content.pictures).map((track) => bitmap(track.sheet)));
  if (mine !== key) return;
  const pictures = Object.entries(content.pictures).map(([name, track], k) => ({ ...track, image: images[k], to: canvas(name, track) }));
  reel = { ...content, words, pictures };
  place = reel.last;
  if (content.film && !still.matches) play(); else { stop(); show(reel.rest); }
  found.classList.remove('waits');
};
new MutationObserver(take).observe(stage, { childList: true, subtree: true, attributes: true, attributeFilter: ['data-reel'] });
take();

document.addEventListener('input', (event) => {
  if (event.target !== part('input') || !reel) return;
  if (frame) stop();
  show(Number(event.target.value));
});
document.addEventListener('click', (event) => {
  if (!reel) return;
  if (part('button')?.contains(event.target)) { if (frame) stop(); else play(); }
  else if (frame && event.target.closest('.presets button, button.lab-go')) end();
});
// Before whatever else Escape does, and instead of it.
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || !frame || event.target.closest('[role=dialog], .color-picker') || document.querySelector(':popover-open')) return;
  event.preventDefault();
  event.stopPropagation();
  end();
}, true);
