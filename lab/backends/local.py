"""The local backend: one worker thread owns the device; all runs share its denoiser calls."""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import torch

from lab.backends.line import Line
from lab.backends.warming import warm
from lab.catalog import add_hub_models, leasable
from lab.engine.denoisers import Denoiser
from lab.engine.lanes import Lane, LaneLoop, Record, Run, drive, out_of_memory
from lab.engine.noising import Scenes
from lab.memory import resident_bytes, trim
from lab.models import compiled
from lab.models.cache import LOOK_EVERY_S, ModelCache, Stopped
from lab.models.loaders import make_cache, make_workshop
from lab.operations import OPERATIONS
from lab.operations.house import House
from lab.requests.base import Event, LabError, Request, Waiting
from lab.requests.looks import LOOKS, Look
from lab.requests.status import Compiled, Compiling, Status
from lab.settings import Settings, at_hand

log = logging.getLogger("lab")

T = TypeVar("T")

MOST_UNREAD = 128  # records of a run that its reader may lag behind
FRAME_S = 1 / 60  # how often a reader is woken at most
SPEED_S = 3.0
IDLE_S = 0.02  # how soon a worker whose runs are all paused looks again


class _Ticket:
    """A run in the worker's hands: what it records waits here for its reader, in the end None, or an exception on failure.

    The reader is woken once a frame, and when a lane has ended. Woken by every record of a small network it would take the
    interpreter from the worker just when that prepares the next call: a twentieth of the run, for pictures that no screen
    shows.
    """

    def __init__(self, denoiser: Denoiser, run: Run) -> None:
        self.denoiser, self.run = denoiser, run
        self.unread: deque[Record | Exception | None] = deque()
        self._woken, self._due = 0.0, threading.Event()
        self._urgent = False

    def add(self, item: Record | Exception | None) -> None:
        self.unread.append(item)
        self._urgent |= not isinstance(item, Record) or item.i == item.n

    def wake(self) -> None:
        """Wake the reader where there is something to read, unless it was woken within the frame and nothing has ended."""
        now = time.perf_counter()
        if self.unread and (self._urgent or now - self._woken >= FRAME_S):
            self._woken, self._urgent = now, False
            self._due.set()

    def fail(self, error: Exception) -> None:
        self.add(error)
        self.wake()

    def read(self) -> Iterator[Record]:
        """The records as they come. Raises what the run failed of."""
        while True:
            self._due.wait()
            self._due.clear()
            while self.unread:
                item = self.unread.popleft()
                if item is None:
                    return
                if isinstance(item, Exception):
                    raise item
                yield item


class _Call:
    """A function in the worker's hands: its result or its error comes back through `future`."""

    def __init__(self, function: Callable[[], Any], client: object) -> None:
        self.function, self.client = function, self if client is None else client
        self.future: Future[Any] = Future()

    def run(self, make_room: Callable[[], bool]) -> None:
        """Once more where the device has no memory left and `make_room` makes some."""
        try:
            self.future.set_result(self.function())
        except BaseException as error:
            if out_of_memory(error) and make_room():
                self.run(make_room)
            else:
                self.future.set_exception(error)

    def fail(self, error: Exception) -> None:
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)


