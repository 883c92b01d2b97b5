"""A lesson, the lecture hall and the phone, in a real browser."""

from playwright.sync_api import expect

from lab.ui import TABS
from lab.ui.tabs.noising.lesson import LESSON
from tests.browser.conftest import keep

expect.set_options(timeout=60_000)  # two cores, perhaps busy
TOOLS = [tab.title for tab in TABS if tab.presets]


def test_a_lesson_is_walked_to_its_end(page):
    page.get_by_role("tab", name="Forward noising").click()
    expect(page.locator("#noising-film img").first).to_be_visible()
    page.locator("#noising-lesson-open").click()
    panel, show = page.locator("#noising-lesson"), page.locator("#noising-lesson-show")
    for index, step in enumerate(LESSON):
        expect(panel).to_contain_text(f"step {index + 1} of {len(LESSON)}")
        expect(show).to_be_disabled()
        expect(panel.locator("label")).to_have_text(list(step.answers))  # its own answers, none of an earlier step's
        expect(panel.locator("input:checked")).to_have_count(0)
        panel.get_by_text(step.answers[step.right], exact=True).click()
        show.click()
        expect(page.locator("#noising-lesson-told")).to_contain_text("You guessed right.")
        chosen = page.locator("#noising-presets").get_by_role("button", name=step.preset, exact=True)
        expect(chosen).to_be_visible()
        if index < len(LESSON) - 1:
            page.locator("#noising-lesson-next").click()
    expect(page.locator("#noising-jump figcaption")).to_contain_text("t = 1000 ")  # of the last step's preset
    expect(page.locator("#noising-lesson-told")).to_contain_text("4 of 4 guessed right")
    keep(page, "lesson")


def test_on_stage_there_are_pictures_and_one_control(page):
    page.get_by_role("tab", name="Samplers").click()
    expect(page.locator("#samplers-note")).to_contain_text("2 pictures, ")
    page.locator("#tab-samplers").get_by_label("Prompt").press("p")  # while writing it is a letter
    expect(page.get_by_role("tab", name="Samplers")).to_be_visible()
    expect(page.locator("#samplers-run")).to_be_enabled()
    page.locator("#samplers-run").focus()
    page.keyboard.press("p")
    expect(page.get_by_role("tab", name="Samplers")).to_be_hidden()
    for hidden in ("#samplers-presets", "#samplers-replay", "#samplers-lesson-open"):
        expect(page.locator(hidden)).to_be_hidden()
    stage, run = page.locator("#samplers-stage").bounding_box(), page.locator("#samplers-run").bounding_box()
    assert stage["width"] > 800 and stage["y"] + stage["height"] <= run["y"] and run["y"] + run["height"] <= 1000
    page.locator("#samplers-run").click()
    expect(page.locator("#samplers-run")).to_be_enabled()
    keep(page, "stage")
    page.keyboard.press("Escape")
    expect(page.get_by_role("tab", name="Samplers")).to_be_visible()
    expect(page.locator("#samplers-presets")).to_be_visible()


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
