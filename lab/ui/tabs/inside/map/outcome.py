"""What has come of a run of the map."""

from dataclasses import dataclass, field

import numpy as np

from lab.requests.base import Event
from lab.requests.latent_map import NETWORKS, MapDraws, MapPictures, MapPlane, MapPoint, MapRequest


@dataclass
class Outcome:
    """The events of a run as they have come, by network."""

    request: MapRequest
    data: MapPictures | None = None
    planes: dict[str, MapPlane] = field(default_factory=dict)
    points: dict[str, MapPoint] = field(default_factory=dict)
    draws: dict[str, MapDraws] = field(default_factory=dict)
    packed: dict[str, str] = field(
        default_factory=dict
    )  # pictures as the page takes them, packed once for all its paintings

    def add(self, event: Event) -> None:
        """As room.Outcome.add."""
        if isinstance(event, MapPictures):
            self.data = event
        elif isinstance(event, MapPlane):
            self.planes[event.network] = event
        elif isinstance(event, MapPoint):
            self.points[event.network] = event
        elif isinstance(event, MapDraws):
            self.draws[event.network] = event

    @property
    def begun(self) -> bool:
        """As room.Outcome.begun: once both planes are there."""
        return self.data is not None and len(self.planes) == len(NETWORKS)

    def ways(self) -> list[tuple[int, int]]:
        """As room.Outcome.ways: a plane and its draws are a step each."""
        return [(len(self.planes) + len(self.draws), 2 * len(NETWORKS))]

    @property
    def whole(self) -> bool:
        """Whether all has come."""
        return len(self.draws) == len(NETWORKS)


def spread(plane: MapPlane) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the codes in a plane, (2,) each."""
    return plane.mean.mean(0), plane.mean.std(0)
