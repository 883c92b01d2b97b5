"""The local backend: one worker thread owns the device; all runs share its denoiser calls."""

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

from lab.capsule import Event, Forward, LabError, LaneSettings, Request, SamplingRequest
from lab.catalog import MODELS
from lab.engine.lanes import Denoiser, Lane, LaneLoop, Record, Run, out_of_memory
from lab.models.cache import ModelCache
from lab.models.loaders import make_cache, make_workshop
from lab.operations import OPERATIONS, House
from lab.settings import Settings

log = logging.getLogger("lab")


class _Ticket:
    """A run in the worker's hands: records come back through `inbox`, None at the end, an exception on failure."""

    def __init__(self, denoiser: Denoiser, run: Run) -> None:
        self.denoiser, self.run = denoiser, run
        self.inbox: queue.SimpleQueue[Record | Exception | None] = queue.SimpleQueue()


class Worker:
    """One thread that does all the mathematics. Runs on the same denoiser share each call; denoisers take turns.

    A run that fails takes nobody with it (see LaneLoop). The thread starts with the first run and is a daemon: it ends
    with the process. Should it die, the runs it had are told, and the next run starts another. `make_room` is asked
    where a single lane does not fit the device.
    """

    def __init__(self, max_rows: int, make_room: Callable[[], bool] = lambda: False) -> None:
        self._max_rows, self._make_room = max_rows, make_room
        self._arrivals: queue.SimpleQueue[_Ticket] = queue.SimpleQueue()
        self._loops: dict[int, tuple[LaneLoop, list[_Ticket]]] = {}  # by id of the denoiser, alive while it has runs
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def drive(self, denoiser: Denoiser, lanes: Iterable[Lane]) -> Iterator[Record]:
        """Records of `lanes` as the worker makes them. Closing the generator cancels the run at the next tick."""
        ticket = _Ticket(denoiser, Run(lanes))
        self._ensure_running()
        self._arrivals.put(ticket)
        try:
            while (item := ticket.inbox.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            ticket.run.cancel()

    def _ensure_running(self) -> None:
        with self._start:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="lab-worker", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        try:
            while True:
                self._admit(wait=not self._loops)
                for key in list(self._loops):
                    self._tick(key)
        finally:
            for _, tickets in self._loops.values():
                for ticket in tickets:
                    ticket.inbox.put(RuntimeError("the worker died"))
            self._loops.clear()

    def _admit(self, wait: bool) -> None:
        """Take in the runs that have arrived; with nothing else to do, sleep until one does."""
        try:
            while True:
                ticket = self._arrivals.get(block=wait)
                wait = False
                loop, tickets = self._loops.setdefault(
                    id(ticket.denoiser), (LaneLoop(ticket.denoiser, self._max_rows, self._make_room), [])
                )
                loop.add(ticket.run)
                tickets.append(ticket)
        except queue.Empty:
            pass

    def _tick(self, key: int) -> None:
        loop, tickets = self._loops[key]
        inboxes = {ticket.run: ticket.inbox for ticket in tickets}
        for run, record in loop.tick():
            inboxes[run].put(record)
        for ticket in [ticket for ticket in tickets if ticket.run.done]:
            ticket.inbox.put(None)
            tickets.remove(ticket)
        if not tickets:
            del self._loops[key]


class LocalBackend:
    """Executes requests in this process. Safe to call from many threads."""

    def __init__(self, settings: Settings, cache: ModelCache[Any] | None = None) -> None:
        if settings.threads:
            torch.set_num_threads(settings.threads)
        self.settings = settings
        self.workshop = make_workshop(settings)
        self.cache = cache or make_cache(settings, self.workshop)
        self._places = threading.Semaphore(settings.max_runs)
        self._house = House(settings, self.cache, Worker(settings.max_batch_rows, self.cache.shed).drive)

    def run(self, request: Request, stop: threading.Event | None = None) -> Iterator[Event]:
        """The events of a request. Setting `stop`, or closing the generator, ends the run within one step.

        Raises LabError with a message for the visitor where the request cannot be met or the lab is full.
        """
        if not self._places.acquire(blocking=False):
            raise LabError(f"The lab is busy: {self.settings.max_runs} runs are under way. Try again in a few seconds.")
        try:
            events = OPERATIONS[type(request)](request, self._house)
            try:
                for event in events:
                    yield event
                    if stop is not None and stop.is_set():
                        return
            finally:
                events.close()  # type: ignore[attr-defined]  # operations are generators; closing cancels their lanes
        except LabError:
            raise
        except Exception as error:
            log.exception("a run failed")
            raise LabError(_in_words(error)) from error
        finally:
            self._places.release()

    def warm(self, *names: str) -> threading.Thread:
        """Load models and take a step with each in the background, so that the first press of Run does not wait."""

        def work() -> None:
            for name in names:
                forward = Forward(schedule=MODELS[name].schedules[0])
                for _ in self.run(SamplingRequest(model=name, lanes=(LaneSettings(steps=1),), forward=forward)):
                    pass

        thread = threading.Thread(target=work, name="lab-warm", daemon=True)
        thread.start()
        return thread


def _in_words(error: Exception) -> str:
    """What a visitor is told of an error that nobody expected."""
    if out_of_memory(error):
        return (
            "The lab ran out of memory for this run, even with one picture at a time. Nothing else was affected: try "
            "again when fewer runs are under way, or choose a smaller model."
        )
    if isinstance(error, FloatingPointError):
        return "The model's prediction stopped being a number. Try a lower guidance scale or strength, or another seed."
    return (
        f"The run failed inside the lab ({type(error).__name__}). Nothing else was affected: try again, with fewer lanes "
        "or a smaller picture if it happens twice."
    )
