"""Who runs and who waits: a few places, a bounded line, and no client before the others."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf

from lab.quantities import quantity
from lab.requests.base import NOTHING, Event, LabError, Load, Waiting

FIRST_GUESS_S = 5.0  # how long a run takes, before any has ended
TELL_EVERY_S = 0.5  # how often a run that waits hears where it stands
LOOK_S = 0.05  # how soon Stop is seen by a run that waits


@dataclass(eq=False)
class Place:
    """A run's place, or its turn to get one."""

    client: object
    load: Load
    began: float | None = None  # when it got the place
    free: threading.Event = field(default_factory=threading.Event)  # set once it has it


class Line:
    """At most `places` runs at a time; up to `room` more wait; one more is refused. Thread-safe.

    A place that is given back goes to the client with the fewest places, among those to the one that was served longest
    ago. A named client holds at most half of the places, so that there is always one for somebody else soon. What it
    runs and has waiting is at most `most_lanes` and `most_steps`.
    """

    def __init__(self, places: int, room: int, most_lanes: float = inf, most_steps: float = inf) -> None:
        self.places, self.room = places, room
        self.most_lanes, self.most_steps = most_lanes, most_steps
        self._running: list[Place] = []
        self._waiting: list[Place] = []
        self._turns: dict[object, int] = {}  # when each client that is here was last given a place
        self._turn = 0
        self._usual_s = FIRST_GUESS_S
        self._lock = threading.Lock()

    def join(self, client: str = "", load: Load = NOTHING) -> Place:
        """A place for a run of `client`; nameless runs are all strangers to each other. Leave it when done.

        Raises LabError where the line is full, with the time after which to try again, and where the client has too much
        in the making already.
        """
        mine = Place(client or object(), load)
        with self._lock:
            self._check_share(mine)
            if len(self._waiting) >= self.room and not self._admissible(mine):
                raise LabError(
                    f"The lab is full: {quantity(len(self._running), 'run')} under way and {len(self._waiting)} in line. "
                    f"Try again in about {max(1, round(self._seconds(len(self._waiting) + 1)))} s."
                )
            self._waiting.append(mine)
            self._admit()
        return mine

    def leave(self, place: Place) -> None:
        """Give a place back, or step out of the line."""
        with self._lock:
            if place in self._waiting:
                self._waiting.remove(place)
            elif place in self._running:
                self._running.remove(place)
                assert place.began is not None
                self._usual_s += 0.2 * (time.monotonic() - place.began - self._usual_s)
            self._admit()
            here = {other.client for other in (*self._running, *self._waiting)}
            self._turns = {client: turn for client, turn in self._turns.items() if client in here}

    def in_turn(
        self, load: Load, stop: threading.Event, client: str, events: Callable[[], Iterator[Event]]
    ) -> Iterator[Event]:
        """What `events()` yields once a run has its turn, and before that where it stands; nothing once `stop` is set.

        A run of no load is one look: it has its turn at once.
        """
        if load == NOTHING:
            yield from events()
            return
        place = self.join(client, load)
        try:
            while not place.free.is_set():
                yield self.look(place)
                if not _wait_for(place.free, stop):
                    return
            yield from events()
        finally:
            self.leave(place)

    def look(self, place: Place) -> Waiting:
        """Where a run stands in the line, and about how long it will wait."""
        with self._lock:
            position = 1 + self._waiting.index(place) if place in self._waiting else 0
            return Waiting(position, self._seconds(position))

    def outlook(self) -> Waiting:
        """What the run of somebody new would meet; position 0 where a place is free."""
        with self._lock:
            position = 1 + len(self._waiting) if len(self._running) >= self.places else 0
            return Waiting(position, self._seconds(position))

    @property
    def counts(self) -> tuple[int, int]:
        """Runs under way, and runs that wait."""
        with self._lock:
            return len(self._running), len(self._waiting)

    def _check_share(self, mine: Place) -> None:
        """Refuse what, with the client's other runs, is more than one client may have in the making."""
        theirs = [place.load for place in (*self._running, *self._waiting) if place.client == mine.client]
        for what, most, more, current in (
            ("pictures", self.most_lanes, mine.load.lanes, sum(load.lanes for load in theirs)),
            ("steps", self.most_steps, mine.load.steps, sum(load.steps for load in theirs)),
        ):
            if theirs and current + more > most:
                raise LabError(
                    f"Your other runs still have {current} {what} to make; with {more} more they would be over the {most} "
                    "that one visitor may have at a time. Wait for one to end, or stop it."
                )

    def _seconds(self, position: int) -> float:
        return self._usual_s * position / self.places

    def _admissible(self, place: Place) -> bool:
        current = sum(other.client == place.client for other in self._running)
        has_name = isinstance(place.client, str)
        return len(self._running) < self.places and (not has_name or current < max(1, self.places // 2))

    def _admit(self) -> None:
        while candidates := [place for place in self._waiting if self._admissible(place)]:
            current = Counter(place.client for place in self._running)
            next_ = min(candidates, key=lambda place: (current[place.client], self._turns.get(place.client, 0)))
            self._turn += 1
            self._turns[next_.client] = self._turn
            self._waiting.remove(next_)
            self._running.append(next_)
            next_.began = time.monotonic()
            next_.free.set()


def _wait_for(free: threading.Event, stop: threading.Event) -> bool:
    """Wait TELL_EVERY_S for a free place; False where the run was stopped meanwhile."""
    until = time.monotonic() + TELL_EVERY_S
    while not stop.is_set() and not free.wait(LOOK_S) and time.monotonic() < until:
        pass
    return not stop.is_set()
