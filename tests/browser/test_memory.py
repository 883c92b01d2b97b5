"""The Memory tab in a real browser: what copies and what does not, on the machines and the network that are shipped."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import fill, keep, wait_for_address

expect.set_options(timeout=60_000)  # two cores, perhaps busy

BOXES_JS = "all => all.map((one) => [one.offsetLeft, one.offsetTop, one.offsetWidth, one.offsetHeight])"
FRAME_JS = "one => getComputedStyle(one).boxShadow"


@pytest.fixture
def opens():
    return "?tab=memory"


def ended(page, words):
    """Wait for the end of a run that says `words`, and of its film."""
    expect(page.locator("#memory-note")).to_contain_text(words)
    expect(page.locator("#memory-run")).to_be_enabled()
    expect(page.locator("#memory-stage .reel:is(.waits, .moves)")).to_have_count(0)


def rows(page):
    """The distances on the stage, row by row."""
    columns = int(page.locator(".inventions").evaluate("(one) => one.style.getPropertyValue('--columns')"))
    figures = [float(re.search(r"[\d.]+", text)[0]) for text in page.locator(".near small").all_inner_texts()]
    return [figures[i : i + columns] for i in range(0, len(figures), columns)]


def test_the_exact_denoiser_copies_and_the_local_machine_and_the_network_do_not(page):
    ended(page, "12 pictures, 240 denoiser calls")
    exact, local, network = rows(page)
    assert exact == [0] * 4 and min(local) > 20 and min(network) > 20
    boxes = page.locator(".inventions > *").evaluate_all(BOXES_JS)

    framed, near = page.locator("[data-copy=true] > div").first, page.locator(".near").first
    at_the_end, slider = framed.evaluate(FRAME_JS), page.locator("#memory-scrub input")
    slider.evaluate("(one) => { one.value = 40; one.dispatchEvent(new Event('input', { bubbles: true })); }")
    expect(near).to_be_hidden()  # of noise nothing is said
    assert framed.evaluate(FRAME_JS) != at_the_end
    slider.evaluate("(one) => { one.value = one.max; one.dispatchEvent(new Event('input', { bubbles: true })); }")
    expect(near).to_be_visible()
    assert framed.evaluate(FRAME_JS) == at_the_end

    page.locator("#memory-chart").get_by_text("Likeness").click()
    expect(page.locator("#memory-plot .ytitle")).to_have_text("r² with the network's picture")
    page.locator("#memory-plot-table summary").click()
    table = page.locator("#memory-plot-table tr")
    expect(table).to_have_count(1 + 2 * (4 + 1))  # the network is not compared with itself

    reel = page.locator("#memory-stage [data-reel]")
    key = reel.get_attribute("data-reel")
    page.locator("#memory-run").click()
    expect(reel).not_to_have_attribute("data-reel", key)
    ended(page, "12 pictures, 240 denoiser calls")
    assert rows(page) == [exact, local, network]  # the same seeds, the same pictures
    assert page.locator(".inventions > *").evaluate_all(BOXES_JS) == boxes
    keep(page, "memory")


def test_a_patch_that_holds_the_picture_makes_the_local_machine_exact_and_the_link_carries_it(page):
    ended(page, "12 pictures, 240 denoiser calls")
    page.locator("#memory-presets").get_by_role("button", name="As large as the picture", exact=True).click()
    ended(page, "12 pictures, 240 denoiser calls")
    wait_for_address(page, "patch", 63)
    pictures = page.locator(".invention > div img").evaluate_all("all => all.map((one) => one.src)")
    assert pictures[:4] == pictures[4:8] != pictures[8:]
    expect(page.locator("#memory-shelf li")).to_have_count(2)

    fill(page.locator("#memory-patch input[type=number]"), "8")
    page.locator("#memory-run").click()
    expect(page.locator("#memory-note")).to_contain_text("must be odd")
