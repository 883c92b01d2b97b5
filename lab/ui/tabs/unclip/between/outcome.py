"""What has come of a run of the room, and what is measured of it."""

import secrets
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np

from lab.measures import rms
from lab.ui.shell import media
from lab.ui.tabs.unclip.between import plans
from lab.ui.tabs.unclip.between.plans import Place
from lab.ui.tabs.unclip.outcome import Outcome as Shared


@dataclass
class Outcome(Shared):
    """A run as it comes. `key` is its own: by it the page knows that a film has played."""

    key: str = field(default_factory=lambda: secrets.token_hex(4))

    @cached_property
    def experiment(self) -> str:
        """Which one it is."""
        return plans.experiment(self.request)

    @cached_property
    def places(self) -> list[Place]:
        """Where its pictures lie, by lane."""
        return plans.places_of(self.request)

    @cached_property
    def corners(self) -> list[int]:
        """The lane of each of the request's pictures alone."""
        return plans.corners(self.places)

    def to_corner(self, lane: int, picture: int) -> float | None:
        """The cosine of a lane's embedding to that of one of the request's pictures; None where one is not there."""
        there = self.embedded.get(lane), self.embedded.get(self.corners[picture])
        if there[0] is None or there[1] is None:
            return None
        a, b = there[0].vector, there[1].vector
        return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))

    def by_judge(self, lane: int, picture: int) -> float | None:
        """The judge's cosine of a lane's drawn picture to one of the request's."""
        judged = self.judged.get(lane)
        return None if judged is None else judged.to_pictures[picture]

    def exposure(self, lane: int) -> np.ndarray | None:
        """The pictures that are drawn at the corners, mixed by a lane's weights, (height, width, 3); None where one is not there."""
        drawn = [self.results[corner].picture for corner in self.corners if corner in self.results]
        if len(drawn) < len(self.corners):
            return None
        return np.average(np.stack(drawn), axis=0, weights=self.places[lane].weights)

    def off_exposure(self, lane: int) -> float | None:
        """RMS in grey levels from a lane's picture to the mixture of those that are drawn at the corners."""
        exposure, drawn = self.exposure(lane), self.results.get(lane)
        return None if exposure is None or drawn is None else rms(drawn.picture, exposure)

    @property
    def changes(self) -> list[float | None]:
        """Of a film, RMS in grey levels from each frame to the next."""
        drawn = [self.results.get(lane) for lane in range(len(self.places))]
        return [None if a is None or b is None else rms(a.picture, b.picture) for a, b in pairwise(drawn)]

    @property
    def mixed_changes(self) -> list[float | None]:
        """As `changes`, of the mixture of the two ends: the same everywhere."""
        first, last = (self.results.get(corner) for corner in self.corners[:2])
        steps = len(self.places) - 1
        return [None if first is None or last is None else rms(first.picture, last.picture) / steps] * steps

    @cached_property
    def originals(self) -> list[str]:
        """The request's pictures for the page."""
        return [media.smooth_uri(media.shrunk(one, 256)) for one in self.request.pictures]
