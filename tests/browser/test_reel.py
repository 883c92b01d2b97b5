"""A finished run, scrubbed and played by the page itself."""

import pytest
from playwright.sync_api import expect

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
WATCH_JS = """() => {
  window.seen = [];
  const stage = document.querySelector('#samplers-stage'), began = performance.now();
  const look = () => {
    const reel = stage.querySelector('.reel');
    if (reel) window.seen.push([performance.now() - began, reel.dataset.reel, reel.classList.contains('waits') ? 'waits' : reel.dataset.at]);
    requestAnimationFrame(look);
  };
  look();
}"""


def opened(page, still=False):
    if still:
        page.emulate_media(reduced_motion="reduce")
    page.get_by_role("tab", name="Samplers").click()
    expect(page.locator("#samplers-note").get_by_text("2 pictures, 100 denoiser calls")).to_be_visible()
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_enabled()
    return page


def test_scrubbing_shows_every_position_as_its_own_and_asks_the_server_nothing(page):
    opened(page)
    requests = []
    page.on("request", lambda request: requests.append(request.url) if request.url.startswith("http") else None)
    forth = page.evaluate(SCRUB_JS.replace("PICTURE_JS", PICTURE_JS))
    again = page.evaluate(SCRUB_JS.replace("PICTURE_JS", PICTURE_JS))
    assert [url for url in requests if not url.endswith("/line")] == []  # the lab's own count of who waits
    assert forth == again and forth[-1] == {"foot": "call 50/50", "sum": -1}
    calls = [int(one["foot"].split()[1].split("/")[0]) for one in forth]
    # Of the cleanest level the slider has its last position, and there the picture is finished.
    assert calls == sorted(calls) and set(calls) == {*range(49), 50}
    by_call = {(call, one["sum"]) for call, one in zip(calls, forth, strict=True)}
    assert len(by_call) == len({one["sum"] for one in forth}) == 50, "each call has one x_t, and its own"


def test_a_preset_plays_from_noise_to_picture_and_escape_skips(page):
    opened(page)
    page.evaluate(WATCH_JS)
    page.get_by_role("button", name="DDPM against DDIM").click()
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    expect(page.locator("#samplers-scrub").get_by_text("Escape skips to the picture")).to_be_visible()
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    seen = page.evaluate("window.seen")
    film = [(at_ms, place) for at_ms, key, place in seen if key == seen[-1][1]]
    places = [int(place) for _, place in film if place not in ("waits", None)]
    assert places[0] < 10 and places[-1] == 200 and places == sorted(places), "no flash of the end before the film"
    page.get_by_role("button", name="Play", exact=True).click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible(timeout=1000)
    assert page.locator("#samplers-scrub input").input_value() == "200"


@pytest.mark.parametrize("size", [(1280, 720), (1366, 768)])
def test_pictures_run_play_and_slider_are_in_sight_together(page, size):
    page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
    opened(page, still=True)
    assert page.locator("#samplers-stage canvas").first.is_hidden(), "nothing plays by itself"
    page.evaluate("scrollTo(0, 0)")
    for place in ("#samplers-run", "#samplers-replay", "#samplers-scrub input", "#samplers-stage .pair >> nth=-1"):
        box = page.locator(place).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= size[1]
