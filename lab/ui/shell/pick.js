// A click on a button of this component is told to the server as the button's number.
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-pick]");
  if (button) trigger("click", { pick: Number(button.dataset.pick) });
});
