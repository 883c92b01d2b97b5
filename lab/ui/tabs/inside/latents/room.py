"""The room of Stable Diffusion's latents: what its autoencoder keeps of a picture, channel by channel."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import gradio as gr
import numpy as np

from lab.architecture import architecture
from lab.capsules.latents_script import latents_script
from lab.requests.base import LabError, Request, make_request
from lab.requests.fields import MAX_SEED
from lab.requests.latents import LatentLane, LatentRequest
from lab.ui.shell import lists, pipeline
from lab.ui.shell.form import Field, Preset, one_of
from lab.ui.shell.instrument import Question
from lab.ui.shell.rooms.room import Asked, Room
from lab.ui.shell.sources import beside
from lab.ui.tabs.inside.latents import charts, flow, plans, view
from lab.ui.tabs.inside.latents.outcome import Outcome

FRAMES, DRAWS = (3, 31), (2, 6)  # fewest and most
CHANNELS = 4  # of an autoencoder whose files are not here yet: Stable Diffusion's and XL's

# fmt: off
FIELDS = (
    Field("latents_experiment", gr.Radio, "What is done to the latents", plans.CHANNELS, choices=plans.EXPERIMENTS,
          options={"elem_classes": "segments"}),
    Field("latents_centre", gr.Radio, "A channel that is off is at", "mean", choices=[("the examples’ mean", "mean"), ("zero", "zero")],
          when=one_of("latents_experiment", plans.CHANNELS), options={"elem_classes": "segments"}),
    Field("latents_frames", gr.Slider, "Frames of the slider", 13, when=one_of("latents_experiment", plans.NOISE, plans.BETWEEN),
          options={"minimum": FRAMES[0], "maximum": FRAMES[1], "step": 2}),
    Field("latents_draws", gr.Slider, "Draws of a row", 4, when=one_of("latents_experiment", plans.DRAWS),
          options={"minimum": DRAWS[0], "maximum": DRAWS[1], "step": 1}),
)
# fmt: on


class Latents(Room):
    """What each latent channel means, what noise on latents does, what lies between two pictures, and how wide the posterior is."""

    name, title = "latents", "Stable Diffusion’s latents"
    about = (
        "**Stable Diffusion’s latents.** The autoencoder of a latent diffusion model turns a picture into a few channels at a fraction of its "
        "side (Rombach et al. 2022, section 3.1), and back. Nobody told a channel what to mean. Here each is taken away, kept alone, scaled, "
        "shuffled, or taken from another picture, and the decoder shows what that did; the linear map to RGB says what it should have done. Off "
        "means the mean over the lab’s example pictures. Latents are in the U-Net’s units: centred and scaled as its pipeline does."
    )
    fields = FIELDS
    shared = ("picture", "second", "model", "seed")
    shown = ("latents_experiment", "latents_centre")
    more = ("latents_frames", "latents_draws")
    selecting = ("latents_experiment",)
    presets = (
        Preset("Turn a channel off", look="Look at the column “off”: one channel holds light and dark, another the colour, two nearly nothing.",
               place="#inside-stage"),
        Preset("Halfway between two", look="Drag t: halfway, latents and pixels both show one picture over the other.",
               place="#inside-stage", latents_experiment=plans.BETWEEN),
        Preset("Equal noise, unequal loss", look="Drag the level: grains on pixels average out, blotches of latents do not.",
               place="#inside-stage", latents_experiment=plans.NOISE),
    )  # fmt: skip
    questions = (
        Question(
            "Two pictures are encoded, their latents averaged, and the mean is decoded. What comes out?",
            ("A new thing that is half of each", "One picture over the other, nearly as from averaging pixels", "Noise"), 1, "Halfway between two",
            "The middle column, latents above pixels.",
            "One over the other: this autoencoder’s latents are nearly a small picture, so their mean is nearly a double exposure. What lies between "
            "two things is the diffusion model’s to know.",
            {0: "eyes and leaf lie over each other, as in the row of pixels.", 2: "the mean of two latents decodes to both pictures, faintly."},
        ),
    )  # fmt: skip
    style = beside(__file__, "style.css")
    scripts: ClassVar[Mapping[str, str]] = {"latents.js": beside(__file__, "latents.js")}

    def needs(self, shared: str, now: Mapping[str, Any]) -> bool:
        return shared != "second" or now["latents_experiment"] in (plans.CHANNELS, plans.BETWEEN)

    def request(self, asked: Asked) -> Request:
        now, row = asked.now, asked.row
        experiment = now["latents_experiment"]
        two = self.needs("second", now)
        if asked.picture is None or (two and asked.second is None):
            which = "picture" if asked.picture is None else "second picture"
            raise LabError(f"There is no {which}: choose an example or your own.")
        return make_request(
            LatentRequest,
            model=row.name,
            picture=asked.picture,
            second=asked.second if two else None,
            linear_map=experiment == plans.CHANNELS,
            lanes=tuple(self._lanes(asked, experiment)),
        )

    def _lanes(self, asked: Asked, experiment: str) -> list[LatentLane]:
        now, seed = asked.now, make_request(LatentLane, seed=asked.now["seed"]).seed
        if experiment in (plans.NOISE, plans.BETWEEN):
            frames = lists.count(now["latents_frames"], "Frames of the slider", *FRAMES)
            return plans.noises(frames, seed) if experiment == plans.NOISE else plans.between(frames)
        if experiment == plans.DRAWS:
            draws = lists.count(now["latents_draws"], "Draws of a row", *DRAWS)
            if seed + draws - 1 > MAX_SEED:
                raise LabError(
                    f"Seed: {draws} draws from {seed} on pass the largest seed, {MAX_SEED}. Take a smaller one."
                )
            return plans.draws(draws, seed)
        built = architecture(asked.row)
        centre = make_request(LatentLane, centre=now["latents_centre"]).centre
        return plans.channels(built.shape[0] if built else CHANNELS, centre, seed)

    def outcome(self, request: Request) -> Any:
        assert isinstance(request, LatentRequest)
        return Outcome(request)

    def stage(self, outcome: Any | None, asked: Asked) -> str:
        return view.stage(outcome, asked.now["latents_experiment"])

    def words(self, outcome: Any) -> str:
        return view.words(outcome)

    def progress(self, outcome: Outcome) -> str:
        if not outcome.begun:
            return "Encoding …"
        return f"{len(outcome.found)} of {len(outcome.request.lanes)} pictures decoded …"

    def summary(self, outcome: Outcome) -> str:
        return f"{view.summary(outcome)}."

    def chart(self, outcome: Any, now: Mapping[str, Any]) -> Any:
        return charts.chart(outcome)

    def table(self, outcome: Any) -> str:
        return view.table(outcome)

    def pictures(self, outcome: Outcome) -> Iterable[tuple[str, np.ndarray]]:
        yield "latents-picture", outcome.first.picture
        yield "latents-decoded", outcome.first.decoded
        for k, values in enumerate(outcome.first.latents):
            yield f"latents-channel-{k + 1}", view.grey(values)
        for index, picture in sorted(outcome.found.items()):
            yield f"latents-{index:03}-{plans.slug(outcome.request.lanes[index])}", picture

    def scripts_of_run(self, request: Request, outcome: Outcome) -> Iterable[tuple[str, str]]:
        assert isinstance(request, LatentRequest)
        yield "latents.py", latents_script(request, outcome.encodings, outcome.known)

    def written(self, outcome: Outcome) -> Mapping[str, np.ndarray | None]:
        return {f"latents-{index:03}.png": picture for index, picture in sorted(outcome.found.items())}

    def flow(self, request: Request) -> pipeline.Flow:
        assert isinstance(request, LatentRequest)
        return flow.of(request)
