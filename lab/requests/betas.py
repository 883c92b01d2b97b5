"""One family of autoencoders from beta 0 to 16 (Higgins et al. 2017): what is asked of it, and what comes back, a column a beta."""

from collections.abc import Hashable, Mapping, Set
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from lab.requests.base import Event, Key, Load, Request, Rest
from lab.requests.bound import BETAS
from lab.requests.fields import Picture, Seed

LIVING = 0.01  # nats: a latent with a smaller mean KL divergence is dead
VALUES = (
    -1.8,
    -1.2,
    -0.6,
    0.0,
    0.6,
    1.2,
    1.8,
)  # of the latent that a traversal changes: nine tenths of N(0, 1) lie between
DRAWS = 16  # codes from q(z | x) over which the distortion of a picture that is shown is averaged
SIDE = 32  # pixels of the pictures that the networks take
LATENTS = {"drawings": 32, "shapes": 10}  # of each family that is shipped


class BetaRequest(Request):
    """What each network of a family makes of the same pictures, and of the same codes from the prior.

    `picture`, of any size, is a visitor's own, and stands before `count` of the family's pictures, which `seed` chooses; it seeds the
    codes, too. A network measures its rate and distortion over the drawings that none has learned, or over all shapes.
    """

    pictures: Literal["drawings", "shapes"] = "drawings"
    picture: Picture | None = None
    seed: Seed = 0
    count: Annotated[int, Field(ge=1, le=8)] = 5

    @property
    def family(self) -> str:
        """The row of HELPERS that is leased."""
        return f"beta-{self.pictures}"

    @property
    def shown(self) -> int:
        """How many pictures a column has, and how many samples."""
        return self.count + (self.picture is not None)

    @property
    def start(self) -> int:
        """Which picture of a column a traversal begins with: a visitor's own drawing, or the first shape, since what is no shape
        has no code that was learned."""
        return int(self.picture is not None and self.pictures == "shapes")

    def load(self) -> Load:
        """As Request.load: a step a network."""
        return Load(steps=len(BETAS))

    def models(self) -> tuple[str, ...]:
        """As Request.models."""
        return (self.family,)

    def public(self) -> bool:
        """As Request.public: what has no picture of a visitor."""
        return self.picture is None

    def rest(self, events: Set[Key]) -> Rest | None:
        """As Request.rest: nothing once all networks are measured."""
        return None if len([key for key in events if key[0] is BetaMeasures]) == len(BETAS) else Rest(self)


@dataclass(frozen=True)
class BetaSet(Event):
    """What all columns share: the pictures (n, SIDE, SIDE, 3) uint8 with their titles, "" for a visitor's own; how many pictures are
    `measured`; the MIG of each seed by beta, and the entropy of each known factor in nats by its title, both empty for drawings."""

    pictures: np.ndarray
    titles: tuple[str, ...]
    measured: int
    gaps: Mapping[float, tuple[float, ...]]
    entropies: Mapping[str, float]

    @property
    def key(self) -> Hashable:
        """As Event.key: a run has one."""
        return ()


@dataclass(frozen=True)
class BetaColumn(Event):
    """What one network makes of the pictures that are shown, and what they cost under it.

    `reconstructions` are decoded from the posterior's mean, `samples` from the prior's codes, (n, SIDE, SIDE, 3) uint8. Of each
    picture: `means` and `kl` in nats (n, latents), `distortions` in nats and `rms` in grey levels of 255, (n,). A distortion is
    E_q |x - decode(z)|^2 / (2 scale^2), the negative log-likelihood without its constant.
    """

    beta: float
    reconstructions: np.ndarray
    samples: np.ndarray
    means: np.ndarray
    kl: np.ndarray
    distortions: np.ndarray
    rms: np.ndarray

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.beta

    @property
    def rates(self) -> np.ndarray:
        """KL(q(z | x) || p(z)) of each picture, (n,) in nats."""
        return self.kl.sum(1)


@dataclass(frozen=True)
class BetaMeasures(Event):
    """One network over all that is measured: `kl` (latents,) and `distortion`, means in nats, and the RMS that goes with it.

    `information` is I(z_j; v_k) in nats, (latents, factors), and `gap` its MIG, None where no factors are known. `traversal` is a
    row for each living latent in the order of `order`, (rows, VALUES, SIDE, SIDE, 3) uint8: the start picture's mean but for that
    latent.
    """

    beta: float
    kl: np.ndarray
    distortion: float
    rms: float
    traversal: np.ndarray
    information: np.ndarray | None = None
    gap: float | None = None

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.beta

    @property
    def rate(self) -> float:
        """The mean of KL(q(z | x) || p(z)), in nats."""
        return float(self.kl.sum())

    @property
    def order(self) -> np.ndarray:
        """The latents, the one with the greatest mean KL divergence first."""
        return np.argsort(-self.kl, kind="stable")

    @property
    def living(self) -> int:
        """How many latents have a mean KL divergence above LIVING."""
        return int((self.kl > LIVING).sum())
