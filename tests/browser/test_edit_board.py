"""The board of the Edit tab in a real browser, on a page of its own: mouse, finger and keyboard, slow answers, and how it looks."""

import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import Visit, bring, keep, serving, stroke
from tests.ports import free_port

expect.set_options(timeout=30_000)  # two cores, perhaps busy


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of the board's own page."""
    port, log = free_port(), tmp_path_factory.mktemp("board") / "log"
    with serving(["-m", "tests.browser.board_page", str(port)], port, log) as url:
        yield f"{url}/"


@pytest.fixture
def page(browser, address, request):
    """A page of one's own, whose console stays silent; it begins with the panda and no mask."""
    visit = Visit(browser)
    page = ready(visit.open(address))
    yield page
    errors = visit.check(request.node)
    visit.close()
    assert not errors


def ready(page):
    expect(page.locator("#edit-board .ink")).to_be_visible()
    page.wait_for_function("window.labOwn?.has('edit-gallery')")
    page.get_by_role("button", name="Panda", exact=True).click()
    expect(page.locator("#edit-board img")).to_have_attribute("alt", "panda, glossy style")
    held(page, "0 in the hole, 0 coloured, 64 px, painted, panda.")
    return page


def held(page, words):
    """Wait until the server holds this."""
    expect(page.locator("#held")).to_have_text(re.compile(words) if "\\" in words else words)


COVERED = """() => {
  const ink = document.querySelector('#edit-board .ink');
  const pixels = ink.getContext('2d').getImageData(0, 0, ink.width, ink.height).data;
  let covered = 0;
  for (let i = 3; i < pixels.length; i += 4) covered += pixels[i] > 0;
  return covered;
}"""


def covered(page):
    """Pixels that are painted, as the page has them."""
    return page.evaluate(COVERED)


def agree(page, more=""):
    """Wait until the server holds as many pixels as the page shows, and say how many."""
    kind = "coloured" if page.locator("[data-colour]").count() else "in the hole"
    page.wait_for_function(
        f"""() => {{
          const held = /(\\d+) {kind}/.exec(document.getElementById('held').textContent);
          return held && Number(held[1]) === ({COVERED})();
        }}"""
    )
    return covered(page)


