"""The shelf: the last runs of a page, brought back, pinned beside the next, and in no other page."""

import pytest
from playwright.sync_api import expect

from lab.ui.shell.shelf import FILE
from tests.browser.conftest import fill, wait_for_address
from tests.browser.test_accessibility import violations

expect.set_options(timeout=60_000)  # two cores, perhaps busy

DIFFERENCES = [  # before, after, what is said
    ({"seed": ["Seed", "3"]}, {"seed": ["Seed", "4"]}, "Seed: 3 → 4"),
    ({"seed": ["Seed", "3"]}, {"seed": ["Seed", "3"]}, ""),
    (
        {"a": ["Seed", "3"], "b": ["Prompt", "x"], "c": ["Steps", "5"]},
        {"a": ["Seed", "4"], "b": ["Prompt", "y"], "c": ["Steps", "5"]},
        "Seed: 3 → 4; Prompt: x → y",
    ),
    ({}, {"group": ["Group", "Food"]}, "Group: none → Food"),
    ({"group": ["Group", "Food"]}, {}, "Group: Food → none"),
    (
        {"1": ["Lane 1", ["DDPM", "20 steps"]], "2": ["Lane 2", ["DDIM", "20 steps"]]},
        {"1": ["Lane 1", ["DDPM", "5 steps"]], "2": ["Lane 2", ["Euler", "5 steps"]]},
        "Lane 1, Lane 2: 20 steps → 5 steps; Lane 2: DDIM → Euler",
    ),
    ({}, {"1": ["Lane 1", ["DDPM", "20 steps"]]}, "Lane 1: none → DDPM, 20 steps"),
    ({"m": ["Map", {"picture": "a1"}]}, {"m": ["Map", {"picture": "b2"}]}, "Map: another one"),
    ({}, {"m": ["Map", {"picture": "b2"}]}, "Map: none → a picture"),
    (  # another room of a tab: its own controls are not those of the one before
        {"room": ["What", "The map"], "map_chart": ["Chart", "Draws"], "seed": ["Seed", "0"]},
        {"room": ["What", "The dial"], "dial_beta": ["β", "4"], "seed": ["Seed", "1"]},
        "What: The map → The dial; Seed: 0 → 1",
    ),
    ({"p": ["Prompt", "cat" * 30]}, {"p": ["Prompt", "cat" * 31]}, "Prompt: another text"),
]


def pictures(page, place):
    """The finished pictures at a place, by their bytes."""
    return page.locator(f"{place} img").evaluate_all("all => all.map((one) => one.src)")


def runs(page, tab):
    """What the shelf says of every run, newest first."""
    return [" ".join(text.split()) for text in page.locator(f"#{tab}-shelf li").all_inner_texts()]


def run(page, tab, expected):
    """Press Run and wait until the shelf begins so."""
    page.locator(f"#{tab}-run").click()
    expect(page.locator(f"#{tab}-shelf li").first).to_contain_text(expected, use_inner_text=True)


def opened(page, tab, title):
    page.get_by_role("tab", name=title).click()
    expect(page.locator(f"#{tab}-shelf li")).to_have_count(1)


def in_sight(page, *places):
    for place in places:
        box = page.locator(place).first.bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= page.viewport_size["height"], place


def test_what_differs_is_said_of_every_control(page):
    for before, after, said in DIFFERENCES:
        found = page.evaluate(
            f"async ([a, b]) => (await import(new URL('{FILE}', document.baseURI))).differences(a, b)", [before, after]
        )
        assert found == said


