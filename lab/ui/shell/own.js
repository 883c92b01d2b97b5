// A visitor's own picture among the examples of a tab: chosen, dropped, pasted, or from the camera. It is sent as the file that
// it is, and the server reads it. Its small copy stays behind the examples, to go back to, until the page is left.
const takers = new Map(); // by the gallery's name: what drop.js gives files to, and what was sent last

window.labOwn = takers;

export function attach(name, element, trigger, upload, watch) {
  const taker = { element, take, sent: null };
  const choice = Object.assign(document.createElement("input"), { type: "file", accept: "image/*" });
  // What was sent, with the address of its small copy: what is behind the examples, and the next; and what was chosen last.
  let mine = null, coming = null, latest = null;

  async function take(file) {
    const next = { small: URL.createObjectURL(file) };
    latest = next;
    try {
      const { path, url } = await upload(file); // Gradio says why it could not
      next.sent = { path, url, orig_name: file.name, size: file.size, mime_type: file.type, meta: { _type: "gradio.FileData" } };
    } catch {
      next.sent = null;
    }
    if (latest === next) show(next); else URL.revokeObjectURL(next.small); // a large one may arrive after the one that took its place
  }

  function show(next) {
    latest = coming = next;
    taker.sent = next.sent;
    trigger("upload");
  }

  // The server has painted the gallery: it names the picture that is shown where that is the visitor's.
  function paint() {
    const gallery = element.querySelector(".gallery"), shown = gallery?.dataset.shown;
    if (!gallery) return;
    if (shown && coming) {
      if (mine && mine !== coming) URL.revokeObjectURL(mine.small);
      mine = coming;
      coming = null;
      element.dispatchEvent(new CustomEvent("own", { bubbles: true })); // what stands on the stage is of another one yet
    }
    gallery.querySelector(".mine")?.remove();
    if (!mine) return;
    const tile = Object.assign(document.createElement("button"), { type: "button", className: "mine", title: "Your own picture" });
    tile.setAttribute("aria-label", "Your own picture");
    tile.setAttribute("aria-pressed", String(Boolean(shown)));
    tile.append(Object.assign(new Image(), { src: mine.small, alt: "" }));
    gallery.querySelector("[data-bring]").before(tile);
  }

  choice.addEventListener("change", () => {
    const [file] = choice.files;
    choice.value = ""; // so that the same file can be chosen again
    if (file) take(file);
  });
  element.addEventListener("click", async ({ target }) => {
    const kind = target.closest("[data-bring]")?.dataset.bring;
    if (kind === "choose") choice.click();
    if (kind === "camera") (await import("./camera.js")).photograph(take);
    if (target.closest(".mine")) show(mine);
  });
  takers.set(name, taker);
  watch("value", paint);
  paint();
}

const open = () => [...takers.values()].find(({ element }) => element.offsetParent);
const carried = (transfer) => [...(transfer?.types || [])].includes("Files");

document.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files || [])].find(({ type }) => type.startsWith("image/"));
  if (!file || !open()) return;
  event.preventDefault();
  open().take(file);
});
document.addEventListener("dragover", ({ dataTransfer }) => {
  if (carried(dataTransfer) && open()) document.documentElement.dataset.carried = "";
});
for (const kind of ["drop", "dragend"]) document.addEventListener(kind, () => { delete document.documentElement.dataset.carried; }, true);
document.addEventListener("dragleave", ({ relatedTarget }) => { if (!relatedTarget) delete document.documentElement.dataset.carried; });
