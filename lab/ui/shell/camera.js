// A picture from the camera: what it sees, in a dialog, until one is taken.
const WORDS = {
  NotAllowedError: "The browser may not use the camera. Allow it for this page, or choose a file.",
  NotFoundError: "No camera was found. Choose a file instead.",
  NotReadableError: "The camera is in use elsewhere. Close what uses it, or choose a file.",
};
const NONE = "The camera cannot be used here. Choose a file instead."; // as on a page that did not come by https

export async function photograph(take) {
  const dialog = document.createElement("dialog");
  dialog.className = "camera";
  dialog.setAttribute("aria-label", "Camera");
  dialog.innerHTML = `<video autoplay playsinline muted></video><p role="status"></p>
    <div><button type="button" data-take disabled>Take picture</button> <button type="button" data-cancel>Cancel</button></div>`;
  document.body.append(dialog);
  const video = dialog.querySelector("video"), shutter = dialog.querySelector("[data-take]");
  let stream = null;
  dialog.addEventListener("close", () => {
    for (const track of stream?.getTracks() ?? []) track.stop();
    dialog.remove();
  });
  dialog.querySelector("[data-cancel]").addEventListener("click", () => dialog.close());
  shutter.addEventListener("click", () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((blob) => take(new File([blob], "camera.png", { type: "image/png" })), "image/png");
    dialog.close();
  });
  video.addEventListener("loadeddata", () => { shutter.disabled = false; });
  dialog.showModal();
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: true });
    if (dialog.open) video.srcObject = stream; else for (const track of stream.getTracks()) track.stop();
  } catch (error) {
    dialog.querySelector("p").textContent = WORDS[error.name] ?? NONE;
  }
}
