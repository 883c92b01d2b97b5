"""Tab: ControlNet. A map of lines or of a pose steers what is drawn; how hard, how long and how faithfully."""

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Any

import gradio as gr

from lab.annotators.joints import from_list, to_list
from lab.capsules import script
from lab.capsules.capsule import Capsule
from lab.catalog import CONTROLS, MODELS, Model
from lab.requests.base import LabError, Note, Waiting, make_request
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneResult, SamplingRequest, Step
from lab.settings import Settings, at_hand
from lab.ui.shell import lane_view, media, share, widgets
from lab.ui.shell.runs import Runs, Stops
from lab.ui.shell.widgets import Update
from lab.ui.tabs.controlnet import charts, experiments, maps, view
from lab.ui.tabs.controlnet.experiments import EXPERIMENTS, Agreement, Dials, Finished, Plan
from lab.ui.tabs.controlnet.maps import FIRST, HAND, KINDS, Maps, Source, Sources

SAMPLER, STEPS = "dpmpp_2m", 10  # good pictures in ten calls: a drawing must answer within two seconds
JUMPS = 4  # of LCM, for a model that was distilled for it
PAINT_EVERY_S = 0.08
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
WORN = "a person in a red shirt and blue trousers"


@dataclass(frozen=True)
class Preset:
    """One click that shows something striking. A map is (annotator, name of a sketch, a pose or an example file)."""

    title: str
    maps: tuple[tuple[str, str], ...]
    prompt: str
    experiment: str = "strengths"
    strengths: str = "0, 0.5, 1, 1.5"
    pose_strengths: str = "0, 0.5, 1"
    seed: int = 0
    count: int = 2
    guess: bool = False
    live: bool = False
    model: str = ""  # where it is at hand; else the first


