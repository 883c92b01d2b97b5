// The stage of the tab Inside: whatever room is shown gets its own script, NAME.js, once for each markup that arrives.
let current = null; // the root that was attached last

async function bring(element) {
  const root = element.querySelector("[data-room]");
  if (!root || root === current) return;
  current = root;
  if (!root.dataset.script) return; // a room of pictures alone
  const room = await import(`./${root.dataset.script}`);
  if (root === current && root.isConnected) room.attach(root);
}

export function attach(element, watch) {
  const look = () => requestAnimationFrame(() => bring(element));
  watch("value", look);
  look();
}
