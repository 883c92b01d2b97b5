"""A backend that is still being made, so that the page opens while torch is imported."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from typing import Protocol

from lab.requests.base import Event, Request, Waiting
from lab.requests.status import Status

LOOK_EVERY_S = 0.1  # how often a run that waits for the backend looks whether it was stopped


class Backend(Protocol):
    """Where runs are executed."""

    def run(self, request: Request, stop: threading.Event | None = None, client: str = "") -> Iterator[Event]:
        """The events of a request; ends early once `stop` is set. Clients, by name, take turns. Raises LabError with a
        message for the visitor."""
        ...

    def status(self) -> Status | None:
        """What is held and done at this moment; None while that cannot be said yet."""
        ...

    def outlook(self) -> Waiting | None:
        """What the run of somebody new would meet; cheap enough to be asked by every open page every few seconds."""
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

    def run(self, request: Request, stop: threading.Event | None = None, client: str = "") -> Iterator[Event]:
        """As Backend.run."""
        if not self._backend.done():
            yield Waiting(0, 5.0, "The lab is starting …")
        while not self._backend.done():
            if stop is not None and stop.is_set():
                return
            wait([self._backend], LOOK_EVERY_S)
        yield from self._backend.result().run(request, stop, client)

    def status(self) -> Status | None:
        """As Backend.status; None until it is there."""
        return self._backend.result().status() if self._backend.done() else None

    def outlook(self) -> Waiting | None:
        """As Backend.outlook; None until it is there."""
        return self._backend.result().outlook() if self._backend.done() else None
