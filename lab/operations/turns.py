"""Runs of several models at once."""

from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")


def round_of(sources: list[Iterator[T]]) -> Iterator[T]:
    """What comes next of each of the sources; those that have nothing left are taken from the list."""
    for source in list(sources):
        found = next(source, None)
        if found is None:
            sources.remove(source)
        else:
            yield found


def in_turn(sources: list[Iterator[T]]) -> Iterator[T]:
    """All that comes of the sources, one of each in turn."""
    while sources:
        yield from round_of(sources)
