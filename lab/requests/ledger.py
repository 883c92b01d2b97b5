"""What a picture costs under a diffusion model: its bill term by term, one term opened, a second opinion, many bills."""

from collections.abc import Hashable, Set
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from lab.catalog import MODELS
from lab.requests.base import NOTHING, Event, Key, Load, Request, Rest
from lab.requests.fields import ModelName, Picture, ScheduleName, Seed, name_in

VARIANCES = {  # of the reverse step, and what they are called
    "learned": "learned",
    "small": "fixed, β̃ (small)",
    "large": "fixed, β (large)",
    "exact": "exact mixture",
}
KINDS = {  # of the pictures whose bills are compared, in their order
    "training": "training",
    "held-out": "held out",
    "drawn": "drawn by the model",
    "photograph": "photograph",
    "styled": "photograph in the set's manner",
    "noise": "noise",
    "own": "your own",
}
DRAWN_STEPS = 20  # of DDIM, for the pictures that the model draws itself
MOST_EACH = 6  # pictures of a kind: as many photographs are shipped

Calls = Annotated[int, Field(ge=2, le=1000)]


class LedgerRequest(Request):
    """The terms of the variational bound on -log2 p(picture) (Ho et al. 2020, eq. 5), in `calls` reverse steps.

    The picture is brought to the model's size. x_t is one path of the forward process, drawn from `seed`: the same for every
    model, so that bills differ by what the model says of it. `frames` terms come with pictures, half of them
    evenly spaced and the others ever closer towards the picture, both ends among them. Models work on pixels: a latent's bits are not the picture's.
    """

    picture: Picture
    model: ModelName = "pixel"
    schedule: ScheduleName = "cosine"
    calls: Calls = 100
    seed: Seed = 0
    frames: Annotated[int, Field(ge=0, le=100)] = 40
    shipped: bool = False  # the picture is the lab's own

    def public(self) -> bool:
        """As Request.public: the bill of an example is made once for a class."""
        return self.shipped

    def load(self) -> Load:
        """As Request.load: one call a term."""
        return Load(1, self.calls)

    def models(self) -> tuple[str, ...]:
        """As Request.models."""
        return (self.model,)

    def rest(self, events: Set[Key]) -> Rest | None:
        """As Request.rest: nothing once all terms have come."""
        return None if sum(kind is LedgerTerm for kind, _ in events) == self.calls else Rest(self)


@dataclass(frozen=True)
class LedgerPrior(Event):
    """What a bill begins with: L_T, and the picture that it is of."""

    bits: float  # L_T, of the whole picture
    dimensions: int  # values of the picture: divide bits by it for bits per dimension
    picture: np.ndarray  # (height, width, 3) uint8: x_0 as the model has it
    pictures: int  # N of an exact model's set, else 0
    known: bool  # x_0 is in that set

    @property
    def key(self) -> Hashable:
        """As Event.key: a run has one."""
        return ()


@dataclass(frozen=True)
class LedgerTerm(Event):
    """L_{t-1}, or L_0 where i == n - 1, in bits of the whole picture. Terms may come a little out of order.

    Pictures are (height, width, 3) uint8, values clipped for display; None where the term is no frame.
    """

    i: int  # 0 .. n - 1; 0 is the noisiest
    n: int
    t: float  # timestep that the network is asked about
    log_snr: float  # of x_t
    bits: dict[str, float]  # by variance; inf where an exact model's set does not hold the picture
    rms: float  # between x_0 and its guess from x_t, in grey levels of 255
    x_t: np.ndarray | None
    x_0: np.ndarray | None  # the guess

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.i


class StepRequest(Request):
    """One reverse step of a bill opened: q(x_{t-1} | x_t, x_0) beside p(x_{t-1} | x_t) under one variance."""

    ledger: LedgerRequest
    i: Annotated[int, Field(ge=0, le=999)] = 0
    variance: Annotated[str, name_in(VARIANCES, "variance")] = "small"

    @model_validator(mode="after")
    def _term_is_there(self) -> "StepRequest":
        if self.i >= self.ledger.calls:
            raise ValueError(f"term {self.i + 1} is beyond the last one of {self.ledger.calls} calls")
        return self

    def models(self) -> tuple[str, ...]:
        """As Request.models."""
        return self.ledger.models()