# fmt: off
PRESETS = (
    Preset("How hard to hold",       (("canny", "fox-3d"),),                        "dog face"),
    Preset("Draw an emoji",          (("scribble", "heart"),),                     "red heart",     strengths="1", live=True, model="student"),
    Preset("Same lines, other words", (("canny", "red-apple-glossy"),),            "tangerine", strengths="0, 0.7, 1.4"),
    Preset("Strike a pose",          ((HAND, "jumping"),),                         f"{WORN}, green background"),
    Preset("From a photograph",      (("pose", "arms-raised"),),                   f"{WORN}, white background", strengths="0, 0.5, 1"),
    Preset("When is shape decided?", (("scribble", "star"),),                      "star", "windows", seed=2, count=1),
    Preset("Edges and pose",         (("scribble", "house"), (HAND, "waving")),    WORN, "pairs", "0, 0.5, 1", count=1),
    Preset("Without words",          (("canny", "butterfly-blob"),),               "", strengths="0, 0.5, 1", count=1, guess=True),
)
# fmt: on


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
        self.models = [row for row in MODELS.values() if row.controls and at_hand(row.source, settings)]
        self.maps = Maps(backend, settings, self.models[0].size)
        self.presses = Stops()  # of presets, apart from the runs'

    # Layout

    def lay_out(self) -> None:
        first = PRESETS[0]
        self.sources = gr.State(FIRST, time_to_live=7200)
        self.kept = gr.State(None, time_to_live=3600)
        self.picked = gr.State(None, time_to_live=3600)
        self.presets = widgets.preset_row("controlnet", [preset.title for preset in PRESETS])
        with widgets.grid():
            with widgets.stage():
                self._lay_out_stage(first)
            with widgets.controls():
                self._lay_out_controls(first)
        with gr.Accordion("What am I looking at?", open=True):
            gr.Markdown(view.ABOUT, elem_classes="lab-words", latex_delimiters=widgets.LATEX)

    def _lay_out_stage(self, first: Preset) -> None:
        self.stage = gr.HTML(_empty_grid(first), js_on_load=view.STAGE_JS, elem_id="controlnet-stage")
        self.view = _segments(_titled(view.VIEWS), view.VIEWS[0], "Show", "controlnet-view")
        self.view_words = gr.HTML(widgets.words(view.view_words(view.VIEWS[0])))
        self.chart = _segments(_titled(view.CHARTS), view.CHARTS[0], "Chart", "controlnet-chart-choice")
        self.plot = widgets.plot("Faithfulness or residuals", value=charts.nothing(), elem_id="controlnet-plot")
        self.chart_words = gr.HTML(widgets.words(view.chart_words(view.CHARTS[0], "strengths")))

    def _lay_out_controls(self, first: Preset) -> None:
        self.runs = Runs("controlnet")
        self.run, self.stop, self.note = self.runs.run, self.runs.stop, self.runs.note
        self.prompt = gr.Textbox(
            first.prompt, label="Prompt", show_label=False, placeholder="Prompt, or nothing", max_length=widgets.MAX_TYPED,
            elem_id="controlnet-prompt",
        )  # fmt: skip
        names = [(CONTROLS[name].title, name) for name in KINDS]
        with gr.Row(elem_classes="map-choice"):
            self.control = _segments(names, "edges", "Map of", "controlnet-control")
            self.annotator = _segments(self.maps.annotators("edges"), "canny", "Map from", "controlnet-annotator")
        # Its choices follow the control; a click under way may carry one of before, which on_annotator answers itself.
        self.annotator.preprocess = lambda payload: payload
        self.gallery = gr.HTML(view.gallery("edges"), js_on_load=widgets.PICK_JS, elem_id="controlnet-gallery")
        empty = maps.editor("edges", FIRST["edges"], self.maps.side)
        self.editor = gr.HTML(empty, js_on_load=view.EDITOR_JS, elem_id="controlnet-editor")
        with gr.Row() as self.canny:
            self.low = gr.Slider(0, 500, 80, step=1, label="Low", min_width=90, buttons=[], elem_id="controlnet-low")
            self.high = gr.Slider(
                0, 500, 160, step=1, label="High", min_width=90, buttons=[], elem_id="controlnet-high"
            )
            self.blur = gr.Slider(0, 3, 0, step=0.1, label="Blur", min_width=90, buttons=[], elem_id="controlnet-blur")
        with widgets.more("Your own picture"):
            self.upload = widgets.picture_input(
                "Upload, paste or take a picture", height=240, elem_id="controlnet-upload"
            )
        self.experiment = gr.Radio([(title, name) for name, (title, _) in EXPERIMENTS.items()], value="strengths", label="Experiment",
                                   elem_id="controlnet-experiment")  # fmt: skip
        with gr.Row():
            self.strengths = gr.Textbox(
                first.strengths, label="Strengths", min_width=120, elem_id="controlnet-strengths"
            )
            self.pose_strengths = gr.Textbox(first.pose_strengths, label="Pose strengths", min_width=120, visible=False)
            self.starts = gr.Textbox(
                "0, 0.2, 0.4, 0.6", label="Starts", min_width=120, visible=False, elem_id="controlnet-starts"
            )
            self.ends = gr.Textbox("0.2, 0.4, 0.6, 1", label="Ends", min_width=120, visible=False)
        self.live = gr.Checkbox(first.live, label="Run at every stroke", elem_id="controlnet-live")
        with widgets.more("More"):
            with gr.Row():
                self.seed = gr.Number(first.seed, minimum=0, label="First seed", min_width=110)
                self.count = gr.Slider(1, 8, first.count, step=1, label="Seeds", min_width=110)
            with gr.Row():
                self.start = gr.Slider(
                    0, 1, 0, step=0.05, label="Window start", min_width=110, elem_id="controlnet-start"
                )
                self.end = gr.Slider(0, 1, 1, step=0.05, label="Window end", min_width=110, elem_id="controlnet-end")
            self.strength = gr.Slider(0, 2, 1, step=0.1, label="Strength", visible=False)
            self.guess = gr.Checkbox(first.guess, label="Guess mode beside it")
            self.guidance = gr.Slider(
                0, 10, self.models[0].guidance_scale, step=0.5, label="Guidance scale (1: plain conditional model)"
            )
            self.steps = gr.Slider(1, 50, STEPS, step=1, label="Steps")
            self.negative = gr.Textbox(label="Negative prompt", max_length=widgets.MAX_TYPED)
            self.model = gr.Dropdown(
                [(row.title, row.name) for row in self.models], value=self.models[0].name, label="Model"
            )
        with widgets.more("Share and export"):
            with gr.Row():
                self.png = gr.Button("Picture, PNG", size="sm", min_width=90, elem_id="controlnet-png")
                self.map_png = gr.Button("Map, PNG", size="sm", min_width=90, elem_id="controlnet-map-png")
                self.csv = gr.Button("Numbers, CSV", size="sm", min_width=90, elem_id="controlnet-csv")
            shared = (
                "prompt control low high blur experiment strengths pose_strengths starts ends seed count start end strength "
                "guess guidance steps negative model"
            )
            self.share = share.Panel("controlnet", {name: getattr(self, name) for name in shared.split()})

    # Wiring

    def wire(self, page: gr.Tab) -> None:
        settings = {
            self.prompt, self.control, self.annotator, self.low, self.high, self.blur, self.experiment, self.strengths,
            self.pose_strengths, self.starts, self.ends, self.live, self.seed, self.count, self.start, self.end, self.strength,
            self.guess, self.guidance, self.steps, self.negative, self.model, self.view, self.chart,
        }  # fmt: skip
        inputs = {*settings, self.sources, self.share.capsule}
        mapped = [self.sources, self.editor, self.annotator, self.canny, self.gallery, self.note]
        painted = [
            self.stage, self.plot, self.chart_words, self.note, self.kept, self.picked, self.run, self.stop, *self.share.run_outputs
        ]  # fmt: skip
        chosen = [
            *mapped, *self._fields(), self.control, self.prompt, self.experiment, self.seed, self.low, self.high, self.blur,
            self.live, self.model, self.guidance, self.steps, self.negative,
        ]  # fmt: skip
        running = {**QUIET, "concurrency_id": "run", "concurrency_limit": self.settings.most_pressed}
        latest = {**QUIET, "queue": False, "trigger_mode": "always_last"}

        gr.on(
            [self.low.input, self.high.input, self.blur.input],
            self.on_canny,
            inputs,
            [self.sources, self.editor, self.note],
            **latest,
        )
        self.control.input(self.on_control, inputs, mapped, **latest)
        self.annotator.input(self.on_annotator, inputs, mapped, **latest)
        self.model.input(
            self.on_model, inputs, [*mapped, self.guidance, self.steps, self.negative], queue=False, **QUIET
        )
        self.experiment.input(self.on_experiment, self.experiment, self._fields(), **latest)
        self.gallery.click(self.on_starter, inputs, mapped, queue=False, **QUIET).then(
            self.on_live, inputs, painted, **running
        )
        self.upload.input(self.on_upload, {*inputs, self.upload}, mapped, **QUIET)
        self.editor.input(self.on_edit, inputs, mapped, **latest).then(self.on_live, inputs, painted, **running)

        self.run.click(self.on_run, inputs, painted, **running)
        self.stop.click(self.on_stop, None, None, queue=False, **QUIET)
        for button, preset in zip(self.presets, PRESETS, strict=True):
            button.click(self._pressing(preset), None, chosen, queue=False, **QUIET).then(
                self.on_run, inputs, painted, **running
            )
        self.share.opens(page, self.on_open, {*inputs, self.kept}, [*dict.fromkeys([*chosen, *painted])], **running)

        self.view.input(self.on_view, {self.view, self.kept, self.picked}, [self.stage, self.view_words], **latest)
        self.chart.input(self.on_chart, {self.chart, self.kept, self.picked}, [self.plot, self.chart_words], **latest)
        self.stage.click(self.on_pick, {self.chart, self.kept}, [self.picked, self.plot], queue=False, **QUIET)
        saved: dict[str, Any] = {"api_visibility": "private", "show_progress_on": self.share.files}
        files = [self.share.files, self.share.note]
        run = {self.kept, self.picked, self.share.capsule}
        self.png.click(self.save_picture, run, files, **saved)
        self.map_png.click(self.save_map, {self.sources, self.control}, files, **saved)
        self.csv.click(self.save_numbers, {self.kept}, files, **saved)
        self.restorable = [*dict.fromkeys([*chosen, *self.share.parts.values()])]
        self.share.wire(run, self.scripts)

    def _fields(self) -> list[Any]:
        """What belongs to one experiment or another."""
        return [
            self.strengths, self.pose_strengths, self.starts, self.ends, self.start, self.end, self.strength, self.count,
            self.guess,
        ]  # fmt: skip

    # The map

    def on_control(self, values: dict[Any, Any]) -> dict[Any, Any]:
        return self._mapped(values, values[self.control], values[self.sources][values[self.control]])

    def on_annotator(self, values: dict[Any, Any]) -> dict[Any, Any]:
        control, name = values[self.control], values[self.annotator]
        before: Source = values[self.sources][control]
        if name not in [known for _, known in self.maps.annotators(control)]:
            return {self.annotator: before.annotator}
        if before.upload is None and name not in ("scribble", HAND):  # what is drawn stays
            return {self.annotator: before.annotator, self.note: widgets.note(maps.NO_PICTURE, bad=True)}
        return self._made(values, control, replace(before, annotator=name))

    def on_model(self, values: dict[Any, Any]) -> dict[Any, Any]:
        """Maps as large as the model's pictures: those of a picture or a skeleton made again, drawn ones enlarged."""
        model = MODELS[values[self.model]]
        shown = self._suited(model) | {self.negative: gr.update(visible=model.guided)}
        for control, source in values[self.sources].items():
            if source.map is not None and control != values[self.control]:
                values = values | {self.sources: self._again(values, control, source)[self.sources]}
        return shown | self._again(values, values[self.control], values[self.sources][values[self.control]])

    def _again(self, values: dict[Any, Any], control: str, source: Source) -> dict[Any, Any]:
        """The map of a source at the side of the model that is chosen now."""
        if source.by_hand:
            return self._mapped(values, control, self._maps(values).resized(source)) | {self.note: widgets.note("")}
        return self._made(values, control, source)

    def _suited(self, model: Model) -> dict[Any, Any]:
        """What a model is run with until somebody says otherwise."""
        return {self.guidance: model.guidance_scale, self.steps: JUMPS if model.consistency else STEPS}

    def _maps(self, values: dict[Any, Any]) -> Maps:
        """What makes maps for the model that is chosen."""
        return self.maps.at(MODELS[values[self.model]].size)

    def on_canny(self, values: dict[Any, Any]) -> dict[Any, Any]:
        """A slider moved: the map alone is sent, so that it follows within a tenth of a second."""
        made = self._made(values, "edges", values[self.sources]["edges"])
        return {part: made[part] for part in (self.sources, self.editor, self.note)}

    def on_starter(self, values: dict[Any, Any], event: gr.EventData) -> dict[Any, Any]:
        """A sketch, a pose or an example picture."""
        control = values[self.control]
        known = view.starters(control)
        index = widgets.picked(event) % len(known)
        one = known[index]
        if one.path is None:
            source = self._maps(values).begin("scribble" if one.kind == "sketch" else HAND, one.title)
        else:
            upload = media.open_upload(one.path, self.settings)
            source = self.maps.pictured(control, values[self.sources][control].annotator, upload)
        return self._made(values, control, source, index)

    def on_upload(self, values: dict[Any, Any]) -> dict[Any, Any]:
        """Take the visitor's picture; one that cannot be read leaves the old map where it is."""
        if values[self.upload] is None:
            return {self.note: widgets.note("")}
        control = values[self.control]

        def take() -> dict[Any, Any]:
            upload = media.open_upload(values[self.upload], self.settings)
            before = values[self.sources][control].annotator
            return self._made(values, control, self.maps.pictured(control, before, upload))

        return self._answer(take)

    def on_edit(self, values: dict[Any, Any], event: gr.EventData) -> dict[Any, Any]:
        """A stroke on the map, a joint that was dragged, which the page has painted already; or the map inverted."""
        control = values[self.control]

        def edit() -> dict[Any, Any]:
            after = self._maps(values).edited(control, values[self.sources][control], event)
            update = {self.sources: values[self.sources] | {control: after}, self.note: widgets.note("")}
            if widgets.sent(event, "invert"):
                update[self.editor] = maps.editor(control, after, self._maps(values).side)
            return update

        return self._answer(edit)

    def _made(self, values: dict[Any, Any], control: str, source: Source, picked: int | None = None) -> dict[Any, Any]:
        """Make the map of a source and show it; where that cannot be done, say why."""
        lost = maps.REDRAWN if source.by_hand and source.upload is not None else ""
        try:
            dials = values[self.low], values[self.high], values[self.blur]
            source, wrong = self._maps(values).made(control, source, *dials)
        except LabError as error:
            source, wrong = replace(source, map=None, joints=None), str(error)
        shown = self._mapped(values, control, source, picked)
        words = " ".join(filter(None, [wrong, source.note, lost]))
        return shown | {self.note: widgets.note(words, bad=bool(wrong))}

    def _mapped(
        self, values: dict[Any, Any], control: str, source: Source, picked: int | None = None
    ) -> dict[Any, Any]:
        return {
            self.sources: values[self.sources] | {control: source},
            self.editor: maps.editor(control, source, self._maps(values).side),
            self.annotator: gr.update(choices=self.maps.annotators(control), value=source.annotator),
            self.canny: gr.update(visible=source.annotator == "canny"),
            self.gallery: view.gallery(control, picked),
        }

    # The run

    def on_experiment(self, name: str) -> list[Any]:
        """Show the controls that the experiment reads and no others, in the order of `_fields`."""
        windows, strengths = name == "windows", name == "strengths"
        return [
            gr.update(visible=not windows, label="Edge strengths" if name == "pairs" else "Strengths"),
            *(
                gr.update(visible=shown)
                for shown in (name == "pairs", windows, windows, not windows, not windows, windows)
            ),
            *(gr.update(visible=strengths) for _ in (self.count, self.guess)),
        ]

    def _pressing(self, preset: Preset) -> Callable[[gr.Request], dict[Any, Any]]:
        """`on_preset` for one preset; a slow one (a pose sought in a photograph) gives way to one pressed meanwhile."""

        def pressed(request: gr.Request) -> dict[Any, Any]:
            with self.presses.turn(request) as press:
                shown = self.on_preset(preset)
                return shown if self.presses.owns(request, press) else {self.note: gr.skip()}

        return pressed

    def on_preset(self, preset: Preset) -> dict[Any, Any]:
        """Everything a preset sets. What it shows is its run's, which follows."""
        plain, looks = self._preset(preset)
        return plain | looks

    def _preset(self, preset: Preset) -> tuple[dict[Any, Any], dict[Any, Any]]:
        """Plain values of a preset, and updates of what is shown."""
        model = next((row for row in self.models if row.name == preset.model), self.models[0])
        plain: dict[Any, Any] = {
            self.prompt: preset.prompt, self.experiment: preset.experiment, self.seed: preset.seed, self.count: preset.count,
            self.guess: preset.guess, self.live: preset.live, self.strengths: preset.strengths, self.sources: FIRST,
            self.pose_strengths: preset.pose_strengths, self.low: 80, self.high: 160, self.blur: 0,
            self.start: 0, self.end: 1, self.strength: 1, self.model: model.name, self.negative: "",
            **self._suited(model),
        }  # fmt: skip
        looks: dict[Any, Any] = {}
        for annotator, name in preset.maps:
            control = "pose" if annotator in (HAND, "pose") else "edges"
            looks = self._made(plain, control, self._maps(plain).begin(annotator, name))
            plain |= {self.control: control, self.sources: looks[self.sources]}
        fields = zip(self._fields(), self.on_experiment(preset.experiment), strict=True)
        looks |= {field: update | ({"value": plain[field]} if field in plain else {}) for field, update in fields}
        return plain, looks | {self.negative: gr.update(value="", visible=model.guided)}

    def on_open(self, values: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        """A visitor who opens the tab for the first time finds it moving."""
        if values[self.kept] is not None or self.share.taken(values) or self.runs.stops.busy(request):
            yield {self.note: gr.skip()}  # nothing at all would be an error of Gradio's
            return
        plain, looks = self._preset(PRESETS[0])
        yield plain | looks
        yield from self.on_run(values | plain, request)

    def on_live(self, values: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        """The run that follows a stroke, where the visitor wants one; nothing while there is nothing to follow."""
        source: Source = values[self.sources][values[self.control]]
        if not values[self.live] or source.map is None or not source.map.any():
            yield {self.note: gr.skip()}  # nothing at all would be an error of Gradio's
            return
        yield from self.on_run(values, request)

    def on_stop(self, request: gr.Request) -> None:
        self.runs.stops.set(request)

    def on_run(self, values: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        """Stream a run; ends early at Stop and keeps what is there."""
        yield from self.runs.stream(request, partial(self._sample, values, request.session_hash or ""))

    def _sample(self, values: dict[Any, Any], client: str, stop: threading.Event) -> Generator[Update, None, Update]:
        plan = self._plan(values)
        steps: dict[int, Step] = {}
        guesses: dict[int, Step] = {}
        results: dict[int, LaneResult] = {}
        agreements: dict[int, Agreement] = {}
        sources = values[self.sources]
        notes = [one.note for one in (sources[control.name] for control in plan.request.controls) if one.note]
        painted, every = -inf, PAINT_EVERY_S * max(1.0, len(plan.places) / 12)
        done = Finished(plan, steps, guesses, results, agreements)
        for event in self.backend.run(plan.request, stop, client):
            if isinstance(event, Step):
                steps[event.lane] = event
                guesses[event.lane] = lane_view.guess(guesses.get(event.lane), event)
                if event.i == event.n:
                    agreements[event.lane] = experiments.agreement(plan, event.x_0)
            elif isinstance(event, LaneResult):
                results[event.lane] = event
            elif isinstance(event, Note):
                notes.append(event.text)
            elif isinstance(event, Waiting):
                yield {self.note: widgets.waiting(event)}
                continue
            if time.monotonic() - painted > every:
                painted = time.monotonic()
                calls = sum(step.i for step in steps.values()), sum(lane.steps for lane in plan.request.lanes)
                yield {
                    self.stage: view.grid(done),
                    self.note: widgets.note(f"{len(plan.places)} pictures · {calls[0]} of {calls[1]} calls"),
                }
        if not stop.is_set():
            yield {self.stage: view.grid(done, values[self.view])}
            try:
                self._seek_people(done)
            except LabError as error:
                notes.append(str(error))  # the pictures are there all the same
        ended = "Stopped. What was made stays." if stop.is_set() else charts.summary(done)
        picked = max(results, default=None, key=lambda lane: plan.request.lanes[lane].windows[0].strength)
        return self.share.show(self.capsule(values, plan.request)) | {
            self.stage: view.grid(done, values[self.view], picked),
            self.note: widgets.note(" ".join([ended, *dict.fromkeys(notes)])),
            self.kept: done,
            self.picked: picked,
            self.plot: charts.chart(values[self.chart], done, picked),
            self.chart_words: widgets.words(view.chart_words(values[self.chart], plan.experiment)),
        }

    def _seek_people(self, done: Finished) -> None:
        """Look for the person in every picture that a pose steered; where nobody is found, no joint is found again."""
        if done.plan.pose is None:
            return
        for lane, result in done.results.items():
            seen = self.maps.seek(result.picture)
            share = 0.0
            if seen.joints is not None and seen.visible is not None:
                share = experiments.joint_agreement(seen.joints, seen.visible, *done.plan.pose)
            measured = done.agreements[lane]
            done.agreements[lane] = replace(measured, found=seen.joints, joints_within=share, person_sought=True)

    # From controls to requests

    def _plan(self, values: dict[Any, Any]) -> Plan:
        """What the controls ask for."""
        experiment, model = values[self.experiment], MODELS[values[self.model]]
        names = ("edges", "pose") if experiment == "pairs" else (values[self.control],)
        request = {
            "model": model.name,
            "condition": make_request(Condition, prompt=values[self.prompt] or ""),
            "negative": values[self.negative] or "",
            "controls": tuple(maps.control_of(name, values[self.sources][name]) for name in names),
            "forward": Forward(schedule=model.schedules[0]),
        }
        lane = {
            "sampler": "lcm" if model.consistency else SAMPLER,
            "steps": values[self.steps],
            "guidance_scale": values[self.guidance],
        }
        source: Source = values[self.sources]["pose"]
        asked = None
        if "pose" in names and source.joints is not None and source.visible is not None:
            asked = (source.joints, source.visible)
        dials = Dials(*(values[getattr(self, name)] for name in Dials._fields))
        return experiments.plan(experiment, dials, self.settings.max_lanes, request, lane, asked)

    # What is done with results

    def on_view(self, values: dict[Any, Any]) -> dict[Any, Any]:
        kept: Finished | None = values[self.kept]
        words = {self.view_words: widgets.words(view.view_words(values[self.view]))}
        return words | ({self.stage: view.grid(kept, values[self.view], values[self.picked])} if kept else {})

    def on_chart(self, values: dict[Any, Any]) -> dict[Any, Any]:
        kept: Finished | None = values[self.kept]
        experiment = kept.plan.experiment if kept else "strengths"
        words = {self.chart_words: widgets.words(view.chart_words(values[self.chart], experiment))}
        return words | ({self.plot: charts.chart(values[self.chart], kept, values[self.picked])} if kept else {})

    def on_pick(self, values: dict[Any, Any], event: gr.EventData) -> dict[Any, Any]:
        """A picture that was clicked, by what sets it apart: another run may have put another in its place meanwhile."""
        kept: Finished | None = values[self.kept]
        lane = kept.plan.lane_of(widgets.sent(event, "pick")) if kept else None
        if kept is None or lane not in kept.steps:
            return {self.picked: None}
        return {self.picked: lane, self.plot: charts.chart(values[self.chart], kept, lane)}

    def save_picture(self, values: dict[Any, Any]) -> dict[Any, Any]:
        def save() -> dict[Any, Any]:
            kept, lane = _finished(values[self.kept]), values[self.picked]
            lane = lane if lane in kept.steps else min(kept.steps)
            if kept.steps[lane].i < kept.steps[lane].n:
                raise LabError("This picture was stopped before it was finished. Choose another one or press Run.")
            path = media.scratch_file(f"controlnet-{lane}.png")
            return self.share.saved(share.save_png(kept.steps[lane].x_0, path, values[self.share.capsule], lane))

        return self.share.answer(save)

    def save_map(self, values: dict[Any, Any]) -> dict[Any, Any]:
        def save() -> dict[Any, Any]:
            control = maps.control_of(values[self.control], values[self.sources][values[self.control]])
            return self.share.saved(media.save_plain(control.map, media.scratch_file(f"{control.name}-map.png")))

        return self.share.answer(save)

    def save_numbers(self, values: dict[Any, Any]) -> dict[Any, Any]:
        def save() -> dict[Any, Any]:
            kept = _finished(values[self.kept])
            return self.share.saved(charts.save_numbers(kept, media.scratch_file("controlnet.csv")),
                                    charts.save_residuals(kept, media.scratch_file("controlnet-residuals.csv")))  # fmt: skip

        return self.share.answer(save)

    def capsule(self, values: dict[Any, Any], request: SamplingRequest) -> Capsule:
        """All that makes a run again, its maps among it."""
        return self.share.make(values, request, maps=_maps_told(request, values[self.sources]))

    def scripts(self, values: dict[Any, Any]) -> Iterator[tuple[str, str]]:
        """The script of the picture that was clicked, or of the first."""
        kept, lane = _finished(values[self.kept]), values[self.picked]
        lane = lane if lane in kept.steps else min(kept.steps)
        yield f"controlnet-{lane}.py", script.write(kept.plan.request, lane)

    def restore(self, capsule: Capsule, values: dict[str, Any]) -> tuple[Update, str, str]:
        """The tab as a capsule says, with its maps as they were: drawings to go on with, or skeletons."""
        plain, looks = self._preset(replace(PRESETS[0], maps=()))
        parts = self.share.parts
        plain |= {self.sources: FIRST, self.control: "edges"} | {parts[name]: value for name, value in values.items()}
        for control, source in _maps_of(capsule).items():
            looks |= self._made(plain, control, source)
            plain |= {self.sources: looks[self.sources]}
        control = plain[self.control]
        looks |= self._made(plain, control, plain[self.sources][control])
        fields = zip(self._fields(), self.on_experiment(plain[self.experiment]), strict=True)
        looks |= {field: update | {"value": plain[field]} for field, update in fields if field in plain}
        looks[self.negative] = gr.update(value=plain[self.negative], visible=MODELS[plain[self.model]].guided)
        lost = "" if plain[self.sources][control].map is not None else share.ALONE
        words = " ".join(filter(None, [share.without_model(capsule, plain[self.model]), lost]))
        return plain | looks, "" if lost else "controlnet-run", words

    def _answer(self, work: Any) -> dict[Any, Any]:
        """What `work` paints, or a sentence about why it cannot; the page keeps what it shows."""
        try:
            return work()
        except LabError as error:
            return {self.note: widgets.note(str(error), bad=True)}


def _finished(kept: Finished | None) -> Finished:
    if kept is None or not kept.steps:
        raise LabError("There is no picture yet: press Run first.")
    return kept


def _maps_told(request: SamplingRequest, sources: Sources) -> dict[str, dict[str, Any]]:
    """The maps of a run as a capsule tells of them: joints, or the map itself."""
    told: dict[str, dict[str, Any]] = {}
    for control in request.controls:
        joints, visible = sources[control.name].joints, sources[control.name].visible
        if control.name == "pose" and joints is not None:
            told[control.name] = {"joints": to_list(joints, visible)}
        else:
            told[control.name] = {"png": media.exact_uri(control.map)}
    return told


def _maps_of(capsule: Capsule) -> Sources:
    """The inverse of `_maps_told` for a capsule from anywhere; maps that cannot be read are left out."""
    told, found = capsule.values.get("maps"), {}
    for name in KINDS:
        one = told.get(name) if isinstance(told, dict) else None
        if name == "pose" and isinstance(one, dict) and "joints" in one:
            with suppress(ValueError):
                joints, visible = from_list(one["joints"])
                found[name] = Source(HAND, joints=joints, visible=visible)
        elif (pixels := share.picture_of(one)) is not None:
            drawn = name == "edges"
            found[name] = Source("scribble", map=pixels) if drawn else Source("map", media.Upload(pixels))
    return found


def _titled(names: Iterable[str]) -> list[tuple[str, str]]:
    """Names as the choices of a widget."""
    return [(name.capitalize(), name) for name in names]


def _segments(choices: list[tuple[str, str]], value: str, label: str, elem_id: str) -> gr.Radio:
    """A radio as a row of segments; its label is for screen readers."""
    return gr.Radio(
        choices, value=value, label=label, show_label=False, container=False, elem_classes="segments", elem_id=elem_id
    )


def _empty_grid(preset: Preset) -> str:
    """The boxes of a preset before there is a picture in them, so that nothing jumps when they come."""
    count = len(preset.strengths.split(","))
    return view.empty_grid(preset.count, count)
