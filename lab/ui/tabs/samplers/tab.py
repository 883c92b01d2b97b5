"""Tab: samplers side by side, from the same x_T and with the same noise at the same noise level."""

import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from html import escape
from math import inf
from typing import Any, NamedTuple

import gradio as gr

from lab.capsules import recordings, script
from lab.capsules.capsule import Capsule, Choice, Kind, Range, fitted
from lab.capsules.recordings import Recorded
from lab.catalog import GROUPS, MODELS, SAMPLERS, SCHEDULES, SPACINGS, STYLES, samplers_for
from lab.requests.base import LabError, Note, Waiting, make_request
from lab.requests.fields import MAX_T, MIN_T, Condition, Forward
from lab.requests.inversion import InversionRequest, InversionResult
from lab.requests.sampling import Decoded, LaneSettings, Recording, SamplingRequest, Step
from lab.settings import ASSETS, Settings, at_hand
from lab.ui.shell import lane_view, media, share, widgets
from lab.ui.shell.runs import Runs
from lab.ui.shell.widgets import Update
from lab.ui.tabs.samplers import view

MAX_COMPARED = 8  # lane cards that still read on a projector
EXAMPLE = ASSETS / "images" / "red-apple-glossy.png"
PAINT_EVERY_S = 0.08  # the browser has no backpressure: paint at 12 frames a second and drop the rest
DECODING = "The pictures are there. Their steps are being decoded for the replay …"
REPLAY_FRAMES = 50  # four seconds
EXPERIMENTS = {
    "compare": "Compare lanes",
    "grid": "Samplers × steps",
    "between": "Between two seeds",
    "invert": "Invert a picture",
}
GRID_STEPS = (4, 5, 10, 20, 40)  # they divide the reference's 200, so their levels are among its own
HIDDEN = gr.update(visible=False)
MIXES = tuple(i / 7 for i in range(8))


@dataclass(frozen=True)
class Preset:
    """A press of a button that shows something striking."""

    title: str
    experiment: str
    prompt: str
    group: str
    seed: int
    lanes: tuple[tuple[str, int, float], ...]  # sampler, steps, eta
    reference: int = 0  # DDIM steps of the reference run that distances are measured to
    model: str = "exact"
    guidance: float = 1.0
    versus: bool = False  # the perfect score beside the learned one


DIALS = tuple(("ddim", 40, eta) for eta in (0, 0.25, 0.5, 0.75, 1))
FEWER = tuple(("ddim", steps, 0) for steps in (2, 5, 10, 20, 50, 100))
EIGHT = tuple((name, 20, 0) for name in ["ddpm", "ddim", "euler", "euler_a", "heun", "dpmpp_2m", "dpmpp_sde", "unipc"])
SOLVERS = tuple((name, 20, 0) for name in ["ddim", "euler", "heun", "dpmpp_2m", "unipc"])

LEARNED = tuple((name, 20, 0) for name in ["ddpm", "ddim", "dpmpp_2m"])
PAIR = (("ddpm", 50, 0), ("ddim", 50, 0))
NOISES = tuple((name, 20, 0) for name in ["ddpm", "ddpm_learned", "ddim"])
JUMPS = tuple(("lcm", steps, 0) for steps in (1, 2, 4, 8))

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

# fmt: off
PRESETS = (
    Preset("DDPM against DDIM",    "compare", "", "animals-nature",  11, (("ddpm", 50, 0), ("ddim", 50, 0))),
    Preset("The eta dial",         "compare", "", "food-drink",      0,  DIALS),
    Preset("Eight ways down",      "compare", "", "",                12, EIGHT),
    Preset("How few steps?",       "compare", "", "travel-places",   5,  FEWER, reference=200),
    Preset("Who converges first?", "grid",    "", "animals-nature",  5,  SOLVERS, reference=200),
    Preset("Walk between seeds",   "between", "", "smileys-emotion", 8,  (("ddim", 25, 0),)),
    Preset("There and back",       "invert",  "", "",                0,  (("ddim", 50, 0),)),
    Preset("A model that learned", "compare", "red heart", "",       1,  LEARNED, model="text-to-image", guidance=5.0),
    Preset("One step or eight?",   "compare", "red heart", "",       1,  JUMPS, model="student", guidance=3.0),
    Preset("Few steps, noise or none", "grid", "", "smileys-emotion", 2, NOISES, reference=200, model="pixel", guidance=2.0),
    Preset("Learned or perfect?",  "compare", "", "smileys-emotion", 2,  PAIR, model="pixel", versus=True),
)
# fmt: on


