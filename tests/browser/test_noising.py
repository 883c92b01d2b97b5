"""The Forward noising tab in a real browser."""

import base64
import csv
import json
import re

import gradio as gr
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from lab.backends.local import LocalBackend
from lab.capsules.capsule import make, to_json
from lab.settings import ASSETS, Settings
from lab.ui.shell import media
from lab.ui.tabs.noising import charts, view
from lab.ui.tabs.noising import tab as noising
from tests.browser.conftest import bring, wait_for_address, watch_requests

expect.set_options(timeout=30_000)  # two cores, perhaps busy

PHOTO = ASSETS / "images" / "rocket.jpg"

# A new t in every frame, from one to another: how many of them x_t stood at in the next frame.
FRAMES_JS = """async ([from, to, count]) => {
  const slider = document.querySelector('#noising-t input[type=range]'), jump = document.querySelector('#noising-jump');
  let painted = 0;
  for (let i = 1; i <= count; i += 1) {
    const t = Math.round(from + (to - from) * i / count);
    slider.value = t;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    await new Promise(requestAnimationFrame);
    painted += jump.querySelector('canvas') && jump.querySelector('figcaption').textContent.includes(`t = ${t} `) ? 1 : 0;
  }
  return painted;
}"""
# The pictures and captions of the page at these t, without a rest.
PAINTED_JS = """async (ts) => {
  const slider = document.querySelector('#noising-t input[type=range]'), painted = [];
  for (const t of ts) {
    slider.value = t;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    await new Promise(requestAnimationFrame);
    painted.push([...document.querySelectorAll('#noising-jump, #noising-other')].filter((one) => one.querySelector('canvas')).map((one) => {
      const canvas = one.querySelector('canvas');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      let bytes = '';
      for (const byte of data) bytes += String.fromCharCode(byte);
      return { side: canvas.width, pixels: btoa(bytes), figures: one.querySelector('figcaption span').textContent };
    }));
  }
  return painted;
}"""


@pytest.fixture
def tab(page, request):
    """The tab with its first scene complete."""
    page.get_by_role("tab", name="Forward noising").click()
    expect(page.locator("#noising-film img").first).to_be_visible()
    if request.node.get_closest_marker("same_page") and page.evaluate("window.wasHere || !(window.wasHere = true)"):
        before = page.locator("#noising-chain").inner_text()
        away = ("Values turn normal", 600) if "600 small" not in before else ("Invisible, not lost", 620)
        for title, t in (away, ("Half gone", 260)):  # two presets, so that each is seen to be answered
            page.get_by_role("button", name=title).click()
            expect(page.locator("#noising-chain figcaption")).to_contain_text(f"{t} small steps")
            wait_for_address(page, "t", t)
        expect(caption(page)).to_contain_text("t = 260 ")
        expect(page.locator("#noising-other figure")).to_have_count(0)
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


@pytest.mark.same_page
def test_the_first_sight_is_a_picture_half_gone(tab):
    expect(caption(tab)).to_contain_text("t = 260 ")
    for name in ("jump", "chain", "recovered"):
        assert source(tab, name).startswith("data:image/")
    expect(tab.locator("#noising-chart .js-plotly-plot")).to_be_visible()
    assert tab.locator("#noising-film button").count() == 9


@pytest.mark.same_page
def test_a_drag_moves_all_pictures_and_keeps_their_places(tab):
    before = {name: source(tab, name) for name in ("jump", "chain", "recovered")}
    places = ("jump", "chain", "recovered", "film", "chart")
    expect(tab.locator("#noising-chart .main-svg").first).to_be_visible()  # drawn, and of its height
    boxes = [tab.locator(f"#noising-{name}").bounding_box() for name in places]
    drag(tab, 800)
    expect(tab.locator("#noising-chain figcaption")).to_contain_text("800 small steps")
    assert all(source(tab, name) != picture for name, picture in before.items())
    assert boxes == [tab.locator(f"#noising-{name}").bounding_box() for name in places]
    tab.locator("#noising-film button").nth(3).click()
    expect(caption(tab)).to_contain_text("t = 260 ")
    expect(tab.locator("#noising-jump canvas")).to_have_count(0)
    assert source(tab, "jump") == before["jump"]  # same seed, same picture


