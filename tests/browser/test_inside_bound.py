"""The rooms of the bound and of the factor in a real browser: a run, its numbers, the way to the Ledger, one column of pictures a factor."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import keep, press_preset

expect.set_options(timeout=90_000)  # two cores, perhaps busy


@pytest.fixture
def opens():
    return "?tab=inside"


def press(page, title, words):
    press_preset(page, "inside", title)
    expect(page.locator("#inside-note").get_by_text(words)).to_be_visible()
    expect(page.locator("#inside-run")).to_be_enabled()


def test_a_bound_is_computed_and_leads_to_the_ledger(page):
    press(page, "A code that nobody paid for", "shapes, β = 0; log p(x) is at least")
    expect(page.locator("#inside-stage .bound-parts img")).to_have_count(3)
    expect(page.locator("#inside-stage .bound-bars li")).to_have_count(10)
    rate = page.locator("#inside-stage .bound-sum div").nth(1).locator("b").inner_text()
    assert float(rate.replace(",", "")) > 100
    expect(page.locator("#inside-plot .js-plotly-plot")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    keep(page, "inside-bound")
    page.locator("#inside-words .bound-open").click()
    expect(page.locator("#ledger-run")).to_be_visible()


def test_factors_stand_side_by_side(page):
    press(page, "Why latents pay", "A step on pixels takes this many times as long")
    expect(page.locator("#inside-stage .factor")).to_have_count(4)
    expect(page.locator("#inside-stage .factor img")).to_have_count(1 + 3 * 6)
    page.locator("#inside-factor_chart").get_by_text("SSIM", exact=True).click()
    expect(page.locator("#inside-plot .ytitle")).to_have_text("SSIM")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    keep(page, "inside-factor")
