"""The room of the two stages: from words to an embedding, from an embedding to a picture, and what the first stage is good for."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import gradio as gr
import numpy as np

from lab.requests.base import Request, make_request
from lab.requests.unclip import MOST_CANDIDATES, UnclipRequest
from lab.ui.shell import lists, pipeline
from lab.ui.shell.form import Field, Preset
from lab.ui.shell.instrument import Question
from lab.ui.shell.rooms.room import Asked
from lab.ui.shell.sources import beside
from lab.ui.tabs.unclip.outcome import Outcome
from lab.ui.tabs.unclip.room import Said, UnclipRoom
from lab.ui.tabs.unclip.stages import charts, flow, plans, view
from lab.ui.tabs.unclip.values import first_seed, prompt_of

SEEDS = (1, 4)  # fewest and most

# fmt: off
FIELDS = (
    Field("stages_seeds", gr.Slider, "Seeds, a row each", 3, options={"minimum": SEEDS[0], "maximum": SEEDS[1], "step": 1}),
    Field("stages_scale", gr.Slider, "Guidance scale of all three ways", plans.SCALE, options={"minimum": 1, "maximum": 10, "step": 0.5}),
    Field("stages_prior_scale", gr.Slider, "Guidance scale of the prior", 2.0, options={"minimum": 1, "maximum": 10, "step": 0.5}),
    Field("stages_candidates", gr.Slider, "Candidates of the prior, one of which stays", 4,
          options={"minimum": 1, "maximum": MOST_CANDIDATES, "step": 1}),
    Field("stages_steps", gr.Slider, "Steps of a picture", 20, options={"minimum": 1, "maximum": 50, "step": 1}),
    Field("stages_prior_steps", gr.Slider, "Steps of the prior", 25, options={"minimum": 1, "maximum": 100, "step": 1}),
)
# fmt: on


class Stages(UnclipRoom):
    """Words, an embedding of the prior, a picture of the decoder; beside it two ways that need no prior."""

    name, title = "stages", "Two stages"
    about = (
        "**Two stages.** CLIP puts texts and pictures into one space. A *prior* draws, for the words, an embedding that a picture of them could "
        "have; a *decoder* draws a picture that has that embedding: p(x | y) = p(x | z, y) p(z | y) (Ramesh et al. 2022, section 2). Nobody can look at an embedding, so "
        "the pictures of the lab that lie nearest to it stand for it, with their cosine. Here the decoder sees no words, only the "
        "embedding. Beside it are two ways without a prior, from the same noise and with the same guidance scale: the text’s own embedding "
        "in a picture’s place, and a model that reads the words. The judge is another CLIP, which ranks the prompt among the "
        "lab’s captions for each picture."
    )
    fields = FIELDS
    shared = ("model", "prompt", "seed")
    shown = ("stages_seeds", "stages_scale", "stages_prior_scale", "stages_candidates")
    more = ("stages_steps", "stages_prior_steps")
    presets = (
        Preset("From words to a picture", look="Follow a row: what the prior comes near, call by call, and what the decoder draws from where it ends.",
               place="#unclip-stage", prompt="heart"),
        Preset("Without the prior", look="Compare the first column with the last: with the prior two of three are cats, from the text’s own embedding none is.",
               place="#unclip-stage", prompt="cat face"),
    )  # fmt: skip
    questions = (
        Question(
            "The decoder learned to draw from embeddings of pictures. It is told that of the text “cat face” instead, which CLIP puts into the same "
            "space. What comes out?",
            ("As good a cat as with the prior", "A face, but no cat", "Noise"), 1, "Without the prior",
            "The ears, in the first column and in the last, and the cosines of the nearest pictures.",
            "A face, but no cat. The picture nearest to the text’s embedding has cosine 0.69, those nearest to the prior’s 0.94 and more: the prior "
            "takes the words to where pictures are, and two of three are cats. In the paper the FID is 7.99 with it and 16.55 without.",
            {0: "none of the last column has ears.", 2: "each has eyes and a mouth."},
        ),
    )  # fmt: skip
    said: ClassVar[Said] = view
    style = beside(__file__, "style.css")

    def request(self, asked: Asked) -> Request:
        now = asked.now
        prompt, seeds = prompt_of(now), lists.count(now["stages_seeds"], "Seeds", *SEEDS)
        candidates = lists.count(now["stages_candidates"], "Candidates", 1, MOST_CANDIDATES)
        first = first_seed(now, seeds * candidates)
        return make_request(
            UnclipRequest,
            unclip=asked.row.name,
            embeddings=plans.embeddings(prompt, seeds, first, candidates),
            lanes=plans.lanes(prompt, seeds, first, now["stages_steps"], now["stages_scale"]),
            prior_steps=now["stages_prior_steps"],
            prior_scale=now["stages_prior_scale"],
            judged=True,
            caption=prompt,
        )

    def stage(self, outcome: Any | None, asked: Asked) -> str:
        return view.stage(outcome, asked.now["prompt"], SEEDS[1] - 1)

    def chart(self, outcome: Any, now: Mapping[str, Any]) -> Any:
        return charts.chart(outcome)

    def pictures(self, outcome: Outcome) -> Iterable[tuple[str, np.ndarray]]:
        for k, seed in enumerate(plans.seeds(outcome.request)):
            for way in plans.WAYS:
                result = outcome.results.get(plans.lane(k, way))
                if result is not None:
                    yield f"stages-seed-{seed}-{way}", result.picture

    def flow(self, request: Request) -> pipeline.Flow:
        assert isinstance(request, UnclipRequest)
        return flow.of(request)
