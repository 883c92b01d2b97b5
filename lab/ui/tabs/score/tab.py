"""Tab: the score, on a plane that one can see whole. All of it is computed in the page; the server keeps the link."""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from html import escape
from typing import Any

import gradio as gr

from lab.capsules import plane_script
from lab.capsules.capsule import Capsule, Range, Text
from lab.capsules.notebook import Script
from lab.quantities import quantity
from lab.requests.base import LabError
from lab.requests.fields import MAX_SEED
from lab.toy_data import TOYS
from lab.ui.shell import lists, pipeline, widgets
from lab.ui.shell.form import RANDOM_SEED, Field, Preset, one_of, titled
from lab.ui.shell.runs import Answers
from lab.ui.shell.tool import Tool
from lab.ui.shell.widgets import LATEST, PICKED, QUIET, Update
from lab.ui.tabs.score import points
from lab.ui.tabs.score.content import LANES, LOAD_JS
from lab.ui.tabs.score.words import ABOUT

DRAWN = "drawn"  # as data: the visitor's own points
LEAST, MOST = -8.0, 8.0  # of the slider, in log-SNR
MOST_STEPS, MOST_TRAINING, MOST_SCALE, MOST_LANES = 10_000, 20_000, 10, 6
NO_SCRIPT = "The script has the lanes of Sample: choose that experiment."
FULL = f"The plane is full: it takes {points.MOST} points. Erase some to put others."
SET_JS = "(...values) => { const [names, ...rest] = [NAMES, ...values]; window.labScoreValues = Object.fromEntries(names.map((name, i) => [name, rest[i]])); window.labScore?.set(window.labScoreValues); }"
HEART = "0,-92 -22,-70 -44,-48 -66,-26 -88,-2 -104,26 -106,56 -90,80 -64,90 -36,84 -14,66 0,44 14,66 36,84 64,90 90,80 106,56 104,26 88,-2 66,-26 44,-48 22,-70"

walking, guiding, learning = (one_of("experiment", name) for name in ("walk", "guide", "learn"))

