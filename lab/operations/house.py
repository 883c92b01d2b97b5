"""What operations work with."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from lab.engine import noising as forward_process
from lab.engine.lanes import Denoiser, Lane, Record
from lab.models.cache import ModelCache
from lab.settings import Settings


class Drive(Protocol):
    """Runs lanes to their end and yields their records: in this thread, or on a shared worker."""

    def __call__(self, denoiser: Denoiser, lanes: Iterable[Lane]) -> Iterator[Record]: ...


@dataclass(frozen=True)
class House:
    """What operations work with: the settings, the models and whatever drives lanes."""

    settings: Settings
    cache: ModelCache[Any]  # of LoadedModel, and the scorer
    drive: Drive
    scenes: forward_process.Scenes = field(default_factory=forward_process.Scenes)
    stop: threading.Event | None = None  # the run's: a lease that waits is given up

    def lease(self, name: str) -> AbstractContextManager[Any]:
        """The model as ModelCache.lease has it, for as long as the run is not stopped."""
        return self.cache.lease(name, self.stop)
