"""Models that must be fetched or loaded before a run begins, with words for who waits."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from functools import partial

from lab.models.loaders import arrived, slow_to_load, title_of
from lab.operations.house import House
from lab.requests.base import Waiting

TELL_EVERY_S = 0.5  # how often a run that waits for a download hears how far it is
LOOK_EVERY_S = 0.05  # how often one looks whether a model is there


def loading(house: House, *names: str) -> Iterator[Waiting]:
    """Says so before something large is loaded, and how far its files have come where they must be fetched.

    A visitor who stops meanwhile leaves; the download goes on, for whoever asks next.
    """
    for name in names:
        plan = house.cache.plan(name)
        if plan.fetch:
            yield from _fetching(house, name)
        if plan.load and slow_to_load(name, house.settings):
            yield Waiting(0, 0.0, f"Loading the {title_of(name)} …")


def arriving(house: House, name: str) -> Iterator[Waiting]:
    """Loads a model beside what else goes on, and says so again and again until it is there. It is not leased: what may be
    evicted before it is, is then loaded once more. Raises what its load raises."""
    plan = house.cache.plan(name)
    if plan.fetch:
        yield from _fetching(house, name)
    if plan.load:
        coming = _in_background(partial(_load, house, name))
        while not coming.done():
            yield Waiting(0, 0.0, f"Loading the {title_of(name)} …")
            wait([coming], LOOK_EVERY_S)
        coming.result()


def _load(house: House, name: str) -> None:
    with house.lease(name):
        pass


def _fetching(house: House, name: str) -> Iterator[Waiting]:
    coming = _in_background(partial(house.cache.fetch, name))
    while not coming.done():
        yield Waiting(0, 0.0, f"Fetching the {title_of(name)}: {arrived(name) / 1e6:,.0f} MB so far …")
        wait([coming], TELL_EVERY_S)
    coming.result()


def _in_background(work: Callable[[], None]) -> "Future[None]":
    """A Future of `work`, which runs in a daemon thread: neither a visitor who leaves nor the end of the process waits for it."""
    end: Future[None] = Future()

    def run() -> None:
        try:
            work()
            end.set_result(None)
        except Exception as error:
            end.set_exception(error)

    threading.Thread(target=run, name="lab-fetch", daemon=True).start()
    return end
