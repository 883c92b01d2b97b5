"""What stands beneath a prompt: names while one types, words that a model never saw, the nearest names."""

from playwright.sync_api import expect

from lab.vocabulary import known, nearest, read_emoji, unknown_words
from tests.browser.conftest import fill

expect.set_options(timeout=60_000)  # two cores, perhaps busy
PROMPTS = (
    "pikachu",
    "red haert",
    "кот и pokémon",
    "❤ on 🐱",
    "🤮",
    "a photo of a dog",
    "aple pies",
    "a person in a yellow jumper",
)


def prompt_of(page, tab):
    """The prompt of a tab, once its words are here."""
    prompt = page.locator(f"#{tab}-prompt :is(input, textarea)")
    expect(prompt).to_be_visible()
    page.wait_for_function("window.labVocabulary")
    prompt.focus()
    page.wait_for_function(
        "performance.getEntriesByType('resource').some(one => /vocabulary-.*json/.test(one.name) && one.responseEnd)"
    )
    return prompt


def test_names_are_completed_by_keyboard_and_an_unknown_word_is_marked(page):
    page.get_by_role("tab", name="ControlNet").click()
    prompt, place = prompt_of(page, "controlnet"), page.locator("#controlnet-known")
    height = place.bounding_box()["height"]
    prompt.fill("")
    prompt.press_sequentially("red hea")
    expect(prompt).to_have_attribute("aria-expanded", "true")
    expect(place.get_by_role("option").first).to_have_text("red heart")
    prompt.press("ArrowDown")
    expect(prompt).to_have_attribute("aria-activedescendant", "controlnet-names-0")
    prompt.press("Enter")
    expect(prompt).to_have_value("red heart")
    expect(place.get_by_role("option").first).to_be_hidden()
    fill(prompt, "pikachu")
    expect(place.get_by_role("status")).to_have_text(
        f"“pikachu” is not among the {len(known())} things that it was trained on."
    )
    assert place.get_by_role("group").get_by_role("button").all_inner_texts() == nearest("pikachu")
    place.get_by_role("button", name=nearest("pikachu")[0], exact=True).click()
    expect(prompt).to_have_value(nearest("pikachu")[0])
    expect(place.get_by_role("status")).to_have_text("")
    assert place.bounding_box()["height"] == height


def test_names_in_a_refusal_and_a_drawn_caption_go_into_the_prompt(page):
    page.get_by_role("tab", name="Samplers").click()
    expect(page.locator("#samplers-note")).to_contain_text("2 pictures")
    prompt, note = prompt_of(page, "samplers"), page.locator("#samplers-note")
    fill(prompt, "red haert")
    page.locator("#samplers-run").click()
    expect(note).to_contain_text("Did you mean")
    assert note.get_by_role("button").all_inner_texts() == nearest("red haert")
    note.get_by_role("button", name="red heart", exact=True).click()
    expect(prompt).to_have_value("red heart")
    expect(prompt).to_be_focused()
    names = {one.name for one in known()}
    page.evaluate("Math.random = () => 0.5")
    page.locator("#samplers-known").get_by_role("button", name="Random caption").press("Enter")
    expect(prompt).not_to_have_value("red heart")
    assert prompt.input_value() in names
    expect(page.locator("#samplers-known").get_by_role("status")).to_have_text("")


def test_the_page_reads_prompts_as_the_lab_does(page):
    page.get_by_role("tab", name="Samplers").click()
    prompt, place = prompt_of(page, "samplers"), page.locator("#samplers-known")
    fill(prompt, "❤")
    expect(place.get_by_role("status")).to_have_text("❤ is read as red heart.")
    fill(prompt, "pikachu")
    expect(place.get_by_role("status")).to_have_text(f"“pikachu” is not among the {len(known())} drawings of its set.")
    names = [one.name for one in known()]
    here = "texts => texts.map(text => [labVocabulary.unknown(text), labVocabulary.nearest(text), labVocabulary.read(text)])"
    there = [[unknown_words(text), nearest(text), read_emoji(text)[0]] for text in PROMPTS]
    assert page.evaluate(here, list(PROMPTS)) == there
    assert (
        page.evaluate(
            "texts => texts.filter(text => labVocabulary.unknown(text).length || !labVocabulary.matches(text))", names
        )
        == []
    )
    assert page.evaluate("all => all.map(text => labVocabulary.read(text))", [one.emoji for one in known()]) == names
