"""ModelCache: every weight of the process, loaded at most once, shared by content, held by leases, within budgets.

A model is made of parts (a UNet, an autoencoder, a text encoder, a picture set). While it loads it asks a `Shelf` for
each part by a key that stands for its content; a part that is there already is shared. Bytes are counted from the
tensors, each storage once. On a machine with an accelerator a model is on the device, in host memory or gone; without
one there is only host memory.
"""

import gc
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import nn

from lab.requests.base import LabError
from lab.requests.status import LeasePlan, Resident

log = logging.getLogger("lab")

PATIENCE_S = 60.0  # how long a load waits for models in use to be given back
LOOK_EVERY_S = 0.1  # how often whoever waits looks whether its run was stopped
CPU = torch.device("cpu")


class Stopped(Exception):
    """The run that waited for a lease was stopped."""


P = TypeVar("P")
Loaded = TypeVar("Loaded")


def nbytes_of(part: Any) -> int:
    """Bytes of a part's tensors; tensors that share a storage count once."""
    if not isinstance(part, nn.Module):
        return part.nbytes
    tensors = [*part.parameters(), *part.buffers()]
    return sum({tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}.values())


@dataclass
class _Shelved:
    part: Any
    owners: set[str] = field(default_factory=set)
    on_device: bool = False

    def __post_init__(self) -> None:
        self._fixed = nbytes_of(self.part) if isinstance(self.part, nn.Module) else None

    @property
    def nbytes(self) -> int:
        """Counted once for networks, which keep their weights; anew for parts that remember things."""
        return nbytes_of(self.part) if self._fixed is None else self._fixed


class Shelf(Protocol):
    """Where a loading model gets its parts: `shelf(key, make)` makes a part or finds the one that is there.

    Parts are made in host memory; the cache moves them. `key` stands for the part's content.
    """

    def __call__(self, key: str, make: Callable[[], P]) -> P: ...


def alone(key: str, make: Callable[[], P]) -> P:
    """A shelf for a model outside any cache."""
    return make()


class _Shelf:
    """The cache's shelf, for one model that loads; `books` guards `shelved`, and is free while a part is made."""

    def __init__(self, shelved: dict[str, _Shelved], books: threading.Condition, owner: str) -> None:
        self._shelved, self._books, self._owner = shelved, books, owner

    def __call__(self, key: str, make: Callable[[], P]) -> P:
        with self._books:
            there = self._shelved.get(key)
        shelved = there or _Shelved(make())  # loads are serialised: nobody else makes it meanwhile
        with self._books:
            self._shelved[key] = shelved
            shelved.owners.add(self._owner)
        return shelved.part


@dataclass
class _Entry(Generic[Loaded]):
    name: str
    loaded: Loaded
    leases: int = 0
    used: float = 0.0  # when it was last leased
    ready: bool = False  # where it can run; False while it is moved


