"""Latents of several factors beside each other: what they keep of a picture, and what a step on them costs."""

from collections.abc import Hashable, Set
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from lab.catalog import MODELS
from lab.requests.base import Event, Key, Load, Request, Rest
from lab.requests.fields import ModelName, Picture

UNET = "text-to-image"  # the model whose UNet is timed on latents of every side, and whose autoencoder is one of those compared
AUTOENCODERS = ("f2", UNET, "f8")  # rows of MODELS or HELPERS, whose factors are 2, 4 and 8
PIXELS = "pixels"  # no autoencoder: factor 1
SIDE = 64  # of the picture that these encode, in pixels


class FactorRequest(Request):
    """Encode a picture by the autoencoders of factor 2, 4 and 8 and decode it again (Rombach et al. 2022, section 4.1 and Table 8),
    and time a step of one UNet on latents of each side, and on as many channels of pixels.

    `model` is a latent model of the catalog; another one than UNET stands beside, with its own autoencoder, picture side and UNet.
    `held_out` pictures that no network learned are encoded, too, at SIDE. Each step is timed `repeats` times after one that is not
    counted, by torch.
    """

    model: ModelName = UNET
    picture: Picture
    held_out: Annotated[int, Field(ge=0, le=100)] = 24
    repeats: Annotated[int, Field(ge=1, le=20)] = 5

    @model_validator(mode="after")
    def _has_latents(self) -> "FactorRequest":
        if not MODELS[self.model].latent:
            raise ValueError(f"'{MODELS[self.model].title}' works on pixels and has no latents; choose a latent model")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The autoencoders that are compared, by the row that they are a part of."""
        return tuple(dict.fromkeys([*AUTOENCODERS, self.model]))

    def load(self) -> Load:
        """As Request.load: one picture, a step a timed call."""
        return Load(1, (len(self.names) + 1) * (self.repeats + 1))

    def models(self) -> tuple[str, ...]:
        """As Request.models."""
        return (UNET, *(name for name in self.names if name != UNET))

    def rest(self, events: Set[Key]) -> Rest | None:
        """As Request.rest: nothing once all has come."""
        kinds = [kind for kind, _ in events]
        measured = len(AUTOENCODERS) * bool(self.held_out)
        whole = kinds.count(StepTime) == len(self.names) + 1 and kinds.count(HeldOut) == measured
        return None if whole else Rest(self)


@dataclass(frozen=True)
class Encoded(Event):
    """A picture there and back through the autoencoder of a row: pictures (side, side, 3) uint8, `latents` (channels, height,
    width) float32 before any scaling. PSNR in dB, SSIM at most 1 (lab/measures.py)."""

    name: str
    picture: np.ndarray
    latents: np.ndarray
    decoded: np.ndarray
    psnr: float
    ssim: float

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.name

    @property
    def factor(self) -> int:
        """How many pixels a latent is wide."""
        return self.picture.shape[0] // self.latents.shape[1]

    @property
    def compression(self) -> float:
        """Values of the picture for each of the latents."""
        return self.picture.size / self.latents.size


@dataclass(frozen=True)
class StepTime(Event):
    """Seconds of each timed step of a UNet on (channels, height, width): of a row's latents, or of PIXELS."""

    name: str
    shape: tuple[int, int, int]
    elapsed: tuple[float, ...]

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.name

    @property
    def least(self) -> float:
        """The fastest step, in seconds: what else the machine does only adds to it."""
        return min(self.elapsed)


@dataclass(frozen=True)
class HeldOut(Event):
    """PSNR and SSIM of each held-out picture that went through the autoencoder of a row."""

    name: str
    psnr: tuple[float, ...]
    ssim: tuple[float, ...]

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.name