@dataclass(frozen=True)
class OpenedStep(Event):
    """Both sides of one reverse step. Pictures are (height, width, 3) uint8, values clipped for display."""

    i: int
    t: float
    log_snr: float
    x_t: np.ndarray
    guess: np.ndarray  # x_0 from x_t
    mean: np.ndarray  # of q(x_{t-1} | x_t, x_0)
    predicted_mean: np.ndarray  # of p(x_{t-1} | x_t)
    variance: float  # tilde-beta, of q; of the next term where i is the last: at t = 0 it is 0
    predicted_variance: tuple[float, float, float]  # least, mean, most over all values
    variance_map: np.ndarray  # (height, width) uint8: predicted variance, mean of the colours; 255 is its most
    kl_map: np.ndarray  # (height, width) uint8: bits of a pixel, all its colours together; 255 is `most_bits`
    most_bits: float
    bits: float  # of the whole picture

    @property
    def key(self) -> Hashable:
        """As Event.key: a run has one."""
        return ()


class LikelihoodRequest(Request):
    """A second opinion on a picture's bits: its density by the probability-flow ODE (Song et al. 2021, section 4.3) in `steps`
    steps of Heun, for the 8-bit picture with uniform dequantisation drawn from `seed`."""

    picture: Picture
    model: ModelName = "pixel"
    seed: Seed = 0
    steps: Annotated[int, Field(ge=2, le=200)] = 40

    def load(self) -> Load:
        """As Request.load: two calls a step, each as much as three for its gradient."""
        return Load(1, 6 * self.steps)

    def models(self) -> tuple[str, ...]:
        """As Request.models."""
        return (self.model,)

    def rest(self, events: Set[Key]) -> Rest | None:
        """As Request.rest: nothing once the result has come."""
        return None if (Likelihood, ()) in events else Rest(self)


@dataclass(frozen=True)
class Likelihood(Event):
    """-log2 p of the 8-bit picture by the ODE's density."""

    bits: float  # of the whole picture
    bits_per_dimension: float
    steps: int

    @property
    def key(self) -> Hashable:
        """As Event.key: a run has one."""
        return ()


class BillsRequest(Request):
    """The whole bills of pictures of several KINDS, `each` of a kind, and of `own` where there is one. Those that the model
    draws, those of its set and the noise come from `seed`; an exact model draws its training pictures, so it has none."""

    model: ModelName = "pixel"
    schedule: ScheduleName = "cosine"
    calls: Calls = 25
    seed: Seed = 0
    each: Annotated[int, Field(ge=1, le=MOST_EACH)] = 2
    own: Picture | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of each bill, in their order."""
        several = [
            kind for kind in KINDS if kind != "own" and (kind != "drawn" or MODELS[self.model].family != "exact")
        ]
        own = () if self.own is None else ("own",)
        return (*(kind for kind in several for _ in range(self.each)), *own)

    def load(self) -> Load:
        """As Request.load: one call a term, and those that draw."""
        drawn = self.kinds.count("drawn")
        return Load(len(self.kinds), len(self.kinds) * self.calls + drawn * DRAWN_STEPS)

    def models(self) -> tuple[str, ...]:
        """As Request.models."""
        return (self.model,)

    def rest(self, events: Set[Key]) -> Rest | None:
        """As Request.rest: nothing once all bills have come."""
        return None if sum(kind is Bill for kind, _ in events) == len(self.kinds) else Rest(self)


@dataclass(frozen=True)
class Bill(Event):
    """The whole bill of one picture, L_T included."""

    index: int  # into BillsRequest.kinds
    kind: str
    title: str
    picture: np.ndarray  # (height, width, 3) uint8: x_0 as the model has it
    bits: dict[str, float]  # of the whole picture, by variance
    bits_per_dimension: dict[str, float]

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.index


class SourceRequest(Request):
    """One picture of a kind of KINDS, chosen by `seed`; those that are "drawn" are the `model`'s."""

    kind: Annotated[str, name_in(KINDS, "kind of picture")]
    model: ModelName = "pixel"
    seed: Seed = 0

    @model_validator(mode="after")
    def _is_the_labs(self) -> "SourceRequest":
        if self.kind == "own":
            raise ValueError("a picture of your own is not the lab's to choose")
        return self

    def load(self) -> Load:
        """As Request.load: nothing is computed but for a picture that is drawn."""
        return Load(1, DRAWN_STEPS) if self.kind == "drawn" else NOTHING

    def models(self) -> tuple[str, ...]:
        """As Request.models: of a picture that is drawn, what draws it."""
        return (self.model,) if self.kind == "drawn" else ()


@dataclass(frozen=True)
class Source(Event):
    """A picture and what it is; (height, width, 3) uint8."""

    picture: np.ndarray
    title: str

    @property
    def key(self) -> Hashable:
        """As Event.key: a run has one."""
        return ()
