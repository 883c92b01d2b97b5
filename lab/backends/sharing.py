"""Equal runs are computed once: whoever asks for the same meanwhile joins, and later the same events come from memory.

A run depends on its request alone: noise is drawn from (seed, timestep), and lanes know nothing of each other. So thirty
people who press one preset cost what one costs. `Sharing` stands before any backend, since it needs to know of none
where and how it computes.

- The key is the content of the request, so what a visitor brought reaches nobody who did not send the same. A run that
  follows pictures stays after its end only where they are the lab's own, or a second visitor sent the same ones: an
  example, not a private picture.
- A run is stopped once nobody reads it any more. One that was stopped, or failed, is forgotten.
- Everything is within a bound in bytes. Of finished runs the least recently used leave first; a run that alone is too
  large goes to those who read it, and is not to be joined any more.
"""

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Generator, Iterator
from contextvars import copy_context
from dataclasses import fields
from typing import Any

import numpy as np

from lab.backends.deferred import Backend
from lab.backends.weights import Weights
from lab.requests.base import NOTHING, Event, Note, Request, Waiting
from lab.requests.status import Status

LOOK_S = 0.05  # how soon Stop is seen by a reader that waits
MOST_AHEAD = 128  # events that a run may be ahead of its fastest reader
EVENT_BYTES = 1024  # of an event beside its pictures: the object, its numbers, the arrays' heads
JOINED = "Computed once, for all who pressed the same."
BEFORE = "Made before, for all who press the same."


class Broadcast:
    """A run that is computed once: the events so far, and where each of its readers stands. Guarded by `changed`."""

    def __init__(self, key: str, private: bool, lock: threading.RLock) -> None:
        self.key, self.private = key, private  # pictures that may be somebody's own
        self.changed = threading.Condition(lock)
        self.stop = threading.Event()  # of the computation
        self.events: list[Event] = []
        self.first = 0  # events before those in `events`
        self.waiting: Waiting | None = None  # what it waits for, before the next event
        self.positions: dict[object, int] = {}  # of readers: events that each has taken
        self.clients: set[object] = set()  # all who ever read it
        self.nbytes = 0
        self.fits = True  # within the bound: its events are all there
        self.over = False
        self.error: Exception | None = None
        self._arrays: set[int] = set()  # arrays, by id, alive while their events are

    def add(self, event: Event) -> int:
        """Append an event; the bytes it takes that no event before took."""
        self.waiting = None
        self.events.append(event)
        arrays = {id(array): array for array in map(_owner, arrays_of(event))}
        nbytes = EVENT_BYTES + sum(array.nbytes for key, array in arrays.items() if key not in self._arrays)
        self._arrays |= arrays.keys()
        self.nbytes += nbytes
        return nbytes

    def drop_read(self) -> None:
        """Forget the events that every reader has taken."""
        done = min(self.positions.values(), default=self.first + len(self.events)) - self.first
        del self.events[:done]
        self.first += done

    @property
    def ahead(self) -> int:
        """Events that no reader has taken yet."""
        return self.first + len(self.events) - max(self.positions.values(), default=0)

    def next(self, reader: object, last: Waiting | None, stop: threading.Event) -> Event | None:
        """The event after those that `reader` has taken, once it is there: a Waiting other than `last` too. None at the
        end, and once `stop` is set. Raises what ended the run."""
        with self.changed:
            while not stop.is_set():
                position = self.positions[reader]
                if position < self.first + len(self.events):
                    self.positions[reader] = position + 1
                    self.changed.notify_all()
                    return self.events[position - self.first]
                if self.over:
                    if self.error:
                        raise self.error
                    return None
                if self.waiting is not None and self.waiting is not last:
                    return self.waiting
                self.changed.wait(LOOK_S)
        return None


