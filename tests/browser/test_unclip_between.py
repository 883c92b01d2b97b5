"""The room between pictures in a real browser: a film that plays once and is scrubbed without a request, a map that is pointed into."""

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import keep, press_preset, wait_for_address, watch_requests

expect.set_options(timeout=90_000)  # two cores, perhaps busy
READ = """one => { const drawn = document.createElement('canvas'), side = one.naturalWidth || one.width; drawn.width = drawn.height = side;
  const pen = drawn.getContext('2d'); pen.drawImage(one, 0, 0); return [side, [...pen.getImageData(0, 0, side, side).data]]; }"""


@pytest.fixture
def opens():
    return "?tab=unclip"


def press(page, title, experiment):
    press_preset(page, "unclip", title)
    expect(page.locator(f".between[data-whole][data-experiment={experiment}]")).to_have_count(1)
    expect(page.locator("#unclip-run")).to_be_enabled()


def pixels(page, selector):
    """What an image or a canvas shows, (side, side, 3)."""
    side, values = page.locator(selector).first.evaluate(READ)
    return np.array(values, np.uint8).reshape(side, side, 4)[..., :3].astype(float)


def shown(page, lane):
    expect(page.locator(f".between[data-shown='{lane}']")).to_have_count(1)


def test_a_film_plays_once_rests_and_is_scrubbed_beside_its_double_exposure(page):
    press(page, "From fox to apple", "film")
    room = page.locator(".between")
    expect(page.locator(".between[data-playing]")).to_have_count(0)
    shown(page, 5)
    expect(room.get_by_role("button", name="Play")).to_be_enabled()
    requests = watch_requests(page)
    first, second = (pixels(page, f".between-original >> nth={k}") for k in range(2))
    mixed = pixels(page, "canvas[data-part=mix]")
    assert np.abs(mixed - (first + second) / 2).max() < 2  # a canvas rounds twice
    slider = page.get_by_label("From the first picture to the second")
    slider.focus()
    requests.clear()
    page.keyboard.press("End")
    shown(page, 10)
    assert not requests  # until it rests, when the link is told
    expect(room.locator("output")).to_have_text("t = 1.00")
    np.testing.assert_array_equal(pixels(page, "canvas[data-part=frame]"), pixels(page, "[data-lane='10'] img"))
    np.testing.assert_allclose(pixels(page, "canvas[data-part=mix]"), second, atol=1)
    assert not [url for url in requests if "queue/join" in url]  # nothing was drawn anew
    room.get_by_role("button", name="Play").click()
    expect(page.locator(".between[data-playing]")).to_have_count(1)
    page.keyboard.press("Escape")
    shown(page, 10)
    wait_for_address(page, "between_t", 1)
    page.locator("[data-lane='3']").click()
    wait_for_address(page, "between_t", 0.3)
    expect(page.locator("#tab-unclip .stage.earlier")).to_have_count(0)  # nothing of it waits for a run
    keep(page, "unclip-between-film")


def test_a_map_is_pointed_into_and_walked_by_arrow_keys(page):
    press(page, "A map of four", "square")
    shown(page, 24)
    page.locator("[data-lane='8']").hover()
    shown(page, 8)
    expect(page.locator(".between-weights b")).to_have_text(["69 %", "14 %", "14 %", "3 %"])
    page.locator("[data-lane='8']").click()
    for key in ("ArrowRight", "ArrowDown", "ArrowUp", "ArrowUp", "ArrowUp"):  # the last meets the edge
        page.keyboard.press(key)
    shown(page, 2)
    np.testing.assert_array_equal(pixels(page, "canvas[data-part=frame]"), pixels(page, "[data-lane='2'] img"))
    wait_for_address(page, "between_x", 0.3333)
    wait_for_address(page, "between_y", 0)
    keep(page, "unclip-between-map")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    keep(page, "unclip-between-phone")
