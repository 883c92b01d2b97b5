// The room of the dial: a traversal that the page decodes by itself. Beta, the picture that is walked from and the sliders ask for nothing.
import { decode, load, paint } from './decoder.js';

const PER_FRAME_MS = 10; // of decoding rows, so that the page stays at hand
const STEP = 0.05;
const REST_MS = 400; // until the link is told of another network
let chosen = { family: '', start: null }; // the picture that a visitor walks from, for the next run of the same networks
let walk = null; // the one that is shown

export function attach(root, tell, left) {
  walk?.end();
  walk = new Walk(root, tell, left);
  return ({ dial_beta }) => dial_beta !== undefined && walk.follow(Number(dial_beta));
}

class Walk {
  constructor(root, tell, left) {
    Object.assign(this, { root, tell, left });
    this.turn = 0; // of what is shown: rows of an earlier choice are given up
    root.addEventListener('click', ({ target }) => this.pressed(target.closest('button')));
    root.addEventListener('input', ({ target }) => this.moved(target));
    if (root.dataset.dial) this.begin(JSON.parse(root.dataset.dial));
  }

  end() {
    this.turn += 1;
  }

  named(selector) {
    return this.root.querySelector(selector);
  }

  begin(data) {
    const { root } = this;
    this.data = data;
    if (chosen.family !== data.family) chosen = { family: data.family, start: null };
    this.betas = [...root.querySelectorAll('[data-beta]')].map((button) => Number(button.dataset.beta));
    const column = this.columnOf(data.beta) ?? data.columns.findLast((one) => one.address);
    if (!column) return;
    this.dial = this.named('.dial-beta input');
    this.dial.disabled = this.named('.dial-back').disabled = false;
    this.show(column, chosen.start !== null && chosen.start < data.titles.length ? chosen.start : data.start);
  }

  // What is walked under beta; none before that network is measured.
  columnOf(beta) {
    return this.data.columns.find((one) => one.beta === beta && one.address);
  }

  // The tab's control has another beta.
  follow(beta) {
    if (!this.left.aborted && this.column && beta !== this.column.beta && this.columnOf(beta)) this.show(this.columnOf(beta), this.start);
  }

  pressed(button) {
    if (!this.column || !button) return;
    if (button.dataset.start) {
      chosen.start = Number(button.dataset.start);
      this.show(this.column, chosen.start);
    } else if (button.dataset.beta) this.turnTo(Number(button.dataset.beta));
    else if (button.matches('.dial-back')) this.back();
  }

  moved(input) {
    if (!this.column) return;
    if (input === this.dial) this.turnTo(this.betas[this.dial.valueAsNumber]);
    else if (input.dataset.latent) {
      this.code[Number(input.dataset.latent)] = input.valueAsNumber;
      this.look();
    }
  }

  // Another network by hand, where it is measured already.
  turnTo(beta) {
    if (!this.columnOf(beta)) return this.mark();
    this.follow(beta);
    clearTimeout(this.due);
    this.due = setTimeout(() => this.tell({ dial_beta: beta }), REST_MS);
  }

  async show(column, start) {
    this.turn += 1;
    const { turn } = this;
    Object.assign(this, { column, start, weights: null, code: Float32Array.from(column.means[start]) });
    this.mark();
    this.lay();
    let weights = null;
    try {
      weights = await load(column.address);
    } catch (error) {
      if (turn === this.turn && !this.left.aborted) this.say(`${error.message}. Choose the network again.`);
    }
    if (!weights || turn !== this.turn || this.left.aborted) return;
    this.weights = weights;
    this.look();
    this.fill(turn);
  }

  // Which network and which picture are chosen.
  mark() {
    const place = this.betas.indexOf(this.column.beta);
    this.dial.value = place;
    this.dial.setAttribute('aria-valuetext', `beta ${this.column.beta}`);
    this.named('.dial-beta output').textContent = this.column.beta;
    for (const button of this.root.querySelectorAll('[data-beta]')) button.setAttribute('aria-pressed', String(Number(button.dataset.beta) === this.column.beta));
    for (const button of this.root.querySelectorAll('[data-start]')) button.setAttribute('aria-pressed', String(Number(button.dataset.start) === this.start));
  }

