"""The room of variations: a picture is embedded, and the embedding decoded again and again (Ramesh et al. 2022, section 3.1)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import gradio as gr
import numpy as np

from lab.requests.base import LabError, Request, make_request
from lab.requests.unclip import MOST_LEVEL, UnclipLane, UnclipRequest
from lab.ui.shell import lists, pipeline, pipeline_figures
from lab.ui.shell.form import Field, Preset, one_of
from lab.ui.shell.instrument import Question
from lab.ui.shell.pipeline import BEFORE, UNCLIP, Part
from lab.ui.shell.rooms.room import Asked
from lab.ui.shell.sources import beside
from lab.ui.tabs.unclip import flow
from lab.ui.tabs.unclip.outcome import Outcome
from lab.ui.tabs.unclip.room import Said, UnclipRoom, picture_of
from lab.ui.tabs.unclip.values import first_seed
from lab.ui.tabs.unclip.variations import charts, plans, view

LEVELS = "0, 100, 200, 400, 600, 800"
MOST_COLUMNS = 8
SEEDS, ROWS = (2, MOST_COLUMNS), (1, 3)  # fewest and most

# fmt: off
FIELDS = (
    Field("variations_experiment", gr.Radio, "What is varied", plans.SEEDS, choices=plans.EXPERIMENTS, options={"elem_classes": "segments"}),
    Field("variations_eta", gr.Slider, "η", 0.5, when=one_of("variations_experiment", plans.SEEDS), options={"minimum": 0, "maximum": 1, "step": 0.05}),
    Field("variations_seeds", gr.Slider, "Pictures of a row", 5, when=one_of("variations_experiment", plans.SEEDS),
          options={"minimum": SEEDS[0], "maximum": SEEDS[1], "step": 1}),
    Field("variations_levels", gr.Textbox, "Levels of noise, 0 to 999", LEVELS, when=one_of("variations_experiment", plans.NOISE), options={"max_length": 80}),
    Field("variations_rows", gr.Slider, "Seeds, a row each", 2, when=one_of("variations_experiment", plans.NOISE),
          options={"minimum": ROWS[0], "maximum": ROWS[1], "step": 1}),
    Field("variations_scale", gr.Slider, "Guidance scale", 2.0, options={"minimum": 1, "maximum": 6, "step": 0.5}),
    Field("variations_steps", gr.Slider, "Steps", 20, options={"minimum": 1, "maximum": 50, "step": 1}),
)
# fmt: on


class Variations(UnclipRoom):
    """A picture of one's own, drawn anew from its embedding."""

    name, title = "variations", "Variations"
    about = (
        "**Variations.** A picture becomes an embedding z, and the decoder draws from z alone (Ramesh et al. 2022, section 3.1): what the pictures "
        "share is in z, what differs among them is not. Nobody can look at a vector, so z is shown as the pictures of the lab whose embeddings "
        "lie nearest. The rest of a picture is in x<sub>T</sub>, which DDIM inversion finds (Dhariwal & Nichol 2021, appendix F): from there, with η = 0 and "
        "without guidance, the decoder draws the picture itself again, and larger η wanders off. Noise on z, as Stable unCLIP has it, takes z away "
        "by degrees; the decoder is told the level. The judge, another CLIP, says beneath each picture which one of the lab it takes it for, and "
        "its cosine to the picture."
    )
    fields = FIELDS
    shared = ("picture", "seed", "model")
    shown = ("variations_experiment", "variations_eta", "variations_seeds", "variations_levels", "variations_rows")
    more = ("variations_scale", "variations_steps")
    selecting = ("variations_experiment",)
    presets = (
        Preset("Variations of a picture", look="Compare the rows: inverted x_T keeps the layout, drawn x_T only what the picture shows.",
               place="#unclip-stage"),
        Preset("Noise on an embedding", look="Go from left to right: the more noise lies on the embedding, the less of the picture is left.",
               place="#unclip-stage", variations_experiment=plans.NOISE),
    )  # fmt: skip
    questions = (
        Question(
            "A picture becomes an embedding, and the decoder draws from it five times, each time from other noise. What do the five pictures share?",
            ("Every outline", "What they show, and not how it lies", "Colours alone"), 1, "Variations of a picture",
            "The row “x<sub>T</sub> drawn”, beside the picture.",
            "What they show: the embedding says what a picture is about, and x_T how it lies. So the row above, which begins at the picture’s own x_T, keeps its layout.",
            {0: "no two outlines are alike.", 2: "ears and muzzle come back as well."},
        ),
    )  # fmt: skip
    said: ClassVar[Said] = view
    style = beside(__file__, "style.css")

    def request(self, asked: Asked) -> Request:
        now = asked.now
        lane = make_request(UnclipLane, steps=now["variations_steps"], guidance_scale=now["variations_scale"])
        return make_request(
            UnclipRequest, unclip=asked.row.name, pictures=(picture_of(asked),), judged=True, **self._asks(now, lane)
        )

    def _asks(self, now: Mapping[str, Any], lane: UnclipLane) -> dict[str, Any]:
        """Embeddings and lanes of the experiment that is chosen."""
        if now["variations_experiment"] == plans.NOISE:
            levels = lists.whole_numbers(now["variations_levels"], "Levels of noise", 0, MOST_LEVEL)
            if len(levels) > MOST_COLUMNS:
                raise LabError(f"Levels of noise: {len(levels)} numbers; at most {MOST_COLUMNS} stand side by side.")
            seeds = _seeds(now, lists.count(now["variations_rows"], "Seeds", *ROWS))
            embeddings, lanes = plans.of_noise(levels, seeds, lane)
        else:
            eta = make_request(UnclipLane, eta=now["variations_eta"]).eta
            seeds = _seeds(now, lists.count(now["variations_seeds"], "Pictures of a row", *SEEDS))
            embeddings, lanes = plans.of_seeds(seeds, eta, lane)
        return {"embeddings": embeddings, "lanes": lanes}

    def stage(self, outcome: Any | None, asked: Asked) -> str:
        if outcome is not None:
            return view.stage(outcome, "", (), (), None)
        experiment = asked.now["variations_experiment"]
        first = {"seed": 0} | {one.name: one.value for one in FIELDS} | {"variations_experiment": experiment}
        likeness = UnclipRequest(pictures=(np.zeros((1, 1, 3), np.uint8),), **self._asks(first, UnclipLane()))
        return view.stage(None, experiment, plans.rows(likeness), plans.heads(likeness), asked.picture)

    def chart(self, outcome: Any, now: Mapping[str, Any]) -> Any:
        return charts.chart(outcome)

    def pictures(self, outcome: Outcome) -> Iterable[tuple[str, np.ndarray]]:
        yield "variations-picture", outcome.request.pictures[0]
        for lane, result in sorted(outcome.results.items()):
            yield f"variations-{lane:02}-{plans.slug(outcome.request, lane)}", result.picture

    def flow(self, request: Request) -> pipeline.Flow:
        assert isinstance(request, UnclipRequest)
        if plans.experiment(request) == plans.SEEDS:
            return flow.from_picture(request, flow.inversion(request))
        levels = plans.levels(request)
        does = "Gaussian noise on the embedding, at a level from 0 to 999 that the decoder is told."
        return flow.from_picture(
            request,
            Part(
                "noise on z",
                f"levels {min(levels)} to {max(levels)}",
                does,
                (UNCLIP,),
                BEFORE,
                pipeline_figures.posterior(),
                key=True,
            ),
        )


def _seeds(now: Mapping[str, Any], count: int) -> Sequence[int]:
    """So many seeds from the first on."""
    first = first_seed(now, count)
    return range(first, first + count)
