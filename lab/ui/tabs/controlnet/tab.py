"""Tab: ControlNet. A map of lines or of a pose steers what is drawn; how hard, how long and how faithfully."""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from lab.capsules import script
from lab.capsules.capsule import Capsule
from lab.capsules.notebook import Script, drawn
from lab.capsules.recordings import Collector
from lab.catalog import CONTROLS, MODELS, Model
from lab.requests.base import Event, LabError, make_request
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import Decoded, SamplingRequest, Step
from lab.settings import Settings, at_hand
from lab.ui.shell import media, pipeline, reel, share, shelf, vocabulary, widgets
from lab.ui.shell.form import DECODER, RANDOM_SEED, Field, Preset, decoder_of, one_of
from lab.ui.shell.runs import STOPPED, Run, Runs, Stops
from lab.ui.shell.tool import NO_PICTURE, Tool
from lab.ui.shell.widgets import LATEST, PICKED, QUIET, Update
from lab.ui.tabs.controlnet import charts, experiments, maps, view
from lab.ui.tabs.controlnet.board import Board, kind_of, maps_for_capsule
from lab.ui.tabs.controlnet.experiments import EXPERIMENTS, Dials, ExperimentPlan, Finished
from lab.ui.tabs.controlnet.maps import HAND, KINDS

SAMPLER, STEPS = "dpmpp_2m", 10  # good pictures in ten calls: a drawing must answer within two seconds
JUMPS = 4  # of LCM, for a model that was distilled for it
PAINT_EVERY_S = 0.08
WORN = "a person in a red shirt and blue trousers"
NOTHING_DRAWN = "Draw a few lines: the pictures follow."
UNFINISHED = "This picture was stopped before it was finished. Choose another one or press Run."

SEGMENTS = {"show_label": False, "container": False, "elem_classes": "segments"}  # its label is for screen readers
SLIM = {"min_width": 90, "buttons": []}
HALF = {"min_width": 110}
LIST = {"min_width": 120, "max_length": widgets.MAX_TYPED}
windows, but_windows = one_of("experiment", "windows"), one_of("experiment", "strengths", "pairs")
strengths, pairs = one_of("experiment", "strengths"), one_of("experiment", "pairs")

