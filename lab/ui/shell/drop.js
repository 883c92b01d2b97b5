// A file that is dropped where nothing else takes it goes to the door's own field.
() => {
  const elsewhere = (event) => event.target.closest?.(".upload-container, .image-container");
  const carried = (event) => [...(event.dataTransfer?.types || [])].includes("Files") && !elsewhere(event);
  document.addEventListener("dragover", (event) => { if (carried(event)) event.preventDefault(); });
  document.addEventListener("drop", (event) => {
    const field = document.querySelector("input[data-testid^='Open a file of the lab']");
    if (!carried(event) || !field || !event.dataTransfer.files.length) return;
    event.preventDefault();
    field.files = event.dataTransfer.files;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  });
  document.documentElement.dataset.takesDrops = "yes";
}
