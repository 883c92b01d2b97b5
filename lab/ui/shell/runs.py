"""Runs of a tab: who stops whose, how updates stream, and what of a run's events is at hand while it lasts."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from math import inf

import gradio as gr

from lab.requests.base import Event, LabError, Note, Waiting
from lab.requests.sampling import Decoded, LaneResult, Step
from lab.ui.shell import lane_view, pipeline, widgets
from lab.ui.shell.arrivals import arrival
from lab.ui.shell.widgets import Update

Work = Callable[[threading.Event], Generator[Update, None, Update]]  # of a run, from the event that stops it

MOST_VISITORS = 4096  # whose last press is remembered
STOPPED = "Stopped. What was made stays."
FAULT = "The lab made a mistake, which its log has noted. Press Run once more, or change a setting."

log = logging.getLogger("lab")
FILM_S = 2.5  # a run that is shorter is shown as a film
PATIENCE_S = 1.0  # from its first event on, before the pace of a run is judged


class Stops:
    """One stop event for each visitor's run, so that Stop never reaches another visitor. Thread-safe.

    A run that was pressed for before another one, and begins after it, is out of date from the start: on a busy machine the
    opening of a tab, or the picture of a stroke, may be later than the press that is to take its place.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: dict[str, threading.Event] = {}
        self._latest: OrderedDict[str, int] = OrderedDict()  # arrivals; visitors who pressed last are last
        self._left: dict[str, int] = {}  # arrivals after which something else is shown

    def fresh(self, request: gr.Request) -> threading.Event:
        """The event of a run that begins now; a run of the same visitor still under way is told to stop. Where the visitor
        has pressed something else meanwhile it is this one that is told so, and that never owns the page."""
        event = threading.Event()
        with self._lock:
            if not self._arrive(_session(request)):
                event.set()
                return event
            if before := self._events.get(_session(request)):
                before.set()
            self._events[_session(request)] = event
        return event

    def overtaken(self, request: gr.Request) -> bool:
        """Whether something that this visitor did later has had its turn before what is handled now."""
        with self._lock:
            return arrival() < self._latest.get(_session(request), 0)

    def _arrive(self, session: str) -> bool:
        """Whether nothing of this visitor that arrived later has had its turn."""
        now = arrival()
        if now < self._latest.get(session, 0):
            return False
        self._latest[session] = now
        self._latest.move_to_end(session)
        if len(self._latest) > MOST_VISITORS:
            self._left.pop(self._latest.popitem(last=False)[0], None)
        return True

    @contextmanager
    def turn(self, request: gr.Request) -> Iterator[threading.Event]:
        """As `fresh`, and the event is forgotten when its block is left: also by a page that goes away before the first
        update, which closes the generator there."""
        event = self.fresh(request)
        try:
            yield event
        finally:
            self.done(request, event)

    def set(self, request: gr.Request) -> None:
        """Tell this visitor's run to stop; nothing happens where there is none."""
        with self._lock:
            if event := self._events.get(_session(request)):
                event.set()

    def end(self, request: gr.Request, leaving: bool = False) -> None:
        """Tell this visitor's run to stop, and take the page from it: something else is shown now. `leaving`: and nothing
        follows by itself, so a run that was pressed for before and has not begun may say that it never will."""
        with self._lock:
            if not self._arrive(_session(request)):
                return
            if leaving:
                self._left[_session(request)] = self._latest[_session(request)]
            if event := self._events.pop(_session(request), None):
                event.set()

    def left(self, request: gr.Request) -> bool:
        """Whether the last that this visitor did was to leave what is handled now."""
        with self._lock:
            return self._left.get(_session(request), 0) == self._latest.get(_session(request), 0) > arrival()

    def busy(self, request: gr.Request) -> bool:
        """Whether a run of this visitor is under way: what a tab does when it is opened is not to end it, since a button
        elsewhere may open a tab and press a preset of it before the page tells of the opening."""
        with self._lock:
            return _session(request) in self._events

    def owns(self, request: gr.Request, event: threading.Event) -> bool:
        """Whether `event` still is the visitor's run: False once a newer one has taken the page over."""
        with self._lock:
            return self._events.get(_session(request)) is event

    def done(self, request: gr.Request, event: threading.Event) -> None:
        """Forget a run that has ended, unless a newer one took its place."""
        with self._lock:
            if self._events.get(_session(request)) is event:
                del self._events[_session(request)]


class Answers:
    """The sentence to a visitor beneath what is always at hand, and how a tab says in it why it cannot answer. Laid out where
    it is made: `at_hand` lays out what stands above it."""

    def __init__(self, tab: str, at_hand: Callable[[], object]) -> None:
        with widgets.dock():
            at_hand()
            self.note = gr.HTML(widgets.note(""), elem_id=f"{tab}-note")
        self.stops = Stops()

    def answer(self, work: Callable[[], Update]) -> Update:
        """What `work` paints, or a sentence about why it cannot; the page keeps what it shows."""
        try:
            return work()
        except LabError as error:
            return {self.note: widgets.refusal(error)}

    def answers(self, updates: Iterable[Update]) -> Iterator[Update]:
        """`updates`, and where they cannot go on a sentence about why."""
        try:
            yield from updates
        except LabError as error:
            yield {self.note: widgets.refusal(error)}


