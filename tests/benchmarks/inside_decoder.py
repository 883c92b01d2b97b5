"""A decoder in the page, in headless Chromium: what two codes decoded and painted add to an animation frame that does nothing, on a
desk and with a processor four times as slow as a phone's. The network's values are drawn; time does not depend on them."""

import base64
import statistics
import sys
import tempfile
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from playwright.sync_api import Page, sync_playwright

from lab.models.bottleneck import Bottleneck
from lab.ui.shell.sources import beside
from lab.ui.tabs.inside import weights
from tests.benchmarks._report import value
from tests.browser.conftest import FLAGS
from tests.browser.setup import find

SCREENS = {"a desk": 1, "a phone, a quarter of the speed": 4}
FRAMES, ROUNDS = 60, 3
# Milliseconds of a frame, from its beginning to that of the next, and of the work in it: medians.
FRAME_JS = """async ({ script, weights, count, drawing }) => {
  const module = await import(URL.createObjectURL(new Blob([script], { type: 'text/javascript' })));
  const network = module.read(await (await fetch(weights)).arrayBuffer());
  const canvases = [0, 1].map(() => document.body.appendChild(document.createElement('canvas')));
  const frames = [], works = [];
  let last = await new Promise(requestAnimationFrame);
  for (let k = 0; k < count + 10; k += 1) {
    const began = performance.now();
    if (drawing) for (const canvas of canvases) module.paint(canvas, module.decode(network, [Math.sin(k / 9), Math.cos(k / 7)]));
    works.push(performance.now() - began);
    const now = await new Promise(requestAnimationFrame);
    frames.push(now - last);
    last = now;
  }
  for (const canvas of canvases) canvas.remove();
  const median = (values) => values.slice(10).sort((a, b) => a - b)[count / 2]; // the first ones warm up
  return [median(frames), median(works)];
}"""


def main() -> None:
    """Print the figures of every screen."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        Bottleneck(latents=2).save_pretrained(folder)
        content = weights.decoder(Path(folder) / weights.FILE.format(""))
        browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
        for screen, slower in SCREENS.items():
            page = browser.new_page()
            page.goto("about:blank")
            page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slower})
            report(page, content, screen)
            page.close()
        browser.close()


def report(page: Page, content: bytes, screen: str) -> None:
    """A frame with two pictures beside an empty one, and the work alone: medians of rounds in turns."""
    told = {
        "script": beside(weights.__file__, "decoder.js"),
        "weights": "data:application/octet-stream;base64," + base64.b64encode(content).decode(),
        "count": FRAMES,
    }
    rounds = [
        [page.evaluate(FRAME_JS, told | {"drawing": drawing}) for drawing in (False, True)] for _ in range(ROUNDS)
    ]
    empty = statistics.median(one[0][0] for one in rounds)
    frame, work = (statistics.median(one[1][k] for one in rounds) for k in (0, 1))
    value(
        f"inside, a frame with two decoded pictures, ms, {screen}",
        frame,
        idle=empty,
        ratio=frame / empty,
        aim="at most 50",
    )
    value(f"inside, two pictures decoded and painted, ms, {screen}", work, aim="at most 50")


if __name__ == "__main__":
    main()
