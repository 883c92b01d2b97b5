"""The Ledger tab in a real browser: a bill that adds up, bits that come in, a step that opens, pictures that are sorted."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import open_tab

expect.set_options(timeout=60_000)  # two cores, perhaps busy
pytestmark = pytest.mark.same_page


def press(page, preset):
    open_tab(page, "ledger")
    page.locator("#ledger-presets button", has_text=preset).click()
    expect(page.locator("#ledger-shelf li").first).to_contain_text(preset, timeout=180_000)
    expect(page.locator("#ledger-run")).to_be_enabled()


def number(text):
    return float(re.sub("[^0-9.]", "", text))


def test_the_parts_of_a_bill_add_up_and_its_picture_comes_in_with_the_bits(page):
    press(page, "What nobody sees")
    total, _, prior, steps, last = map(number, page.locator("#ledger-stage tbody td").all_inner_texts())
    assert total == pytest.approx(prior + steps + last, abs=2)
    words, slider = page.locator('[data-part="0-words"]'), page.locator("#ledger-scrub input")
    dot = page.locator("#ledger-plot .ledger-marks i")
    bits, errors, dots = [], [], []
    for place in (0, 40, 80, 120, 160, 199):
        slider.evaluate(
            "(slider, place) => { slider.value = place; slider.dispatchEvent(new Event('input', {bubbles: true})); }",
            place,
        )
        received, whole, error = map(number, re.findall(r"[\d,.]+", words.inner_text()))
        bits.append(received)
        errors.append(error)
        dots.append(dot.bounding_box()["x"])
        assert whole == total and received < total
    assert dots == sorted(dots) and dots[-1] > dots[0] + 100  # along the curve of error over bits
    assert bits == sorted(bits) and min(errors[:3]) > 30 > 3 > errors[-1]  # in pure noise the guess is of no picture
    assert errors[2:] == sorted(errors[2:], reverse=True)
    canvas = page.locator('figure[data-of="0-guess"] canvas')
    expect(canvas).to_be_visible()
    plot = page.locator("#ledger-plot .js-plotly-plot")
    for width, height in ((1366, 768), (1280, 720)):  # picture and curve are seen together
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("scrollTo(0, 0)")
        box = plot.bounding_box()
        assert box["y"] + box["height"] < height and box["x"] >= canvas.bounding_box()["x"] + 120
    page.keyboard.press("p")
    expect(page.locator(".tabbar")).to_be_hidden()
    box = plot.bounding_box()
    assert box["y"] + box["height"] < page.locator("#ledger-run").bounding_box()["y"]
    page.keyboard.press("p")


def test_a_step_opens_where_the_slider_stands(page):
    press(page, "The memoriser's bill")
    rows = page.locator("#ledger-stage tbody tr")
    assert number(rows.nth(1).locator(".sum").inner_text()) == pytest.approx(11.92, abs=0.02)
    page.locator("#ledger-scrub input").evaluate(
        "slider => { slider.value = 60; slider.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    page.locator("#ledger-open-step").click()
    expect(page.locator("#ledger-opened figure img")).to_have_count(5)
    expect(page.locator("#ledger-opened")).to_contain_text("KL(q ‖ p)")
    page.locator("#ledger-chart label", has_text="Error over bits").click()
    expect(page.locator("#ledger-plot .xtitle")).to_contain_text("rate")
    expect(page.locator("#ledger-over")).to_be_hidden()


def test_pictures_are_sorted_by_their_bills(page):
    press(page, "Cheap and dear")
    costs = [number(text) for text in page.locator(".ledger-ranking em small").all_inner_texts()]
    assert len(costs) == 12 and costs == sorted(costs)
    kinds = page.locator(".ledger-ranking b").all_inner_texts()
    assert kinds[-2:] == ["noise", "noise"] and {"training", "held out"} & {kinds[0]}
    expect(page.locator("#ledger-plot")).to_be_hidden()
    expect(page.locator("#ledger-scrub")).to_be_hidden()
