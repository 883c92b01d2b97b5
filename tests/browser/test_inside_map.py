"""The map in a browser: what a person drags is decoded in the page, and the link has where it rests."""

import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from lab.models.bottleneck import Bottleneck
from lab.ui.tabs.inside import weights
from tests.browser.conftest import ended

expect.set_options(timeout=60_000)

SENT = re.compile("gradio_api/(run|queue)|inside-")  # what a page asks of the lab
PIXELS_JS = """canvas => Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data)"""


@pytest.fixture(scope="module")
def inside(browser, address):
    """The tab after its first run."""
    page = browser.new_page(viewport={"width": 1366, "height": 900})
    page.set_default_timeout(120_000)
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{address}?tab=inside")
    rests(page)
    yield page
    page.close()
    assert not errors


def rests(page):
    """Wait until the last run has ended and its map is there."""
    expect(page.locator("#inside-note, .controls .lab-note").first).to_contain_text("in two planes")
    ended(page, "inside")
    expect(page.locator("[data-room=map][data-ready]")).to_be_visible()
    expect(page.locator(".map-plane[data-decoded]")).to_have_count(2)


def plane(page, network):
    return page.locator(f".map-plane[data-network={network}]")


def press(page, network, x, y):
    """The cross at fractions of the plane; leaves the button pressed."""
    box = plane(page, network).locator(".map-box")
    box.scroll_into_view_if_needed()
    at = box.bounding_box()
    page.mouse.move(at["x"] + x * at["width"], at["y"] + y * at["height"])
    page.mouse.down()


def code(page, network):
    return [float(one.replace("−", "-")) for one in plane(page, network).get_attribute("data-decoded").split()]


def test_what_is_dragged_over_is_decoded_in_the_page_without_a_request(inside):
    inside.wait_for_timeout(3000)  # what the end of the run has asked for has been answered
    requests = []
    listen = lambda request: requests.append(request.url) if SENT.search(request.url) else None  # noqa: E731
    inside.on("request", listen)
    for network, member in (("ae", "map/drawings-ae"), ("vae", "map/drawings-1")):
        before = code(inside, network)
        press(inside, network, 0.3, 0.4)
        at = plane(inside, network).locator(".map-box").bounding_box()
        inside.mouse.move(at["x"] + 0.7 * at["width"], at["y"] + 0.6 * at["height"])
        found = code(inside, network)
        pixels = np.reshape(plane(inside, network).locator("[data-of=decoded] canvas").evaluate(PIXELS_JS), (32, 32, 4))
        sent = list(requests)
        inside.mouse.up()
        assert not sent
        inside.wait_for_timeout(3000)  # the link is told
        requests.clear()
        decoder = Bottleneck.from_pretrained(weights.members()[member].parent).eval()
        with torch.inference_mode():
            wanted = decoder.decode(torch.tensor([found]))[0].clamp(-1, 1)
        assert found != before
        assert np.abs(pixels[..., :3] - ((wanted + 1) * 127.5).permute(1, 2, 0).numpy()).max() <= 2
    inside.remove_listener("request", listen)


def test_arrow_keys_move_the_cross_and_the_picture_follows(inside):
    box = plane(inside, "vae").locator(".map-box")
    box.focus()
    (x, y), picture = code(inside, "vae"), plane(inside, "vae").locator("[data-of=decoded] canvas").evaluate(PIXELS_JS)
    inside.keyboard.press("Shift+ArrowLeft")
    inside.keyboard.press("ArrowUp")
    left, up = code(inside, "vae")
    assert x - left == pytest.approx(6 * (up - y), rel=0.05) and up > y
    assert plane(inside, "vae").locator("[data-of=decoded] canvas").evaluate(PIXELS_JS) != picture
    expect(plane(inside, "vae").locator(".map-said")).to_contain_text("nearest:")


def test_rows_follow_their_control_and_the_ends_of_a_walk_can_be_put(inside):
    rows = inside.locator(".map-rows")
    expect(rows.locator("h4")).to_contain_text("draws from N(0, I)")
    expect(rows.locator(".map-row").first.locator("figure small", has_text="RMS")).to_have_count(9)
    inside.get_by_label("A straight walk").click()
    expect(rows.locator("h4")).to_contain_text("walk")
    ringed = re.search("nearest: (.*), ", plane(inside, "vae").locator(".map-said").inner_text())[1]
    plane(inside, "vae").locator(".map-box").focus()
    rows.get_by_role("button", name="A: the ringed picture").click()
    expect(rows.locator("h4")).to_contain_text(f": {ringed} to ")
    inside.get_by_label("Draws from N(0, I)").click()
    expect(rows.locator("h4")).to_contain_text("draws from N(0, I)")


def test_a_link_brings_the_crosses_back(inside, browser):
    press(inside, "ae", 0.61, 0.37)
    inside.mouse.up()
    wanted, before = code(inside, "ae"), inside.url
    inside.wait_for_url(lambda url: url != before)
    other = browser.new_page(viewport={"width": 1366, "height": 900})
    other.set_default_timeout(120_000)
    other.goto(inside.url)
    rests(other)
    found = code(other, "ae")
    other.close()
    assert found == pytest.approx(wanted, abs=2e-3)
