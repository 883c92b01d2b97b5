// A click on a cell of the grid is told to the server by the cell's key.
element.addEventListener('click', (event) => {
  const cell = event.target.closest('button[data-key]');
  if (cell) trigger('click', {pick: cell.dataset.key});
});
