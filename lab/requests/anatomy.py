"""Guidance taken apart: the request and one event a step."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import (
    Field,
    model_validator,
)

from lab.requests.base import Event, Load, Request
from lab.requests.fields import Condition, Forward, ModelName, Prompt, check_steps
from lab.requests.sampling import LaneSettings


class AnatomyRequest(Request):
    """What guidance does at every step of one lane: both halves of the prediction, and x_0 at each of `scales`."""

    model: ModelName = "exact"
    condition: Condition = Condition()
    negative: Prompt = ""
    forward: Forward = Forward()
    lane: LaneSettings
    scales: Annotated[tuple[Annotated[float, Field(ge=0, le=30)], ...], Field(min_length=1, max_length=12)]

    @model_validator(mode="after")
    def _steps_fit(self) -> "AnatomyRequest":
        return check_steps(self, self.lane.steps)

    def load(self) -> Load:
        """As Request.load: both halves in every step."""
        return Load(1, self.lane.steps, rows=2)

    def models(self) -> tuple[str, ...]:
        """As Request.models."""
        return (self.model,)


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

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.i
