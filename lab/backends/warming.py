"""Loading models before anybody asks for them: the first press of Run need not wait."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator

from lab.requests.base import Event, LabError, Request
from lab.requests.sampling import first_look

log = logging.getLogger("lab")


def warm(run: Callable[[Request], Iterator[Event]], names: Iterable[str]) -> threading.Thread:
    """Take a first look at each model, in the background. One that is refused leaves the others as they are."""

    def work() -> None:
        for name in names:
            try:
                for _ in run(first_look(name)):
                    pass
            except LabError as error:
                log.warning("not warmed up: %s", error)

    thread = threading.Thread(target=work, name="lab-warm", daemon=True)
    thread.start()
    return thread
