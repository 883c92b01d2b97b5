"""What of a run has been seen, so that the rest can be made again elsewhere and nothing comes twice."""

from dataclasses import replace

from lab.capsule import Anatomy, Event, LaneResult, Note, Request, SamplingRequest, Step, Waiting


class Recovery:
    """The book of one run. A picture depends on its lane's settings alone, so a lane can be begun again anywhere."""

    def __init__(self, request: Request) -> None:
        self._request, self._lanes = request, list[int]()  # of the remaining request: lane -> the original's lane
        self._steps: dict[int, int] = {}  # lane -> the last i
        self._results: set[int] = set()
        self._once: set[object] = set()
        self._began_s = self._last_s = 0.0
        self.ended = False

    def remaining(self) -> Request:
        """What must still be asked for: the lanes without a result; all, where lanes lean on each other."""
        self._began_s = self._last_s
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
        if isinstance(event, Step | LaneResult):
            lane = self._lanes[event.lane] if self._lanes and event.lane >= 0 else event.lane
            event = replace(event, lane=lane, elapsed_s=event.elapsed_s + self._began_s)
            self._last_s = max(self._last_s, event.elapsed_s)
        if isinstance(event, LaneResult):
            seen = event.lane in self._results
            self._results.add(event.lane)
            wanted = len(self._request.lanes) if isinstance(self._request, SamplingRequest) else 0
            self.ended = len(self._results) >= wanted * (2 if getattr(self._request, "versus", None) else 1)
            return None if seen else event
        if isinstance(event, Step):
            if event.i <= self._steps.get(event.lane, -1):
                return None
            self._steps[event.lane] = event.i
            return event
        key = (type(event), event.i if isinstance(event, Anatomy) else None)
        if key in self._once:
            return None
        self._once.add(key)
        return event
