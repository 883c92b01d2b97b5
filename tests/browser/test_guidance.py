"""The Guidance tab in a real browser."""

import json
import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from lab.capsules.capsule import make, to_link
from lab.fidelity_curves import fidelity_curves
from tests.browser.conftest import keep, stop_at

expect.set_options(timeout=60_000)  # two cores, perhaps busy


GRID = {"model": "exact", "prompt": "apple", "scales": "0, 1, 3", "seeds": "1, 2"}


@pytest.fixture
def opens():
    """The grid by its link: nothing else runs before."""
    return f"?c={to_link(make('guidance', GRID))}"


@pytest.fixture
def tab(page):
    """The tab on the exact denoiser with a small grid."""
    ended(page, "6 pictures")
    return page


def ended(page, words):
    """Wait until no run is under way and the page says `words`."""
    expect(page.locator("#guidance-note")).to_contain_text(words)
    expect(page.locator("#guidance-stop")).to_be_disabled()
    expect(page.locator("#guidance-run")).to_be_enabled()


def run(page, words="pictures", **fields):
    for name, text in fields.items():
        page.locator(f"#guidance-{name} textarea").fill(text)
    begin(page)
    ended(page, words)


def begin(page):
    """Press Run and wait until what was said before is gone, so that no end is mistaken for this one's."""
    page.locator("#guidance-note .lab-note").evaluate("note => { note.id = 'said-before'; }")
    page.locator("#guidance-run").click()
    expect(page.locator("#said-before")).to_have_count(0)


def pictures(page):
    """Name and data URI of every cell that has a picture."""
    return dict(
        page.locator("#guidance-stage [data-key]:has(img)").evaluate_all(
            "cells => cells.map(cell => [cell.dataset.key, cell.querySelector('img').src])"
        )
    )


def fits(page, width):
    """At this width nothing overflows the page; the grid scrolls in its own box."""
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("opens", [""])
def test_the_tab_moves_when_it_is_opened(page):
    page.get_by_role("tab", name="Guidance").click()
    expect(page.locator("#guidance-stage img").first).to_be_visible()
    expect(page.locator("#guidance-stage [data-key]")).to_have_count(16)
    ended(page, "16 pictures")
    assert len(pictures(page)) == 16


def test_a_new_scale_computes_only_its_own_cells(tab):
    before = pictures(tab)
    assert list(before) == ["cfg-1-0", "cfg-1-1", "cfg-1-3", "cfg-2-0", "cfg-2-1", "cfg-2-3"]
    run(tab, "2 pictures", scales="0, 1, 3, 7.5")
    expect(tab.locator("#guidance-note")).to_contain_text("6 kept from before")
    after = pictures(tab)
    assert len(after) == 8 and all(after[key] == uri for key, uri in before.items())


def test_stop_keeps_the_pictures_and_run_goes_on(tab, address):
    before = pictures(tab)
    many = ", ".join(map(str, range(1, 21)))  # it is not over before Stop is pressed
    tab.locator("#guidance-seeds textarea").fill(many)
    begin(tab)
    stop_at(tab, address, "guidance", r"step [1-9]\d* of 1080")
    ended(tab, "Stopped.")
    stopped = pictures(tab)
    assert len(stopped) > 6 and all(stopped[key] == uri for key, uri in before.items())
    tab.locator("#guidance-seeds textarea").fill("1, 2, 3, 4, 5, 6")
    run(tab, "kept from before")
    assert len(pictures(tab)) == 18


@pytest.mark.same_page
def test_a_click_takes_a_cell_apart(tab):
    tab.locator('#guidance-stage [data-key="cfg-2-3"]').click()
    look = tab.locator("#guidance-look")
    expect(look).to_contain_text("scale 3, seed 2")
    expect(tab.locator("#guidance-norms-csv")).to_be_enabled()
    expect(look.locator(".halves img")).to_have_count(4)
    expect(look.locator(".guesses img")).to_have_count(3)
    slider = tab.locator("#guidance-step input[type=range]")
    slider.evaluate("s => { s.value = 1; s.dispatchEvent(new Event('input', {bubbles: true})); }")
    expect(look).to_contain_text("step 1 of 20")
    look.locator(".large .box").click()
    expect(tab.locator(".look-full img")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.locator(".look-full")).to_have_count(0)
    with tab.expect_download() as download:
        tab.locator("#guidance-png").click()
    with Image.open(download.value.path()) as picture:
        capsule = json.loads(picture.text["diffusion-lab"])
        assert picture.size == (64, 64) and capsule["tab"] == "guidance" and capsule["lane"] == 3 + 2  # row and column