def draw(page, *corners):
    """A stroke of the mouse through points given as fractions of the canvas."""
    stroke(page, "#edit-board .ink", *corners, steps=6)


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def tool(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def experiment(page, name):
    page.locator("#edit-experiment").get_by_label(name, exact=True).check()


def test_a_stroke_of_the_mouse_is_a_hole_that_the_server_has(page):
    draw(page, (0.2, 0.5), (0.8, 0.5))
    painted = agree(page)
    assert 0.6 * 64 * 5 < painted < 0.7 * 64 * 8  # as long as the stroke and as wide as the brush
    expect(page.locator("#edit-board .share")).to_have_text(f"The hole covers {100 * painted / 4096:.0f} %.")
    expect(page.locator("#edit-board .hint")).to_be_hidden()


def test_strokes_that_follow_each_other_fast_are_all_there(page):
    for row in range(8):
        draw(page, (0.1, 0.1 + 0.1 * row), (0.4, 0.1 + 0.1 * row))
    many = agree(page)
    for _ in range(7):
        tool(page, "Undo")
    one = agree(page)
    assert many > 5 * one > 0
    tool(page, "Undo")
    assert agree(page) == 0
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()


def test_brushes_have_three_sizes_and_the_eraser_takes_away(page):
    sizes = []
    for name in ("Small brush", "Medium brush", "Large brush"):
        tool(page, name)
        draw(page, (0.5, 0.5))
        sizes.append(agree(page))
        tool(page, "Clear")
        assert agree(page) == 0
    assert 1 <= sizes[0] < sizes[1] / 3 and sizes[1] < sizes[2] / 3
    draw(page, (0.5, 0.5))
    tool(page, "Erase")
    draw(page, (0.5, 0.5))
    assert agree(page) == 0
    tool(page, "Exchange hole and rest")
    assert agree(page) == 4096
    expect(page.locator("#edit-board .share")).to_have_text("The hole covers 100 %.")


def test_a_mask_is_chosen_painted_on_and_undone(page):
    mask = page.get_by_label("Mask", exact=True)
    mask.select_option("border")
    held(page, "3072 in the hole, 0 coloured, 64 px, border, panda.")
    assert agree(page) == 3072
    draw(page, (0.5, 0.5))
    assert agree(page) > 3072
    expect(mask).to_have_value("border")  # the picture is laid out for it
    mask.select_option("left half")
    held(page, "2048 in the hole, 0 coloured, 64 px, left half, panda.")
    draw(page, (0.8, 0.5))
    expect(mask).to_have_value("")
    assert agree(page) > 2048
    tool(page, "Undo")
    assert agree(page) == 2048


def test_what_is_painted_while_an_answer_is_under_way_is_not_lost(page):
    """The canvas that comes knows of no stroke: both are painted onto it again, and handed over."""
    draw(page, (0.2, 0.2))
    agree(page)
    page.get_by_role("button", name="Slowly").click()
    draw(page, (0.2, 0.8), (0.4, 0.8))
    draw(page, (0.6, 0.8), (0.8, 0.8))
    before = covered(page)
    page.wait_for_timeout(1800)
    assert covered(page) == before
    assert agree(page) == before


def test_a_mask_that_is_chosen_while_an_answer_is_under_way_is_not_lost(page):
    draw(page, (0.9, 0.9))
    agree(page)
    page.get_by_role("button", name="Slowly").click()
    page.get_by_label("Mask", exact=True).select_option("left half")
    draw(page, (0.9, 0.1))
    page.wait_for_timeout(2000)
    page.wait_for_function(f"({COVERED})() > 2048")
    assert 2048 < agree(page) < 2048 + 40


def test_a_preset_pressed_after_a_stroke_shows_the_presets_mask(page):
    draw(page, (0.1, 0.1), (0.9, 0.1))
    page.get_by_role("button", name="Preset").click()
    held(page, "1024 in the hole, 0 coloured, 64 px, middle, panda.")
    assert agree(page) == 1024


def test_the_keyboard_paints_as_the_mouse_does(page):
    canvas = page.locator("#edit-board .ink")
    page.get_by_role("button", name="Exchange hole and rest").focus()
    press(page, "Tab")
    expect(canvas).to_be_focused()
    expect(page.locator("#edit-board .ring")).to_be_visible()
    press(page, "Space")
    dab = agree(page)
    assert 20 < dab < 50
    press(page, "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown")
    line = agree(page)
    assert dab < line < 3 * dab
    expect(page.locator("#edit-board .where")).to_have_text("37 across, 35 down: painted")
    press(page, "ArrowUp", "ArrowUp", "ArrowUp", "ArrowUp")
    expect(page.locator("#edit-board .where")).to_have_text("37 across, 27 down: not painted")
    assert agree(page) == line
    press(page, "Control+z")
    assert agree(page) < line
    press(page, "]", "Space")
    assert agree(page) > 100
    press(page, "Escape")
    expect(page.get_by_role("button", name="Paint", exact=True)).to_be_focused()
    expect(page.locator("#edit-board .ring")).to_be_hidden()


def test_arrow_keys_on_the_canvas_do_not_scroll_the_page(page):
    page.locator("#edit-board .ink").focus()
    before = page.evaluate("scrollY")
    press(page, *["ArrowDown"] * 6, "Space")
    page.wait_for_timeout(300)
    assert page.evaluate("scrollY") == before


def test_a_mask_chosen_by_keyboard_leaves_the_focus_where_it_was(page):
    mask = page.get_by_label("Mask", exact=True)
    mask.focus()
    press(page, "ArrowDown")
    held(page, "2048 in the hole, 0 coloured, 64 px, left half, panda.")
    expect(mask).to_be_focused()


def test_colours_are_painted_onto_the_picture_and_taken_off_again(page):
    experiment(page, "noise")
    expect(page.get_by_role("button", name="Blue")).to_be_visible()
    tool(page, "Blue")
    draw(page, (0.3, 0.3), (0.7, 0.3))
    blue = agree(page)
    pixel = "([x, y]) => [...document.querySelector('#edit-board .ink').getContext('2d').getImageData(x, y, 1, 1).data]"
    assert page.evaluate(pixel, [32, 19]) == [0x24, 0x71, 0xC8, 255]
    page.get_by_label("Another colour").fill("#12ab34")
    draw(page, (0.3, 0.3))
    assert agree(page) == pytest.approx(blue, abs=8)
    assert page.evaluate(pixel, [19, 19]) == [0x12, 0xAB, 0x34, 255]
    tool(page, "Erase")
    draw(page, (0.2, 0.3), (0.8, 0.3))
    assert agree(page) < blue / 4
    tool(page, "Clear")
    assert agree(page) == 0


def test_blank_paper_asks_to_be_painted_on(page):
    experiment(page, "noise")
    expect(page.get_by_role("button", name="Blue")).to_be_visible()
    hint = page.locator("#edit-board .hint")
    expect(hint).to_be_hidden()  # there is a picture
    page.get_by_role("button", name="Blank paper", exact=True).click()
    expect(hint).to_have_text("Paint here")
    expect(hint).to_be_visible()
    draw(page, (0.3, 0.3), (0.7, 0.3))
    expect(hint).to_be_hidden()
    assert agree(page) > 100


def test_sketch_and_mask_are_both_there_when_one_comes_back(page):
    draw(page, (0.2, 0.5), (0.8, 0.5))
    hole = agree(page)
    experiment(page, "noise")
    draw(page, (0.2, 0.2), (0.8, 0.2))
    colours = agree(page)
    held(page, f"{hole} in the hole, {colours} coloured, 64 px, painted, panda.")
    experiment(page, "words")
    expect(page.locator("#edit-board .ink")).to_be_hidden()
    expect(page.locator("#edit-board .tools")).to_have_count(0)
    experiment(page, "fill")
    expect(page.get_by_label("Mask", exact=True)).to_be_visible()
    assert agree(page) == hole
    experiment(page, "two")
    expect(page.locator("#edit-board")).to_be_hidden()
    page.locator("#edit-view").get_by_label("Painted mask").check()
    expect(page.locator("#edit-board .ink")).to_be_visible()
    expect(page.locator("#edit-board img")).to_have_attribute("alt", "Blank paper")
    expect(page.locator("#edit-gallery")).to_be_hidden()
    assert agree(page) == hole


def test_a_smaller_model_has_the_same_hole(page):
    page.get_by_label("Mask", exact=True).select_option("middle")
    held(page, "1024 in the hole, 0 coloured, 64 px, middle, panda.")
    page.locator("#edit-model label").nth(1).click()
    held(page, "256 in the hole, 0 coloured, 32 px, middle, panda.")
    expect(page.locator("#edit-board .caption")).to_contain_text("32 × 32 pixels, as the model sees them.")
    draw(page, (0.1, 0.1))
    assert agree(page) > 256


def test_own_pictures_come_and_the_last_one_is_the_one_that_is_marked(page, tmp_path):
    for name, pixels in {
        "wide": np.full((40, 90, 3), 120, np.uint8),
        "one": np.full((1, 1, 3), 200, np.uint8),
        "clear": np.zeros((40, 40, 4), np.uint8),
    }.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    (tmp_path / "none.png").write_bytes(b"no picture at all")
    mine = page.locator("#edit-gallery .mine")
    bring(page, "#edit-gallery", tmp_path / "wide.png")
    expect(page.locator("#note")).to_contain_text("Its middle is used, 40 × 40 of 90 × 40 pixels.")
    held(page, "0 in the hole, 0 coloured, 64 px, painted, own.")
    expect(mine).to_have_attribute("aria-pressed", "true")
    first = mine.locator("img").get_attribute("src")
    bring(page, "#edit-gallery", tmp_path / "one.png")
    expect(mine.locator("img")).not_to_have_attribute("src", first)
    bring(page, "#edit-gallery", tmp_path / "clear.png")
    expect(page.locator("#note")).to_contain_text("transparent parts are filled with white")
    bring(page, "#edit-gallery", tmp_path / "none.png")
    expect(page.locator("#note")).to_contain_text("not a picture that can be read")
    expect(page.locator("#edit-board img")).to_have_attribute("alt", "Your own picture")


def test_the_veil_is_seen_on_white_on_black_and_on_any_colour(page, tmp_path):
    """Light and dark stripes beneath an outline of both: of each ground some pixels of the hole differ clearly."""
    stripes = np.zeros((64, 64, 3), np.uint8)
    for index, colour in enumerate([(255, 255, 255), (0, 0, 0), (128, 128, 128), (214, 40, 57)]):
        stripes[:, 16 * index : 16 * index + 16] = colour
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    bring(page, "#edit-gallery", tmp_path / "stripes.png")
    page.get_by_label("Mask", exact=True).select_option("upper half")
    held(page, "2048 in the hole, 0 coloured, 64 px, upper half, own.")
    expect(page.locator("#edit-board .share")).to_have_text("The hole covers 50 %.")
    page.wait_for_timeout(500)
    shot = page.locator("#edit-board .board").screenshot(path=tmp_path / "shot.png")
    assert shot
    pixels = np.asarray(Image.open(tmp_path / "shot.png").convert("L")).astype(float)
    side = pixels.shape[0]
    for index in range(4):
        columns = slice(int(side * (index + 0.2) / 4), int(side * (index + 0.8) / 4))
        hole, rest = (
            pixels[int(0.1 * side) : int(0.4 * side), columns],
            pixels[int(0.6 * side) : int(0.9 * side), columns],
        )
        assert np.abs(hole - np.median(rest)).mean() > 40  # of 255
        assert hole.std() > 25 > rest.std()  # hatched, which needs no colour to be seen


@pytest.fixture
def phone(browser, address):
    """A phone with a finger on it."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, device_scale_factor=2
    )
    page = context.new_page()
    page.goto(address)
    yield ready(page)
    context.close()


def swipe(page, begin, end):
    """A finger that is put down, moved and lifted."""
    client = page.context.new_cdp_session(page)
    steps = [(begin[0] + (end[0] - begin[0]) * i / 12, begin[1] + (end[1] - begin[1]) * i / 12) for i in range(13)]
    for index, (x, y) in enumerate(steps):
        kind = "touchMove" if index else "touchStart"
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        page.wait_for_timeout(16)
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_finger_paints_and_beside_the_canvas_it_scrolls(phone):
    phone.locator("#edit-board").scroll_into_view_if_needed()
    phone.evaluate("document.querySelector('#edit-board').scrollIntoView({block: 'center'})")
    at, before = phone.locator("#edit-board .ink").bounding_box(), phone.evaluate("scrollY")
    swipe(phone, (at["x"] + 40, at["y"] + at["height"] - 20), (at["x"] + 60, at["y"] + 20))
    assert agree(phone) > 150
    assert phone.evaluate("scrollY") == before
    beside = at["x"] + at["width"] + 25
    assert beside < 380
    swipe(phone, (beside, at["y"] + 40), (beside, at["y"] + at["height"] - 40))
    phone.wait_for_function("before => scrollY < before - 50", arg=before)


@pytest.mark.parametrize("mode", ["fill", "noise"])
def test_on_a_phone_a_finger_meets_each_tool_and_nothing_is_cut_off(phone, mode):
    experiment(phone, mode)
    expect(
        phone.locator("[data-colour]").first if mode == "noise" else phone.get_by_label("Mask", exact=True)
    ).to_be_visible()
    sizes = phone.locator("#edit-board :is(button, input, select)").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect()).map(box => [box.width, box.height, box.right])"
    )
    assert len(sizes) >= 9
    assert min(min(width, height) for width, height, _ in sizes) >= 40 and max(right for *_, right in sizes) <= 390
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    keep(phone, f"edit-board-phone-{mode}")


@pytest.mark.parametrize("width", [1366, 1920])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_stands_in_its_column(browser, address, width, theme):
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(f"{address}?__theme={theme}")
    ready(page)
    page.get_by_label("Mask", exact=True).select_option("around the eyes")
    held(page, r"\d+ in the hole, 0 coloured, 64 px, around the eyes, panda.")
    boxes = page.locator("#edit-board :is(button, select, .ink)").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect()).map(box => [box.width, box.height, box.right])"
    )
    assert min(min(width, height) for width, height, _ in boxes) >= 24 and max(right for *_, right in boxes) <= width
    keep(page, f"edit-board-{width}-{theme}")
    page.close()