Row = tuple[str, int, float, str]  # sampler or "", steps, eta, spacing


class Kept(NamedTuple):
    """What a visitor's page keeps of the last run, for replay."""

    experiment: str
    recording: Recording
    made: date | None = None  # of a recording from a file; None: computed here and now


ABOUT = r"""
All lanes start from **the same $x_T$**; lanes that draw noise draw **the same noise at the same noise level**.
Only the sampler differs. With the *exact denoiser* nothing is learned: it knows the best possible guess
$\mathbb{E}[x_0 \mid x_t]$ for the lab's pictures, so you watch the algorithm alone.

DDPM ([Ho et al. 2020](https://arxiv.org/abs/2006.11239)) adds fresh noise on the way and may change its mind; DDIM
([Song et al. 2021](https://arxiv.org/abs/2010.02502)) follows one smooth path, so a few long steps still land:

$$x_{s} = \sqrt{\bar\alpha_{s}}\,\hat x_0 + \sqrt{1-\bar\alpha_{s}-\sigma^2}\,\hat\epsilon + \sigma z$$

$$\sigma = \eta\sqrt{\tfrac{1-\bar\alpha_s}{1-\bar\alpha_t}}\sqrt{1-\tfrac{\bar\alpha_t}{\bar\alpha_s}}$$

What each of them does:

""" + "\n".join(f"- *{row.title}* ({widgets.paper(row)}): {row.about}" for row in SAMPLERS.values())

BESIDE = ("x_t", "difference to the first lane", "nearest data picture")
WORDS = {  # by experiment
    "compare": "Large, predicted x<sub>0</sub>: the guess that is made from x<sub>t</sub>, the noisy picture beside it.",
    "grid": "Same noise in every cell. The number is the RMS distance of the finished picture to a long reference run. "
    "Along the path every solver closes in at its own order; at the end it lands in the same picture or in another.",
    "between": "x<sub>T</sub> moves on a great circle from one seed to the other; DDIM turns the path of noises into a "
    "path of pictures.",
    "invert": "DDIM is a map that can be run upwards: from the picture to its own x<sub>T</sub>, and down again.",
}
EXACT_WORDS = {  # what is seen of the exact denoiser besides
    "compare": "It goes from the mean of all pictures through ghostly blends to one crisp picture.",
    "between": "It jumps from picture to picture: a finite set has nothing in between.",
    "invert": "A picture of the set comes back; any other comes back as one of the set.",
}
LATENT_WORDS = "While it draws, a guess that is not decoded yet is a mosaic of its latents."
VERSUS_WORDS = "First the learned score, then the perfect one, both from the same x<sub>T</sub>."


