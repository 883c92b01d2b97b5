"""The Forward noising tab in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from lab.settings import ASSETS
from tests.browser.conftest import wait_for_address

expect.set_options(timeout=30_000)  # two cores, perhaps busy

PHOTO = ASSETS / "images" / "rocket.jpg"


@pytest.fixture
def tab(page):
    """The tab with its first scene complete."""
    page.get_by_role("tab", name="Forward noising").click()
    expect(page.locator("#noising-film img").first).to_be_visible()
    return page


def source(tab, name):
    """The data URI that a picture shows."""
    return tab.locator(f"#noising-{name} img").evaluate("image => image.src")


def caption(tab):
    return tab.locator("#noising-jump figcaption")


def drag(tab, t):
    tab.locator("#noising-t input[type=range]").evaluate(
        "(slider, t) => { slider.value = t; slider.dispatchEvent(new Event('input', {bubbles: true})); }", t
    )
    expect(caption(tab)).to_contain_text(f"t = {t} ")


def test_the_first_sight_is_a_picture_half_gone(tab):
    expect(caption(tab)).to_contain_text("t = 260 ")
    for name in ("jump", "chain", "recovered"):
        assert source(tab, name).startswith("data:image/")
    expect(tab.locator("#noising-chart .js-plotly-plot")).to_be_visible()
    assert tab.locator("#noising-film button").count() == 9


def test_a_drag_moves_all_pictures_and_keeps_their_places(tab):
    before = {name: source(tab, name) for name in ("jump", "chain")}
    boxes = [tab.locator(f"#noising-{name}").bounding_box() for name in ("jump", "chain", "recovered", "film")]
    drag(tab, 800)
    assert all(source(tab, name) != picture for name, picture in before.items())
    assert boxes == [tab.locator(f"#noising-{name}").bounding_box() for name in ("jump", "chain", "recovered", "film")]
    drag(tab, 260)
    assert source(tab, "jump") == before["jump"]  # same seed, same picture


def test_play_moves_and_stop_stops_half_way(tab):
    drag(tab, 0)
    before = source(tab, "jump")
    tab.click("#noising-play")
    expect(caption(tab)).to_contain_text(re.compile(r"t = [1-9]\d"))
    tab.click("#noising-stop")
    expect(tab.locator("#noising-play")).to_be_enabled()
    stopped = caption(tab).inner_text()
    assert source(tab, "jump") != before
    tab.wait_for_timeout(1000)
    assert caption(tab).inner_text() == stopped
    assert "t = 1000 " not in stopped


def test_an_uploaded_photograph_takes_the_place_of_the_example(tab):
    before = source(tab, "jump")
    tab.get_by_text("Your own picture").click()
    tab.set_input_files("#noising-upload input[type=file]", PHOTO)
    expect(tab.locator("#noising-examples button[aria-pressed=true]")).to_have_count(0)
    expect(tab.locator("#noising-jump img")).not_to_have_attribute("src", before)


def test_a_text_file_is_refused_in_words_and_the_picture_stays(tab, tmp_path):
    before = source(tab, "jump")
    (tmp_path / "holiday.png").write_text("not a picture")
    tab.get_by_text("Your own picture").click()
    tab.set_input_files("#noising-upload input[type=file]", tmp_path / "holiday.png")
    expect(tab.locator("#noising-note")).to_contain_text("not a picture")
    assert source(tab, "jump") == before


def test_T_below_10_is_refused_in_words_and_mended(tab):
    tab.fill("#noising-T input", "5")
    tab.press("#noising-T input", "Enter")
    expect(tab.locator("#noising-note")).to_contain_text("T must be at least 10.")
    tab.fill("#noising-T input", "4000")
    tab.press("#noising-T input", "Enter")
    expect(tab.locator("#noising-note")).not_to_contain_text("at least 10")
    drag(tab, 3500)


def test_presets_compare_two_schedules_side_by_side(tab):
    tab.get_by_role("button", name="Linear against cosine").click()
    expect(tab.locator("#noising-other figcaption")).to_contain_text("Cosine")
    expect(caption(tab)).to_contain_text("t = 500 ")
    left, right = (tab.locator(f"#noising-{name} .box").bounding_box() for name in ("jump", "other"))
    assert abs(left["width"] - right["width"]) < 2
    assert left["y"] == right["y"]


def test_a_frame_of_the_film_strip_is_a_place_to_go(tab):
    tab.locator("#noising-film button").nth(2).click()
    expect(caption(tab)).to_contain_text("t = 160 ")


def test_the_address_is_that_of_what_is_shown(tab):
    wait_for_address(tab, "t", 260)
    box = tab.locator("#noising-t input[type=range]").bounding_box()
    tab.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2, steps=4)
    tab.mouse.up()
    t = tab.locator("#noising-t input[type=range]").input_value()
    assert t not in ("0", "260")
    wait_for_address(tab, "t", int(t))
    dragged = tab.url
    tab.get_by_role("button", name="Linear against cosine").click()
    tab.wait_for_url(lambda url: url != dragged)
    tab.goto(dragged)
    expect(tab.locator("#tab-noising")).to_be_visible()
    expect(caption(tab)).to_contain_text(f"t = {t} ")


def test_the_frame_is_exported(tab):
    tab.get_by_text("Export").click()
    tab.click("#noising-png")
    expect(tab.locator("#noising-file")).to_contain_text(".png")


def test_on_a_phone_the_picture_comes_first_and_nothing_overflows(tab):
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.wait_for_timeout(500)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    picture, schedule = (tab.locator(name).bounding_box() for name in ("#noising-jump .box", "#noising-schedule"))
    assert picture["width"] > 340
    dock = tab.locator(".dock:has(#noising-t)").bounding_box()
    assert picture["y"] + picture["height"] <= dock["y"] < schedule["y"]  # x_t and its slider in one view


@pytest.mark.parametrize("preset", ["Half gone", "Linear against cosine"])
def test_pictures_their_level_and_the_slider_stand_in_one_window(tab, preset):
    tab.get_by_role("button", name=preset).click()
    expect(tab.locator("#noising-other figure")).to_have_count(1 if preset != "Half gone" else 0)
    for width, height in ((1440, 900), (1366, 768), (1280, 720)):
        tab.set_viewport_size({"width": width, "height": height})
        tab.evaluate("scrollTo(0, 0)")
        tab.wait_for_timeout(300)
        dock = tab.locator(".dock:has(#noising-t)").bounding_box()
        assert dock["y"] + dock["height"] <= height
        for name in ("#noising-jump figure", "#noising-recovered .box"):
            box = tab.locator(name).bounding_box()
            assert box["y"] + box["height"] <= dock["y"], (name, width)
        assert tab.locator("#noising-jump .box").bounding_box()["height"] > 0.36 * height
