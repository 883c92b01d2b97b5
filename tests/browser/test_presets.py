"""What a press of a preset says in a real browser: its sentence, where to look, and for how long."""

import re

import pytest
from playwright.sync_api import expect

from lab.ui import TABS
from lab.ui.shell.instrument import Term
from tests.browser.conftest import fill, open_tab

expect.set_options(timeout=60_000)  # two cores, perhaps busy
TOOLS = [tab for tab in TABS if tab.presets]

POINTED_JS = """() => {
  window.places = [];
  new MutationObserver((changes) => {
    for (const { target } of changes) if (target.classList.contains("pointed")) window.places.push(`#${target.id}`);
  }).observe(document.body, { subtree: true, attributes: true, attributeFilter: ["class"] });
}"""

# How high the line stands with each of its sentences, and which places are not in the page.
LINE_JS = """(line) => {
  const { presets } = JSON.parse(line.dataset.presets), before = line.innerHTML;
  const heights = ["", ...presets.map((one) => one.look)].map((look) => { line.innerHTML = look; return line.offsetHeight; });
  line.innerHTML = before;
  return [[...new Set(heights)].length, presets.map((one) => one.place).filter((place) => !document.querySelector(place))];
}"""

CHANGES = {  # a control, what it has by the second preset, and something else
    "noising": ("#noising-t input[type=number]", "620", "300"),
    "samplers": ("#samplers-seed input", "0", "3"),
    "guidance": ("#guidance-scales :is(input, textarea)", "0, 1, 2, 3, 5, 7.5, 10, 15", "1, 2"),
    "score": ("#score-seed input", "0", "5"),
    "ledger": ("#ledger-calls :is(input, textarea)", "250", "25"),
    "controlnet": ("#controlnet-prompt :is(input, textarea)", "red heart", "star"),
    "unclip": ("#unclip-prompt :is(input, textarea)", "cat face", "star"),
    "edit": ("#edit-strengths :is(input, textarea)", "0.1, 0.3, 0.5, 0.7", "0.5"),
    "memory": ("#memory-seed input", "0", "3"),
    "inside": ("#inside-seed input", "0", "3"),
}
SECOND = {"inside": "Latents die"}  # of a tab whose second preset has no such control


@pytest.mark.same_page
@pytest.mark.parametrize("tab", TOOLS, ids=lambda tab: tab.title)
def test_the_equation_and_what_it_means_light_each_other_up(page, tab):
    """Each part by keyboard; and a picture or a control under the pointer lights up its part."""
    open_tab(page, tab.name)  # what is pointed at stays
    parts = page.locator(f"#tab-{tab.name} .term")
    terms = [one for one in tab.equation if isinstance(one, Term)]
    assert parts.count() == len(terms) >= 5
    for part, term in zip(parts.all(), terms, strict=True):
        expect(part).to_have_accessible_name(f"{term.spoken}: {term.meaning}")
        part.focus()
        lit = page.locator(f"#tab-{tab.name} .meant:not(.term)")
        assert lit.count() and any(one.is_visible() for one in lit.all()), term.spoken
        place = next(one for one in lit.all() if one.is_visible()).element_handle()
        part.blur()
        expect(lit).to_have_count(0)
        place.hover()
        assert "meant" in part.get_attribute("class"), term.spoken
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.same_page
@pytest.mark.parametrize("tab", TOOLS, ids=lambda tab: tab.title)
def test_a_preset_says_what_to_look_at_until_a_control_differs(page, tab):
    open_tab(page, tab.name)
    second = SECOND.get(tab.name, tab.presets[1])
    line, pressed = (
        page.locator(f"#{tab.name}-pointer .pointer"),
        page.locator(f"#{tab.name}-presets [aria-pressed=true]"),
    )
    expect(pressed).to_have_text(tab.presets[0])
    for width in (1366, 820, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert line.evaluate(LINE_JS) == [1, []], width
    page.set_viewport_size({"width": 1366, "height": 768})

    before = line.inner_text()
    page.evaluate(POINTED_JS)
    page.locator(f"#{tab.name}-presets").get_by_role("button", name=second, exact=True).click()
    expect(pressed).to_have_text(second)
    expect(page.locator(".stage.earlier")).to_have_count(0)
    expect(line).not_to_have_text(before)
    place = line.evaluate("(line, k) => JSON.parse(line.dataset.presets).presets[k].place", tab.presets.index(second))
    page.wait_for_function("(place) => window.places.includes(place)", arg=place)
    sentence = line.inner_text()

    control, own, other = CHANGES[tab.name]
    if not page.locator(control).first.is_visible():
        page.locator(f"#tab-{tab.name} .controls").get_by_role("button", name=re.compile("^More")).first.click()
    assert page.locator(control).first.input_value() == own
    fill(page.locator(control).first, other)
    follows = tab.name in ("noising", "score")  # their pictures follow the controls at once
    expect(line).to_have_text("" if follows else re.compile("made with other settings"))
    expect(pressed).to_have_count(0)
    expect(page.locator(f"#tab-{tab.name} .stage.earlier")).to_have_count(0 if follows else 1)
    fill(page.locator(control).first, own)
    expect(line).to_have_text(sentence)
    expect(pressed).to_have_text(second)
    expect(page.locator(".stage.earlier")).to_have_count(0)


def test_a_link_brings_the_sentence_of_the_preset_that_it_holds(page, browser):
    open_tab(page, "ledger")
    page.locator("#ledger-presets").get_by_role("button", name="What nobody sees", exact=True).click()
    expect(page.locator("#ledger-shelf li").first).to_contain_text("What nobody sees")
    link, sentence = page.url, page.locator("#ledger-pointer .pointer").inner_text()
    other = browser.new_page()
    other.set_default_timeout(60_000)
    other.goto(link)
    expect(other.locator("#ledger-pointer .pointer")).to_have_text(sentence)
    expect(other.locator("#ledger-presets [aria-pressed=true]")).to_have_text("What nobody sees")
    other.locator("#ledger-examples [data-pick]").first.click()  # of another picture it says nothing
    expect(other.locator("#ledger-presets [aria-pressed=true]")).to_have_count(0)
    other.locator("#ledger-run").click()
    expect(other.locator("#ledger-shelf li")).to_have_count(2)
    expect(other.locator("#ledger-presets [aria-pressed=true]")).to_have_count(0)
    other.close()
