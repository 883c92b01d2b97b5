"""Guided lessons: a question, a guess, the tab's own preset that shows the answer, then the answer in words.

Each step names a preset of its tab by its title. "Show me" presses that preset's own button in the page, so a lesson runs
what every visitor can run, within the same limits.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import gradio as gr

from lab.requests.base import LabError
from lab.ui.shell import heads, widgets
from lab.ui.shell.instrument import Instrument, Question
from lab.ui.shell.sources import beside
from lab.ui.shell.widgets import Update

QUIET: dict[str, Any] = {**widgets.QUIET, "queue": False}
OPEN, CLOSE = "Lesson", "Close the lesson"
NO_GUESS = "Choose an answer first: a guess is enough."
SHOW_JS = beside(__file__, "lessons.js")


@dataclass(frozen=True)
class Place:
    """Where a visitor stands in a lesson."""

    opened: bool = False
    step: int = 0
    guesses: tuple[tuple[int, int], ...] = ()  # step and answer, of the steps that were shown

    def guess(self) -> int | None:
        """The answer that was given at this step, once it was shown."""
        return dict(self.guesses).get(self.step)


def head(tab: Instrument, page: gr.Tab, offered: Collection[str]) -> "Lesson":
    """Lay out the head of a tab and its lesson, wired, above what `page` has so far. `offered` are the titles of the
    presets that are there; steps on others are left out."""
    below = list(page.children)
    lesson = Lesson(tab, tuple(question for question in tab.lesson if question.preset in offered))
    page.children = [*page.children[len(below) :], *below]
    return lesson


class Lesson:
    """The components of a lesson. Holds nothing of any visitor: that lives in gr.State."""

    def __init__(self, instrument: Instrument, steps: tuple[Question, ...]) -> None:
        self.tab, self.steps = instrument.name, steps
        tab = self.tab
        first = steps[0]
        self.place = gr.State(Place(), time_to_live=7200)
        with gr.Row(elem_classes="lab-head-row"):
            gr.HTML(heads.html(instrument), js_on_load=heads.HEAD_JS)
            self.toggle = gr.Button(OPEN, size="sm", scale=0, elem_id=f"{tab}-lesson-open")
        with gr.Column(visible=False, elem_classes="lesson", elem_id=f"{tab}-lesson") as self.panel:
            self.ask = gr.HTML(self._asked(Place()))
            with gr.Row(elem_classes="lesson-row"):
                self.answers = gr.Radio(
                    _choices(first), label="Your guess", show_label=False, container=False, elem_classes="segments",
                    elem_id=f"{tab}-lesson-answers",
                )  # fmt: skip
                self.show = gr.Button(
                    "Show me", variant="primary", size="sm", interactive=False, elem_id=f"{tab}-lesson-show"
                )
                self.back = gr.Button("Back", size="sm", interactive=False, elem_id=f"{tab}-lesson-back")
                self.next = gr.Button("Next", size="sm", interactive=False, elem_id=f"{tab}-lesson-next")
            self.verdict = gr.HTML(widgets.note(""), elem_id=f"{tab}-lesson-told")
        self.run = gr.Textbox(visible="hidden", label="Preset that the lesson shows", elem_id=f"{tab}-lesson-run")
        self._wire()

    def _wire(self) -> None:
        stage = [
            self.place,
            self.panel,
            self.toggle,
            self.ask,
            self.answers,
            self.show,
            self.back,
            self.next,
            self.verdict,
        ]
        self.toggle.click(self.on_toggle, self.place, stage, **QUIET)
        self.answers.input(self.on_answer, [self.place, self.answers], self.show, **widgets.LATEST)
        self.show.click(self.on_show, [self.place, self.answers], [*stage, self.run], **QUIET).success(
            None, self.run, None, js=SHOW_JS, api_visibility="private"
        )
        self.back.click(lambda place: self.on_move(place, -1), self.place, stage, **QUIET)
        self.next.click(lambda place: self.on_move(place, 1), self.place, stage, **QUIET)

    def on_toggle(self, place: Place) -> Update:
        return self._at(replace(place, opened=not place.opened))

    def on_answer(self, place: Place, answer: Any) -> Any:
        return gr.update(interactive=self._known(place, answer) is not None and place.guess() is None)

    def on_show(self, place: Place, answer: Any) -> Update:
        """Keep the guess and say what to look for; the page then presses the preset that `run` names."""
        preset = self.steps[place.step].preset
        if place.guess() is None:
            guess = self._known(place, answer)
            if guess is None:
                raise LabError(NO_GUESS)
            place = replace(place, guesses=(*place.guesses, (place.step, guess)))
        return self._at(place) | {self.run: f"{self.tab} {preset}"}

    def on_move(self, place: Place, by: int) -> Update:
        return self._at(replace(place, step=min(max(place.step + by, 0), len(self.steps) - 1)))

    def _known(self, place: Place, answer: Any) -> int | None:
        """The answer as an index of this step's, None where it is none."""
        whole = type(answer) is int  # True would be 1
        return answer if whole and 0 <= answer < len(self.steps[place.step].answers) else None

    def _at(self, place: Place) -> Update:
        """The panel as it stands at a place."""
        step, guess, last = self.steps[place.step], place.guess(), len(self.steps) - 1
        answered = guess is not None
        return {
            self.place: place,
            self.panel: gr.update(visible=place.opened),
            self.toggle: CLOSE if place.opened else OPEN,
            self.ask: self._asked(place),
            self.answers: gr.update(choices=_choices(step), value=guess, interactive=not answered),
            self.show: gr.update(interactive=answered, value="Show it again" if answered else "Show me"),
            self.back: gr.update(interactive=place.step > 0),
            self.next: gr.update(interactive=answered and place.step < last),
            self.verdict: _status("")
            if guess is None
            else _verdict(step, guess, self._score(place) if place.step == last else ""),
        }

    def _asked(self, place: Place) -> str:
        """The question. What a tab opens with is the answer to the first one, so the page covers it until a guess is there."""
        covers = " data-covers" if place.step == 0 and place.guess() is None else ""
        return (
            f'<p class="count"{covers}>Lesson, step {place.step + 1} of {len(self.steps)}</p>'
            f'<p class="ask">{widgets.subscripts(self.steps[place.step].ask)}</p>'
        )

    def _score(self, place: Place) -> str:
        right = sum(self.steps[index].right == guess for index, guess in place.guesses)
        return f"That was the last step: {right} of {len(self.steps)} guessed right."


def _choices(step: Question) -> list[tuple[str, int]]:
    return [(answer, index) for index, answer in enumerate(step.answers)]


def _verdict(step: Question, guess: int, score: str) -> str:
    """Where to look, and then whether the guess was right and why."""
    verdict = "You guessed right." if guess == step.right else f"Not “{step.answers[guess]}”: {step.wrong[guess]}"
    end = f" {escape(score)}" if score else ""
    return _status(
        f'<p class="told" data-aloud><b>Look at:</b> {widgets.subscripts(step.look)}</p>'
        f'<p class="truth" data-aloud><b>{widgets.subscripts(verdict)}</b> {widgets.subscripts(step.truth)}{end}</p>'
    )


def _status(html: str) -> str:
    return f'<div class="verdict">{html}</div>'
