"""The room of the bound: what a picture weighs under a variational autoencoder, in two terms, and how far that is from log p(x)."""

from collections.abc import Iterable, Mapping
from typing import Any

import gradio as gr
import numpy as np

from lab.capsules.bound_script import bound_script
from lab.capsules.capsule import Range
from lab.requests.base import LabError, Request, make_request
from lab.requests.bound import BETAS, COUNTS, BoundRequest
from lab.ui.shell import pipeline
from lab.ui.shell.form import Field, Preset
from lab.ui.shell.instrument import Question
from lab.ui.shell.rooms.room import Asked, Room
from lab.ui.shell.sources import beside
from lab.ui.tabs.inside.bound import charts, flow, view
from lab.ui.tabs.inside.bound.outcome import Outcome

NETWORKS = (
    ("Drawings, 32 latents", "beta-drawings/drawings"),
    ("Shapes, 10 latents", "beta-shapes/shapes"),
    ("Drawings in 3D, 2 latents", "map/drawings"),
    ("Shapes, 2 latents", "map/shapes"),
)
CHOSEN, OF_SET = "chosen", "set"
SHAPES = "beta-shapes/shapes"
EXAMPLE = 1234  # of the shapes: a large square
MOST_NUMBER = 10_000


def _several(now: Mapping[str, Any]) -> bool:
    """Whether there is a network for each beta."""
    return str(now["bound_network"]).startswith("beta-")


# fmt: off
FIELDS = (
    Field("bound_network", gr.Dropdown, "Network", NETWORKS[0][1], choices=NETWORKS),
    Field("bound_beta", gr.Radio, "Trained under β", 1, choices=[(f"{beta}", beta) for beta in BETAS], when=_several,
          options={"elem_classes": "segments"}),
    Field("bound_source", gr.Radio, "Whose bound", CHOSEN, choices=[("The picture above", CHOSEN), ("A picture of the set", OF_SET)],
          options={"elem_classes": "segments"}),
    Field("bound_number", gr.Number, "Number of the picture in the set", 0, when=lambda now: now["bound_source"] == OF_SET,
          kind=Range(0, MOST_NUMBER, whole=True), dice=f"Math.floor(Math.random() * {4800})"),
    Field("bound_most", gr.Radio, "Draws weighed together, at most", 5000, choices=[(f"{count:,}", count) for count in COUNTS[1:]],
          options={"elem_classes": "segments"}),
    Field("bound_repeats", gr.Slider, "Times so many", 8, options={"minimum": 2, "maximum": 20, "step": 1}),
    Field("bound_draws", gr.Slider, "Draws for the reconstruction", 200, options={"minimum": 1, "maximum": 1000, "step": 1}),
    Field("bound_calls", gr.Slider, "Steps of the diffusion model beside it; 0: none", 50, options={"minimum": 0, "maximum": 200, "step": 10}),
)
# fmt: on


class Bound(Room):
    """ELBO = reconstruction - KL."""

    name, title = "bound", "The bound"
    about = (
        "**The bound.** A variational autoencoder cannot say how likely a picture is, only that log p(x) is at least R − KL: how well "
        "codes of the picture decode, less what these codes say beyond the prior. What is missing is the divergence of q(z | x) from the true "
        "posterior. Several draws, weighed together, come closer (Burda et al. 2015). Diffusion has the same bound with a fixed encoder: "
        "noise (Ho et al. 2020, eq. 5; Kingma et al. 2021)."
    )
    fields = FIELDS
    shared = ("picture", "seed")
    shown = ("bound_network", "bound_beta", "bound_source", "bound_number")
    more = ("bound_most", "bound_repeats", "bound_draws", "bound_calls")
    selecting = ("bound_network", "bound_source")
    presets = (
        Preset("A bound and its gap", look="Look at the four numbers, then at the curve: more draws weighed together lie higher.",
               place="#inside-plot"),
        Preset("A code that nobody paid for", look="Look at the rate: under β = 0 the code was free, and the bound pays for it.",
               place="#inside-stage", bound_network=SHAPES, bound_beta=0, bound_source=OF_SET, bound_number=EXAMPLE),
    )  # fmt: skip
    questions = (
        Question(
            "Under β = 0 a network pays nothing for its code. Of this square it reconstructs more than the one of β = 1. And its bound?",
            ("It is higher, too", "It is about the same", "It is far lower"), 2, "A code that nobody paid for",
            "The rate, and the ELBO beside it.",
            "It is far lower: the reconstruction gains some ten nats, and the code costs hundreds. R alone bounds nothing.",
            {0: "the rate is taken off, and here it is hundreds of nats.", 1: "what the code says beyond the prior is hundreds of nats."},
        ),
    )  # fmt: skip
    style = beside(__file__, "style.css")

    def request(self, asked: Asked) -> Request:
        now = asked.now
        family, _, pictures = str(now["bound_network"]).partition("/")
        of_set = now["bound_source"] == OF_SET
        if not of_set and asked.picture is None:
            raise LabError("There is no picture: choose an example or your own, or take one of the set.")
        return make_request(
            BoundRequest,
            family=family,
            pictures=pictures,
            beta=now["bound_beta"] if _several(now) else 1,
            picture=None if of_set else asked.picture,
            number=now["bound_number"] if of_set else 0,
            draws=now["bound_draws"],
            most=now["bound_most"],
            repeats=now["bound_repeats"],
            calls=now["bound_calls"],
            seed=now["seed"],
        )

    def outcome(self, request: Request) -> Any:
        assert isinstance(request, BoundRequest)
        return Outcome(request)

    def stage(self, outcome: Any | None, asked: Asked) -> str:
        return view.stage(outcome)

    def words(self, outcome: Any) -> str:
        return view.words(outcome)

    def progress(self, outcome: Outcome) -> str:
        if outcome.weights is None:
            return "Encoding …"
        whole = outcome.request.most * outcome.request.repeats
        if outcome.drawn < whole:
            return f"{outcome.drawn:,} of {whole:,} draws weighed …"
        return "The diffusion model's bound …"

    def summary(self, outcome: Outcome) -> str:
        gap = outcome.gap
        said = f"ELBO {view.signed(outcome.elbo, 1)} nats, {view.title(outcome)}"
        return f"{said}; log p(x) is at least {gap:.1f} nats above it." if gap is not None else f"{said}."

    def chart(self, outcome: Any, now: Mapping[str, Any]) -> Any:
        return charts.chart(outcome)

    def table(self, outcome: Any) -> str:
        return view.table(outcome)

    def pictures(self, outcome: Outcome) -> Iterable[tuple[str, np.ndarray]]:
        terms = outcome.known
        yield "bound-picture", terms.picture
        yield "bound-decoded", terms.decoded
        yield "bound-nats", view.heat(terms.reconstruction, *view.map_range(outcome))

    def scripts_of_run(self, request: Request, outcome: Outcome) -> Iterable[tuple[str, str]]:
        assert isinstance(request, BoundRequest)
        yield "bound.py", bound_script(request, outcome.known.picture)

    def flow(self, request: Request) -> pipeline.Flow:
        assert isinstance(request, BoundRequest)
        return flow.of(request)