  // A row for each living latent: its name, its pictures with a slider beneath them, and what it tells of each factor.
  lay() {
    const { column, data, code } = this;
    const rows = this.named('.dial-rows'), factors = column.shares ? data.factors : [];
    const table = document.createElement('table');
    const head = ['latent', `from ${data.values[0]} to ${data.values.at(-1)}, the others as the picture has them`.replace('-', '−'), ...factors];
    table.createTHead().append(rowOf(head.map((text) => cell('th', text, { scope: 'col' }))));
    const body = table.createTBody();
    this.rows = column.order.map((latent) => {
      const nats = column.kl[latent].toPrecision(2), name = `z${latent + 1}`;
      const strip = document.createElement('canvas');
      Object.assign(strip, { width: data.values.length * 33 - 1, height: 32 });
      strip.setAttribute('aria-hidden', 'true');
      const slider = document.createElement('input');
      Object.assign(slider, { type: 'range', min: data.values[0], max: data.values.at(-1), step: STEP, value: code[latent] });
      slider.setAttribute('aria-label', `Latent ${latent + 1}, ${nats} nats`);
      slider.dataset.latent = latent;
      const title = cell('th', name, { scope: 'row' });
      title.append(Object.assign(document.createElement('small'), { textContent: `${nats} nats` }));
      const walk = cell('td', '', { class: 'dial-strip' });
      walk.append(strip, slider);
      const cells = factors.map((factor, k) => {
        const share = column.shares[latent][k];
        return cell('td', share.toFixed(2), { class: 'dial-share', style: `--share:${Math.round(100 * share)}%`,
          title: `z${latent + 1} tells ${Math.round(100 * share)} % of ${factor}` });
      });
      body.append(rowOf([title, walk, ...cells]));
      return { latent, strip, slider };
    });
    rows.replaceChildren(table);
    const dead = column.latents - column.order.length;
    this.say(`${data.titles[this.start]}, β = ${column.beta}: ${column.order.length} sliders${dead ? `, ${dead} dead latents have none` : ''}.${factors.length ? ' Numbers: what share of each factor a latent tells of.' : ''}`);
  }

  // The picture of the code that the sliders have.
  look() {
    if (!this.weights) return;
    this.pixels = decode(this.weights, this.code, this.pixels);
    paint(this.named('.dial-live canvas'), this.pixels);
  }

  // The rows' pictures, a few a frame.
  fill(turn) {
    const { column, data, weights, rows, start } = this;
    const jobs = rows.flatMap((row) => data.values.map((value, k) => ({ ...row, value, k })));
    const picture = document.createElement('canvas'), values = new Float32Array(3 * weights.side ** 2);
    const some = () => {
      if (turn !== this.turn || this.left.aborted) return;
      const until = performance.now() + PER_FRAME_MS;
      while (jobs.length && performance.now() < until) {
        const { latent, strip, value, k } = jobs.shift();
        const code = Float32Array.from(column.means[start]);
        code[latent] = value;
        paint(picture, decode(weights, code, values));
        strip.getContext('2d').drawImage(picture, k * 33, 0);
      }
      if (jobs.length) requestAnimationFrame(some);
      else this.named('.dial-rows').dataset.filled = `${column.beta} ${start}`;
    };
    some();
  }

  back() {
    this.code.set(this.column.means[this.start]);
    for (const { latent, slider } of this.rows) slider.value = this.code[latent];
    this.look();
  }

  say(text) {
    this.named('.dial-said').textContent = text;
  }
}

function cell(kind, text, attributes) {
  const made = document.createElement(kind);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function rowOf(cells) {
  const row = document.createElement('tr');
  row.append(...cells);
  return row;
}