def test_a_point_of_a_curve_shows_its_picture_and_is_a_way_to_it(tab):
    point = tab.locator('#guidance-curves [data-key="cfg-2-3"]').first
    point.hover()
    expect(tab.locator(".curve-tip img")).to_be_visible()
    assert tab.locator(".curve-tip img").get_attribute("src") == pictures(tab)["cfg-2-3"]
    point.click()
    expect(tab.locator("#guidance-look")).to_contain_text("scale 3, seed 2")
    expect(tab.locator(".curve-tip")).to_have_count(0)


@pytest.mark.same_page
def test_bad_lists_are_answered_and_the_pictures_stay(tab):
    before = pictures(tab)
    run(tab, "'x' is not a number", scales="1, x")
    run(tab, "at most 64", scales=", ".join(f"{i / 5:g}" for i in range(100)))
    assert pictures(tab) == before


def test_the_rules_stand_below_each_other(tab):
    tab.locator("#guidance-experiment").get_by_text("Rules").click()
    run(tab, seeds="1", scales="1, 3")
    assert len(pictures(tab)) == 10
    expect(tab.locator("#guidance-stage .side")).to_have_count(5)


def test_guides_have_their_controls_and_a_step_shows_what_a_classifier_believes(tab):
    tab.locator("#guidance-experiment").get_by_text("Rules").click()
    expect(tab.locator("#guidance-temperature")).to_have_count(0)
    tab.locator("#guidance-rules input").click()
    for rule in ("Classifier (gradient)", "Mean colour (any loss)"):
        tab.get_by_role("option", name=rule).click()
    expect(tab.locator("#guidance-temperature input[type=range]")).to_be_visible()
    colour = tab.locator("#guidance-colour .dialog-button")
    colour.press("Enter")
    tab.get_by_label("Colour, as text").fill("rgb(0, 170, 0)")
    for key in ("Enter", "Escape"):
        tab.get_by_label("Colour, as text").press(key)
    expect(colour).to_be_focused()
    expect(tab.get_by_label("Colour, as text")).to_have_count(0)
    run(tab, seeds="1", scales="0, 1, 2, 3, 5, 7.5")
    assert len(pictures(tab)) == 42
    tab.locator('#guidance-stage [data-key="classifier-1-3"]').click()
    look = tab.locator("#guidance-look")
    expect(look.locator(".beliefs .wanted")).to_contain_text(re.compile(r"as asked, asked for\s*\d+%"))
    expect(tab.locator("#guidance-norms-csv")).to_be_enabled()
    expect(look.locator(".pull img")).to_have_count(2)
    for chart in ("belief in what is asked for", "direction of the pull", "size of both pulls"):
        expect(tab.locator(f'#guidance-norms svg[aria-label="{chart}"] path').first).to_be_visible()
    fits(tab, 390)


def test_the_papers_curves_stand_above_those_of_ones_own_grid(tab):
    tab.locator("#guidance-section").get_by_text("The paper's curves").click()
    expect(tab.locator("#guidance-paper svg")).to_have_count(2)
    expect(tab.locator("#guidance-paper")).to_contain_text("real against real")
    tab.locator("#guidance-paper summary").press("Enter")
    expect(tab.locator("#guidance-paper tr")).to_have_count(1 + len(fidelity_curves().points))
    tab.locator("#guidance-measure").click()
    expect(tab.locator("#guidance-note")).to_contain_text("6 pictures in 3 sets are measured")
    for name in ("precision", "recall"):
        expect(tab.locator(f'#guidance-fidelity svg[aria-label="{name}"] circle')).to_have_count(3)
    expect(tab.locator("#guidance-fidelity")).to_contain_text("Sets of 2 pictures")
    fits(tab, 390)


def test_it_fits_a_projector_and_a_phone_in_light_and_dark(tab):
    run(tab, scales="0, 1, 3, 5, 7.5, 10, 15", seeds="1")
    for theme in ("light", "dark"):
        tab.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "dark")
        for width in (1440, 390):
            fits(tab, width)
            keep(tab, f"guidance-{theme}-{width}")
    box = tab.locator("#guidance-stage .sweep-box")
    assert box.evaluate("box => box.scrollWidth > box.clientWidth")
    assert tab.locator("#guidance-stage").bounding_box()["y"] < tab.locator("#guidance-run").bounding_box()["y"]
