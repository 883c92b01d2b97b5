"""The room of the map: its controls, its request, and what it makes of what comes."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import gradio as gr
import numpy as np

from lab.capsules.capsule import Text
from lab.capsules.map_script import map_script
from lab.requests.base import LabError, Request, make_request
from lab.requests.latent_map import NETWORKS, PICTURES, SIDE, MapRequest
from lab.ui.shell import pipeline, pipeline_figures
from lab.ui.shell.form import Field, Preset
from lab.ui.shell.instrument import Question
from lab.ui.shell.pipeline import VAE, Flow, Part
from lab.ui.shell.rooms.room import Asked, Room
from lab.ui.shell.sources import beside
from lab.ui.tabs.inside.map import charts, view
from lab.ui.tabs.inside.map.outcome import Outcome

LONGEST = 120  # characters of the crosses' places
LIVE = ("map_behind", "map_row", "map_at")
ABOUT = """
**The map.** An autoencoder is asked for one thing: that a picture comes back. With two latents it puts the training pictures somewhere on a plane,
and nobody asks what lies between. A variational one ([Kingma & Welling 2013](https://arxiv.org/abs/1312.6114)) draws its code from a posterior, an
ellipse and not a point, and pays for each nat by which that differs from N(0, I). Neighbouring ellipses have to agree on what is drawn between them, and the codes stay near the
origin. With two latents both are blurred: no two numbers hold a drawing.
"""

# fmt: off
FIELDS = (
    Field("map_pictures", gr.Radio, "Pictures", "drawings", choices=[(title, name) for name, title in PICTURES.items()], options={"elem_classes": "segments"}),
    Field("map_behind", gr.Radio, "Behind the dots", "grid",
          choices=[("Nothing", "none"), ("Decoded pictures", "grid"), ("How unlike any picture", "far")], options={"elem_classes": "segments"}),
    Field("map_row", gr.Radio, "Beneath the planes", "draws", choices=[("Draws from N(0, I)", "draws"), ("A straight walk", "walk")], options={"elem_classes": "segments"}),
    Field("map_at", gr.Textbox, "Crosses and walk", "", kind=Text(LONGEST), options={"visible": "hidden", "max_length": LONGEST}),
    Field("map_chart", gr.Radio, "Chart", "draws", choices=list(charts.CHARTS), options={"elem_classes": "segments"}),
)
# fmt: on


class Map(Room):
    """Two latents as a plane."""

    name, title, about = "map", "The map", ABOUT
    fields = FIELDS
    shared = ("picture",)
    shown = ("map_pictures", "map_behind", "map_row")
    live = LIVE
    presets = (
        Preset("Holes", map_behind="grid", map_row="draws",
               look="Drag the cross of each plane. Beneath, draws from N(0, I) decoded by both: framed where one is near a training picture.",
               place="#inside-stage"),
        Preset("A walk between two pictures", map_behind="far", map_row="walk",
               look="A row goes straight from A to B. Dark is unlike any training picture: the darkest places are the autoencoder's.",
               place="#inside-stage"),
    )  # fmt: skip
    questions = (
        Question(
            "Two networks know the same drawings by two numbers each. Codes are drawn from N(0, I), which neither has seen. Whose decoded pictures are more often near a drawing?",
            (
                "The autoencoder's: its reconstructions are sharper",
                "The variational one's",
                "Both alike: neither was trained on these codes",
            ),
            1,
            "Holes",
            "Compare the two rows beneath the planes, and where the circles of N(0, I) lie in each.",
            "More of the variational autoencoder's draws are near a training picture: its bound pulled the codes towards N(0, I). The autoencoder's codes spread several times as far.",
            {
                0: "a smaller error on known codes says nothing of other codes.",
                2: "the variational one was trained on draws about its codes, and charged for codes far from N(0, I).",
            },
        ),
    )
    style = beside(__file__, "style.css")
    scripts: ClassVar[Mapping[str, str]] = {"map.js": beside(__file__, "map.js")}

    def request(self, asked: Asked) -> Request:
        """As Room.request."""
        return make_request(MapRequest, pictures=asked.now["map_pictures"], picture=asked.picture)

    def outcome(self, request: Request) -> Outcome:
        """As Room.outcome."""
        assert isinstance(request, MapRequest)
        return Outcome(request)

    def stage(self, outcome: Outcome | None, asked: Asked) -> str:
        """As Room.stage."""
        return view.stage(outcome, {name: asked.now[name] for name in LIVE})

    def words(self, outcome: Outcome) -> str:
        """As Room.words."""
        return view.words(outcome)

    def progress(self, outcome: Outcome) -> str:
        """As Room.progress."""
        return (
            "Every training picture goes through both networks …"
            if not outcome.begun
            else "Draws are compared with all training pictures …"
        )

    def summary(self, outcome: Outcome) -> str:
        """As Room.summary."""
        return view.summary(outcome)

    def chart(self, outcome: Outcome, now: Mapping[str, Any]) -> Any:
        """As Room.chart."""
        return charts.chart(outcome, now["map_chart"])

    def table(self, outcome: Outcome) -> str:
        """As Room.table."""
        return view.table(outcome)

    def pictures(self, outcome: Outcome) -> Iterable[tuple[str, np.ndarray]]:
        """As Room.pictures: both planes, decoded."""
        for network, plane in outcome.planes.items():
            yield f"map-{outcome.request.pictures}-{network}", plane.grid

    def scripts_of(self, request: Request) -> Iterable[tuple[str, str]]:
        """As Room.scripts_of."""
        if not isinstance(request, MapRequest):
            raise LabError("This run has no script.")
        yield "map.py", map_script(request)

    def written(self, outcome: Outcome) -> Mapping[str, np.ndarray | None]:
        """As Room.written: the script's grids are at quantiles of the prior, the page's where the codes lie."""
        return {f"{network}.png": None for network in NETWORKS}

    def flow(self, request: Request) -> Flow:
        """As Room.flow."""
        side = pipeline.times(3, SIDE, SIDE)
        parts = (
            Part("picture", side, "A picture: 3,072 values.", (), pipeline.BEFORE, pipeline_figures.square(SIDE)),
            Part("encoder", "3,072 → 2", "Convolutions halve the side three times; two numbers are left: the code.", (VAE,), pipeline.NETWORK, pipeline_figures.trapezoid(False)),
            Part("code z", "2", "A point of the plane; in the variational one a Gaussian about it.", (VAE,), pipeline.NETWORK, pipeline_figures.quote("z"), key=True),
            Part("decoder", "2 → 3,072", "The same way back. The page has it, too: while you drag nothing is sent.", (VAE,), pipeline.NETWORK, pipeline_figures.trapezoid(True)),
            Part("picture", side, "What two numbers hold of it.", (), pipeline.AFTER, pipeline_figures.square(SIDE)),
        )  # fmt: skip
        return Flow(
            " and ".join(NETWORKS.values()), parts, "Two networks of the same size, trained on the same pictures."
        )
