"""The page's address: it names what is shown, and Back goes to what was shown before.

`?c=` holds the settings of what the open tab shows (`lab/capsules/capsule.py`), `?tab=` the name of a tab that shows nothing of
its own yet. Opening a tab adds to the browser's history; what is made in it changes the address of that entry.
"""

import json
from collections.abc import Iterable, Mapping

import gradio as gr

# `set`, `show` and `settle` are what the page's events call; codes of tabs that are not shown wait until they are.
ADDRESS_JS = """() => {
  const titles = TITLES, first = Object.keys(titles)[0], codes = {};
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
}"""

SETTLE_JS = "(pressed) => { window.labAddress?.settle(Boolean(pressed)); }"


def set_js(tab: str) -> str:
    """What the page runs with the code of a tab's link, whenever that changes."""
    return f"(code) => {{ window.labAddress?.set('{tab}', code); }}"


def follow(page: gr.Blocks, tabs: Iterable[gr.Tab], titles: Mapping[str, str]) -> None:
    """Have the address of `page` follow which of `tabs` is open. `titles` are theirs by name, and their element ids are
    `tab-NAME`; the first has the bare address."""
    page.load(None, None, None, js=ADDRESS_JS.replace("TITLES", json.dumps(dict(titles))))
    for tab in tabs:
        tab.select(None, None, None, js="() => { window.labAddress?.show(); }", api_visibility="private")
