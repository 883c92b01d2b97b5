"""What has come of a run of unCLIP, whichever room asked for it."""

from dataclasses import dataclass, field

import numpy as np

from lab.requests.base import Event
from lab.requests.sampling import LaneResult, Step
from lab.requests.unclip import Embedded, InvertedPicture, Judged, JudgedPicture, PriorStep, UnclipRequest


@dataclass
class Outcome:
    """A run as it comes: embeddings by their index, what inversion made of pictures and what the judge says of them by theirs, and of
    each lane its latest step, its result and what the judge says."""

    request: UnclipRequest
    embedded: dict[int, Embedded] = field(default_factory=dict)
    prior_steps: dict[tuple[int, int], list[PriorStep]] = field(default_factory=dict)  # by embedding and candidate
    inverted: dict[int, InvertedPicture] = field(default_factory=dict)
    steps: dict[int, Step] = field(default_factory=dict)
    results: dict[int, LaneResult] = field(default_factory=dict)
    judged: dict[int, Judged] = field(default_factory=dict)
    judged_pictures: dict[int, JudgedPicture] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        """Take what tells of the run."""
        match event:
            case Embedded():
                self.embedded[event.index] = event
            case PriorStep():
                self.prior_steps.setdefault((event.index, event.candidate), []).append(event)
            case InvertedPicture():
                self.inverted[event.index] = event
            case Step():
                self.steps[event.lane] = event
            case LaneResult():
                self.results[event.lane] = event
            case Judged():
                self.judged[event.lane] = event
            case JudgedPicture():
                self.judged_pictures[event.index] = event

    @property
    def begun(self) -> bool:
        """Whether there is something to show."""
        return bool(self.embedded or self.prior_steps or self.inverted or self.steps)

    @property
    def whole(self) -> bool:
        """Whether every lane has its picture."""
        return len(self.results) == len(self.request.lanes)

    def ways(self) -> list[tuple[int, int]]:
        """How far each lane is; none before the first step of one."""
        steps = self.steps
        return (
            [
                (steps[lane].i, steps[lane].n) if lane in steps else (0, settings.steps)
                for lane, settings in enumerate(self.request.lanes)
            ]
            if steps
            else []
        )

    def picture(self, lane: int) -> np.ndarray | None:
        """A lane's picture, (height, width, 3) uint8; while it is drawn, what it predicts; None before that."""
        if lane in self.results:
            return self.results[lane].picture
        return self.steps[lane].x_0 if lane in self.steps else None

    def embedding(self, lane: int) -> Embedded | None:
        """The embedding that a lane draws from; None where it is told none, or before it is there."""
        index = self.request.lanes[lane].embedding
        return None if index is None else self.embedded.get(index)

    def doing(self) -> str:
        """What is under way, in words."""
        if self.steps:
            return f"{len(self.results)} of {len(self.request.lanes)} pictures …"
        if len(self.embedded) < len(self.request.embeddings):
            return "The prior draws embeddings …" if self.prior_steps else "Finding embeddings …"
        return "Inverting the picture …" if len(self.inverted) < len(self.request.inverted) else "Drawing …"
