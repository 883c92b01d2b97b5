"""A lesson, the lecture hall and the phone, in a real browser."""

import pytest
from playwright.sync_api import expect

from lab.ui import TABS
from lab.ui.tabs.noising.lesson import LESSON
from tests.browser.conftest import keep, wait_for_address

expect.set_options(timeout=60_000)  # two cores, perhaps busy
BEFORE = "head => getComputedStyle(head, '::before').content.replaceAll(/[\" ]/g, '').replace('redheart', 'red heart')"
ABOVE_RUN = """() => {
  const box = (id) => document.getElementById(id).getBoundingClientRect();
  return box("guidance-stage").bottom <= box("guidance-run").top;
}"""
TOOLS = [tab.title for tab in TABS if tab.presets]


@pytest.mark.same_page
def test_a_lesson_is_walked_to_its_end(page):
    page.get_by_role("tab", name="Forward noising").click()
    expect(page.locator("#noising-film img").first).to_be_visible()
    page.locator("#noising-lesson-open").click()
    panel, show = page.locator("#noising-lesson"), page.locator("#noising-lesson-show")
    for index, step in enumerate(LESSON):
        expect(panel).to_contain_text(f"step {index + 1} of {len(LESSON)}")
        covered = page.locator("#noising-jump")  # what a tab opens with is the answer to the first question
        expect(covered).to_be_visible(visible=index > 0)
        expect(show).to_be_disabled()
        expect(panel.locator("label")).to_have_text(list(step.answers))  # its own answers, none of an earlier step's
        expect(panel.locator("input:checked")).to_have_count(0)
        panel.get_by_text(step.answers[step.right], exact=True).click()
        show.click()
        expect(covered).to_be_visible()
        expect(page.locator("#noising-lesson-told")).to_contain_text("You guessed right.")
        chosen = page.locator("#noising-presets").get_by_role("button", name=step.preset, exact=True)
        expect(chosen).to_be_visible()
        if index < len(LESSON) - 1:
            page.locator("#noising-lesson-next").click()
    expect(page.locator("#noising-jump figcaption")).to_contain_text("t = 1000 ")  # of the last step's preset
    expect(page.locator("#noising-lesson-told")).to_contain_text("4 of 4 guessed right")
    keep(page, "lesson")


@pytest.mark.same_page
def test_on_stage_there_are_pictures_run_and_replay(page):
    page.get_by_role("tab", name="Samplers").click()
    expect(page.locator("#samplers-note")).to_contain_text("2 pictures, ")
    page.locator("#tab-samplers").get_by_role("textbox", name="Prompt").press("p")  # while writing it is a letter
    expect(page.get_by_role("tab", name="Samplers")).to_be_visible()
    expect(page.locator("#samplers-run")).to_be_enabled()
    page.locator("#samplers-run").focus()
    page.keyboard.press("p")
    expect(page.get_by_role("tab", name="Samplers")).to_be_hidden()
    for hidden in ("#samplers-presets", "#samplers-lesson-open"):
        expect(page.locator(hidden)).to_be_hidden()
    for shown in ("#samplers-replay", "#samplers-scrub input"):
        expect(page.locator(shown)).to_be_visible()
    stage, run = page.locator("#samplers-stage").bounding_box(), page.locator("#samplers-run").bounding_box()
    assert stage["width"] > 800 and stage["y"] + stage["height"] <= run["y"] and run["y"] + run["height"] <= 1000
    page.locator("#samplers-run").click()
    expect(page.locator("#samplers-run")).to_be_enabled()
    keep(page, "stage")
    page.keyboard.press("Escape")
    expect(page.get_by_role("tab", name="Samplers")).to_be_visible()
    expect(page.locator("#samplers-presets")).to_be_visible()


