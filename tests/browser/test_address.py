"""The address names what is shown, and Back goes to what was shown before, in a real browser."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

expect.set_options(timeout=60_000)  # two cores, perhaps busy


def named(page: Page) -> dict[str, str]:
    """What the address says: a tab's name, or the code of what is shown."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def open_tab(page: Page, title: str) -> None:
    page.get_by_role("tab", name=title).click()
    expect(page.get_by_role("tab", name=title)).to_have_attribute("aria-selected", "true")


def shows(page: Page, title: str) -> None:
    expect(page.get_by_role("tab", name=title)).to_have_attribute("aria-selected", "true")


def has_code(page: Page, other_than: str = "") -> str:
    """The code in the address, once there is one."""
    page.wait_for_function(
        "(other) => (new URLSearchParams(location.search).get('c') || other) !== other",
        arg=other_than,
        timeout=180_000,  # the lab may be starting
    )
    return named(page)["c"]


def test_the_address_follows_tabs_and_back_and_forward_stay_in_the_lab(page, address):
    assert named(page) == {}
    open_tab(page, "Models")
    page.wait_for_url("**/?tab=models")
    open_tab(page, "Forward noising")
    first = has_code(page)  # of the first preset, which nobody pressed
    page.locator("#noising-presets").get_by_role("button", name="Invisible, not lost").click()
    second = has_code(page, other_than=first)
    open_tab(page, "Papers")
    page.wait_for_url("**/?tab=papers")

    page.go_back()
    shows(page, "Forward noising")
    assert has_code(page) == second and "tab" not in named(page)
    page.go_back()
    shows(page, "Models")
    page.wait_for_url("**/?tab=models")
    page.go_forward()
    shows(page, "Forward noising")
    assert has_code(page) == second
    page.go_back()
    page.go_back()
    shows(page, "Start")
    page.wait_for_url(address + "/")
    page.go_forward()
    page.go_forward()
    page.go_forward()
    shows(page, "Papers")
    page.wait_for_url("**/?tab=papers")


def test_an_address_opens_what_it_names_and_back_leaves_to_where_one_came_from(page, browser, address):
    open_tab(page, "Forward noising")
    code = has_code(page)
    page = browser.new_page()  # of its own: requests that a page leaves behind are errors of its console
    page.set_default_timeout(60_000)
    for query, title in ((f"?c={code}", "Forward noising"), ("?tab=models", "Models"), ("?tab=start", "Start")):
        page.goto("about:blank")
        page.goto(f"{address}/{query}")
        shows(page, title)
        if "c=" in query:
            expect(page.locator("#noising-jump img")).to_be_visible()
            assert has_code(page)
        elif title == "Models":
            page.wait_for_url("**/?tab=models")
        else:
            page.wait_for_url(address + "/")
        page.go_back()
        page.wait_for_url("about:blank")
    page.close()


@pytest.mark.same_page
@pytest.mark.parametrize("query", ["?tab=nothing", "?c=nothing", "?tab=%22%3E%3Cscript%3E"])
def test_an_address_that_names_nothing_becomes_that_of_what_is_shown(page, address, query):
    page.goto(f"{address}/{query}&__theme=dark")
    page.wait_for_url(f"{address}/?__theme=dark")
    shows(page, "Start")
    expect(page.locator("#lab-astray")).to_contain_text("that the lab does not have" if "tab=" in query else "")


@pytest.mark.same_page
def test_a_place_alone_is_one_of_the_notes(page, address):
    page.goto(f"{address}/?at=2.1")
    shows(page, "Notes")
    page.wait_for_function("document.activeElement.textContent.startsWith('2.1 ')")
    expect(page).to_have_title(re.compile("^2 .+ · Notes · Diffusion Lab$"))
    expect(page.locator("#tab-notes .remark, #lab-astray:not(:empty)")).to_have_count(0)
    page.goto(f"{address}/?at=99.1")
    expect(page.locator("#tab-notes .remark")).to_contain_text("names a page “99” that the notes do not have")
    page.goto(f"{address}/?tab=papers&at=nothing")
    shows(page, "Papers")
    expect(page.locator("#lab-astray")).to_have_text(
        "The address names a place “nothing” that the tab Papers does not have. The tab is shown from its beginning."
    )
    page.wait_for_url(f"{address}/?tab=papers")
    expect(page).to_have_title("Papers · Diffusion Lab")
    open_tab(page, "Start")
    expect(page.locator("#lab-astray")).to_have_text("")
    expect(page).to_have_title("Diffusion Lab")


@pytest.mark.same_page
def test_a_link_that_cannot_be_read_opens_the_tab_that_it_names(page, address):
    page.goto(f"{address}/?c=nothing&tab=models")
    page.wait_for_url(f"{address}/?tab=models")
    shows(page, "Models")
    expect(page.locator("#lab-door")).to_contain_text("did not arrive in one piece")


def test_a_run_that_ends_behind_another_tab_leaves_the_address_alone(page):
    open_tab(page, "Samplers")
    expect(page.locator("#samplers-note")).to_contain_text("pictures, ")
    code = has_code(page)
    page.locator("#samplers-presets").get_by_role("button", name="The eta dial").click()
    open_tab(page, "Models")
    page.wait_for_url("**/?tab=models")
    expect(page.locator("#samplers-note")).to_contain_text("5 pictures, ")
    assert named(page) == {"tab": "models"}
    page.go_back()
    assert has_code(page, other_than=code)
