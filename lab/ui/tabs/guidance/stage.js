element.addEventListener('click', (event) => {
  const cell = event.target.closest('button[data-key]');
  if (cell) trigger('click', {pick: cell.dataset.key});
});
