// `set` and `settle` are what the page's events call, `at` and `move` the scripts of tabs that fill themselves, `visit` the
// links to places, `name` says what the place is called; what is of tabs that are not shown waits until they are.
async () => {
  while (!window.labTabs || !document.getElementById("lab-astray")) await new Promise((ready) => setTimeout(ready, 20));
  const first = window.labTabs.names[0], codes = {}, asked = new URLSearchParams(location.search);
  const wanted = asked.get("tab") || (asked.get("at") ? "notes" : null); // most places are of the notes
  const places = new Map([[wanted, asked.get("at") ?? ""]]); // by tab, of those that the page fills: what of it is shown
  let shown = window.labTabs.shown() || first, going = "", visiting = "", loading = asked.has("c") || Boolean(wanted);

  // What of the address cannot be understood, and what is shown instead; until another tab is opened.
  const astray = document.getElementById("lab-astray");
  const short = (name) => `“${name.slice(0, 40)}${name.length > 40 ? "…" : ""}”`;
  const title = (tab) => document.querySelector(`#strip-${tab} b`)?.textContent;

  const whole = document.title, called = new Map(); // by tab: what of it is shown
  const entitle = () => {
    const here = called.get(shown) ?? (shown === first ? "" : title(shown));
    document.title = here ? `${here} · ${whole}` : whole;
  };

  const write = (how) => {
    const at = new URL(location.href);
    at.searchParams.delete("c");
    at.searchParams.delete("tab");
    at.searchParams.delete("at");
    if (codes[shown]) at.searchParams.set("c", codes[shown]);
    else if (shown !== first) {
      at.searchParams.set("tab", shown);
      if (places.get(shown)) at.searchParams.set("at", places.get(shown));
    }
    at.search = at.search.replace(/%2C/g, ",").replace(/%3A/g, ":"); // to be read by people
    history[how]({ ...(how === "pushState" ? {} : history.state), tab: shown, at: places.get(shown) ?? "" }, "", at);
  };
  // The place that the address names, of the tab that is shown: a tab that fills itself goes there, or says why not; in another it is the
  // id of an element, which Gradio may still have to make.
  const seek = (until) => {
    const one = document.getElementById(`${shown}-at-${places.get(shown)}`);
    if (!one?.offsetParent) {
      const panel = document.getElementById(`tab-${shown}`), here = panel?.querySelector(`[id^="${shown}-at-"]`)?.offsetParent;
      if (!places.get(shown) || panel?.querySelector("[data-pages]")) return;
      if (!here && performance.now() < until) requestAnimationFrame(() => seek(until));
      else lose();
      return;
    }
    one.tabIndex = -1;
    one.focus({ preventScroll: true });
    one.scrollIntoView();
  };
  const lose = () => {
    astray.textContent = `The address names a place ${short(places.get(shown))} that the tab ${title(shown)} does not have. The tab is shown from its beginning.`;
    places.delete(shown);
    write("replaceState");
  };
  const arrive = () => {
    if (!places.get(shown)) return;
    document.dispatchEvent(new CustomEvent("lab:place", { detail: shown }));
    seek(performance.now() + 5000);
  };
  document.addEventListener("lab:tab", (event) => {
    if (event.detail === shown) return;
    shown = event.detail;
    astray.textContent = "";
    entitle();
    write(going || loading ? "replaceState" : "pushState");
    if (going || loading || visiting === shown) arrive();
    going = visiting = "";
    loading = false;
  });
  window.labAddress = {
    set: (tab, code) => {  // what a tab shows has these settings now
      codes[tab] = code;
      if (tab === shown && !going) write("replaceState");
    },
    at: (tab) => places.get(tab) ?? "",
    move: (tab, place, push) => {  // what of a tab is shown now, as a step of the browser's history of its own or not
      const same = places.get(tab) === place;
      places.set(tab, place);
      if (tab === shown && !going) write(push && !same ? "pushState" : "replaceState");
    },
    name: (tab, words) => {  // what of a tab is shown now, for the title of the page
      called.set(tab, words);
      entitle();
    },
    visit: (tab, place) => {  // open a tab at a place of it
      places.set(tab, place);
      visiting = tab;
      if (tab === shown) {
        write("pushState");
        arrive();
      } else window.labTabs.open(tab);
    },
    settle: (restored) => {  // the settings in the address have been read
      if (restored || !asked.has("c")) return;
      enter(); // they cannot be read
    },
  };
  window.addEventListener("popstate", (event) => {
    const { tab = first, at = "" } = event.state ?? {};
    places.set(tab, at);
    if (tab === shown) {
      write("replaceState");
      return arrive();
    }
    going = tab;
    if (!window.labTabs.open(tab)) going = "";
  });
  for (const kind of ["pointerdown", "keydown"])
    document.addEventListener(kind, () => { loading = false; }, { once: true, capture: true });

  const until = performance.now() + 15000;
  const begin = () => {
    if (loading && !window.labTabs.open(wanted) && performance.now() < until) requestAnimationFrame(begin);
  };
  const enter = () => {
    if (loading && window.labTabs.names.includes(wanted) && wanted !== first) begin();
    else { loading = false; write("replaceState"); }
    if (wanted && !window.labTabs.names.includes(wanted))
      astray.textContent = `The address names a tab ${short(wanted)} that the lab does not have. ${title(shown)} is shown instead.`;
  };
  if (!asked.has("c")) enter();
  entitle();
}