@pytest.mark.same_page
def test_every_frame_of_a_drag_is_painted_and_the_server_is_asked_once_t_rests(tab):
    drag(tab, 300)  # all is there
    expect(tab.locator("#noising-chain figcaption")).to_contain_text("300 small steps")
    wait_for_address(tab, "t", 300)
    requests = watch_requests(tab)
    assert tab.evaluate(FRAMES_JS, [300, 900, 120]) == 120
    assert not [url for url in requests if "/gradio_api/" in url]
    expect(tab.locator("#noising-chain figcaption")).to_contain_text("900 small steps")
    wait_for_address(tab, "t", 900)
    assert len([url for url in requests if "/gradio_api/" in url]) == 1
    tab.locator("#noising-t input[type=range]").focus()
    for _ in range(3):
        tab.keyboard.press("ArrowLeft")
    expect(caption(tab)).to_contain_text("t = 897 ")
    expect(tab.locator("#noising-chain figcaption")).to_contain_text("897 small steps")
    assert tab.locator("#noising-pictures[data-behind]").count() == 0


@pytest.mark.same_page
@pytest.mark.parametrize(
    "title", ["Linear against cosine", "Same log-SNR", "Detail drowns first", "Values turn normal"]
)
def test_what_the_page_draws_is_what_the_server_would(tab, title):
    with gr.Blocks():
        server = noising.Noising(LocalBackend(Settings()), Settings())
        server.lay_out()
    preset = next(one for one in noising.PRESETS if one.title == title)
    picture = next(one for one in media.examples() if one.path.stem == preset.subject)
    now = server.form.preset(preset) | {"subject": noising.Subject(media.open_picture(picture.path, Settings()))}
    tab.get_by_role("button", name=title).click()
    expect(caption(tab)).to_contain_text(f"t = {now['t']} ")
    ts = [0, 1, 2, 7, *range(30, 1000, 97), 998, 999, 1000]
    for t, shown in zip(ts, tab.evaluate(PAINTED_JS, [5, *ts])[1:], strict=True):
        processes = server._processes(now | {"t": t})
        assert len(shown) == len(processes)
        for one, process in zip(shown, processes, strict=True):
            pixels = np.frombuffer(base64.b64decode(one["pixels"]), np.uint8).reshape(one["side"], one["side"], 4)
            assert np.abs(pixels[..., :3].astype(int) - process.frame.x_t).max() <= 1
            assert (pixels[..., 3] == 255).all()  # what is not opaque has its colour, and nobody sees it
            assert one["figures"] == view.figures(process.frame)
    expect(tab.locator("#noising-chain figcaption")).to_contain_text("1000 small steps")
    drag(tab, 437)
    expect(tab.locator("#noising-chain figcaption")).to_contain_text("437 small steps")
    drawn = tab.locator("#noising-chart .js-plotly-plot").evaluate(
        "one => ({data: one.data, shapes: one.layout.shapes})"
    )
    figure = json.loads(charts.CHARTS[now["chart"]][1](server._processes(now | {"t": 437})).plot)
    for mine, theirs in zip(drawn["data"], figure["data"], strict=True):
        for axis in ("x", "y"):
            one, other = (np.array(trace[axis], float) for trace in (mine, theirs))
            assert np.allclose(one, other, rtol=1e-3, atol=5e-4, equal_nan=True), mine["name"]
        assert mine.get("marker", {}).get("symbol") == theirs.get("marker", {}).get("symbol")
    assert [one["x0"] for one in drawn["shapes"] or []] == [one["x0"] for one in figure["layout"].get("shapes", [])]


