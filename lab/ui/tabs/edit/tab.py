"""Tab: a picture that is changed in part. Noised and walked back, filled, told in other words, enlarged, or two at once."""

import threading
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from lab.capsules import recordings
from lab.capsules.capsule import Capsule, make
from lab.capsules.edit_script import edit_script
from lab.capsules.enlarge_script import enlarge_script
from lab.capsules.notebook import Script, drawn
from lab.capsules.recordings import Recorded
from lab.catalog import MODELS, Model
from lab.requests.base import LabError
from lab.requests.edit import EditRecording, EditRequest
from lab.requests.enlarge import EnlargeRequest
from lab.requests.sampling import Decoded
from lab.settings import Settings, at_hand
from lab.ui.shell import media, pipeline, reel, share, shelf, vocabulary, widgets
from lab.ui.shell.form import Preset
from lab.ui.shell.runs import STOPPED, Run, Runs
from lab.ui.shell.sources import beside
from lab.ui.shell.tool import NO_PICTURE, Tool
from lab.ui.shell.widgets import LATEST, PICKED, QUIET, Update
from lab.ui.tabs.edit import charts, flow, plans, view, words
from lab.ui.tabs.edit import drawing as drawings
from lab.ui.tabs.edit.board import Board
from lab.ui.tabs.edit.controls import FORM
from lab.ui.tabs.edit.drawing import Drawing
from lab.ui.tabs.edit.outcome import Outcome, Watch, recording_of, replayed, with_hole
from lab.ui.tabs.edit.plans import HOLE, PICTURE, Plan
from lab.ui.tabs.edit.presets import PRESETS
from lab.ui.tabs.edit.sketches import SKETCHES, strokes
from lab.ui.tabs.edit.starters import PAPER

PAINT_EVERY_S = 0.12  # as often as a grid is painted at most: the browser has no backpressure
SELECTING = ("experiment", "methods", "view", "cascade")  # controls that decide which others are there
NO_DRAWING = "Paint on the canvas or choose a picture: the pictures follow."


