"""Tab: classifier-free guidance. One prompt at many scales, by several rules, and every step of it taken apart."""

import threading
import time
from collections.abc import Generator, Iterator, Sequence
from functools import partial
from math import inf
from typing import Any

import gradio as gr
import numpy as np

from lab.capsules import script
from lab.capsules.capsule import Capsule
from lab.capsules.notebook import Script, drawn
from lab.capsules.recordings import Collector
from lab.catalog import MODELS
from lab.fidelity_curves import fidelity_curves
from lab.measures import picture_measures
from lab.requests.anatomy import Anatomy, AnatomyRequest
from lab.requests.base import Event, LabError, make_request
from lab.requests.fidelity import Fidelity
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import Decoded, LaneResult, LaneSettings, SamplingRequest, Step
from lab.settings import Settings, at_hand
from lab.ui.shell import media, nearest, reel, share, vocabulary, widgets
from lab.ui.shell.form import decoder_of
from lab.ui.shell.runs import Run, Runs, Stops
from lab.ui.shell.tool import NO_PICTURE, Tool
from lab.ui.shell.widgets import LATEST, PICKED, QUIET, Update
from lab.ui.tabs.guidance import charts, fidelity, paper, pull, rules, texts, view
from lab.ui.tabs.guidance.controls import FORM
from lab.ui.tabs.guidance.presets import PRESETS
from lab.ui.tabs.guidance.view import Cell, Look, Sweep, SweepPainter, SweepPlan, make_plan

PAINT_EVERY_S = 0.12  # the browser has no backpressure; a grid is heavier than a picture
REST_AT = 0.35  # of the way down: where both halves disagree and x_0 still moves
CURVES, ANATOMY, NEAREST = "Curves over the scale", "Anatomy of a step", "Nearest training pictures"
PAPER = "The paper's curves"
SECTIONS = (CURVES, ANATOMY, NEAREST, PAPER)


