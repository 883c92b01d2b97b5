"""The room of factors: what latents of side 32, 16 and 8 keep of a picture of 64, and what a step on them costs."""

from collections.abc import Iterable, Mapping
from typing import Any

import gradio as gr
import numpy as np

from lab.capsules.factor_script import factor_script
from lab.requests.base import LabError, Request, make_request
from lab.requests.factor import UNET, FactorRequest
from lab.ui.shell import pipeline
from lab.ui.shell.form import Field, Preset
from lab.ui.shell.instrument import Question
from lab.ui.shell.rooms.room import Asked, Room
from lab.ui.shell.sources import beside
from lab.ui.tabs.inside.factor import charts, flow, view
from lab.ui.tabs.inside.factor.outcome import Outcome

# fmt: off
FIELDS = (
    Field("factor_chart", gr.Radio, "Chart", "psnr", choices=charts.CHARTS,
          options={"show_label": False, "container": False, "elem_classes": "segments"}),
    Field("factor_held_out", gr.Slider, "Held-out pictures", 24, options={"minimum": 0, "maximum": 100, "step": 1}),
    Field("factor_repeats", gr.Slider, "Timed steps at each side", 5, options={"minimum": 1, "maximum": 20, "step": 1}),
)
# fmt: on


class Factor(Room):
    """f2, f4 and f8 beside pixels."""

    name, title = "factor", "The factor"
    about = (
        "**The factor.** Latent diffusion works on latents in place of pixels (Rombach et al. 2022, section 4.1). A larger factor f makes "
        "them smaller and a step of the UNet cheaper, and the autoencoder keeps less of the picture. Differences are shown four times as strong "
        "around mid-grey; each channel of latents from its lowest value, black, to its highest, white. Steps are timed by torch in this very "
        "run, on this machine, one picture at a time, the sides in turn; the fastest step of each is shown."
    )
    fields = FIELDS
    shared = ("picture", "model")
    shown = ("factor_held_out", "factor_repeats")
    presets = (
        Preset("Why latents pay", look="Look at the last line of each column, then at what is lost: f8 is cheapest and blurs.",
               place="#inside-plot"),
    )  # fmt: skip
    questions = (
        Question(
            "f8 leaves a picture of 12,288 values 256 numbers, f2 leaves it 4,096. Where does one UNet step cost least, and where is least lost?",
            ("Both at f8", "Least cost at f8, least lost at f2", "Both at f2"), 1, "Why latents pay",
            "The last line of each column, and PSNR.",
            "Cost falls with the factor and so does what is kept: f2 loses least, and a step on f8's latents is the cheapest. "
            "f4 stands between them, and which draws best is another question.",
            {0: "f8 keeps the least of the three.", 2: "a step on f2's latents sees sixteen times as many places as one on f8's."},
        ),
    )  # fmt: skip
    style = beside(__file__, "style.css")

    def request(self, asked: Asked) -> Request:
        if asked.picture is None:
            raise LabError("There is no picture: choose an example or your own.")
        return make_request(
            FactorRequest,
            model=asked.row.name if asked.row else UNET,
            picture=asked.picture,
            held_out=asked.now["factor_held_out"],
            repeats=asked.now["factor_repeats"],
        )

    def outcome(self, request: Request) -> Any:
        assert isinstance(request, FactorRequest)
        return Outcome(request)

    def stage(self, outcome: Any | None, asked: Asked) -> str:
        return view.stage(outcome)

    def words(self, outcome: Any) -> str:
        return view.words(outcome)

    def progress(self, outcome: Outcome) -> str:
        request = outcome.request
        if len(outcome.encoded) < len(request.names):
            return "Encoding and decoding …"
        if len(outcome.times) <= len(request.names):
            return "Timing steps of the UNet …"
        return f"{request.held_out} held-out pictures, there and back …"

    def summary(self, outcome: Outcome) -> str:
        times = [(view.title(name), outcome.speedup(name)) for name in ("f2", UNET, "f8")]
        listed = ", ".join(f"{name} {ratio:.1f}" for name, ratio in times if ratio is not None)
        return f"A step on pixels takes this many times as long as on latents: {listed}."

    def chart(self, outcome: Any, now: Mapping[str, Any]) -> Any:
        return charts.chart(outcome, now["factor_chart"])

    def table(self, outcome: Any) -> str:
        return view.table(outcome)

    def pictures(self, outcome: Outcome) -> Iterable[tuple[str, np.ndarray]]:
        for name, one in outcome.encoded.items():
            stem = f"f{one.factor}" if name in ("f2", UNET, "f8") else name
            if name == "f2":
                yield "picture", one.picture
            yield f"{stem}-decoded", one.decoded
            yield f"{stem}-difference", view.difference(one.decoded, one.picture)
            row = np.concatenate([view.channel(channel) for channel in one.latents], axis=1)
            yield f"{stem}-latents", np.repeat(row[..., None], 3, axis=2)

    def scripts_of_run(self, request: Request, outcome: Outcome) -> Iterable[tuple[str, str]]:
        assert isinstance(request, FactorRequest)
        yield "factor.py", factor_script(request, next(iter(outcome.encoded.values())).picture)

    def flow(self, request: Request) -> pipeline.Flow:
        assert isinstance(request, FactorRequest)
        return flow.of(request)
