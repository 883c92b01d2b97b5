"""The pipeline of a tab: above its stage, following controls and run, and unfolded without moving anything."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import fill, open_tab

expect.set_options(timeout=60_000)  # two cores, perhaps busy

MARKS_JS = """() => {
  window.marks = new Set();
  const line = document.querySelector("#samplers-pipeline");
  new MutationObserver(() => line.querySelectorAll("button .now").forEach((one) => window.marks.add(one.dataset.at)))
    .observe(line, { subtree: true, attributes: true, attributeFilter: ["class"] });
}"""


def test_the_pipeline_follows_controls_and_run(page):
    page.get_by_role("tab", name="Samplers").click()
    note, line = page.locator("#samplers-note"), page.locator("#samplers-pipeline button").first
    expect(note).to_contain_text("2 pictures, 100 denoiser calls")
    expect(line).to_contain_text(re.compile("exact denoiser × 50 calls"))
    page.evaluate(MARKS_JS)
    page.locator("#samplers-presets").get_by_role("button", name="A model that learned").click()
    expect(note).to_contain_text("3 pictures, 60 denoiser calls")
    expect(line).to_contain_text(re.compile("text encoder 32 × 128.* U-Net × 20 calls × 2 predictions"))
    expect(page.locator("#samplers-pipeline p").first).to_contain_text("60 calls, 120 predictions")
    expect(page.locator("#samplers-pipeline .now")).to_have_count(0)  # the run and its film have ended
    assert {"before", "network"} <= set(page.evaluate("[...window.marks]"))
    fill(page.locator("#samplers-steps input[type=number]"), "7")
    expect(line).to_contain_text(re.compile("U-Net × 7 calls"))


@pytest.mark.same_page
@pytest.mark.parametrize("tab", ["noising", "samplers", "guidance", "controlnet"])
def test_the_pipeline_unfolds_by_keyboard_over_the_page(page, tab):
    open_tab(page, tab)  # what the run says is said
    opened = page.locator(f"#tab-{tab}")
    line, picture = opened.locator(".pipeline > button"), opened.locator(".pipeline-picture")
    for width, height in ((1280, 720), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("scrollTo(0, 0)")
        before = opened.locator(".stage-row").bounding_box()
        box = line.bounding_box()
        assert box["height"] <= 22 and box["y"] + box["height"] <= before["y"] + 1
        assert line.evaluate("(one) => one.scrollWidth - one.clientWidth") <= 0, "all of it is read"
        line.focus()
        page.keyboard.press("Enter")
        expect(picture).to_be_visible()
        box = picture.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["y"] + box["height"] <= height
        assert opened.locator(".stage-row").bounding_box() == before, "nothing is pushed"
        assert all(re.search(r"\.$", text) for text in picture.locator("li > p:first-of-type").all_inner_texts())
        page.keyboard.press("Escape")
        expect(picture).to_be_hidden()
        expect(line).to_be_focused()
