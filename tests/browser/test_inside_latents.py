"""The room of latents in a real browser: presets, what is looked at enlarged, and sliders that move pictures without a request."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import keep, press_preset, watch_requests

expect.set_options(timeout=90_000)  # two cores, perhaps busy

PIXELS = "one => { const c = document.createElement('canvas'); c.width = one.naturalWidth || one.width; c.height = one.naturalHeight || one.height;" \
    " c.getContext('2d').drawImage(one, 0, 0); return c.toDataURL(); }"  # fmt: skip


@pytest.fixture
def opens():
    return "?tab=inside"


def press(page, title):
    expect(page.locator("#inside-stop")).to_be_disabled()
    press_preset(page, "inside", title)
    expect(page.locator(".latents-slider input")).to_be_enabled()
    expect(page.locator("#inside-run")).to_be_enabled()
    expect(page.locator("#inside-note").get_by_text("numbers for")).to_be_visible()
    expect(page.locator("[data-room=latents][data-ready]")).to_be_visible()


def drag(page, place):
    page.locator(".latents-slider input").evaluate(
        "(one, place) => { one.value = place; one.dispatchEvent(new Event('input', { bubbles: true })); }", place
    )


def pixels(page, selector):
    return page.locator(selector).first.evaluate(PIXELS)


@pytest.mark.same_page
def test_a_channel_is_looked_at_and_scaled_in_the_page(page):
    press(page, "Turn a channel off")
    off = page.get_by_role("button", name="Channel 3 off", exact=True)
    off.hover()
    expect(page.locator("[data-caption=look] b")).to_have_text("Channel 3 off")
    expect(page.locator("[data-caption=map] b")).to_have_text("Channel 3")
    assert pixels(page, "canvas[data-part=look]") == pixels(page, ".latents-cell[data-words='Channel 3 off'] img")
    page.get_by_role("button", name="Channel 1 alone", exact=True).focus()
    expect(page.locator("[data-caption=look] b")).to_have_text("Channel 1 alone")
    requests = watch_requests(page)
    slider = page.locator(".latents-slider input")
    slider.focus()
    first = pixels(page, "canvas[data-track='2']")
    for _ in range(9):
        page.keyboard.press("ArrowLeft")
    expect(page.locator(".latents-slider output")).to_have_text("×\u00a0−1")
    assert pixels(page, "canvas[data-track='2']") != first
    drag(page, 2)  # × 0: the channel is off
    assert pixels(page, "canvas[data-track='2']") == pixels(page, ".latents-cell[data-words='Channel 3 off'] img")
    numbers = [
        page.locator(f".latents-cell[data-words='Channel 3 {what}'] small").inner_text() for what in ("off", "scaled")
    ]
    assert numbers[0] == numbers[1] != ""
    assert not requests
    keep(page, "inside-latents-channels")


@pytest.mark.same_page
@pytest.mark.parametrize(("title", "tracks"), [("Halfway between two", 3), ("Equal noise, unequal loss", 2)])
def test_large_pictures_follow_the_slider_and_small_ones_lead_it(page, title, tracks):
    press(page, title)
    large = [f"canvas[data-part=track-{track}]" for track in range(tracks)]
    expect(page.locator(".latents-strip canvas")).to_have_count(tracks)
    before = [pixels(page, one) for one in large]
    drag(page, 0)
    assert all(pixels(page, one) != was for one, was in zip(large, before, strict=True))
    last = page.locator(".latents-row").last.locator(".latents-cell").last
    last.click()
    expect(last).to_have_attribute("data-now", "")
    assert pixels(page, large[-1]) == last.locator("img").evaluate(PIXELS)
    keep(page, f"inside-latents-{tracks}")


@pytest.mark.same_page
def test_draws_and_the_second_picture_that_they_do_not_need(page):
    press(page, "Halfway between two")
    expect(page.locator("#inside-second-examples")).to_be_visible()
    page.locator("#inside-latents_experiment").get_by_text("Draws", exact=True).click()
    expect(page.locator("#inside-second-examples")).to_be_hidden()
    page.locator("#inside-run").click()
    expect(page.locator(".latents[data-experiment=draws] .latents-cell img")).to_have_count(20)
    expect(page.locator("#inside-note").get_by_text("20 pictures")).to_be_visible()
    page.get_by_role("button", name="Draw 2, × 100", exact=True).focus()
    expect(page.locator("[data-caption=look] b")).to_have_text("Draw 2, × 100")


@pytest.mark.same_page
@pytest.mark.parametrize("size", [(1366, 768), (390, 844)])
@pytest.mark.parametrize("look", ["light", "dark"])
def test_looks(page, size, look):
    if not page.locator(".latents-cell").count():
        press(page, "Turn a channel off")
    page.evaluate(f"document.body.classList.toggle('dark', {str(look == 'dark').lower()})")
    page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    boxes = page.locator(".latents-cell").evaluate_all("all => all.map(one => one.getBoundingClientRect().right)")
    assert max(boxes) <= size[0]
    keep(page, f"inside-latents-{size[0]}-{look}")