class Runs(Answers):
    """Run, Stop and the sentence beside them: how a tab streams what a press of Run makes. `more` lays out what else stands in
    the row of the buttons, `beneath` what stands below it."""

    def __init__(
        self, tab: str, more: Callable[[], object] = lambda: None, beneath: Callable[[], object] = lambda: None
    ) -> None:
        def buttons() -> None:
            with gr.Row():
                self.run = widgets.go("Run", elem_id=f"{tab}-run")
                self.stop = widgets.stop(interactive=False, elem_id=f"{tab}-stop")
                more()
            beneath()

        super().__init__(tab, buttons)

    def stream(self, request: gr.Request, work: Work, start: str = "Starting …", left: str = "") -> Iterator[Update]:
        """The updates of `work(stop)` until it ends, Stop is pressed or something newer of this page takes over.

        What `work` returns is its last update. The buttons come back with it and not after it: of two updates in quick
        succession the page keeps the last. They come back without it where the run was ended and no newer one has them.
        `start` is said until the first update, and `left` where the visitor has left the run before it began, if not empty.
        """
        first: Update = {self.note: pipeline.at_work(widgets.note(start), pipeline.BEFORE)} if start else {}
        with self.stops.turn(request) as stop:
            if not self.stops.owns(request, stop):
                said = left and self.stops.left(request)
                # Nothing at all would be an error of Gradio's.
                yield {self.note: widgets.note(left) if said else gr.skip()}
                return
            yield first | {self.run: gr.update(interactive=False), self.stop: gr.update(interactive=True)}
            last = yield from self._updates(request, work, stop)
            if last is not None or not self.stops.busy(request):
                yield (last or {}) | {self.run: gr.update(interactive=True), self.stop: gr.update(interactive=False)}

    def _updates(
        self, request: gr.Request, work: Work, stop: threading.Event
    ) -> Generator[Update, None, Update | None]:
        """What `work` yields while its run has the page, and then its last update; None where something newer has it."""
        with closing(work(stop)) as updates:
            try:
                while True:
                    update = next(updates)
                    if not self.stops.owns(request, stop):
                        return None
                    yield update
            except StopIteration as end:
                last: Update = end.value
            except LabError as error:
                last = {self.note: widgets.refusal(error)}
            except Exception:  # a fault of the lab: it is told to whoever runs it, and the page goes on
                log.exception("a run failed")
                last = {self.note: widgets.note(FAULT, bad=True)}
        return last if self.stops.owns(request, stop) else None

    def on_stop(self, request: gr.Request) -> None:
        """Stop was pressed: this visitor's run ends at its next step."""
        self.stops.set(request)


class Run:
    """The events of one run as they come: the latest of all, the latest step of each lane, the step whose x_0 is shown,
    results and notes.

    `every_s` is how often the page is painted at most: the browser has no backpressure, so frames beyond that are dropped.
    `ways` tells how far each part of the run is, i of n, where its events are no Steps.
    """

    def __init__(
        self, every_s: float, notes: Iterable[str] = (), ways: Callable[[], list[tuple[int, int]]] | None = None
    ) -> None:
        self.every_s, self._ways = every_s, ways
        self.latest: Event | None = None
        self.steps: dict[int, Step] = {}
        self.guesses: dict[int, Step] = {}
        self.results: dict[int, LaneResult] = {}
        self.notes = list(notes)
        self._began_s: float | None = None
        self._slow = False

    @property
    def fast(self) -> bool:
        """Whether the run, by its pace so far, ends before FILM_S: then its film is shown in place of what comes of it. Once
        it has been slower, it stays so. Decoding its steps for the film does not make it slower."""
        if self._began_s is not None and not self._slow and not isinstance(self.latest, Decoded):
            lanes = [step.i / step.n for step in self.steps.values()]
            way = sum(lanes) / len(lanes) if lanes else 0
            self._slow = time.monotonic() - self._began_s > max(PATIENCE_S, FILM_S * way)
        return not self._slow

    def updates(
        self,
        events: Iterable[Event],
        note: gr.HTML,
        paint: Callable[[], Update],
        take: Callable[[Event], object] = lambda event: None,
    ) -> Iterator[Update]:
        """What the page shows while `events` come: `paint()` every so often, and in `note` what a run waits for. `take` sees
        every event that tells of the run itself."""
        last_paint_s = -inf
        for event in events:
            if isinstance(event, Waiting):
                yield {note: widgets.waiting(event)}
                continue
            self._add(event)
            take(event)
            self._began_s = self._began_s or time.monotonic()
            if time.monotonic() - last_paint_s > self.every_s:
                last_paint_s = time.monotonic()
                yield self._at_work(paint(), note)

    def _at_work(self, update: Update, note: gr.HTML) -> Update:
        """An update whose note says which part of the pipeline is at work."""
        if not isinstance(text := update.get(note), str):
            return update
        ways = self._ways() if self._ways else [(step.i, step.n) for step in self.steps.values()]
        return update | {note: pipeline.at_work(text, *pipeline.place(ways, isinstance(self.latest, Decoded)))}

    def sentence(self, *first: str) -> str:
        """`first` and the run's notes, each once, as a note."""
        return widgets.note(" ".join(dict.fromkeys(filter(None, [*first, *self.notes]))))

    def _add(self, event: Event) -> None:
        self.latest = event
        if isinstance(event, Step):
            self.steps[event.lane] = event
            self.guesses[event.lane] = lane_view.guess(self.guesses.get(event.lane), event)
        elif isinstance(event, LaneResult):
            self.results[event.lane] = event
        elif isinstance(event, Note):
            self.notes.append(event.text)


def _session(request: gr.Request) -> str:
    return request.session_hash or ""
