"""Lessons: every step names what there is, and a walk through one tells what it should."""

import gradio as gr
import pytest

from lab.papers import PAPERS
from lab.requests.base import LabError
from lab.ui import TABS
from lab.ui.shell import heads, lessons
from lab.ui.tabs import samplers

TAUGHT = [pytest.param(tab, id=tab.name) for tab in TABS if tab.lesson]


def test_whatever_has_presets_has_a_lesson():
    assert [tab.name for tab in TABS if tab.lesson] == [tab.name for tab in TABS if tab.presets] != []


@pytest.mark.parametrize("tab", TAUGHT)
def test_a_lesson_has_three_to_six_steps_on_presets_that_are_there(tab):
    steps, presets = tab.lesson, tab.presets
    assert 3 <= len(steps) <= 6 and len({step.preset for step in steps}) == len(steps)
    for step in steps:
        assert step.preset in presets and step.ask.endswith("?") and step.look[-1] in ".?" and step.truth.endswith(".")
        assert step.wrong.keys() == set(range(len(step.answers))) - {step.right}
        assert all(
            said[0].islower() | said[0].isdigit() | (said[0] in "ᾱIDF") and said[-1] == "."
            for said in step.wrong.values()
        )
        assert 2 <= len(set(step.answers)) == len(step.answers) <= 4 and 0 <= step.right < len(step.answers)
    assert len({step.right for step in steps}) > 1 or len(steps[0].answers) == 2  # not always the same place


@pytest.mark.parametrize("tab", TAUGHT)
def test_the_head_names_papers_that_the_lab_lists(tab):
    html = heads.html(tab)
    assert tab.question in html and 'class="term"' in html
    for title in tab.papers:
        assert next(row.link for row in PAPERS if row.title == title) in html


@pytest.fixture
def lesson():
    with gr.Blocks(), gr.Tabs(), gr.Tab() as page:
        below = gr.HTML()
        lesson = lessons.head(samplers.TAB, page, samplers.TAB.presets)
    assert page.children[-1] is below and lesson.panel in page.children[:-1]
    return lesson


def test_a_lesson_leaves_out_steps_on_presets_that_are_not_there():
    with gr.Blocks(), gr.Tabs(), gr.Tab() as page:
        lesson = lessons.head(samplers.TAB, page, samplers.TAB.presets[:2])
    assert [step.preset for step in lesson.steps] == list(samplers.TAB.presets[:2])


def test_a_lesson_from_its_first_guess_to_its_score(lesson):
    place = lesson.on_toggle(lessons.Place())[lesson.place]
    assert place.opened
    for index, step in enumerate(lesson.steps):
        before = lesson._at(place)
        assert (
            step.ask.split()[0] in before[lesson.ask]
            and f"step {index + 1} of {len(lesson.steps)}" in before[lesson.ask]
        )
        assert before[lesson.next] == gr.update(interactive=False) and step.truth[:20] not in before[lesson.verdict]
        assert lesson.on_answer(place, 0) == gr.update(interactive=True)
        guess = step.right if index % 2 else (step.right + 1) % len(step.answers)
        update = lesson.on_show(place, guess)
        assert update[lesson.run] == f"samplers {step.preset}"
        assert ("You guessed right." in update[lesson.verdict]) == (index % 2 == 1)
        assert ("Not “" in update[lesson.verdict]) == (index % 2 == 0)
        assert ("data-covers" in before[lesson.ask]) == (index == 0) and "data-covers" not in update[lesson.ask]
        assert step.truth.split(".")[0].split("_")[0][:20] in update[lesson.verdict]
        assert lesson.on_show(update[lesson.place], 1 - guess)[lesson.place] == update[lesson.place]  # one guess counts
        place = update[lesson.place]
        assert update[lesson.next] == gr.update(interactive=index < len(lesson.steps) - 1)
        place = lesson.on_move(place, 1)[lesson.place]
    assert f"2 of {len(lesson.steps)} guessed right" in update[lesson.verdict]
    back = lesson.on_move(place, -1)
    assert back[lesson.place].step == len(lesson.steps) - 2 and back[lesson.show]["value"] == "Show it again"
    assert lesson.on_move(lessons.Place(), -1)[lesson.place].step == 0


@pytest.mark.parametrize("answer", [None, -1, 99, True, "0", 0.5, [0], {}])
def test_an_answer_that_is_none_is_answered(lesson, answer):
    assert lesson.on_answer(lessons.Place(), answer) == gr.update(interactive=False)
    with pytest.raises(LabError, match="Choose an answer"):
        lesson.on_show(lessons.Place(), answer)
