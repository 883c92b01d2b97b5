// The room between pictures: a film that is scrubbed and played, or a map that is pointed into, all from the pictures that stand in the
// stage. What pixels alone would give is mixed here.
const FRAME_MS = 230, REST_MS = 400;
const still = matchMedia('(prefers-reduced-motion: reduce)');
let played = ''; // the run whose film has played by itself

export function attach(root, tell, left) {
  const all = (selector) => [...root.querySelectorAll(selector)];
  const one = (selector) => root.querySelector(selector);
  const cells = all('.between-cell[data-lane]').map((cell) => ({
    cell, image: cell.querySelector('img'), row: Number(cell.dataset.row), column: Number(cell.dataset.column),
    x: Number(cell.dataset.x), y: Number(cell.dataset.y), weights: JSON.parse(cell.dataset.weights), label: cell.dataset.label,
  }));
  const originals = all('[data-original]'), input = one('.between-bar input'), button = one('.between-bar button'), plane = one('.between-plane');
  const near = JSON.parse(one('[data-frames]')?.dataset.frames ?? 'null');
  const thumbs = (near?.pictures ?? []).map((source) => Object.assign(new Image(), { src: source }));
  let now = Number(root.dataset.at), rest = now, frame = 0, due = 0;

  const draw = (canvas, image) => {
    if (!canvas || !image?.naturalWidth) return;
    if (canvas.width !== image.naturalWidth || canvas.height !== image.naturalHeight) Object.assign(canvas, { width: image.naturalWidth, height: image.naturalHeight });
    canvas.getContext('2d').drawImage(image, 0, 0);
    canvas.dataset.painted = '';
  };
  // The mean of the pictures by their weights: each is laid over those before for its share of what lies there by then.
  const mix = (canvas, weights) => {
    if (!canvas || !originals.length || originals.some((image) => !image.naturalWidth)) return;
    const side = Math.max(...originals.map((image) => image.naturalWidth)), pen = canvas.getContext('2d');
    if (canvas.width !== side || canvas.height !== side) Object.assign(canvas, { width: side, height: side });
    let share = 0;
    for (const [k, weight] of weights.entries()) {
      if (weight <= 0) continue;
      share += weight;
      pen.globalAlpha = weight / share;
      pen.drawImage(originals[k], 0, 0, side, side);
    }
    pen.globalAlpha = 1;
    canvas.dataset.painted = '';
  };

  // One place, in all that shows it.
  const show = (lane) => {
    now = lane;
    root.dataset.shown = lane;
    const { image, weights, label } = cells[lane];
    draw(one('canvas[data-part=frame]'), image);
    mix(one('canvas[data-part=mix]'), weights);
    for (const [k, { cell }] of cells.entries()) {
      cell.toggleAttribute('data-now', k === lane);
      cell.tabIndex = !plane || k === lane ? 0 : -1; // arrow keys move within a map
    }
    for (const mixed of all('.between-mixed')) mixed.toggleAttribute('data-now', Number(mixed.dataset.of) === lane);
    if (input) {
      input.value = lane;
      input.setAttribute('aria-valuetext', label);
    }
    const said = one('output');
    if (said.textContent !== label) said.textContent = label;
    for (const [k, part] of all('.between-weights li').entries()) {
      part.style.setProperty('--weight', weights[k]);
      part.querySelector('b').textContent = `${Math.round(100 * weights[k])} %`;
    }
    for (const [k, figure] of all('.between-near figure').entries()) {
      const [picture, caption, cosine] = near?.places[lane]?.[k] ?? [];
      if (picture === undefined) continue;
      draw(figure.querySelector('canvas'), thumbs[picture]);
      for (const [line, text] of [caption, cosine].entries()) figure.querySelectorAll('span')[line].textContent = text;
      figure.querySelector('span').title = caption;
    }
  };
  const keep = (lane) => {
    show(lane);
    rest = lane;
    clearTimeout(due);
    const { x, y } = cells[lane];
    due = setTimeout(() => left.aborted || tell(plane ? { between_x: x, between_y: y } : { between_t: x }), REST_MS);
  };

  // The film: to the second picture, and back to where it rests.
  const name = () => {
    if (!button) return;
    button.textContent = frame ? 'Pause' : 'Play';
    root.toggleAttribute('data-playing', frame !== 0);
  };
  const stop = () => {
    cancelAnimationFrame(frame);
    frame = 0;
    name();
  };
  const play = () => {
    const last = cells.length - 1, way = [...cells.keys(), ...[...cells.keys()].slice(rest, last).reverse()];
    const began = performance.now();
    const next = (time) => {
      if (left.aborted) return;
      const k = Math.floor(Math.max(0, time - began) / FRAME_MS);
      if (k >= way.length) {
        stop();
        show(rest);
        return;
      }
      if (way[k] !== now) show(way[k]);
      frame = requestAnimationFrame(next);
    };
    frame = requestAnimationFrame(next);
    name();
  };

  const move = (key) => {
    const { row, column } = cells[now];
    const [down, right] = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[key] ?? [];
    if (down === undefined) return false;
    const there = (at) => cells.findIndex((one) => one.row === row + down && one.column === at);
    const to = [column + right, column + right - 1].map(there).find((lane, k) => lane >= 0 && (k === 0 || down));
    if (to !== undefined) {
      keep(to);
      cells[to].cell.focus({ preventScroll: true });
    }
    return true;
  };
  const pointed = ({ clientX, clientY }) => {
    const cell = document.elementFromPoint(clientX, clientY)?.closest('.between-cell[data-lane]');
    if (cell && plane.contains(cell) && Number(cell.dataset.lane) !== now) keep(Number(cell.dataset.lane));
  };

  const listen = () => {
    root.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && frame) {
        stop();
        show(rest);
      } else if (!event.target.closest('.between-cell') || !move(event.key)) return;
      event.preventDefault();
      event.stopPropagation(); // while presenting, arrows turn to another preset
    });
    root.addEventListener('click', ({ target }) => {
      const cell = target.closest('[data-lane], [data-of]');
      if (target.closest('.between-bar button')) {
        if (frame) stop(); else play();
      } else if (cell) {
        stop();
        keep(Number(cell.dataset.lane ?? cell.dataset.of));
      }
    });
    input?.addEventListener('input', () => {
      stop();
      keep(Number(input.value));
    });
    plane?.addEventListener('pointermove', pointed);
    plane?.addEventListener('pointerdown', pointed);
  };

  const whole = 'whole' in root.dataset;
  const begin = async () => {
    const images = [...originals, ...cells.map(({ image }) => image).filter(Boolean), ...thumbs];
    await Promise.allSettled(images.map((image) => image.decode())); // a run under way puts others in their place
    if (left.aborted) return;
    for (const mixed of all('.between-mixed')) mix(mixed.querySelector('canvas'), cells[Number(mixed.dataset.of)].weights);
    show(now);
    if (!whole) return;
    listen();
    if (input && played !== root.dataset.whole && !still.matches) play();
    played = root.dataset.whole;
  };
  if (cells.length) begin();

  // The place that the tab's controls have.
  return ({ between_t, between_x, between_y }) => {
    const [x, y] = plane ? [between_x, between_y] : [between_t, 0];
    if (x === undefined || y === undefined || !cells.length) return;
    const far = cells.map((cell) => (cell.x - x) ** 2 + (cell.y - y) ** 2), lane = far.indexOf(Math.min(...far));
    if (lane === rest) return;
    rest = lane;
    if (!frame) show(lane);
  };
}
