"""Guided lessons: a question, a guess, the tab's own preset that shows the answer, then the answer in words.

    self.lesson = lessons.head("noising", QUESTION, [preset.title for preset in PRESETS])   # first in a tab's lay_out

LESSONS is the table: a step names a preset of its tab by its title. "Show me" presses that preset's own button in the
page, so a lesson runs what every visitor can run, within the same limits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import gradio as gr

from lab.requests.base import LabError
from lab.ui.shell import heads, widgets
from lab.ui.shell.widgets import Update

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}
OPEN, CLOSE = "Lesson", "Close the lesson"
NO_GUESS = "Choose an answer first: a guess is enough."
REVEALED_AFTER_S = 2.5  # what comes on screen is seen before it is explained

CSS = f"""
/* a lesson: one step at a time between the head and the pictures */
.lesson {{ gap: 8px !important; padding: 12px 16px !important; border-radius: 12px; background: var(--background-fill-secondary);
  box-shadow: inset 0 0 0 1px var(--border-color-primary); }}
.lesson p {{ font-size: 16px; line-height: 1.45; margin: 0; }}
.lesson .count {{ font-size: 13px; color: var(--body-text-color-subdued); }}
.lesson .ask {{ font-weight: 600; }}
.lesson .block {{ background: transparent; }}
.lesson .segments .wrap {{ background: var(--background-fill-primary); }}
.lesson .lesson-row {{ align-items: center; flex-wrap: wrap; gap: 10px !important; }}
.lesson .lesson-row > .block {{ flex: 1 1 auto; width: auto; min-width: 0 !important; }}
.lesson .lesson-row > button {{ flex: none; min-width: 0 !important; padding: 7px 16px; }}
.lesson [role=status] {{ min-height: 70px; }} /* nothing jumps when it is told */
.lesson ~ .stage-row .noising-pictures {{ max-width: max(560px, calc((100vh - 570px) * 1.5)); }}
.lesson .truth {{ animation: lesson-truth .4s {REVEALED_AFTER_S}s backwards; }}
@keyframes lesson-truth {{ from {{ opacity: 0; }} }}
@media (max-width: 700px) {{
  .lesson .segments .wrap {{ display: flex; flex-direction: column; }}
  .lesson .lesson-row > .block {{ flex-basis: 100%; }}
  .lesson [role=status] {{ min-height: 0; }}
}}
"""

SHOW_JS = """(revealed) => {
  const [tab, ...title] = revealed.split(" ");
  const buttons = [...document.querySelectorAll(`#${tab}-presets button`)];
  buttons.find((one) => one.textContent.trim() === title.join(" "))?.click();
}"""


@dataclass(frozen=True)
class Step:
    """Predict, then see. `look` is said while the preset runs, `truth` after it. tests/test_claims.py draws what `truth` says."""

    ask: str
    answers: tuple[str, ...]
    right: int  # index of the answer that the preset shows
    preset: str  # title of a preset of the tab
    look: str
    truth: str


# fmt: off
LESSONS: dict[str, tuple[Step, ...]] = {
    "noising": (
        Step("The linear schedule has 1000 steps. When has noise become half of what you see?",
             ("At about t = 260", "At t = 500", "At about t = 900"), 0, "Half gone",
             "The figure ᾱ under the large picture: the share of the picture in the variance.",
             "At t = 260 ᾱ is 0.498. The other 740 steps all belong to the worse half: the linear schedule hurries at first."),
        Step("At t = 620 the eye finds nothing in the noise any more. What could a denoiser that knows the picture still find?",
             ("Nothing", "A red blur", "The whole apple"), 2, "Invisible, not lost",
             "The picture named Recovered, lower right, and the second row of the film.",
             "The whole apple. Only 2 % of the variance is left of it, but spread over all pixels that is enough to "
             "tell it from every other picture that the denoiser knows."),
        Step("Both schedules stand half-way, at t = 500. Which one has kept more of the picture?",
             ("Linear", "Cosine", "Both the same"), 1, "Linear against cosine",
             "The two large pictures, and ᾱ below them.",
             "Cosine: 49 % against 8 %. It drowns the picture evenly, and spends fewer steps on what is noise already."),
        Step("At its last step Stable Diffusion's schedule looks like pure noise. Is it?",
             ("Yes", "No: the picture can still be recovered"), 1, "The leak at t = T",
             "The second row of the film: what could be recovered, up to t = 1000.",
             "The sunflower comes back even from t = T: ᾱ is 0.005, not 0. A model trained so learns to trust that trace, "
             "and pure noise has none. Rescaled to zero terminal SNR, beside it, ᾱ ends at 0."),
    ),
    "samplers": (
        Step("DDPM and DDIM start from the very same noise, with the same perfect denoiser. Where do they end?",
             ("In the same picture", "In two different pictures"), 1, "DDPM against DDIM",
             "Drag the slider below the pictures back to the middle: there the two guesses part.",
             "In two pictures. DDPM adds fresh noise on its way and is carried elsewhere; DDIM adds none, so the start alone "
             "decides where it ends."),
        Step("Eta mixes the two: 0 is DDIM, 1 as noisy as DDPM. How do five etas end from one start?",
             ("All alike", "They drift apart", "Only eta = 1 is different"), 1, "The eta dial",
             "The name of the nearest data picture under each lane.",
             "They drift apart: four different pictures in five lanes here. Already a quarter of the noise is enough to leave "
             "the path of eta = 0. All of them are clean, since this denoiser makes no errors. A model that learned does: there noise "
             "in few steps has its price."),
        Step("How many DDIM steps does it take to land in the picture of a 200-step run?",
             ("2", "About 20", "All 200"), 1, "How few steps?",
             "“RMS to reference” under each lane: 0.000 is the same picture.",
             "From 20 steps on it is the same cityscape. With fewer the long first steps miss its basin: crisp pictures, but "
             "others."),
        Step("Five solvers, 4 to 40 steps. Which reaches the picture of the long run in the fewest steps?",
             ("DDIM", "Heun", "UniPC"), 1, "Who converges first?",
             "The first column of each row in which the lion stands.",
             "Heun, in 5 steps; but each of its steps calls the model twice. DPM++ 2M and UniPC need 10, DDIM and Euler 20."),
        Step("Now a model that learned. Whose face is after 4 steps already what it is after 40?",
             ("DDPM's", "DDIM's", "Both"), 1, "Few steps, noise or none",
             "Each row from left to right, and the grain of the first pictures.",
             "DDIM: one face from 4 steps to 40. DDPM's noise leads to another one at each count, and with the learned variance "
             "the first are full of speckles. DDIM's Table 1 measures the price: at 10 steps an FID of 13 without noise, 41 with "
             "DDPM's."),
    ),
    "guidance": (
        Step("The words pull harder from left to right, from scale 0 to 30. What happens to the red heart?",
             ("It only gets better", "It appears, then it burns", "Nothing much"), 1, "From vague to burnt",
             "The row from left to right, then the curves of saturation and clipped pixels.",
             "At 0, without words, something else comes; at 1 a pale heart, from 2 on a plain one; at 30 saturation and clipped "
             "pixels are at their highest, and heart and paper are blotched: burnt."),
        Step("Now a denoiser that makes no errors. Does guidance still burn the picture at scale 15?",
             ("Yes, all the same", "Hardly: every picture stays clean"), 1, "Perfect scores, too",
             "The last column: look for harsh colours.",
             "Hardly. Every cell is a clean picture of the set, whatever the scale: both halves come to agree on one, and "
             "guidance decides on which."),
        Step("Four seeds, four cats at scale 1, each its own. What do they look like at scale 15?",
             ("Even more different", "More alike"), 1, "All seeds alike",
             "The columns from top to bottom, and the curve of diversity.",
             "More alike: a strong pull towards the words leaves less to chance. Fidelity is paid for with diversity."),
        Step("The prompt says heart, the negative prompt says red. Which hearts come?",
             ("Red ones", "None at all", "Hearts in other colours"), 2, "Anything but",
             "The colours, from scale 1 to 7.5.",
             "Hearts in other colours. The negative prompt takes the place of the empty one, so each step moves away from "
             "it."),
    ),
    "controlnet": (
        Step("The lines of a fox steer a dog's face at strengths 0 to 1.5. What comes at 0?",
             ("A dog along the lines", "A dog that ignores them", "Nothing"), 1, "How hard to hold",
             "The first column beside the others.",
             "A dog that ignores them: at 0 the model draws what the words say. With the strength, ears and cheeks move to "
             "the lines: F1, how well they are found again, grows."),
        Step("The lines are an apple's, the words say tangerine. What wins at strength 1.4?",
             ("The words: a tangerine", "The lines: a red apple", "The outline of the one, the colours of the other"), 2,
             "Same lines, other words", "The columns from strength 0 to 1.4: what changes and what stays?",
             "The outline becomes the apple's, line by line, while the colours stay those that the words gave at strength 0. "
             "The net says where, the words say what."),
        Step("A skeleton jumps. From which strength on does the person jump too?",
             ("0.5", "1", "1.5"), 0, "Strike a pose",
             "IoU in the corner of each picture: how much of the figure lies where the skeleton wants it.",
             "From 0.5 on: there IoU leaps, and with twice or three times that strength it hardly grows."),
        Step("The lines work all the way down. Which part of the way can they best do without?",
             ("The first fifth", "The first two fifths", "All but the first fifth"), 0, "When is shape decided?",
             "F1 in the last column, where the lines set in later and later, and in the first row, where they end earlier.",
             "The first fifth: there x_t is nearly all noise, and F1 hardly falls without it; with it alone, F1 is hardly above "
             "chance. Without the first two fifths it falls clearly: the shape has been settled meanwhile."),
    ),
}
# fmt: on


@dataclass(frozen=True)
class Place:
    """Where a visitor stands in a lesson."""

    opened: bool = False
    step: int = 0
    guesses: tuple[tuple[int, int], ...] = ()  # step and answer, of the steps that were shown

    def guess(self) -> int | None:
        """The answer that was given at this step, once it was shown."""
        return dict(self.guesses).get(self.step)


def head(tab: str, question: str, presets: Sequence[str]) -> "Lesson":
    """The head of a tab and its lesson, wired. `presets` are the titles that the tab offers."""
    steps = tuple(step for step in LESSONS[tab] if step.preset in presets)
    return Lesson(tab, question, steps)


class Lesson:
    """The components of a lesson. Holds nothing of any visitor: that lives in gr.State."""

    def __init__(self, tab: str, question: str, steps: tuple[Step, ...]) -> None:
        self.tab, self.steps = tab, steps
        first = steps[0]
        self.place = gr.State(Place(), time_to_live=7200)
        with gr.Row(elem_classes="lab-head-row"):
            gr.HTML(heads.html(tab, question), js_on_load=heads.UNFOLD_JS)
            self.toggle = gr.Button(OPEN, size="sm", scale=0, elem_id=f"{tab}-lesson-open")
        with gr.Column(visible=False, elem_classes="lesson", elem_id=f"{tab}-lesson") as self.panel:
            self.ask = gr.HTML(self._asked(0))
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
            self.told = gr.HTML(widgets.note(""), elem_id=f"{tab}-lesson-told")
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
            self.told,
        ]
        self.toggle.click(self.on_toggle, self.place, stage, **QUIET)
        self.answers.input(self.on_answer, [self.place, self.answers], self.show, **QUIET)
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
            known = self._known(place, answer)
            if known is None:
                raise LabError(NO_GUESS)
            place = replace(place, guesses=(*place.guesses, (place.step, known)))
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
        shown = guess is not None
        return {
            self.place: place,
            self.panel: gr.update(visible=place.opened),
            self.toggle: CLOSE if place.opened else OPEN,
            self.ask: self._asked(place.step),
            self.answers: gr.update(choices=_choices(step), value=guess, interactive=not shown),
            self.show: gr.update(interactive=shown, value="Show it again" if shown else "Show me"),
            self.back: gr.update(interactive=place.step > 0),
            self.next: gr.update(interactive=shown and place.step < last),
            self.told: _status("")
            if guess is None
            else _told(step, guess, self._score(place) if place.step == last else ""),
        }

    def _asked(self, step: int) -> str:
        return (
            f'<p class="count">Lesson, step {step + 1} of {len(self.steps)}</p>'
            f'<p class="ask">{widgets.subscripts(self.steps[step].ask)}</p>'
        )

    def _score(self, place: Place) -> str:
        right = sum(self.steps[index].right == guess for index, guess in place.guesses)
        return f"That was the last step: {right} of {len(self.steps)} guessed right."


def _choices(step: Step) -> list[tuple[str, int]]:
    return [(answer, index) for index, answer in enumerate(step.answers)]


def _told(step: Step, guess: int, score: str) -> str:
    """Where to look, and then whether the guess was right and why."""
    verdict = "You guessed right." if guess == step.right else f"Good guess, but it is: {step.answers[step.right]}."
    end = f" {escape(score)}" if score else ""
    return _status(
        f"<p><b>Look at:</b> {widgets.subscripts(step.look)}</p>"
        f'<p class="truth"><b>{escape(verdict)}</b> {widgets.subscripts(step.truth)}{end}</p>'
    )


def _status(html: str) -> str:
    return f'<div role="status" aria-live="polite">{html}</div>'
