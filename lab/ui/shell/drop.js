// A file that is dropped where nothing else takes it: a picture of one's own goes to the tab that takes some, and what the lab has
// written, a picture with its settings among it, to the door's own field.
() => {
  const KEYWORD = "diffusion-lab\0", HEAD = 65536; // of a PNG's text chunk, which stands before the picture
  const elsewhere = (event) => event.target.closest?.(".upload-container, .image-container");
  const carried = (event) => [...(event.dataTransfer?.types || [])].includes("Files") && !elsewhere(event);
  const carriesSettings = async (file) => new TextDecoder("latin1").decode(await file.slice(0, HEAD).arrayBuffer()).includes(KEYWORD);
  document.addEventListener("dragover", (event) => { if (carried(event)) event.preventDefault(); });
  document.addEventListener("drop", async (event) => {
    const field = document.querySelector("input[data-testid^='Open a file of the lab']");
    const [file] = event.dataTransfer?.files || [];
    if (!carried(event) || !file) return;
    event.preventDefault();
    const own = [...(window.labOwn?.values() ?? [])].find(({ element }) => element.offsetParent);
    const aimed = own?.element.contains(event.target); // whatever the picture carries, it is to be one of these
    if (own && file.type.startsWith("image/") && (aimed || !(await carriesSettings(file)))) {
      own.take(file);
    } else if (field) {
      const transfer = new DataTransfer();
      transfer.items.add(file);
      field.files = transfer.files;
      field.dispatchEvent(new Event("change", { bubbles: true }));
    }
  });
  document.documentElement.dataset.takesDrops = "yes";
}
