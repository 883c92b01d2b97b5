"""The rooms of unCLIP, but for the one between pictures, in a real browser: a preset of each, its link, words, and an own picture."""

import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from lab.ui.shell.share import ALONE
from tests.browser.conftest import bring, ended, fill, keep, press_preset, wait_for_address

expect.set_options(timeout=90_000)  # two cores, perhaps busy
pytestmark = pytest.mark.same_page

BOXES = "all => all.map(one => { const { left, right, top, bottom } = one.getBoundingClientRect(); return [left, right, top, bottom]; })"
SOURCES = "all => all.map(one => one.src)"


@pytest.fixture
def opens():
    return "?tab=unclip"


def rests(page, room, says):
    """Wait for the end of the room's run, which its note tells."""
    expect(page.locator(f"#unclip-stage [data-room={room}]")).to_be_visible()
    expect(page.locator("#unclip-note").get_by_text(says)).to_be_visible()
    ended(page, "unclip")
    expect(page.locator("#unclip-run")).to_be_enabled()
    expect(page.locator("#unclip-words p")).to_be_visible()


def press(page, title, room, says):
    press_preset(page, "unclip", title)
    rests(page, room, says)


def choose(page, room):
    page.locator("#unclip-room").get_by_text(room, exact=True).click()


def sources(page):
    """The pictures of the stage, as they came."""
    return page.locator("#unclip-stage img").evaluate_all(SOURCES)


