"""Sharing in a real browser: a link in another window, a picture dropped on the page."""

import base64
import io
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from lab.capsules.capsule import from_file
from tests.browser.conftest import keep

expect.set_options(timeout=60_000)  # two cores, perhaps busy

# A file as a visitor drops it on the head of the page.
# The bytes travel as base64: as a list of numbers a recording takes most of a minute.
DROP_JS = """([base64, name]) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([Uint8Array.from(atob(base64), (one) => one.charCodeAt(0))], name));
  for (const kind of ["dragover", "drop"])
    document.querySelector(".lab-header").dispatchEvent(
      new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer }));
}"""


def drop(page, data: bytes, name: str) -> None:
    """Drop a file on the page."""
    page.evaluate(DROP_JS, [base64.b64encode(data).decode(), name])


def cells(page):
    """The pictures of the grid, once the run has ended."""
    expect(page.locator("#guidance-note")).to_contain_text("16 pictures, ")
    return page.locator("#guidance-stage [data-key] img").evaluate_all("all => all.map((one) => one.src)")


# every picture of the stage, and where the sheet has it: x, y and side in pixels
PICTURES = """() => {
  const stage = document.querySelector('#controlnet-stage'), whole = stage.getBoundingClientRect(), scale = 1520 / whole.width;
  return [...stage.querySelectorAll('img')].map((image) => {
    const at = image.getBoundingClientRect();
    return [image.src, [40 + (at.left - whole.left) * scale, 40 + 52 + 16 + (at.top - whole.top) * scale, at.width * scale]];
  });
}"""


@pytest.fixture
def shared(page):
    """The Guidance tab after the run of a preset with exact scores, its panel open."""
    page.get_by_role("tab", name="Guidance").click()
    expect(page.locator("#guidance-note")).not_to_have_text("")
    page.locator("#guidance-presets").get_by_role("button", name="Perfect scores, too").click()
    expect(page.locator("#guidance-note")).to_contain_text("24 pictures, ")
    page.locator("#guidance-seeds textarea").fill("4, 9")
    page.locator("#guidance-run").click()
    cells(page)
    page.locator("#tab-guidance").get_by_role("button", name="Share").click()
    return page


def test_a_link_and_a_dropped_picture_bring_the_same_pictures_back(shared, browser, address, tmp_path):
    first = cells(shared)
    assert len(set(first)) > 2 and "?c=" in shared.url
    shared.locator("#guidance-link").click()
    expect(shared.locator("#guidance-shared")).to_contain_text("copied")
    with shared.expect_download() as script:
        shared.locator("#guidance-json").click()
        shared.locator("#guidance-file a[download]").first.click()
    assert '"seeds": "4, 9"' in Path(script.value.path()).read_text()
    shared.locator("#guidance-notebook").click()
    link = shared.locator("#guidance-file a[download]").first
    expect(link).to_have_attribute("download", re.compile(r"\.ipynb$"))
    with shared.expect_download() as notebook:
        link.click()
    book = nbformat.read(notebook.value.path(), as_version=4)
    nbformat.validate(book)
    assert "image/png" in book.cells[-1].outputs[0].data
    shared.locator("#guidance-stage [data-key]").first.click()
    expect(shared.locator("#guidance-png")).to_be_enabled()
    with shared.expect_download() as picture:
        shared.locator("#guidance-png").click()
    png = Path(picture.value.path()).read_bytes()
    keep(shared, "share_panel")

    other = browser.new_page(viewport={"width": 390, "height": 844})
    errors = []
    other.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    other.set_default_timeout(60_000)
    other.goto(shared.url)
    assert cells(other) == first
    expect(other.locator("#lab-door")).to_be_hidden()

    other.goto(address)
    other.locator("html[data-takes-drops]").wait_for()
    drop(other, b"no picture", "note.png")
    expect(other.locator("#lab-door")).to_contain_text("no settings of the lab")
    other.locator("#lab-close").click()
    expect(other.locator("#lab-door")).to_be_hidden()
    drop(other, png, "picture.png")
    expect(other.locator("#lab-door")).to_contain_text("Guidance, “cat”")
    keep(other, "share_door")
    other.locator("#lab-restore").click()
    assert cells(other) == first
    other.close()
    assert not errors


@pytest.mark.parametrize("look", ["light", "dark"])
def test_the_comparison_is_the_stage_as_one_picture_that_opens_its_settings(page, look):
    page.get_by_role("tab", name="ControlNet").click()
    expect(page.locator("#controlnet-note")).to_contain_text("8 pictures in")
    expect(page.locator("#controlnet-stage .reel:is(.waits, .moves)")).to_have_count(0)  # the run has played to its end
    if look == "dark":
        page.get_by_role("button", name="Dark").click()
    page.get_by_role("button", name="Share and export").locator("visible=true").click()
    with page.expect_download() as download:
        page.locator("#controlnet-comparison").click()
    path = Path(download.value.path())
    sheet = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert sheet.shape[1] == 1600
    assert sheet[0, 0].mean() > 250 if look == "light" else sheet[0, 0].mean() < 40
    capsule = from_file(path.read_bytes())
    assert (capsule.tab, capsule.values["strengths"]) == ("controlnet", "0, 0.5, 1, 1.5")
    placed = page.evaluate(PICTURES)
    assert len(placed) == 8
    for small, (x, y, side) in placed:
        centre = sheet[round(y + side * 0.25) : round(y + side * 0.75), round(x + side * 0.25) : round(x + side * 0.75)]
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(small.partition(",")[2]))).convert("RGB")).astype(
            int
        )
        assert abs(centre.mean((0, 1)) - pixels[16:48, 16:48].mean((0, 1))).max() < 6
