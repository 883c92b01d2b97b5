// `set` and `settle` are what the page's events call; codes of tabs that are not shown wait until they are.
async () => {
  while (!window.labTabs) await new Promise((ready) => setTimeout(ready, 20));
  const first = window.labTabs.names[0], codes = {}, asked = new URLSearchParams(location.search);
  let shown = window.labTabs.shown() || first, going = "", loading = asked.has("c") || asked.has("tab");

  const write = (how) => {
    const at = new URL(location.href);
    at.searchParams.delete("c");
    at.searchParams.delete("tab");
    if (codes[shown]) at.searchParams.set("c", codes[shown]);
    else if (shown !== first) at.searchParams.set("tab", shown);
    history[how]({ ...(how === "pushState" ? {} : history.state), tab: shown }, "", at);
  };
  document.addEventListener("lab:tab", (event) => {
    if (event.detail === shown) return;
    shown = event.detail;
    write(going || loading ? "replaceState" : "pushState");
    going = "";
    loading = false;
  });
  window.labAddress = {
    set: (tab, code) => {  // what a tab shows has these settings now
      codes[tab] = code;
      if (tab === shown && !going) write("replaceState");
    },
    settle: (restored) => {  // the settings in the address have been read
      if (restored || !asked.has("c")) return;
      enter(); // they cannot be read
    },
  };
  window.addEventListener("popstate", (event) => {
    const tab = event.state?.tab ?? first;
    if (tab === shown) return write("replaceState");
    going = tab;
    if (!window.labTabs.open(tab)) going = "";
  });
  for (const kind of ["pointerdown", "keydown"])
    document.addEventListener(kind, () => { loading = false; }, { once: true, capture: true });

  const wanted = asked.get("tab"), until = performance.now() + 15000;
  const begin = () => {
    if (loading && !window.labTabs.open(wanted) && performance.now() < until) requestAnimationFrame(begin);
  };
  const enter = () => {
    if (loading && window.labTabs.names.includes(wanted) && wanted !== first) begin();
    else { loading = false; write("replaceState"); }
  };
  if (!asked.has("c")) enter();
}
