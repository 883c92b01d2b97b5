"""The ControlNet tab in a real browser: a drawn picture, an upload, a dragged joint, a stop, and how it looks."""

import pytest
from playwright.sync_api import expect

from lab.settings import ASSETS
from tests.browser.conftest import bring, fill, keep, stop_at, stroke

expect.set_options(timeout=60_000)  # two cores, perhaps busy


@pytest.fixture
def tab(page):
    """The tab after its first run."""
    page.get_by_role("tab", name="ControlNet").click()
    finished(page)
    return page


def note(page):
    return page.locator("#controlnet-note")


def finished(page, words="pictures in"):
    """Wait until a run has ended with these words and another can begin."""
    expect(note(page).get_by_text(words)).to_be_visible()
    expect(page.locator("#controlnet-run")).to_be_enabled()
    expect(page.locator("#controlnet-stop")).to_be_disabled()


def pictures(page):
    return page.locator("#controlnet-stage img").evaluate_all("images => images.map(image => image.src)")


CHANGED = """before => {
  const now = [...document.querySelectorAll('#controlnet-stage img')].map(image => image.src);
  return now.length === before.length && now.some((src, i) => src !== before[i]);
}"""
COUNT_LIT = """() => {
  const map = document.querySelector('#controlnet-editor canvas');
  if (!map) return -1;
  const pixels = map.getContext('2d').getImageData(0, 0, map.width, map.height).data;
  let lit = 0;
  for (let i = 0; i < pixels.length; i += 4) lit += pixels[i] + pixels[i + 1] + pixels[i + 2] > 60;
  return lit;
}"""


def lit(page):
    """Pixels of the map that are not black."""
    return page.evaluate(COUNT_LIT)


def wait_until_lit(page, least, most=10**9):
    """Wait until so many pixels of the map are lit."""
    page.wait_for_function(
        f"([least, most]) => {{ const lit = ({COUNT_LIT})(); return least <= lit && lit <= most; }}",
        arg=[least, most],
        timeout=60_000,
    )


def draw(page, *corners):
    """A line through points given as fractions of the map."""
    stroke(page, "#controlnet-editor canvas", *corners)


def set_strengths(page, text):
    fill(page.locator("#controlnet-strengths textarea, #controlnet-strengths input"), text)


@pytest.mark.same_page
def test_the_tab_opens_moving_and_ends_in_a_sweep(tab):
    assert len(pictures(tab)) == 8
    wait_until_lit(tab, 21)
    expect(tab.locator("#controlnet-plot .js-plotly-plot")).to_be_visible()
    figure = tab.locator("#controlnet-stage figure").nth(1)
    expect(figure).to_contain_text("strength 0.5 · window 0–1 · seed 0")
    figure.click()
    expect(tab.get_by_role("dialog", name="Full-size view")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.get_by_role("dialog", name="Full-size view")).to_have_count(0)


def test_a_drawn_picture_runs_at_every_stroke(tab):
    tab.get_by_role("button", name="Draw an emoji").click()
    finished(tab, "2 pictures in")
    before = pictures(tab)
    tab.get_by_role("button", name="Clear", exact=True).click()
    wait_until_lit(tab, 0, 0)
    draw(tab, (0.5, 0.1), (0.85, 0.85), (0.15, 0.85), (0.5, 0.1))
    wait_until_lit(tab, 21)
    tab.wait_for_function(
        """before => {
          const now = [...document.querySelectorAll('#controlnet-stage img')].map(image => image.src);
          return now.length === 2 && now.every((src, i) => src !== before[i]);
        }""",
        arg=before,
        timeout=60_000,
    )
    finished(tab, "2 pictures in")
    assert lit(tab) > 60
    runs = tab.locator("#controlnet-shelf li")
    expect(runs).to_have_count(3)
    draw(tab, (0.2, 0.5), (0.8, 0.5))
    expect(runs.first).to_contain_text("Map of edges: another one")
    tab.wait_for_timeout(1500)
    expect(runs).to_have_count(3)  # strokes have one place on the shelf


@pytest.mark.parametrize("size", [(1280, 720), (1366, 768), (390, 844)])
def test_pictures_follow_the_pen_in_the_same_view_and_clearing_clears_them(browser, address, size):
    page = browser.new_page(viewport=dict(zip(("width", "height"), size)))
    page.set_default_timeout(60_000)
    page.goto(f"{address}?tab=controlnet")
    finished(page)  # what the tab opens with
    page.locator("#controlnet-presets").get_by_role("button", name="Draw an emoji").click()
    finished(page, "2 pictures in")
    page.evaluate("scrollTo(0, 0)")
    board, first = (page.locator(f"#controlnet-{name}").first.bounding_box() for name in ("editor .board", "stage img"))
    foot = page.locator("#controlnet-run").bounding_box()["y"] if size[0] < 700 else size[1]
    for box in (board, first):
        assert box["y"] >= 0 and box["y"] + box["height"] <= foot
    before = pictures(page)
    page.mouse.move(board["x"] + 0.2 * board["width"], board["y"] + 0.2 * board["height"])
    page.mouse.down()
    page.mouse.move(board["x"] + 0.8 * board["width"], board["y"] + 0.3 * board["height"], steps=10)
    page.wait_for_function(CHANGED, arg=before)  # while the pen is down
    page.mouse.up()
    finished(page, "2 pictures in")
    page.get_by_role("button", name="Clear", exact=True).first.click()
    finished(page, "Draw a few lines")
    assert pictures(page) == []
    page.get_by_role("button", name="Undo").click()
    finished(page, "2 pictures in")
    assert len(pictures(page)) == 2
    page.close()


