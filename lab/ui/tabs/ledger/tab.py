"""Tab: what a picture costs under a diffusion model, term by term."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from functools import partial
from itertools import chain, zip_longest
from threading import Event as Stop
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from lab.capsules.capsule import Capsule, Range
from lab.capsules.ledger_script import ledger_script
from lab.capsules.notebook import Script
from lab.catalog import MODELS
from lab.quantities import quantity
from lab.requests.base import Event, LabError, make_request
from lab.requests.fields import MAX_SEED
from lab.requests.ledger import (
    Bill,
    BillsRequest,
    LedgerRequest,
    Likelihood,
    LikelihoodRequest,
    OpenedStep,
    Source,
    SourceRequest,
    StepRequest,
)
from lab.settings import ASSETS, Settings
from lab.ui.shell import lists, media, own, pipeline, reel, share, widgets
from lab.ui.shell.form import RANDOM_SEED, Field, Preset, one_of
from lab.ui.shell.runs import STOPPED, Run, Runs, Stops
from lab.ui.shell.sources import beside
from lab.ui.shell.tool import Tool
from lab.ui.shell.widgets import LATEST, QUIET, Update
from lab.ui.tabs.ledger import charts, film, opened, ranking, view
from lab.ui.tabs.ledger.bills import MOST_BILLS, PAYERS, Account, Plan, plan
from lab.ui.tabs.ledger.bills import Bill as PlannedBill
from lab.ui.tabs.ledger.words import ABOUT, UNDER

PAINT_EVERY_S = 0.12
FRAMES = 80  # of a run, with pictures
FIRST = "They are sorted by the first bill, schedule and number of steps alone."
NO_BILL = "There is no bill yet: press Run first."
BOTH = "both"  # schedules
LEAST_CALLS, MOST_CALLS = 2, 1000
EACH = 2  # pictures of a kind that are ranked
OPINION_STEPS = 40
EXAMPLE = "example"
SOURCES = (("An example, or your own", EXAMPLE), ("A training picture", "training"), ("A held-out picture", "held-out"),
           ("Drawn by the network", "drawn"), ("A photograph, on white", "styled"), ("Noise", "noise"))  # fmt: skip
MARKS_JS = beside(__file__, "marks.js")
PLACE_JS = "(...values) => { values[0] = document.querySelector('#ledger-stage [data-reel]')?.dataset.at ?? ''; return values; }"
one_picture = one_of("experiment", "bill")

# fmt: off
FORM = (
    Field("experiment", gr.Radio,    "Experiment", "bill", choices=[("One picture", "bill"), ("Pictures sorted", "rank")]),
    Field("picture",    widgets.picture_input, "Picture", None, linked=False, options={"visible": "hidden"}),
    Field("source",     gr.Dropdown, "Picture", EXAMPLE, choices=SOURCES, when=one_picture),
    Field("payers",     gr.Dropdown, "Bills", ["network"], choices=[(payer.title, name) for name, payer in PAYERS.items()],
          options={"multiselect": True, "max_choices": MOST_BILLS}),
    Field("calls",      gr.Textbox,  "Steps of the chain, each a call", "100", options={"placeholder": "100, or several: 25, 100, 1000", "max_length": 40}),
    Field("schedules",  gr.Radio,    "Schedule", "cosine", choices=[("Cosine", "cosine"), ("Linear", "linear"), ("Both", BOTH)]),
    Field("seed",       gr.Number,   "Seed", 0, dice=RANDOM_SEED, kind=Range(0, MAX_SEED, whole=True), options={"minimum": 0, "precision": 0, "min_width": 120}),
    Field("chart",      gr.Radio,    "Chart", "terms", choices=[(title, name) for name, (title, _) in charts.CHARTS.items()],
          options={"show_label": False, "container": False, "elem_classes": "segments"}),
    Field("over",       gr.Radio,    "over", charts.T_AXIS, choices=[("over t", charts.T_AXIS), ("over log-SNR", charts.LEVEL_AXIS)], when=one_of("chart", "terms", "running"),
          options={"show_label": False, "container": False, "elem_classes": "segments"}),
)


def _example(name: str) -> str:
    return str(ASSETS / "images" / f"{name}.png")


def _preset(title: str, example: str = "red-apple-glossy", **values: Any) -> Preset:
    return Preset(title, picture=_example(example), **values)


PRESETS = (
    _preset("The bill of an apple",
           look="Watch the number grow while the picture comes out of noise: that many bits correct what the network expects.",
           place="#ledger-stage"),
    _preset("What nobody sees", chart="distortion", calls="250", example="fox-3d",
           look="With a third of its bits the fox is all there: compare with the picture. The rest buys what hardly anybody sees.",
           place="#ledger-stage"),
    _preset("The last steps cost most", calls="1000", example="fox-3d",
           look="1,000 terms on a logarithmic axis: those at the right end, where hardly any noise is left, hold most of the bill.",
           place="#ledger-plot"),
    _preset("Three variances", payers=["network", "network-small", "network-large"], calls="25",
           look="One network, three variances: with 25 steps the one that it learned is the cheapest. Read the table.",
           place="#ledger-stage"),
    _preset("Fewer steps cost more", calls="25, 100, 1000", example="sailboat-flat",
           look="25, 100 and 1,000 steps to the same picture: the more steps, the smaller the bill.",
           place="#ledger-stage"),
    _preset("Only the ends differ", schedules=BOTH, over=charts.LEVEL_AXIS,
           look="Over log-SNR both schedules have one curve, “over t” they lie apart. The bills differ by 6 %: linear ends in more noise.",
           place="#ledger-plot"),
    _preset("The memoriser's bill", payers=["network", "memoriser"], source="training", chart="running", over=charts.LEVEL_AXIS,
           look="To name one of its pictures the memoriser pays about 12 bits, log₂ of their number; the network pays hundreds of times as much.",
           place="#ledger-stage"),
    _preset("A picture it does not hold", payers=["network", "memoriser"], source="held-out", chart="running", over=charts.LEVEL_AXIS,
           look="The memoriser's bill explodes as the noise goes, and ends at ∞. The network's stays finite.",
           place="#ledger-plot"),
    _preset("Cheap and dear", experiment="rank", calls="50",
           look="Noise is by far the dearest. Small on white, as drawings stand, a photograph costs a half or a third of what it costs whole.",
           place="#ledger-stage"),
)
# fmt: on


class Ledger(NamedTuple):
    """The last run of a page: what was asked, and what came of it; of sorted pictures, their bills."""

    plan: Plan
    accounts: tuple[Account, ...] = ()
    ranked: tuple[Bill, ...] = ()


class LedgerTab(Tool):
    """The bill of a picture, and pictures sorted by their bills."""

    name, about, fields, presets = "ledger", ABOUT, FORM, PRESETS
    runs: Runs

    def __init__(self, backend: Any, settings: Settings) -> None:
        super().__init__(backend, settings)
        self.looks = Stops()

    # Layout

    def lay_out_stage(self, opening: dict[str, Any]) -> None:
        self.stage = gr.HTML(
            view.stage(None, []), js_on_load=f"{{{MARKS_JS}}}\n{reel.REEL_JS}", elem_id="ledger-stage", padding=False
        )
        with gr.Column(elem_id="ledger-side", min_width=0):
            with gr.Row(elem_id="ledger-choices") as self.choices:
                self.form.lay_out("chart", "over", values=opening)
            self.plot = widgets.plot("Chart of the bill", elem_id="ledger-plot")
        with gr.Row(elem_id="ledger-asides") as self.asides:
            self.open = gr.Button("Open the step at the slider", size="sm", min_width=120, elem_id="ledger-open-step")
            self.ask = gr.Button("Second opinion, by the ODE", size="sm", min_width=120, elem_id="ledger-ask")
        self.opened = gr.HTML(opened.EMPTY, elem_id="ledger-opened", padding=False)
        self.words = gr.HTML(widgets.words(UNDER["bill"]))
        self.shelf.lay_out()
        self.place = gr.Textbox(visible="hidden", label="Place of the slider", elem_id="ledger-place")

    def lay_out_controls(self, opening: dict[str, Any]) -> None:
        self.runs = Runs("ledger", beneath=self._lay_out_transport)
        self.form.lay_out("experiment", "source", values=opening)
        self.examples = own.Examples("ledger", "Pictures", self.settings, opening["picture"])
        self.form.lay_out("picture", "payers", "calls", values=opening)
        with widgets.more("More"):
            self.form.lay_out("schedules", "seed", values=opening)
        with widgets.more("Share and export"):
            self.chart_file = gr.Button("Chart, CSV", size="sm", min_width=90, elem_id="ledger-csv")
            self.share = self.panel()

    def _lay_out_transport(self) -> None:
        self.transport = gr.HTML(reel.transport("ledger", film.CAPTION), elem_classes="transport")

    # Wiring

    def wire(self, page: gr.Tab) -> None:
        running, runs, form = self.running, self.runs, self.form
        self.restorable = [*self.controls, self.examples.gallery, *self.of_a_bill]
        inputs = {*self.controls, self.last_run}
        shown = [self.stage, self.words, self.plot, self.opened, runs.note, self.last_run]
        outputs = [*shown, runs.run, runs.stop, *self.share.run_outputs]
        gr.on([runs.run.click, *form.submits], self.on_run, inputs, outputs, **running)
        self.share.opens(page, self.on_open, inputs, outputs, **running)
        self.wire_presets(self.restorable, lambda event: event.then(self.on_run, inputs, outputs, **self.following))
        runs.stop.click(runs.on_stop, None, None, queue=False, **QUIET)
        gr.on(
            [form["chart"].input, form["over"].input], self.on_chart, inputs, [self.plot, *form.others_parts], **LATEST
        )
        places = [*form.others_parts, self.examples.gallery, *self.of_a_bill]
        gr.on([form["experiment"].change, form["source"].change], self.on_experiment, inputs, places, **LATEST)
        self.examples.wire(form["picture"], runs.note)
        below = [self.opened, runs.note]
        self.open.click(self.on_step, [self.place, self.last_run], below, js=PLACE_JS, **running)
        self.ask.click(self.on_opinion, [self.last_run], below, **running)
        self.share.wire({self.last_run, self.share.capsule}, self.scripts)
        self.share.saves_chart(self.chart_file, "ledger-plot")

    # Controls

    def flow_of_opening(self, opening: dict[str, Any]) -> pipeline.Flow:
        payers = [PAYERS[name] for name in opening["payers"]] or [PAYERS["network"]]
        return pipeline.of_ledger(MODELS[payers[0].model], str(opening["calls"]))

    def flow(self, values: dict[Any, Any]) -> pipeline.Flow:
        return self.flow_of_opening(self.form.read(values))

    @property
    def _compared_names(self) -> list[str]:
        """Without what only chooses a chart."""
        return [name for name in super()._compared_names if name not in ("chart", "over")]

    def on_preset(self, preset: Preset) -> Update:
        now = self.form.preset(preset)
        return super().on_preset(preset) | self._places(now)

    def on_experiment(self, values: dict[Any, Any]) -> Update:
        """Show what the experiment has and nothing else."""
        return super().on_experiment(values) | self._places(self.form.read(values))

    def _places(self, now: dict[str, Any]) -> Update:
        """What is there beside the form's controls."""
        one = now["experiment"] == "bill"
        shown = self.examples.show(now["picture"], there=one and now["source"] == EXAMPLE)
        return shown | dict.fromkeys(self.of_a_bill, gr.update(visible=one))

    @property
    def of_a_bill(self) -> list[Any]:
        """What only the bill of one picture has."""
        return [self.transport, self.choices, self.asides]

    # Runs

    def opening(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """The first preset's run."""
        yield from self.on_run(values, request)

    def on_run(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """Stream a run; ends early at Stop and keeps what is there. A look at the run before ends."""
        self.looks.end(request)
        work = self._rank if values[self.form["experiment"]] == "rank" else self._bill
        yield from self.runs.stream(request, partial(work, values, request.session_hash or ""))

    def _bill(self, values: dict[Any, Any], client: str, stop: Stop) -> Generator[Update, None, Update]:
        now, began = self.form.read(values), time.perf_counter()
        picture, remark = self._picture(now, client, stop)
        asked = self._plan(now, picture)
        accounts = tuple(Account() for _ in asked.requests)
        run = Run(PAINT_EVERY_S, [remark], lambda: view.ways(accounts, asked))

        def paint() -> Update:
            note = widgets.progress(view.progress(accounts, asked))
            return self._shown(now, asked, accounts, view.stage(asked, accounts)) | {self.runs.note: note}

        with ExitStack() as streams:
            own_events = [
                streams.enter_context(closing(_of_run(index, self.backend.run(request, stop, client), accounts)))
                for index, request in enumerate(asked.requests)
            ]
            events = filter(None, chain.from_iterable(zip_longest(*own_events)))
            yield from run.updates(events, self.runs.note, paint)
        if not all(account.prior for account in accounts):
            return {self.runs.note: widgets.note("Stopped."), self.share.record: ""}
        note = run.sentence(STOPPED if stop.is_set() else view.summary(asked, accounts, time.perf_counter() - began))
        source: dict[str, Any] = {"picture": share.describe_picture(picture)} if now["source"] == EXAMPLE else {}
        by_bits = now["chart"] == "distortion"
        stage = film.film(asked, accounts, by_bits).wrap(view.stage(asked, accounts), plays=False)
        return self.ended(self.share.make(values, **source), whole=not stop.is_set()) | {
            **self._shown(now, asked, accounts, stage),
            self.runs.note: note,
            self.opened: opened.EMPTY,
            self.last_run: Ledger(asked, accounts),
        }

    def _shown(self, now: dict[str, Any], asked: Plan, accounts: tuple[Account, ...], stage: str) -> Update:
        figure = charts.draw(now["chart"], now["over"], asked, accounts)
        return {
            self.stage: stage,
            self.words: widgets.words(UNDER["bill"]),
            self.plot: gr.update(value=figure, visible=True),
        }

    def _rank(self, values: dict[Any, Any], client: str, stop: Stop) -> Generator[Update, None, Update]:
        now, began = self.form.read(values), time.perf_counter()
        payers, schedules, calls = now["payers"], self._schedules(now), self._calls(now)
        if not payers:
            raise LabError("Choose a bill to sort by.")
        payer = PAYERS[payers[0]]
        picture = self._picture(now | {"source": EXAMPLE}, client, stop)[0] if now["picture"] else None
        source = {} if picture is None else share.describe_picture(picture)
        carried: dict[str, Any] = {"picture": source} if source else {}
        request = make_request(
            BillsRequest, model=payer.model, schedule=schedules[0], calls=calls[0],
            seed=lists.whole(now["seed"], "Seed"), each=EACH, own=picture if "png" in source else None,
        )  # fmt: skip
        found: list[Bill] = []
        several = FIRST if max(len(payers), len(schedules), len(calls)) > 1 else ""
        run = Run(PAINT_EVERY_S, [several], ways=lambda: [(len(found), len(request.kinds))])

        def paint() -> Update:
            words = widgets.progress(f"{quantity(len(found), 'picture')} so far")
            return {self.stage: ranking.stage(found, payer), self.runs.note: words, self.words: widgets.words(UNDER["rank"]),
                    self.plot: gr.update(visible=False), self.opened: ""}  # fmt: skip

        def take(event: Event) -> None:
            if isinstance(event, Bill):
                found.append(event)

        yield from run.updates(self.backend.run(request, stop, client), self.runs.note, paint, take)
        if not found:
            return {self.runs.note: widgets.note("Stopped."), self.share.record: ""}
        words = f"{quantity(len(found), 'picture')}, {quantity(request.calls, 'call')} each, in {time.perf_counter() - began:.1f} s. {payer.title}."
        return (
            self.ended(self.share.make(values, **carried), whole=not stop.is_set())
            | paint()
            | {
                self.runs.note: run.sentence(STOPPED if stop.is_set() else words),
                self.last_run: None,
            }
        )

    # What is asked

    def request(self, values: dict[Any, Any]) -> Any:
        now = self.form.read(values)
        return self._plan(now, np.zeros((32, 32, 3), np.uint8)).requests[0]

    def _plan(self, now: dict[str, Any], picture: np.ndarray) -> Plan:
        shipped = now["source"] != EXAMPLE or "example" in share.describe_picture(picture)
        shared = {"picture": picture, "seed": lists.whole(now["seed"], "Seed"), "frames": FRAMES, "shipped": shipped}
        return plan(now["payers"], self._schedules(now), self._calls(now), shared)

    def _schedules(self, now: dict[str, Any]) -> tuple[str, ...]:
        return ("cosine", "linear") if now["schedules"] == BOTH else (now["schedules"],)

    def _calls(self, now: dict[str, Any]) -> tuple[int, ...]:
        return lists.whole_numbers(now["calls"], "Steps", LEAST_CALLS, MOST_CALLS)

    def _picture(self, now: dict[str, Any], client: str, stop: Stop) -> tuple[np.ndarray, str]:
        """The picture that is described, and what of a visitor's file is not in it. Raises LabError where there is none."""
        if now["source"] != EXAMPLE:
            asked = make_request(SourceRequest, kind=now["source"], seed=lists.whole(now["seed"], "Seed"))
            found = [event for event in self.backend.run(asked, stop, client) if isinstance(event, Source)]
            if not found:
                raise LabError("Stopped before there was a picture. Press Run once more.")
            return found[0].picture, f"{found[0].title[:1].upper()}{found[0].title[1:]}."
        if not now["picture"]:
            raise LabError("Choose a picture first: one of the examples, or your own.")
        return media.open_upload(now["picture"], self.settings).square()

    # What is done with a run

    def on_chart(self, values: dict[Any, Any]) -> Update:
        """Another chart of the same bill."""
        now, last = self.form.read(values), values[self.last_run]
        shown = self.form.look(now)
        return (
            shown
            if last is None
            else shown | {self.plot: charts.draw(now["chart"], now["over"], last.plan, last.accounts)}
        )

    def on_step(self, place: str, shown: Ledger | None, request: gr.Request) -> Iterator[Update]:
        """The step at the slider's place, of the first bill."""

        def work(stop: Stop) -> Iterator[Update]:
            last, bill, _, asked = _first(shown)
            i = film.step_at(last.plan, last.accounts, int(place) if place.isdecimal() else reel.LAST)
            wanted = StepRequest(ledger=asked, i=i, variance=bill.payer.variance)
            for event in self.backend.run(wanted, stop, request.session_hash or ""):
                if isinstance(event, OpenedStep):
                    yield {self.opened: opened.markup(event, bill, asked.calls)}

        yield from self._look(request, work)

    def on_opinion(self, shown: Ledger | None, request: gr.Request) -> Iterator[Update]:
        """The likelihood of the same picture by the ODE of the first bill's model."""

        def work(stop: Stop) -> Iterator[Update]:
            _, bill, account, asked = _first(shown)
            wanted = LikelihoodRequest(picture=asked.picture, model=asked.model, seed=asked.seed, steps=OPINION_STEPS)
            yield {self.opened: widgets.words(f"The ODE's density, in {OPINION_STEPS} steps …")}
            for event in self.backend.run(wanted, stop, request.session_hash or ""):
                if isinstance(event, Likelihood):
                    yield {self.opened: view.opinion(event, bill, account)}

        yield from self._look(request, work)

    def _look(self, request: gr.Request, work: Callable[[Stop], Iterator[Update]]) -> Iterator[Update]:
        """A look at what was made. It leaves a run that is under way alone, and a newer look takes its place."""
        with self.looks.turn(request) as stop:
            for update in self.runs.answers(work(stop)):
                if not self.looks.owns(request, stop):
                    return
                yield update

    # Sharing

    def scripts(self, values: dict[Any, Any]) -> Iterator[Script]:
        """A script a model and chain."""
        last: Ledger = self.last(values)
        for index, (request, account) in enumerate(zip(last.plan.requests, last.accounts, strict=True)):
            if account.prior:
                text = ledger_script(request, account.prior.picture)
                yield Script(f"bill-{index + 1}.py", text, table=view.table(last.plan, last.accounts))

    def restore(self, capsule: Capsule, values: dict[str, Any]) -> tuple[Update, str, str]:
        """The tab as a capsule says."""
        picture = share.picture_of(capsule.values.get("picture"))
        if picture is not None:
            values = values | {"picture": str(media.save_plain(picture, media.scratch_file("picture.png")))}
        now = self.form.complete(values)
        updates = self.form.show(now) | self._places(now)
        alone = picture is None and now["source"] == EXAMPLE and "picture" in capsule.values
        return updates, "" if alone else "ledger-run", share.ALONE if alone else ""


def _of_run(index: int, events: Iterator[Event], accounts: tuple[Account, ...]) -> Generator[Event, None, None]:
    """The events of one run, each put into its account."""
    for event in events:
        accounts[index].add(event)
        yield event


def _first(shown: Ledger | None) -> tuple[Ledger, PlannedBill, Account, LedgerRequest]:
    """What is shown, and of it the first bill, its account and its request. Raises LabError where there is no run."""
    if shown is None:
        raise LabError(NO_BILL)
    bill = shown.plan.bills[0]
    return shown, bill, shown.accounts[bill.run], shown.plan.requests[bill.run]


build = LedgerTab.build
