// The stage of a tab of rooms: whatever room is shown gets its own script, NAME.js, once for each markup that arrives. Gradio changes
// elements in place: a room is given a copy of them, to which no listener of the markup before hangs.
//
// A room's `attach(root, tell, left)` may return a function: it is called with the values of the tab's live controls, by name, whenever one
// of them has another. `tell({ name: value })` sets live controls, and with them the link of the run that is shown. `left` is aborted as soon as
// other markup has arrived: what the room waits for finds other elements beneath its root from then on.
let markup = null; // that was attached last
let follow = null; // what its room has returned
let leaving = new AbortController(); // of that room
let values = {}; // of live controls

async function bring(element, props, tell) {
  const given = props.value;
  if (given === markup) return;
  markup = given;
  follow = null;
  const root = element.querySelector("[data-room]");
  const script = root?.dataset.script;
  if (!script) return; // a room of pictures alone
  const room = await import(`./${script}`);
  if (!root.isConnected || props.value !== given) return; // it may be another room's by now
  const fresh = root.cloneNode(true);
  root.replaceWith(fresh);
  leaving = new AbortController();
  follow = room.attach(fresh, tell, leaving.signal) ?? null;
  follow?.(values);
}

export function attach(tab, element, watch, trigger, props) {
  const tell = (told) => trigger("click", told);
  const look = () => {
    if (props.value !== markup) leaving.abort();
    requestAnimationFrame(() => bring(element, props, tell));
  };
  const set = (given) => {
    values = { ...values, ...given };
    follow?.(values);
  };
  window.labRooms ??= {}; // by the tab's name: what has its room follow
  if (window.labRooms[tab]) set(window.labRooms[tab].values); // what was set before this script was here
  window.labRooms[tab] = { set };
  watch("value", look);
  look();
}
