"""DDIM inversion: the request and what came of it."""

from collections.abc import Hashable, Set
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import (
    Field,
    model_validator,
)

from lab.requests.base import Event, Key, Load, Request, Rest
from lab.requests.fields import Condition, Forward, ModelName, Picture, Seed, check_steps


class InversionRequest(Request):
    """DDIM inversion (Song et al. 2021, section 4.3): run the ODE up from `picture` to x_T, then down again.

    The start is the picture as it is at the lowest timestep of the run, with that level's trace of noise drawn from
    `seed`: data never is without it there, and the exact denoiser's flow loses what it does not see. With `known` the exact
    denoiser's set holds the picture, too; a network knows what it was trained on.
    """

    picture: Picture
    model: ModelName = "exact"
    condition: Condition = Condition()
    forward: Forward = Forward()
    steps: Annotated[int, Field(ge=2, le=1000)] = 50
    seed: Seed = 0
    known: bool = False

    @model_validator(mode="after")
    def _steps_fit(self) -> "InversionRequest":
        return check_steps(self, self.steps)

    def load(self) -> Load:
        """As Request.load: up, then down again."""
        return Load(1, 2 * self.steps)

    def models(self) -> tuple[str, ...]:
        """As Request.models."""
        return (self.model,)

    def rest(self, events: Set[Key]) -> Rest | None:
        """As Request.rest: nothing once the result has come."""
        return None if (InversionResult, ()) in events else Rest(self)


@dataclass(frozen=True)
class InversionResult(Event):
    """Where DDIM inversion ended and what came back. Pictures are (height, width, 3) uint8."""

    original: np.ndarray
    x_T: np.ndarray
    reconstruction: np.ndarray
    error: np.ndarray  # (height, width) uint8: mean absolute difference of the channels, brightest = largest
    rms: float  # root mean square of reconstruction - original, pictures in [-1, 1]
    x_T_mean: float  # 0 and 1 where x_T is the standard normal noise it should be
    x_T_deviation: float

    @property
    def key(self) -> Hashable:
        """As Event.key: a run has one."""
        return ()
