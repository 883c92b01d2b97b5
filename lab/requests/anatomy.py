"""Guidance taken apart: the request and one event a step."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import (
    Field,
    model_validator,
)

from lab.catalog import MODELS, guide_networks
from lab.requests.base import Event, Load, Request
from lab.requests.fields import Condition, Forward, GuideSettings, ModelName, Prompt, check_steps
from lab.requests.sampling import LaneSettings


class AnatomyRequest(Request):
    """What guidance does at every step of one lane: both halves of the prediction, and x_0 at each of `scales`."""

    model: ModelName = "exact"
    condition: Condition = Condition()
    negative: Prompt = ""
    forward: Forward = Forward()
    guide: GuideSettings = GuideSettings()
    lane: LaneSettings
    scales: Annotated[tuple[Annotated[float, Field(ge=0, le=30)], ...], Field(min_length=1, max_length=12)]

    @model_validator(mode="after")
    def _steps_fit(self) -> "AnatomyRequest":
        return check_steps(self, self.lane.steps)

    def load(self) -> Load:
        """As Request.load: both halves in every step."""
        return Load(1, self.lane.steps, rows=2)

    def models(self) -> tuple[str, ...]:
        """As Request.models: the networks that guide, too."""
        return (self.model, *guide_networks(MODELS[self.model], [self.lane.rule]))


@dataclass(frozen=True)
class Pull:
    """What a rule's guide does at one step: the change of eps that it makes at scale 1, -sqrt(1 - alpha_bar) times its gradient
    (Dhariwal and Nichol 2021, algorithm 2); for a second network, the difference of the two. Pictures are uint8."""

    picture: (
        np.ndarray
    )  # (height, width, 3): the change, grey where there is none, scaled to its largest value, to 0.01 at least
    heat: np.ndarray  # (height, width): its RMS over the channels, brightest = largest
    rms: float  # over all values
    cosine: float | None  # to the direction of classifier-free guidance, eps_c - eps_u; None where either is 0
    beliefs: dict[str, float]  # probabilities by the classes' titles, where a classifier guides
    wanted: str  # the one of them that is asked for; "" without
    potential: float | None  # the guide's log-probability, up to a constant, in nats; None of a second network


@dataclass(frozen=True)
class Anatomy(Event):
    """One step of a guided lane, taken apart. Pictures are (height, width, 3) uint8."""

    i: int
    n: int
    t: float
    log_snr: float
    x_t: np.ndarray
    unconditional: np.ndarray  # eps_u, shown as a picture
    conditional: np.ndarray  # eps_c
    difference: np.ndarray  # (height, width) uint8: RMS over the channels of eps_c - eps_u, brightest = largest
    norms: tuple[float, float, float]  # RMS of eps_u, eps_c and of their difference
    x_0: tuple[np.ndarray, ...]  # predicted at each of the request's scales, all from this x_t
    pull: Pull | None = None  # where the lane's rule has a guide

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.i
