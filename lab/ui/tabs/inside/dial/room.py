"""The room of the dial: beta from 0 to 16, latents that die, and sliders that walk through what is left."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import gradio as gr
import numpy as np

from lab.capsules.beta_script import beta_script
from lab.capsules.capsule import Range
from lab.requests.base import LabError, Request, make_request
from lab.requests.betas import SIDE, VALUES, BetaRequest
from lab.requests.bound import BETAS
from lab.ui.shell import media, pipeline
from lab.ui.shell.form import Field, Preset
from lab.ui.shell.instrument import Question
from lab.ui.shell.rooms.room import Asked, Room
from lab.ui.shell.sources import beside
from lab.ui.tabs.inside.dial import charts, flow, view
from lab.ui.tabs.inside.dial.outcome import Outcome

# fmt: off
FIELDS = (
    Field("dial_pictures", gr.Radio, "Networks", "drawings", choices=[("Drawings, 32 latents", "drawings"), ("Shapes, 10 latents", "shapes")],
          options={"elem_classes": "segments"}),
    Field("dial_count", gr.Slider, "Pictures of the set beside yours", 5, options={"minimum": 1, "maximum": 8, "step": 1}),
    Field("dial_beta", gr.Number, "β of the traversal", 16, kind=Range(min(BETAS), max(BETAS), whole=True), options={"visible": "hidden"}),
    Field("dial_chart", gr.Radio, "Chart of the dial", "kl", choices=charts.CHARTS, linked=False, options={"elem_classes": "segments", "show_label": False}),
)
# fmt: on


class Dial(Room):
    """A family of networks that differ in beta alone."""

    name, title = "dial", "The dial"
    about = (
        "**The dial.** A variational autoencoder is trained to reconstruct pictures and pays β for each nat that its code says beyond the prior "
        "(Higgins et al. 2017). Where a latent brings less than it costs, it dies: its posterior is the prior. Those that live are spent on what "
        "changes a picture most (Burgess et al. 2018). The mutual information gap asks whether one latent means one thing (Chen et al. 2018): how far, "
        "of each factor, the latent that tells most of it is ahead of the next. Trained again from another seed it may come out otherwise (Locatello et al. 2018)."
    )
    fields = FIELDS
    shared = ("picture", "seed")
    shown = ("dial_pictures",)
    more = ("dial_count",)
    live = ("dial_beta",)
    presets = (
        Preset("Latents die", look="Look at the bars from left to right: at β = 4 six of ten have sunk under the line.",
               place="#inside-stage", dial_pictures="shapes", dial_beta=1),
        Preset("One slider, one thing", look="Move the sliders: one goes up and down, one from left to right. Their rows say what they tell of.",
               place="#inside-stage", dial_pictures="shapes", dial_chart="gap", seed=301),
        Preset("The price of a drawing", look="Look at the chart: codes grow lighter with β. Drawings that no network has learned come back best at β = 4, not at 0.",
               place="#inside-plot", dial_pictures="drawings", dial_beta=4, dial_chart="curve"),
    )  # fmt: skip
    questions = (
        Question(
            "The network pays β nats for each nat of its code. As β rises from 1 to 16, what becomes of the shapes' ten latents?",
            ("Several die, and the others carry on", "All carry a little less", "All die"), 0, "Latents die",
            "The bars, and how many latents live.",
            "Several die, and the others carry on: ten live at β = 1, four at β = 4 and above. The four that are left weigh a little less each.",
            {1: "most of them say nothing any more.", 2: "four live at 16."},
        ),
    )  # fmt: skip
    style = beside(__file__, "style.css")
    scripts: ClassVar[Mapping[str, str]] = {"dial.js": beside(__file__, "dial.js")}

    def request(self, asked: Asked) -> Request:
        if asked.picture is None:
            raise LabError("There is no picture: choose an example or bring your own.")
        return make_request(
            BetaRequest,
            pictures=asked.now["dial_pictures"],
            picture=media.resize(asked.picture, SIDE),
            seed=asked.now["seed"],
            count=asked.now["dial_count"],
        )

    def outcome(self, request: Request) -> Any:
        assert isinstance(request, BetaRequest)
        return Outcome(request)

    def stage(self, outcome: Any | None, asked: Asked) -> str:
        return view.stage(outcome, asked.now["dial_beta"])

    def words(self, outcome: Any) -> str:
        return view.words(outcome)

    def progress(self, outcome: Outcome) -> str:
        left = [beta for beta in BETAS if beta not in outcome.measures]
        return f"Measuring under β = {left[0]:g} …" if left else ""

    def summary(self, outcome: Outcome) -> str:
        return view.summary(outcome)

    def chart(self, outcome: Any, now: Mapping[str, Any]) -> Any:
        return charts.chart(outcome, now["dial_chart"])

    def table(self, outcome: Any) -> str:
        return view.table(outcome)

    def pictures(self, outcome: Outcome) -> Iterable[tuple[str, np.ndarray]]:
        yield "dial-pictures", _on_white(outcome.pictures.pictures)
        for column in outcome.listed:
            yield f"dial-beta-{column.beta:g}-back", _on_white(column.reconstructions)
            yield f"dial-beta-{column.beta:g}-samples", _on_white(column.samples)
        for found in outcome.measured:
            if found.living:
                rows = found.traversal.reshape(-1, SIDE, SIDE, 3)
                yield f"dial-beta-{found.beta:g}-traversal", _on_white(rows, len(VALUES))

    def scripts_of_run(self, request: Request, outcome: Outcome) -> Iterable[tuple[str, str]]:
        assert isinstance(request, BetaRequest)
        yield "betas.py", beta_script(request, outcome.pictures.pictures)

    def written(self, outcome: Outcome) -> Mapping[str, np.ndarray | None]:
        rows = [np.concatenate([*one.reconstructions, *one.samples], 1) for one in outcome.listed]
        return {"betas.png": np.concatenate(rows)} if len(rows) == len(BETAS) else {}

    def flow(self, request: Request) -> pipeline.Flow:
        assert isinstance(request, BetaRequest)
        return flow.of(request)


def _on_white(pictures: np.ndarray, across: int = view.ACROSS) -> np.ndarray:
    """Pictures as one, (height, width, 3) uint8, white between them."""
    whole = view.sheet(pictures, across)
    return np.where(whole[..., 3:] > 0, whole[..., :3], 255).astype(np.uint8)
