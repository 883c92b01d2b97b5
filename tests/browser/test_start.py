"""The first minute in a real browser: what moves, and where it leads."""

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import keep
from tests.browser.test_share import drop

expect.set_options(timeout=60_000)  # two cores, perhaps busy
PLACE = "frame => getComputedStyle(frame).backgroundPositionY"


def test_the_first_tab_moves_and_leads_into_the_lab(page):
    frame = page.locator(".start-film i").first
    expect(frame).to_be_visible()
    places = set()
    for _ in range(20):
        places.add(frame.evaluate(PLACE))
        page.wait_for_timeout(150)
    assert len(places) > 3
    page.get_by_role("button", name="Pause").click()
    still = frame.evaluate(PLACE)
    page.wait_for_timeout(700)
    assert frame.evaluate(PLACE) == still
    keep(page, "start")

    page.locator("#start-hero [data-through]").click()
    stage = page.locator("#samplers-stage")
    expect(stage).to_contain_text("not computed now")
    expect(stage.locator(".lane")).to_have_count(8)
    expect(stage).to_contain_text("nearest: unicorn")  # the replay has come to its end
    page.locator("#tab-samplers").get_by_role("button", name="Share and export").click()
    with page.expect_download() as saved:
        page.locator("#samplers-record").click()
        page.locator("#samplers-file a[download]").first.click()
    file = Path(saved.value.path()).read_bytes()

    page.get_by_role("tab", name="Start").click()
    page.get_by_role("button", name="Run live: ").click()
    expect(page.locator("#samplers-note")).to_contain_text("2 pictures, 100 denoiser calls")
    expect(stage).not_to_contain_text("not computed now")

    drop(page, file, "run.steps")
    expect(page.locator("#lab-door")).to_contain_text("a recording for the tab Samplers")
    page.locator("#lab-restore").click()
    expect(stage).to_contain_text("not computed now")
    expect(page.locator("#lab-door")).to_be_hidden()


def test_who_wants_less_motion_sees_the_pictures_and_may_play_them(browser, address):
    page = browser.new_page(viewport={"width": 390, "height": 844}, reduced_motion="reduce", color_scheme="dark")
    page.set_default_timeout(60_000)
    page.goto(address)
    frame = page.locator(".start-film i").first
    expect(frame).to_be_visible()
    assert frame.evaluate(PLACE) == "100%"
    page.locator("#start-hero [data-pause]").click()
    expect(page.locator("#start-hero [data-pause]")).to_have_text("Pause")
    assert frame.evaluate("frame => getComputedStyle(frame).animationName") == "start-film"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    keep(page, "start_390")
    page.close()