# fmt: off
FORM = (
    Field("experiment", gr.Radio,    "Experiment", "field", choices=[("Look", "field"), ("Sample", "walk"), ("Guide", "guide"), ("Learn", "learn")]),
    Field("data",       gr.Dropdown, "Data", "two-modes", choices=[*titled(TOYS), ("What you draw", DRAWN)]),
    Field("lanes",      gr.Dropdown, f"Lanes (up to {MOST_LANES})", ["exact", "ddpm", "ddim"], choices=titled(LANES), when=walking,
          options={"multiselect": True, "max_choices": MOST_LANES}),
    Field("scale",      gr.Slider,   "Guidance scale", 4, when=guiding, kind=Range(0, MOST_SCALE), options={"minimum": 0, "maximum": MOST_SCALE, "step": 0.5}),
    Field("objective",  gr.Radio,    "It learns to say", "eps", choices=[("the score", "score"), ("ε", "eps"), ("the velocity", "flow")], when=learning),
    Field("levels",     gr.Radio,    "at", "all", choices=[("all noise levels", "all"), ("the slider's alone", "one")], when=learning),
    Field("steps",      gr.Number,   "Calls a lane", 100, when=one_of("experiment", "walk", "guide", "learn"),
          kind=Range(1, MOST_STEPS, whole=True), options={"minimum": 1, "maximum": MOST_STEPS, "precision": 0, "min_width": 120}),
    Field("training",   gr.Number,   "Training steps", 3000, when=learning,
          kind=Range(100, MOST_TRAINING, whole=True), options={"minimum": 100, "maximum": MOST_TRAINING, "precision": 0, "min_width": 120}),
    Field("seed",       gr.Number,   "Seed", 0, dice=RANDOM_SEED, kind=Range(0, MAX_SEED, whole=True), options={"minimum": 0, "maximum": MAX_SEED, "precision": 0, "min_width": 120}),
    Field("start",      gr.Radio,    "All lanes start", "noise", choices=[("from noise", "noise"), ("in a square", "square"), ("at the smallest class", "mode")], when=walking),
    Field("size",       gr.Slider,   "Langevin's step, times the paper's", 1, when=walking, kind=Range(0.1, 4), options={"minimum": 0.1, "maximum": 4, "step": 0.1}),
    Field("show",       gr.Dropdown, "Show", ["density", "contours", "arrows", "particles"],
          choices=[("Density", "density"), ("on a log scale", "log"), ("Contours", "contours"), ("Arrows of the score", "arrows"), ("Particles", "particles"), ("Paths", "paths")],
          options={"multiselect": True, "max_choices": 6}),
    Field("level",      gr.Slider,   "log-SNR", MOST, kind=Range(LEAST, MOST),
          options={"minimum": LEAST, "maximum": MOST, "step": 0.05, "scale": 6}),
    Field("points",     gr.Textbox,  "Points that were drawn", "", kind=Text(points.LONGEST), options={"visible": "hidden", "max_length": points.LONGEST}),
)
QUIETLY = ["density", "contours", "particles"]
PATHS = ["density", "particles", "paths"]
PRESETS = (
    Preset("Noise to a roll",       experiment="field", data="swiss-roll", level=6,
           look="Drag the slider: each particle is a point of the roll mixed with noise. The arrows, the score, say which way is less noise.",
           place="#score-planes"),
    Preset("Two modes, one cross",  experiment="field", data="two-modes", level=-1,
           look="Drag the cross: the bars say how likely it came from each mode, and the score points to their mean.",
           place="#score-side"),
    Preset("Figure 3",              experiment="walk", data="two-modes", lanes=["exact", "langevin", "annealed"], steps=1000, start="square", show=QUIETLY,
           look="The small mode has 0.20 of the data. Read its shares: annealed Langevin comes near, plain Langevin leaves about half there.",
           place="#score-planes"),
    Preset("Ten times longer",      experiment="walk", data="two-modes", lanes=["exact", "langevin", "annealed"], steps=10_000, start="square", show=QUIETLY,
           look="10,000 steps in place of 1,000: plain Langevin's shares are what they were. No particle crosses between the modes.",
           place="#score-planes"),
    Preset("Four ways down",        experiment="walk", data="swiss-roll", lanes=["ddpm", "ddim", "sde", "flow"], steps=50, show=QUIETLY,
           look="Four lanes from the same particles, 50 calls each. Two add noise on their way, two do not; all come to the roll.",
           place="#score-planes"),
    Preset("Four calls",            experiment="walk", data="checkerboard", lanes=["ddpm", "ddim", "flow", "reflow"], steps=4, show=QUIETLY,
           look="Four calls a lane: reflow's straight paths lose nothing, the others leave many particles between the squares.",
           place="#score-chart"),
    Preset("Straighten",            experiment="walk", data="eight", lanes=["ddim", "flow", "reflow", "reflow2"], steps=32, show=PATHS,
           look="The paths of DDIM are curved, those of the straight flow, too; reflow straightens them. “Off straight” is the paper's measure.",
           place="#score-planes"),
    Preset("Only where data are",   experiment="learn", data="two-modes", levels="one", objective="score", level=4.5, training=1500, show=["density", "contours", "arrows"],
           look="A network learns the score at one low noise level. The red map: it is right only within the contours, where data are.",
           place="#score-planes"),
    Preset("Learn a roll",          experiment="learn", data="swiss-roll", levels="all", objective="eps", training=4000, steps=60, show=QUIETLY,
           look="The same network at all levels. Once it has learned, its chain makes the roll, beside the exact one from the same noise.",
           place="#score-planes"),
    Preset("Guidance bends",        experiment="guide", data="eight", scale=4, steps=400, show=QUIETLY,
           look="The scores are perfect, and yet at scale 4 the means have moved outwards and the spread has shrunk: read the figures.",
           place="#score-planes"),
    Preset("Draw your own",         experiment="field", data=DRAWN, points=HEART, level=5,
           look="Press on the plane to put a point, drag it, erase it: density, score and particles follow. Then choose Sample.",
           place="#score-planes"),
)
# fmt: on


