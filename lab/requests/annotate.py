"""Conditioning maps: the request for one, and the map."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import (
    Field,
    model_validator,
)

from lab.requests.base import Event, Request
from lab.requests.fields import Picture


class AnnotateRequest(Request):
    """Make a conditioning map of side `size`: of `picture` by an annotator, or of a skeleton where `joints` are given.

    `low`, `high` and `blur` are Canny's, at the map's side. `joints` are eighteen [x, y, visible] as fractions of the
    picture, in the order of lab/annotators/joints.py.
    """

    picture: Picture | None = None
    annotator: str = "map"
    size: Annotated[int, Field(ge=16, le=1024)] = 64
    low: Annotated[float, Field(ge=0, le=500)] = 80
    high: Annotated[float, Field(ge=0, le=500)] = 160
    blur: Annotated[float, Field(ge=0, le=20)] = 0
    joints: tuple[tuple[float, float, float], ...] | None = None

    @model_validator(mode="after")
    def _has_something_to_draw(self) -> "AnnotateRequest":
        if self.picture is None and self.joints is None:
            raise ValueError("there is no picture yet; choose an example or upload one")
        return self


@dataclass(frozen=True)
class ConditioningMap(Event):
    """What a ControlNet follows. `joints` (18, 2) and `visible` (18,) of the skeleton in it, None where there is none."""

    map: np.ndarray  # (size, size, 3) uint8
    joints: np.ndarray | None = None
    visible: np.ndarray | None = None
    note: str = ""  # what the visitor should know: nobody was found

    @property
    def key(self) -> Hashable:
        """As Event.key: a run has one."""
        return ()
