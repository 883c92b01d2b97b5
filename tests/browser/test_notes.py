"""The Notes tab in a real browser: a step is checked and stands in the address, a symbol says its meaning, a chapter is a page."""

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
    expect(form).to_have_attribute("data-state", "holds")
    assert form.locator("[data-side=left]").inner_text() == form.locator("[data-side=right]").inner_text() != ""
    form.get_by_label("t, 2 to 1000", exact=True).fill("many")
    expect(form).to_have_class(re.compile("old"))  # what stands there is of other numbers
    form.get_by_role("button").click()
    expect(form.locator(".said")).to_have_text("Give t a whole number from 2 to 1000.")
    expect(form.locator("[data-side=left]")).to_have_text("")
    notes.get_by_role("button", name="Check all").click()
    expect(notes.locator(".all-said")).to_contain_text(
        re.compile(r"One is not checked, since a number in it cannot be taken: \d\.5")
    )
    notes.locator(".all-said a").click()
    expect(notes.locator("#forward-posterior-mean h3")).to_be_focused()
    expect(form.get_by_label("t, 2 to 1000", exact=True)).to_have_value("many")  # still there, to be mended
    form.get_by_label("t, 2 to 1000", exact=True).fill("300")


def test_chapter_step_and_numbers_stand_in_the_address(notes, address):
    page = notes.page
    notes.locator("#forward-snr .here").click()
    page.wait_for_url(f"{address}/?tab=notes&at=forward.snr")
    notes.locator("[data-step='forward.snr'] input[name=t]").fill("700")
    page.wait_for_url(link := f"{address}/?tab=notes&at=forward.snr,t:700")
    notes.locator("#forward-snr a[data-tab]").first.click()
    expect(page.locator("#tab-notes")).to_be_hidden()
    page.go_back()
    page.wait_for_url(link)
    expect(notes.locator("#forward-snr h3")).to_be_focused()
    page.go_back()
    expect(notes.locator("#forward-snr h3")).not_to_be_focused()
    page.go_forward()
    expect(notes.locator("#forward-snr h3")).to_be_focused()

    friend = page.context.browser.new_page()
    friend.goto(link)
    expect(friend.locator("#forward-snr h3")).to_be_focused()
    expect(friend.locator("[data-step='forward.snr']")).to_have_attribute(
        "data-state", "holds"
    )  # on the link's numbers
    expect(friend.locator("[data-step='forward.snr'] input[name=t]")).to_have_value("700")
    for junk, said in (
        ("forward.snr,t:much,y:1", "The link's t, y cannot be taken: the step's own numbers stand there."),
        (
            "forward.posterior-mean,t:300.5,x_t:0.7",
            "The link's t cannot be taken: the step's own numbers stand there, and the link's in the other places.",
        ),
        ("forward.nothing", "The link names a step “nothing” that this chapter does not have. Here it begins."),
        ("__proto__", "The link names a page “__proto__” that the notes do not have. Here they begin."),
    ):
        friend.goto(f"{address}/?tab=notes&at={junk}")
        expect(friend.locator("#tab-notes .remark")).to_have_text(said)
    friend.close()


def test_a_symbol_says_its_meaning(notes):
    notes.locator("#forward-jump .equation [data-symbol]").first.hover()
    tip = notes.locator(".symbol-tip")
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("The picture at a noise level")
    expect(tip).to_contain_text("lab/engine/noising.py:q_sample")
    notes.locator("h2").hover()
    expect(tip).to_have_text("")
    notes.locator("#forward-jump h3 a").focus()
    notes.page.keyboard.press("Tab")
    expect(tip).to_contain_text("1 − βₜ")  # the step's first symbol
    for key, said in (("ArrowRight", "Variance of the noise"), ("End", ""), ("Home", "1 − βₜ")):
        notes.page.keyboard.press(key)
        expect(tip).to_contain_text(said)
    notes.page.keyboard.press("Escape")
    expect(tip).to_have_text("")


def test_a_symbol_says_its_meaning_to_a_finger(browser, address):
    phone = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True)
    phone.goto(f"{address}/notes/forward")
    phone.locator("#forward-jump .equation [data-symbol]").first.tap()
    expect(phone.locator(".symbol-tip")).to_contain_text("The picture at a noise level")
    assert phone.locator(".symbol-tip").evaluate("tip => tip.getBoundingClientRect().right") <= 390
    phone.locator("h2").tap()
    expect(phone.locator(".symbol-tip")).to_have_text("")
    phone.close()


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
    expect(tab.locator("button:visible")).to_have_count(0)
    tab.emulate_media(media="screen")
    for page in tab.locator("nav a").evaluate_all("all => all.map((one) => one.href)"):
        tab.goto(page)
        tab.locator("h2").first.wait_for()
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390, page
    tab.close()