def fits(page, name):
    """Nothing of the stage is wider than the page, nor than its own cell, on a laptop and on a phone."""
    for width, height in ((1366, 768), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        boxes = page.locator("#unclip-stage img").evaluate_all(BOXES)
        assert min(box[0] for box in boxes) >= 0 and max(box[1] for box in boxes) <= width
        keep(page, f"unclip-{name}-{width}")


def test_two_stages_show_the_priors_way_and_a_head_above_every_picture(page):
    press(page, "Without the prior", "stages", "3 embeddings of the prior")
    assert len(sources(page)) == 4 + 3 * (8 + 3 + 3)
    calls = page.locator(".stages-strip").first.locator("figure")
    said = [call.get_attribute("title") for call in calls.all()]
    assert [re.match(r"call (\d+) of 25, t = \d+: .+, cosine", one)[1] for one in said][::7] == ["1", "25"]
    expect(page.locator(".stages-words")).to_contain_text("“cat face”")
    expect(page.locator(".stages-grid > output").first).to_have_text(re.compile("^[0-3] of 3$"))
    expect(page.locator("#unclip-plot .scatterlayer .trace")).to_have_count(3)
    heads, again = page.locator(".stages-head:not(.again)"), page.locator(".stages-head.again")
    assert [one.is_visible() for one in heads.all()] == [True] * 3 and not again.first.is_visible()
    fits(page, "stages")
    assert [one.is_visible() for one in again.all()] == [True] * 9 and not heads.first.is_visible()


def test_two_stages_fill_the_screen_while_presenting(page):
    press(page, "Without the prior", "stages", "3 embeddings of the prior")
    page.set_viewport_size({"width": 1366, "height": 768})
    page.get_by_role("button", name="Present").click()
    expect(page.locator("body.presenting-stage")).to_have_count(1)
    (prior, *_), pictures = (
        page.locator(one).evaluate_all(BOXES) for one in (".stages-prior", ".stages-grid > .unclip-cell")
    )
    dock = page.locator(".dock:visible").bounding_box()
    assert prior[1] - prior[0] > 300 and min(box[0] for box in pictures) >= prior[1]
    assert max(box[3] for box in pictures) <= dock["y"] and pictures[0][1] - pictures[0][0] >= 90
    keep(page, "unclip-stages-presenting")
    page.keyboard.press("Escape")
    expect(page.locator("body.presenting")).to_have_count(0)


def test_variations_stand_in_two_rows_and_say_what_the_judge_takes_them_for(page):
    press(page, "Variations of a picture", "variations", "10 pictures from one embedding")
    assert len(sources(page)) == 2 + 4 + 10
    expect(page.locator(".variations .unclip-head").filter(has_text="seed")).to_have_text(
        [f"seed {k}" for k in range(5)]
    )
    captions = page.locator(".variations > .unclip-grid figcaption")
    assert all(re.search(r"\S+\s+cos −?[01]\.\d\d$", one) for one in captions.all_inner_texts())
    expect(page.locator("#unclip-words")).to_contain_text("The judge takes the picture itself for “fox”")
    expect(page.locator("#unclip-plot .scatterlayer .trace")).to_have_count(3)
    fits(page, "variations")


def test_the_link_of_text_differences_brings_the_same_pictures(page, browser):
    press(page, "The apple, but green", "difference", "12 pictures; the judge’s fit to “green apple”")
    shown = sources(page)
    assert len(shown) == 1 + 12 + 6
    captions = page.locator(".difference figcaption").all_inner_texts()
    assert sum("fit" in one for one in captions) == 12 and sum("cos" in one for one in captions) == 6
    fits(page, "difference")
    wait_for_address(page, "prompt_from", "red apple")
    other = browser.new_page(viewport={"width": 1366, "height": 768})
    other.goto(page.url)
    rests(other, "difference", "12 pictures; the judge’s fit to “green apple”")
    assert sources(other) == shown
    other.close()


def test_words_that_the_models_do_not_know_are_said(page):
    press(page, "The apple, but green", "difference", "12 pictures; the judge’s fit to “green apple”")
    fill(page.locator("#unclip-prompt :is(input, textarea)"), "a 🍏 and zorgl")
    fill(page.locator("#unclip-prompt_from :is(input, textarea)"), "🍎")
    page.locator("#tab-unclip .controls").get_by_text("More", exact=True).click()
    fill(page.locator("#unclip-difference_steps input[type=number]"), "2")
    fill(page.locator("#unclip-difference_count input[type=number]"), "3")
    page.locator("#tab-unclip .controls").get_by_text("More", exact=True).click()
    page.locator("#unclip-run").click()
    rests(page, "difference", "6 pictures; the judge’s fit")
    note = page.locator("#unclip-note")
    for part in ("🍏 is read as green apple.", "🍎 is read as red apple.", "“zorgl” is not among the"):
        expect(note).to_contain_text(part)
    assert len(sources(page)) == 1 + 6 + 3


def test_components_mark_what_is_the_same_thing_and_the_chart_is_that_of_many_pictures(page):
    press(page, "What the embedding holds", "components", "Cosine to the picture, by the judge")
    assert len(sources(page)) == 8 + 8 + 2
    expect(page.locator(".components-column h4")).to_have_text(["1", "2", "4", "8", "16", "32", "64", "128", "picture"])
    assert 0 < page.locator(".components-column .thing").count() < 8
    expect(page.locator("#unclip-plot .xtitle")).to_have_text("principal components kept")
    traces = page.locator("#unclip-plot .scatterlayer .trace")
    expect(traces).to_have_count(4)
    page.locator("#unclip-components_chart").get_by_text("Many pictures", exact=True).click()
    expect(traces).not_to_have_count(4)
    fits(page, "components")


def test_diversity_falls_with_guidance_beside_what_was_measured_over_many_prompts(page):
    press(page, "One embedding for all", "diversity", "32 pictures: 4 scales, 4 seeds, two ways.")
    assert len(sources(page)) == 1 + 32
    numbers = [float(one) for one in page.locator(".diversity-way .unclip-side small").all_inner_texts()]
    assert len(numbers) == 8 and numbers[0] > numbers[3] and 0 <= min(numbers) < max(numbers) < 1
    legend = page.locator("#unclip-plot .legendtext").all_text_contents()
    assert legend[:2] == ["text-to-image", "decoder"]
    assert [re.sub(r"\d+", "n", one) for one in legend[2:]] == ["text-to-image, n prompts", "decoder, n prompts"]
    expect(page.locator("#unclip-words")).to_contain_text(
        re.compile(r"Over \d+ prompts with \d+ seeds each, from scale 1 to 8")
    )
    fits(page, "diversity")


def test_a_room_that_is_left_while_it_draws_leaves_nothing_behind(page):
    press(page, "Variations of a picture", "variations", "10 pictures from one embedding")
    choose(page, "Diversity over guidance")
    fill(page.locator("#unclip-prompt :is(input, textarea)"), "lemon")
    page.locator("#unclip-run").click()
    expect(page.locator("#unclip-note")).to_contain_text(re.compile("embeddings …|of 32 pictures …"))
    choose(page, "Text differences")
    expect(page.locator("#unclip-note")).to_contain_text("The run that was left was stopped before its end.")
    expect(page.locator("#tab-unclip .stage.earlier")).to_have_count(0)
    expect(page.locator("#unclip-pointer .pointer")).to_be_empty()
    assert len(sources(page)) == 1  # the picture that is chosen


def test_a_link_without_the_own_picture_says_so(page, browser, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "own.png")
    press(page, "Variations of a picture", "variations", "10 pictures from one embedding")
    bring(page, "#unclip-picture-examples", tmp_path / "own.png")
    fill(page.locator("#unclip-variations_seeds input[type=number]"), "2")
    page.locator("#unclip-run").click()
    rests(page, "variations", "4 pictures from one embedding")
    assert len(sources(page)) == 2 + 4 + 4
    wait_for_address(page, "variations_seeds", 2)
    other = browser.new_page(viewport={"width": 1366, "height": 768})
    other.goto(page.url)
    expect(other.locator("#lab-door").get_by_text(ALONE)).to_be_visible()
    expect(other.locator("#unclip-variations_seeds input[type=number]")).to_have_value("2")
    other.close()
