"""The room of the words in a real browser: words light maps up by pointer and by keyboard, and steps are scrubbed without a request."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import keep, press_preset, watch_requests

expect.set_options(timeout=90_000)  # two cores, perhaps busy

HEAT = """() => { const canvas = document.querySelector("#inside-stage canvas.heat");
  return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data].join(); }"""


@pytest.fixture
def opens():
    return "?tab=inside"


def press(page, title, words):
    press_preset(page, "inside", title)
    expect(page.locator("#inside-note").get_by_text(words)).to_be_visible()
    expect(page.locator("#inside-run")).to_be_enabled()


def test_words_light_their_maps_up_and_steps_are_scrubbed_in_the_page(page):
    press(page, "Which word drew it", "20 steps looked at, 11 words")
    expect(page.locator("#inside-stage [data-room][data-ready]")).to_be_visible()
    said = page.locator("#inside-stage [data-said]")
    expect(said).to_contain_text("“trousers”: 16 %")
    requests = watch_requests(page)
    trousers = page.evaluate(HEAT)
    page.locator("#inside-stage .words-prompt button").nth(6).hover()
    expect(said).to_contain_text("“shirt”")
    assert page.evaluate(HEAT) != trousers
    page.locator("#inside-stage .words-prompt button").nth(7).focus()
    expect(said).to_contain_text("“and”")
    page.mouse.move(5, 5)
    page.locator("#inside-stage .words-prompt button").nth(9).click()
    page.mouse.move(5, 5)
    assert page.evaluate(HEAT) == trousers
    step = page.locator("#inside-stage .words-step input")
    step.focus()
    page.keyboard.press("Home")
    expect(page.locator("#inside-stage .words-step span")).to_have_text("Call 1 of 20, t = 999")
    expect(page.locator("#inside-stage canvas.still")).to_be_visible()
    assert page.evaluate(HEAT) != trousers
    page.keyboard.press("End")
    expect(page.locator("#inside-stage canvas.still")).to_be_hidden()
    page.locator("#inside-stage [data-level='4']").click()
    page.wait_for_function("document.querySelector('#inside-stage canvas.heat').width === 4")
    assert not requests
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    keep(page, "inside-words")


def test_weights_and_an_exchanged_word_stand_side_by_side(page):
    press(page, "Turn a word up", "11 pictures from one")
    expect(page.locator("#inside-stage .words-row img")).to_have_count(10)
    keep(page, "inside-weights")
    press(page, "Change the word, keep the picture", "3 pictures from one")
    expect(page.locator("#inside-stage .words-swap img")).to_have_count(3)
    expect(page.locator("#inside-words")).to_contain_text("nearer to it")
    expect(page.locator("#inside-plot .js-plotly-plot")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    keep(page, "inside-swap")
