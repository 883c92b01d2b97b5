"""Scrubbing a finished run through all positions of the replay slider: in the page, from the sheets that came with the run,
against a stage from the server a position. Bytes sent, and seconds that the page's own thread computes; of the other way only
what the page has to do with an answer is counted, without its request and without the server's time.
"""

import json
import sys
import tempfile
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from playwright.sync_api import Page, sync_playwright

from lab.backends.local import LocalBackend
from lab.capsules.recordings import Collector
from lab.requests.sampling import LaneSettings, SamplingRequest
from lab.settings import Settings
from lab.ui.shell import reel
from lab.ui.tabs.samplers import view
from lab.ui.tabs.samplers.replay import Replay
from tests.benchmarks._report import compare
from tests.benchmarks.tab_switch import busy_ms, rest
from tests.browser.conftest import FLAGS
from tests.browser.setup import find
from tests.deploy.running import running

LANES = tuple(LaneSettings(sampler=name, steps=50, seed=11) for name in ("ddpm", "ddim"))  # as the tab opens

OURS_JS = """async () => {
  const slider = document.querySelector('#samplers-scrub input');
  for (let position = 0; position <= Number(slider.max); position += 1) {
    await new Promise(requestAnimationFrame);
    slider.value = position;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
  }
}"""
NAIVE_JS = """async (answers) => {
  const stage = document.createElement('div');
  document.querySelector('#samplers-stage').replaceChildren(stage);
  for (const answer of answers) {
    await new Promise(requestAnimationFrame);
    stage.innerHTML = JSON.parse(answer)[0];
  }
}"""


def replay() -> Replay:
    """The run that the tab opens with."""
    request = SamplingRequest(lanes=LANES)
    collector = Collector(request)
    for event in LocalBackend(Settings()).run(request):
        collector.add(event)
    return Replay("compare", collector.recording())


def seconds(page: Page, script: str, argument: object = None) -> float:
    """What the page's thread computes while a script runs."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = rest(page, session)
    page.evaluate(script, argument)
    return (busy_ms(session) - before) / 1000


def main() -> None:
    shown = replay()
    recording = shown.recording
    answers = [json.dumps([view.paint("compare", recording, position)]) for position in range(reel.LAST + 1)]
    sent = len(json.dumps([shown.film(plays=False)])) - len(json.dumps([shown.stage()]))
    compare("replay of two lanes, bytes for all positions", sent, sum(map(len, answers)), "at most 0.5")
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "log", ("app.py",)) as app,
        sync_playwright() as play,
    ):
        browser = play.chromium.launch(executable_path=find(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1366, "height": 768}, reduced_motion="reduce")
        page.goto(f"{app.url}/?tab=samplers")
        page.locator("#samplers-scrub input:enabled").wait_for(timeout=120_000)
        ours = seconds(page, OURS_JS)
        compare("replay of two lanes, seconds of the page", ours, seconds(page, NAIVE_JS, answers), "at most 0.5")
        browser.close()


if __name__ == "__main__":
    main()
