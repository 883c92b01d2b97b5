"""Tab: classifier-free guidance. One prompt at many scales, by several rules, and every step of it taken apart."""

import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any

import gradio as gr
import numpy as np

from lab.capsules import script
from lab.capsules.capsule import Capsule, Choice
from lab.catalog import GROUPS, GUIDANCE, MODELS, SAMPLERS, STYLES, rules_for, samplers_for
from lab.measures import picture_measures
from lab.requests.anatomy import Anatomy, AnatomyRequest
from lab.requests.base import LabError, Note, Waiting, make_request
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneResult, LaneSettings, SamplingRequest, Step
from lab.settings import Settings, at_hand
from lab.ui.shell import lessons, media, share, widgets
from lab.ui.shell.widgets import Update
from lab.ui.tabs.guidance import charts, view
from lab.ui.tabs.guidance.view import Cell, Look, Painter, Plan, Sweep, make_plan

TITLE = "Guidance"
QUESTION = "How hard should the words pull?"
DEFAULT_MODEL = "text-to-image"
DEFAULT_SCALES = "0, 1, 2, 3, 5, 7.5, 15, 30"
MAX_STEPS = 50  # every step of an anatomy stays in the visitor's page
PAINT_EVERY_S = 0.12  # the browser has no backpressure; a grid is heavier than a picture
REST_AT = 0.35  # of the way down: where both halves disagree and x_0 still moves
EXPERIMENTS = {"sweep": "Scales × seeds", "rules": "Rules"}
CURVES, ANATOMY = "Curves over the scale", "Anatomy of a step"
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True)
class Preset:
    """A press of a button that shows something striking."""

    title: str
    experiment: str
    model: str
    prompt: str
    seeds: str
    scales: str
    negative: str = ""
    group: str = ""
    rules: tuple[str, ...] = ("cfg",)
    steps: int = 20


# fmt: off
PRESETS = (
    Preset("From vague to burnt",  "sweep", DEFAULT_MODEL, "red heart",     "1, 2",       DEFAULT_SCALES),
    Preset("Perfect scores, too",  "sweep", "exact",       "cat",           "1, 2, 3",    "0, 1, 2, 3, 5, 7.5, 10, 15"),
    Preset("Four rules",           "rules", DEFAULT_MODEL, "red heart",     "2",          "1, 3, 7.5, 15, 30", rules=("cfg", "rescaled", "interval", "apg")),
    Preset("All seeds alike",      "sweep", DEFAULT_MODEL, "cat",           "1, 2, 3, 4", "1, 3, 7.5, 15"),
    Preset("Anything but",         "sweep", DEFAULT_MODEL, "heart",         "6, 7",       "1, 2, 3, 5, 7.5", negative="red"),
    Preset("Rules, exactly",       "rules", "exact",       "person",        "1",          "1, 2, 3, 5, 7.5, 10, 15", rules=("cfg", "rescaled", "interval", "threshold", "apg")),
)
# fmt: on

ABOUT = r"""
**The convention, stated once: scale 1 is the plain conditional model, 0 the unconditional one.**
Each step asks the model twice, with the prompt and without it, and goes further in the direction in which the prompt
pulls ([Ho & Salimans 2022](https://arxiv.org/abs/2207.12598); their $w$ is this scale minus 1):

$$\tilde\epsilon = \epsilon_\theta(x_t) + s\,\big(\epsilon_\theta(x_t, c) - \epsilon_\theta(x_t)\big)$$

Every cell of a column has the same scale, every cell of a row **the same $x_T$**: along a row only guidance differs.
A negative prompt takes the place of the empty one, so the step also moves away from it. Between 0 and 1 both are mixed;
above 1 the prompt is overstated: pictures fit it better up to a point, seeds look more alike, and far above it colours burn
as the values leave the range that the model knows. With exact scores hardly anything burns: both halves come to agree on one picture of the
set, and guidance decides on which. The rules try to keep the fidelity and to spare you the burn:

""" + "\n".join(f"- *{row.title}* ({widgets.paper(row)}): {row.about}" for row in GUIDANCE.values())