# fmt: off
FORM = (
    Field("model",      gr.Dropdown, "Model"),
    Field("prompt",     gr.Textbox,  "Prompt", options={"show_label": False, "placeholder": "Prompt, or nothing", "max_length": widgets.MAX_TYPED, **vocabulary.PROMPT}),
    Field("control",    gr.Radio,    "Map of", "edges", choices=[(CONTROLS[name].title, name) for name in KINDS], options=SEGMENTS),
    Field("low",        gr.Slider,   "Low",  80,  options={"minimum": 0, "maximum": 500, "step": 1, **SLIM}),
    Field("high",       gr.Slider,   "High", 160, options={"minimum": 0, "maximum": 500, "step": 1, **SLIM}),
    Field("blur",       gr.Slider,   "Blur", 0,   options={"minimum": 0, "maximum": 3, "step": 0.1, **SLIM}),
    Field("experiment", gr.Radio,    "Experiment", "strengths", choices=[(title, name) for name, (title, _) in EXPERIMENTS.items()]),
    Field("strengths",  gr.Textbox,  lambda now: "Edge strengths" if now["experiment"] == "pairs" else "Strengths", "0, 0.5, 1, 1.5", when=but_windows, options=LIST),
    Field("pose_strengths", gr.Textbox, "Pose strengths", "0, 0.5, 1", when=pairs, options=LIST),
    Field("starts",     gr.Textbox,  "Starts", "0, 0.2, 0.4, 0.6", when=windows, options=LIST),
    Field("ends",       gr.Textbox,  "Ends",   "0.2, 0.4, 0.6, 1", when=windows, options=LIST),
    Field("live",       gr.Checkbox, "Run at every change", False, linked=False),
    Field("seed",       gr.Number,   "First seed", 0, dice=RANDOM_SEED, options={"minimum": 0, **HALF}),
    Field("count",      gr.Slider,   "Seeds", 2, when=strengths, options={"minimum": 1, "maximum": 8, "step": 1, **HALF}),
    Field("start",      gr.Slider,   "Window start", 0, when=but_windows, options={"minimum": 0, "maximum": 1, "step": 0.05, **HALF}),
    Field("end",        gr.Slider,   "Window end",   1, when=but_windows, options={"minimum": 0, "maximum": 1, "step": 0.05, **HALF}),
    Field("strength",   gr.Slider,   "Strength", 1, when=windows, options={"minimum": 0, "maximum": 2, "step": 0.1}),
    Field("guess",      gr.Checkbox, "Guess mode beside it", False, when=strengths),
    Field("guidance",   gr.Slider,   "Guidance scale (1: plain conditional model)", lambda model: model.guidance_scale, options={"minimum": 0, "maximum": 10, "step": 0.5}),
    Field("steps",      gr.Slider,   "Steps", lambda model: JUMPS if model.consistency else STEPS, options={"minimum": 1, "maximum": 50, "step": 1}),
    Field("negative",   gr.Textbox,  "Negative prompt", offered=lambda model: model.guided, stays=True, options={"max_length": widgets.MAX_TYPED}),
    DECODER,
)
PRESETS = (  # the subject is a map or two: (annotator, name of a sketch, a pose or an example file)
    Preset("How hard to hold",       [("canny", "fox-3d")],                       prompt="dog face",
           look="Read a row from left to right: ears and cheeks move to the lines of the fox. F1 in the corners says how well they are found again.",
           place="#controlnet-stage"),
    Preset("Draw an emoji",          [("scribble", "heart")],                     prompt="red heart", strengths="1", live=True, model="student",
           look="Draw on the map: the picture follows your strokes, four calls of the model each.",
           place="#controlnet-editor"),
    Preset("Same lines, other words", [("canny", "red-apple-glossy")],            prompt="tangerine", strengths="0, 0.7, 1.4",
           look="Compare the columns: with the strength the outline becomes the apple's, while the colours stay with the words.",
           place="#controlnet-stage"),
    Preset("Strike a pose",          [(HAND, "jumping")],                         prompt=f"{WORN}, green background", live=True,
           look="Read IoU in the corners: it leaps from strength 0 to 0.5, where the person begins to jump, and hardly grows after that.",
           place="#controlnet-stage"),
    Preset("From a photograph",      [("pose", "arms-raised")],                   prompt=f"{WORN}, white background", strengths="0, 0.5, 1",
           look="Compare the arms with the photograph's: at strength 1 both are raised. IoU in the corners grows with the strength.",
           place="#controlnet-stage"),
    Preset("When is shape decided?", [("scribble", "star")],                      prompt="star", experiment="windows", seed=2, count=1,
           look="In the first row the lines end later and later, in the last column they begin later and later: compare F1 in the corners.",
           place="#controlnet-stage"),
    Preset("Edges and pose",         [("scribble", "house"), (HAND, "waving")],   prompt=WORN, experiment="pairs", strengths="0, 0.5, 1", count=1,
           look="The edges of a house get stronger to the right, the pose downwards. F1 and IoU in the corners say which of them is followed.",
           place="#controlnet-stage"),
    Preset("Without words",          [("canny", "butterfly-blob")],               strengths="0, 0.5, 1", count=1, guess=True,
           look="No prompt at all: the lines alone bring a butterfly. The row in guess mode follows them less closely: compare F1 at 0.5 and 1.",
           place="#controlnet-stage"),
)
# fmt: on


