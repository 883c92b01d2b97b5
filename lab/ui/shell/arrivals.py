"""The order in which events of the page arrived, which need not be the order in which their handlers begin."""

from contextvars import ContextVar
from itertools import count

_counter = count(1)
_arrival: ContextVar[int] = ContextVar("arrival")


def arrives() -> None:
    """Number the event that is handled in this context, and in the threads that it is handed to."""
    _arrival.set(next(_counter))


def arrival() -> int:
    """The number of the event that is handled here, larger for later ones; of what is called by no page, a new one."""
    return _arrival.get(None) or next(_counter)