class Score(Tool):
    """The plane. Nothing is run by the server: the page computes, and tells what rests."""

    name, about, fields, presets = "score", ABOUT, FORM, PRESETS
    shelved = False  # its pictures follow the controls at once: there is no run that ends

    # Layout

    def lay_out_stage(self, opening: dict[str, Any]) -> None:
        values = escape(json.dumps({name: opening[name] for name in self.form.fields}), quote=True)
        self.stage = gr.HTML(
            STAGE.replace("KEY", KEY).replace("OPENING", values),
            js_on_load=LOAD_JS,
            elem_id="score-stage",
            padding=False,
        )
        self.runs = Answers("score", partial(self._lay_out_transport, opening))
        with gr.Column(elem_classes="chart", min_width=0):
            gr.HTML("", elem_id="score-chart", padding=False)
            widgets.chart_table("score-chart", "Chart of the plane")

    def _lay_out_transport(self, opening: dict[str, Any]) -> None:
        with gr.Row(elem_classes="transport"):
            widgets.go("Play", elem_id="score-play")  # in the page alone
            widgets.stop("Train", elem_id="score-train")
            self.form.lay_out("level", values=opening)

    def lay_out_controls(self, opening: dict[str, Any]) -> None:
        lay_out = partial(self.form.lay_out, values=opening)
        lay_out("experiment", "data", "lanes", "scale", "objective", "levels")
        with gr.Row():
            lay_out("steps", "seed")
        with widgets.more("More"):
            lay_out("training", "start", "size", "show")
        lay_out("points")
        with widgets.more("Share and export"):
            self.chart_file = gr.Button("Chart, CSV", size="sm", min_width=90, elem_id="score-csv")
            self.share = self.panel()

    # The pipeline

    @property
    def flowing(self) -> list[Any]:
        """What the line names."""
        return [self.form["experiment"], self.form["data"]]

    def flow_of_opening(self, opening: dict[str, Any]) -> pipeline.Flow:
        data = TOYS.get(opening["data"])
        return pipeline.of_plane(
            data.title if data else "your points", len(data.points) if data else None, opening["experiment"] == "learn"
        )

    def flow(self, values: dict[Any, Any]) -> pipeline.Flow:
        return self.flow_of_opening(self.form.read(values))

    # Wiring

    @property
    def _compared_names(self) -> list[str]:
        """Without the level, which the film moves."""
        return [name for name in super()._compared_names if name != "level"]

    @property
    def compared_paths(self) -> list[list[str | int]]:
        """None: the pictures follow the controls at once."""
        return []

    def wire(self, page: gr.Tab) -> None:
        inputs = {*self.controls, self.last_run}
        self.restorable = [*self.controls]
        names = list(self.form.parts)
        gr.on([part.change for part in self.controls], None, self.controls, None, js=SET_JS.replace("NAMES", json.dumps(names)),
              trigger_mode="multiple", api_visibility="private")  # fmt: skip
        self.form["experiment"].input(self.on_experiment, inputs, self.form.others_parts, **LATEST)
        shown = [self.form["points"], self.runs.note, *self.share.run_outputs]
        self.stage.click(self.on_rest, inputs, shown, queue=False, **PICKED)
        self.share.opens(page, self.on_open, inputs, shown, **QUIET)
        self.wire_presets([*self.controls, self.runs.note], lambda event: None)
        self.share.wire(inputs, self.scripts, now=self.on_share)
        self.share.saves_chart(self.chart_file, "score-chart")

    # What rests

    def on_rest(self, values: dict[Any, Any], event: gr.EventData) -> Update:
        """The page has come to rest: the points that were drawn, if any, and the link of what it shows."""
        if widgets.sent(event, "full"):
            return {self.runs.note: widgets.note(FULL, bad=True)}
        drawn = widgets.sent(event, "points")
        if not isinstance(drawn, str):
            return {self.runs.note: ""} | self.on_share(values)

        def take() -> Update:
            text = points.written(points.parse(drawn))
            return {self.form["points"]: text, self.runs.note: ""} | self.on_share(values | {self.form["points"]: text})

        return self.runs.answer(take)

    def opening(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """The page draws the first preset by itself."""
        yield self.on_share(values)

    def on_preset(self, preset: Preset) -> Update:
        return super().on_preset(preset) | {self.runs.note: ""}

    # Links

    def on_share(self, values: dict[Any, Any]) -> Update:
        """What is set now, for a link or a file."""
        return self.share.show(self.share.make(values))

    def scripts(self, values: dict[Any, Any]) -> list[Script]:
        """The lanes that are chosen, in NumPy. Raises LabError where the script has none of them."""
        now = self.form.read(values)
        if now["experiment"] != "walk":
            raise LabError(NO_SCRIPT)
        lanes = [name for name in now["lanes"] if name in plane_script.LANES]
        if not lanes:
            raise LabError("The script knows no reflow. Choose another lane beside it.")
        title, given, weights, std, classes = self._data(now)
        steps, seed = lists.whole(now["steps"], "Calls a lane"), lists.whole(now["seed"], "Seed")
        text = plane_script.plane_script(
            title, given, weights, std, classes, lanes, steps, seed, now["start"], now["size"]
        )
        return [Script("plane.py", text)]

    def _data(self, now: dict[str, Any]) -> tuple[str, Sequence[points.Point], Sequence[float], float, Sequence[int]]:
        """Title, points, weights, deviation and classes of the data that are chosen."""
        if toy := TOYS.get(now["data"]):
            return toy.title, toy.points, toy.weights, toy.std, toy.classes
        drawn = points.parse(now["points"])
        if not drawn:
            raise LabError("There are no points yet. Put some on the plane first.")
        return "Points that were drawn", drawn, [1 / len(drawn)] * len(drawn), points.STD, [0] * len(drawn)

    def restore(self, capsule: Capsule, values: dict[str, Any]) -> tuple[Update, str, str]:
        """The controls as a capsule has them. Of drawn points those that are none, and those beyond as many as the plane takes,
        are left out, and that is said."""
        drawn = values.get("points", "")
        kept, unreadable = points.readable(drawn)
        count = len(drawn.split())
        remarks = [
            f"{unreadable:,} of {quantity(count, 'point', ',')} could not be read and are left out."
            if unreadable
            else "",
            f"{count:,} points came; the first {points.MOST} are here." if count - unreadable > points.MOST else "",
        ]
        now = self.form.complete(values | {"points": points.written(kept)})
        return self.form.show(now), "", " ".join(filter(None, remarks))


KEY = """<p class="score-key">Rings, one step of the particle that you press: <i data-of="known"></i> q(x<sub>s</sub> | x<sub>t</sub>, x<sub>0</sub>) &ensp;
<i data-of="learned"></i> p<sub>θ</sub>(x<sub>s</sub> | x<sub>t</sub>) &ensp; <i data-of="exact"></i> exact q(x<sub>s</sub> | x<sub>t</sub>)</p>"""
STAGE = """<div class="score-stage" data-opening="OPENING"><div class="score-planes" id="score-planes"></div>KEY<div class="score-side" id="score-side">
<figure class="lab-pic"><div class="box"><canvas class="crisp" role="img" aria-label="A picture at the same noise level"></canvas></div>
<figcaption><span>A picture at this level</span></figcaption></figure>
<h3>Which class did the cross come from?</h3><ul class="score-bars"></ul><p class="score-said"></p><p class="unseen score-spoken" data-aloud></p>
<div class="score-tools"><button type="button" data-erase aria-pressed="false">Erase</button><button type="button" data-clear>Clear all</button></div>
</div></div>"""
build = Score.build