@pytest.mark.same_page
def test_an_answer_for_a_t_that_is_left_is_dropped(tab):
    drag(tab, 300)
    expect(tab.locator("#noising-chain figcaption")).to_contain_text("300 small steps")
    tab.evaluate("""() => {
      window.steps = [];
      const chain = document.querySelector('#noising-chain');
      window.watch = new MutationObserver(() => window.steps.push(chain.textContent.match(/\\d+/)[0]));
      window.watch.observe(chain, {subtree: true, childList: true, characterData: true, attributes: true});
    }""")
    late = []
    tab.route("**/gradio_api/run/predict*", lambda route: late.append(route), times=1)
    drag(tab, 800)
    for _ in range(100):
        tab.wait_for_timeout(100)
        if late:
            break
    drag(tab, 500)
    expect(tab.locator("#noising-pictures[data-behind]")).to_have_count(1)
    late[0].continue_()
    expect(tab.locator("#noising-chain figcaption")).to_contain_text("500 small steps")
    assert set(tab.evaluate("window.watch.disconnect(), window.steps")) == {"500"}


# What stands under x_t at each change of it, from now on.
CAPTIONS_JS = """() => {
  const jump = document.querySelector('#noising-jump');
  window.captions = [];
  window.watch = new MutationObserver(() => {
    const caption = jump.querySelector('figcaption span').textContent;
    if (caption !== window.captions.at(-1)) window.captions.push(caption);
  });
  window.watch.observe(jump, {subtree: true, childList: true, characterData: true});
}"""


def played(tab):
    """Every t that was shown while something played; nobody watches from then on."""
    return [int(re.search(r"t = (\d+)", one)[1]) for one in tab.evaluate("window.watch.disconnect(), window.captions")]


@pytest.mark.same_page
def test_play_runs_t_to_T_in_the_page_and_asks_the_server_once_it_is_there(tab):
    drag(tab, 0)
    expect(tab.locator("#noising-chain figcaption")).to_contain_text("0 small steps")
    wait_for_address(tab, "t", 0)
    calls = []
    tab.on("request", lambda one: calls.append(one.url) if "/gradio_api/" in one.url else None)
    tab.evaluate(CAPTIONS_JS)
    tab.click("#noising-play")
    expect(caption(tab)).to_contain_text(re.compile(r"t = [1-9]\d"))
    assert calls == [] and tab.locator("#noising-play").inner_text() == "Pause"
    expect(caption(tab)).to_contain_text("t = 1000 ")
    shown = played(tab)
    assert shown == sorted(shown) and len(shown) > 40  # in six seconds
    expect(tab.locator("#noising-chain figcaption")).to_contain_text("1000 small steps")
    expect(tab.locator("#noising-play")).to_have_text("Play")
    wait_for_address(tab, "t", 1000)
    assert len([url for url in calls if "/run/predict" in url or "/queue/join" in url]) == 1


@pytest.mark.same_page
@pytest.mark.parametrize("by", ["the button", "Escape", "a preset", "another schedule"])
def test_play_gives_way_to_whatever_is_done_next(tab, by):
    drag(tab, 0)
    tab.click("#noising-play")
    expect(caption(tab)).to_contain_text(re.compile(r"t = [1-9]\d"))
    if by == "the button":
        tab.click("#noising-play")
    elif by == "Escape":
        tab.keyboard.press("Escape")
    elif by == "a preset":
        tab.get_by_role("button", name="Values turn normal").click()
    else:
        tab.locator("#noising-schedule input").click()
        tab.get_by_role("option", name="Cosine").click()
    expect(tab.locator("#noising-play")).to_have_text("Play")
    t = 600 if by == "a preset" else int(tab.locator("#noising-t input[type=range]").input_value())
    expect(tab.locator("#noising-chain figcaption")).to_contain_text(f"{t} small steps")
    expect(caption(tab)).to_contain_text(f"t = {t} ")
    assert t < 1000
    wait_for_address(tab, "t", t)


@pytest.mark.same_page
def test_where_motion_is_not_wanted_play_shows_ten_stills(tab):
    tab.emulate_media(reduced_motion="reduce")
    drag(tab, 0)
    tab.evaluate(CAPTIONS_JS)
    tab.click("#noising-play")
    expect(caption(tab)).to_contain_text("t = 1000 ")
    assert set(played(tab)) <= set(range(0, 1001, 100))
    tab.emulate_media(reduced_motion="null")


