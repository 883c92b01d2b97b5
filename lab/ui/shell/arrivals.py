"""The order in which events of the page arrived, which need not be the order in which their handlers begin.

An event arrives when the server takes its request: on a busy machine one that is queued may begin long after one that was
pressed for later and is not.
"""

from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from itertools import count
from typing import Any

ARRIVAL = "lab.arrival"  # in the scope of a request

_counter = count(1)
_arrival: ContextVar[int] = ContextVar("arrival")


def stamp(scope: MutableMapping[str, Any]) -> None:
    """Number a request that the server has taken, in its ASGI `scope`."""
    scope[ARRIVAL] = next(_counter)


def arrives(scope: Mapping[str, Any] | None = None) -> None:
    """Number the event that is handled in this context, and in the threads that it is handed to: as its request's `scope` says,
    and where none does, anew."""
    _arrival.set((scope or {}).get(ARRIVAL) or next(_counter))


def arrival() -> int:
    """The number of the event that is handled here, larger for later ones; of what is called by no page, a new one."""
    return _arrival.get(None) or next(_counter)
