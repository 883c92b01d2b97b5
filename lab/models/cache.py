"""ModelCache: every weight of the process, loaded at most once, held by leases."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from lab.capsule import LabError

Loaded = TypeVar("Loaded")


@dataclass
class _Entry(Generic[Loaded]):
    loaded: Loaded
    leases: int = 0


class ModelCache(Generic[Loaded]):
    """Loads models through `load(name)` and hands them out as leases.

    Single flight: however many ask for a model at once, it is loaded once and the others wait for it. A load that
    fails leaves the cache as it was; every waiter gets the error, which names the model, and the next lease tries
    again. Loads are serialised by one lock. Nothing is evicted.
    """

    def __init__(self, load: Callable[[str], Loaded]) -> None:
        self._load = load
        self._entries: dict[str, _Entry[Loaded]] = {}
        self._loading = threading.Lock()  # held while loading
        self._books = threading.Lock()  # held for moments, to read and write the entries

    @contextmanager
    def lease(self, name: str) -> Iterator[Loaded]:
        """The loaded model, for the length of the `with` block. Raises LabError where it cannot be loaded."""
        entry = self._take(name)
        try:
            yield entry.loaded
        finally:
            with self._books:
                entry.leases -= 1

    def resident(self) -> dict[str, dict[str, Any]]:
        """What is loaded: name -> bytes and leases now."""
        with self._books:
            return {
                name: {"bytes": getattr(entry.loaded, "nbytes", 0), "leases": entry.leases}
                for name, entry in self._entries.items()
            }

    def _take(self, name: str) -> _Entry[Loaded]:
        entry = self._resident(name)
        if entry:
            return entry
        with self._loading:
            entry = self._resident(name)  # loaded while we waited for the lock
            if entry:
                return entry
            try:
                loaded = self._load(name)
            except LabError:
                raise
            except Exception as error:
                raise LabError(f"The model '{name}' could not be loaded: {error}") from error
            with self._books:
                self._entries[name] = entry = _Entry(loaded, leases=1)
            return entry

    def _resident(self, name: str) -> _Entry[Loaded] | None:
        with self._books:
            entry = self._entries.get(name)
            if entry:
                entry.leases += 1
            return entry