WORDS = {
    "sweep": "Scales across, seeds down; a row starts from one x<sub>T</sub>. Click a picture to take its steps apart.",
    "rules": "The same seed and the same scales; only the rule that combines both predictions differs from row to row.",
}
EXACT_WORDS = {  # what is seen of the exact denoiser besides
    "sweep": "With exact scores no scale burns: it decides in which picture of the set a row ends.",
    "rules": "With exact scores no rule burns: they differ in the picture of the set that they end in.",
}
ANATOMY_WORDS = (
    "Both predictions of the noise in this cell's x<sub>t</sub>, with and without the prompt. Where they differ, bright "
    "on the map, is all that guidance can push. Each predicted x<sub>0</sub> is by plain classifier-free guidance from "
    "this one x<sub>t</sub>. A latent model's x<sub>t</sub> and eps are latents, shown as colours."
)


def build(backend: Any, settings: Settings, page: gr.Tab) -> "_Tab":
    """Lay out the tab on `page` and wire it to `backend`."""
    tab = _Tab(backend, settings)
    tab.lay_out()
    tab.wire(page)
    return tab


class _Tab:
    """The components of the tab and what they do. Holds nothing of any visitor: that lives in gr.State."""

    def __init__(self, backend: Any, settings: Settings) -> None:
        self.backend, self.settings = backend, settings
        self.looks = widgets.Stops()  # of anatomies, apart from the runs': a click stops no run
        self.offered = [row for row in MODELS.values() if row.guided and at_hand(row.source, settings)]
        names = [row.name for row in self.offered]
        self.shown = [preset for preset in PRESETS if preset.model in names]

    # Layout

    def lay_out(self) -> None:
        first = self.shown[0]
        self.kept = gr.State(None, time_to_live=3600)  # Sweep
        self.looked = gr.State(None, time_to_live=3600)  # Look, complete
        self.picked = gr.State(None, time_to_live=3600)  # LaneSettings
        self.lesson = lessons.head("guidance", QUESTION, [preset.title for preset in self.shown])
        self.presets = widgets.preset_row("guidance", [preset.title for preset in self.shown])
        with widgets.grid():
            with widgets.stage():
                self._lay_out_stage(first)
            with widgets.controls():
                self._lay_out_controls(first)
        with gr.Accordion("What am I looking at?", open=True):
            gr.Markdown(ABOUT, elem_classes="lab-words", latex_delimiters=widgets.LATEX)

    def _lay_out_stage(self, first: Preset) -> None:
        seeds, scales = view.parse_seeds(first.seeds), view.parse_scales(first.scales)
        empty = Sweep(make_plan(first.rules, seeds, scales, {"steps": first.steps}, {"model": first.model}))
        self.stage = gr.HTML(Painter(empty).grid(), js_on_load=view.STAGE_JS, elem_id="guidance-stage")
        self.words = gr.HTML(widgets.words(WORDS["sweep"]))
        self.section = gr.Radio(
            [CURVES, ANATOMY], value=CURVES, show_label=False, container=False, label="Below the grid",
            elem_classes="segments", elem_id="guidance-section",
        )  # fmt: skip
        with gr.Column(elem_classes="lower") as self.curves_box:
            self.curves = gr.HTML(charts.curves(empty), js_on_load=view.CURVES_JS, elem_id="guidance-curves")
            with gr.Row(elem_classes="files"):
                self.csv = gr.DownloadButton("Curves, CSV", interactive=False, size="sm", elem_id="guidance-csv")
        with gr.Column(elem_classes="lower", visible=False) as self.anatomy_box:
            self.step = gr.Slider(
                1, first.steps, 1, step=1, label="Step, from noise to picture", elem_id="guidance-step"
            )
            self.look = gr.HTML(
                view.look(None, 0, empty.plan.scales),
                js_on_load=view.LOOK_JS,
                elem_id="guidance-look",
            )
            self.norms = gr.HTML(charts.norms(None), elem_id="guidance-norms")
            gr.HTML(widgets.words(ANATOMY_WORDS))
            with gr.Row(elem_classes="files"):
                self.png = gr.DownloadButton(
                    "Picture, PNG with its settings", interactive=False, size="sm", elem_id="guidance-png"
                )
                self.norms_csv = gr.DownloadButton(
                    "Norms, CSV", interactive=False, size="sm", elem_id="guidance-norms-csv"
                )

    def _lay_out_controls(self, first: Preset) -> None:
        row = MODELS[first.model]
        with widgets.dock():
            with gr.Row():
                self.run = widgets.go("Run", elem_id="guidance-run")
                self.stop = widgets.stop(interactive=False, elem_id="guidance-stop")
            self.note = gr.HTML(widgets.note(""), elem_id="guidance-note")
        self.runs = widgets.Runs(self.run, self.stop, self.note)
        self.experiment = gr.Radio(
            [(title, name) for name, title in EXPERIMENTS.items()], value=first.experiment, label="Experiment",
            elem_id="guidance-experiment",
        )  # fmt: skip
        self.model = gr.Dropdown([(one.title, one.name) for one in self.offered], value=first.model, label="Model")
        self.prompt = gr.Textbox(
            first.prompt,
            label="Prompt",
            max_length=widgets.MAX_TYPED,
            elem_id="guidance-prompt",
            visible="prompt" in row.conditions,
        )
        self.negative = gr.Textbox(
            first.negative, label="Negative prompt", placeholder="what to move away from",
            max_length=widgets.MAX_TYPED, elem_id="guidance-negative", visible="prompt" in row.conditions,
        )  # fmt: skip
        self.group = gr.Dropdown(
            [("All pictures", ""), *((title, name) for name, title in GROUPS.items())], value=first.group, label="Group",
            visible="group" in row.conditions,
        )  # fmt: skip
        self.scales = gr.Textbox(
            first.scales, label="Guidance scales", max_length=widgets.MAX_TYPED,
            elem_id="guidance-scales",
        )  # fmt: skip
        self.seeds = gr.Textbox(first.seeds, label="Seeds", max_length=widgets.MAX_TYPED, elem_id="guidance-seeds")
        self.rules = gr.Dropdown(
            _rule_choices(first.model), value=list(rules_for(row)), multiselect=True, visible=first.experiment == "rules",
            label="Rules", elem_id="guidance-rules",
        )  # fmt: skip
        with widgets.more("More"):
            self.steps = gr.Slider(1, MAX_STEPS, first.steps, step=1, label="Steps")
            self.sampler = gr.Dropdown(_sampler_choices(first.model), value="ddim", label="Sampler")
            self.style = gr.Dropdown(
                [("All styles", ""), *STYLES], value="", label="Style", visible="style" in row.conditions
            )
        with widgets.more("Share"):
            named = {
                "experiment": self.experiment, "model": self.model, "prompt": self.prompt, "negative": self.negative,
                "group": self.group, "style": self.style, "scales": self.scales, "seeds": self.seeds, "rules": self.rules,
                "steps": self.steps, "sampler": self.sampler,
            }  # fmt: skip
            known = {"rules": Choice(tuple(GUIDANCE), most=len(GUIDANCE)), "sampler": Choice(tuple(SAMPLERS))}
            self.share = share.Panel("guidance", named, known)

    # Wiring

    def wire(self, page: gr.Tab) -> None:
        simple = [self.experiment, self.scales, self.seeds, self.steps]
        fitted = [self.model, self.prompt, self.negative, self.group, self.style, self.rules, self.sampler]
        memory = [self.kept, self.looked, self.picked, self.section, self.share.capsule]
        inputs = {*simple, *fitted, *memory}
        painted = [
            self.stage,
            self.words,
            self.curves,
            self.csv,
            self.note,
            self.kept,
            self.run,
            self.stop,
            *self.share.run_outputs,
        ]
        anatomy = [self.look, self.step, self.norms, self.looked, self.picked, self.png, self.norms_csv, self.note]
        boxes = [self.section, self.curves_box, self.anatomy_box]
        running = {**QUIET, "concurrency_id": "run", "concurrency_limit": self.settings.most_pressed}

        gr.on([self.run.click, self.scales.submit, self.seeds.submit, self.prompt.submit, self.negative.submit],
              self.on_run, inputs, painted, **running).then(self.on_follow, inputs, anatomy, **running)  # fmt: skip
        self.share.opens(page, self.on_open, inputs, painted, **running)
        for button, preset in zip(self.presets, self.shown, strict=True):
            button.click(partial(self.on_preset, preset), None, [*simple, *fitted], queue=False, **QUIET).then(
                self.on_run, inputs, painted, **running
            ).then(self.on_follow, inputs, anatomy, **running)
        self.stage.click(self.on_pick, inputs, [*anatomy, *boxes], **running)
        self.section.input(self.on_section, self.section, boxes, queue=False, **QUIET).then(
            self.on_follow, inputs, anatomy, **running
        )
        self.step.input(
            self.on_scrub, [self.looked, self.step], self.look, trigger_mode="always_last", queue=False, **QUIET
        )  # not through the queue: its bookkeeping costs more than a frame does
        self.model.input(self.on_model, self.model, fitted, queue=False, **QUIET)
        self.experiment.change(self.on_experiment, self.experiment, self.rules, queue=False, **QUIET)
        self.stop.click(self.on_stop, None, None, queue=False, **QUIET)
        self.restorable = [*simple, *fitted]
        self.share.wire({self.kept, self.picked}, self.scripts)

    def on_stop(self, request: gr.Request) -> None:
        self.runs.stops.set(request)
        self.looks.set(request)

    def on_preset(self, preset: Preset) -> list[Any]:
        head = [preset.experiment, preset.scales, preset.seeds, preset.steps]
        return [*head, *_fitted(preset.model, preset)]

    def on_model(self, model: str) -> list[Any]:
        """Offer what the model can do: its conditions, rules and samplers."""
        return _fitted(model)

    def on_experiment(self, name: str) -> Any:
        return gr.update(visible=name == "rules")

    def on_section(self, section: str) -> list[Any]:
        return [section, gr.update(visible=section == CURVES), gr.update(visible=section == ANATOMY)]

    def on_open(self, values: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        """A visitor who opens the tab for the first time finds it moving."""
        if values[self.kept] is not None or self.share.taken(values) or self.runs.stops.busy(request):
            yield {self.note: gr.skip()}  # nothing at all would be an error of Gradio's
            return
        yield from self.on_run(values, request)

    # The sweep

    def on_run(self, values: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        """Stream the cells that are not there yet; ends early at Stop and keeps what is finished."""
        yield from self.runs.stream(request, partial(self._sweep, values, request.session_hash or ""))

    def _sweep(self, values: dict[Any, Any], client: str, stop: threading.Event) -> Generator[Update, None, Update]:
        plan = self._plan(values)
        before: Sweep | None = values[self.kept]
        sweep = before.with_plan(plan) if before else Sweep(plan)
        missing = sweep.missing()
        painter = Painter(sweep)
        begun = {self.kept: sweep, self.words: _words(values[self.experiment], plan.request.model)}
        began, painted, notes = time.monotonic(), -inf, list[str]()
        events = self.backend.run(plan.request.model_copy(update={"lanes": missing}), stop, client) if missing else ()
        for event in events:
            if isinstance(event, Step):
                lane = missing[event.lane]
                painter.add(lane, event)
                if event.i == event.n:  # its score comes with its result; a run stopped before that keeps the picture
                    painter.cells[lane] = _cell(event.x_0, picture_measures(event.x_0))
            elif isinstance(event, LaneResult):
                painter.cells[missing[event.lane]] = _cell(event.picture, event.measures)
            elif isinstance(event, Note):
                notes.append(event.text)
            elif isinstance(event, Waiting):
                yield {self.note: widgets.waiting(event)}
                continue
            if time.monotonic() - painted > PAINT_EVERY_S:
                painted = time.monotonic()
                yield begun | {self.stage: painter.grid(), self.note: widgets.note(painter.progress(missing))}
        done = Sweep(plan, painter.cells)
        return (
            self.share.show(self.capsule(values, plan.request))
            | begun
            | {
                self.stage: painter.grid(stopped=True),
                self.note: widgets.note(
                    " ".join([painter.ended(missing, time.monotonic() - began), *dict.fromkeys(notes)])
                ),
                self.kept: done,
                self.curves: charts.curves(done),
                self.csv: gr.update(
                    value=str(charts.save_sweep(done, media.scratch_file("guidance.csv"))), interactive=True
                ),
            }
        )

    # One cell, taken apart

    def on_pick(self, values: dict[Any, Any], event: gr.EventData, request: gr.Request) -> Iterator[dict[Any, Any]]:
        """A click on a cell: its picture large, its anatomy as it is made."""
        sweep: Sweep | None = values[self.kept]
        if sweep is None:
            yield {self.note: widgets.note("There is no picture yet: press Run first.", bad=True)}
            return
        lane = view.lane_of(sweep.plan, widgets.sent(event, "pick"))
        if lane is None:
            yield {self.note: widgets.note("That picture is not in the grid any more. Click one that is.", bad=True)}
            return
        boxes = [self.section, self.curves_box, self.anatomy_box]
        opened = {self.picked: lane, **dict(zip(boxes, self.on_section(ANATOMY), strict=True))}
        for update in self._look(values, lane, request):
            yield opened | update  # each time: of updates in quick succession the page keeps the last

    def on_follow(self, values: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        """The anatomy, where it is shown, follows the grid: the picked cell if it is there, else one that suits."""
        sweep: Sweep | None = values[self.kept]
        if sweep is None or values[self.section] != ANATOMY:
            yield {self.note: gr.skip()}  # nothing at all would be an error of Gradio's
            return
        yield from self._look(values, _shown(sweep, values[self.picked]), request)

    def on_scrub(self, looked: Look | None, step: int) -> Any:
        return view.look(looked, int(step) - 1) if looked else gr.skip()

    def _look(self, values: dict[Any, Any], lane: LaneSettings, request: gr.Request) -> Iterator[dict[Any, Any]]:
        sweep: Sweep = values[self.kept]
        whole = sweep.plan.request
        asked = AnatomyRequest(
            model=whole.model, condition=whole.condition, negative=whole.negative, forward=whole.forward, lane=lane,
            scales=view.anatomy_scales(sweep.plan.scales, lane.guidance_scale),
        )  # fmt: skip
        cell, known = sweep.cells.get(lane), values[self.looked]
        steps: list[Anatomy] = list(known.steps) if known and known.request == asked and known.whole else []
        painted = -inf
        with self.looks.turn(request) as stop:
            png = self._png(values, lane)
            yield {self.look: view.look(Look(asked, cell, tuple(steps))), self.looked: None} | png
            try:
                for event in () if steps else self.backend.run(asked, stop, request.session_hash or ""):
                    if isinstance(event, Anatomy):
                        steps.append(event)
                    if steps and time.monotonic() - painted > PAINT_EVERY_S and self.looks.owns(request, stop):
                        painted = time.monotonic()
                        yield self._anatomy(Look(asked, cell, tuple(steps)), len(steps) - 1) | png
            except LabError as error:
                yield {self.note: widgets.note(str(error), bad=True)}
            if steps and self.looks.owns(request, stop):
                # A stopped one keeps the steps it has, but is made anew at the next click.
                looked = Look(asked, cell, tuple(steps))
                path = charts.save_norms(looked, media.scratch_file("norms.csv"))
                yield {
                    **self._anatomy(looked, round(REST_AT * (len(steps) - 1))),
                    **png,
                    self.looked: looked,
                    self.norms_csv: gr.update(value=str(path), interactive=True),
                }

    def _anatomy(self, looked: Look, index: int) -> dict[Any, Any]:
        return {
            self.look: view.look(looked, index),
            self.step: gr.update(maximum=max(looked.steps[0].n, 2), value=index + 1),
            self.norms: charts.norms(looked),
        }

    def _png(self, values: dict[Any, Any], lane: LaneSettings) -> dict[Any, Any]:
        """The picked picture as a file that carries its settings."""
        sweep: Sweep = values[self.kept]
        cell = sweep.cells.get(lane)
        if cell is None:
            return {self.png: gr.update(interactive=False)}
        path, index = (
            media.scratch_file(f"guidance-{view.key(lane)}.png"),
            sweep.plan.request.lanes.index(lane),
        )
        saved = share.save_png(cell.picture, path, values[self.share.capsule], index)
        return {self.png: gr.update(value=str(saved), interactive=True)}

    # Sharing

    def capsule(self, values: dict[Any, Any], request: SamplingRequest) -> Capsule:
        """All that makes a run again."""
        return self.share.make(values, request)

    def scripts(self, values: dict[Any, Any]) -> Iterator[tuple[str, str]]:
        """The script of the picture that is taken apart."""
        sweep: Sweep | None = values[self.kept]
        if sweep is None:
            raise LabError(share.NOTHING)
        lane = _shown(sweep, values[self.picked])
        request = sweep.plan.request
        yield f"guidance-{view.key(lane)}.py", script.write(request, request.lanes.index(lane))

    def restore(self, capsule: Capsule, values: dict[str, Any]) -> tuple[Update, str, str]:
        """The tab as a capsule says."""
        model = values.get("model", self.offered[0].name)
        row = MODELS[model]
        fitted = [self.model, self.prompt, self.negative, self.group, self.style, self.rules, self.sampler]
        updates: Update = dict(zip(fitted, _fitted(model), strict=True))
        if "rules" in values:
            values["rules"] = [name for name in values["rules"] if name in rules_for(row)] or ["cfg"]
        if values.get("sampler") not in samplers_for(row):
            values["sampler"] = "ddim"
        share.overlay(updates, self.share.parts, values)
        return updates, "guidance-run", share.without_model(capsule, model)

    # From controls to requests

    def _plan(self, values: dict[Any, Any]) -> Plan:
        model = values[self.model]
        scales, seeds = view.parse_scales(values[self.scales]), view.parse_seeds(values[self.seeds])
        rules = tuple(values[self.rules] or ()) if values[self.experiment] == "rules" else ("cfg",)
        if not rules:
            raise LabError("Choose at least one rule.")
        count = len(rules) * len(seeds) * len(scales)
        if count > self.settings.max_lanes:
            by_rule = f"{len(rules)} rules × " if len(rules) > 1 else ""
            raise LabError(
                f"{len(scales)} scales × {by_rule}{len(seeds)} seed{'s' if len(seeds) > 1 else ''} make {count} pictures; "
                f"one run makes at most {self.settings.max_lanes}. Take fewer scales or seeds."
            )
        row = MODELS.get(model, self.offered[0])
        asked = {"prompt": values[self.prompt], "group": values[self.group], "style": values[self.style]}
        shared = {
            "model": model,
            "condition": make_request(
                Condition, **{name: value for name, value in asked.items() if name in row.conditions and value}
            ),
            "negative": (values[self.negative] or "") if "prompt" in row.conditions else "",
            "forward": Forward(schedule=row.schedules[0]),
            "measure": True,
        }
        return make_plan(rules, seeds, scales, {"sampler": values[self.sampler], "steps": values[self.steps]}, shared)


def _words(experiment: str, model: str) -> str:
    """What there is to see of an experiment on a model."""
    more = EXACT_WORDS[experiment] if MODELS[model].family == "exact" else ""
    return widgets.words(f"{WORDS[experiment]} {more}".strip())


def _shown(sweep: Sweep, picked: LaneSettings | None) -> LaneSettings:
    """The picture that is taken apart: the one that was clicked, or one that shows guidance well."""
    lanes = sweep.plan.request.lanes
    return (
        picked if picked is not None and picked in lanes else min(lanes, key=lambda lane: abs(lane.guidance_scale - 5))
    )


def _cell(picture: np.ndarray, measures: dict[str, float]) -> Cell:
    return Cell(picture, media.data_uri(picture), measures)


def _sampler_choices(model: str) -> list[tuple[str, str]]:
    return [(row.title, name) for name, row in samplers_for(MODELS[model]).items()]


def _rule_choices(model: str) -> list[tuple[str, str]]:
    return [(row.title, name) for name, row in rules_for(MODELS[model]).items()]


def _fitted(model: str, preset: Preset | None = None) -> list[Any]:
    """Updates of the controls that depend on the model, as a preset has them or with what suits the model."""
    row = MODELS[model]
    reads = "prompt" in row.conditions
    prompt, negative = ({"value": preset.prompt}, {"value": preset.negative}) if preset else ({}, {})
    rules = list(preset.rules) if preset and preset.experiment == "rules" else list(rules_for(row))
    return [
        model,
        gr.update(visible=reads, **prompt),
        gr.update(visible=reads, **negative),
        gr.update(visible="group" in row.conditions, value=preset.group if preset else ""),
        gr.update(visible="style" in row.conditions, value=""),
        gr.update(choices=_rule_choices(model), value=rules),
        gr.update(choices=_sampler_choices(model), value="ddim"),
    ]
