"""The Samplers tab in a real browser."""

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import bring, fill, stop_at
from tests.browser.test_accessibility import violations

expect.set_options(timeout=60_000)  # two cores, perhaps busy


@pytest.fixture
def tab(page):
    page.get_by_role("tab", name="Samplers").click()
    return page


def stage(tab):
    return tab.locator("#samplers-stage")


def pictures(tab):
    """The data URIs on the stage."""
    return stage(tab).locator("img").evaluate_all("images => images.map(image => image.src)")


def finished(tab, summary="2 pictures, 100 denoiser calls"):
    """Wait until a run has ended with these words, its replay too, and Run can be pressed again."""
    expect(tab.locator("#samplers-note").get_by_text(summary)).to_be_visible()
    expect(tab.get_by_role("button", name="Stop", exact=True)).to_be_disabled()
    expect(tab.get_by_role("button", name="Run", exact=True)).to_be_enabled()


def test_four_lanes_are_seen_at_once_in_a_small_window(tab):
    tab.set_viewport_size({"width": 1366, "height": 768})
    tab.locator("#samplers-presets").get_by_role("button", name="Falling levels", exact=True).click()
    expect(stage(tab).locator(".lane")).to_have_count(4)
    expect(stage(tab).locator(".lane img")).to_have_count(8)
    lanes = (
        stage(tab)
        .locator(".lane")
        .evaluate_all(
            """lanes => lanes.map(lane => [lane.getBoundingClientRect().bottom + scrollY,
          [...lane.querySelectorAll("header *")].every(one => one.scrollWidth <= one.clientWidth)])"""
        )
    )
    assert all(bottom <= 768 and whole for bottom, whole in lanes), lanes


def test_the_tab_moves_when_it_is_opened_and_ends_in_two_pictures(tab):
    expect(stage(tab).locator("img").last).to_be_visible()
    finished(tab)
    assert len(pictures(tab)) >= 2
    tab.get_by_role("button", name="About these samplers").click()
    about = tab.locator("#samplers-equations")
    expect(about.locator(".katex-display")).to_have_count(2)  # DDPM's step and DDIM's
    assert not about.locator(".katex-error").count()


def test_the_replay_slider_goes_back_to_the_same_noise(tab):
    expect(stage(tab).locator("img").last).to_be_visible()
    finished(tab)
    expect(tab.get_by_role("button", name="Play", exact=True)).to_be_visible()  # and its film
    slider = tab.locator("#samplers-scrub input[type=range]")
    slider.evaluate("s => { s.value = 0; s.dispatchEvent(new Event('input', {bubbles: true})); }")
    expect(stage(tab).get_by_text("call 0/50").first).to_be_visible()
    noise = stage(tab).locator("canvas").evaluate_all("all => all.map(one => one.toDataURL())")
    assert noise[0] == noise[2], "both lanes start from the same x_T"
    assert len({*noise, *pictures(tab)}) == 2 + 2, "and from nothing like their pictures"


def test_stop_half_way_keeps_the_pictures(tab, address):
    finished(tab)
    tab.get_by_role("button", name="Eight ways down").click()
    finished(tab, "8 pictures")
    before = pictures(tab)
    fill(tab.get_by_label("number input for Steps"), "200")
    tab.get_by_role("button", name="Run", exact=True).click()
    stop_at(tab, address, "samplers", r"8 lanes · [1-9]\d* of 1799")
    finished(tab, "Stopped.")
    assert pictures(tab) and pictures(tab) != before


def test_run_pressed_while_a_control_is_answered_draws_what_is_set(tab):
    """Steps sets every lane's; its answer is held back until Run was pressed."""
    finished(tab)
    held = []
    tab.route("**/run/predict*", lambda route: held.append(route))
    steps = tab.get_by_label("number input for Steps")
    steps.fill("7")
    steps.press("Tab")
    tab.get_by_role("button", name="Run", exact=True).click()
    tab.wait_for_timeout(500)
    expect(tab.get_by_role("button", name="Stop", exact=True)).to_be_disabled()  # nothing has begun
    assert held
    while held:
        held.pop(0).continue_()
        tab.wait_for_timeout(100)  # the page may have more to ask then
    tab.unroute_all(behavior="ignoreErrors")
    finished(tab, "2 pictures, 14 denoiser calls")


def test_run_pressed_at_once_draws_the_number_that_took_the_place_of_an_impossible_one(tab):
    finished(tab)
    box = tab.locator("#samplers-steps input[type=number]")
    box.click()
    box.press("Control+a")
    box.press_sequentially("999")
    tab.get_by_role("button", name="Run", exact=True).click()
    finished(tab, "2 pictures, 400 denoiser calls")


NO_NUMBER = {"": "nothing", "e": "what was typed"}


