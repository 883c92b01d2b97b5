"""The strip of tabs in a real browser; nothing is computed behind them."""

from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from lab import ui
from lab.backends.deferred import Deferred
from lab.capsules.capsule import from_link
from lab.settings import Settings
from tests.browser.conftest import keep

expect.set_options(timeout=60_000)  # two cores, perhaps busy


@contextmanager
def served():
    """The address of the lab's page on a backend that never comes."""
    backend, settings = Deferred(), Settings()
    lab, options = ui.build(backend, settings), ui.launch_options(backend, settings)
    _, url, _ = lab.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **options)
    try:
        yield url
    finally:
        lab.close()


@pytest.fixture(scope="module")
def lab(browser):
    """A page of it."""
    with served() as url:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(60_000)
        page.goto(url)
        page.locator(".start-card button").last.wait_for()
        yield page
        page.close()


@pytest.fixture
def page(lab):
    lab.set_viewport_size({"width": 1440, "height": 900})
    lab.get_by_role("tab", name="Start").click()
    opened(lab, "Start")
    return lab


@pytest.fixture
def tabs():
    return ui.TABS


def opened(page, title):
    expect(page.get_by_role("tab", name=title, exact=True)).to_have_attribute("aria-selected", "true")


OUTSIDE_JS = """() => [...document.querySelectorAll(".tabbar *")].filter((one) => one.getClientRects().length)
  .filter((one) => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== "inline"
    || one.getBoundingClientRect().right > document.documentElement.clientWidth).map((one) => one.textContent)"""


@pytest.mark.parametrize("width", [820, 1280, 1366, 1440, 1920])
def test_every_name_is_read_at_every_width(page, tabs, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(100)
    names = page.get_by_role("tab")
    expect(names).to_have_count(len(tabs))
    assert [one.strip() for one in names.locator("b").all_inner_texts()] == [tab.title for tab in tabs]
    for tab in tabs:
        expect(page.get_by_role("tab", name=tab.title, exact=True)).to_be_visible()
    assert page.evaluate(OUTSIDE_JS) == []
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    rows = page.locator(".tabbar-group").evaluate_all(
        "all => new Set(all.map((one) => one.getBoundingClientRect().top)).size"
    )
    assert rows == 1 or width < 1280
    assert page.locator(".tabbar").bounding_box()["height"] <= (110 if width < 1000 else 75)


def test_groups_are_named_or_else_questions_are_asked(page, tabs):
    groups = [group for group in dict.fromkeys(tab.group for tab in tabs) if group]
    page.set_viewport_size({"width": 1366, "height": 900})
    expect(page.locator(".tabbar-label:visible")).to_have_text(groups)
    expect(page.locator(".tabbar-question:visible")).to_have_count(0)
    page.set_viewport_size({"width": 1920, "height": 900})
    expect(page.locator(".tabbar-question:visible")).to_have_count(0)  # so many do not fit beside their names
    expect(page.locator(".tabbar-label:visible")).to_have_text(groups)


def test_arrow_keys_walk_along_the_strip_and_enter_opens(page, tabs):
    page.get_by_role("tab", name="Start").focus()
    for key, at in (
        ("ArrowRight", 1),
        ("ArrowRight", 2),
        ("ArrowLeft", 1),
        ("End", -1),
        ("ArrowRight", 0),
        ("ArrowLeft", -1),
        ("Home", 0),
    ):
        page.keyboard.press(key)
        expect(page.locator("[role=tab]:focus")).to_have_id(f"strip-{tabs[at].name}")
    opened(page, "Start")  # nothing was opened on the way
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    opened(page, tabs[1].title)
    expect(page.locator(f"#tab-{tabs[1].name}")).to_be_visible()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")  # leaves the strip: it is one stop on the way through the page
    expect(page.locator("[role=tab]:focus")).to_have_count(0)
    assert page.locator("[role=tab][tabindex='0']").evaluate_all("all => all.map((one) => one.id)") == [
        f"strip-{tabs[1].name}"
    ]


def wait_for_tab(page, name):
    """Wait until the address names a tab, by itself or in the link of what it shows. Fails after a minute."""
    for _ in range(600):
        asked = parse_qs(urlsplit(page.url).query)
        if asked.get("tab") == [name] or ("c" in asked and from_link(asked["c"][0]).tab == name):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"the address does not name {name}: {page.url}")


def test_the_address_names_every_tab_and_back_goes_back(page, tabs):
    for tab in tabs[1:]:
        page.get_by_role("tab", name=tab.title, exact=True).click()
        opened(page, tab.title)
        wait_for_tab(page, tab.name)
        expect(page.locator(f"#tab-{tab.name}")).to_be_visible()
    for tab in tabs[-2:0:-1]:
        page.go_back()
        opened(page, tab.title)
    page.go_back()
    opened(page, "Start")


def test_on_a_phone_one_line_unfolds_to_all_of_them(page, tabs):
    page.set_viewport_size({"width": 390, "height": 844})
    opener, last = page.locator(".tabbar-open"), tabs[-1]
    expect(opener).to_contain_text("Start")
    expect(opener).to_contain_text(f"All {len(tabs)} tabs")
    expect(page.get_by_role("tab")).to_have_count(0)
    opener.click()
    expect(opener).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("tab")).to_have_count(len(tabs))
    expect(page.locator(".tabbar-question:visible")).to_have_text([tab.question for tab in tabs])
    assert page.evaluate(OUTSIDE_JS) == []
    keep(page, f"strip-{len(tabs)}-390")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(opener).to_contain_text(last.title)
    expect(opener).to_be_focused()
    expect(page.get_by_role("tab")).to_have_count(0)
    expect(page.locator(f"#tab-{last.name}")).to_be_visible()
    opener.click()
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()
    expect(opener).to_have_attribute("aria-expanded", "false")
    page.set_viewport_size({"width": 1440, "height": 900})
    opened(page, last.title)


def test_on_a_phone_what_is_said_of_the_line_stands_above_run(page, tabs):
    page.set_viewport_size({"width": 390, "height": 844})
    page.evaluate("name => window.labTabs.open(name)", tabs[2].name)
    expect(page.locator(".lab-ahead")).to_have_text("The lab is starting …")
    expect(page.locator(".dock:visible")).to_have_count(1)
    page.wait_for_function(
        """() => {
          const docks = [...document.querySelectorAll(".dock")].filter((one) => one.getClientRects().length);
          const [said, dock] = [document.querySelector(".lab-ahead"), docks[0]].map((one) => one.getBoundingClientRect());
          return said.bottom <= dock.top && said.top > innerHeight / 2;
        }"""
    )
    page.set_viewport_size({"width": 1440, "height": 900})
