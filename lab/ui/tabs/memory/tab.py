"""Tab: machines that draw from the same noise, and what each of their pictures is nearest to in the training set."""

import threading
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from lab.capsules.capsule import Capsule, Choice, make
from lab.capsules.invention_script import invention_script
from lab.capsules.notebook import Script, drawn
from lab.capsules.recordings import thinned
from lab.catalog import GROUPS
from lab.quantities import quantity
from lab.requests.base import Event, LabError
from lab.requests.invention import Invention, InventionRequest
from lab.requests.sampling import Step
from lab.ui.shell import media, pipeline, reel, share, widgets
from lab.ui.shell.form import RANDOM_SEED, Field, Preset, one_of
from lab.ui.shell.runs import STOPPED, Run, Runs
from lab.ui.shell.tool import NO_PICTURE, Tool
from lab.ui.shell.widgets import LATEST, QUIET, Update
from lab.ui.tabs.memory import charts, plans, view, words
from lab.ui.tabs.memory.outcome import Outcome

PAINT_EVERY_S = 0.12  # as often as a grid is painted at most: the browser has no backpressure
EXPERIMENTS = (("Machines side by side", "side"), ("Patch size", "patch"), ("How many pictures", "count"))
WIDEST = plans.PATCHES[-1]
ODD = Choice(tuple(range(1, WIDEST + 1, 2)))
# fmt: off
FORM = (
    Field("experiment", gr.Radio,    "Experiment", "side", choices=EXPERIMENTS),
    Field("group",      gr.Dropdown, "Training pictures", "smileys-emotion", choices=[("All pictures", ""), *((title, name) for name, title in GROUPS.items())]),
    Field("known",      gr.Dropdown, "How many training pictures", 0, choices=[("all", 0), *((f"{count:,}", count) for count in reversed(plans.COUNTS[:-1]))], when=one_of("experiment", "side", "patch")),
    Field("patch",      gr.Slider,   "Patch size, px", 7, kind=ODD, when=one_of("experiment", "side", "count"), options={"minimum": 1, "maximum": WIDEST, "step": 2}),
    Field("translated", gr.Checkbox, lambda now: "And with patches from any place" if now["experiment"] == "side" else "Patches from any place", False, when=one_of("experiment", "side", "patch")),
    Field("seeds",      gr.Slider,   "Seeds", 4, options={"minimum": 1, "maximum": 8, "step": 1}),
    Field("seed",       gr.Number,   "First seed", 0, dice=RANDOM_SEED, options={"minimum": 0, "precision": 0}),
    Field("chart",      gr.Radio,    "Chart", charts.NEAREST, choices=charts.CHARTS, linked=False, options={"show_label": False, "container": False, "elem_classes": "segments"}),
    Field("steps",      gr.Slider,   "Steps", 20, options={"minimum": 2, "maximum": 100, "step": 1}),
)
PRESETS = (
    Preset("Copy or invent?",
           look="Only the exact denoiser copies: its distances are 0. The local machine knows the same pictures and draws new ones.",
           place="#memory-stage"),
    Preset("From pixel to picture", experiment="patch", seeds=3,
           look="Read a row from left to right: grains of colour at 1 px, mosaics, whole faces, and from 31 px on copies.",
           place="#memory-stage"),
    Preset("More data, still copies", experiment="count", group="", seeds=2,
           look="The exact denoiser copies at every number of pictures. The local machine copies the one it has and invents from ten on.",
           place="#memory-stage"),
    Preset("Like the network?", experiment="patch", group="people-body", seeds=3, chart=charts.R2,
           look="Read r² above the columns: patches of 7 px draw most like the network. One pixel is too little, the whole picture too much.",
           place="#memory-stage"),
    Preset("Chimeras", patch=21, group="animals-nature", seeds=6,
           look="At 21 px half an animal fits into a patch: the local machine puts two or three together to one that is in no set.",
           place="#memory-stage"),
    Preset("Now and then a copy", patch=23, seeds=6,
           look="With patches of 23 px the local machine copies from some seeds and invents from others.",
           place="#memory-stage"),
    Preset("Each pixel for itself", patch=1, group="animals-nature",
           look="At 1 px nothing joins neighbours: each pixel takes a colour that some picture has in its place.",
           place="#memory-stage"),
    Preset("From any place", known=10, translated=True, seeds=3,
           look="In the third row patches may come from any place: no pixel knows where it is, and round faces fall apart.",
           place="#memory-stage"),
    Preset("As large as the picture", patch=63, group="food-drink",
           look="Patches of 63 px hold the whole picture: the local machine is the exact denoiser, so the first two rows are equal.",
           place="#memory-stage"),
    Preset("One picture, one end", experiment="count", group="travel-places", seeds=3, chart=charts.OTHERS,
           look="Read the first column from top to bottom: who knows one picture ends in it from every seed. With ten the seeds part.",
           place="#memory-stage"),
)
# fmt: on


