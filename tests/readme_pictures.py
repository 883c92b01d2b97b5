"""The pictures of README.md, made from the running app: `python -m tests.readme_pictures`, or `make pictures`.

Each is a tab at the end of its first run, or of the run of a preset, as a visitor sees it.
"""

import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.conftest import FLAGS
from tests.browser.setup import find
from tests.deploy.running import running

FOLDER = Path(__file__).parents[1] / "assets" / "readme"
WIDTH, HEIGHT = 1440, 900
KEPT = 1080  # pixels across of what is kept
MOST = 150_000  # bytes
RUN_MS = 240_000

# fmt: off
PICTURES = (  # name, tab, preset or nothing, what shows that it is done
    ("noising",    "noising",    "Linear against cosine", "#noising-other figure img"),
    ("samplers",   "samplers",   "Eight ways down",       "#samplers-note:has-text(' s.')"),
    ("guidance",   "guidance",   "",                      "#guidance-note:has-text(' s.')"),
    ("controlnet", "controlnet", "",                      "#controlnet-note:has-text(' s.')"),
    ("ledger",     "ledger",     "A picture it does not hold", "#ledger-note:has-text('at best')"),
    ("memory",     "memory",     "From pixel to picture", "#memory-note:has-text(' s.')"),
)
# fmt: on


def take(page: Page, tab: str, preset: str, done: str) -> bytes:
    """The tab as a PNG once its run has ended: the buttons are back and nothing is written any more."""
    page.locator(f"#strip-{tab}").click()
    if preset:
        page.locator(f"#{tab}-presets").get_by_role("button", name=preset, exact=True).click()
    page.locator(done).first.wait_for(timeout=RUN_MS)
    panel = page.locator(f"#tab-{tab}")
    go = panel.locator(".lab-go.primary").first
    expect(go).to_be_enabled(timeout=RUN_MS)
    page.wait_for_timeout(1500)  # a replay may follow, and charts fade in
    expect(go).to_be_enabled(timeout=RUN_MS)
    expect(panel.locator(".reel:is(.waits, .moves), .pointed")).to_have_count(0, timeout=RUN_MS)  # the film has ended
    page.mouse.move(WIDTH - 1, HEIGHT - 1)
    page.evaluate("window.scrollTo(0, 0)")
    return page.screenshot()


def packed(png: bytes) -> bytes:
    """As WebP of `KEPT` pixels across, in at most `MOST` bytes."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture = picture.resize((KEPT, round(KEPT * picture.height / picture.width)), Image.Resampling.LANCZOS)
    for quality in range(88, 40, -6):
        stream = io.BytesIO()
        picture.save(stream, "WEBP", quality=quality, method=6)
        if stream.tell() <= MOST:
            break
    return stream.getvalue()


def main() -> None:
    """Take all pictures anew."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "log") as app, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find(), args=FLAGS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(60_000)
        page.goto(app.url)
        for name, tab, preset, done in PICTURES:
            (FOLDER / f"{name}.webp").write_bytes(packed(take(page, tab, preset, done)))
            print(FOLDER / f"{name}.webp")
        browser.close()


if __name__ == "__main__":
    main()