class Worker:
    """One thread that does all the mathematics. Runs on the same denoiser share each call; denoisers take turns.

    Functions that are no lanes (`compute`) take turns with them: after every denoiser has had its call, one function of
    the client whose turn it is.

    A run that fails takes nobody with it (see LaneLoop). The thread starts with the first run and is a daemon: it ends
    with the process. Should it die, its runs end with an error, and the next run starts another. `make_room` is called
    where a single lane, or a function, does not fit the device. A run whose reader lags by MOST_UNREAD records pauses until it is read.
    """

    def __init__(self, max_rows: int, make_room: Callable[[], bool] = lambda: False) -> None:
        self._max_rows, self._make_room = max_rows, make_room
        self._arrivals: queue.SimpleQueue[_Ticket | _Call] = queue.SimpleQueue()
        self._calls: dict[object, deque[_Call]] = {}  # functions that wait, by client, in the order of their turns
        self._loops: dict[int, tuple[LaneLoop, list[_Ticket]]] = {}  # by id of the denoiser, alive while it has runs
        self._alive = threading.Lock()
        self._thread: threading.Thread | None = None
        self._advances: deque[tuple[float, int]] = deque()  # (when, lanes advanced) of the calls of the last SPEED_S

    def drive(self, denoiser: Denoiser, lanes: Iterable[Lane], client: object = None) -> Iterator[Record]:
        """Records of `lanes` as the worker makes them. Closing the generator cancels the run at the next tick."""
        ticket = _Ticket(denoiser, Run(lanes, client))
        self._hand_over(ticket)
        try:
            yield from ticket.read()
        finally:
            ticket.run.cancel()

    def compute(self, function: Callable[[], T], stop: threading.Event | None = None, client: object = None) -> T:
        """The result of `function`, from the worker's thread, between two calls of a denoiser. Raises what it raises, and
        Stopped where `stop` is set before it begins."""
        if threading.current_thread() is self._thread:
            return function()
        call = _Call(function, client)
        self._hand_over(call)
        while not wait([call.future], LOOK_EVERY_S).done:
            if stop is not None and stop.is_set() and call.future.cancel():
                raise Stopped
        return call.future.result()

    @property
    def steps_per_s(self) -> float:
        """Lane steps a second, over the last SPEED_S."""
        since = time.monotonic() - SPEED_S
        return sum(steps for when, steps in list(self._advances) if when > since) / SPEED_S

    @property
    def lanes(self) -> int:
        """Lanes in flight."""
        return sum(len(run.live) for loop, _ in list(self._loops.values()) for run in list(loop.runs))

    def _hand_over(self, arrival: _Ticket | _Call) -> None:
        with self._alive:
            self._arrivals.put(arrival)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="lab-worker", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        try:
            active = False
            while True:
                idle = not self._loops and not self._calls
                self._admit(None if idle else 0 if active else IDLE_S)
                ticks = [self._tick(key) for key in list(self._loops)]  # all of them, whatever the first did
                active = self._compute() or any(ticks)
        finally:
            with self._alive:  # whoever hands over from here on starts another
                self._thread = None
                orphans: list[_Ticket | _Call] = [ticket for _, tickets in self._loops.values() for ticket in tickets]
                orphans += [call for calls in self._calls.values() for call in calls]
                self._loops.clear()
                self._calls.clear()
                with suppress(queue.Empty):
                    while True:
                        orphans.append(self._arrivals.get_nowait())
            for arrival in orphans:
                arrival.fail(RuntimeError("the worker died"))

    def _admit(self, wait_s: float | None) -> None:
        """Take in what has arrived; with nothing to do for the others, sleep until something does."""
        try:
            while True:
                arrival = self._arrivals.get(block=wait_s != 0, timeout=wait_s)
                wait_s = 0
                if isinstance(arrival, _Call):
                    self._calls.setdefault(arrival.client, deque()).append(arrival)
                    continue
                loop, tickets = self._loops.setdefault(
                    id(arrival.denoiser), (LaneLoop(arrival.denoiser, self._max_rows, self._make_room), [])
                )
                loop.add(arrival.run)
                tickets.append(arrival)
        except queue.Empty:
            pass

    def _compute(self) -> bool:
        """One function, of the client whose turn it is; whether there was one."""
        if not self._calls:
            return False
        client = next(iter(self._calls))
        calls = self._calls.pop(client)
        call = calls.popleft()
        if calls:  # behind the other clients
            self._calls[client] = calls
        if call.future.set_running_or_notify_cancel():
            call.run(self._make_room)
        return True

    def _count(self, lanes: int) -> None:
        """Note the lanes that a call has advanced, each by one step, and forget the calls of long ago."""
        now = time.monotonic()
        self._advances.append((now, lanes))
        while self._advances[0][0] <= now - SPEED_S:
            self._advances.popleft()

    def _tick(self, key: int) -> bool:
        """One call of a denoiser; whether anything came of it."""
        loop, tickets = self._loops[key]
        by_run = {ticket.run: ticket for ticket in tickets}
        for ticket in tickets:
            ticket.run.pause = len(ticket.unread) >= MOST_UNREAD
        records = loop.tick()
        for run, record in records:
            by_run[run].add(record)
        self._count(sum(isinstance(record, Record) and record.i < record.n for _, record in records))
        for ticket in by_run.values():
            if ticket.run.done:
                ticket.add(None)
                tickets.remove(ticket)
            ticket.wake()
        if not tickets:
            del self._loops[key]
        return bool(records)


