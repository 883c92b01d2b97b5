"""The room of the dial in a real browser: columns, sliders that move a picture without a request, a link that holds beta."""

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from lab.models.families import read_family
from lab.settings import ASSETS
from tests.browser.conftest import keep, press_preset, wait_for_address, watch_requests

expect.set_options(timeout=90_000)  # two cores, perhaps busy


@pytest.fixture
def opens():
    return "?tab=inside"


def press(page, title):
    expect(page.locator("#inside-stop")).to_be_disabled()
    press_preset(page, "inside", title)
    expect(page.locator(".dial-bars ol")).to_have_count(6)
    expect(page.locator("#inside-note").get_by_text("measured under each")).to_be_visible()
    expect(page.locator("#inside-run")).to_be_enabled()


def filled(page, beta, start):
    expect(page.locator(f".dial-rows[data-filled='{beta} {start}']")).to_have_count(1)


def pixels(page, selector):
    """What a canvas shows, (height, width, 3)."""
    width, values = page.locator(selector).first.evaluate(
        "one => [one.width, [...one.getContext('2d').getImageData(0, 0, one.width, one.height).data]]"
    )
    return np.array(values, np.uint8).reshape(-1, width, 4)[..., :3].astype(int)


def slide(page, selector, value):
    page.locator(selector).evaluate(
        "(one, value) => { one.value = value; one.dispatchEvent(new Event('input', { bubbles: true })); }", value
    )


def test_what_the_room_before_still_waits_for_does_not_disturb_the_next(page, address):
    """The map's decoders come once the dial has the stage."""
    held = []
    page.route("**/inside-weights/*/map/*", lambda route: held.append(route))
    page.goto(f"{address}?tab=inside")
    expect(page.locator("[data-room=map][data-ready]")).to_be_visible()
    for _ in range(100):
        if len(held) == 2:  # one a plane
            break
        page.wait_for_timeout(100)
    assert len(held) == 2
    press(page, "One slider, one thing")
    for route in held:
        route.continue_()
    page.unroute_all(behavior="ignoreErrors")
    page.wait_for_timeout(500)  # an error would be on the console, which stays silent
    expect(page.locator(".dial-rows tbody tr")).to_have_count(4)


def test_sliders_move_the_picture_as_the_network_decodes_and_ask_for_nothing(page):
    press(page, "One slider, one thing")
    filled(page, 16, 1)
    expect(page.locator(".dial-rows tbody tr")).to_have_count(4)
    expect(page.locator(".dial-said")).to_contain_text("4 sliders, 6 dead latents have none")
    requests = watch_requests(page)
    sliders = page.locator(".dial-strip input")
    names = [int(one.get_attribute("data-latent")) for one in sliders.all()]
    before = pixels(page, ".dial-live canvas")
    sliders.nth(0).focus()
    page.keyboard.press("Home")
    slide(page, f".dial-strip input[data-latent='{names[3]}']", 1.2)
    assert sliders.nth(0).input_value() == "-1.8"
    shown = pixels(page, ".dial-live canvas")
    assert np.abs(shown - before).max() > 20 and not requests
    # the code of the page, decoded by the network itself
    data = page.locator("[data-room=dial]").evaluate("one => JSON.parse(one.dataset.dial)")
    column = next(one for one in data["columns"] if one["beta"] == 16)
    code = np.array(column["means"][1])
    code[names[0]], code[names[3]] = -1.8, 1.2
    family = read_family(ASSETS / "models" / "beta-shapes")
    decoded = family.decode("shapes-16", torch.tensor(code)[None].float())[0]
    wanted = ((decoded.clamp(-1, 1) + 1) * 127.5).permute(1, 2, 0).numpy()
    assert np.abs(shown - wanted).max() < 3  # float16 weights
    row = pixels(page, ".dial-strip canvas")  # of the heaviest latent: at -1.8, the others as the picture has them
    code = np.array(column["means"][1])
    code[names[0]] = -1.8
    decoded = family.decode("shapes-16", torch.tensor(code)[None].float())[0]
    assert np.abs(row[:, :32] - ((decoded.clamp(-1, 1) + 1) * 127.5).permute(1, 2, 0).numpy()).max() < 3
    page.get_by_role("button", name="Back to the picture").click()
    np.testing.assert_array_equal(pixels(page, ".dial-live canvas"), before)
    assert not requests
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    keep(page, "inside-dial")


def test_beta_snaps_to_a_network_and_the_link_holds_it(page, address):
    press(page, "Latents die")
    filled(page, 1, 1)
    expect(page.locator(".dial-rows tbody tr")).to_have_count(10)
    dial = page.get_by_label("Beta of the network that is walked")
    dial.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    filled(page, 4, 1)
    expect(dial).to_have_attribute("aria-valuetext", "beta 4")
    expect(page.locator(".dial-head [aria-pressed=true]")).to_have_text("β = 4")
    expect(page.locator(".dial-rows tbody tr")).to_have_count(4)
    page.get_by_role("button", name="Walk under beta 2").click()
    filled(page, 2, 1)
    page.locator(".dial-originals button").nth(2).click()
    filled(page, 2, 2)
    wait_for_address(page, "dial_beta", 2)
    expect(page.locator("#tab-inside .stage.earlier")).to_have_count(0)  # nothing of it waits for a run
    page.goto(page.url)
    expect(page.locator(".dial-bars ol")).to_have_count(6)
    filled(page, 2, 1)


def test_charts_of_a_run_are_chosen_without_another(page):
    press(page, "The price of a drawing")
    filled(page, 4, 0)
    expect(page.locator("#inside-plot .xtitle")).to_have_text("rate: KL of all latents, nats")
    page.locator("#inside-dial_chart").get_by_text("Disentanglement", exact=True).click()
    expect(page.locator("#inside-plot .annotation")).to_have_text(
        "Nobody knows the factors of the drawings. Choose Shapes."
    )
    page.locator("#inside-dial_chart").get_by_text("KL by latent", exact=True).click()
    expect(page.locator("#inside-plot .ytitle")).to_have_text("KL, nats")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    keep(page, "inside-dial-phone")
