"""The room of diversity: what guidance towards words takes from the differences between seeds, and guidance towards an embedding leaves."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import gradio as gr
import numpy as np

from lab.requests.base import LabError, Request, make_request
from lab.requests.unclip import UnclipRequest
from lab.ui.shell import lists, pipeline
from lab.ui.shell.form import Field, Preset
from lab.ui.shell.instrument import Question
from lab.ui.shell.rooms.room import Asked
from lab.ui.shell.sources import beside
from lab.ui.tabs.unclip.diversity import charts, flow, plans, view
from lab.ui.tabs.unclip.outcome import Outcome
from lab.ui.tabs.unclip.room import Said, UnclipRoom
from lab.ui.tabs.unclip.values import first_seed, prompt_of

SEEDS = (2, 6)  # fewest and most
MOST_SCALES, LARGEST = 6, 30.0
SCALES = (1.0, 2.0, 4.0, 8.0)

# fmt: off
FIELDS = (
    Field("diversity_prior", gr.Radio, "The decoder draws from", plans.EACH,
          choices=[("an embedding for each seed", plans.EACH), ("one for all", plans.ONE)], options={"elem_classes": "segments"}),
    Field("diversity_scales", gr.Textbox, "Guidance scales", ", ".join(f"{scale:g}" for scale in SCALES), options={"max_length": 80}),
    Field("diversity_seeds", gr.Slider, "Seeds, a column each", 4, options={"minimum": SEEDS[0], "maximum": SEEDS[1], "step": 1}),
    Field("diversity_steps", gr.Slider, "Steps", 12, options={"minimum": 1, "maximum": 50, "step": 1}),
    Field("diversity_prior_scale", gr.Slider, "Guidance scale of the prior", 2.0, options={"minimum": 1, "maximum": 10, "step": 0.5}),
)
# fmt: on


class Diversity(UnclipRoom):
    """Two grids of pictures over guidance scales and seeds, and how unlike the pictures of a row are."""

    name, title = "diversity", "Diversity over guidance"
    about = (
        "**Diversity over guidance.** A larger guidance scale makes a picture fit its words better, and pictures of different seeds more alike. "
        "In unCLIP what a picture means is decided before, in the embedding that the prior draws for each seed: guidance of the decoder "
        "does not take it away (Ramesh et al. 2022, figure 9). Told one embedding for all, the decoder’s seeds differ in what it leaves open. Both grids begin at the same noise in each column."
    )
    fields = FIELDS
    shared = ("model", "prompt", "seed")
    shown = ("diversity_prior", "diversity_scales", "diversity_seeds")
    more = ("diversity_steps", "diversity_prior_scale")
    presets = (
        Preset("What guidance costs", look="Compare the last rows: on the left seeds grew alike, on the right each keeps what its embedding says.",
               place="#unclip-stage", prompt="heart"),
        Preset("One embedding for all", look="Compare the last rows: the words end in one cat; told one embedding, the decoder’s seeds still differ.",
               place="#unclip-stage", prompt="cat", diversity_prior=plans.ONE),
    )  # fmt: skip
    questions = (
        Question(
            "The guidance scale grows from 1 to 8. What happens to the differences between four hearts, of four seeds?",
            ("For the words and for the decoder they shrink alike", "They grow in both ways", "They shrink most for the words"), 2, "What guidance costs",
            "The two curves of diversity, and the last row of each grid.",
            "They shrink most for the words. In unCLIP the prior has decided before guidance begins which heart each seed is to be, and the decoder’s "
            "guidance leads each seed to its own.",
            {0: "the words lose most of their diversity, the decoder keeps more than half.", 1: "both curves fall."},
        ),
    )  # fmt: skip
    said: ClassVar[Said] = view
    style = beside(__file__, "style.css")

    def request(self, asked: Asked) -> Request:
        now = asked.now
        prompt, seeds = prompt_of(now), lists.count(now["diversity_seeds"], "Seeds", *SEEDS)
        scales, first, prior = (
            _scales(now["diversity_scales"]),
            first_seed(now, seeds * plans.CANDIDATES),
            now["diversity_prior"],
        )
        if prior not in (plans.ONE, plans.EACH):
            raise LabError("Choose what the decoder draws from: one embedding, or one for each seed.")
        return make_request(
            UnclipRequest,
            unclip=asked.row.name,
            embeddings=plans.embeddings(prompt, seeds, first, prior),
            lanes=plans.lanes(prompt, scales, seeds, first, prior, now["diversity_steps"]),
            prior_scale=now["diversity_prior_scale"],
            judged=True,
            caption=prompt,
        )

    def stage(self, outcome: Any | None, asked: Asked) -> str:
        return view.stage(outcome, SCALES, 4, asked.now["diversity_prior"])

    def chart(self, outcome: Any, now: Mapping[str, Any]) -> Any:
        return charts.chart(outcome)

    def pictures(self, outcome: Outcome) -> Iterable[tuple[str, np.ndarray]]:
        for index, lane in enumerate(outcome.request.lanes):
            if index in outcome.results:
                yield (
                    f"diversity-{lane.way}-scale-{lane.guidance_scale:g}-seed-{lane.seed}",
                    outcome.results[index].picture,
                )

    def flow(self, request: Request) -> pipeline.Flow:
        assert isinstance(request, UnclipRequest)
        return flow.of(request)


def _scales(text: Any) -> tuple[float, ...]:
    """Those of a list. Raises LabError where it is none, or has too many or too few."""
    scales = lists.numbers(text, "Guidance scales", 0.5, LARGEST)
    if not 2 <= len(scales) <= MOST_SCALES:
        raise LabError(f"Guidance scales: write 2 to {MOST_SCALES} of them, and not {len(scales)}.")
    return scales
