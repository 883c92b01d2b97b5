// `set`, `show` and `settle` are what the page's events call; codes of tabs that are not shown wait until they are.
() => {
  const titles = JSON.parse(document.querySelector(".lab-header").dataset.tabs), first = Object.keys(titles)[0], codes = {};
  const asked = new URLSearchParams(location.search);
  let shown = first, going = "", loading = asked.has("c") || asked.has("tab");

  const write = (how) => {
    const at = new URL(location.href);
    at.searchParams.delete("c");
    at.searchParams.delete("tab");
    if (codes[shown]) at.searchParams.set("c", codes[shown]);
    else if (shown !== first) at.searchParams.set("tab", shown);
    history[how]({ ...(how === "pushState" ? {} : history.state), tab: shown }, "", at);
  };
  const open = (tab) => {
    const menu = [...document.querySelectorAll(".overflow-dropdown button")];
    const button = document.getElementById(`tab-${tab}-button`)
      || menu.find((one) => one.textContent.trim() === titles[tab]);
    button?.click();
    return Boolean(button);
  };
  const look = () => {  // events of tabs that follow each other closely come in any order: the page knows what it shows
    const tab = Object.keys(titles).find((name) => document.getElementById(`tab-${name}`)?.offsetParent);
    if (!tab || (tab === shown && going !== tab)) return false;
    shown = tab;
    if (going && going !== tab) return false;  // on the way to another one
    write(going || loading ? "replaceState" : "pushState");
    going = "";
    loading = false;
    return true;
  };
  const watch = (until) => { if (!look() && performance.now() < until) setTimeout(() => watch(until), 50); };
  window.labAddress = {
    set: (tab, code) => {  // what a tab shows has these settings now
      codes[tab] = code;
      if (!look() && tab === shown && !going) write("replaceState");
    },
    show: () => watch(performance.now() + 15000),  // a tab is being opened, as soon as the page comes to it
    settle: (restored) => {  // the settings in the address have been read
      if (restored || !asked.has("c")) return;
      loading = false;
      write("replaceState");
    },
  };
  window.addEventListener("popstate", (event) => {
    const tab = event.state?.tab ?? first;
    if (tab === shown) return write("replaceState");
    going = tab;
    if (!open(tab)) going = "";
  });
  for (const kind of ["pointerdown", "keydown"])
    document.addEventListener(kind, () => { loading = false; }, { once: true, capture: true });

  const wanted = asked.get("tab"), until = performance.now() + 15000;
  const begin = () => {
    if (loading && !open(wanted) && performance.now() < until) requestAnimationFrame(begin);
  };
  if (asked.has("c")) return;
  if (wanted in titles && wanted !== first) begin();
  else { loading = false; write("replaceState"); }
}
