"""The Models tab in a real browser."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import fill

expect.set_options(timeout=60_000)  # two cores, perhaps busy


@pytest.fixture
def tab(page):
    page.get_by_role("tab", name="Models").click()
    return page


def row(tab, name):
    return tab.locator(f'#models-table [data-name="{name}"]')


def number(tab, words):
    """What is above one of the four sets of words."""
    return tab.locator("#models-numbers .lab-now div", has_text=words).locator("b")


def top(tab):
    return tab.locator("#models-table").bounding_box()["y"]


def test_a_run_elsewhere_is_seen_here_and_nothing_jumps(tab, browser, address):
    expect(row(tab, "exact")).to_contain_text("in memory")  # warmed at the start
    expect(number(tab, "runs under way")).to_have_text("0")  # those of the tests before have ended
    before = top(tab)
    other = browser.new_page()
    try:
        other.goto(address)
        other.get_by_role("tab", name="Samplers").click()
        other.get_by_role("button", name="Eight ways down").click()
        fill(other.get_by_label("number input for Steps"), "200")  # it lasts until this page has looked
        fill(other.locator("#samplers-seed input"), "4714")  # a run of its own: one that was made before is remembered
        other.locator("#samplers-run").click()
        expect(number(tab, "lanes in flight")).not_to_have_text("0")
        expect(number(tab, "runs under way")).not_to_have_text("0")
        expect(row(tab, "exact").locator(".busy")).to_contain_text("in use by")
        assert top(tab) == before
    finally:
        other.close()
    expect(number(tab, "runs under way")).to_have_text("0")
    expect(row(tab, "exact")).to_contain_text("idle")
    assert top(tab) == before


def test_it_looks_only_while_it_is_open(tab):
    expect(row(tab, "exact")).to_contain_text("in memory")
    tab.get_by_role("tab", name="Forward noising").click()
    expect(tab.locator("#models-table")).to_be_hidden()
    tab.wait_for_timeout(3000)  # until the last look has come back
    looks = []
    tab.on("request", lambda request: looks.append(request.url) if request.method == "POST" else None)
    tab.wait_for_timeout(4000)
    assert not looks
    tab.get_by_role("tab", name="Models").click()
    for _ in range(3):  # the timer goes on
        tab.wait_for_event("request", predicate=lambda request: request.method == "POST")


def test_on_a_phone_nothing_scrolls_sideways(tab):
    tab.set_viewport_size({"width": 390, "height": 844})
    expect(row(tab, "exact")).to_contain_text("in memory")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    ends = "parts => Math.max(...parts.map(part => part.getBoundingClientRect().right))"
    assert tab.locator(".models *, .memory header *, .memory .key *, .lab-now *").evaluate_all(ends) <= 390
