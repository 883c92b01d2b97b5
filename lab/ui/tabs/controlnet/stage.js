// A click on a result shows it as large as the screen; arrows go on, Escape or a click goes back.
// Runs as gr.HTML's js_on_load: `element` and `trigger` are given.
function enlarge(figure) {
  document.querySelector('.held-full')?.remove();
  const image = figure.querySelector('img');
  if (!image) return;
  const full = document.createElement('div');
  full.className = 'held-full';
  full.tabIndex = -1;
  full.setAttribute('role', 'dialog');
  full.setAttribute('aria-modal', 'true');
  full.setAttribute('aria-label', 'Full-size view');
  const large = image.cloneNode(), words = document.createElement('p');
  words.textContent = figure.getAttribute('aria-label');
  full.append(large, words);
  const close = () => { full.remove(); figure.focus({preventScroll: true}); };
  full.addEventListener('click', close);
  full.addEventListener('keydown', (event) => {
    if (/^(Escape|Enter| |Tab)$/.test(event.key)) { event.preventDefault(); close(); }
    const all = [...element.querySelectorAll('figure[data-key]')].filter((one) => one.querySelector('img'));
    const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    if (step) pick(all[(all.indexOf(figure) + step + all.length) % all.length]);
  });
  (element.closest('.gradio-container') || document.body).append(full);
  full.focus();
}
function pick(figure) {
  for (const one of element.querySelectorAll('figure[aria-pressed=true]')) one.setAttribute('aria-pressed', 'false');
  figure.setAttribute('aria-pressed', 'true');
  enlarge(figure);
  trigger('click', {pick: figure.dataset.key});
}
element.addEventListener('click', (event) => {
  const figure = event.target.closest('figure[data-key]');
  if (figure) pick(figure);
});
element.addEventListener('keydown', (event) => {
  if ((event.key === 'Enter' || event.key === ' ') && event.target.matches('figure[data-key]')) {
    event.preventDefault();
    pick(event.target);
  }
});
