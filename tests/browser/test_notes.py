"""The Notes tab in a real browser: a step is checked, a symbol says its meaning, a chapter is a page."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import keep, open_tab

expect.set_options(timeout=60_000)  # two cores, perhaps busy
pytestmark = pytest.mark.same_page


@pytest.fixture
def notes(page):
    open_tab(page, "notes")
    page.locator("#tab-notes nav a", has_text="The forward process").click()
    expect(page.locator("#tab-notes h2")).to_contain_text("The forward process")
    return page.locator("#tab-notes .notes")


def test_a_step_is_checked_on_numbers_of_ones_own(notes):
    form = notes.locator("[data-step='forward.posterior-mean']")
    form.get_by_label("t, 2 to 1000", exact=True).fill("700")
    form.get_by_label("t, 2 to 1000", exact=True).press("Enter")
    expect(form.locator(".said")).to_contain_text("The sides agree")
    expect(form).to_have_attribute("data-agree", "true")
    assert form.locator("[data-side=left]").inner_text() == form.locator("[data-side=right]").inner_text() != ""
    form.get_by_label("t, 2 to 1000", exact=True).fill("many")
    expect(form).to_have_class(re.compile("old"))  # what stands there is of other numbers
    form.get_by_role("button").click()
    expect(form.locator(".said")).to_have_text("Give t a whole number from 2 to 1000.")
    expect(form.locator("[data-side=left]")).to_have_text("")


def test_a_symbol_says_its_meaning(notes):
    notes.locator("#forward-jump .equation [data-symbol]").first.hover()
    tip = notes.locator(".symbol-tip")
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("The picture at a noise level")
    expect(tip).to_contain_text("lab/engine/noising.py:q_sample")
    notes.locator("h2").hover()
    expect(tip).to_be_hidden()


def test_a_step_opens_the_instrument_that_shows_it(notes):
    notes.get_by_role("link", name="Forward noising: Half gone").click()
    expect(notes.page.locator("#noising-presets button:focus")).to_have_text("Half gone")


def test_a_chapter_is_a_page_on_a_phone_and_on_paper(notes, browser, address):
    link = notes.locator(".print").get_attribute("href")
    assert link == f"{address}/notes/forward"
    tab = browser.new_page(viewport={"width": 390, "height": 844})
    tab.goto(link)
    tab.get_by_role("button", name="Check all").click()
    expect(tab.locator(".all-said")).to_have_text(re.compile(r"All \d+ hold on these numbers\."))
    keep(tab, "notes-390")
    tab.emulate_media(media="print")
    expect(tab.locator("nav")).to_be_hidden()
    expect(tab.locator(".numbers").first).to_be_hidden()
    tab.emulate_media(media="screen")
    for page in tab.locator("nav a").evaluate_all("all => all.map((one) => one.href)"):
        tab.goto(page)
        tab.locator("h2").first.wait_for()
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390, page
    tab.close()