def _words(experiment: str, model: str, versus: bool = False) -> str:
    """What there is to see of an experiment on a model."""
    row = MODELS[model]
    more = EXACT_WORDS.get(experiment, "") if row.family == "exact" else LATENT_WORDS if row.latent else ""
    sentences = [WORDS[experiment], more, VERSUS_WORDS if versus else ""]
    return widgets.words(" ".join(filter(None, sentences)))


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

    # Layout

    def lay_out(self) -> None:
        self.kept = gr.State(None, time_to_live=3600)
        self.offered = [row for row in MODELS.values() if at_hand(row.source, self.settings)]
        names = [row.name for row in self.offered]
        self.shown = [preset for preset in PRESETS if preset.model in names]
        self.presets = widgets.preset_row("samplers", [preset.title for preset in self.shown])
        with widgets.grid():
            with widgets.stage():
                self._lay_out_stage()
            with widgets.controls():
                self._lay_out_controls()
        with gr.Accordion("What am I looking at?", open=True):
            gr.Markdown(ABOUT, elem_classes="lab-words", latex_delimiters=widgets.LATEX)

    def _lay_out_stage(self) -> None:
        first = _preset_lanes(PRESETS[0])
        self.stage = gr.HTML(lane_view.cards(lane_view.View(first, {}, {})), elem_id="samplers-stage")
        with gr.Row(elem_classes="replay"):
            self.replay = gr.Button("Replay", scale=0, min_width=96, elem_id="samplers-replay")
            self.scrub = gr.Slider(
                0, 100, 100, step=100 / (recordings.REPLAY_POSITIONS - 1), label="From noise to picture, all lanes at the same log-SNR", elem_id="samplers-scrub"
            )  # fmt: skip
        self.second = gr.Radio(
            list(BESIDE),
            value="x_t",
            label="Beside the prediction",
            elem_id="samplers-second",
        )
        self.words = gr.HTML(_words("compare", "exact"))
        self.plot = widgets.plot("Distance to the reference run", visible=False, elem_id="samplers-plot")
        with widgets.more("Numbers"):
            self.table = gr.HTML("Press Run first.")

    def _lay_out_controls(self) -> None:
        self.runs = Runs("samplers")
        self.run, self.stop, self.note = self.runs.run, self.runs.stop, self.runs.note
        self.experiment = gr.Radio(
            [(title, name) for name, title in EXPERIMENTS.items()], value="compare", label="Experiment"
        )
        self.model = gr.Dropdown([(row.title, row.name) for row in self.offered], value="exact", label="Model")
        self.versus = gr.Checkbox(
            False, label="The perfect score beside it, from the same x_T", visible=False, elem_id="samplers-versus"
        )
        self.prompt = gr.Textbox(
            label="Prompt", placeholder="apple, cat, fire engine … or leave empty", max_length=widgets.MAX_TYPED
        )
        self.group = gr.Dropdown(
            [("All pictures", ""), *((title, name) for name, title in GROUPS.items())],
            value=PRESETS[0].group,
            label="Group",
        )
        self.seed = gr.Number(PRESETS[0].seed, minimum=0, label="Seed")
        self.mix_seed = gr.Number(2, minimum=0, label="Second seed", visible=False)
        self.samplers = gr.Dropdown(
            _sampler_choices("exact"),
            value=[name for name, _, _ in PRESETS[0].lanes],
            multiselect=True,
            max_choices=MAX_COMPARED,
            label="Samplers",
            elem_id="samplers-samplers",
        )
        self.picture = widgets.picture_input("Picture", visible=False, height=220)
        self.steps = gr.Slider(1, 200, PRESETS[0].lanes[0][1], step=1, label="Steps")
        with widgets.more("Lane by lane") as self.lane_box:
            gr.Markdown("Every row is one lane. Give each its own sampler, steps, eta and spacing.")
            self.rows = [self._lay_out_lane(index) for index in range(MAX_COMPARED)]
        with widgets.more("More"):
            self.style = gr.Dropdown([("All styles", ""), *STYLES], value="", label="Style")
            self.schedule = gr.Dropdown(
                [(row.title, name) for name, row in SCHEDULES.items()], value="linear", label="Schedule"
            )
            self.T = gr.Number(1000, label="T, timesteps of the forward process (10 to 4000)")
            self.guidance = gr.Slider(0, 10, 1, step=0.5, label="Guidance scale (1: plain conditional model)")
            self.reference = gr.Slider(0, 500, 0, step=50, label="Reference run: DDIM steps (0: none)")
        with widgets.more("Share and export"):
            with gr.Row():
                self.png = gr.Button("Pictures, PNG", size="sm", min_width=90, elem_id="samplers-png")
                self.steps_file = gr.Button("Recording", size="sm", min_width=90, elem_id="samplers-record")
            shared = (
                "experiment model versus prompt group style seed mix_seed samplers steps schedule T guidance reference"
            )
            known: dict[str, Kind] = {
                "samplers": Choice(tuple(SAMPLERS), most=MAX_COMPARED),
                "schedule": Choice(tuple(SCHEDULES)),
                "T": Range(MIN_T, MAX_T, whole=True),
            }
            self.share = share.Panel("samplers", {name: getattr(self, name) for name in shared.split()}, known)

    def _lay_out_lane(self, index: int) -> tuple[gr.Dropdown, gr.Number, gr.Number, gr.Dropdown]:
        known = _preset_lanes(PRESETS[0])
        lane = known[index] if index < len(known) else None
        with gr.Row(elem_classes="lane-row"):
            return (
                gr.Dropdown(
                    _lane_choices("exact"),
                    value=lane.sampler if lane else "",
                    label=f"Lane {index + 1}",
                    scale=3,
                    min_width=110,
                ),
                gr.Number(lane.steps if lane else 20, label="Steps", scale=1, min_width=60),
                gr.Number(0, label="Eta", minimum=0, maximum=1, step=0.05, scale=1, min_width=60),
                gr.Dropdown(list(SPACINGS), value="trailing", label="Spacing", scale=2, min_width=90),
            )

    # Wiring

    def wire(self, page: gr.Tab) -> None:
        simple = self._preset_outputs()
        advanced = [*self._model_outputs(), self.mix_seed]
        inputs = {*simple, *advanced, *self._row_outputs()}
        painted = [
            self.stage, self.words, self.plot, self.table, self.note, self.kept, self.scrub, self.run, self.stop,
            *self.share.run_outputs,
        ]  # fmt: skip
        running = {**QUIET, "concurrency_id": "run", "concurrency_limit": self.settings.most_pressed}

        self.run.click(self.on_run, inputs, painted, **running)
        self.share.opens(page, self.on_open, {*inputs, self.kept, self.second}, painted, **running)
        self.replay.click(
            self.on_replay,
            {self.kept, self.second},
            [self.stage, self.scrub, self.note, self.stop, self.run],
            **running,
        )
        for button, preset in zip(self.presets, self.shown, strict=True):
            button.click(
                partial(self.on_preset, preset),
                None,
                [*simple, *self._model_outputs(), *self._row_outputs()],
                queue=False,
                **QUIET,
            ).then(self.on_run, inputs, painted, **running)
        self.model.input(
            self.on_model, [self.model, self.samplers], [*self._model_outputs(), *self._row_outputs()], queue=False, **QUIET
        )  # fmt: skip
        self.stop.click(self.on_stop, None, None, queue=False, **QUIET)
        gr.on(
            [self.samplers.input, self.steps.input],
            self.on_choose,
            [self.samplers, self.steps, self.model],
            self._row_outputs(),
            queue=False,
            **QUIET,
        )
        self.experiment.change(
            self.on_experiment,
            self.experiment,
            [
                self.samplers,
                self.mix_seed,
                self.picture,
                self.lane_box,
                self.second,
                self.scrub,
                self.replay,
                self.steps,
                self.guidance,
                self.reference,
            ],
            queue=False,
            **QUIET,
        )
        gr.on(
            [self.scrub.input, self.second.input],
            self.on_scrub,
            [self.kept, self.scrub, self.second],
            [self.stage],
            trigger_mode="always_last",
            queue=False,  # its bookkeeping costs more than a frame does
            **QUIET,
        )

        self.restorable = [*simple, *advanced, *self._row_outputs()]
        self.share.wire({self.kept}, self.scripts)
        saved: dict[str, Any] = {"api_visibility": "private", "show_progress_on": self.share.files}
        files = [self.share.files, self.share.note]
        self.png.click(self.save_pictures, {self.kept, self.share.capsule}, files, **saved)
        self.steps_file.click(self.save_steps, {self.kept, self.share.capsule}, files, **saved)
        self.replayable = [
            self.experiment,
            self.stage,
            self.words,
            self.plot,
            self.table,
            self.note,
            self.kept,
            self.scrub,
        ]

    def _preset_outputs(self) -> list[Any]:
        return [self.experiment, self.seed, self.steps, self.reference, self.picture]

    def _model_outputs(self) -> list[Any]:
        return [
            self.model,
            self.samplers,
            self.versus,
            self.prompt,
            self.group,
            self.style,
            self.schedule,
            self.T,
            self.guidance,
        ]

    def _row_outputs(self) -> list[Any]:
        return [component for row in self.rows for component in row]

    def on_stop(self, request: gr.Request) -> None:
        self.runs.stops.set(request)

    def on_choose(self, samplers: list[str], steps: int, model: str) -> list[Any]:
        """The simple controls fill the lane rows."""
        lanes = [(name, int(steps or 1), 0.0, "trailing") for name in samplers[:MAX_COMPARED]]
        return self._rows_from(lanes, model)

    def _rows_from(self, lanes: Sequence[Row], model: str) -> list[Any]:
        choices = _lane_choices(model)
        values: list[Any] = []
        for index in range(MAX_COMPARED):
            name, *others = lanes[index] if index < len(lanes) else ("", 20, 0.0, "trailing")
            values += [gr.update(choices=choices, value=name), *others]
        return values

    def on_preset(self, preset: Preset) -> list[Any]:
        names = list(dict.fromkeys(name for name, _, _ in preset.lanes))
        steps = preset.lanes[0][1]
        picture = str(EXAMPLE) if preset.experiment == "invert" else None
        head = [preset.experiment, preset.seed, steps, preset.reference, picture]
        fitted = _fitted(preset.model, names, preset)
        return [*head, *fitted, *self._rows_from([(*lane, "trailing") for lane in preset.lanes], preset.model)]

    def on_model(self, model: str, samplers: list[str]) -> list[Any]:
        """Offer what the model can do: its samplers, conditions and forward process."""
        if MODELS[model].consistency:
            lanes: list[Row] = [(*lane, "trailing") for lane in JUMPS]
        else:
            kept = [name for name in samplers if name in samplers_for(MODELS[model])] or ["ddim"]
            lanes = [(name, 20, 0.0, "trailing") for name in kept]
        names = list(dict.fromkeys(name for name, *_ in lanes))
        return [*_fitted(model, names), *self._rows_from(lanes, model)]

    def on_experiment(self, name: str) -> list[Any]:
        """Show the controls that the experiment has and no others."""
        compares = name == "compare"
        return [
            gr.update(visible=name in ("compare", "grid")),
            gr.update(visible=name == "between"),
            gr.update(visible=name == "invert"),
            gr.update(visible=compares),
            gr.update(visible=compares),
            gr.update(visible=name != "invert"),
            gr.update(visible=name != "invert"),
            gr.update(visible=name != "grid"),
            gr.update(visible=name != "invert"),
            gr.update(visible=name != "invert"),
        ]

    def on_scrub(self, kept: Kept | None, percent: float, second: str) -> str | dict[str, Any]:
        """All lanes at the noise level `percent` of the way from noise to picture."""
        return _painted(kept, percent, second) if kept else gr.skip()

    def on_open(self, values: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        """A visitor who opens the tab for the first time finds it moving, and then sees it once more slowly."""
        if values[self.kept] is not None or self.share.taken(values) or self.runs.stops.busy(request):
            yield {self.note: gr.skip()}  # nothing at all would be an error of Gradio's
            return
        kept = None
        for update in self.on_run(values, request):
            kept = update.get(self.kept) or kept
            if kept:  # the replay gives the buttons back: until then the slider is its own
                update = {part: new for part, new in update.items() if part not in (self.run, self.stop)}
            yield update
        if kept:
            yield from self.on_replay(values | {self.kept: kept}, request)

    def on_replay(self, values: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        """Play the kept run from noise to picture in a few seconds, all lanes at the same noise level."""
        kept: Kept | None = values[self.kept]
        if kept is None:
            yield {self.note: widgets.note("Nothing to replay yet: press Run first.", bad=True)}
            return
        with self.runs.stops.turn(request) as stop:
            yield {self.stop: gr.update(interactive=True)}
            for frame in range(REPLAY_FRAMES + 1):
                percent = 100 * frame / REPLAY_FRAMES
                yield {
                    self.scrub: percent,
                    self.stage: _painted(kept, percent, values[self.second]),
                }
                if stop.wait(PAINT_EVERY_S):
                    break
            if self.runs.stops.owns(request, stop):
                # Says again that Run can be pressed: of updates in quick succession the page keeps the last.
                yield {self.stop: gr.update(interactive=False), self.run: gr.update(interactive=True)}

    def on_run(self, values: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        """Stream a run; ends early at Stop and keeps what is there."""
        make = self._invert if values[self.experiment] == "invert" else self._sample
        yield from self.runs.stream(request, partial(make, values, request.session_hash or ""))

    def _sample(self, values: dict[Any, Any], client: str, stop: threading.Event) -> Generator[Update, None, Update]:
        experiment = values[self.experiment]
        request = self._sampling_request(values)
        collector, left_out = recordings.Collector(request), self._left_out(values, request)
        painted = -inf
        words = _words(experiment, request.model, request.versus is not None)
        for event in self.backend.run(request, stop, client):
            if isinstance(event, Waiting):
                yield {self.note: widgets.waiting(event)}
                continue
            collector.add(event)
            if time.monotonic() - painted > PAINT_EVERY_S:
                painted = time.monotonic()
                yield {
                    self.stage: view.paint(experiment, collector.recording()),
                    self.words: words,
                    self.note: widgets.note(DECODING if isinstance(event, Decoded) else view.progress(collector)),
                }
        done = collector.recording()
        figure = view.chart(done)
        ended = "Stopped. What was made stays and can be replayed." if stop.is_set() else view.summary(done)
        return self.share.show(self.capsule(values, request)) | {
            self.stage: view.paint(experiment, done),
            self.words: words,
            self.note: widgets.note(" ".join(dict.fromkeys([ended, *left_out, *collector.notes]))),
            self.kept: Kept(experiment, done),
            self.scrub: 100,
            self.plot: gr.update(visible=True, value=figure) if figure else HIDDEN,
            self.table: view.table(done),
        }

    def _invert(self, values: dict[Any, Any], client: str, stop: threading.Event) -> Generator[Update, None, Update]:
        if not values[self.picture]:
            raise LabError("Choose a picture first: upload one, paste one or use the webcam.")
        picture, remark = media.open_upload(values[self.picture], self.settings).square()
        request = make_request(
            InversionRequest,
            picture=picture,
            model=values[self.model],
            condition=self._condition(values),
            forward=self._forward(values),
            steps=values[self.steps],
            seed=values[self.seed],
        )
        painted = -inf
        guess: Step | None = None
        notes = [remark] if remark else []
        last: Update = {self.note: widgets.note("Stopped.")}
        words = _words("invert", request.model)
        for event in self.backend.run(request, stop, client):
            if isinstance(event, InversionResult):
                last = self.share.show(self.share.make(values, picture=share.picture_told(request.picture))) | {
                    self.stage: lane_view.panels(view.inversion_panels(event, MODELS[request.model].latent)),
                    self.words: words,
                    self.note: widgets.note(
                        " ".join(
                            [f"Came back with an RMS error of {lane_view.distance(event.rms)}.", *dict.fromkeys(notes)]
                        )
                    ),
                    self.kept: None,
                }
            elif isinstance(event, Note):
                notes.append(event.text)
            elif isinstance(event, Waiting):
                yield {self.note: widgets.waiting(event)}
            elif isinstance(event, Step):
                guess = lane_view.guess(guess if guess and guess.lane == event.lane else None, event)
                if time.monotonic() - painted <= PAINT_EVERY_S:
                    continue
                painted = time.monotonic()
                way = "Up" if event.lane == 0 else "Down"
                x_t = "x_t, latent" if MODELS[request.model].latent else "x_t"
                yield {
                    self.stage: lane_view.panels(
                        [
                            (event.x_t, f"{way}: {x_t}", lane_view.level(event)),
                            (guess.x_0, lane_view.guess_words(guess, event), f"call {event.i}/{event.n}"),
                        ]
                    ),
                    self.words: words,
                    self.note: widgets.note(f"{way}, call {event.i} of {event.n}"),
                }
        return last

    # Sharing

    def capsule(self, values: dict[Any, Any], request: SamplingRequest) -> Capsule:
        """All that makes a run again, lane by lane."""
        return self.share.make(values, request, lanes=[[values[part] for part in row] for row in self.rows])

    def scripts(self, values: dict[Any, Any]) -> Iterator[tuple[str, str]]:
        """A script a lane."""
        kept: Kept | None = values[self.kept]
        if kept is None:
            raise LabError(share.NOTHING)
        request = kept.recording.request
        for index, lane in enumerate(request.lanes):
            yield f"lane-{index + 1}-{lane.sampler}.py", script.write(request, index)

    def save_pictures(self, values: dict[Any, Any]) -> dict[Any, Any]:
        """A PNG a finished lane."""
        kept: Kept | None = values[self.kept]

        def save() -> dict[Any, Any]:
            if kept is None or not kept.recording.results:
                raise LabError("There is no finished picture yet: press Run first.")
            lanes = kept.recording.request.lanes
            mine = {index: result for index, result in kept.recording.results.items() if 0 <= index < len(lanes)}
            return self.share.saved(*[
                share.save_png(
                    result.picture, media.scratch_file(f"lane-{index + 1}-{lanes[index].sampler}.png"),
                    values[self.share.capsule], index,
                )
                for index, result in sorted(mine.items())
            ])  # fmt: skip

        return self.share.answer(save)

    def save_steps(self, values: dict[Any, Any]) -> dict[Any, Any]:
        """The run as a file that replays it."""
        kept: Kept | None = values[self.kept]

        def save() -> dict[Any, Any]:
            if kept is None:
                raise LabError(share.NOTHING)
            path = media.scratch_file(f"samplers{recordings.SUFFIX}")
            path.write_bytes(recordings.to_bytes(kept.recording, kept.experiment, values[self.share.capsule]))
            return self.share.saved(path)

        return self.share.answer(save)

    def replayed(self, recorded: Recorded) -> tuple[Update, str]:
        """A run from a file, as if it had just ended, and the id of the button that shows it from its beginning. Where the
        file tells what the controls were set to, they are, so that Run computes the same."""
        kept = Kept(recorded.experiment, recorded.recording, recorded.made)
        if kept.experiment not in EXPERIMENTS or kept.experiment == "invert":
            raise LabError(recordings.NO_RECORDING)
        if len(view.lanes_of(kept.recording.request)[0]) > self.settings.max_lanes:
            raise LabError(f"The recording has more than {self.settings.max_lanes} lanes: too many for this lab.")
        figure = view.chart(kept.recording)
        capsule, controls = recorded.capsule, {}
        if capsule is not None and capsule.tab == self.share.tab:
            controls = self.restore(capsule, self.share.known(capsule))[0] | self.share.show(capsule)
        else:
            controls = {self.share.capsule: None, self.share.code: ""}  # those of an earlier run are not this one's
        return controls | {
            self.experiment: kept.experiment,
            self.stage: _painted(kept, 0, BESIDE[0]),
            self.words: _words(
                kept.experiment, kept.recording.request.model, kept.recording.request.versus is not None
            ),
            self.note: widgets.note(f"{_recorded(kept)} Press Replay or drag the slider."),
            self.kept: kept,
            self.scrub: 0,
            self.plot: gr.update(visible=True, value=figure) if figure else HIDDEN,
            self.table: view.table(kept.recording),
        }, "samplers-replay"

    def restore(self, capsule: Capsule, values: dict[str, Any]) -> tuple[Update, str, str]:
        """The tab as a capsule says."""
        model = values.get("model", "exact")
        row = MODELS[model]
        names = [name for name in values.get("samplers", []) if name in samplers_for(row)] or ["ddim"]
        values["samplers"] = names
        if values.get("schedule") not in row.schedules:
            values["schedule"] = row.schedules[0]
        if row.trained:
            values["T"] = 1000
        updates: Update = dict(zip(self._model_outputs(), _fitted(model, names), strict=True))
        lanes = _lanes_of(capsule, model) or [(name, values.get("steps", 20), 0.0, "trailing") for name in names]
        updates |= dict(zip(self._row_outputs(), self._rows_from(lanes, model), strict=True))
        share.overlay(updates, self.share.parts, values)
        missing = share.without_model(capsule, model)
        if values.get("experiment") != "invert":
            return updates, "samplers-run", missing
        picture = share.picture_of(capsule.values.get("picture"))
        if picture is None:
            return updates | {self.picture: None}, "", share.ALONE
        updates[self.picture] = str(media.save_plain(picture, media.scratch_file("picture.png")))
        return updates, "samplers-run", missing

    # From controls to requests

    def _left_out(self, values: dict[Any, Any], request: SamplingRequest) -> list[str]:
        """What the controls ask for and the request has not, in sentences."""
        T, words = request.forward.T, []
        if values[self.experiment] == "grid" and max(GRID_STEPS) > T:
            words.append(f"T is {T}: columns of more steps are left out.")
        if (values[self.reference] or 0) > request.reference_steps > 0:
            words.append(f"T is {T}: the reference takes {request.reference_steps} steps.")
        if values[self.versus] and request.versus is None and MODELS[request.model].perfect:
            words.append("The perfect score stands beside compared lanes only.")
        return words

    def _condition(self, values: dict[Any, Any]) -> Condition:
        """What is asked for, as far as the model understands it; the other fields are hidden and may hold old words."""
        asked = {"prompt": values[self.prompt], "group": values[self.group], "style": values[self.style]}
        known = MODELS[values[self.model]].conditions
        return make_request(Condition, **{name: value for name, value in asked.items() if name in known and value})

    def _forward(self, values: dict[Any, Any]) -> Forward:
        return make_request(Forward, schedule=values[self.schedule], T=values[self.T])

    def _sampling_request(self, values: dict[Any, Any]) -> SamplingRequest:
        experiment, forward = values[self.experiment], self._forward(values)
        common = {"seed": values[self.seed], "guidance_scale": values[self.guidance]}
        reference = int(values[self.reference] or 0)
        if experiment == "grid":
            counts = [count for count in GRID_STEPS if count <= forward.T]
            lanes = [dict(common, sampler=name, steps=n) for name in values[self.samplers] for n in counts]
            reference = reference or 200
        elif experiment == "between":
            if values[self.mix_seed] is None:
                raise LabError("Choose a second seed: any whole number.")
            lanes = [dict(common, steps=values[self.steps], mix_seed=values[self.mix_seed], mix=mix) for mix in MIXES]
        else:
            rows = [[values[component] for component in row] for row in self.rows]
            lanes = [
                dict(common, sampler=name, steps=steps, eta=eta, spacing=spacing)
                for name, steps, eta, spacing in rows
                if name
            ]
        if not lanes:
            raise LabError("Choose at least one sampler.")
        return make_request(
            SamplingRequest,
            model=values[self.model],
            condition=self._condition(values),
            forward=forward,
            lanes=tuple(make_request(LaneSettings, **lane) for lane in lanes),
            reference_steps=min(reference, forward.T),
            replay=recordings.REPLAY_POSITIONS,
            versus=(MODELS[values[self.model]].perfect or None)
            if values[self.versus] and experiment == "compare"
            else None,
        )


def _painted(kept: Kept, percent: float, second: str) -> str:
    """The kept run at a noise level, marked where it is a recording."""
    mark = f'<p class="lab-recorded">{escape(_recorded(kept))}</p>' if kept.made else ""
    return mark + view.paint(kept.experiment, kept.recording, percent, second)


def _recorded(kept: Kept) -> str:
    """When and by what a recording was made; "" for a run of now."""
    if kept.made is None:
        return ""
    model = MODELS[kept.recording.request.model].title
    return f"Recorded on {kept.made.day} {kept.made:%B %Y}, not computed now. {model}."


def _lanes_of(capsule: Capsule, model: str) -> list[Row]:
    """The lane rows of a capsule from anywhere, as the model could have them; none where they cannot be read."""
    told, rows = capsule.values.get("lanes"), []
    kinds: tuple[Kind, ...] = (
        Choice(("", *samplers_for(MODELS[model]))),
        Range(1, 1000, whole=True),
        Range(0, 1),
        Choice(tuple(SPACINGS)),
    )
    for row in told[:MAX_COMPARED] if isinstance(told, list) else []:
        if not isinstance(row, list) or len(row) != len(kinds):
            return []
        held = tuple(fitted(value, kind) for value, kind in zip(row, kinds, strict=True))
        if None not in held:
            rows.append(held)
    return rows if any(row[0] for row in rows) else []


def _sampler_choices(model: str) -> list[tuple[str, str]]:
    return [(row.title, name) for name, row in samplers_for(MODELS[model]).items()]


def _lane_choices(model: str) -> list[tuple[str, str]]:
    return [("—", ""), *_sampler_choices(model)]


def _fitted(model: str, samplers: list[str], preset: Preset | None = None) -> list[Any]:
    """Updates of the controls that depend on the model, in the order of `_model_outputs`, as a preset has them or with
    what suits the model; without a preset the prompt keeps its words."""
    row = MODELS[model]
    prompt: dict[str, Any] = {"value": preset.prompt} if preset else {}
    return [
        model,
        gr.update(choices=_sampler_choices(model), value=samplers),
        gr.update(visible=bool(row.perfect), value=preset is not None and preset.versus),
        gr.update(visible="prompt" in row.conditions, **prompt),
        gr.update(visible="group" in row.conditions, value=preset.group if preset else ""),
        gr.update(visible="style" in row.conditions, value=""),
        gr.update(choices=[(SCHEDULES[name].title, name) for name in row.schedules], value=row.schedules[0]),
        gr.update(value=1000, interactive=not row.trained),
        preset.guidance if preset else row.guidance_scale,
    ]


def _preset_lanes(preset: Preset) -> list[LaneSettings]:
    return [LaneSettings(sampler=name, steps=steps, eta=eta, seed=preset.seed) for name, steps, eta in preset.lanes]