@pytest.mark.same_page
def test_the_dice_draws_other_noise_at_once(tab):
    before = source(tab, "jump")
    tab.locator("#noising-seed").get_by_role("button", name="Random").click()
    expect(tab.locator("#noising-seed input")).not_to_have_value("0")
    expect(tab.locator("#noising-jump img")).not_to_have_attribute("src", before)
    wait_for_address(tab, "seed", int(tab.locator("#noising-seed input").input_value()))


@pytest.mark.same_page
def test_an_uploaded_photograph_takes_the_place_of_the_example(tab):
    before = source(tab, "jump")
    bring(tab, "#noising-examples", PHOTO)
    expect(tab.locator("#noising-note")).to_contain_text("342 × 342 of 512 × 342")
    expect(tab.locator("#noising-jump img")).not_to_have_attribute("src", before)
    pressed, mine = tab.locator("#noising-examples button[aria-pressed=true]"), tab.locator("#noising-examples .mine")
    expect(pressed).to_have_attribute("aria-label", "Your own picture")
    assert source(tab, "jump").startswith("data:image/jpeg")  # 256 px, and not the 64 of before
    tab.get_by_role("button", name="Half gone").click()
    expect(pressed).to_have_attribute("aria-label", "Fox, 3D")
    expect(mine).to_have_attribute("aria-pressed", "false")  # one of the examples from now on
    mine.click()
    expect(tab.locator("#noising-note")).to_contain_text("342 × 342 of 512 × 342")
    expect(mine).to_have_attribute("aria-pressed", "true")


GIVE_JS = """async ([selector, kind, bytes]) => {
  const content = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0)), transfer = new DataTransfer();
  transfer.items.add(new File([content], 'mine.png', {type: 'image/png'}));
  const event = kind === 'paste' ? new ClipboardEvent(kind, {bubbles: true, cancelable: true, clipboardData: transfer})
    : new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: transfer});
  document.querySelector(selector).dispatchEvent(event);
}"""


def give(tab, selector, kind, path):
    """Drop or paste a picture on an element."""
    tab.evaluate(GIVE_JS, [selector, kind, base64.b64encode(path.read_bytes()).decode()])


def test_a_picture_is_dropped_pasted_or_taken_and_one_with_settings_opens_them(tab, tmp_path):
    mine = tab.locator("#noising-examples .mine")
    for kind, side in (("drop", 90), ("paste", 80)):
        Image.new("RGB", (100, side), "red").save(tmp_path / "mine.png")
        give(tab, "#noising-jump", kind, tmp_path / "mine.png")
        expect(tab.locator("#noising-note")).to_contain_text(f"{side} × {side} of 100 × {side}")
        expect(mine).to_have_attribute("aria-pressed", "true")
    tab.click("#noising-examples [data-bring=camera]")
    tab.get_by_role("button", name="Take picture").click()
    expect(tab.locator("#noising-note")).to_contain_text("480 × 480 of 640 × 480")  # of Chromium's own camera
    expect(tab.locator("dialog.camera")).to_have_count(0)
    media.save_png(np.zeros((64, 64, 3), np.uint8), tmp_path / "made.png", to_json(make("noising", {"t": 123})))
    give(tab, "#noising-jump", "drop", tmp_path / "made.png")
    expect(tab.get_by_text("This file holds a run of the tab Forward noising").first).to_be_visible()
    expect(tab.locator("#noising-note")).to_contain_text("480 × 480")
    give(tab, "#noising-examples .gallery", "drop", tmp_path / "made.png")  # there it is to be one of the pictures
    expect(tab.locator("#noising-note")).not_to_contain_text("480 × 480")


@pytest.mark.same_page
def test_of_two_pictures_the_one_that_was_chosen_last_is_shown(tab, tmp_path):
    """However long the first one takes to arrive."""
    uploads, waiting = re.compile(r"/upload\b"), []
    tab.route(uploads, lambda route: waiting.append(route))
    for side in (90, 80):
        Image.new("RGB", (100, side), "red").save(tmp_path / "mine.png")
        with tab.expect_request(uploads):
            give(tab, "#noising-jump", "drop", tmp_path / "mine.png")
    while len(waiting) < 2:
        tab.wait_for_timeout(20)
    for late in reversed(waiting):
        with tab.expect_response(uploads):
            late.continue_()
        expect(tab.locator("#noising-note")).to_contain_text("80 × 80 of 100 × 80")
    tab.unroute(uploads)
    tab.wait_for_timeout(300)  # for an answer to the one that came too late
    expect(tab.locator("#noising-note")).to_contain_text("80 × 80 of 100 × 80")


