"""Which events of a run have come, so that the rest can be made again elsewhere and nothing comes twice."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import replace
from typing import Any

from lab.requests.base import Event, Key, Request, Rest, Waiting


class Recovery:
    """The book of one run. A picture depends on its lane's settings alone, so a lane can be begun again anywhere."""

    def __init__(self, request: Request) -> None:
        self._request, self._rest = request, Rest(request)
        self._keys: set[Key] = set()  # of the events that have come
        self._order = Counter[tuple[type, int | None]]()  # events without a key, by type and lane, of this beginning
        self._start_s = self._last_s = 0.0

    @property
    def ended(self) -> bool:
        """Whether nothing is left to be asked for."""
        return self._request.rest(self._keys) is None

    def remaining(self) -> Request:
        """What must still be asked for; its events are the next that `fresh` is given."""
        self._start_s = self._last_s
        self._order.clear()
        self._rest = self._request.rest(self._keys) or Rest(self._request)
        return self._rest.request

    def fresh(self, event: Event) -> Event | None:
        """The event as the page should see it; None where it has come before."""
        if isinstance(event, Waiting):
            return event
        event = self._in_the_whole_run(event)
        key = type(event), self._key(event)
        if key in self._keys:
            return None
        self._keys.add(key)
        return event

    def _in_the_whole_run(self, event: Event) -> Event:
        """The event with the lane of the original request, and on the clock of its first beginning."""
        changes: dict[str, Any] = {}
        if (lane := getattr(event, "lane", None)) is not None:
            changes["lane"] = self._rest.whole_lane(lane)
        if (elapsed_s := getattr(event, "elapsed_s", None)) is not None:
            changes["elapsed_s"] = elapsed_s + self._start_s
            self._last_s = max(self._last_s, changes["elapsed_s"])
        return replace(event, **changes) if changes else event

    def _key(self, event: Event) -> Hashable:
        if event.key is not None:
            return event.key
        alike = type(event), getattr(event, "lane", None)
        self._order[alike] += 1
        return "order", alike, self._order[alike]
