"""What tabs cost the page: milliseconds to load it, bytes of its configuration, and milliseconds of the first switch to
each tab and of a later one, from the click until its stage and its controls are painted. `busy` is what of them the page's own
thread computed: on a machine that does other work besides, the rest is waiting."""

import statistics
import tempfile
import time
from pathlib import Path

import httpx
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from tests.benchmarks._report import value
from tests.browser.conftest import FLAGS
from tests.browser.setup import find
from tests.deploy.running import running

ROUNDS = 3
REST_S = 20

SWITCH_JS = """async (name) => {
  const frame = () => new Promise(requestAnimationFrame);
  const laidOut = (one) => one && one.getBoundingClientRect().height > 0;
  const last = (column) => column.lastElementChild;
  const tab = [...document.querySelectorAll(`[role=tab][aria-controls="tab-${name}"]`)].find(laidOut);
  const began = performance.now();
  tab.click();
  for (;;) {
    await frame();
    const panel = document.getElementById(`tab-${name}`);
    const parts = panel ? [panel.querySelector(".stage") ?? panel.querySelector(".block"), panel.querySelector(".controls")] : [];
    if (laidOut(parts[0]) && (!panel.querySelector(".stage") || laidOut(parts[1] && last(parts[1])))) break;
    if (performance.now() - began > 30000) throw Error(`${name} does not open`);
  }
  await frame();  // painted
  return performance.now() - began;
}"""


Times = dict[str, tuple[float, float]]  # by tab: milliseconds by the clock, and of the page's thread


def busy_ms(session: CDPSession) -> float:
    """What the page's thread has computed so far."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(1000 * one["value"] for one in metrics if one["name"] == "TaskDuration")


def rest(page: Page, session: CDPSession) -> float:
    """Wait until the page does next to nothing any more, at most REST_S: what a tab shows when it is opened has come. What
    the page has computed so far."""
    until, before, quiet = time.monotonic() + REST_S, busy_ms(session), 0
    while quiet < 3 and time.monotonic() < until:
        page.wait_for_timeout(300)
        now = busy_ms(session)
        quiet = quiet + 1 if now - before < 30 else 0
        before = now
    return before


def visit(browser: Browser, url: str, names: list[str]) -> tuple[tuple[float, float], Times, Times]:
    """A new visitor: the same two times until the first tab is there, and of each tab's first and second opening."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(60_000)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(url)
    page.locator(".start-card button").last.wait_for()
    load = page.evaluate("performance.now()"), busy_ms(session)

    def switch(name: str) -> tuple[float, float]:
        before = rest(page, session)
        return page.evaluate(SWITCH_JS, name), busy_ms(session) - before

    first = {name: switch(name) for name in names}
    again = {name: switch(name) for name in names}
    page.close()
    return load, first, again


def middle(times: list[tuple[float, float]]) -> tuple[float, float]:
    """The median of each of the two."""
    clock, busy = zip(*times, strict=True)
    return statistics.median(clock), statistics.median(busy)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find(), args=FLAGS)
        with running(Path(folder) / "log", ("app.py",)) as app:
            config = httpx.get(f"{app.url}/config", timeout=60)
            parts = config.json()["components"]
            ids = [one["props"]["elem_id"] for one in parts if one["type"] == "tabitem"]
            names = [one.removeprefix("tab-") for one in ids if one != "tab-start"]
            rounds = [visit(browser, app.url, names) for _ in range(ROUNDS)]
            value("configuration, bytes", len(config.content), components=len(parts))
            clock, busy = middle([load for load, *_ in rounds])
            value("page load, ms", clock, busy=busy)
            for place, which in ((1, "first"), (2, "second")):
                times = {name: middle([one[place][name] for one in rounds]) for name in names}
                for name, (clock, busy) in times.items():
                    value(f"{which} switch to {name}, ms", clock, busy=busy)
                clock, busy = max(times.values())
                value(f"{which} switch, the slowest, ms", clock, busy=busy, aim="at most 500")
        browser.close()


if __name__ == "__main__":
    main()
