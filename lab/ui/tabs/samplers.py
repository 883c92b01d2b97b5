"""Tab: samplers side by side, from the same x_T and with the same noise at the same noise level."""

import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf, isinf
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from lab.capsule import (
    Condition,
    Forward,
    InversionRequest,
    InversionResult,
    LabError,
    LaneResult,
    LaneSettings,
    Note,
    Recording,
    SamplingRequest,
    Step,
    make_request,
)
from lab.catalog import GROUPS, MODELS, SAMPLERS, SCHEDULES, SPACINGS, STYLES, samplers_for
from lab.settings import ASSETS, Settings
from lab.ui import lane_view, media, plots, widgets

TITLE = "Samplers"
QUESTION = "How do you walk back from noise?"
MAX_COMPARED = 8  # lane cards that still read on a projector
EXAMPLE = ASSETS / "images" / "red-apple-glossy.png"
PAINT_EVERY_S = 0.08  # the browser has no backpressure: paint at 12 frames a second and drop the rest
REPLAY_FRAMES = 50  # four seconds
REPLAY_POSITIONS = 201  # of the replay slider
EXPERIMENTS = {
    "compare": "Compare lanes",
    "grid": "Samplers × steps",
    "between": "Between two seeds",
    "invert": "Invert a picture",
}
GRID_STEPS = (4, 5, 10, 20, 40)  # they divide the reference's 200, so their levels are among its own
FLOOR = 1e-4  # equal pictures, on a logarithmic axis
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


DIALS = tuple(("ddim", 40, eta) for eta in (0, 0.25, 0.5, 0.75, 1))
FEWER = tuple(("ddim", steps, 0) for steps in (2, 5, 10, 20, 50, 100))
EIGHT = tuple((name, 20, 0) for name in ["ddpm", "ddim", "euler", "euler_a", "heun", "dpmpp_2m", "dpmpp_sde", "unipc"])
SOLVERS = tuple((name, 20, 0) for name in ["ddim", "euler", "heun", "dpmpp_2m", "unipc"])

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
)
# fmt: on


class Kept(NamedTuple):
    """What a visitor's page keeps of the last run, for replay."""

    experiment: str
    recording: Recording


ABOUT = r"""
All lanes start from **the same $x_T$**; lanes that draw noise draw **the same noise at the same noise level**.
Only the sampler differs. With the *exact denoiser* nothing is learned: it knows the best possible guess
$\mathbb{E}[x_0 \mid x_t]$ for the lab's pictures, so you watch the algorithm alone.

DDPM ([Ho et al. 2020](https://arxiv.org/abs/2006.11239)) adds fresh noise on the way and may change its mind; DDIM
([Song et al. 2021](https://arxiv.org/abs/2010.02502)) follows one smooth path, so a few long steps still land:

$$x_{s} = \sqrt{\bar\alpha_{s}}\,\hat x_0 + \sqrt{1-\bar\alpha_{s}-\sigma^2}\,\hat\epsilon + \sigma z$$

$$\sigma = \eta\sqrt{\tfrac{1-\bar\alpha_s}{1-\bar\alpha_t}}\sqrt{1-\tfrac{\bar\alpha_t}{\bar\alpha_s}}$$
"""

BESIDE = ("x_t", "difference to the first lane", "nearest data picture")
WORDS = {
    "compare": "Large, predicted x<sub>0</sub>: the best guess from x<sub>t</sub>, the noisy picture in the "
    "corner. The guess goes from the mean of all pictures through ghostly blends to one crisp picture.",
    "grid": "Same noise in every cell. The number is the RMS distance of the finished picture to a long reference run. "
    "Along the path every solver closes in at its own order; at the end it lands in the same picture or in another.",
    "between": "x<sub>T</sub> moves on a great circle from one seed to the other; DDIM turns the path of noises into a "
    "path of pictures. With the exact denoiser it jumps from picture to picture: a finite set has nothing in between.",
    "invert": "DDIM is a map that can be run upwards: from the picture to its own x<sub>T</sub>, and down again. "
    "A picture that the model knows comes back; any other comes back as something that it knows.",
}


def build(backend: Any, settings: Settings, page: gr.Tab) -> None:
    """Lay out the tab on `page` and wire it to `backend`."""
    tab = _Tab(backend, settings)
    tab.lay_out()
    tab.wire(page)


