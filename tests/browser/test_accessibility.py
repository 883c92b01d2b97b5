"""WCAG 2.2 AA as far as a machine can tell (axe-core), in every tab, light and dark."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from lab.ui import TABS

expect.set_options(timeout=60_000)  # two cores, perhaps busy
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
FILLED = {  # what a tab shows once its first run has ended
    "Forward noising": "#noising-chart .js-plotly-plot",
    "Samplers": "#samplers-stage img",
    "Guidance": "#guidance-curves svg",
    "ControlNet": "#controlnet-stage img",
}


EXCUSED = [("aria-prohibited-attr", [".empty"])]  # Gradio's own place for a chart, until the first one comes


def violations(page):
    found = Axe().run(page, options={"runOnly": RULES}).response
    assert len(found["passes"]) > 15
    nodes = [(one["id"], node["target"]) for one in found["violations"] for node in one["nodes"]]
    return [node for node in nodes if node not in EXCUSED]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_tab_shuts_anybody_out(browser, address, theme):
    page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme=theme)
    page.set_default_timeout(60_000)
    page.goto(f"{address}/?__theme={theme}")
    for tab in TABS:
        page.get_by_role("tab", name=tab.title).click()
        if tab.title in FILLED:
            expect(page.locator(FILLED[tab.title]).first).to_be_visible()
        assert violations(page) == [], tab.title
    page.locator(".lab-header").evaluate("head => head.insertAdjacentHTML('beforeend', '<img src=\"data:,\">')")
    assert [rule for rule, _ in violations(page)] == ["image-alt"]  # it would have been seen
    page.close()
