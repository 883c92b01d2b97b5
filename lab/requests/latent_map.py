"""Two latents as a plane: the codes that an autoencoder and a variational one give the same pictures, and what lies between them."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lab.requests.base import Event, Load, Request
from lab.requests.fields import Picture

MAP = "map"  # the row of HELPERS
NETWORKS = {"ae": "Autoencoder", "vae": "Variational autoencoder"}  # in their order on the page
MEMBERS = {"ae": "ae", "vae": "1"}  # of the family, behind the name of the pictures
PICTURES = {"drawings": "Drawings", "shapes": "Shapes"}
GRID = 17  # decoded pictures along each side of a plane
DRAWS = 256  # codes of each kind whose decoded pictures are compared with the training pictures
NEAR = 0.9  # of the network's own reconstructions, this share counts as near a training picture
SIDE = 32  # pixels


def member(pictures: str, network: str) -> str:
    """The name in the family of a network ("ae", "vae") of these pictures: "drawings-1"."""
    return f"{pictures}-{MEMBERS[network]}"


class MapRequest(Request):
    """Both planes of the codes of `pictures`, and where a picture of one's own lands in them."""

    pictures: Literal["drawings", "shapes"] = "drawings"
    picture: Picture | None = None

    def load(self) -> Load:
        """As Request.load: all pictures go through each network once."""
        return Load(steps=len(NETWORKS))

    def models(self) -> tuple[str, ...]:
        """As Request.models."""
        return (MAP,)

    def public(self) -> bool:
        """As Request.public."""
        return self.picture is None


@dataclass(frozen=True)
class MapPictures(Event):
    """The n training pictures, (n, SIDE, SIDE, 3) uint8; of each its title, and its group (or form) as an index into `labels`."""

    pixels: np.ndarray
    titles: tuple[str, ...]
    labels: tuple[str, ...]
    label: np.ndarray  # (n,) int

    @property
    def key(self) -> Hashable:
        """As Event.key: a run has one."""
        return ()


@dataclass(frozen=True)
class MapPlane(Event):
    """The codes of the training pictures in a network's plane, means and deviations (n, 2), the latter 0 where a code is one point.

    `box` is the part of the plane that is shown, a square: its middle (x, y) and half its side. `grid` are pictures decoded
    at the middles of GRID x GRID cells of it, (GRID SIDE, GRID SIDE, 3) uint8, y upwards, and `far` (GRID, GRID) the distance of each to the
    training picture nearest to it. Distances are root mean squares over pixels and colours, in grey levels of 255. `rms` (n,) is that
    of each training picture to its reconstruction, and `kl` (n,) the KL divergence of its posterior from N(0, I) in nats; None
    where there is no posterior.
    """

    network: str
    mean: np.ndarray
    std: np.ndarray
    box: tuple[float, float, float]
    grid: np.ndarray
    far: np.ndarray
    rms: np.ndarray
    kl: np.ndarray | None

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.network


@dataclass(frozen=True)
class MapPoint(Event):
    """One's own picture in a network's plane: at the network's size, its code and deviation (2,), its reconstruction, (SIDE, SIDE, 3)
    uint8, and numbers as MapPlane's."""

    network: str
    picture: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    decoded: np.ndarray
    rms: float
    kl: float | None

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.network


@dataclass(frozen=True)
class MapDraws(Event):
    """How far decoded codes are from the training picture nearest to each, as MapPlane's `far`: of draws from N(0, I) `prior` (DRAWS,), of
    draws from the Gaussian with the codes' mean and covariance `fitted` (DRAWS,), and of reconstructions `known`, (at most DRAWS,).

    `codes` (DRAWS, 2) are the draws from N(0, I). What is at most as far as the share NEAR of `known` counts as near: `threshold`.
    """

    network: str
    codes: np.ndarray
    prior: np.ndarray
    fitted: np.ndarray
    known: np.ndarray

    @property
    def threshold(self) -> float:
        """In grey levels of 255."""
        return float(np.quantile(self.known, NEAR))

    def share(self, distances: np.ndarray) -> float:
        """How many of the pictures at these distances are near a training picture, 0 to 1."""
        return float((distances <= self.threshold).mean())

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.network
