// The room of latents: what is hovered or focused is enlarged in the strip, and a slider moves all frames by one sheet, without a request.
export function attach(root, _tell, left) {
  const all = (selector) => [...root.querySelectorAll(selector)];
  const one = (selector) => root.querySelector(selector);
  let sheet = null, texts = [], side = 0, source = '', looked = null;

  // A picture or a canvas as a canvas's pixels.
  const copy = (to, from) => {
    if (!to || !from) return;
    const width = from.naturalWidth || from.width, height = from.naturalHeight || from.height;
    if (!width) return;
    if (to.width !== width || to.height !== height) Object.assign(to, { width, height });
    to.getContext('2d').drawImage(from, 0, 0);
    to.dataset.painted = '';
  };
  const say = (part, title, words) => {
    const caption = one(`[data-caption="${part}"]`);
    if (!caption) return;
    caption.querySelector('b').textContent = title;
    caption.querySelector('span').textContent = words;
  };
  const shown = (cell) => {
    const canvas = cell?.querySelector('canvas');
    return canvas && 'painted' in canvas.dataset ? canvas : cell?.querySelector('img');
  };

  // What is looked at: its channel's map, and what it decodes to.
  const look = (cell) => {
    if (!cell || !root.contains(cell)) return;
    for (const other of all('.latents-cell.looked')) other.classList.remove('looked');
    cell.classList.add('looked');
    looked = cell;
    const map = cell.closest('.latents-row')?.querySelector('[data-map]');
    if (map) {
      copy(one('canvas[data-part=map]'), shown(map));
      say('map', map.dataset.map, map.dataset.range);
    }
    const text = cell.querySelector('small').textContent.trim(), slid = cell.querySelector('canvas') ? ` ${one('.latents-slider output')?.textContent ?? ''}` : '';
    const number = /^[\d.]+$/.test(text) ? `RMS ${text}` : text;
    if (!cell.dataset.map) {
      copy(one('canvas[data-part=look]'), shown(cell));
      say('look', cell.dataset.words + slid, number);
    }
  };

  // The frame of the slider, of every track.
  const move = () => {
    const input = one('.latents-slider input');
    if (!input) return;
    const frame = Number(input.value), labels = JSON.parse(input.dataset.labels);
    one('.latents-slider output').textContent = labels[frame];
    input.setAttribute('aria-valuetext', labels[frame]);
    const head = one('[data-slid]');
    if (head) head.textContent = labels[frame];
    for (const cell of all('[data-frame]')) cell.toggleAttribute('data-now', Number(cell.dataset.frame) === frame);
    if (!sheet) return;
    const paint = (canvas, track) => {
      if (canvas.width !== side || canvas.height !== side) Object.assign(canvas, { width: side, height: side });
      canvas.getContext('2d').drawImage(sheet, frame * side, track * side, side, side, 0, 0, side, side);
      canvas.dataset.painted = '';
    };
    for (const canvas of all('canvas[data-track]')) {
      const track = Number(canvas.dataset.track);
      paint(canvas, track);
      canvas.closest('.latents-cell').querySelector('small').textContent = texts[track]?.[frame] || '\u00a0';
    }
    for (const canvas of all('canvas[data-part^=track-]')) {
      const track = Number(canvas.dataset.part.slice(6));
      paint(canvas, track);
      const caption = one(`[data-caption="${canvas.dataset.part}"] span`);
      if (caption && texts[track]) caption.textContent = texts[track][frame];
    }
    if (looked?.querySelector('canvas[data-track]')) look(looked);
  };

  // The sheet of a run that has ended; Gradio patches the markup in place, so it is looked for after every change.
  const take = async () => {
    const found = one('[data-sheet]'), next = found?.dataset.sheet ?? '';
    if (next === source) return;
    source = next;
    sheet = null;
    if (!found) return;
    const image = new Image();
    image.src = next;
    await image.decode();
    if (source !== next || left.aborted) return;
    texts = JSON.parse(found.dataset.texts);
    side = Number(found.dataset.side);
    sheet = image;
    move();
    root.dataset.ready = '';
  };

  const chosen = (event) => event.target.closest?.('.latents-cell');
  root.addEventListener('pointerover', (event) => look(chosen(event)));
  root.addEventListener('focusin', (event) => look(chosen(event)));
  root.addEventListener('click', (event) => {
    const cell = chosen(event), input = one('.latents-slider input');
    look(cell);
    if (!cell?.dataset.frame || !input || input.disabled) return;
    input.value = cell.dataset.frame;
    move();
  });
  root.addEventListener('input', (event) => { if (event.target.closest('.latents-slider')) move(); });
  new MutationObserver(take).observe(root, { childList: true, subtree: true, attributes: true, attributeFilter: ['data-sheet'] });
  move();
  take();
}