@pytest.mark.same_page
@pytest.mark.parametrize(("typed", "steps"), [("0", 1), ("500", 200), ("7.6", 8), ("", 20), ("e", 20), ("7", 7)])
def test_a_number_that_a_slider_cannot_take_becomes_the_nearest_one_for_all(tab, typed, steps):
    """In the box, in the lanes, and in what Run would make; and the server is never asked about another."""
    finished(tab)
    box, line = tab.locator("#samplers-steps input[type=number]"), tab.locator("#tab-samplers .pipeline > button")
    box.fill("20")
    box.press("Tab")
    expect(line).to_contain_text("× 20 calls")
    box.click()
    box.press("Control+a")
    box.press_sequentially(typed) if typed else box.press("Delete")
    said = box.evaluate("box => box.validationMessage")
    assert said == ("" if typed == "7" else "Choose a whole number from 1 to 200.")
    if said:  # Gradio, late, with a number that it was told on the way
        box.evaluate("box => { box.value = '5'; }")
    box.press("Tab")
    expect(box).to_have_value(str(steps))
    expect(line).to_contain_text(f"× {steps} call")
    if said:
        words = f"Steps: {NO_NUMBER.get(typed, typed)} is not possible, {steps} is taken. Choose a whole number from 1 to 200."
        expect(tab.locator("#samplers-note")).to_have_text(words)
        fill(box, "20")  # it is said until then
        finished(tab)


@pytest.mark.parametrize(("typed", "seed"), [("-5", "0"), ("12", "12")])
def test_a_seed_below_0_is_told_to_nobody(tab, typed, seed):
    finished(tab)
    box = tab.locator("#samplers-seed input")
    box.click()
    box.press("Control+a")
    box.press_sequentially(typed)
    assert box.evaluate("box => box.validationMessage") == ("" if typed == seed else "Choose a whole number from 0 up.")
    box.press("Enter")
    expect(box).to_have_value(seed)
    finished(tab)


def test_a_prompt_that_matches_nothing_is_answered(tab):
    finished(tab)
    tab.get_by_role("textbox", name="Prompt").fill("qwertzuiop")
    tab.get_by_role("button", name="Run", exact=True).click()
    finished(tab, "No picture matches 'qwertzuiop'")
    assert pictures(tab), "what was there stays"


def test_the_grid_plots_the_distance_to_the_reference(tab):
    finished(tab)
    tab.get_by_role("button", name="Who converges first?").click()
    finished(tab, "25 pictures")
    expect(tab.locator("#samplers-plot .js-plotly-plot")).to_be_visible()
    assert len(pictures(tab)) == 25
    tab.get_by_text("The curves as a table").click()
    rows = tab.locator("#samplers-plot-table tr")
    expect(rows).to_have_count(1 + 25)  # a row a picture: both distances stand in it
    expect(rows.filter(has_text="below 0.0001").first).to_be_visible()


def test_a_wall_of_each_sampler_says_its_share_of_two_groups_and_stops_half_way(tab, address):
    finished(tab)
    top = stage(tab).bounding_box()["y"]
    tab.get_by_role("button", name="Two groups").click()
    finished(tab, "60 pictures, 3000 denoiser calls")
    expect(stage(tab).locator(".wall")).to_have_count(3)
    expect(stage(tab).locator(".wall").first.locator('[data-group="1"] img')).to_have_count(20)  # plain Langevin's
    assert len(pictures(tab)) == 60 and stage(tab).bounding_box()["y"] == top
    expect(stage(tab).locator(".foot").first).to_have_text("Smileys and emotion 0.00, data 0.80 ± 0.09 (20 pictures)")
    expect(tab.locator("#samplers-prompt")).to_have_count(0)
    expect(tab.locator("#samplers-known")).to_be_hidden()
    assert violations(tab) == []
    fill(tab.get_by_label("number input for Steps"), "100")
    tab.get_by_role("button", name="Run", exact=True).click()
    stop_at(tab, address, "samplers", r"60 lanes · [1-9]\d* of 6000")
    finished(tab, "Stopped.")
    expect(stage(tab).locator(".foot").last).to_contain_text("so far")


def test_an_uploaded_photograph_is_inverted(tab, tmp_path):
    finished(tab)
    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)).save(photo)
    tab.get_by_text("Invert a picture").click()
    bring(tab, "#samplers-examples", photo)
    expect(tab.locator("#samplers-examples [aria-pressed=true]")).to_have_attribute("aria-label", "Your own picture")
    tab.get_by_role("button", name="Run", exact=True).click()
    finished(tab, "Came back with an RMS error")
    assert len(pictures(tab)) == 4
    tab.get_by_label("The exact denoiser knows this picture, too").check()
    tab.get_by_role("button", name="Run", exact=True).click()
    finished(tab, "Came back with an RMS error of below 0.001")
    tab.get_by_role("button", name="There and back").click()
    expect(tab.locator("#samplers-examples [aria-pressed=true]")).to_have_attribute("aria-label", "Red apple, glossy")
    finished(tab, "Came back with an RMS error of 0.0")
