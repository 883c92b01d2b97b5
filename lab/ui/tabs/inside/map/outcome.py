"""What has come of a run of the map."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lab.requests.base import Event
from lab.requests.latent_map import NETWORKS, MapDraws, MapPictures, MapPlane, MapPoint, MapRequest

WELL = 0.25  # of the pictures, those with the smallest errors


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


def ends(planes: Sequence[MapPlane], label: np.ndarray) -> tuple[int, int]:
    """Two training pictures to walk between: of different `label` (n,), reconstructed better than most by every network, their codes
    within what is shown and as far apart as can be (in the plane where they are nearer, measured by its size)."""
    known = np.all([plane.rms <= np.quantile(plane.rms, WELL) for plane in planes], axis=0)
    shown = np.all([np.abs(plane.mean - plane.box[:2]).max(1) <= plane.box[2] for plane in planes], axis=0)
    places = np.flatnonzero(known & shown)
    if len(set(label[places])) < 2:
        return 0, len(label) // 2
    codes = [plane.mean[places] / plane.box[2] for plane in planes]
    apart = np.min([np.hypot(*(code[:, None] - code).transpose(2, 0, 1)) for code in codes], axis=0)
    apart[label[places][:, None] == label[places]] = -1
    first, second = np.unravel_index(apart.argmax(), apart.shape)
    return int(places[first]), int(places[second])


def spread(plane: MapPlane) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the codes in a plane, (2,) each."""
    return plane.mean.mean(0), plane.mean.std(0)