def test_a_run_comes_back_with_the_same_pictures_and_is_pinned_beside_the_next(page, browser, address):
    page.emulate_media(reduced_motion="reduce")
    page.set_viewport_size({"width": 1280, "height": 720})
    opened(page, "samplers", "Samplers")
    other = browser.new_page()
    other.set_default_timeout(60_000)
    other.goto(f"{address}?tab=samplers")
    expect(other.locator("#samplers-shelf li")).to_have_count(1)
    first, height = pictures(page, "#samplers-stage"), page.locator("#samplers-shelf").bounding_box()["height"]
    fill(page.locator("#samplers-seed input"), "4")
    run(page, "samplers", "Run 2 Seed: 11 → 4")
    second = pictures(page, "#samplers-stage")
    assert len(set(first) & set(second)) == 0
    assert page.locator("#samplers-shelf").bounding_box()["height"] == height

    page.get_by_role("button", name="Copy link of run 1").click()
    expect(page.locator("#samplers-shelf .shelf-said")).to_have_text("The link of run 1 is copied.")
    page.get_by_role("button", name="Bring back run 1").click()
    expect(page.locator("#samplers-shelf li").first).to_contain_text("Run 1")
    wait_for_address(page, "seed", 11)
    assert pictures(page, "#samplers-stage") == first and page.locator("#samplers-seed input").input_value() == "11"
    assert [text.split(" Bring")[0] for text in runs(page, "samplers")] == [
        "Run 1 · DDPM against DDIM Seed: 4 → 11",
        "Run 2 Seed: 11 → 4",
    ]

    page.get_by_role("button", name="Pin run 2").press("Enter")
    assert pictures(page, "#samplers-pinned") == second and pictures(page, "#samplers-stage") == first
    said = page.locator("#samplers-pinned p")
    expect(said).to_have_text("Run 2 is pinned, beside it is run 1. Seed: 4 → 11.")
    in_sight(page, *(f"#samplers-{place}" for place in ("pinned p", "pinned .pair", "stage .pair", "run", "replay")))
    assert violations(page) == []
    fill(page.locator("#samplers-steps input[type=number]"), "10")
    run(page, "samplers", "Run 3 Lane 1, Lane 2: 50 steps → 10 steps")
    expect(said).to_contain_text("beside it is run 3. Seed: 4 → 11; Lane 1, Lane 2: 50 steps → 10 steps.")
    assert pictures(page, "#samplers-pinned") == second

    page.locator("#samplers-prompt textarea").fill("no such thing")  # which is refused
    page.locator("#samplers-run").click()
    expect(page.locator("#samplers-note .refusal")).to_be_visible()
    expect(said).to_contain_text("beside it is run 3.")
    page.get_by_role("button", name="Present").click()  # where the stage is alone
    expect(page.locator("#samplers-pinned .pinned-run")).to_be_hidden()
    page.keyboard.press("Escape")
    page.locator("#samplers-pinned").get_by_role("button", name="Unpin run 2").press("Enter")
    expect(page.locator("#samplers-pinned")).to_be_hidden()
    expect(page.get_by_role("button", name="Pin run 2", exact=True)).to_be_focused()
    assert len(runs(page, "samplers")) == 3 and len(runs(other, "samplers")) == 1
    other.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_shelf_is_bounded_and_a_sweep_is_pinned_above_the_other(page, width):
    page.emulate_media(reduced_motion="reduce")
    opened(page, "guidance", "Guidance")
    page.set_viewport_size({"width": width, "height": 720 if width == 1280 else 844})
    page.locator("#guidance-presets").get_by_role("button", name="Perfect scores, too").click()
    expect(page.locator("#guidance-shelf li").first).to_contain_text("Prompt: red heart → cat", use_inner_text=True)
    first = pictures(page, "#guidance-stage")
    page.get_by_role("button", name="Pin run 2").click()
    for seed in range(10, 18):
        fill(page.locator("#guidance-seeds textarea"), str(seed))
        run(page, "guidance", f"→ {seed}")
    assert [text.split(" ")[1] for text in runs(page, "guidance")] == [str(number) for number in range(10, 2, -1)]
    assert pictures(page, "#guidance-pinned") == first, "what is pinned stays when it has left the shelf"
    expect(page.locator("#guidance-pinned p")).to_have_text(
        "Run 2 is pinned, beside it is run 10. Seeds: 1, 2, 3 → 17."
    )
    root = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert root[0] == root[1]
    if width == 1280:
        page.evaluate("scrollTo(0, 0)")
        in_sight(page, "#guidance-pinned .sweep", "#guidance-stage .sweep", "#guidance-run", "#guidance-replay")
    page.locator("#guidance-pinned").get_by_role("button", name="Bring back run 2").click()
    expect(page.locator("#guidance-pinned p")).to_contain_text("Nothing is set otherwise.")
    assert pictures(page, "#guidance-stage") == first