class Memory(Tool):
    """Machines that draw from the same noise, and the training picture nearest to each of their pictures."""

    runs: Runs
    name, about, fields, presets = "memory", words.ABOUT, FORM, PRESETS

    # Layout

    def lay_out_stage(self, opening: dict[str, Any]) -> None:
        plan = plans.plan(opening)
        self.stage = gr.HTML(view.stage(plan, {}, {}), js_on_load=reel.REEL_JS, elem_id="memory-stage")
        self.words = gr.HTML(view.under_stage(plan, {}), elem_id="memory-words")
        self.form.lay_out("chart", values=opening)
        self.plot = widgets.plot("Distances and likeness", elem_id="memory-plot")
        with widgets.more("Numbers"):
            self.table = gr.HTML("Press Run first.")
        self.shelf.lay_out()

    def lay_out_controls(self, opening: dict[str, Any]) -> None:
        self.runs = Runs("memory", beneath=partial(gr.HTML, reel.transport("memory"), elem_classes="transport"))
        self.form.lay_out("experiment", "group", "patch", "translated", "seeds", "seed", values=opening)
        with widgets.more("More"):
            self.form.lay_out("known", "steps", values=opening)
        with widgets.more("Share and export"):
            with gr.Row():
                self.png = gr.Button("Pictures, PNG", size="sm", min_width=90, elem_id="memory-png")
                self.chart_file = gr.Button("Chart, CSV", size="sm", min_width=90, elem_id="memory-csv")
            self.share = self.panel()

    # Wiring

    def wire(self, page: gr.Tab) -> None:
        form, runs, running, quiet = self.form, self.runs, self.running, {"queue": False, **QUIET}
        self.restorable = self.controls
        inputs = {*self.controls, self.last_run}
        outputs = [
            self.stage, self.words, self.plot, self.table, self.last_run, runs.note, runs.run, runs.stop,
            *self.share.run_outputs,
        ]  # fmt: skip
        gr.on([runs.run.click, *form.submits], self.on_run, inputs, outputs, **running)
        self.share.opens(page, self.on_open, inputs, outputs, **running)
        self.wire_presets(self.controls, lambda event: event.then(self.on_run, inputs, outputs, **self.following))
        form["experiment"].input(self.on_experiment, {*self.controls}, form.others_parts, **LATEST)
        form["chart"].input(self.on_chart, [self.last_run, form["chart"]], [self.plot, runs.note], **LATEST)
        runs.stop.click(runs.on_stop, None, None, **quiet)
        self.share.wire({self.last_run}, self.scripts)
        self.share.saves(self.png, self.pictures, {self.last_run, self.share.capsule})
        self.share.saves_chart(self.chart_file, "memory-plot")

    # The pipeline

    def flow_of_opening(self, opening: dict[str, Any]) -> pipeline.Flow:
        """The machines of the first preset."""
        return pipeline.of_machines(plans.plan(self.form.preset(self.offered[0])).request)

    def flow(self, values: dict[Any, Any]) -> pipeline.Flow:
        """The machines that the controls ask for."""
        return pipeline.of_machines(self.request(values))

    # Runs

    def opening(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """The first preset's run."""
        yield from self.on_run(values, request)

    def on_run(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """Stream a run; ends early at Stop and keeps what is there."""
        yield from self.runs.stream(request, partial(self._draw, values, request.session_hash or ""))

    def _draw(self, values: dict[Any, Any], client: str, stop: threading.Event) -> Generator[Update, None, Update]:
        now = self.form.read(values)
        plan, run = self._plan(now), Run(PAINT_EVERY_S)
        steps, found = dict[int, list[Step]](), dict[int, Invention]()

        def paint() -> Update:
            drawn = {self.stage: view.stage(plan, run.guesses, found), self.words: view.under_stage(plan, found)}
            note = widgets.progress(view.progress(plan, run.steps))
            moves = not run.fast or view.to_come(plan, run.steps)  # who is there need not wait for who is loaded
            return (drawn if moves else {}) | {self.runs.note: note}

        def take(event: Event) -> None:
            if isinstance(event, Step):
                steps.setdefault(event.lane, []).append(event)
            elif isinstance(event, Invention):
                found[event.lane] = event

        yield from run.updates(self.backend.run(plan.request, stop, client), self.runs.note, paint, take)
        if not steps:
            return {self.runs.note: widgets.note("Stopped."), self.share.record: ""}
        whole = not stop.is_set()
        outcome = Outcome(plan, {lane: thinned(own) for lane, own in steps.items()}, found)
        note = run.sentence(view.summary(outcome) if whole else STOPPED)
        return self.ended(self._capsule(values, plan.request), whole=whole) | {
            self.stage: view.finished(outcome, plays=run.fast and whole),
            self.words: view.under_stage(plan, found),
            self.plot: charts.chart(outcome, now["chart"]),
            self.table: view.table(outcome),
            self.last_run: outcome,
            self.runs.note: note,
        }

    def on_chart(self, outcome: Outcome | None, which: str) -> Update:
        """Another chart of the same run."""
        if outcome is None:
            return {self.runs.note: widgets.note(NO_PICTURE, bad=True)}
        return {self.plot: charts.chart(outcome, which)}

    # Sharing

    def _capsule(self, values: dict[Any, Any], request: InventionRequest) -> Capsule:
        """All that makes a run again."""
        return make(self.name, self.share.values_of(values), request.seeds, request.models())

    def scripts(self, values: dict[Any, Any]) -> Iterator[Script]:
        """A script a machine, of its first seed."""
        last: Outcome = self.last(values)
        request = last.plan.request
        for index, machine in enumerate(request.machines):
            first = last.found.get(index * len(request.seeds))
            yield Script(f"memory-{index + 1}-{machine.kind}.py", invention_script(request, index), drawn(first))

    def pictures(self, values: dict[Any, Any]) -> Iterator[Path]:
        """A PNG a finished picture."""
        outcome: Outcome | None = values[self.last_run]
        if outcome is None or not outcome.found:
            raise LabError(NO_PICTURE)
        for lane, picture in view.pictures(outcome):
            path = media.scratch_file(f"memory-{lane + 1}.png")
            yield share.save_png(picture, path, values[self.share.capsule], lane)

    def restore(self, capsule: Capsule, values: dict[str, Any]) -> tuple[Update, str, str]:
        """The tab as a capsule says."""
        return self.form.show(self.form.complete(values)), "memory-run", ""

    def request(self, values: dict[Any, Any]) -> InventionRequest:
        return self._plan(self.form.read(values)).request

    def _plan(self, now: dict[str, Any]) -> plans.Plan:
        """The plan of the controls. Raises LabError where it cannot be, or makes more pictures than a run may."""
        plan = plans.plan(now)
        machines, seeds = len(plan.request.machines), len(plan.request.seeds)
        if machines * seeds > self.settings.max_lanes:
            raise LabError(
                f"{quantity(machines, 'machine')} × {quantity(seeds, 'seed')} make {machines * seeds} pictures; one run makes at most "
                f"{self.settings.max_lanes}. Take fewer seeds."
            )
        return plan


build = Memory.build