class Guidance(Tool):
    """One prompt at many scales, by several rules, and every step of it taken apart."""

    runs: Runs
    name, about, fields, presets = "guidance", texts.ABOUT, FORM, PRESETS

    def __init__(self, backend: Any, settings: Settings) -> None:
        super().__init__(
            backend, settings, [row for row in MODELS.values() if row.guided and at_hand(row.source, settings)]
        )
        self.looks = Stops()  # of anatomies, apart from the runs': a click stops no run

    # Layout

    def lay_out_memory(self) -> None:
        super().lay_out_memory()
        self.anatomy = gr.State(None, time_to_live=3600)  # Look, complete
        self.selection = gr.State(None, time_to_live=3600)  # LaneSettings

    def lay_out_stage(self, opening: dict[str, Any]) -> None:
        seeds, scales = view.parse_seeds(opening["seeds"]), view.parse_scales(opening["scales"])
        empty = Sweep(make_plan(("cfg",), seeds, scales, {"steps": opening["steps"]}, {"model": opening["model"]}))
        self.stage = gr.HTML(SweepPainter(empty).grid(), js_on_load=view.STAGE_JS, elem_id="guidance-stage")
        self.words = gr.HTML(widgets.words(texts.WORDS["sweep"]))
        self.section = gr.Radio(
            list(SECTIONS), value=CURVES, show_label=False, container=False, label="Below the grid",
            elem_classes="segments", elem_id="guidance-section",
        )  # fmt: skip
        with gr.Column(elem_classes="lower") as self.curves_box:
            self.curves = gr.HTML(charts.curves(empty), js_on_load=view.CURVES_JS, elem_id="guidance-curves")
            widgets.chart_table("guidance-curves", "Curves over the guidance scale")
            with gr.Row(elem_classes="files"):
                self.csv = gr.DownloadButton("Chart, CSV", interactive=False, size="sm", elem_id="guidance-csv")
        with gr.Column(elem_classes="lower", visible=False) as self.anatomy_box:
            self._lay_out_anatomy(opening["steps"], empty)
        with gr.Column(elem_classes="lower", visible=False) as self.nearest_box:
            self.nearest = gr.HTML(view.nearest_grid(empty.plan, {}), elem_id="guidance-nearest")
        with gr.Column(elem_classes="lower", visible=False) as self.paper_box:
            self._lay_out_paper()
        self.shelf.lay_out()

    def _lay_out_anatomy(self, steps: int, empty: Sweep) -> None:
        self.step = gr.Slider(1, steps, 1, step=1, label="Step, from noise to picture", elem_id="guidance-step")
        self.look = gr.HTML(view.look(None, 0, empty.plan.scales), js_on_load=view.LOOK_JS, elem_id="guidance-look")
        self.norms = gr.HTML(charts.norms(None), elem_id="guidance-norms")
        widgets.chart_table("guidance-norms", "Sizes of eps over the steps")
        gr.HTML(widgets.words(texts.ANATOMY_WORDS))
        with gr.Row(elem_classes="files"):
            self.png = gr.DownloadButton(
                "Picture, PNG with its settings", interactive=False, size="sm", elem_id="guidance-png"
            )
            self.norms_csv = gr.DownloadButton("Chart, CSV", interactive=False, size="sm", elem_id="guidance-norms-csv")

    def _lay_out_paper(self) -> None:
        self.paper = gr.HTML("", elem_id="guidance-paper")  # filled when its section is opened
        gr.HTML("<h3>The same of your own grid</h3>")
        with gr.Row(elem_classes="files"):
            self.measure = gr.Button("Measure these pictures", size="sm", elem_id="guidance-measure")
            self.fidelity_csv = gr.Button("Chart, CSV", size="sm", elem_id="guidance-fidelity-csv")
        self.fidelity = gr.HTML(fidelity.measured(), elem_id="guidance-fidelity")
        widgets.chart_table("guidance-fidelity", "Precision and recall of your grid")

    def lay_out_controls(self, opening: dict[str, Any]) -> None:
        self.runs = Runs("guidance", beneath=partial(gr.HTML, reel.transport("guidance"), elem_classes="transport"))
        self.form.lay_out("experiment", "model", "prompt", values=opening)
        vocabulary.line(self.form, opening)
        self.form.lay_out("negative", "group", "scales", "seeds", "rules", values=opening)
        self.form.lay_out("temperature", "colour", "region", "brightness", values=opening)
        with widgets.more("More"):
            self.form.lay_out("steps", "sampler", "style", "decoder", values=opening)
        with widgets.more("Share"):
            self.share = self.panel()

    # Wiring

    def wire(self, page: gr.Tab) -> None:
        form, note, running = self.form, self.runs.note, self.running
        inputs = {*self.controls, self.last_run, self.anatomy, self.selection, self.section, self.share.capsule}
        outputs = [
            self.stage, self.words, self.curves, self.csv, self.fidelity, note, self.last_run, self.runs.run, self.runs.stop,
            *self.share.run_outputs,
        ]  # fmt: skip
        anatomy = [self.look, self.step, self.norms, self.anatomy, self.selection, self.png, self.norms_csv, note]
        below, boxes = [*anatomy, self.nearest, self.paper], self._boxes

        gr.on([self.runs.run.click, *form.submits], self.on_run, inputs, outputs, **running).then(
            self.on_follow, inputs, below, **running
        )
        self.share.opens(page, self.on_open, inputs, outputs, **running)
        self.wire_presets(
            self.controls,
            lambda event: event.then(self.on_run, inputs, outputs, **self.following).then(
                self.on_follow, inputs, below, **self.following
            ),
        )
        self.stage.click(self.on_pick, inputs, [*anatomy, *boxes], **running | PICKED)
        self.section.input(self.on_section, self.section, boxes, **LATEST).then(
            self.on_follow, inputs, below, **self.following
        )
        self.measure.click(self.on_measure, inputs, [self.fidelity, note], **running)
        self.fidelity_csv.click(
            None, None, note, js=widgets.save_chart_js("guidance-fidelity"), api_visibility="private"
        )
        self.step.input(
            self.on_scrub, [self.anatomy, self.step], self.look, trigger_mode="always_last", queue=False, **QUIET
        )  # not through the queue: its bookkeeping costs more than a frame does
        form["model"].input(self.on_model, {*self.controls}, form.model_parts, **LATEST)
        for name in ("experiment", "rules"):
            form[name].input(self.on_experiment, {*self.controls}, form.others_parts, **LATEST)
        self.runs.stop.click(self.on_stop, None, None, queue=False, **QUIET)
        self.restorable = self.controls
        vocabulary.wire(self.form)
        self.share.wire({self.last_run, self.selection}, self.scripts)

    def on_stop(self, request: gr.Request) -> None:
        self.runs.on_stop(request)
        self.looks.set(request)

    @property
    def _boxes(self) -> list[Any]:
        return [self.section, self.curves_box, self.anatomy_box, self.nearest_box, self.paper_box]

    def on_section(self, section: str) -> list[Any]:
        return [section, *(gr.update(visible=section == name) for name in SECTIONS)]

    def opening(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """A run of what the controls are set to."""
        yield from self.on_run(values, request)

    # The sweep

    def on_run(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """Stream the cells that are not there yet; ends early at Stop and keeps what is finished."""
        yield from self.runs.stream(request, partial(self._sweep, values, request.session_hash or ""))

    def _sweep(self, values: dict[Any, Any], client: str, stop: threading.Event) -> Generator[Update, None, Update]:
        now = self.form.read(values)
        plan, before = self._plan(now), values[self.last_run]
        sweep = before.with_plan(plan) if before else Sweep(plan)
        lanes, painter = sweep.new_lanes(), SweepPainter(sweep)
        request, run = plan.request.model_copy(update={"lanes": lanes}), Run(_every_s(plan))
        collector = Collector(request)
        said = texts.words(now["experiment"], plan.request.model, plan.rules)
        base = {self.last_run: sweep, self.words: said}
        began = time.monotonic()

        def paint() -> Update:
            progress = reel.DECODING if isinstance(run.latest, Decoded) else painter.progress(lanes)
            shown = {} if run.fast else {self.stage: painter.grid()}
            return base | shown | {self.runs.note: widgets.progress(progress)}

        def take(event: Event) -> None:
            collector.add(event)
            _add(painter, lanes, event)

        events = self.backend.run(request, stop, client) if lanes else ()
        yield from run.updates(events, self.runs.note, paint, take)
        done = Sweep(plan, painter.cells, painter.film(collector.recording()))
        file = charts.save_sweep(done, media.scratch_file("guidance.csv"))
        return self.ended(self.capsule(values, plan.request), whole=not stop.is_set()) | {
            **base,
            self.stage: done.film.wrap(painter.grid(stopped=True), plays=run.fast and not stop.is_set()),
            self.runs.note: run.sentence(painter.ended(lanes, time.monotonic() - began)),
            self.last_run: done,
            self.curves: charts.curves(done),
            self.fidelity: fidelity.measured(),
            self.csv: gr.update(value=str(file), interactive=True),
        }

    # One cell, taken apart

    def on_pick(self, values: dict[Any, Any], event: gr.EventData, request: gr.Request) -> Iterator[Update]:
        """A click on a cell: its picture large, its anatomy as it is made."""
        sweep: Sweep | None = values[self.last_run]
        lane = view.lane_of(sweep.plan, widgets.sent(event, "pick")) if sweep else None
        if lane is None:
            words = "That picture is not in the grid any more. Click one that is." if sweep else NO_PICTURE
            yield {self.runs.note: widgets.note(words, bad=True)}
            return
        boxes_update = {self.selection: lane, **dict(zip(self._boxes, self.on_section(ANATOMY), strict=True))}
        for update in self._look(values, lane, request):
            yield boxes_update | update  # each time: of updates in quick succession the page keeps the last

    def on_follow(self, values: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        """What is shown below follows the grid: the anatomy of the picked cell if it is there, else of one that suits; or the
        nearest training pictures of all cells; or the curves that are shipped."""
        sweep: Sweep | None = values[self.last_run]
        if values[self.section] == PAPER:
            yield {self.paper: paper.shipped(fidelity_curves())}
            return
        if values[self.section] == NEAREST:
            yield self._nearest(sweep, request.session_hash or "")
            return
        if sweep is None or values[self.section] != ANATOMY:
            yield {self.runs.note: gr.skip()}  # nothing at all would be an error of Gradio's
            return
        yield from self._look(values, _anatomy_lane(sweep, values[self.selection]), request)

    def _nearest(self, sweep: Sweep | None, client: str) -> Update:
        """The training pictures nearest to the finished cells, or why there are none."""
        lanes = [lane for lane in sweep.plan.request.lanes if lane in sweep.cells] if sweep else []
        if sweep is None or not lanes:
            return {self.runs.note: widgets.note(NO_PICTURE, bad=True)}
        model = sweep.plan.request.model
        try:
            wanted = nearest.request(model, [sweep.cells[lane].picture for lane in lanes])
            found = nearest.seek(self.backend, wanted, client)
        except LabError as error:
            return {self.nearest: view.nearest_grid(sweep.plan, {}, str(error))}
        by_lane = {lanes[index]: one for index, one in found.items()}
        return {self.nearest: view.nearest_grid(sweep.plan, by_lane, nearest.words(model))}

    def on_measure(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """Precision and recall of the finished pictures, a set for each rule and scale."""
        yield from self.runs.answers(self._measured(values[self.last_run], request.session_hash or ""))

    def _measured(self, sweep: Sweep | None, client: str) -> Iterator[Update]:
        if sweep is None:
            raise LabError(NO_PICTURE)
        sets = fidelity.sets(sweep)
        wanted = fidelity.request(sweep, sets)
        yield {self.runs.note: widgets.progress(f"Measuring {wanted.count} pictures …")}
        events = [event for event in self.backend.run(wanted, None, client) if isinstance(event, Fidelity)]
        found = [(sets[event.index], event) for event in events]
        said = f"{wanted.count} pictures in {len(found)} sets are measured."
        yield {self.fidelity: fidelity.measured(found), self.runs.note: widgets.note(said)}

    def on_scrub(self, look: Look | None, step: int) -> Any:
        return view.look(look, int(step) - 1) if look else gr.skip()

    def _look(self, values: dict[Any, Any], lane: LaneSettings, request: gr.Request) -> Iterator[Update]:
        whole = values[self.last_run].plan.request
        anatomy_request = AnatomyRequest(
            model=whole.model, condition=whole.condition, negative=whole.negative, forward=whole.forward, guide=whole.guide,
            lane=lane,
            scales=view.anatomy_scales(values[self.last_run].plan.scales, lane.guidance_scale),
        )  # fmt: skip
        cell, previous = values[self.last_run].cells.get(lane), values[self.anatomy]
        steps: list[Anatomy] = (
            list(previous.steps) if previous and previous.request == anatomy_request and previous.whole else []
        )
        last_paint_s = -inf
        with self.looks.turn(request) as stop:
            png = self._png(values, lane)
            yield {self.look: view.look(Look(anatomy_request, cell, tuple(steps))), self.anatomy: None} | png
            try:
                for event in () if steps else self.backend.run(anatomy_request, stop, request.session_hash or ""):
                    if isinstance(event, Anatomy):
                        steps.append(event)
                    if steps and time.monotonic() - last_paint_s > PAINT_EVERY_S and self.looks.owns(request, stop):
                        last_paint_s = time.monotonic()
                        yield self._anatomy(Look(anatomy_request, cell, tuple(steps)), len(steps) - 1) | png
            except LabError as error:
                yield {self.runs.note: widgets.note(str(error), bad=True)}
            if steps and self.looks.owns(request, stop):
                # A stopped one keeps the steps it has, but is made anew at the next click.
                yield self._finished(Look(anatomy_request, cell, tuple(steps))) | png

    def _finished(self, look: Look) -> Update:
        path = charts.save_norms(look, media.scratch_file("norms.csv"))
        strongest = pull.strongest(look.steps)
        rest = round(REST_AT * (len(look.steps) - 1)) if strongest is None else strongest
        return self._anatomy(look, rest) | {
            self.anatomy: look,
            self.norms_csv: gr.update(value=str(path), interactive=True),
        }

    def _anatomy(self, look: Look, index: int) -> dict[Any, Any]:
        return {
            self.look: view.look(look, index),
            self.step: gr.update(maximum=max(look.steps[0].n, 2), value=index + 1),
            self.norms: charts.norms(look),
        }

    def _png(self, values: dict[Any, Any], lane: LaneSettings) -> Update:
        """The picked picture as a file that carries its settings."""
        sweep: Sweep = values[self.last_run]
        cell = sweep.cells.get(lane)
        if cell is None:
            return {self.png: gr.update(interactive=False)}
        path, index = media.scratch_file(f"guidance-{view.key(lane)}.png"), sweep.plan.request.lanes.index(lane)
        file = share.save_png(cell.picture, path, values[self.share.capsule], index)
        return {self.png: gr.update(value=str(file), interactive=True)}

    # Sharing

    def scripts(self, values: dict[Any, Any]) -> Iterator[Script]:
        """The script of the picture that is taken apart."""
        sweep: Sweep = self.last(values)
        lane, request = _anatomy_lane(sweep, values[self.selection]), sweep.plan.request
        text = script.write(request, request.lanes.index(lane))
        yield Script(f"guidance-{view.key(lane)}.py", text, drawn(sweep.cells.get(lane)))

    def restore(self, capsule: Capsule, values: dict[str, Any]) -> tuple[Update, str, str]:
        """The tab as a capsule says."""
        whole = self.form.complete(values)
        return self.form.show(whole), "guidance-run", share.without_model(capsule, whole["model"])

    # From controls to requests

    def request(self, values: dict[Any, Any]) -> SamplingRequest:
        return self._plan(self.form.read(values)).request

    def _plan(self, now: dict[str, Any]) -> SweepPlan:
        row = self.form.model(now)
        scales, seeds = view.parse_scales(now["scales"]), view.parse_seeds(now["seeds"])
        chosen = rules.chosen(now)
        self._check_count(chosen, seeds, scales)
        read = {*row.conditions, *(["prompt"] if "clip" in rules.guides(now) else [])}
        words = {name: now[name] for name in ("prompt", "group", "style") if name in read and now[name]}
        shared = {
            "model": now["model"],
            "condition": make_request(Condition, **words),
            "negative": now["negative"] if "prompt" in row.conditions else "",
            "forward": Forward(schedule=row.schedules[0]),
            "guide": rules.guide_settings(now),
            "measure": True,
            "replay": reel.FRAMES,
            "decoder": decoder_of(now, row),
        }
        return make_plan(chosen, seeds, scales, {"sampler": now["sampler"], "steps": now["steps"]}, shared)

    def _check_count(self, chosen: Sequence[str], seeds: Sequence[int], scales: Sequence[float]) -> None:
        if not chosen:
            raise LabError("Choose at least one rule.")
        count = len(chosen) * len(seeds) * len(scales)
        if count > self.settings.max_lanes:
            by_rule = f"{len(chosen)} rules × " if len(chosen) > 1 else ""
            raise LabError(
                f"{len(scales)} scales × {by_rule}{len(seeds)} seed{'s' if len(seeds) > 1 else ''} make {count} pictures; "
                f"one run makes at most {self.settings.max_lanes}. Take fewer {'rules, ' if len(chosen) > 1 else ''}scales or seeds."
            )


def _every_s(plan: SweepPlan) -> float:
    """How often a grid is painted at most: one of many pictures less often."""
    return PAINT_EVERY_S * max(1.0, len(plan.request.lanes) / 8)


def _anatomy_lane(sweep: Sweep, selection: LaneSettings | None) -> LaneSettings:
    """The picture that is taken apart: the one that was clicked, or one that shows guidance well."""
    lanes = sweep.plan.request.lanes
    return (
        selection
        if selection is not None and selection in lanes
        else min(lanes, key=lambda lane: abs(lane.guidance_scale - 5))
    )


def _add(painter: SweepPainter, lanes: Sequence[LaneSettings], event: Event) -> None:
    """A step or result of the run of `lanes`. A picture's score comes with its result; a run stopped before that keeps it."""
    if isinstance(event, Step):
        painter.add(lanes[event.lane], event)
        if event.i == event.n:
            painter.cells[lanes[event.lane]] = _cell(event.x_0, picture_measures(event.x_0))
    elif isinstance(event, LaneResult):
        painter.cells[lanes[event.lane]] = _cell(event.picture, event.measures)


def _cell(picture: np.ndarray, measures: dict[str, float]) -> Cell:
    return Cell(picture, media.data_uri(picture), measures)


build = Guidance.build
