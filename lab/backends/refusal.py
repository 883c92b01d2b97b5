"""A LabError on its way out of another process, which would hand over its name and lose its text."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lab.requests.base import Event, LabError


@dataclass(frozen=True)
class Refusal:
    """What a LabError said, as a result."""

    text: str


def pack(events: Iterable[Event]) -> Iterator[Event | Refusal]:
    """The events of a run, there; a LabError comes as the last of them."""
    try:
        yield from events
    except LabError as error:
        yield Refusal(str(error))


def unpack(events: Iterable[Event | Refusal]) -> Iterator[Event]:
    """The events of a run, here. Raises the LabError that `pack` met."""
    for event in events:
        if isinstance(event, Refusal):
            raise LabError(event.text)
        yield event