class Edit(Tool):
    """Pictures that change in part, by the ways of the field side by side."""

    runs: Runs
    name, about, fields, presets = "edit", words.ABOUT, FORM, PRESETS
    replays = EditRecording

    def __init__(self, backend: Any, settings: Settings) -> None:
        super().__init__(backend, settings, _models(settings))
        self.board = Board(settings, self.form)

    # Layout

    def lay_out_stage(self, opening: dict[str, Any]) -> None:
        plan = self._opening_plan()
        script = beside(__file__, "stage.js") + reel.REEL_JS
        self.stage = gr.HTML(view.stage(plan, {}, {}, {}), js_on_load=script, elem_id="edit-stage")
        self.words = gr.HTML(view.under_stage(plan), elem_id="edit-words")
        self.form.lay_out("noise_chart", "fill_chart", values=opening)
        self.plot = widgets.plot("What an edit costs and gains", elem_id="edit-plot")
        with widgets.more("Numbers"):
            self.table = gr.HTML("Press Run first.")
        self.shelf.lay_out()

    def lay_out_controls(self, opening: dict[str, Any]) -> None:
        lay_out = partial(self.form.lay_out, values=opening)
        self.runs = Runs("edit", more=partial(gr.HTML, reel.transport("edit"), elem_classes="transport"))
        lay_out("experiment")
        self.board.lay_out(self.runs.note, opening)
        lay_out("cascade", "view", "prompt")
        vocabulary.line(self.form, opening)
        lay_out("source", "group", "second_group", "methods")
        with gr.Row():
            lay_out("strengths", "resamplings", "scales", "noises")
        lay_out("side", "cutoff", "live")
        with widgets.more("More"):
            with gr.Row():
                lay_out("seed", "count")
            lay_out("guidance", "jump", "tolerance", "steps", "sampler", "style", "negative", "model")
        with widgets.more("Share and export"):
            with gr.Row():
                self.png = gr.Button("Pictures, PNG", size="sm", min_width=90, elem_id="edit-png")
                self.chart_file = gr.Button("Chart, CSV", size="sm", min_width=90, elem_id="edit-csv")
                self.steps_file = gr.Button("Recording", size="sm", min_width=90, elem_id="edit-record")
            self.share = self.panel()

    # Wiring

    @property
    def asked(self) -> set[Any]:
        """As Tool's, and the drawing."""
        return {*super().asked, self.board.drawing}

    def first_values(self) -> dict[Any, Any]:
        """As Tool's, with the first preset's drawing."""
        return super().first_values() | {self.board.drawing: self._subject(self.offered[0])}

    def wire(self, page: gr.Tab) -> None:
        form, board, runs, running = self.form, self.board, self.runs, self.running
        inputs = {*self.controls, *board.inputs, self.last_run, self.share.capsule}
        outputs = [
            self.stage, self.words, self.plot, self.table, self.last_run, runs.note, runs.run, runs.stop,
            *self.share.run_outputs,
        ]  # fmt: skip
        settings = [*self.controls, *board.outputs]
        self.restorable = settings
        self.replayable = [*settings, *outputs]
        # Multiple: once, Gradio's own way, would drop a stroke that ends while the run of the one before is under way.
        board.wire(
            inputs,
            lambda event: event.then(self.on_picture, inputs, form["source"], queue=False, **PICKED).then(
                self.on_live, inputs, outputs, **self.following
            ),
        )
        form["model"].input(self.on_model, inputs, list(dict.fromkeys([*settings])), **LATEST)
        for name in SELECTING:
            form[name].input(self.on_experiment, inputs, form.others_parts, **LATEST)
        form["experiment"].input(self.on_picture, inputs, form["source"], **LATEST)
        for name in ("experiment", "view", "cascade"):
            form[name].input(board.modes, inputs, board.outputs, **LATEST)
        gr.on([runs.run.click, *form.submits], self.on_run, inputs, outputs, **running)
        runs.stop.click(runs.on_stop, None, None, queue=False, **QUIET)
        self.wire_presets(settings, lambda event: event.then(self.on_run, inputs, outputs, **self.following))
        self.share.opens(page, self.on_open, inputs, list(dict.fromkeys([*settings, *outputs])), **running)
        for name in ("noise_chart", "fill_chart"):
            form[name].input(self.on_chart, inputs, [self.plot, runs.note], **LATEST)
        vocabulary.wire(form)
        self.share.wire({self.last_run}, self.scripts)
        self.share.saves(self.png, self.pictures, {self.last_run, self.share.capsule})
        self.share.saves(self.steps_file, self.recording, {self.last_run, self.share.capsule})
        self.share.saves_chart(self.chart_file, "edit-plot")

    # What the visitor does

    def on_model(self, values: dict[Any, Any]) -> Update:
        """What the model can do, and the drawing as large as its pictures."""
        now = self.form.read(values)
        suited = self.form.suit(now)
        fits = {
            name: suited[part]["value"] for name, part in self.form.parts.items() if "value" in suited.get(part, {})
        }
        return (
            self.form.look(now | fits)
            | suited
            | self.board.resize(values | {self.form[name]: one for name, one in fits.items()})
        )

    def on_picture(self, values: dict[Any, Any]) -> Update:
        """To change the words of a picture takes those that it has, where the lab knows them."""
        now, drawing = self.form.read(values), values[self.board.drawing]
        return {self.form["source"]: drawing.words if now["experiment"] == "words" else gr.skip()}

    def on_preset(self, preset: Preset) -> Update:
        """The controls, the picture and the mask as a preset has them."""
        now = self.form.preset(preset)
        return self.form.show(now) | self.board.show(self._subject(preset), now)

    def on_chart(self, values: dict[Any, Any]) -> Update:
        """Another chart of the same run."""
        if values[self.last_run] is None:
            return {self.runs.note: widgets.note(NO_PICTURE, bad=True)}
        return {self.plot: self._chart(values[self.last_run], self.form.read(values))}

    # Runs

    def opening(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """The first preset, and its run."""
        now = self.form.preset(self.offered[0])
        update = self.board.show(self._subject(self.offered[0]), now)
        yield self.form.show(now) | update
        drawn = {self.board.drawing: update[self.board.drawing]}
        yield from self.on_run(values | {self.form[name]: value for name, value in now.items()} | drawn, request)

    def on_live(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """The run that follows a stroke or another picture, where the visitor wants one and there is something to run on."""
        now, drawing = self.form.read(values), values[self.board.drawing]
        ready = drawing.picture is not None and (now["experiment"] != "fill" or plans.has_hole(drawing))
        if not now["live"] or now["experiment"] not in ("noise", "fill"):
            yield {self.runs.note: gr.skip()}  # nothing at all would be an error of Gradio's
        elif not ready:
            self.runs.stops.end(request)
            yield {self.runs.note: widgets.note(NO_DRAWING), self.runs.run: gr.update(interactive=True), self.runs.stop: gr.update(interactive=False)}  # fmt: skip
        else:
            yield from self._stream(values, request, follows=True)

    def on_run(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """Stream a run; ends early at Stop and keeps what is there."""
        yield from self._stream(values, request, follows=False)

    def _stream(self, values: dict[Any, Any], request: gr.Request, follows: bool) -> Iterator[Update]:
        """A run; one that `follows` the brush shows its end at once, without a film."""
        yield from self.runs.stream(request, partial(self._draw, values, request.session_hash or "", follows))

    def _draw(
        self, values: dict[Any, Any], client: str, follows: bool, stop: threading.Event
    ) -> Generator[Update, None, Update]:
        now = self.form.read(values)
        plan, drawing = self._plan(values), values[self.board.drawing]
        run, watch = (
            Run(PAINT_EVERY_S * max(1.0, len(plan.lanes) / 12), [*plan.notes, drawing.note]),
            Watch(plan, _stills(plan, drawing)),
        )

        def paint() -> Update:
            said = reel.DECODING if isinstance(run.latest, Decoded) else view.progress(plan, run.steps)
            shown = {
                self.stage: view.stage(plan, run.guesses, watch.results, watch.stills),
                self.words: view.under_stage(plan),
            }
            return ({} if run.fast else shown) | {self.runs.note: widgets.progress(said)}

        request = plan.request
        if isinstance(request, EditRequest) and not follows:
            request = request.model_copy(update={"replay": reel.FRAMES})
        yield from run.updates(self.backend.run(request, stop, client), self.runs.note, paint, watch.add)
        if not watch.begun:
            return {self.runs.note: widgets.note("Stopped."), self.share.record: ""}
        whole, outcome = not stop.is_set(), watch.outcome()
        note = run.sentence(view.summary(outcome) if whole else STOPPED)
        ended = self.ended(self._capsule(values, plan), whole, follows)
        return ended | self._end(outcome, now, note, plays=run.fast and whole and not follows)

    def _end(self, outcome: Outcome, now: dict[str, Any], note: str, plays: bool) -> Update:
        """A run that has ended."""
        return {
            self.stage: view.finished(outcome, plays),
            self.words: view.under_stage(outcome.plan),
            self.plot: self._chart(outcome, now),
            self.table: view.table(outcome),
            self.last_run: outcome,
            self.runs.note: note,
        }

    def _chart(self, outcome: Outcome, now: dict[str, Any]) -> Any:
        return charts.chart(outcome, now["noise_chart"], now["fill_chart"])

    # The pipeline

    def flow_of_opening(self, opening: dict[str, Any]) -> pipeline.Flow:
        """That of the first preset."""
        plan = self._opening_plan()
        return flow.of(plan.experiment, plan.request)

    def flow(self, values: dict[Any, Any]) -> pipeline.Flow:
        """What the controls ask for."""
        plan = self._plan(values)
        return flow.of(plan.experiment, plan.request)

    # Sharing

    def _capsule(self, values: dict[Any, Any], plan: Plan) -> Capsule:
        """All that makes a run again, its drawing among it."""
        named = self.share.values_of(values)
        if plan.experiment != "two" or plans.has_hole(values[self.board.drawing]):
            named["drawing"] = drawings.for_capsule(values[self.board.drawing])
        return make(self.name, named, [lane.seed for lane in plan.lanes], plan.request.models())

    def settings_of(self, capsule: Capsule) -> shelf.RunSettings:
        """As Tool's, with the drawing."""
        drawing = capsule.values.get("drawing")
        told = {} if drawing is None else {"drawing": ("Drawing", shelf.picture(_plain(drawing)))}
        return {**super().settings_of(capsule), **told}

    def scripts(self, values: dict[Any, Any]) -> Iterator[Script]:
        """A script a column, of its first picture."""
        last: Outcome = self.last(values)
        plan = last.plan
        for column in range(len(plan.columns)):
            lane = plan.lanes_in(column)[0]
            yield Script(f"edit-{lane + 1}.py", _script(plan.request, lane), drawn(last.results.get(lane)))

    def recording(self, values: dict[Any, Any]) -> Iterator[Path]:
        """The steps of the run as a file, which the page can replay."""
        outcome: Outcome = self.last(values)
        path = media.scratch_file(f"edit{recordings.SUFFIX}")
        file = recordings.to_bytes(recording_of(outcome), outcome.plan.experiment, values[self.share.capsule])
        path.write_bytes(file)
        yield path

    def replayed(self, recorded: Recorded) -> tuple[Update, str]:
        """A run from a file, as if it had just ended, and no button to press: it plays by itself. Its capsule says what the
        controls were set to; they are, so that Run computes the same."""
        capsule, recording = recorded.capsule, recorded.recording
        if capsule is None or capsule.tab != self.name or not isinstance(recording, EditRecording):
            raise LabError(recordings.NO_RECORDING)
        now = self.form.complete(self.share.values_in(capsule))
        update = self.restore(capsule, now)[0]
        plan = plans.plan(now, self.form.model(now), update[self.board.drawing])
        if plan.experiment != recorded.experiment or plan.lanes != recording.request.lanes:
            raise LabError(recordings.NO_RECORDING)
        note = widgets.note(f"Recorded on {recorded.made:%-d %B %Y}. Press Play or drag the slider.")
        return update | self.share.show(capsule) | self._end(replayed(recording, plan), now, note, plays=True), ""

    def pictures(self, values: dict[Any, Any]) -> Iterator[Path]:
        """A PNG a finished picture."""
        outcome: Outcome | None = values[self.last_run]
        if outcome is None or not outcome.results:
            raise LabError(NO_PICTURE)
        for lane, picture in view.pictures(outcome):
            path = media.scratch_file(f"edit-{lane + 1}.png")
            yield share.save_png(picture, path, values[self.share.capsule], lane)

    def restore(self, capsule: Capsule, values: dict[str, Any]) -> tuple[Update, str, str]:
        """The tab as a capsule says, with its drawing; one whose picture was too large for its link waits for another."""
        now = self.form.complete(values)
        update = self.form.show(now) | self.board.restore(capsule.values.get("drawing"), now)
        needed = now["experiment"] != "two" and not (now["experiment"] == "enlarge" and now["cascade"])
        alone = share.ALONE if needed and update[self.board.drawing].picture is None else ""
        said = " ".join(filter(None, [share.without_model(capsule, now["model"]), alone]))
        return update, "" if alone else "edit-run", said

    # From controls to requests

    def request(self, values: dict[Any, Any]) -> EditRequest | EnlargeRequest:
        return self._plan(values).request

    def _plan(self, values: dict[Any, Any]) -> Plan:
        now = self.form.read(values)
        plan = plans.plan(now, self.form.model(now), values[self.board.drawing])
        return plans.check_pictures(plan, self.settings.max_lanes)

    def _subject(self, preset: Preset) -> Drawing:
        """The drawing of a preset: one of the lab's pictures, with one of its masks or sketches over it."""
        name, over = preset.subject or (PAPER, "")
        side = self.form.model(self.form.preset(preset)).size
        if over in SKETCHES:
            return drawings.painted(drawings.begin(name, side), strokes(over, side))
        return drawings.begin(name, side, over)

    def _opening_plan(self) -> Plan:
        first = self.offered[0]
        now = self.form.preset(first)
        return plans.plan(now, self.form.model(now), self._subject(first))


build = Edit.build


def _stills(plan: Plan, drawing: Drawing) -> dict[str, np.ndarray]:
    """What stands beside the grid before the run tells how the model sees it."""
    if drawing.picture is None:
        return {}
    holed = {} if drawing.mask is None else {HOLE: with_hole(drawing.picture, drawing.mask)}
    return {PICTURE: drawing.picture, **holed} if plan.experiment in ("noise", "fill", "words") else {}


def _plain(drawing: dict[str, Any]) -> dict[str, Any]:
    """A capsule's drawing for the shelf: its name where nothing was painted."""
    return {"example": drawing["example"]} if set(drawing) == {"example"} else {"png": drawing}


def _script(request: EditRequest | EnlargeRequest, lane: int) -> str:
    return edit_script(request, lane) if isinstance(request, EditRequest) else enlarge_script(request, lane)


def _models(settings: Settings) -> list[Model]:
    """The models that draw what nobody drew or what somebody did, the lab's that is told in words first."""
    there = [row for row in MODELS.values() if row.family != "local" and at_hand(row.source, settings)]
    return sorted(there, key=lambda row: row.name != "text-to-image")
