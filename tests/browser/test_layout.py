"""What a person can reach without a trick: boxes, scrollbars, and what the page's own controls say."""

import pytest
from playwright.sync_api import expect

from lab.catalog import MODELS, samplers_for
from lab.ui import TABS
from lab.ui.tabs.noising.tab import SAME_LEVEL
from tests.browser.conftest import open_tab, wait_for_address

expect.set_options(timeout=60_000)  # two cores, perhaps busy
SIZES = ((390, 844), (820, 1180), (1180, 820), (1280, 720), (1366, 768), (1440, 900), (1920, 1080), (2560, 1440))
TOOLS = [tab for tab in TABS if tab.presets]

UNFOLD_JS = """() => {
  for (const head of document.querySelectorAll("button.label-wrap:not(.open)")) if (head.offsetParent) head.click();
}"""

# Boxes of the open tab's controls that scroll, that leave their column or the window, and a page that is wider than it.
FAULTS_JS = """() => {
  const shown = (one) => one.getClientRects().length > 0;
  const name = (one) => `${one.tagName} ${one.id || one.className}`;
  const faults = [], root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) faults.push(`the page is ${root.scrollWidth} px wide`);
  for (const column of [...document.querySelectorAll(".controls")].filter(shown)) {
    const { left, right } = column.getBoundingClientRect();
    for (const one of [column, ...column.querySelectorAll("*")].filter(shown)) {
      const box = one.getBoundingClientRect(), style = getComputedStyle(one);
      if (one.closest("svg") || style.display === "inline" || style.position === "fixed") continue;
      if (box.left < left - 6 || box.right > right + 6 || box.right > innerWidth) faults.push(`${name(one)} is outside`);
      const scrolls = (overflow) => /auto|scroll/.test(overflow);
      if (scrolls(style.overflowX) && one.scrollWidth > one.clientWidth) faults.push(`${name(one)} scrolls sideways`);
      if (scrolls(style.overflowY) && one.scrollHeight > one.clientHeight) faults.push(`${name(one)} scrolls`);
    }
  }
  return faults;
}"""


@pytest.mark.same_page
@pytest.mark.parametrize("tab", TOOLS, ids=lambda tab: tab.title)
def test_controls_stand_in_one_column_at_every_size(page, tab):
    """Folded and with every accordion open; and Run stays in sight while its controls are read to their end."""
    name = tab.name
    open_tab(page, name)
    if (stop := page.locator(f"#{name}-stop")).count():
        expect(stop).to_be_disabled()  # what a run says on its way may be longer than what it says at its end
    for folded in (True, False):
        if not folded:
            page.evaluate(UNFOLD_JS)
            expect(page.locator(f"#{name}-link")).to_be_visible()
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(50)
            assert page.evaluate(FAULTS_JS) == [], (tab.title, width, folded)
    run = page.locator(f"#{name}-run")
    if run.count():
        page.set_viewport_size({"width": 1366, "height": 768})
        page.locator(f"#{name}-link").evaluate("(one) => one.scrollIntoView({block: 'end'})")
        assert 0 <= run.bounding_box()["y"] <= 768 - 40


def test_what_a_preset_sets_is_what_the_page_shows_and_the_link_carries(page):
    page.get_by_role("tab", name="Forward noising").click()
    expect(page.locator("#noising-film img").first).to_be_visible()
    for title in ("Same log-SNR", "Linear against cosine", "Same log-SNR"):
        page.locator("#noising-presets").get_by_role("button", name=title, exact=True).click()
        wanted = SAME_LEVEL if title == "Same log-SNR" else "the same t"
        expect(page.locator("#noising-align label:has(input:checked)")).to_have_text(wanted)
        wait_for_address(page, "align", wanted)


def test_controls_offer_what_goes_with_the_others(page):
    """After another choice, nothing of what was offered before."""
    page.get_by_role("tab", name="ControlNet").click()
    expect(page.locator("#controlnet-note")).to_contain_text("8 pictures in")
    sources = page.locator("#controlnet-annotator label")
    before = sources.all_inner_texts()
    page.locator("#controlnet-control").get_by_text("Pose", exact=True).click()
    expect(sources.filter(has_text="By hand")).to_have_count(1)
    page.locator("#controlnet-control").get_by_text("Edges", exact=True).click()
    expect(sources).to_have_text(before)

    page.get_by_role("tab", name="Samplers").click()
    presets = page.locator("#samplers-presets")
    for title in ("One step or eight?", "Learned or perfect?", "DDPM against DDIM"):  # student, pixel model, exact
        presets.get_by_role("button", name=title, exact=True).click()
        expect(presets.locator("[aria-pressed=true]")).to_have_text(title)
        expect(page.locator("#samplers-run")).to_be_enabled()
    page.locator("#samplers-samplers input").click()
    offered = page.locator("#samplers-samplers [role=option]")
    chosen = {"DDPM", "DDIM"}
    names = {row.title for row in samplers_for(MODELS["exact"]).values()}
    assert {text.strip(" ✓\n") for text in offered.all_inner_texts()} | chosen == names
