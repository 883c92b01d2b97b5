"""The training picture nearest to a picture: the request, and what was found."""

from collections.abc import Hashable, Set
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from lab.catalog import MODELS
from lab.requests.base import Event, Key, Load, Request, Rest
from lab.requests.fields import ModelName, Picture

MOST = 256  # pictures of a request


class NearestRequest(Request):
    """For each of `pictures`, the nearest of those that the lab ships of what `model` was trained on (Model.data)."""

    model: ModelName
    pictures: Annotated[tuple[Picture, ...], Field(min_length=1, max_length=MOST)]

    def load(self) -> Load:
        """As Request.load: a look through the whole set for each picture, about as much as a step."""
        return Load(steps=len(self.pictures))

    def models(self) -> tuple[str, ...]:
        """As Request.models: the exact denoiser holds the set."""
        return tuple(filter(None, [MODELS[self.model].data]))

    def rest(self, events: Set[Key]) -> Rest | None:
        """As Request.rest: nothing once all have come."""
        return None if len([key for key in events if key[0] is Nearest]) == len(self.pictures) else Rest(self)


@dataclass(frozen=True)
class Nearest(Event):
    """The training picture nearest to one of the request, (height, width, 3) uint8, and its distance: the root mean square
    over all pixels and colours, in grey levels of 255."""

    index: int  # into request.pictures
    picture: np.ndarray
    caption: str
    rms: float

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.index
