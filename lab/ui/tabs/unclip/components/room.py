"""The room of components: a picture's embedding with few of its principal components, decoded (Ramesh et al. 2022, Figure 7)."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import gradio as gr
import numpy as np

from lab.quantities import quantity
from lab.requests.base import LabError, Request, make_request
from lab.requests.unclip import MOST_COMPONENTS, UnclipLane, UnclipRequest
from lab.ui.shell import lists, pipeline, pipeline_figures
from lab.ui.shell.form import Field, Preset
from lab.ui.shell.instrument import Question
from lab.ui.shell.pipeline import BEFORE, UNCLIP, Part
from lab.ui.shell.rooms.room import Asked
from lab.ui.shell.sources import beside
from lab.ui.tabs.unclip import flow
from lab.ui.tabs.unclip.components import charts, plans, view
from lab.ui.tabs.unclip.outcome import Outcome
from lab.ui.tabs.unclip.room import Said, UnclipRoom, picture_of
from lab.ui.tabs.unclip.values import first_seed
from lab.unclip_curves import unclip_curves

FIRST = "1, 2, 4, 8, 16, 32, 64, 128"
MOST_COLUMNS = 12
SEEDS = (1, 4)  # fewest and most

# fmt: off
FIELDS = (
    Field("components_counts", gr.Textbox, "Components kept", FIRST, options={"max_length": 120}),
    Field("components_seeds", gr.Slider, "Seeds, a row each", 1, options={"minimum": SEEDS[0], "maximum": SEEDS[1], "step": 1}),
    Field("components_scale", gr.Slider, "Guidance scale", 2.0, options={"minimum": 1, "maximum": 6, "step": 0.5}),
    Field("components_chart", gr.Radio, "Chart", charts.ONE, choices=charts.CHARTS, when=lambda now: unclip_curves() is not None, linked=False,
          options={"show_label": False, "container": False, "elem_classes": "segments"}),
    Field("components_steps", gr.Slider, "Steps", 20, options={"minimum": 1, "maximum": 50, "step": 1}),
)
# fmt: on


class ComponentsRoom(UnclipRoom):
    """What the first principal components of an embedding hold."""

    name, title = "components", "What the embedding holds"
    about = (
        "**What the embedding holds.** Principal components are the directions along which the embeddings of the lab’s pictures vary most, the "
        "first most of all. Of this picture’s embedding only the first few are kept, the rest is the mean of all, and the decoder draws what is "
        "left, from the same x<sub>T</sub> each time (Ramesh et al. 2022, Figure 7). The judge, another CLIP, says which picture of the lab it takes each "
        "for. One of the same caption is the same thing, in whatever style; one of the same group of emoji is the same kind."
    )
    fields = FIELDS
    shared = ("picture", "seed", "model")
    shown = ("components_counts", "components_seeds", "components_scale")
    more = ("components_steps",)
    presets = (
        Preset("What the embedding holds", look="Go from left to right: the first components bring the fox’s colours, and sixteen the fox.", place="#unclip-stage"),
    )  # fmt: skip
    questions = (
        Question(
            "Of the 128 components of a picture’s embedding only the first few are kept, and decoded. What is drawn?",
            ("The same thing, blurred", "Something else, in its colours", "Noise"), 1, "What the embedding holds",
            "The columns with 1 and 2 components.",
            "Something else in the fox’s colours: the first components say little of what it is. Sixteen make the fox, and more of them change nothing.",
            {0: "ears and muzzle are not blurred but absent.", 2: "there is one orange shape on white, and no grain."},
        ),
    )  # fmt: skip
    said: ClassVar[Said] = view
    style = beside(__file__, "style.css")

    def request(self, asked: Asked) -> Request:
        now = asked.now
        counts = self._counts(now)
        lane = make_request(UnclipLane, steps=now["components_steps"], guidance_scale=now["components_scale"])
        rows = lists.count(now["components_seeds"], "Seeds", *SEEDS)
        first = first_seed(now, rows)
        return make_request(
            UnclipRequest,
            unclip=asked.row.name,
            pictures=(picture_of(asked),),
            embeddings=plans.embeddings(counts),
            lanes=plans.lanes(counts, range(first, first + rows), lane),
            judged=True,
        )

    def _counts(self, now: Mapping[str, Any]) -> tuple[int, ...]:
        counts = lists.whole_numbers(now["components_counts"], "Components kept", 1, MOST_COMPONENTS)
        if len(counts) > MOST_COLUMNS:
            raise LabError(f"Components kept: {len(counts)} numbers; at most {MOST_COLUMNS} stand side by side.")
        return counts

    def stage(self, outcome: Any | None, asked: Asked) -> str:
        if outcome is not None:
            return view.stage(outcome, (), 0, None)
        try:
            counts, seeds = self._counts(asked.now), lists.count(asked.now["components_seeds"], "Seeds", *SEEDS)
        except LabError:  # Run says so; until then the stage is as at first
            counts, seeds = lists.whole_numbers(FIRST, "Components kept", 1, MOST_COMPONENTS), SEEDS[0]
        return view.stage(None, counts, seeds, asked.picture)

    def words(self, outcome: Any) -> str:
        return view.words(outcome, unclip_curves())

    def chart(self, outcome: Any, now: Mapping[str, Any]) -> Any:
        curves = unclip_curves()
        return charts.measured(curves) if curves and now["components_chart"] == charts.MANY else charts.chart(outcome)

    def pictures(self, outcome: Outcome) -> Iterable[tuple[str, np.ndarray]]:
        yield "components-picture", outcome.request.pictures[0]
        for place, count in enumerate(plans.counts(outcome.request)):
            for lane in plans.lanes_of(outcome.request, place):
                if lane in outcome.results:
                    seed = outcome.request.lanes[lane].seed
                    yield f"components-{count:03}-seed-{seed}", outcome.results[lane].picture

    def flow(self, request: Request) -> pipeline.Flow:
        assert isinstance(request, UnclipRequest)
        counts = plans.counts(request)
        numbers = f"{min(counts)} to {max(counts)} kept" if len(counts) > 1 else quantity(counts[0], "component")
        does = "Only the first principal components of the embedding are kept; the rest is the mean of all."
        key = Part("components", numbers, does, (UNCLIP,), BEFORE, pipeline_figures.matrix(), key=True)
        return flow.from_picture(request, key)
