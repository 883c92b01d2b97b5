"""What of a run has been seen, so that the rest can be made again elsewhere and nothing comes twice."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import replace
from typing import Any

from lab.requests.base import Event, Note, Request, Waiting
from lab.requests.sampling import LaneResult, SamplingRequest


class Recovery:
    """The book of one run. A picture depends on its lane's settings alone, so a lane can be begun again anywhere."""

    def __init__(self, request: Request) -> None:
        self._request, self._lanes = request, list[int]()  # of the remaining request: lane -> the original's lane
        self._seen: set[tuple[type, Hashable]] = set()
        self._order = Counter[
            tuple[type, int | None]
        ]()  # events without a key, of each type and lane, since it last began
        self._results: set[int] = set()
        self._began_s = self._last_s = 0.0
        self.ended = False

    def remaining(self) -> Request:
        """What must still be asked for: the lanes without a result; all, where lanes lean on each other."""
        self._began_s = self._last_s
        self._order.clear()
        request = self._request
        self._lanes = []
        if not isinstance(request, SamplingRequest) or request.versus or request.reference_steps:
            return request
        self._lanes = [lane for lane in range(len(request.lanes)) if lane not in self._results]
        return request.model_copy(update={"lanes": tuple(request.lanes[lane] for lane in self._lanes)})

    def fresh(self, event: Event) -> Event | None:
        """The event as the page should see it; None where it has been seen."""
        if isinstance(event, Note | Waiting):
            return event
        event = self._in_the_whole_run(event)
        key = type(event), self._key(event)
        if key in self._seen:
            return None
        self._seen.add(key)
        if isinstance(event, LaneResult):
            self._results.add(event.lane)
            wanted = len(self._request.lanes) if isinstance(self._request, SamplingRequest) else 0
            self.ended = len(self._results) >= wanted * (2 if getattr(self._request, "versus", None) else 1)
        return event

    def _in_the_whole_run(self, event: Event) -> Event:
        """The event with the lane of the original request, and on the clock of its first beginning."""
        changes: dict[str, Any] = {}
        if (lane := getattr(event, "lane", None)) is not None and self._lanes and lane >= 0:
            changes["lane"] = self._lanes[lane]
        if (elapsed_s := getattr(event, "elapsed_s", None)) is not None:
            changes["elapsed_s"] = elapsed_s + self._began_s
            self._last_s = max(self._last_s, changes["elapsed_s"])
        return replace(event, **changes) if changes else event

    def _key(self, event: Event) -> Hashable:
        if event.key is not None:
            return event.key
        alike = type(event), getattr(event, "lane", None)
        self._order[alike] += 1
        return "order", alike, self._order[alike]