class _Tab:
    """The components of the tab and what they do. Holds nothing of any visitor: that lives in gr.State."""

    def __init__(self, backend: Any, settings: Settings) -> None:
        self.backend, self.settings = backend, settings
        self.stops = widgets.Stops()

    # Layout

    def lay_out(self) -> None:
        self.kept = gr.State(None, time_to_live=3600)
        self.presets = widgets.preset_row([preset.title for preset in PRESETS])
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
                0, 100, 100, step=100 / (REPLAY_POSITIONS - 1), label="From noise to picture, all lanes at the same log-SNR", elem_id="samplers-scrub"
            )  # fmt: skip
        self.second = gr.Radio(
            list(BESIDE),
            value="x_t",
            label="Beside the prediction",
            elem_id="samplers-second",
        )
        self.words = gr.HTML(widgets.words(WORDS["compare"]))
        self.plot = widgets.plot("Distance to the reference run", visible=False, elem_id="samplers-plot")
        with widgets.more("Numbers"):
            self.table = gr.HTML("Press Run first.")

    def _lay_out_controls(self) -> None:
        with gr.Row():
            self.run = widgets.go("Run")
            self.stop = widgets.stop()
        self.note = gr.HTML(widgets.note(""), elem_id="samplers-note")
        self.experiment = gr.Radio(
            [(title, name) for name, title in EXPERIMENTS.items()], value="compare", label="Experiment"
        )
        self.prompt = gr.Textbox(label="Prompt", placeholder="apple, cat, fire engine … or leave empty", max_length=300)
        self.group = gr.Dropdown(
            [("All pictures", ""), *((title, name) for name, title in GROUPS.items())],
            value=PRESETS[0].group,
            label="Group",
        )
        self.seed = gr.Number(PRESETS[0].seed, precision=0, minimum=0, label="Seed")
        self.mix_seed = gr.Number(2, precision=0, minimum=0, label="Second seed", visible=False)
        self.samplers = gr.Dropdown(
            [(row.title, name) for name, row in samplers_for(MODELS["exact"]).items()],
            value=[name for name, _, _ in PRESETS[0].lanes],
            multiselect=True,
            max_choices=MAX_COMPARED,
            label="Samplers",
        )
        self.picture = widgets.picture_input("Picture", visible=False, height=220)
        self.steps = gr.Slider(1, 200, PRESETS[0].lanes[0][1], step=1, label="Steps")
        with widgets.more("Lane by lane") as self.lane_box:
            gr.Markdown("Every row is one lane. Give each its own sampler, steps, eta and spacing.")
            self.rows = [self._lay_out_lane(index) for index in range(MAX_COMPARED)]
        with widgets.more("More"):
            self.model = gr.Dropdown([(row.title, name) for name, row in MODELS.items()], value="exact", label="Model")
            self.style = gr.Dropdown([("All styles", ""), *STYLES], value="", label="Style")
            self.schedule = gr.Dropdown(
                [(row.title, name) for name, row in SCHEDULES.items()], value="linear", label="Schedule"
            )
            self.T = gr.Number(1000, precision=0, label="T, timesteps of the forward process (10 to 4000)")
            self.guidance = gr.Slider(0, 10, 1, step=0.5, label="Guidance scale (1: plain conditional model)")
            self.reference = gr.Slider(0, 500, 0, step=50, label="Reference run: DDIM steps (0: none)")

    def _lay_out_lane(self, index: int) -> tuple[gr.Dropdown, gr.Number, gr.Number, gr.Dropdown]:
        known = _preset_lanes(PRESETS[0])
        lane = known[index] if index < len(known) else None
        choices = [("—", ""), *((row.title, name) for name, row in samplers_for(MODELS["exact"]).items())]
        with gr.Row(elem_classes="lane-row"):
            return (
                gr.Dropdown(
                    choices, value=lane.sampler if lane else "", label=f"Lane {index + 1}", scale=3, min_width=110
                ),
                gr.Number(lane.steps if lane else 20, precision=0, label="Steps", scale=1, min_width=60),
                gr.Number(0, label="Eta", minimum=0, maximum=1, step=0.05, scale=1, min_width=60),
                gr.Dropdown(list(SPACINGS), value="trailing", label="Spacing", scale=2, min_width=90),
            )

    # Wiring

    def wire(self, page: gr.Tab) -> None:
        simple = self._preset_outputs()
        advanced = [self.model, self.style, self.mix_seed, self.schedule, self.T, self.guidance]
        inputs = {*simple, *advanced, *self._row_outputs()}
        painted = [self.stage, self.plot, self.table, self.note, self.kept, self.scrub, self.run, self.stop]
        running = {**QUIET, "concurrency_id": "run", "concurrency_limit": self.settings.max_runs}

        self.run.click(self.on_run, inputs, painted, **running)
        page.select(self.on_open, {*inputs, self.kept, self.second}, painted, **running)
        self.replay.click(
            self.on_replay,
            {self.kept, self.second},
            [self.stage, self.scrub, self.note, self.stop, self.run],
            **running,
        )
        for button, preset in zip(self.presets, PRESETS, strict=True):
            button.click(
                partial(self.on_preset, preset), None, [*simple, *self._row_outputs()], queue=False, **QUIET
            ).then(self.on_run, inputs, painted, **running)
        self.stop.click(self.on_stop, None, None, queue=False, **QUIET)
        gr.on(
            [self.samplers.input, self.steps.input],
            self.on_choose,
            [self.samplers, self.steps],
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
                self.words,
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

    def _preset_outputs(self) -> list[Any]:
        head = [self.experiment, self.prompt, self.group, self.seed, self.samplers, self.steps, self.reference]
        return [*head, self.picture]

    def _row_outputs(self) -> list[Any]:
        return [component for row in self.rows for component in row]

    def on_stop(self, request: gr.Request) -> None:
        self.stops.set(request)

    def on_choose(self, samplers: list[str], steps: int) -> list[Any]:
        """The simple controls fill the lane rows."""
        lanes = [(name, int(steps or 1), 0.0) for name in samplers[:MAX_COMPARED]]
        return self._rows_from(lanes)

    def _rows_from(self, lanes: list[tuple[str, int, float]]) -> list[Any]:
        values: list[Any] = []
        for index in range(MAX_COMPARED):
            name, steps, eta = lanes[index] if index < len(lanes) else ("", 20, 0.0)
            values += [name, steps, eta, "trailing"]
        return values

    def on_preset(self, preset: Preset) -> list[Any]:
        names = list(dict.fromkeys(name for name, _, _ in preset.lanes))
        steps = preset.lanes[0][1]
        picture = str(EXAMPLE) if preset.experiment == "invert" else None
        head = [preset.experiment, preset.prompt, preset.group, preset.seed, names, steps, preset.reference, picture]
        return head + self._rows_from(list(preset.lanes))

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
            widgets.words(WORDS[name]),
        ]

    def on_scrub(self, kept: Kept | None, percent: float, second: str) -> str | dict[str, Any]:
        """All lanes at the noise level `percent` of the way from noise to picture."""
        return _paint(kept.experiment, kept.recording, percent, second) if kept else gr.skip()

    def on_open(self, values: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        """A visitor who opens the tab for the first time finds it moving, and then sees it once more slowly."""
        if values[self.kept] is not None:
            yield {}
            return
        kept = None
        for update in self.on_run(values, request):
            kept = update.get(self.kept) or kept
            yield update
        if kept:
            yield from self.on_replay(values | {self.kept: kept}, request)

    def on_replay(self, values: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        """Play the kept run from noise to picture in a few seconds, all lanes at the same noise level."""
        kept: Kept | None = values[self.kept]
        if kept is None:
            yield {self.note: widgets.note("Nothing to replay yet: press Run first.", bad=True)}
            return
        stop = self.stops.fresh(request)
        yield {self.stop: gr.update(interactive=True)}
        try:
            for frame in range(REPLAY_FRAMES + 1):
                percent = 100 * frame / REPLAY_FRAMES
                yield {
                    self.scrub: percent,
                    self.stage: _paint(kept.experiment, kept.recording, percent, values[self.second]),
                }
                if stop.wait(PAINT_EVERY_S):
                    break
        finally:
            mine = self.stops.owns(request, stop)
            self.stops.done(request, stop)
        if mine:
            # Says again that Run can be pressed: of updates in quick succession the page keeps the last.
            yield {self.stop: gr.update(interactive=False), self.run: gr.update(interactive=True)}

    def on_run(self, values: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        """Stream a run; ends early at Stop and keeps what is there."""
        stop = self.stops.fresh(request)
        yield {
            self.run: gr.update(interactive=False),
            self.stop: gr.update(interactive=True),
            self.note: widgets.note("Starting …"),
        }
        made = self._invert(values, stop) if values[self.experiment] == "invert" else self._sample(values, stop)
        try:
            for update in made:
                if not self.stops.owns(request, stop):
                    return  # a newer run paints this page now
                yield update
        except LabError as error:
            yield {self.note: widgets.note(str(error), bad=True)}
        finally:
            made.close()
            mine = self.stops.owns(request, stop)
            self.stops.done(request, stop)
        if mine:
            yield {self.run: gr.update(interactive=True), self.stop: gr.update(interactive=False)}

    def _sample(self, values: dict[Any, Any], stop: threading.Event) -> Generator[dict[Any, Any], None, None]:
        experiment = values[self.experiment]
        request = self._sampling_request(values)
        steps: dict[int, list[Step]] = {}
        results: dict[int, LaneResult] = {}
        notes: list[str] = []
        painted = -inf

        def recording() -> Recording:
            return Recording(request, {lane: thinned(seen) for lane, seen in steps.items()}, dict(results))

        for event in self.backend.run(request, stop):
            if isinstance(event, Step):
                steps.setdefault(event.lane, []).append(event)
            elif isinstance(event, LaneResult):
                results[event.lane] = event
            elif isinstance(event, Note):
                notes.append(event.text)
            if time.monotonic() - painted > PAINT_EVERY_S:
                painted = time.monotonic()
                yield {self.stage: _paint(experiment, recording()), self.note: widgets.note(_progress(steps, request))}
        done = recording()
        ended = "Stopped. What was made stays and can be replayed." if stop.is_set() else _summary(done)
        yield {
            self.stage: _paint(experiment, done),
            self.note: widgets.note(" ".join([ended, *notes])),
            self.kept: Kept(experiment, done),
            self.scrub: 100,
            self.plot: gr.update(visible=True, value=_convergence(done)) if _has_reference(done) else HIDDEN,
            self.table: _table(done),
        }

    def _invert(self, values: dict[Any, Any], stop: threading.Event) -> Generator[dict[Any, Any], None, None]:
        if not values[self.picture]:
            raise LabError("Choose a picture first: upload one, paste one or use the webcam.")
        request = make_request(
            InversionRequest,
            picture=media.open_picture(values[self.picture], self.settings),
            model=values[self.model],
            condition=self._condition(values),
            forward=self._forward(values),
            steps=values[self.steps],
            seed=values[self.seed],
        )
        painted = -inf
        for event in self.backend.run(request, stop):
            if isinstance(event, InversionResult):
                yield {
                    self.stage: lane_view.panels(_inversion_panels(event)),
                    self.note: widgets.note(f"Came back with an RMS error of {event.rms:.3f}."),
                    self.kept: None,
                }
            elif isinstance(event, Step) and time.monotonic() - painted > PAINT_EVERY_S:
                painted = time.monotonic()
                way = "Up" if event.lane == 0 else "Down"
                yield {
                    self.stage: lane_view.panels(
                        [
                            (event.x_t, f"{way}: x_t", lane_view.level(event)),
                            (event.x_0, "predicted x_0", f"call {event.i}/{event.n}"),
                        ]
                    ),
                    self.note: widgets.note(f"{way}, call {event.i} of {event.n}"),
                }
        if stop.is_set():
            yield {self.note: widgets.note("Stopped.")}

    # From controls to requests

    def _condition(self, values: dict[Any, Any]) -> Condition:
        return make_request(
            Condition, prompt=values[self.prompt] or "", group=values[self.group] or "", style=values[self.style] or ""
        )

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
        )


def _preset_lanes(preset: Preset) -> list[LaneSettings]:
    return [LaneSettings(sampler=name, steps=steps, eta=eta, seed=preset.seed) for name, steps, eta in preset.lanes]


def thinned(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps that the replay slider can reach: all of them, or evenly spaced ones of a very long run. A thousand
    steps of eight lanes would hold 200 MB for a visitor who can only ever see a fifth of them."""
    if len(steps) <= REPLAY_POSITIONS:
        return tuple(steps)
    return tuple(steps[round(i)] for i in np.linspace(0, len(steps) - 1, REPLAY_POSITIONS))


def at_level(recording: Recording, percent: float) -> dict[int, Step]:
    """The step of every lane at one log-SNR: `percent` of the way from the noisiest level to the cleanest one.

    A lane shows the last step it took at or before that level, so lanes are aligned by noise and not by index.
    """
    levels = [step.log_snr for steps in recording.steps.values() for step in steps if not isinf(step.log_snr)]
    if not levels:
        return {lane: steps[-1] for lane, steps in recording.steps.items()}
    wanted = min(levels) + (max(levels) - min(levels)) * percent / 100
    shown = {}
    for lane, steps in recording.steps.items():
        reached = [step for step in steps if step.log_snr <= wanted + 1e-6]
        shown[lane] = steps[-1] if percent >= 100 else (reached or [steps[0]])[-1]
    return shown


def _paint(experiment: str, recording: Recording, percent: float = 100, second: str = "x_t") -> str:
    lanes = recording.request.lanes
    view = lane_view.View(lanes, at_level(recording, percent), recording.results if percent >= 100 else {})
    if experiment == "grid":
        samplers = list(dict.fromkeys(lane.sampler for lane in lanes))
        return lane_view.grid(view, samplers, list(dict.fromkeys(lane.steps for lane in lanes)))
    if experiment == "between":
        return lane_view.strip(view, [f"{lane.mix:.0%}" for lane in lanes])
    return lane_view.cards(view, _beside(recording, view, second))


def _beside(recording: Recording, view: lane_view.View, second: str) -> dict[int, tuple[np.ndarray, str]] | None:
    if second.startswith("difference") and 0 in view.steps:
        base = view.steps[0].x_0.astype(np.int16)
        return {
            lane: (np.abs(step.x_0.astype(np.int16) - base).max(axis=2).astype(np.uint8), "difference to lane 1")
            for lane, step in view.steps.items()
        }
    if second.startswith("nearest"):
        return {
            lane: (result.nearest, "nearest data picture")
            for lane, result in recording.results.items()
            if result.nearest is not None
        }
    return None


def _progress(steps: dict[int, list[Step]], request: SamplingRequest) -> str:
    made = sum(seen[-1].i for lane, seen in steps.items())
    asked = sum(seen[-1].n for lane, seen in steps.items())
    return f"{len(request.lanes)} lanes · {made} of {asked} denoiser calls"


def _summary(recording: Recording) -> str:
    calls = sum(result.calls for result in recording.results.values())
    seconds = max((result.elapsed_s for result in recording.results.values()), default=0)
    return f"{len(recording.results)} pictures, {calls} denoiser calls in {seconds:.1f} s. Press Replay or drag the slider."


def _has_reference(recording: Recording) -> bool:
    return any(result.rms_to_reference is not None for result in recording.results.values())


def _convergence(recording: Recording) -> Any:
    """Distance to the reference against denoiser calls, one line a sampler: along the path, and at its end."""
    lines: dict[str, list[LaneResult]] = {}
    for lane, result in sorted(recording.results.items()):
        lines.setdefault(recording.request.lanes[lane].sampler, []).append(result)
    traces = []
    for name, results in lines.items():
        row = SAMPLERS[name]
        calls = [result.calls for result in results]
        along = [max(result.path_distance or 0.0, FLOOR) for result in results]
        end = [max(result.rms_to_reference or 0.0, FLOOR) for result in results]
        common = {"mode": "lines+markers", "legendgroup": name}
        traces.append(plots.line(calls, along, row.title, row.colour, **common))
        traces.append(plots.line(calls, end, row.title, row.colour, **common, showlegend=False, xaxis="x2", yaxis="y2"))
    across = {"title": {"text": "denoiser calls"}, "type": "log", "dtick": "D2"}
    return plots.figure(
        traces,
        height=300,
        xaxis={**across, "domain": [0, 0.46]},
        yaxis={"title": {"text": "RMS, along the path"}, "type": "log"},
        xaxis2={**across, "domain": [0.56, 1], "anchor": "y2"},
        yaxis2={"title": {"text": "RMS, finished picture"}, "type": "log", "anchor": "x2"},
        showlegend=True,
    )


def _table(recording: Recording) -> str:
    rows = [
        (
            SAMPLERS[lane.sampler].title,
            lane_view.describe(lane),
            str(result.calls),
            f"{result.elapsed_s:.2f} s",
            "" if result.path_distance is None else f"{result.path_distance:.4f}",
            "" if result.rms_to_reference is None else f"{result.rms_to_reference:.4f}",
            result.nearest_caption,
            "" if result.nearest_rms is None else f"{result.nearest_rms:.4f}",
        )
        for index, lane in enumerate(recording.request.lanes)
        if (result := recording.results.get(index)) is not None
    ]
    head = ("sampler", "settings", "calls", "time", "RMS along path", "RMS at end", "nearest data picture", "at RMS")
    return widgets.table(head, rows) if rows else ""


def _inversion_panels(result: InversionResult) -> list[tuple[np.ndarray, str, str]]:
    return [
        (result.original, "picture, x_0", "As the model sees it; it starts with a trace of noise from the seed."),
        (result.x_T, "its x_T", f"Mean {result.x_T_mean:+.2f}, deviation {result.x_T_deviation:.2f}; noise has 0, 1."),
        (result.reconstruction, "drawn again", f"DDIM from that x_T. RMS error {result.rms:.3f}."),
        (result.error, "where it differs", "Brightest where the two differ most."),
    ]