class ControlNet(Tool):
    """A map of lines or of a pose, the pictures that follow it, and how well they do."""

    runs: Runs
    name, about, fields, presets = "controlnet", view.ABOUT, FORM, PRESETS

    def __init__(self, backend: Any, settings: Settings) -> None:
        super().__init__(backend, settings, _models(settings))
        self.board = Board(backend, settings, self.form)
        self.presses = Stops()  # of presets, apart from the runs'

    # Layout

    def lay_out_memory(self) -> None:
        super().lay_out_memory()
        self.selection = gr.State(None, time_to_live=3600)  # a lane

    def lay_out_stage(self, opening: dict[str, Any]) -> None:
        columns = len(opening["strengths"].split(","))
        self.stage = gr.HTML(
            view.empty_grid(opening["count"], columns), js_on_load=view.STAGE_JS, elem_id="controlnet-stage"
        )
        self.view = _segments(view.VIEWS, "Show", "controlnet-view")
        self.view_words = gr.HTML(widgets.words(view.view_words(view.VIEWS[0])))
        self.chart = _segments(view.CHARTS, "Chart", "controlnet-chart-choice")
        self.plot = widgets.plot("Faithfulness or residuals", value=charts.nothing(), elem_id="controlnet-plot")
        self.chart_words = gr.HTML(widgets.words(view.chart_words(view.CHARTS[0], "strengths")))
        self.shelf.lay_out()

    def lay_out_controls(self, opening: dict[str, Any]) -> None:
        lay_out = partial(self.form.lay_out, values=opening)
        self.runs = Runs("controlnet", more=partial(gr.HTML, reel.transport("controlnet"), elem_classes="transport"))
        self.board.lay_out_map(self.runs.note)
        lay_out("prompt")
        vocabulary.line(self.form, opening)
        self.board.lay_out_sources(opening)
        lay_out("experiment")
        with gr.Row():
            lay_out("strengths", "pose_strengths", "starts", "ends")
        lay_out("live")
        with widgets.more("More"):
            with gr.Row():
                lay_out("seed", "count")
            with gr.Row():
                lay_out("start", "end")
            lay_out("strength", "guess", "guidance", "steps", "negative", "model", "decoder")
        with widgets.more("Share and export"):
            with gr.Row():
                self.png = gr.Button("Picture, PNG", size="sm", min_width=90, elem_id="controlnet-png")
                self.map_png = gr.Button("Map, PNG", size="sm", min_width=90, elem_id="controlnet-map-png")
                self.csv = gr.Button("Chart, CSV", size="sm", min_width=90, elem_id="controlnet-csv")
            self.share = self.panel()

    # Wiring

    @property
    def asked(self) -> set[Any]:
        """As Tool's, and the maps."""
        return {*super().asked, self.board.sources}

    def first_values(self) -> dict[Any, Any]:
        """As Tool's, with empty maps."""
        return super().first_values() | {self.board.sources: self.board.sources.value}

    def flow_of_opening(self, opening: dict[str, Any]) -> pipeline.Flow:
        """As Tool's, with the ControlNets whose maps are still empty."""
        return pipeline.of_model(self.form.model(opening), controls=_kinds(opening))

    def wire(self, page: gr.Tab) -> None:
        form, board, runs, running = self.form, self.board, self.runs, self.running
        inputs = {*self.controls, *board.inputs, self.view, self.chart, self.share.capsule}
        outputs = [
            self.stage, self.plot, self.chart_words, runs.note, self.last_run, self.selection, runs.run, runs.stop,
            *self.share.run_outputs,
        ]  # fmt: skip
        settings = [*self.controls, *board.outputs]

        # Multiple: once, Gradio's own way, would drop a stroke that ends while the run of the one before is under way.
        board.wire(inputs, lambda event: event.then(self.on_live, inputs, outputs, **self.following))
        form["model"].input(self.on_model, inputs, [*board.outputs, *form.model_parts], **LATEST)
        form["experiment"].input(self.on_experiment, inputs, form.others_parts, **LATEST)
        gr.on([runs.run.click, *self.form.submits], self.on_run, inputs, outputs, **running)
        runs.stop.click(runs.on_stop, None, None, queue=False, **QUIET)
        self.wire_presets(settings, lambda event: event.then(self.on_run, inputs, outputs, **self.following))
        self.share.opens(
            page, self.on_open, {*inputs, self.last_run}, list(dict.fromkeys([*settings, *outputs])), **running
        )
        self._wire_results()
        self.restorable = settings
        vocabulary.wire(self.form)
        self.share.wire({self.last_run, self.selection, self.share.capsule}, self.scripts)

    def _wire_results(self) -> None:
        run = {self.last_run, self.selection}
        self.view.input(self.on_view, {self.view, *run}, [self.stage, self.view_words], **LATEST)
        self.chart.input(self.on_chart, {self.chart, *run}, [self.plot, self.chart_words], **LATEST)
        self.stage.click(self.on_pick, {self.chart, self.last_run}, [self.selection, self.plot], queue=False, **PICKED)
        self.share.saves(self.png, self.save_picture, {*run, self.share.capsule})
        self.share.saves(self.map_png, self.save_map, {self.board.sources, self.form["control"]})
        self.share.saves(self.csv, self.save_numbers, {self.last_run})

    def on_model(self, values: dict[Any, Any]) -> Update:
        """What the model is run with until somebody says otherwise, and maps as large as its pictures."""
        return super().on_model(values) | self.board.resize(values)

    def compared_values(self, preset: Preset) -> list[Any]:
        """As Tool's, with the kind of map that the preset's own one is."""
        now = dict(zip(self._compared_names, super().compared_values(preset), strict=True))
        return list((now | {"control": kind_of(preset.subject)}).values())

    def preset_handler(self, preset: Preset) -> Callable[..., Update]:
        """A slow preset (a pose sought in a photograph) gives way to one pressed meanwhile."""

        def pressed(request: gr.Request) -> Update:
            self.runs.stops.end(request)
            with self.presses.turn(request) as press:
                update = self.on_preset(preset)
                return update if self.presses.owns(request, press) else {self.runs.note: gr.skip()}

        return pressed

    def on_preset(self, preset: Preset) -> Update:
        """The controls and the map as a preset has them. What it shows is its run's, which follows."""
        now, update = self.board.begin(self.form.preset(preset), preset.subject)
        return self.form.show(now) | update

    def opening(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """The first preset, and its run."""
        now, update = self.board.begin(self.form.preset(self.offered[0]), self.offered[0].subject)
        yield self.form.show(now) | update
        sources = {self.board.sources: update[self.board.sources]}
        yield from self.on_run(values | {self.form[name]: value for name, value in now.items()} | sources, request)

    # The run

    def on_live(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """The run that follows a change of the map, where the visitor wants one; of an empty map there are no pictures."""
        source = values[self.board.sources][values[self.form["control"]]]
        if not values[self.form["live"]]:
            yield {self.runs.note: gr.skip()}  # nothing at all would be an error of Gradio's
        elif source.map is None or not source.map.any():
            self.runs.stops.end(request)
            yield self._blank()
        else:
            yield from self._run_stream(values, request, follows=True)

    def _blank(self) -> Update:
        """The stage while there is nothing on the map: no picture of what was there before."""
        return {
            self.stage: view.empty_grid(1, 2),
            self.plot: charts.nothing(),
            self.last_run: None,
            self.selection: None,
            self.share.record: "",
            self.runs.note: widgets.note(NOTHING_DRAWN),
            self.runs.run: gr.update(interactive=True),
            self.runs.stop: gr.update(interactive=False),
        }

    def on_run(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """Stream a run; ends early at Stop and keeps what is there."""
        yield from self._run_stream(values, request, follows=False)

    def _run_stream(self, values: dict[Any, Any], request: gr.Request, follows: bool) -> Iterator[Update]:
        """A run; one that `follows` the pen or a joint shows its end at once, without a film."""
        yield from self.runs.stream(request, partial(self._sample, values, request.session_hash or "", follows))

    def _sample(
        self, values: dict[Any, Any], client: str, follows: bool, stop: threading.Event
    ) -> Generator[Update, None, Update]:
        plan, sources = self._plan(values), values[self.board.sources]
        request = plan.request.model_copy(update={"replay": 0 if follows else reel.FRAMES})
        collector = Collector(request)
        run = Run(
            PAINT_EVERY_S * max(1.0, len(plan.places) / 12),
            [sources[control.name].note for control in plan.request.controls],
        )
        done = Finished(plan, run.steps, run.guesses, run.results, {})

        def take(event: Event) -> None:
            collector.add(event)
            if isinstance(event, Step) and event.i == event.n:
                done.agreements[event.lane] = experiments.agreement(plan, event.x_0)

        def paint() -> Update:
            progress = reel.DECODING if isinstance(run.latest, Decoded) else view.progress(done)
            shown = {} if run.fast else {self.stage: view.grid(done)}
            return shown | {self.runs.note: widgets.progress(progress)}

        yield from run.updates(self.backend.run(request, stop, client), self.runs.note, paint, take)
        done = replace(done, film=reel.guesses(collector.recording(), [str(lane) for lane in range(len(plan.places))]))
        plays = run.fast and not follows and not stop.is_set()
        if not stop.is_set():
            if not plays:
                yield {self.stage: view.grid(done, values[self.view])}
            try:
                self._seek_people(done)
            except LabError as error:
                run.notes.append(str(error))  # the pictures are there all the same
        ended = STOPPED if stop.is_set() else charts.summary(done)
        selection = max(run.results, default=None, key=lambda lane: plan.request.lanes[lane].windows[0].strength)
        return self.ended(self.capsule(values, plan.request), not stop.is_set(), follows) | {
            self.stage: view.film(done, values[self.view], selection, plays),
            self.runs.note: run.sentence(ended),
            self.last_run: done,
            self.selection: selection,
            self.plot: charts.chart(values[self.chart], done, selection),
            self.chart_words: widgets.words(view.chart_words(values[self.chart], plan.experiment)),
        }

    def _seek_people(self, done: Finished) -> None:
        """Look for the person in every picture that a pose steered; where nobody is found, no joint is found again."""
        if done.plan.pose is None:
            return
        for lane, result in done.results.items():
            person = self.board.maps.seek(result.picture)
            share = 0.0
            if person.joints is not None and person.visible is not None:
                share = experiments.joint_agreement(person.joints, person.visible, *done.plan.pose)
            agreement = done.agreements[lane]
            done.agreements[lane] = replace(agreement, joints=person.joints, joints_within=share, pose_search=True)

    # From controls to requests

    def request(self, values: dict[Any, Any]) -> SamplingRequest:
        return self._plan(values).request

    def _plan(self, values: dict[Any, Any]) -> ExperimentPlan:
        now, sources = self.form.read(values), values[self.board.sources]
        experiment, model = now["experiment"], self.form.model(now)
        names = _kinds(now)
        request = {
            "model": model.name,
            "condition": make_request(Condition, prompt=now["prompt"]),
            "negative": now["negative"],
            "controls": tuple(maps.control_of(name, sources[name]) for name in names),
            "forward": Forward(schedule=model.schedules[0]),
            "decoder": decoder_of(now, model),
        }
        lane = {
            "sampler": "lcm" if model.consistency else SAMPLER,
            "steps": now["steps"],
            "guidance_scale": now["guidance"],
        }
        pose, skeleton = sources["pose"], None
        if "pose" in names and pose.joints is not None and pose.visible is not None:
            skeleton = (pose.joints, pose.visible)
        dials = Dials(*(now[name] for name in Dials._fields))
        return experiments.plan(experiment, dials, self.settings.max_lanes, request, lane, skeleton)

    # What is done with results

    def on_view(self, values: dict[Any, Any]) -> Update:
        run, words = values[self.last_run], {self.view_words: widgets.words(view.view_words(values[self.view]))}
        return words | (
            {self.stage: view.film(run, values[self.view], values[self.selection], plays=False)} if run else {}
        )

    def on_chart(self, values: dict[Any, Any]) -> Update:
        run: Finished | None = values[self.last_run]
        experiment = run.plan.experiment if run else "strengths"
        words = {self.chart_words: widgets.words(view.chart_words(values[self.chart], experiment))}
        return words | ({self.plot: charts.chart(values[self.chart], run, values[self.selection])} if run else {})

    def on_pick(self, values: dict[Any, Any], event: gr.EventData) -> Update:
        """A picture that was clicked, by what sets it apart: another run may have put another in its place meanwhile."""
        run: Finished | None = values[self.last_run]
        lane = run.plan.lane_of(widgets.sent(event, "pick")) if run else None
        if run is None or lane not in run.steps:
            return {self.selection: None}
        return {self.selection: lane, self.plot: charts.chart(values[self.chart], run, lane)}

    def save_picture(self, values: dict[Any, Any]) -> Iterator[Path]:
        """The picture that was clicked, or the first, with its settings."""
        run, lane = self._picture(values)
        if run.steps[lane].i < run.steps[lane].n:
            raise LabError(UNFINISHED)
        path = media.scratch_file(f"controlnet-{lane}.png")
        yield share.save_png(run.steps[lane].x_0, path, values[self.share.capsule], lane)

    def save_map(self, values: dict[Any, Any]) -> Iterator[Path]:
        """The map of the control that is chosen."""
        name = values[self.form["control"]]
        control = maps.control_of(name, values[self.board.sources][name])
        yield media.save_plain(control.map, media.scratch_file(f"{name}-map.png"))

    def save_numbers(self, values: dict[Any, Any]) -> Iterator[Path]:
        """How well the pictures follow their maps, and what the ControlNets added in every call."""
        run = self._run(values)
        yield charts.save_numbers(run, media.scratch_file("controlnet.csv"))
        yield charts.save_residuals(run, media.scratch_file("controlnet-residuals.csv"))

    def capsule(self, values: dict[Any, Any], request: SamplingRequest) -> Capsule:
        """All that makes a run again, its maps among it."""
        return self.share.make(values, request, maps=maps_for_capsule(request, values[self.board.sources]))

    def settings_of(self, capsule: Capsule) -> shelf.RunSettings:
        """As Tool's, with the maps."""
        maps = {
            f"map-{name}": (f"Map of {CONTROLS[name].title.lower()}", shelf.picture(one))
            for name, one in capsule.values["maps"].items()
        }
        return {**super().settings_of(capsule), **maps}

    def scripts(self, values: dict[Any, Any]) -> Iterator[Script]:
        """The script of the picture that was clicked, or of the first."""
        run, lane = self._picture(values)
        yield Script(f"controlnet-{lane}.py", script.write(run.plan.request, lane), drawn(run.results.get(lane)))

    def restore(self, capsule: Capsule, values: dict[str, Any]) -> tuple[Update, str, str]:
        """The tab as a capsule says, with its maps as they were."""
        now = self.form.complete(values)
        update = self.form.show(now) | self.board.restore(now, capsule)
        alone = "" if update[self.board.sources][now["control"]].map is not None else share.ALONE
        words = " ".join(filter(None, [share.without_model(capsule, now["model"]), alone]))
        return update, "" if alone else "controlnet-run", words

    def _run(self, values: dict[Any, Any]) -> Finished:
        run: Finished | None = values[self.last_run]
        if run is None or not run.steps:
            raise LabError(NO_PICTURE)
        return run

    def _picture(self, values: dict[Any, Any]) -> tuple[Finished, int]:
        """The run, and the lane that was clicked or its first."""
        run, lane = self._run(values), values[self.selection]
        return run, lane if lane in run.steps else min(run.steps)


build = ControlNet.build


def _kinds(now: dict[str, Any]) -> tuple[str, ...]:
    """The kinds of map that the experiment follows."""
    return ("edges", "pose") if now["experiment"] == "pairs" else (now["control"],)


def _models(settings: Settings) -> list[Model]:
    return [row for row in MODELS.values() if row.controls and at_hand(row.source, settings)]


def _segments(names: Iterable[str], label: str, elem_id: str) -> gr.Radio:
    """A radio as a row of segments, at the first of them."""
    choices = [(name.capitalize(), name) for name in names]
    return gr.Radio(choices, value=choices[0][1], label=label, elem_id=elem_id, **SEGMENTS)
