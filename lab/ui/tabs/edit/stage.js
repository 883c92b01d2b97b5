// A picture of two views is turned over by a click, a tap or the keyboard; pointing at it does the same (style.css).
// Runs as gr.HTML's js_on_load: `element` is given.
const turn = (figure) => figure.setAttribute('aria-pressed', String(figure.getAttribute('aria-pressed') !== 'true'));
element.addEventListener('click', (event) => {
  const figure = event.target.closest('figure.edit[role=button]');
  if (figure) turn(figure);
});
element.addEventListener('keydown', (event) => {
  if ((event.key === 'Enter' || event.key === ' ') && event.target.matches('figure.edit[role=button]')) {
    event.preventDefault();
    turn(event.target);
  }
});
