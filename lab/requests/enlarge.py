"""A small picture, enlarged by diffusion and by formulas side by side."""

from collections.abc import Hashable, Mapping, Set
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from PIL import Image
from pydantic import Field, model_validator

from lab.requests.base import Event, Key, Load, Request, Rest
from lab.requests.fields import Condition, Picture, Seed
from lab.requests.sampling import rest_of_lanes

UPSAMPLER = "upsampler"  # its row of HELPERS
DRAWN_BY = "pixel"  # the row of MODELS that draws a small picture where none is given
FACTOR = 2
MOST_NOISE = 399  # the last step of noise augmentation that the upsampler knows, of 1,000
DRAWING_STEPS = 25
FORMULAS = ("nearest", "bicubic", "Lanczos")


class EnlargeLane(Request):
    """One enlarged picture: `noise` is the step to which the small picture is noised first (noise conditioning augmentation,
    Ho et al. 2021), 0 for none; `steps` are DDIM's."""

    seed: Seed = 0
    steps: Annotated[int, Field(ge=1, le=250)] = 15
    noise: Annotated[int, Field(ge=0, le=MOST_NOISE)] = 0


class EnlargeRequest(Request):
    """Enlarge a small picture to twice its side: by the upsampler, one picture a lane, and by the FORMULAS.

    `picture` is brought to FACTOR * side pixels a side, which is the original, and averaged down to `side`. Without one the pixel
    model draws the small picture from `seed`, of the condition's group, guided at `guidance_scale`: a cascade (Ho et al. 2021),
    of which there is no original.
    """

    picture: Picture | None = None
    condition: Condition = Condition()
    seed: Seed = 0
    guidance_scale: Annotated[float, Field(ge=0, le=30)] = 2.0
    side: Literal[16, 32, 64] = 32
    lanes: Annotated[tuple[EnlargeLane, ...], Field(min_length=1)] = (EnlargeLane(),)

    @model_validator(mode="after")
    def _cascade_fits(self) -> "EnlargeRequest":
        if self.picture is None and self.side != 32:
            raise ValueError("the pixel model draws pictures of 32 pixels; choose 32, or a picture to enlarge")
        return self

    def load(self) -> Load:
        """As Request.load: the cascade's first picture is a hidden lane."""
        drawn = int(self.picture is None)
        return Load(
            len(self.lanes) + drawn, sum(lane.steps for lane in self.lanes) + drawn * DRAWING_STEPS, hidden=drawn
        )

    def models(self) -> tuple[str, ...]:
        """As Request.models."""
        return (UPSAMPLER,) if self.picture is not None else (UPSAMPLER, DRAWN_BY)

    def rest(self, events: Set[Key]) -> Rest | None:
        """As Request.rest: the lanes without a result."""
        return rest_of_lanes(self, events)


def original_of(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture (height, width, 3) uint8 of any size at FACTOR * side pixels a side: each pixel the mean of the area that it covers,
    and of the nearest one where that is a part of it."""
    return np.array(Image.fromarray(picture).resize((FACTOR * side, FACTOR * side), Image.Resampling.BOX))


def small_of(original: np.ndarray) -> np.ndarray:
    """A picture (height, width, 3) uint8 with FACTOR times FACTOR pixels averaged to one, rounded to grey levels."""
    return np.array(Image.fromarray(original).reduce(FACTOR))


@dataclass(frozen=True)
class Enlarged(Event):
    """The small picture, (side, side, 3) uint8, and what the formulas make of it, by name; the original at twice the side, where
    there is one. `measures` by formula: "psnr" in dB to the original, where there is one, and "detail", the energy of gradients as a share
    of the original's, or of nearest's where there is none."""

    small: np.ndarray
    formulas: Mapping[str, np.ndarray]
    measures: Mapping[str, Mapping[str, float]]
    original: np.ndarray | None = None

    @property
    def key(self) -> Hashable:
        """As Event.key: a run has one."""
        return ()
