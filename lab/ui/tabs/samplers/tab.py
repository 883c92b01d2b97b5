"""Tab: samplers side by side, from the same x_T and with the same noise at the same noise level."""

import threading
from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from lab.capsules import recordings, script
from lab.capsules.capsule import Capsule, Choice, Range
from lab.capsules.notebook import Script, drawn
from lab.capsules.recordings import Collector, Recorded
from lab.catalog import GROUPS, MODELS, SAMPLERS, SCHEDULES, STYLES, samplers_for
from lab.requests.base import Event, LabError
from lab.requests.fields import MAX_T, MIN_T
from lab.requests.inversion import InversionResult
from lab.requests.sampling import Decoded, LaneSettings, Recording, SamplingRequest
from lab.requests.share import GroupStep
from lab.settings import ASSETS, Settings, at_hand
from lab.ui.shell import lane_view, media, nearest, own, pipeline, reel, runs, share, shelf, vocabulary, widgets
from lab.ui.shell.form import DECODER, RANDOM_SEED, Field, Preset, one_of, reads, titles_of
from lab.ui.shell.runs import Run, Runs
from lab.ui.shell.tool import NO_PICTURE, Tool
from lab.ui.shell.widgets import LATEST, QUIET, Update
from lab.ui.tabs.samplers import charts, equations, groups, inversion, lanes, requests, view, words
from lab.ui.tabs.samplers.lanes import (
    JUMPS,
    MAX_COMPARED,
    Lane,
    Rows,
    from_capsule,
    lanes_for,
    samplers_of,
    to_capsule,
    values_of,
)
from lab.ui.tabs.samplers.replay import BESIDE, NEAREST, PAINT_EVERY_S, Replay

STOPPED = "Stopped. What was made stays and can be replayed."
NO_LANES = "This experiment has no film and no files of its lanes. Its link and its JSON make it again."
# fmt: off
EXPERIMENTS = (("Compare lanes", "compare"), ("Samplers × steps", "grid"), ("Between two seeds", "between"), ("Invert a picture", "invert"),
               ("Share of two groups", "share"))
DRAWN = ("compare", "grid", "between")  # from noise, in lanes
ANY_PICTURE = one_of("experiment", *DRAWN, "invert")  # of what the condition says
FORM = (
    Field("experiment", gr.Radio,    "Experiment",  "compare", choices=EXPERIMENTS),
    Field("model",      gr.Dropdown, "Model"),
    Field("versus",     gr.Checkbox, "The perfect score beside it, from the same x_T", False, offered=lambda model: bool(model.perfect)),
    Field("prompt",     gr.Textbox,  "Prompt",      None, offered=reads("prompt"), stays=True, when=ANY_PICTURE, options={"placeholder": "apple, cat, fire engine … or leave empty", "max_length": widgets.MAX_TYPED, **vocabulary.PROMPT}),
    Field("group",      gr.Dropdown, "Group",       offered=reads("group"), when=ANY_PICTURE, choices=[("All pictures", ""), *((title, name) for name, title in GROUPS.items())]),
    Field("seed",       gr.Number,   "Seed",        0, dice=RANDOM_SEED, options={"minimum": 0}),
    Field("mix_seed",   gr.Number,   "Second seed", 2, when=one_of("experiment", "between"), options={"minimum": 0}),
    Field("samplers",   gr.Dropdown, "Samplers",    ["ddim"], choices=titles_of(samplers_for), stays=True, when=one_of("experiment", "compare", "grid", "share"),
          kind=Choice(tuple(SAMPLERS), most=MAX_COMPARED), options={"multiselect": True, "max_choices": MAX_COMPARED}),
    Field("picture",    widgets.picture_input, "Picture", None, linked=False, options={"visible": "hidden"}),
    Field("in_set",     gr.Checkbox, "The exact denoiser knows this picture, too", False, offered=lambda model: not model.trained, when=one_of("experiment", "invert")),
    Field("steps",      gr.Slider,   "Steps",       20, when=one_of("experiment", "compare", "between", "invert", "share"), options={"minimum": 1, "maximum": 200, "step": 1}),
    Field("style",      gr.Dropdown, "Style",       offered=reads("style"), when=ANY_PICTURE, choices=[("All styles", ""), *((style, style) for style in STYLES)]),
    Field("schedule",   gr.Dropdown, "Schedule",    lambda model: model.schedules[0], choices=titles_of(lambda model: {name: SCHEDULES[name] for name in model.schedules}),
          kind=Choice(tuple(SCHEDULES))),
    Field("T",          gr.Number,   "T, timesteps of the forward process (10 to 4000)", 1000, more=lambda model: {"interactive": not model.trained}, kind=Range(MIN_T, MAX_T, whole=True)),
    replace(DECODER, when=one_of("experiment", *DRAWN)),
    Field("guidance",   gr.Slider,   "Guidance scale (1: plain conditional model)", lambda model: model.guidance_scale, when=one_of("experiment", *DRAWN),
          options={"minimum": 0, "maximum": 10, "step": 0.5}),
    Field("reference",  gr.Slider,   "Reference run: DDIM steps (0: none)", 0, when=one_of("experiment", *DRAWN), options={"minimum": 0, "maximum": 500, "step": 50}),
)
# fmt: on

