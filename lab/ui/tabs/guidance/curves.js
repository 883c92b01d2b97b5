// Beneath a point of the curves its picture is shown; a click picks it in the grid.
const cell = (point) => document.querySelector(`#guidance-stage [data-key="${point.dataset.key}"]`);
let tip = null, lit = null;
function away() {
  tip?.remove(); lit?.classList.remove('lit');
  tip = lit = null;
}
element.addEventListener('pointerover', (event) => {
  away();
  const point = event.target.closest('[data-key]');
  const image = point && cell(point)?.querySelector('img');
  if (!image) return;
  lit = cell(point);
  lit.classList.add('lit');
  tip = document.createElement('div');
  tip.className = 'curve-tip';
  const words = document.createElement('span');
  words.textContent = point.dataset.words;
  tip.append(image.cloneNode(), words);
  (element.closest('.gradio-container') || document.body).append(tip);
  const at = point.getBoundingClientRect(), box = tip.getBoundingClientRect();
  tip.style.left = `${Math.min(innerWidth - box.width - 8, Math.max(8, at.left + at.width / 2 - box.width / 2))}px`;
  tip.style.top = `${at.top > box.height + 16 ? at.top - box.height - 8 : at.bottom + 8}px`;
});
element.addEventListener('pointerleave', away);
element.addEventListener('click', (event) => {
  const point = event.target.closest('[data-key]');
  if (!point) return;
  const picked = cell(point);
  away();
  if (picked) picked.click();
});
