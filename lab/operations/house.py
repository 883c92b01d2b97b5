"""What operations work with."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from lab.engine import noising as forward_process
from lab.engine.denoisers import Denoiser
from lab.engine.lanes import Lane, Record
from lab.models.cache import ModelCache, Stopped
from lab.settings import Settings

T = TypeVar("T")


class Drive(Protocol):
    """Runs lanes to their end and yields their records: in this thread, or on a shared worker."""

    def __call__(self, denoiser: Denoiser, lanes: Iterable[Lane]) -> Iterator[Record]: ...


class Compute(Protocol):
    """Calls a function where lanes are driven, in turn with them; in this thread, or on a shared worker. Raises Stopped
    where `stop` is set before the function begins."""

    def __call__(self, function: Callable[[], T], stop: threading.Event | None) -> T: ...


def alone() -> int:
    """The company of a run that has the device for itself."""
    return 1


def inline(function: Callable[[], T], stop: threading.Event | None) -> T:
    """As Compute, in this thread."""
    return function()


@dataclass(frozen=True)
class House:
    """What operations work with: the settings, the models and whatever drives lanes."""

    settings: Settings
    cache: ModelCache[Any]  # of what the rows of MODELS, CONTROLS and HELPERS load
    drive: Drive
    scenes: forward_process.Scenes = field(default_factory=forward_process.Scenes)
    stop: threading.Event | None = None  # the run's: a lease or a function that waits is given up
    call: Compute = inline
    company: Callable[[], int] = alone  # how many runs share the device at this moment, this one included

    def lease(self, name: str) -> AbstractContextManager[Any]:
        """The model as ModelCache.lease has it, for as long as the run is not stopped."""
        return self.cache.lease(name, self.stop)

    def compute(self, function: Callable[[], T]) -> T:
        """The result of a network call that is no lane (an encoder, a scorer), computed where lanes are driven and in turn
        with them. It must not drive lanes itself. Raises what it raises, and Stopped where the run is stopped before it
        begins."""
        if self.stop is not None and self.stop.is_set():
            raise Stopped
        return self.call(function, self.stop)