DIALS = tuple(Lane("ddim", 40, eta) for eta in (0, 0.25, 0.5, 0.75, 1))
FEWER = tuple(Lane("ddim", steps) for steps in (2, 5, 10, 20, 50, 100))
PAIR = tuple(Lane(name, 50) for name in ("ddpm", "ddim"))
EIGHT = tuple(map(Lane, ("ddpm", "ddim", "euler", "euler_a", "heun", "dpmpp_2m", "dpmpp_sde", "unipc")))
SOLVERS = tuple(map(Lane, ("ddim", "euler", "heun", "dpmpp_2m", "unipc")))
STRAIGHT = (Lane("ddim", 50), Lane("flow_euler", 50), Lane("flow_heun", 20))
FORMULA = tuple(
    Lane(name, 50, eta, "leading") for name, eta in (("ddim", 0), ("euler", 0), ("ddim", 1), ("euler_a", 0))
)
LEVELS = (Lane("langevin", 100), Lane("annealed", 50), Lane("annealed", 100), Lane("ddpm", 100))
THREE = tuple(Lane(name, 50) for name in ("langevin", "annealed", "ddpm"))
LEARNED = tuple(map(Lane, ("ddpm", "ddim", "dpmpp_2m")))
NOISES = tuple(map(Lane, ("ddpm", "ddpm_learned", "ddim")))


def _preset(title: str, lanes: tuple[Lane, ...], **values: Any) -> Preset:
    return Preset(title, lanes, samplers=samplers_of(lanes), steps=lanes[0].steps, **values)


