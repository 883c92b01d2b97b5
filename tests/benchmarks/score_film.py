"""The Score tab's film in headless Chromium: frames painted a second while it plays, beside those of a page that does nothing, for
one plane, three and four lanes, on a desk and on a phone with a processor four times as slow."""

import statistics
import sys
import tempfile
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from playwright.sync_api import Browser, sync_playwright

from tests.benchmarks._report import value
from tests.browser.conftest import FLAGS
from tests.browser.setup import find
from tests.deploy.running import running

PRESETS = ("Noise to a roll", "Figure 3", "Four ways down", "Straighten")
SCREENS = {"a desk, 1366x768": (1366, 768, 1, 60), "a phone, 390x844, a quarter of the speed": (390, 844, 4, 30)}
WHOLE_MS, ROUNDS = 3000, 3

IDLE_JS = """async (whole) => {
  const began = performance.now();
  let frames = 0;
  for (; performance.now() - began < whole; frames += 1) await new Promise(requestAnimationFrame);
  return 1000 * frames / (performance.now() - began);
}"""
# How often a second the planes were drawn at another level while the film played.
FILM_JS = """async (whole) => {
  const stage = document.querySelector('.score-stage'), began = performance.now();
  window.labScore.stage.play();
  let painted = 0, last = null;
  while (performance.now() - began < whole) {
    await new Promise(requestAnimationFrame);
    if (stage.dataset.drawn !== last) painted += 1;
    last = stage.dataset.drawn;
  }
  return 1000 * painted / (performance.now() - began);
}"""


def main() -> None:
    """Print the figures of every preset on every screen."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "log") as app,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
        for screen, (width, height, slower, aim) in SCREENS.items():
            for preset in PRESETS:
                frames(browser, app.url, preset, (width, height), slower, f"{preset}, {screen}", aim)
        browser.close()


def frames(browser: Browser, url: str, preset: str, size: tuple[int, int], slower: int, title: str, aim: int) -> None:
    """Frames of a preset's film a second, beside those of doing nothing: medians of rounds in turns."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.set_default_timeout(180_000)
    page.goto(f"{url}/?tab=score")
    page.locator("[data-key=field] canvas").wait_for()
    page.get_by_role("button", name=preset, exact=True).first.click()
    page.wait_for_timeout(1500)
    page.wait_for_function("() => !window.labScore.stage.busy && !window.labScore.stage.playing")
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slower})
    rounds = [[page.evaluate(script, WHOLE_MS) for script in (IDLE_JS, FILM_JS)] for _ in range(ROUNDS)]
    idle, painted = map(statistics.median, zip(*rounds, strict=True))
    value(f"score film, frames a second, {title}", painted, idle=idle, ratio=painted / idle, aim=f"at least {aim}")
    page.close()


if __name__ == "__main__":
    main()
