"""The room of text differences: a picture's embedding turned by what one text says and another does not (Ramesh et al. 2022, section 3.3)."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import gradio as gr
import numpy as np

from lab.requests.base import LabError, Request, make_request
from lab.requests.unclip import Embedding, UnclipLane, UnclipRequest
from lab.ui.shell import lists, pipeline, pipeline_figures
from lab.ui.shell.form import Field, Preset
from lab.ui.shell.instrument import Question
from lab.ui.shell.pipeline import BEFORE, Part
from lab.ui.shell.rooms.controls import example
from lab.ui.shell.rooms.room import Asked
from lab.ui.shell.sources import beside
from lab.ui.tabs.unclip import flow
from lab.ui.tabs.unclip.difference import charts, plans, view
from lab.ui.tabs.unclip.outcome import Outcome
from lab.ui.tabs.unclip.room import Said, UnclipRoom, picture_of
from lab.ui.tabs.unclip.values import prompt_of
from lab.vocabulary import as_read

COUNT = (3, 9)  # fewest and most turns
APPLE, GREEN = "red apple", "green apple"

# fmt: off
FIELDS = (
    Field("difference_start", gr.Radio, "Where the decoder begins", plans.BOTH, choices=plans.STARTS, options={"elem_classes": "segments"}),
    Field("difference_most", gr.Slider, "Largest θ", 0.5, options={"minimum": 0.05, "maximum": 1, "step": 0.05}),
    Field("difference_count", gr.Slider, "Pictures of a row", 6, options={"minimum": COUNT[0], "maximum": COUNT[1], "step": 1}),
    Field("difference_scale", gr.Slider, "Guidance scale", 2.0, options={"minimum": 1, "maximum": 6, "step": 0.5}),
    Field("difference_steps", gr.Slider, "Steps", 20, options={"minimum": 1, "maximum": 50, "step": 1}),
)
# fmt: on


class Difference(UnclipRoom):
    """A picture's embedding, turned by the difference of two texts."""

    name, title = "difference", "Text differences"
    about = (
        "**Text differences.** A CLIP puts words and pictures into one space, so what one text says and another does not is a direction there. The "
        "picture’s embedding is turned towards it: slerp(z<sub>i</sub>, norm(z<sub>t</sub> − z<sub>t0</sub>), θ), with θ up to 0.25 to 0.5 in the "
        "paper (Ramesh et al. 2022, section 3.3, Figure 5). The pictures of one row begin at one x<sub>T</sub>: the picture’s own, which DDIM "
        "inversion finds, as in the paper, or one that is drawn. That the embedding comes nearer to the text is so by construction; whether the "
        "pictures follow says the judge, another CLIP that had no part in it."
    )
    fields = FIELDS
    shared = ("picture", "prompt_from", "prompt", "seed", "model")
    shown = ("difference_start", "difference_most")
    more = ("difference_count", "difference_scale", "difference_steps")
    selecting = ("difference_start",)
    presets = (
        Preset("The apple, but green", look="Go from left to right: from drawn noise the apple turns green, from its own yellow; below stands what the embedding is near.",
               place="#unclip-stage", picture=example("red-apple-glossy"), prompt_from=APPLE, prompt=GREEN),
        Preset("From fox to panda", look="Look at the last row: the embedding leaves the fox for what is black and white, and no panda.",
               place="#unclip-stage", picture=example("fox-3d"), prompt_from="fox", prompt="panda"),
    )  # fmt: skip
    questions = (
        Question(
            "A red apple’s embedding is turned by what “green apple” says and “red apple” does not, further and further. What becomes of its pictures?",
            ("They turn green, and then another thing", "They are green apples, however far", "Nothing: words do not reach a picture’s embedding"), 0,
            "The apple, but green", "The rows from left to right, and the last one, where the nearest pictures of the lab stand.",
            "They turn green, from the picture’s own noise yellow, and then another thing: green is much of the direction, apple little. From θ = 0.3 on the picture nearest to the embedding "
            "is an avocado. In the paper θ goes to between 0.25 and 0.5.",
            {1: "on the right the embedding’s nearest picture is no apple.", 2: "the cosine to “green apple” grows with θ."},
        ),
    )  # fmt: skip
    said: ClassVar[Said] = view
    style = beside(__file__, "style.css")

    def needs(self, shared: str, now: Mapping[str, Any]) -> bool:
        return shared != "seed" or now["difference_start"] != plans.OWN

    def request(self, asked: Asked) -> Request:
        now = asked.now
        lane = make_request(
            UnclipLane, seed=now["seed"], steps=now["difference_steps"], guidance_scale=now["difference_scale"]
        )
        most = make_request(Embedding, turn=now["difference_most"]).turn
        count = lists.count(now["difference_count"], "Pictures of a row", *COUNT)
        return make_request(
            UnclipRequest,
            unclip=asked.row.name,
            pictures=(picture_of(asked),),
            judged=True,
            **plans.asks(plans.turns(most, count), _texts(now, asked.row.captions), now["difference_start"], lane),
        )

    def stage(self, outcome: Any | None, asked: Asked) -> str:
        if outcome is not None:
            return view.stage(outcome, outcome.request, outcome.request.pictures[0])
        empty = plans.asks(plans.turns(0.5, 6), (GREEN, APPLE), asked.now["difference_start"], UnclipLane())
        likeness = UnclipRequest(pictures=(np.zeros((1, 1, 3), np.uint8),), **empty)
        return view.stage(None, likeness, asked.picture)

    def chart(self, outcome: Any, now: Mapping[str, Any]) -> Any:
        return charts.chart(outcome)

    def pictures(self, outcome: Outcome) -> Iterable[tuple[str, np.ndarray]]:
        yield "difference-picture", outcome.request.pictures[0]
        for lane, result in sorted(outcome.results.items()):
            yield f"difference-{lane:02}-{plans.slug(outcome.request, lane)}", result.picture

    def flow(self, request: Request) -> pipeline.Flow:
        assert isinstance(request, UnclipRequest)
        does = "The embedding is turned towards what one text says and the other does not; its length stays."
        turned = Part(
            "text difference", f"θ to {request.embeddings[-1].turn:g}", does, (flow.UNCLIP,), BEFORE, pipeline_figures.posterior(),
            "turn", key=True,
        )  # fmt: skip
        return flow.from_picture(request, turned)


def _texts(now: Mapping[str, Any], captions: bool) -> tuple[str, str]:
    """What is wanted and what is there; with `captions`, as written for a model that reads them as captions. Raises LabError where one is missing, or both say the same."""
    text, base = prompt_of(now), str(now["prompt_from"] or "").strip()
    if not base:
        raise LabError("What the picture shows is empty. Write it in words, like “red apple”.")
    if len({(as_read(one) if captions else one).casefold() for one in (text, base)}) == 1:
        raise LabError("Both texts say the same, so nothing would be turned. Change one of them.")
    return text, base