# fmt: off
PRESETS = (
    _preset("DDPM against DDIM",    PAIR,    group="animals-nature", seed=11,
            look="One start, two ends. Drag the slider beside the pictures back to the middle: there the two guesses part.",
            place="#samplers-stage"),
    _preset("The eta dial",         DIALS,   group="food-drink",
            look="The same start, with more noise on the way from lane to lane. Read the nearest picture under each: five lanes end in four pictures.",
            place="#samplers-stage"),
    _preset("Eight ways down",      EIGHT,   seed=12,
            look="One start, eight samplers, three ends: the three that add noise on the way end in one picture, the five that add none in two.",
            place="#samplers-stage"),
    _preset("How few steps?",       FEWER,   group="travel-places", seed=5, reference=200,
            look="Read “RMS to reference” under each lane: from 20 steps on it is the picture of the run with 200.",
            place="#samplers-stage"),
    _preset("Who converges first?", SOLVERS, group="animals-nature", seed=5, reference=200, experiment="grid",
            look="Find the first lion in each row: Heun has it in 5 steps, but calls the model twice in each.",
            place="#samplers-stage"),
    _preset("DDIM or flow?", STRAIGHT, group="animals-nature", seed=5, schedule="cosine", reference=200,
            look="Read “RMS to reference” under each lane: DDIM and the straight flow end in the same squid, Flow Heun in 20 steps.",
            place="#samplers-stage"),
    _preset("One formula", FORMULA, group="food-drink", seed=2,
            look="DDIM keeps the variance, Euler lets σ fall beside a whole picture: two pairs of equal pictures, without noise and with it.",
            place="#samplers-stage"),
    _preset("Falling levels",       LEVELS,  model="text-to-image", prompt="cat", seed=2,
            look="Langevin at one low level finds no cat, whatever its 100 steps; through falling levels it has one, from 50 steps on.",
            place="#samplers-stage"),
    _preset("Two groups",           THREE,   model="exact-32", seed=1, experiment="share",
            look="All start in the small group, framed orange. Plain Langevin stays there; the other two end near the data's share, 80 to 20.",
            place="#samplers-stage"),
    _preset("Walk between seeds",   (Lane("ddim", 25),), group="smileys-emotion", seed=8, experiment="between",
            look="From one seed to the other, row by row: the pictures jump, since a finite set has nothing in between.",
            place="#samplers-stage"),
    _preset("There and back",       (Lane("ddim", 50),), experiment="invert", picture=str(ASSETS / "images" / "red-apple-glossy.png"),
            look="Compare the first picture with the third, drawn again from its own x_T. The fourth is bright where they differ.",
            place="#samplers-stage"),
    _preset("A model that learned", LEARNED, model="text-to-image", prompt="red heart", seed=1, guidance=5.0,
            look="Three samplers, one start, a learned model: compare the outlines. All three end in nearly the same heart.",
            place="#samplers-stage"),
    _preset("One step or eight?",   JUMPS,   model="student", prompt="red heart", seed=1,
            look="The same heart in one call of the model, in two, in four and in eight: compare the first with the last.",
            place="#samplers-stage"),
    _preset("Few steps, noise or none", NOISES, model="pixel", group="smileys-emotion", seed=2, reference=200, experiment="grid",
            look="Read each row from left to right: DDIM's face stays the same, DDPM's is another at each number of steps.",
            place="#samplers-stage"),
    _preset("Learned or perfect?",  PAIR,    model="pixel", group="smileys-emotion", seed=2, guidance=1.0, versus=True,
            look="From the same noise, the learned score first and then the perfect one: only the perfect one ends in pictures of the set.",
            place="#samplers-stage"),
)
# fmt: on


