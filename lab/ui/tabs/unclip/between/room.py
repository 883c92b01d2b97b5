"""The room between pictures: a film from one to another, and maps between three or four."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import gradio as gr
import numpy as np

from lab.capsules.capsule import Range
from lab.requests.base import LabError, Request, make_request
from lab.requests.unclip import UnclipLane, UnclipRequest
from lab.ui.shell import lists, pipeline
from lab.ui.shell.form import Field, Preset, one_of
from lab.ui.shell.instrument import Question
from lab.ui.shell.rooms.room import PICTURES, Asked
from lab.ui.shell.sources import beside
from lab.ui.tabs.unclip.between import charts, flow, plans, view, words
from lab.ui.tabs.unclip.between.outcome import Outcome
from lab.ui.tabs.unclip.room import Said, UnclipRoom

FRAMES, CELLS, STEPS = (3, 17), (3, 7), (4, 40)  # fewest and most
MAPS = (plans.TRIANGLE, plans.SQUARE)
LABELS = dict(zip(PICTURES, ("picture", "second picture", "third picture", "fourth picture"), strict=True))

# fmt: off
FIELDS = (
    Field("between_experiment", gr.Radio, "How many pictures", plans.FILM, choices=plans.EXPERIMENTS, options={"elem_classes": "segments"}),
    Field("between_noise", gr.Radio, "Noise to begin with", plans.INVERTED,
          choices=[("Inverted and mixed", plans.INVERTED), ("The seed’s", plans.SEED)], options={"elem_classes": "segments"}),
    Field("between_frames", gr.Slider, "Frames of the film", 11, when=one_of("between_experiment", plans.FILM),
          options={"minimum": FRAMES[0], "maximum": FRAMES[1], "step": 2}),
    Field("between_steps", gr.Slider, "Steps", 15, when=one_of("between_experiment", plans.FILM),
          options={"minimum": STEPS[0], "maximum": STEPS[1], "step": 1}),
    Field("between_cells", gr.Slider, "Pictures along a side", 7, when=one_of("between_experiment", *MAPS),
          options={"minimum": CELLS[0], "maximum": CELLS[1], "step": 1}),
    Field("between_map_steps", gr.Slider, "Steps", 10, when=one_of("between_experiment", *MAPS),
          options={"minimum": STEPS[0], "maximum": STEPS[1], "step": 1}),
    Field("between_scale", gr.Slider, "Guidance scale", 2.0, options={"minimum": 1, "maximum": 6, "step": 0.5}),
    Field("between_t", gr.Number, "Place in the film", 0.5, kind=Range(0, 1), options={"visible": "hidden"}),
    Field("between_x", gr.Number, "Place in the map, to the right", 0.5, kind=Range(0, 1), options={"visible": "hidden"}),
    Field("between_y", gr.Number, "Place in the map, down", 0.5, kind=Range(0, 1), options={"visible": "hidden"}),
    Field("between_chart", gr.Radio, "Chart of the film", charts.COSINES, choices=charts.CHARTS, linked=False,
          when=one_of("between_experiment", plans.FILM), options={"elem_classes": "segments", "show_label": False}),
)
# fmt: on


class Between(UnclipRoom):
    """What lies between two pictures, or three, or four, in the space of their embeddings."""

    name, title = "between", "Between two pictures"
    about = (
        "**Between two pictures.** Each picture has an embedding, and so has every point between: the slerp of both (Ramesh et al. 2022, section "
        "3.2). The decoder draws every such point as one picture. Drawn from the slerp of both pictures’ own noise, which DDIM inversion finds (Song et al. "
        "2021), the film begins and ends nearly at the pictures themselves; drawn from one noise, frames differ by their embedding alone. A double exposure mixes pixels instead. With three or four pictures the points between them make a map; each is the mean of the "
        "embeddings on the sphere, weighted by how near the place is to each corner."
    )
    fields = FIELDS
    shared = ("picture", "second", "third", "fourth", "seed", "model")
    shown = ("between_experiment", "between_noise")
    more = ("between_frames", "between_steps", "between_cells", "between_map_steps", "between_scale")
    selecting = ("between_experiment",)
    live = ("between_t", "between_x", "between_y")
    presets = (
        Preset("From fox to apple", look="Drag the film: above, one picture all the way; below, two over each other.", place="#unclip-stage"),
        Preset("A map of four", look="Point into the map: each corner is a picture, and all between is drawn as one.",
               place="#unclip-stage", between_experiment=plans.SQUARE),
    )  # fmt: skip
    questions = (
        Question(
            "Two pictures’ embeddings are mixed half and half, and the decoder draws the mixture. What comes out?",
            ("Both pictures over each other, a double exposure", "One picture of something between them", "Noise"), 1, "From fox to apple",
            "The frame at t = 0.50, and the double exposure beside it.",
            "One picture with one outline, where the double exposure beside it shows the fox’s face and the apple’s leaf over each other.",
            {0: "that is the picture beside it, mixed from pixels.", 2: "it has an outline and a colour."},
        ),
    )  # fmt: skip
    said: ClassVar[Said] = words
    made = Outcome
    style = beside(__file__, "style.css")
    scripts: ClassVar[Mapping[str, str]] = {"between.js": beside(__file__, "between.js")}

    def needs(self, shared: str, now: Mapping[str, Any]) -> bool:
        return shared not in PICTURES or PICTURES.index(shared) < plans.COUNTS.get(now["between_experiment"], 2)

    def request(self, asked: Asked) -> Request:
        now, there = asked.now, asked.pictures
        needed = [name for name in PICTURES if self.needs(name, now)]
        for name in needed:
            if name not in there:
                raise LabError(f"There is no {LABELS[name]}: choose an example or your own.")
        name = now["between_experiment"]
        steps = "between_steps" if name == plans.FILM else "between_map_steps"
        lane = make_request(
            UnclipLane,
            seed=now["seed"],
            steps=lists.count(now[steps], "Steps", *STEPS),
            guidance_scale=now["between_scale"],
        )
        embeddings, lanes = plans.asks(self._places(now), lane, now["between_noise"] == plans.INVERTED)
        return make_request(
            UnclipRequest,
            unclip=asked.row.name,
            pictures=tuple(there[name] for name in needed),
            embeddings=embeddings,
            lanes=lanes,
            judged=True,
        )

    def _places(self, now: Mapping[str, Any]) -> list[plans.Place]:
        if now["between_experiment"] == plans.FILM:
            return plans.places(plans.FILM, lists.count(now["between_frames"], "Frames of the film", *FRAMES))
        return plans.places(
            now["between_experiment"], lists.count(now["between_cells"], "Pictures along a side", *CELLS)
        )

    def stage(self, outcome: Any | None, asked: Asked) -> str:
        now = asked.now
        if outcome is not None:
            experiment, places = outcome.experiment, outcome.places
        else:
            experiment, places = now["between_experiment"], self._places(now)
        x, y = (now["between_t"], 0.0) if experiment == plans.FILM else (now["between_x"], now["between_y"])
        return view.stage(experiment, places, asked.pictures.values(), outcome, x, y)

    def chart(self, outcome: Any, now: Mapping[str, Any]) -> Any:
        return charts.chart(outcome, now["between_chart"])

    def pictures(self, outcome: Outcome) -> Iterable[tuple[str, np.ndarray]]:
        for lane, found in sorted(outcome.results.items()):
            place = outcome.places[lane]
            where = (
                f"t-{place.x:.2f}" if outcome.experiment == plans.FILM else f"row-{place.row + 1}-{place.column + 1}"
            )
            yield f"between-{lane:02}-{where}", found.picture

    def flow(self, request: Request) -> pipeline.Flow:
        assert isinstance(request, UnclipRequest)
        return flow.of(request)