@pytest.mark.same_page
def test_on_stage_the_prompt_is_read_and_arrow_keys_go_through_the_presets(page):
    page.get_by_role("tab", name="Guidance").click()
    expect(page.locator("#guidance-note")).to_contain_text("pictures")
    page.keyboard.press("p")
    title = page.locator(".presenter [data-preset]")
    presets = page.locator("#guidance-presets button").all_text_contents()
    expect(title).to_have_text(presets[0])
    assert page.locator("#tab-guidance .lab-head h2").evaluate(BEFORE) == "“red heart”"
    for key, index in (("ArrowRight", 1), ("ArrowLeft", 0), ("ArrowLeft", len(presets) - 1)):
        page.keyboard.press(key)
        expect(title).to_have_text(presets[index])
    page.wait_for_function(ABOVE_RUN)  # fitted once the pictures of the last preset are there
    page.keyboard.press("p")
    expect(page.locator(".presenter")).to_be_hidden()


def test_on_stage_the_map_stands_beside_one_picture(page):
    page.set_viewport_size({"width": 1280, "height": 720})
    page.get_by_role("tab", name="ControlNet").click()
    expect(page.locator("#controlnet-note")).to_contain_text("8 pictures in")
    page.keyboard.press("p")
    page.get_by_role("button", name="Map beside").click()
    shown = page.locator("#controlnet-stage figure:visible")
    expect(shown).to_have_count(1)
    board, picture = page.locator("#controlnet-editor .board").bounding_box(), shown.bounding_box()
    for box in (board, picture):
        assert (
            box["height"] >= 0.6 * 720
            and box["y"] + box["height"] <= page.locator("#controlnet-run").bounding_box()["y"] + 1
        )
    assert board["x"] + board["width"] < picture["x"]
    keep(page, "stage-board")


def test_the_header_has_a_way_past_it_and_remembers_look_and_keys(browser, address):
    visitor = browser.new_context(viewport={"width": 1280, "height": 720})
    page = visitor.new_page()
    page.goto(address)
    expect(page.locator(".lab-skip")).to_be_attached()
    page.keyboard.press("Tab")
    expect(page.locator(".lab-skip")).to_be_focused()
    page.get_by_role("tab", name="Samplers").click()
    page.locator(".lab-skip").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#tab-samplers .stage")).to_be_focused()
    page.get_by_role("button", name="Dark").click()
    page.get_by_text("Keys", exact=True).click()
    page.get_by_label("P is a key of the lab").uncheck()
    page = visitor.new_page()
    page.goto(f"{address}?tab=samplers")
    expect(page.get_by_role("button", name="Light", exact=True)).to_be_visible()
    assert page.evaluate("document.body.classList.contains('dark')")
    page.keyboard.press("p")
    expect(page.get_by_role("tab", name="Samplers")).to_be_visible()
    page.get_by_role("button", name="Light", exact=True).click()
    assert not page.evaluate("document.body.classList.contains('dark')")
    visitor.close()


def test_a_seed_is_drawn_in_the_page_and_enter_runs(page):
    page.get_by_role("tab", name="Samplers").click()
    expect(page.locator("#samplers-note")).to_contain_text("2 pictures, ")
    seed = page.locator("#samplers-seed input")
    page.locator("#samplers-seed").get_by_role("button", name="Random").click()
    expect(seed).not_to_have_value("0")
    value = int(seed.input_value())
    seed.press("Enter")
    wait_for_address(page, "seed", value)


def test_on_a_phone_run_is_at_hand_and_nothing_is_wider_than_the_screen(browser, address):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.set_default_timeout(60_000)
    page.goto(address)
    expect(page.locator(".start-film")).to_be_visible()
    for title in TOOLS:
        page.get_by_role("button", name=f"Open {title}").click()
        go = page.locator(".dock:visible .lab-go").first
        expect(go).to_be_visible()
        for scrolled in (0, 900):
            page.evaluate("down => scrollTo(0, down)", scrolled)
            box = go.bounding_box()
            assert box["y"] > 400 and box["y"] + box["height"] <= 844, title
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, title
        page.evaluate("scrollTo(0, 0)")
        page.locator(".tabbar-open").click()
        page.get_by_role("tab", name="Start").click()
    page.close()