class Sharing:
    """A backend before another one, which computes equal runs once. Safe to call from many threads.

    `bound` is the bytes of all shared runs together, those under way included; 0: every press computes.
    """

    def __init__(self, backend: Backend, bound: float) -> None:
        self._backend, self._bound = backend, bound
        self._weights = Weights()
        self._lock = threading.RLock()
        self._runs: OrderedDict[str, Broadcast] = OrderedDict()  # to be joined or read again; least recently used first
        self._bytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes of all runs that may be joined or read again."""
        return self._bytes

    def status(self) -> Status | None:
        """As Backend.status."""
        return self._backend.status()

    def outlook(self) -> Waiting | None:
        """As Backend.outlook."""
        return self._backend.outlook()

    def run(self, request: Request, stop: threading.Event | None = None, client: str = "") -> Iterator[Event]:
        """As Backend.run. What was joined, or made before, says so in a Note at its end and stands in no line."""
        stop = stop or threading.Event()
        if not self._bound or request.load() == NOTHING:
            yield from self._backend.run(request, stop, client)
            return
        while (yield from self._read(request, stop, client)):
            pass

    def _read(self, request: Request, stop: threading.Event, client: str) -> Generator[Event, None, bool]:
        """The events of a shared run; whether to begin again, since what was joined failed before it began: that may have
        been the affair of whoever pressed first."""
        reader = object()
        run, note = self._enter(request, reader, client)
        last: Waiting | None = None
        began = False
        try:
            while (event := run.next(reader, last, stop)) is not None:
                last, began = (event, began) if isinstance(event, Waiting) else (None, True)
                yield event
            if note and not stop.is_set():
                yield Note(note)
        except Exception as error:
            if error is run.error and note and not began:
                return True
            raise
        finally:
            self._leave(run, reader)
        return False

    def _enter(self, request: Request, reader: object, client: str) -> tuple[Broadcast, str]:
        """The run that this reader takes part in, and what is to be said of that; computed from now on if it is new."""
        key, has_pictures = content_key(request)
        same = self._weights.same(request.models())
        with self._lock:
            run = self._runs.get(key)
            if run and run.over and not same:
                self._forget(run)
                run = None
            new = run is None
            if run is None:
                run = self._runs[key] = Broadcast(key, has_pictures and not request.public(), self._lock)
            self._runs.move_to_end(key)
            run.positions[reader] = 0
            run.clients.add(client or reader)
            note = "" if new else BEFORE if run.over else JOINED
        if new:
            work = copy_context().run  # ZeroGPU knows from it whose seconds are spent
            threading.Thread(
                target=work, args=(self._compute, run, request, client, same), name="lab-shared", daemon=True
            ).start()
        return run, note

    def _leave(self, run: Broadcast, reader: object) -> None:
        with run.changed:
            del run.positions[reader]
            if not run.positions and not run.over:
                run.stop.set()
                self._forget(run)
            run.changed.notify_all()

    def _compute(self, run: Broadcast, request: Request, client: str, same: bool) -> None:
        """Have the backend make the events; in a thread of its own, so that whoever pressed first may leave."""
        error = None
        try:
            for event in self._backend.run(request, run.stop, client):
                self._add(run, event)
        except Exception as problem:  # whatever it is, it is for those who read
            error = problem
        same = same and self._weights.same(request.models())
        with run.changed:
            run.over, run.error = True, error
            alone = run.private and len(run.clients) == 1
            if error or run.stop.is_set() or alone or not same:
                self._forget(run)
            run.changed.notify_all()

    def _add(self, run: Broadcast, event: Event) -> None:
        """One more event, once the readers are not too far behind."""
        with run.changed:
            if isinstance(event, Waiting):
                run.waiting = event
            else:
                nbytes = run.add(event)
                if self._runs.get(run.key) is run:
                    self._bytes += nbytes
                    self._make_room(run)
                if not run.fits:
                    run.drop_read()
            run.changed.notify_all()
            while run.ahead >= MOST_AHEAD and not run.stop.is_set():
                run.changed.wait(LOOK_S)

    def _make_room(self, run: Broadcast) -> None:
        """Keep the bound: finished runs leave, and then the one that grew."""
        for other in [other for other in self._runs.values() if other.over]:
            if self._bytes > self._bound:
                self._forget(other)
        if self._bytes > self._bound:
            run.fits = False
            self._forget(run)

    def _forget(self, run: Broadcast) -> None:
        """Nobody finds it any more; who reads it goes on."""
        if self._runs.get(run.key) is run:
            del self._runs[run.key]
            self._bytes -= run.nbytes


def content_key(request: Request) -> tuple[str, bool]:
    """What stands for all that a request asks for, its pictures' pixels included, and whether it has pictures."""
    pictures = 0

    def describe(value: Any) -> Any:
        nonlocal pictures
        pictures += 1
        return [str(value.dtype), value.shape, hashlib.sha256(value.tobytes()).hexdigest()]

    text = json.dumps([type(request).__name__, request.model_dump()], default=describe)
    return hashlib.sha256(text.encode()).hexdigest(), pictures > 0


def arrays_of(event: Event) -> list[np.ndarray]:
    """The arrays of an event. From here on nobody writes into them: many pages show the same ones."""
    values = [getattr(event, field.name) for field in fields(event)]
    parts = [part for value in values for part in (value if isinstance(value, tuple) else (value,))]
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    for array in arrays:
        array.flags.writeable = False
    return arrays


def _owner(array: np.ndarray) -> np.ndarray:
    """The array whose memory it is: a view keeps all of it alive."""
    return array.base if isinstance(array.base, np.ndarray) else array
