"""WCAG 2.2 AA as far as a machine can tell (axe-core), in every tab, light and dark."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from lab.ui import TABS
from tests.browser.conftest import open_tab

expect.set_options(timeout=60_000)  # two cores, perhaps busy
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def violations(page):
    """Rules that are broken, and where, in a page that rests: what leaves it while axe reads has no place to be named by."""
    found = Axe().run(page, options={"runOnly": RULES, "resultTypes": ["violations"]}).response  # places of those alone
    assert len(found["passes"]) > 15
    return [(one["id"], node["target"], node["html"]) for one in found["violations"] for node in one["nodes"]]


STILL_JS = "() => !document.getAnimations().some((one) => one instanceof CSSTransition && one.playState === 'running')"


def test_no_tab_shuts_anybody_out(browser, address):
    page = browser.new_page(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")  # no film to wait for
    page.set_default_timeout(60_000)
    page.goto(f"{address}/?__theme=light")
    look = page.locator("[data-look]")
    for tab in TABS:
        open_tab(page, tab.name)
        for dark in (False, True):
            if (look.inner_text() == "Light") != dark:
                look.click()
            expect(look).to_have_text("Light" if dark else "Dark")
            page.wait_for_function(STILL_JS)  # colours that fade are none yet
            assert violations(page) == [], (tab.title, dark)
    page.locator(".lab-header").evaluate("head => head.insertAdjacentHTML('beforeend', '<img src=\"data:,\">')")
    assert [rule for rule, *_ in violations(page)] == ["image-alt"]  # it would have been seen
    page.close()
