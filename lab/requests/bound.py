"""The evidence lower bound of one picture under a small variational autoencoder, and what lies between it and log p(x)."""

from collections.abc import Hashable, Mapping, Set
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from lab.requests.base import Event, Key, Load, Request, Rest
from lab.requests.fields import Picture, Seed

BETAS = (0, 1, 2, 4, 8, 16)
MEMBERS: Mapping[
    str, Mapping[str, tuple[int, ...]]
] = {  # of each family's row of HELPERS: the pictures that its networks learned, and their betas
    "beta-drawings": {"drawings": BETAS},
    "beta-shapes": {"shapes": BETAS},
    "map": {"drawings": (1,), "shapes": (1,)},
}
COUNTS = (1, 10, 100, 1000, 5000)  # K: each divides the next, so that the bounds of the same draws do not fall
BATCH = 500  # draws that are decoded together
DIFFUSION = "pixel"  # the model whose bound stands beside
SIDE = 32


class BoundRequest(Request):
    """ELBO = E_q[log p(x | z)] - KL(q(z | x) || p(z)) of a picture (Kingma & Welling 2013, eq. 3), and the importance-weighted bound
    L_K (Burda et al. 2015, eq. 8).

    The network is that of `family` which learned `pictures` under `beta`. The picture is brought to 32 px; without one it is number
    `number` of those that the family learned or kept from it, counted round. `draws` codes make up the reconstruction. L_K is
    estimated for each of COUNTS up to `most`, from `repeats` times so many draws. With `calls` the variational bound of the
    miniature pixel diffusion (Ho et al. 2020, eq. 5) is computed beside it, in so many steps of the cosine schedule.
    """

    family: Literal["beta-drawings", "beta-shapes", "map"] = "beta-drawings"
    pictures: Literal["drawings", "shapes"] = "drawings"
    beta: Annotated[float, Field(ge=0, le=16)] = 1
    picture: Picture | None = None
    number: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    draws: Annotated[int, Field(ge=1, le=1000)] = 200
    most: Literal[10, 100, 1000, 5000] = 5000
    repeats: Annotated[int, Field(ge=2, le=20)] = 8
    calls: Annotated[int, Field(ge=0, le=1000)] = 50
    seed: Seed = 0

    @model_validator(mode="after")
    def _is_there(self) -> "BoundRequest":
        betas = MEMBERS[self.family].get(self.pictures)
        if betas is None:
            raise ValueError(f"this family learned {' and '.join(MEMBERS[self.family])}; choose one of these")
        if self.beta not in betas:
            listed = ", ".join(map(str, betas))
            raise ValueError(f"no network of this family was trained under beta {self.beta:g}; choose one of {listed}")
        if self.calls == 1:
            raise ValueError(
                "a chain has 2 steps at least; take 2 calls or more, or 0 to leave the diffusion model out"
            )
        return self

    @property
    def member(self) -> str:
        """The network's name in its family."""
        return f"{self.pictures}-{self.beta:g}"

    @property
    def counts(self) -> tuple[int, ...]:
        """Each K whose bound is estimated."""
        return tuple(count for count in COUNTS if count <= self.most)

    @property
    def batches(self) -> int:
        """How often so many codes as BATCH, or fewer, are decoded for the weights."""
        return -(-self.most * self.repeats // BATCH)

    def load(self) -> Load:
        """As Request.load: one picture, a step a batch or call."""
        return Load(1, self.batches + self.calls)

    def models(self) -> tuple[str, ...]:
        """As Request.models."""
        return (self.family, *([DIFFUSION] if self.calls else []))

    def public(self) -> bool:
        """As Request.public: what has no picture of a visitor."""
        return self.picture is None

    def rest(self, events: Set[Key]) -> Rest | None:
        """As Request.rest: nothing once the last event has come."""
        last = (DiffusionBound, ()) if self.calls else (BoundWeights, self.batches - 1)
        return None if last in events else Rest(self)


@dataclass(frozen=True)
class BoundTerms(Event):
    """The two terms of the ELBO in nats. `reconstruction` (side, side) is the mean over draws, summed over the three values of a pixel;
    `kl`, `mean` and `std` are (latents,), of q(z | x). Pictures are (side, side, 3) uint8; `decoded` is of the mean."""

    picture: np.ndarray
    decoded: np.ndarray
    reconstruction: np.ndarray
    kl: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    scale: float  # of the likelihood N(decode(z), scale^2 I)
    title: str  # of a picture of the set; "" of another
    held_out: bool = False  # a picture of the set that the network did not learn

    @property
    def key(self) -> Hashable:
        """As Event.key: a run has one."""
        return ()

    @property
    def dimensions(self) -> int:
        """Values of the picture."""
        return self.picture.size


@dataclass(frozen=True)
class BoundWeights(Event):
    """log p(x, z) / q(z | x) of some draws, (draws,) float64 in nats, batch `i` of n; and what all draws up to them say.

    `bounds` (counts, 3): for each K of the request's `counts` the mean of L_K over the groups of K draws that are whole, and the values
    below which 5 % and 95 % of them lie; NaN where none is. `effective` draws of equal weight would say as much as the latest
    `most` of them.
    """

    i: int
    n: int
    log_weights: np.ndarray
    bounds: np.ndarray
    effective: float

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.i


@dataclass(frozen=True)
class DiffusionBound(Event):
    """The variational bound of the same picture under a diffusion model, in bits of its bytes: L_T, each KL divergence from the
    noisiest on, and L_0."""

    prior: float
    divergences: tuple[float, ...]
    reconstruction: float
    variance: str  # of the reverse step, a key of lab.requests.ledger.VARIANCES

    @property
    def key(self) -> Hashable:
        """As Event.key: a run has one."""
        return ()
