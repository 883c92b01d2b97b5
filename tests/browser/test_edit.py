"""The Edit tab in a real browser: a painted mask, strokes that pictures follow, a picture that turns over, Stop, a link there and back."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import fill, keep, stop_at, stroke, wait_for_address

expect.set_options(timeout=90_000)  # two cores, perhaps busy


@pytest.fixture
def opens():
    return "?tab=edit"


@pytest.fixture
def tab(page):
    """The tab after its first run."""
    finished(page)
    return page


def finished(page, words="denoiser calls in"):
    """Wait for the end of a run that says `words`, and of its film."""
    expect(page.locator("#edit-note").get_by_text(words)).to_be_visible()
    expect(page.locator("#edit-run")).to_be_enabled()
    expect(page.locator("#edit-stop")).to_be_disabled()
    expect(page.locator("#edit-stage .reel:is(.waits, .moves)")).to_have_count(0)


def press(page, title, words="denoiser calls in"):
    key = page.locator("#edit-stage [data-reel]").get_attribute("data-reel")
    page.locator("#edit-presets").get_by_role("button", name=title, exact=True).click()
    expect(page.locator("#edit-presets [aria-pressed=true]")).to_have_text(title)
    expect(page.locator(f"#edit-stage [data-reel]:not([data-reel='{key}'])")).to_have_count(1)
    finished(page, words)


def choose(page, experiment):
    page.locator("#edit-experiment").get_by_text(experiment, exact=True).click()


def pictures(page):
    return page.locator("#edit-stage .edit img").evaluate_all("images => images.map(image => image.src)")


def changed(page, before):
    """Wait until other pictures stand in the place of each of these, and for the end of their run."""
    page.wait_for_function(
        "before => { const now = [...document.querySelectorAll('#edit-stage .edit img')].map(one => one.src);"
        " return now.length === before.length && now.every((src, i) => src !== before[i]); }",
        arg=before,
    )
    finished(page)


def paint(page, *corners):
    """A stroke through points given as fractions of the canvas."""
    stroke(page, "#edit-board .board", *corners)


@pytest.mark.same_page
def test_the_tab_opens_with_a_row_of_strengths(tab):
    press(tab, "How far up?")
    assert len(pictures(tab)) == 10
    rms = [float(text.split()[-1]) for text in tab.locator("#edit-stage .edit > small").all_inner_texts()]
    assert rms[0] < rms[2] < rms[4] and rms[5] < rms[7] < rms[9]
    expect(tab.locator("#edit-plot .js-plotly-plot")).to_be_visible()
    slider = tab.locator("#edit-scrub input")
    slider.evaluate("(one) => { one.value = 20; one.dispatchEvent(new Event('input', { bubbles: true })); }")
    expect(tab.locator("#edit-stage .moves")).to_have_count(1)
    expect(tab.locator("#edit-stage .edit > small").first).to_be_hidden()  # of noise nothing is said
    slider.evaluate("(one) => { one.value = one.max; one.dispatchEvent(new Event('input', { bubbles: true })); }")
    expect(tab.locator("#edit-stage .edit > small").first).to_be_visible()
    keep(tab, "edit")


def test_a_painted_hole_is_filled_and_an_empty_one_is_answered(tab):
    choose(tab, "Fill")
    expect(tab.locator("#edit-methods")).to_be_visible()
    for name in ("Nine channels", "RePaint", "Blending", "Exact posterior"):
        tab.get_by_label(name, exact=True).uncheck()
    tab.locator("#edit-run").click()
    finished(tab, "paint over")
    paint(tab, (0.3, 0.5), (0.7, 0.5), (0.7, 0.65), (0.3, 0.65))
    tab.wait_for_timeout(800)
    tab.locator("#edit-run").click()
    finished(tab, "2 pictures, 40 denoiser calls in")
    assert len(pictures(tab)) == 2
    expect(tab.locator("#edit-stage .head b")).to_have_text(["Replacement"])
    expect(tab.locator("#edit-stage .still img")).to_have_count(1)
    tab.locator("#edit-fill_chart").get_by_text("Diversity").click()
    expect(tab.locator("#edit-plot .ytitle")).to_have_text("RMS between seeds in the hole, of 255")


def test_pictures_follow_the_strokes(tab):
    press(tab, "A sketch becomes")
    before = pictures(tab)
    assert len(before) == 8
    paint(tab, (0.2, 0.2), (0.8, 0.2))
    changed(tab, before)
    shelf = tab.locator("#edit-shelf li")
    expect(shelf).to_have_count(3)
    before = pictures(tab)
    paint(tab, (0.2, 0.9), (0.8, 0.9))
    changed(tab, before)
    expect(shelf).to_have_count(3)  # strokes have one place there


def test_a_picture_of_two_views_turns_over(tab):
    press(tab, "Umbrella or sailboat")
    first = tab.locator("#edit-stage .edit[role=button]").first
    expect(first).to_have_attribute("aria-pressed", "false")
    tab.mouse.move(2, 2)
    turned = "one => getComputedStyle(one.querySelector('img')).transform"
    assert first.evaluate(turned) in ("none", "matrix(1, 0, 0, 1, 0, 0)")
    first.focus()
    tab.keyboard.press("Enter")
    expect(first).to_have_attribute("aria-pressed", "true")
    tab.wait_for_timeout(1500)
    assert first.evaluate(turned) == "matrix(1, 0, 0, -1, 0, 0)"
    tab.keyboard.press("Enter")
    tab.wait_for_timeout(1500)
    assert first.evaluate(turned) in ("none", "matrix(1, 0, 0, 1, 0, 0)")
    first.hover()
    tab.wait_for_timeout(1500)
    assert first.evaluate(turned) == "matrix(1, 0, 0, -1, 0, 0)"


def test_a_link_brings_the_run_with_its_mask_to_another_page(tab, browser):
    press(tab, "Only one agrees")
    wait_for_address(tab, "experiment", "fill")
    made = pictures(tab)
    other = browser.new_page(viewport={"width": 1440, "height": 1000})
    other.set_default_timeout(90_000)
    other.goto(tab.url)
    finished(other, "12 pictures")
    expect(other.locator("#edit-presets [aria-pressed=true]")).to_have_text("Only one agrees")
    assert pictures(other) == made
    other.close()


def test_stop_keeps_what_is_there(tab, address):
    tab.get_by_role("button", name="More ▼").click()
    fill(tab.get_by_label("number input for Steps").last, "100")
    fill(tab.get_by_label("number input for Seeds").last, "8")
    tab.locator("#edit-run").click()
    stop_at(tab, address, "edit", r"40 pictures · ([4-9]\d\d|1\d{3}) of 2400 denoiser calls")
    finished(tab, "Stopped.")
    assert len(pictures(tab)) == 40


@pytest.mark.same_page
def test_another_model_keeps_what_fits(tab):
    press(tab, "A bear in a panda")
    tab.get_by_role("button", name="More ▼").click()
    tab.locator("#edit-model input").click()
    tab.get_by_role("option", name="Miniature pixel diffusion").click()
    expect(tab.locator("#edit-second_group")).to_be_visible()
    expect(tab.locator("#edit-prompt")).to_be_hidden()
    expect(tab.locator("#edit-board .caption")).to_contain_text("32 × 32")
    tab.locator("#edit-run").click()
    finished(tab, "8 pictures")
    press(tab, "How far up?")
    expect(tab.locator("#edit-prompt")).to_be_visible()


@pytest.mark.same_page
@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 820, 390])
def test_looks(tab, width, look):
    tab.evaluate(f"document.body.classList.toggle('dark', {str(look == 'dark').lower()})")
    tab.set_viewport_size({"width": width, "height": 900 if width > 700 else 844})
    tab.wait_for_timeout(700)
    assert tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    keep(tab, f"edit-{width}-{look}")


@pytest.mark.parametrize("size", [(1280, 720), (1366, 768), (390, 844)])
def test_canvas_and_pictures_are_in_one_view(browser, address, size):
    page = browser.new_page(viewport=dict(zip(("width", "height"), size, strict=True)))
    page.set_default_timeout(90_000)
    page.goto(f"{address}?tab=edit")
    finished(page)
    page.evaluate("scrollTo(0, 0)")
    run = page.locator("#edit-run").bounding_box()
    foot = run["y"] if size[0] < 700 else size[1]
    assert run["y"] + run["height"] <= size[1]
    for part in ("#edit-board .board", "#edit-stage .edit"):
        box = page.locator(part).first.bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= foot, part
    page.close()