class LocalBackend:
    """Executes requests in this process. Safe to call from many threads."""

    def __init__(self, settings: Settings, cache: ModelCache[Any] | None = None) -> None:
        if settings.threads:
            torch.set_num_threads(settings.threads)
        self.settings = settings
        add_hub_models(settings.allowed_models)
        self.workshop = make_workshop(settings)
        self.cache = cache or make_cache(settings, self.workshop)
        self.line = Line(settings.max_runs, settings.queue_size, settings.max_visitor_lanes, settings.max_visitor_steps)
        self.worker = Worker(settings.max_batch_rows, self.cache.shed)
        self._scenes = Scenes()
        rows = leasable()

        def here(look: Look) -> bool:
            return all(at_hand(rows[name].source, settings) for name in look.request.models())

        self._looks = list(filter(here, LOOKS)) if self.workshop else []

    def run(self, request: Request, stop: threading.Event | None = None, client: str = "") -> Iterator[Event]:
        """The events of a request. Setting `stop`, or closing the generator, ends the run within one step.

        Clients take turns, whatever each of them asks for. A run that must wait says so until it begins. Raises
        LabError with a message for the visitor where the request cannot be met or the lab is full.
        """
        stop = stop or threading.Event()
        yield from self.line.in_turn(request.load(), stop, client, partial(self._events, request, stop, client))

    def _events(self, request: Request, stop: threading.Event, client: str) -> Iterator[Event]:
        drive = partial(self.worker.drive, client=client or None)
        compute = partial(self.worker.compute, client=client or None)
        house = House(self.settings, self.cache, drive, self._scenes, stop, compute, self._company)
        events = OPERATIONS[type(request)](request, house)
        try:
            for event in events:
                yield event
                if stop.is_set():
                    return
        except Stopped:
            return
        except LabError:
            raise
        except Exception as error:
            log.exception("a run failed")
            raise LabError(in_words(error)) from error
        finally:
            events.close()  # type: ignore[attr-defined]  # operations are generators; closing cancels their lanes

    def _company(self) -> int:
        """The runs under way; one at least, since a run of no load has no place in the line."""
        return max(1, self.line.counts[0])

    def outlook(self) -> Waiting:
        """What the run of somebody new would meet."""
        return self.line.outlook()

    def status(self) -> Status:
        """What is held and done at this moment."""
        cache, device = self.cache, self.cache.device
        device_used, host_used = cache.used()
        running, waiting = self.line.counts
        names = [row.name for row in leasable().values() if at_hand(row.source, self.settings)]
        return Status(
            device=str(device),
            device_name=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper(),
            device_used=device_used,
            device_budget=cache.device_budget,
            host_used=host_used,
            host_budget=cache.host_budget,
            resident=tuple(cache.resident()),
            plans=tuple(cache.plan(name) for name in names),
            running=running,
            waiting=waiting,
            lanes=self.worker.lanes,
            steps_per_s=self.worker.steps_per_s,
            compiling=self._compiling(),
            process=resident_bytes(),
        )

    def tidy(self) -> None:
        """Give back what a busy time needed: batch sizes that have not served for long and, while nothing runs, what the
        allocator keeps. To be called now and then."""
        if self.workshop:
            self.workshop.release()
        if not any(self.line.counts):
            trim()

    def warm(self, *names: str) -> threading.Thread:
        """Load models for good and take a step with each, in the background: the first press of Run need not wait."""
        self.cache.pin(*names)
        return warm(self.run, names)

    def prepare(self) -> threading.Thread:
        """Have the networks of the shipped models compiled in the background, the most used shapes first: each is called once, so
        that the workshop has it. What visitors wait for goes before. Without a workshop there is nothing to do."""

        def work() -> None:
            for look in list(self._looks):
                self._take(look)

        thread = threading.Thread(target=work, name="lab-prepare", daemon=True)
        thread.start()
        return thread

    def _take(self, look: Look) -> None:
        """A look, in this thread and in no line: the worker serves visitors meanwhile."""
        try:
            with compiled.ahead():
                for _ in OPERATIONS[type(look.request)](look.request, House(self.settings, self.cache, drive)):
                    pass
        except Exception:  # of whatever kind: the others are taken, and a visitor's run says what is wrong
            log.warning("not prepared: %s", ", ".join(look.request.models()), exc_info=True)
            self._looks.remove(look)  # its networks are not to come

    def _compiling(self) -> Compiling | None:
        """How far the networks of the looks are."""
        if self.workshop is None:
            return None
        progress = self.workshop.progress
        networks = [network for look in list(self._looks) for network in look.networks]
        counts = {name: [0, 0, 0] for name, _ in networks}
        for network in networks:
            to_come = network in progress.open or network not in progress.made | progress.failed
            counts[network[0]][1 if to_come else 2 if network in progress.failed else 0] += 1
        now = progress.now and (*progress.now[0], progress.now[1])
        return Compiling(tuple(Compiled(name, *some) for name, some in counts.items()), now)


def in_words(error: Exception) -> str:
    """What a visitor is told of an error that nobody expected."""
    if out_of_memory(error):
        return (
            "The lab ran out of memory for this run, even with one picture at a time. Nothing else was affected: try "
            "again when fewer runs are under way, or choose a smaller model."
        )
    if isinstance(error, FloatingPointError):
        return "The model's prediction stopped being a number. Try a lower guidance scale or strength, or another seed."
    return (
        f"The run failed inside the lab ({type(error).__name__}). Nothing else was affected: try again. If it happens twice, "
        "choose other settings or another model, and tell whoever runs the lab, whose log says more."
    )