class Samplers(Tool):
    """Lanes that differ in their sampler, replayed at equal noise levels; a grid, a walk, DDIM inversion and shares of two
    groups."""

    runs: Runs
    name, about, fields, presets = "samplers", words.ABOUT, FORM, PRESETS
    replays = Recording

    def __init__(self, backend: Any, settings: Settings) -> None:
        super().__init__(backend, settings, [row for row in MODELS.values() if at_hand(row.source, settings)])

    # Layout

    def lay_out_stage(self, opening: dict[str, Any]) -> None:
        lanes = [LaneSettings(seed=opening["seed"], **lane._asdict()) for lane in self.offered[0].subject]
        empty = lane_view.cards(lane_view.View(lanes, {}, {}))
        self.stage = gr.HTML(empty, js_on_load=reel.REEL_JS, elem_id="samplers-stage")
        self.second = gr.Radio(
            [(name.replace("x_t", "xₜ"), name) for name in BESIDE],
            value=BESIDE[0],
            label="Beside the prediction",
            elem_id="samplers-second",
        )
        self.words = gr.HTML(words.under_stage("compare", opening["model"]))
        self.shelf.lay_out()
        self.plot = widgets.plot("Distance to the reference run", visible=False, elem_id="samplers-plot")
        with widgets.more("Numbers"):
            self.table = gr.HTML("Press Run first.")
        with widgets.more("About these samplers"):
            self.equations = gr.Markdown(
                "Press Run first.",
                elem_classes="lab-words",
                elem_id="samplers-equations",
                latex_delimiters=widgets.LATEX,
            )

    def lay_out_controls(self, opening: dict[str, Any]) -> None:
        self.runs = Runs("samplers", beneath=self._lay_out_transport)
        self.form.lay_out("experiment", values=opening)
        self.examples = own.Examples("samplers", "Pictures to invert", self.settings)
        self.form.lay_out("in_set", "model", "versus", "prompt", values=opening)
        vocabulary.line(self.form, opening)
        self.form.lay_out("group", "seed", "mix_seed", "samplers", "picture", "steps", values=opening)
        self.rows = Rows(self.offered[0].subject, self.form.model(opening))
        with widgets.more("More"):
            self.form.lay_out("style", "schedule", "T", "guidance", "reference", "decoder", values=opening)
        with widgets.more("Share and export"):
            with gr.Row():
                self.png = gr.Button("Pictures, PNG", size="sm", min_width=90, elem_id="samplers-png")
                self.steps_file = gr.Button("Recording", size="sm", min_width=90, elem_id="samplers-record")
                self.chart_file = gr.Button("Chart, CSV", size="sm", min_width=90, elem_id="samplers-csv")
            self.share = self.panel()

    def _lay_out_transport(self) -> None:
        self.transport = gr.HTML(reel.transport("samplers"), elem_classes="transport")

    # Wiring

    def wire(self, page: gr.Tab) -> None:
        running, runs = self.running, self.runs
        self.restorable = [*self.controls, *self.rows.parts, self.examples.gallery]
        self.replayable = [self.stage, self.words, self.plot, self.table, self.equations, runs.note, self.last_run]
        inputs = {*self.controls, *self.rows.parts, self.last_run, self.second}
        outputs = [*self.replayable, runs.run, runs.stop, *self.share.run_outputs]
        gr.on([runs.run.click, *self.form.submits], self.on_run, inputs, outputs, **running)
        self.share.opens(page, self.on_open, inputs, outputs, **running)
        self.wire_presets(self.restorable, lambda event: event.then(self.on_run, inputs, outputs, **self.following))
        self._wire_controls()
        vocabulary.wire(self.form)
        self.share.wire({self.last_run, self.share.capsule}, self.scripts)
        self.share.saves(self.png, self.pictures, {self.last_run, self.share.capsule})
        self.share.saves_chart(self.chart_file, "samplers-plot")
        self.share.saves(self.steps_file, self.recording, {self.last_run, self.share.capsule})

    def _wire_controls(self) -> None:
        """What answers at once: the bookkeeping of the queue costs more than a frame does."""
        form, inputs, quiet = self.form, {*self.controls}, {"queue": False, **QUIET}
        places = [*form.others_parts, self.rows.box, self.examples.gallery, self.second, self.transport]
        form["model"].input(self.on_model, inputs, [*form.model_parts, *self.rows.parts], **LATEST)
        form["experiment"].change(self.on_experiment, inputs, places, **LATEST)
        gr.on([form[name].input for name in ("samplers", "steps")], self.on_choose, inputs, self.rows.parts, **LATEST)
        shown = [self.stage, self.runs.note]
        self.second.input(self.on_second, [self.last_run, self.second], shown, trigger_mode="always_last", **quiet)
        self.examples.wire(form["picture"], self.runs.note)
        self.runs.stop.click(self.runs.on_stop, None, None, **quiet)

    # Controls

    @property
    def asked(self) -> set[Any]:
        """As Tool's, and the lanes."""
        return {*super().asked, *self.rows.parts}

    def flow(self, values: dict[Any, Any]) -> pipeline.Flow:
        """As Tool's, of inversion and of the share of two groups too."""
        now = self.form.read(values)
        if now["experiment"] == "invert":
            return pipeline.of_inversion(self.form.model(now), now["steps"])
        if now["experiment"] == "share":
            return pipeline.of_share(self.form.model(now), requests.share(now))
        return super().flow(values)

    @property
    def compared(self) -> list[Any]:
        """As Tool's, and the lanes."""
        return [*super().compared, *self.rows.parts]

    def compared_values(self, preset: Preset) -> list[Any]:
        """As Tool's, and the lanes."""
        return [*super().compared_values(preset), *values_of(preset.subject)]

    @property
    def compared_paths(self) -> list[list[str | int]]:
        """As Tool's, and the lanes row by row."""
        lanes: list[list[str | int]] = [
            ["lanes", row, i] for row in range(MAX_COMPARED) for i in range(len(Lane._fields))
        ]
        return [*super().compared_paths, *lanes]

    def on_preset(self, preset: Preset) -> Update:
        model = self.form.model(preset.values)
        shown = self.examples.show(preset.values.get("picture"), preset.values.get("experiment") == "invert")
        return super().on_preset(preset) | self.rows.show(preset.subject, model) | shown

    def on_model(self, values: dict[Any, Any]) -> Update:
        """Offer what the model can do: its samplers, conditions and forward process."""
        now = self.form.read(values)
        model = self.form.model(now)
        lanes = lanes_for(model, now["samplers"])
        return self.form.suit(now | {"samplers": samplers_of(lanes)}) | self.rows.show(lanes, model)

    def on_experiment(self, values: dict[Any, Any]) -> Update:
        """Show what the experiment has and nothing else."""
        experiment = values[self.form["experiment"]]
        shown = self.examples.show(values[self.form["picture"]], experiment == "invert")
        return (
            super().on_experiment(values)
            | shown
            | {
                self.rows.box: gr.update(visible=experiment == "compare"),
                self.second: gr.update(visible=experiment == "compare"),
                self.transport: gr.update(visible=experiment in DRAWN),
            }
        )

    def on_choose(self, values: dict[Any, Any]) -> Update:
        """The simple controls fill the lane rows."""
        now = self.form.read(values)
        lanes = [Lane(name, int(now["steps"] or 1)) for name in now["samplers"]]
        return self.rows.show(lanes, self.form.model(now))

    # Runs

    def opening(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """The first preset's run."""
        yield from self.on_run(values, request)

    def on_run(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """Stream a run; ends early at Stop and keeps what is there."""
        others = {"invert": self._invert, "share": self._share}
        work = others.get(values[self.form["experiment"]], self._sample)
        yield from self.runs.stream(request, partial(work, values, request.session_hash or ""))

    def _sample(self, values: dict[Any, Any], client: str, stop: threading.Event) -> Generator[Update, None, Update]:
        now, request = self.form.read(values), self.request(values)
        run, collector = Run(PAINT_EVERY_S, requests.left_out(now, request)), Collector(request)
        second = values[self.second]

        def paint() -> Update:
            replay = Replay(now["experiment"], collector.recording())
            progress = reel.DECODING if isinstance(run.latest, Decoded) else view.progress(request, run.steps.values())
            shown = {} if run.fast else {self.stage: replay.stage(second), self.words: replay.words}
            return shown | {self.runs.note: widgets.progress(progress)}

        yield from run.updates(self.backend.run(request, stop, client), self.runs.note, paint, collector.add)
        replay = Replay(now["experiment"], collector.recording())
        if second == NEAREST and not stop.is_set():
            replay, words = self._compared(replay, client)
            run.notes.append(words)
        note = run.sentence(STOPPED if stop.is_set() else view.summary(replay.recording))
        return self.ended(self.capsule(values, request), whole=not stop.is_set()) | self._end(
            replay, replay.film(second, plays=run.fast and not stop.is_set()), note
        )

    def _end(self, replay: Replay, stage: str, note: str) -> Update:
        """A run that has ended."""
        figure = charts.chart(replay.recording)
        return {
            self.stage: stage,
            self.words: replay.words,
            self.runs.note: note,
            self.last_run: replay,
            self.plot: gr.update(visible=True, value=figure) if figure else gr.update(visible=False),
            self.table: view.table(replay.recording),
            self.equations: equations.describe(lane.sampler for lane in replay.recording.request.lanes),
        }

    def _invert(self, values: dict[Any, Any], client: str, stop: threading.Event) -> Generator[Update, None, Update]:
        now = self.form.read(values)
        if not now["picture"]:
            raise LabError("Choose a picture first: one of the examples, or your own.")
        picture, remark = media.open_upload(now["picture"], self.settings).square()
        request = requests.inversion(now, picture)
        run, results, latent = Run(PAINT_EVERY_S, [remark]), list[InversionResult](), MODELS[request.model].latent
        words_update: Update = {self.words: words.under_stage("invert", request.model, known=request.known)}

        def paint() -> Update:
            if not run.steps:  # only notes until now
                return {self.runs.note: gr.skip()}
            step = run.steps[max(run.steps)]
            panels = inversion.step_panels(step, run.guesses[step.lane], latent)
            progress = f"{inversion.way(step)}, call {step.i} of {step.n}"
            return words_update | {self.stage: lane_view.panels(panels), self.runs.note: widgets.progress(progress)}

        def take(event: Event) -> None:
            if isinstance(event, InversionResult):
                results.append(event)

        yield from run.updates(self.backend.run(request, stop, client), self.runs.note, paint, take)
        if not results:
            return {self.runs.note: widgets.note("Stopped."), self.share.record: ""}
        error = f"Came back with an RMS error of {lane_view.distance(results[-1].rms)}."
        capsule = self.share.make(values, picture=share.describe_picture(request.picture))
        return self.ended(capsule, whole=True) | {
            **words_update,
            self.stage: lane_view.panels(inversion.panels(results[-1], latent)),
            self.runs.note: run.sentence(error),
            self.equations: equations.describe([equations.INVERSION, "ddim"]),
            self.last_run: None,
        }

    def _share(self, values: dict[Any, Any], client: str, stop: threading.Event) -> Generator[Update, None, Update]:
        request = requests.share(self.form.read(values))
        run, latest = Run(PAINT_EVERY_S), dict[int, GroupStep]()
        shown: Update = {self.words: words.under_stage("share", request.model)}

        def paint() -> Update:
            progress = widgets.progress(groups.progress(request, latest))
            return shown | {self.stage: groups.stage(request, latest), self.runs.note: progress}

        def take(event: Event) -> None:
            if isinstance(event, GroupStep):
                latest[event.lane] = event

        yield from run.updates(self.backend.run(request, stop, client), self.runs.note, paint, take)
        if not latest:
            return {self.runs.note: widgets.note("Stopped."), self.share.record: ""}
        capsule = self.share.make(values, request.sampling)
        return self.ended(capsule, whole=not stop.is_set()) | {
            **shown,
            self.stage: groups.stage(request, latest),
            self.runs.note: run.sentence(runs.STOPPED if stop.is_set() else groups.summary(request, latest)),
            self.plot: gr.update(visible=False),
            self.table: groups.table(request, latest),
            self.equations: equations.describe(request.samplers),
            self.last_run: None,
        }

    # Replay

    def on_second(self, replay: Replay | None, second: str, request: gr.Request) -> Update:
        """Another picture beside the prediction, with a reel of its own."""
        if replay is None:
            return {self.runs.note: widgets.note(NO_PICTURE, bad=True)}
        words = ""
        if second == NEAREST:
            replay, words = self._compared(replay, request.session_hash or "")
        return {
            self.stage: replay.film(second, plays=False),
            self.runs.note: widgets.note(words) if words else gr.skip(),
        }

    def _compared(self, replay: Replay, client: str) -> tuple[Replay, str]:
        """A run with the training pictures nearest to its own, where the model is a learned one, and how that was measured, or
        why it cannot be."""
        try:
            request = replay.asks
            found = nearest.seek(self.backend, request, client) if request else {}
        except LabError as error:
            return replay, str(error)
        lanes = {lane: found[index] for index, lane in enumerate(replay.compared) if index in found}
        return replay._replace(nearest=lanes), nearest.words(replay.recording.request.model) if lanes else ""

    def replayed(self, recorded: Recorded) -> tuple[Update, str]:
        """A run from a file, as if it had just ended, and no button to press: it plays by itself. Where the file tells what the controls were set to, they are, so that Run computes the same."""
        if not isinstance(recorded.recording, Recording) or recorded.experiment not in DRAWN:
            raise LabError(recordings.NO_RECORDING)
        replay = Replay(recorded.experiment, recorded.recording, recorded.made)
        if replay.recording.request.pictures > self.settings.max_lanes:
            raise LabError(f"The recording has more than {self.settings.max_lanes} lanes: too many for this lab.")
        capsule, experiment = recorded.capsule, {"experiment": replay.experiment}
        if capsule is not None and capsule.tab == self.share.tab:
            controls = self.restore(capsule, self.share.values_in(capsule) | experiment)[0] | self.share.show(capsule)
        else:  # the capsule and link of an earlier run are not this one's
            controls = (
                {self.form["experiment"]: replay.experiment}
                | dict.fromkeys(self.share.run_outputs, "")
                | {self.share.capsule: None}
            )
        note = widgets.note(f"{replay.origin} Press Play or drag the slider.")
        return controls | self._end(replay, replay.film(plays=True), note), ""

    # Sharing

    def capsule(self, values: dict[Any, Any], request: SamplingRequest) -> Capsule:
        """All that makes a run again, lane by lane."""
        model = self.form.model(self.form.read(values))
        return self.share.make(values, request, lanes=to_capsule(self.rows.read(values), model))

    def settings_of(self, capsule: Capsule) -> shelf.RunSettings:
        """As Tool's, with the picture that is inverted; where lanes are compared, with these in the place of what fills their rows."""
        named = dict(super().settings_of(capsule))
        if "picture" in capsule.values:
            return named | {"picture": ("Picture", shelf.picture(capsule.values["picture"]))}
        if capsule.values["experiment"] != "compare":
            return named
        named = {name: setting for name, setting in named.items() if name not in ("samplers", "steps")}
        return named | lanes.settings_of(capsule.values["lanes"])

    def scripts(self, values: dict[Any, Any]) -> Iterator[Script]:
        """A script a lane."""
        self._check_lanes(values)
        recording = self.last(values).recording
        for index, lane in enumerate(recording.request.lanes):
            text, result = script.write(recording.request, index), recording.results.get(index)
            yield Script(f"lane-{index + 1}-{lane.sampler}.py", text, drawn(result))

    def pictures(self, values: dict[Any, Any]) -> Iterator[Path]:
        """A PNG a finished lane."""
        self._check_lanes(values)
        replay: Replay | None = values[self.last_run]
        if replay is None or not replay.recording.results:
            raise LabError("There is no finished picture yet: press Run first.")
        for index, lane in enumerate(replay.recording.request.lanes):
            if result := replay.recording.results.get(index):
                path = media.scratch_file(f"lane-{index + 1}-{lane.sampler}.png")
                yield share.save_png(result.picture, path, values[self.share.capsule], index)

    def recording(self, values: dict[Any, Any]) -> Iterator[Path]:
        """The run as a file that replays it."""
        self._check_lanes(values)
        replay, path = self.last(values), media.scratch_file(f"samplers{recordings.SUFFIX}")
        path.write_bytes(recordings.to_bytes(replay.recording, replay.experiment, values[self.share.capsule]))
        yield path

    def _check_lanes(self, values: dict[Any, Any]) -> None:
        """Refuse what only lanes have, where the page shows another experiment's run."""
        capsule: Capsule | None = values.get(self.share.capsule)
        if values[self.last_run] is None and capsule is not None and capsule.values.get("experiment") not in DRAWN:
            raise LabError(NO_LANES)

    def restore(self, capsule: Capsule, values: dict[str, Any]) -> tuple[Update, str, str]:
        """The tab as a capsule says."""
        inverts = values.get("experiment") == "invert"
        picture = share.picture_of(capsule.values.get("picture")) if inverts else None
        if picture is not None:
            values = values | {"picture": str(media.save_plain(picture, media.scratch_file("picture.png")))}
        whole = self.form.complete(values)
        model = self.form.model(whole)
        lanes = from_capsule(capsule.values.get("lanes"), model) or [
            Lane(name, whole["steps"]) for name in whole["samplers"]
        ]
        shown = self.examples.show(whole["picture"], whole["experiment"] == "invert")
        updates = self.form.show(whole) | self.rows.show(lanes, model) | shown
        if inverts and picture is None:
            return updates, "", share.ALONE
        return updates, "samplers-run", share.without_model(capsule, model.name)

    # From controls to requests

    def request(self, values: dict[Any, Any]) -> SamplingRequest:
        return requests.sampling(self.form.read(values), self.rows.read(values))


build = Samplers.build
