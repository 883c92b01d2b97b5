// The large picture of the cell that is taken apart fills the screen at a click.
element.addEventListener('click', (event) => {
  const box = event.target.closest('.large .box');
  const image = box?.querySelector('img');
  if (!image) return;
  const full = document.createElement('div');
  full.className = 'look-full';
  full.tabIndex = -1;
  full.setAttribute('role', 'dialog');
  full.setAttribute('aria-modal', 'true');
  full.setAttribute('aria-label', 'Full-size view');
  const words = document.createElement('p');
  words.textContent = image.alt;
  full.append(image.cloneNode(), words);
  const close = () => { full.remove(); box.focus({preventScroll: true}); };
  full.addEventListener('click', close);
  full.addEventListener('keydown', (pressed) => {
    if (/^(Escape|Enter| |Tab)$/.test(pressed.key)) { pressed.preventDefault(); close(); }
  });
  (element.closest('.gradio-container') || document.body).append(full);
  full.focus();
});
