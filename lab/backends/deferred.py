"""A backend that is still being made, so that the page opens while torch is imported."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Protocol

from lab.capsule import Event, Request


class Backend(Protocol):
    """Where runs are executed."""

    def run(self, request: Request, stop: threading.Event | None = None) -> Iterator[Event]:
        """The events of a request; ends early once `stop` is set. Raises LabError with a message for the visitor."""
        ...


class Deferred:
    """Stands for a backend from the moment the page opens; runs wait until `provide` brings the real one.

    Importing torch and diffusers takes longer than everything else at start, and a page can be read meanwhile.
    """

    def __init__(self) -> None:
        self._backend: Future[Backend] = Future()

    def provide(self, backend: Backend) -> None:
        """Hand over the real backend; runs that wait go on."""
        self._backend.set_result(backend)

    def run(self, request: Request, stop: threading.Event | None = None) -> Iterator[Event]:
        """As Backend.run."""
        yield from self._backend.result().run(request, stop)