def test_an_empty_canvas_is_answered(tab):
    tab.get_by_role("button", name="Clear", exact=True).click()
    wait_until_lit(tab, 0, 0)
    for pixels in (64 * 64, 0):
        tab.get_by_role("button", name="Invert black and white").click()
        wait_until_lit(tab, pixels, pixels)
    tab.wait_for_timeout(500)
    tab.locator("#controlnet-run").click()
    finished(tab, "no map of edges")
    assert len(pictures(tab)) == 8, "what was there stays"


def test_an_uploaded_photograph_becomes_edges_and_a_text_file_is_refused(tab, tmp_path):
    before = tab.locator("#controlnet-editor canvas").get_attribute("data-src")
    bring(tab, "#controlnet-gallery", ASSETS / "images" / "chelsea.jpg")
    canvas = tab.locator("#controlnet-editor canvas")
    expect(canvas).not_to_have_attribute("data-src", before)
    wait_until_lit(tab, 21)
    photograph = lit(tab)
    slider = tab.locator("#controlnet-high input[type=range]")
    slider.evaluate("s => { s.value = 480; s.dispatchEvent(new Event('input', {bubbles: true})); }")
    wait_until_lit(tab, 0, photograph - 1)  # a higher threshold keeps fewer edges
    tab.get_by_label("Clear").last.click()
    (tmp_path / "notes.png").write_text("not a picture")
    bring(tab, "#controlnet-gallery", tmp_path / "notes.png")
    expect(note(tab).get_by_text("not a picture")).to_be_visible()


def test_a_stroke_that_ends_before_the_server_knows_the_one_before_is_not_lost(tab):
    tab.get_by_role("button", name="Clear", exact=True).first.click()
    wait_until_lit(tab, 0, 0)
    tab.wait_for_timeout(1000)  # that has been told
    strokes = []

    def hold(route):
        if "drawn" in (route.request.post_data or ""):
            strokes.append((route, route.request.post_data_json["event_data"]["drawn"]))
        else:
            route.continue_()

    tab.route("**/gradio_api/run/predict*", hold)
    for height in (0.2, 0.5, 0.8):
        draw(tab, (0.2, height), (0.8, height))
    for _ in range(100):
        tab.wait_for_timeout(100)
        if len(strokes) == 3:
            break
    whole = tab.locator("#controlnet-editor canvas").evaluate("canvas => canvas.toDataURL('image/png')")
    assert [drawn == whole for _, drawn in strokes] == [False, False, True]
    for route, _ in reversed(strokes):  # whichever way they arrive
        route.continue_()
    tab.wait_for_timeout(1500)
    assert tab.locator("#controlnet-editor canvas").evaluate("canvas => canvas.toDataURL('image/png')") == whole


def test_a_dragged_joint_moves_the_skeleton(tab):
    tab.get_by_role("button", name="Strike a pose").click()
    finished(tab)
    wrist = tab.locator("#controlnet-editor circle[data-joint='4']")
    wrist.scroll_into_view_if_needed()
    at, board = wrist.bounding_box(), tab.locator("#controlnet-editor .board").bounding_box()
    tab.mouse.move(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
    tab.mouse.down()
    tab.mouse.move(board["x"] + 0.1 * board["width"], board["y"] + 0.9 * board["height"], steps=8)
    tab.mouse.up()
    x, y = (float(wrist.get_attribute(name)) for name in ("cx", "cy"))
    assert abs(x - 100) < 15 and abs(y - 900) < 15
    tab.wait_for_timeout(800)
    set_strengths(tab, "1")
    tab.locator("#controlnet-run").click()
    finished(tab, "2 pictures in")


def test_stop_keeps_what_is_done(tab, address):
    tab.get_by_role("button", name="More ▼").click()
    fill(tab.get_by_label("number input for Steps").last, "50")
    tab.locator("#controlnet-run").click()
    stop_at(tab, address, "controlnet", r"8 pictures · [1-9]\d* of 400 calls")
    finished(tab, "Stopped.")
    assert len(pictures(tab)) == 8


def test_conflicting_windows_and_too_many_pictures_are_answered(tab):
    set_strengths(tab, ", ".join(str(i / 100) for i in range(100)))
    tab.locator("#controlnet-run").click()
    finished(tab, "200 pictures asked for; one run makes at most 64")
    tab.get_by_text("Start × end").click()
    fill(tab.locator("#controlnet-starts textarea, #controlnet-starts input"), "1")
    tab.locator("#controlnet-run").click()
    finished(tab, "No window is open")


@pytest.mark.same_page
@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_looks(tab, width, look):
    tab.evaluate(f"document.body.classList.toggle('dark', {str(look == 'dark').lower()})")
    tab.set_viewport_size({"width": width, "height": 900 if width > 700 else 844})
    tab.wait_for_timeout(700)
    assert tab.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, "nothing sticks out"
    keep(tab, f"controlnet-{width}-{look}")


@pytest.mark.same_page
def test_on_a_phone_the_film_has_the_place_of_stop_while_nothing_runs(tab):
    tab.set_viewport_size({"width": 390, "height": 844})
    dock, stop = tab.locator(".dock:has(#controlnet-run)"), tab.locator("#controlnet-stop")
    play = tab.locator("[data-reel-of=controlnet-stage] button")
    expect(play).to_be_visible()
    expect(stop).to_be_hidden()
    height = dock.bounding_box()["height"]
    tab.click("#controlnet-run")
    expect(stop).to_be_visible()
    expect(play).to_be_hidden()
    finished(tab)
    expect(stop).to_be_hidden()
    play.click()
    expect(tab.locator("#controlnet-stage .moves")).to_have_count(1)
    assert dock.bounding_box()["height"] == height