class ModelCache(Generic[Loaded]):
    """Loads models through `load(name, shelf)` and hands them out as leases.

    Single flight: however many ask for a model at once, it is loaded once and the others wait for it. Loads and moves
    are serialised by one lock; a model that is ready is leased without it. Over budget, the least recently used model
    that nobody leases and that is not pinned leaves: from the device to host memory, from there altogether. Where all
    are in use, a load waits for one. A load that fails leaves the cache as it was; everyone who waited for it gets an
    error that names the model, and the next lease tries again.

    Budgets are in bytes. `weigh(name)` estimates the bytes of a model that is not loaded, so that room is made before;
    `title(name)` is what errors call it. `fetch(name)` brings its files to this machine where they are `absent(name)`,
    which may take long: before any lock is held.
    """

    def __init__(
        self,
        load: Callable[[str, Shelf], Loaded],
        device: torch.device = CPU,
        device_budget: float = math.inf,
        host_budget: float = math.inf,
        weigh: Callable[[str], int] = lambda name: 0,
        title: Callable[[str], str] = lambda name: f"model '{name}'",
        fetch: Callable[[str], object] = lambda name: None,
        absent: Callable[[str], bool] = lambda name: False,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._load, self._weigh, self._title, self._fetch, self._absent = load, weigh, title, fetch, absent
        self._patience_s = patience_s
        self.device, self._two_places = device, device.type != "cpu"
        self.device_budget, self.host_budget = device_budget, host_budget
        self._entries: dict[str, _Entry[Loaded]] = {}
        self._shelved: dict[str, _Shelved] = {}
        self._pinned: set[str] = set()
        self._arriving = ""  # the model that is being loaded or moved: its parts are wanted where they are
        self._stop: threading.Event | None = None  # of the run that it is loaded or moved for
        self._moving = threading.Lock()  # held while loading or moving
        self._books = threading.Condition()  # held for moments, to read and write entries; notified when a lease ends

    @contextmanager
    def lease(self, name: str, stop: threading.Event | None = None) -> Iterator[Loaded]:
        """The model, ready on its device, for the length of the `with` block. Raises LabError where that cannot be, and
        Stopped where `stop` is set while it waits for other loads or for room."""
        entry = self._take(name, stop)
        try:
            yield entry.loaded
        finally:
            with self._books:
                entry.leases -= 1
                self._books.notify_all()

    def pin(self, *names: str) -> None:
        """Never evict these models once they are loaded."""
        with self._books:
            self._pinned.update(names)

    def resident(self) -> list[Resident]:
        """What is loaded, most recently used first."""
        with self._books:
            entries = sorted(self._entries.values(), key=lambda entry: -entry.used)
            return [self._describe(entry) for entry in entries]

    def plan(self, name: str) -> LeasePlan:
        """What leasing `name` would load, move and evict if nothing else changed."""
        with self._books:
            entry = self._entries.get(name)
            if entry and entry.ready:
                return LeasePlan(name, load=False, move=False, nbytes=self._weight(name), evict=())
        estimate, fetch = self._weigh(name), self._absent(name)  # may read files: not while others wait for the books
        with self._books:
            entry = self._entries.get(name)
            weight = self._weight(name) if entry else estimate
            if entry and entry.ready:  # by now
                return LeasePlan(name, load=False, move=False, nbytes=weight, evict=())
            needed = sum(part.nbytes for part in self._parts(name) if not part.on_device) if entry else estimate
            free = (self.device_budget if self._two_places else self.host_budget) - self._used(self._two_places)
            victims = []
            for victim in self._evictable(self._two_places):
                if needed <= free:
                    break
                free += self._only_for(victim, self._two_places)
                victims.append(victim.name)
            return LeasePlan(name, entry is None, self._two_places, weight, tuple(victims), fetch)

    def fetch(self, name: str) -> None:
        """Bring a model's files to this machine; nothing is loaded. Raises LabError where they cannot be had."""
        if name not in self._entries:
            self._fetch(name)

    def used(self) -> tuple[int, int]:
        """Bytes on the device and in host memory."""
        with self._books:
            return self._used(on_device=True), self._used(on_device=False)

    def shed(self) -> bool:
        """Move the least recently used model that nobody leases off the device, where its step ran out of memory.

        False where there is none, or while something is loaded or moved: that may wait for a lease which only who asks
        here can end.
        """
        if not self._moving.acquire(blocking=False):
            return False
        try:
            success = self._evict_one(self._two_places)
            self._trim_host()
            return success
        finally:
            self._moving.release()

    # Taking

    def _take(self, name: str, stop: threading.Event | None) -> _Entry[Loaded]:
        entry = self._if_ready(name)
        if entry:
            return entry
        self.fetch(name)
        while not self._moving.acquire(timeout=LOOK_EVERY_S):
            _heed(stop)
        try:
            entry = self._if_ready(name)  # made ready while we waited for the lock
            if entry:
                return entry
            self._arriving, self._stop = name, stop
            try:
                entry = self._entries.get(name) or self._loaded(name)
                self._bring(entry)
                self._trim_host()
            finally:
                self._arriving, self._stop = "", None
            with self._books:
                entry.ready = True
                entry.leases += 1
                entry.used = time.monotonic()
                return entry
        finally:
            self._moving.release()

    def _if_ready(self, name: str) -> _Entry[Loaded] | None:
        with self._books:
            entry = self._entries.get(name)
            if entry is None or not entry.ready:
                return None
            entry.leases += 1
            entry.used = time.monotonic()
            return entry

    def _loaded(self, name: str) -> _Entry[Loaded]:
        """Load from the source into host memory."""
        self._make_room(name, self._weigh(name), on_device=False)
        try:
            entry = _Entry(name, self._load(name, _Shelf(self._shelved, self._books, name)))
        except Exception as error:
            self._disown(name)
            if isinstance(error, LabError):
                raise
            log.warning("the model %s could not be loaded", name, exc_info=True)
            raise LabError(f"The {self._title(name)} could not be loaded: {first_line(error)}") from error
        with self._books:
            self._entries[name] = entry
        try:
            self._make_room(name, 0, on_device=False)  # what it really weighs
        except (LabError, Stopped):
            self._drop(entry)
            raise
        return entry

    def _bring(self, entry: _Entry[Loaded]) -> None:
        """Move what is missing to the device; where that fails all is back where it was."""
        if not self._two_places:
            return
        parts = [part for part in self._parts(entry.name) if not part.on_device]
        self._make_room(entry.name, sum(part.nbytes for part in parts), on_device=True)
        arrivals: list[_Shelved] = []
        try:
            for part in parts:
                while True:
                    try:
                        part.part.to(self.device)
                        break
                    except torch.OutOfMemoryError:  # something else holds the memory that the budget promised
                        if not self._evict_one(on_device=True):
                            raise
                part.on_device = True
                arrivals.append(part)
        except Exception as error:
            for part in [*arrivals, *parts[len(arrivals) : len(arrivals) + 1]]:
                part.part.to(CPU)
                part.on_device = False
            raise LabError(
                f"The device has no memory left for the {self._title(entry.name)}. Try again when others have finished, or "
                "choose a smaller model."
            ) from error

    # Leaving

    def _make_room(self, name: str, needed: int, on_device: bool) -> None:
        """Evict until `needed` more bytes fit; waits for leases to end where everything is in use."""
        budget = self.device_budget if on_device else self.host_budget
        if needed > budget or self._weight(name) > budget:
            raise self._too_large(name, needed, on_device)
        until = time.monotonic() + self._patience_s
        while True:
            with self._books:
                if self._used(on_device) + needed <= budget:
                    return
            if self._evict_one(on_device):
                continue
            if needed + self._kept(name, on_device) > budget:  # whatever lease may end
                raise self._too_large(name, needed, on_device)
            if time.monotonic() >= until:
                raise LabError(
                    f"There is no room for the {self._title(name)}: all loaded models are in use. Try again in a moment."
                )
            _heed(self._stop)
            with self._books:
                if not self._evictable(on_device):
                    self._books.wait(min(LOOK_EVERY_S, max(0.0, until - time.monotonic())))

    def _too_large(self, name: str, needed: int, on_device: bool) -> LabError:
        """What a visitor is told of a model that the budget has no place for, and whoever runs the lab may set."""
        setting = "LAB_DEVICE_BUDGET_GB" if on_device else "LAB_HOST_BUDGET_GB"
        budget = self.device_budget if on_device else self.host_budget
        with self._books:
            weight = max(needed, self._weight(name))
            kept = sum(
                part.nbytes
                for part in self._shelved.values()
                if part.on_device == on_device and part.owners & self._pinned and name not in part.owners
            )
        beside = f", {kept / 1e9:.2f} GB of it for models that always stay" if kept else ""
        enough = math.ceil((weight + kept) / 1e8) / 10
        return LabError(
            f"The {self._title(name)} needs {weight / 1e9:.2f} GB; the lab may use {budget / 1e9:.2f} GB{beside}. Choose a smaller "
            f"model, or ask whoever runs the lab to start it with {setting}={enough:g} or more."
        )

    def _kept(self, name: str, on_device: bool) -> int:
        """Bytes of what no end of a lease would free: the pinned models, and what is there of `name`."""
        with self._books:
            return sum(
                part.nbytes
                for part in self._shelved.values()
                if part.on_device == on_device and part.owners & {name, *self._pinned}
            )

    def _evict_one(self, on_device: bool) -> bool:
        with self._books:
            victims = self._evictable(on_device)
            if not victims:
                return False
            victim = victims[0]
            victim.ready = False  # from here on nobody can lease it without the lock that we hold
        if on_device:
            self._to_host(victim)
        else:
            self._drop(victim)
        return True

    def _to_host(self, entry: _Entry[Loaded]) -> None:
        for part in self._parts(entry.name):
            if part.on_device and not self._others(part, entry.name, on_device=True):
                part.part.to(CPU)
                part.on_device = False
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _trim_host(self) -> None:
        """What was moved off the device may have filled the host; for a moment both were there."""
        while self._used(on_device=False) > self.host_budget and self._evict_one(on_device=False):
            pass

    def _drop(self, entry: _Entry[Loaded]) -> None:
        with self._books:
            self._entries.pop(entry.name, None)
        self._disown(entry.name)
        gc.collect()

    def _disown(self, name: str) -> None:
        """Take `name` off all parts; parts of nobody are gone."""
        with self._books:
            for key, part in list(self._shelved.items()):
                part.owners.discard(name)
                if not part.owners:
                    del self._shelved[key]

    # Book-keeping; the caller holds `_books` or `_moving`

    def _parts(self, name: str) -> list[_Shelved]:
        return [part for part in self._shelved.values() if name in part.owners]

    def _weight(self, name: str) -> int:
        return sum(part.nbytes for part in self._parts(name))

    def _used(self, on_device: bool) -> int:
        return sum(part.nbytes for part in self._shelved.values() if part.on_device == on_device)

    def _others(self, part: _Shelved, name: str, on_device: bool) -> bool:
        """Whether a part serves another model that is ready or arriving; in host memory, any other at all."""
        return any(
            not on_device or owner == self._arriving or (owner in self._entries and self._entries[owner].ready)
            for owner in part.owners - {name}
        )

    def _only_for(self, entry: _Entry[Loaded], on_device: bool) -> int:
        """Bytes that evicting it would free."""
        parts = [part for part in self._parts(entry.name) if part.on_device == on_device]
        return sum(part.nbytes for part in parts if not self._others(part, entry.name, on_device))

    def _evictable(self, on_device: bool) -> list[_Entry[Loaded]]:
        """Models that may leave and would free something, least recently used first."""
        candidates = [
            entry
            for entry in self._entries.values()
            if entry.leases == 0
            and entry.name not in self._pinned
            and entry.name != self._arriving
            and (not self._two_places or entry.ready == on_device)
            and self._only_for(entry, on_device) > 0
        ]
        return sorted(candidates, key=lambda entry: entry.used)

    def _describe(self, entry: _Entry[Loaded]) -> Resident:
        parts = self._parts(entry.name)
        return Resident(
            name=entry.name,
            on_device=self._two_places and entry.ready,
            nbytes=sum(part.nbytes for part in parts),
            own_nbytes=sum(part.nbytes for part in parts if part.owners == {entry.name}),
            leases=entry.leases,
            pinned=entry.name in self._pinned,
            notes=tuple(note for part in parts for note in getattr(part.part, "notes", ())),
        )


def _heed(stop: threading.Event | None) -> None:
    if stop is not None and stop.is_set():
        raise Stopped


def first_line(error: Exception) -> str:
    """What an error says, short enough for a visitor."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
