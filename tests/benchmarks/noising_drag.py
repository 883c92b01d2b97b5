"""t of Forward noising dragged from end to end: drawn in the page, against an answer of the server for every t, as it was before.
Bytes sent, and seconds that the page's own thread computes until all is there; of the other way only what the page has to do
with an answer is counted, without its request and without the server's time. Then frames a second, and frames painted of those
that the page has when it does nothing, on a desk and, with a processor four times as slow, on a phone, with the pictures in view
and with the chart; and as many when each waits for its answer of the server, as a press of a frame of the film does.
"""

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import gradio as gr
from playwright.sync_api import Browser, Page, sync_playwright

from lab.backends.local import LocalBackend
from lab.settings import Settings
from lab.ui.shell import media, widgets
from lab.ui.tabs.noising import tab as noising
from tests.benchmarks._report import compare, value
from tests.benchmarks.replay_scrub import seconds
from tests.browser.conftest import FLAGS
from tests.browser.setup import find
from tests.deploy.running import running

TS = range(0, 1001, 10)
WHOLE_MS, ROUNDS = 2000, 3

OURS_JS = """async (ts) => {
  const slider = document.querySelector('#noising-t input[type=range]');
  for (const t of ts) {
    slider.value = t;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    await new Promise(requestAnimationFrame);
  }
  while (document.querySelector('#noising-chain figure').dataset.t !== slider.value) await new Promise(requestAnimationFrame);
}"""
NAIVE_JS = """async (answers) => {
  const [jump, chain, recovered, chart] = ['jump', 'chain', 'recovered', 'chart'].map((name) => document.querySelector(`#noising-${name}`));
  const graph = chart.querySelector('.js-plotly-plot');
  for (const answer of answers) {
    await new Promise(requestAnimationFrame);
    const shown = JSON.parse(answer), figure = JSON.parse(shown.plot);
    jump.innerHTML = shown.jump;
    chain.innerHTML = shown.chain;
    recovered.innerHTML = shown.recovered;
    Plotly.react(graph, figure.data, figure.layout);
  }
}"""
# A new t in every frame for so many milliseconds: in how many frames a second x_t stood at it. And frames of doing nothing.
FRAMES_JS = """async (whole) => {
  const slider = document.querySelector('#noising-t input[type=range]'), shown = document.querySelector('#noising-jump figure');
  const began = performance.now();
  let painted = 0;
  while (performance.now() - began < whole) {
    slider.value = (Number(slider.value) + 7) % 1000;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    await new Promise(requestAnimationFrame);
    painted += shown.dataset.t === slider.value ? 1 : 0;
  }
  return 1000 * painted / (performance.now() - began);
}"""
BEFORE_JS = """async (whole) => {
  const button = document.querySelector('#noising-film button'), jump = document.querySelector('#noising-jump');
  const began = performance.now();
  let painted = 0;
  for (; performance.now() - began < whole; painted += 1) {
    button.dataset.pick = (Number(jump.querySelector('figure').dataset.t) + 7) % 1000;
    // A press while the one before is not quite over is none.
    for (let wait = 0; jump.querySelector('figure').dataset.t !== button.dataset.pick; wait += 1) {
      if (wait % 5 === 0) button.click();
      await new Promise(requestAnimationFrame);
    }
  }
  return 1000 * painted / (performance.now() - began);
}"""
IDLE_JS = """async (whole) => {
  const began = performance.now();
  let frames = 0;
  for (; performance.now() - began < whole; frames += 1) await new Promise(requestAnimationFrame);
  return 1000 * frames / (performance.now() - began);
}"""


class Before:
    """The server's answers to a drag, one a t: pictures, chart and sentence at once, what can be recovered after them."""

    def __init__(self) -> None:
        settings = Settings()
        with gr.Blocks():
            self.tab = noising.Noising(LocalBackend(settings), settings)
            self.tab.lay_out()
        preset = noising.PRESETS[0]
        example = next(one for one in self.tab.examples if one.path.stem == preset.subject)
        picture = noising.Subject(media.open_picture(example.path, settings), example=example.path.stem)
        self.now: dict[str, Any] = self.tab.form.preset(preset) | {"subject": picture}

    def answer(self, t: int) -> str:
        """What was sent for one t."""
        now = self.now | {"t": t}
        painted = self.tab._paint(now) | self.tab._recover(now)
        parts = {
            "jump": self.tab.jump,
            "chain": self.tab.chain,
            "recovered": self.tab.guess,
            "words": self.tab.chart_words,
        }
        return json.dumps({name: painted[part] for name, part in parts.items()} | {"plot": painted[self.tab.plot].plot})

    def sent_now(self) -> int:
        """Bytes of what is sent once for a scene, and of the answer when t rests."""
        rest = {"chain": "", "recovered": ""} | json.loads(self.answer(TS[-1]))
        source = self.tab._source(self.now)[self.tab.source]
        return len(json.dumps([source])) + len(json.dumps([rest["chain"], rest["recovered"], widgets.note("")]))


def opened(browser: Browser, url: str, width: int, height: int, slower: int = 1) -> Page:
    """The tab with its first scene complete, on a processor so many times slower."""
    page = browser.new_page(viewport={"width": width, "height": height}, reduced_motion="reduce")
    page.set_default_timeout(180_000)
    page.goto(f"{url}/?tab=noising")
    page.locator("#noising-film img").first.wait_for()
    page.locator("#noising-chart .js-plotly-plot").wait_for()
    page.evaluate(OURS_JS, [0, 260])
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slower})
    return page


def frames(page: Page, title: str, aim: int) -> None:
    """Frames painted a second, and how many of those that the page could have: medians of rounds in turns."""
    rounds = [[page.evaluate(script, WHOLE_MS) for script in (IDLE_JS, FRAMES_JS, BEFORE_JS)] for _ in range(ROUNDS)]
    idle, painted, before = map(statistics.median, zip(*rounds, strict=True))
    value(f"noising drag, frames a second, {title}", painted, before=before, idle=idle, aim=f"at least {aim}")
    value(f"noising drag, frames painted of frames wanted, {title}", painted / idle, before=before / idle)


def main() -> None:
    before = Before()
    answers = [before.answer(t) for t in TS]
    compare("noising drag over 101 t, bytes", before.sent_now(), sum(map(len, answers)), "at most 0.5")
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "log", ("app.py",)) as app,
        sync_playwright() as play,
    ):
        browser = play.chromium.launch(executable_path=find(), args=FLAGS)
        page = opened(browser, app.url, 1366, 768)
        ours, naive = seconds(page, OURS_JS, list(TS)), seconds(page, NAIVE_JS, answers)
        compare("noising drag over 101 t, seconds of the page", ours, naive, "at most 0.5")
        page.close()
        for width, height, slower, aim in ((1366, 768, 1, 60), (390, 844, 4, 30)):
            page = opened(browser, app.url, width, height, slower)
            title = f"{width} x {height}" + (f", {slower} times slower" if slower > 1 else "")
            frames(page, title, aim)
            page.locator("#noising-chart").scroll_into_view_if_needed()
            frames(page, f"{title}, chart in view", aim)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
