"""A finished run, scrubbed and played by the page itself."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import watch_requests

expect.set_options(timeout=60_000)

# One event of the slider in every frame; what is on the stage then, by position.
SCRUB_JS = """async () => {
  const slider = document.querySelector('#samplers-scrub input'), stage = document.querySelector('#samplers-stage');
  const seen = [];
  for (let position = 0; position <= 200; position += 1) {
    await new Promise(requestAnimationFrame);
    slider.value = position;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    seen.push(PICTURE_JS(stage));
  }
  return seen;
}"""
PICTURE_JS = """((stage) => {
  const canvas = stage.querySelector('.lane figure:first-of-type canvas');
  const at = getComputedStyle(canvas).display === 'none' ? -1 : canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  return {foot: stage.querySelector('.foot').textContent.split(' · ')[0], sum: at === -1 ? -1 : at.reduce((a, b, i) => (a * 31 + b * (i % 97)) % 1000003, 7)};
})"""
WATCH_JS = """(tab) => {
  window.seen = [];
  const stage = document.querySelector(`#${tab}-stage`), began = performance.now();
  const look = () => {
    const reel = stage.querySelector('.reel');
    if (reel) window.seen.push([performance.now() - began, reel.dataset.reel, reel.classList.contains('waits') ? 'waits' : reel.dataset.at]);
    requestAnimationFrame(look);
  };
  look();
}"""


SAYS = {  # when the run that a tab opens with has ended
    "samplers": ("Samplers", "2 pictures, 100 denoiser calls"),
    "guidance": ("Guidance", "16 pictures"),
    "controlnet": ("ControlNet", "8 pictures in"),
}


def opened(page, tab="samplers", still=False):
    if still:
        page.emulate_media(reduced_motion="reduce")
    title, words = SAYS[tab]
    page.get_by_role("tab", name=title).click()
    expect(page.locator(f"#{tab}-note").get_by_text(words)).to_be_visible()
    expect(page.locator(f"#{tab}-run")).to_be_enabled()
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_enabled()
    return page


@pytest.mark.same_page
def test_scrubbing_shows_every_position_as_its_own_and_asks_the_server_nothing(page):
    opened(page, still=True)
    requests = watch_requests(page)
    forth = page.evaluate(SCRUB_JS.replace("PICTURE_JS", PICTURE_JS))
    again = page.evaluate(SCRUB_JS.replace("PICTURE_JS", PICTURE_JS))
    assert not requests
    assert forth == again and forth[-1] == {"foot": "call 50/50", "sum": -1}
    calls = [int(one["foot"].split()[1].split("/")[0]) for one in forth]
    # Of the cleanest level the slider has its last position, and there the picture is finished.
    assert calls == sorted(calls) and set(calls) == {*range(49), 50}
    by_call = {(call, one["sum"]) for call, one in zip(calls, forth, strict=True)}
    assert len(by_call) == len({one["sum"] for one in forth}) == 50, "each call has one x_t, and its own"


@pytest.mark.parametrize(
    ("tab", "preset"),
    [("samplers", "DDPM against DDIM"), ("guidance", "From vague to burnt"), ("controlnet", "Draw an emoji")],
)
def test_a_preset_plays_from_noise_to_picture_and_escape_skips(page, tab, preset):
    opened(page, tab)
    page.evaluate(WATCH_JS, tab)
    page.get_by_role("button", name=preset).click()
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    expect(page.locator(f"#{tab}-scrub")).to_contain_text("Escape skips to the picture")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    seen = page.evaluate("window.seen")
    film = [(at_ms, place) for at_ms, key, place in seen if key == seen[-1][1]]
    places = [int(place) for _, place in film if place not in ("waits", None)]
    assert places[0] < 10 and places[-1] == 200 and places == sorted(places), "no flash of the end before the film"
    page.get_by_role("button", name="Play", exact=True).click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible(timeout=1000)
    assert page.locator(f"#{tab}-scrub input").input_value() == "200"


SIGHT = {  # what stands in one window with Run, Play and the slider
    "samplers": "#samplers-stage .pair >> nth=-1",
    "guidance": "#guidance-stage img >> nth=-1",
    "controlnet": "#controlnet-editor .board",
}


@pytest.mark.same_page
@pytest.mark.parametrize("tab", SIGHT)
def test_pictures_run_play_and_slider_are_in_sight_together(page, tab):
    opened(page, tab, still=True)
    assert page.locator(f"#{tab}-stage canvas").first.is_hidden(), "nothing plays by itself"
    for width, height in ((1280, 720), (1366, 768)):
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("scrollTo(0, 0)")
        for place in (f"#{tab}-run", f"#{tab}-replay", f"#{tab}-scrub input", SIGHT[tab]):
            box = page.locator(place).bounding_box()
            assert box["y"] >= 0 and box["y"] + box["height"] <= height and box["x"] + box["width"] <= width
            assert box["width"] >= 60, "wide enough to take hold of"


@pytest.mark.same_page
@pytest.mark.parametrize(
    ("tab", "cell", "enlarged"),
    [
        ("guidance", "button[data-key]", "#guidance-look .large img"),
        ("controlnet", "figure[data-key]", ".held-full img"),
    ],
)
def test_a_grid_is_scrubbed_without_a_request_and_its_pictures_open_all_the_same(page, tab, cell, enlarged):
    opened(page, tab, still=True)
    pictures, frames = page.locator(f"#{tab}-stage img"), page.locator(f"#{tab}-stage canvas:visible")
    expect(frames).to_have_count(0)
    requests = watch_requests(page)
    page.locator(f"#{tab}-scrub input").press("Home")
    expect(frames).to_have_count(pictures.count())
    page.locator(f"#{tab}-scrub input").press("End")
    expect(frames).to_have_count(0)
    assert not requests
    page.locator(f"#{tab}-scrub input").press("Home")
    first = page.locator(f"#{tab}-stage {cell}").first
    assert first.get_attribute("aria-label") and first.locator("img").get_attribute("alt")
    source = first.locator("img").get_attribute("src")
    first.click()
    expect(page.locator(enlarged)).to_have_attribute("src", source)
    page.keyboard.press("Escape")