@pytest.mark.same_page
def test_a_text_file_is_refused_in_words_and_the_picture_stays(tab, tmp_path):
    before = source(tab, "jump")
    (tmp_path / "holiday.png").write_text("not a picture")
    bring(tab, "#noising-examples", tmp_path / "holiday.png")
    expect(tab.locator("#noising-note")).to_contain_text("not a picture")
    assert source(tab, "jump") == before


@pytest.mark.same_page
def test_T_below_10_is_refused_in_words_and_mended(tab):
    tab.fill("#noising-T input", "5")
    tab.press("#noising-T input", "Enter")
    expect(tab.locator("#noising-note")).to_contain_text("T must be at least 10.")
    tab.fill("#noising-T input", "4000")
    tab.press("#noising-T input", "Enter")
    expect(tab.locator("#noising-note")).not_to_contain_text("at least 10")
    drag(tab, 3500)
    expect(tab.locator("#noising-chain figcaption")).to_contain_text("3500 small steps")
    tab.locator("#noising-T input").focus()
    calls = watch_requests(tab)
    tab.locator("#noising-T input").blur()  # nothing was typed, so there is nothing to ask
    tab.wait_for_timeout(100)
    assert not [url for url in calls if "/gradio_api/" in url]


@pytest.mark.same_page
def test_presets_compare_two_schedules_side_by_side(tab):
    tab.get_by_role("button", name="Linear against cosine").click()
    expect(tab.locator("#noising-other figcaption")).to_contain_text("Cosine")
    expect(caption(tab)).to_contain_text("t = 500 ")
    left, right = (tab.locator(f"#noising-{name} .box").bounding_box() for name in ("jump", "other"))
    assert abs(left["width"] - right["width"]) < 2
    assert left["y"] == right["y"]


@pytest.mark.same_page
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


def test_the_frame_is_a_file_and_the_chart_a_table_and_a_file(tab):
    """Both of the chart say what the closed form of the schedule says: alpha-bar after every tenth of its steps, and log-SNR there."""
    tab.get_by_text("The curves as a table").click()
    cells = tab.locator("#noising-chart-table tr")
    expect(cells.first).to_have_text("curvetsignal left, ᾱlog-SNR, base e")
    tab.get_by_text("Export").click()
    tab.click("#noising-png")
    expect(tab.locator("#noising-file")).to_contain_text(".png")
    with tab.expect_download() as download:
        tab.click("#noising-csv")
    with open(download.value.path(), encoding="utf-8-sig", newline="") as file:
        head, *rows = csv.reader(file)
    assert download.value.suggested_filename == "noising-chart.csv"
    table = cells.evaluate_all("rows => rows.map(row => [...row.cells].map(cell => cell.textContent))")
    assert table == [head, *rows]
    alpha_bar = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    bars = {int(t): float(bar) for curve, t, bar, _ in rows if curve == "Linear"}
    levels = {int(t): float(level) for curve, t, _, level in rows if curve == "Linear, log-SNR"}
    assert len(bars) == 101
    for t in range(10, 1001, 10):
        a = alpha_bar[t - 1]
        assert bars[t] == pytest.approx(a, rel=1e-4) and levels[t] == pytest.approx(
            np.log(a / (1 - a)), rel=1e-4, abs=1e-4
        )


@pytest.mark.same_page
def test_on_a_phone_the_picture_comes_first_and_nothing_overflows(tab):
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.wait_for_timeout(500)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    picture, schedule = (tab.locator(name).bounding_box() for name in ("#noising-jump .box", "#noising-schedule"))
    assert picture["width"] > 340
    dock = tab.locator(".dock:has(#noising-t)").bounding_box()
    assert picture["y"] + picture["height"] <= dock["y"] < schedule["y"]  # x_t and its slider in one view


@pytest.mark.same_page
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
