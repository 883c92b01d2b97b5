"""What an autoencoder keeps of a picture: its latents, changed in many ways, and what each change decodes to."""

from collections.abc import Hashable, Set
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from lab.requests.base import Event, Key, Load, Request, Rest
from lab.requests.fields import ModelName, Picture, Seed

MOST_LANES = 512
MOST_CHANNELS = 64
LOG_SNR = 12.0  # the largest and, negative, the smallest
LARGEST_FACTOR = 1000.0
OF_TWO = ("other", "lerp", "slerp", "pixel_lerp")  # kinds that need a second picture


class LatentLane(Request):
    """One change of a picture's latents z, (channels, height, width), before they are decoded. `channel` counts from 0; None is all of
    them. `kind`:

    - "scale": c + factor (z - c) in the channel, where c is its `centre`: the mean over the lab's example pictures, or zero. At factor 0
      the channel is off.
    - "only": every channel but this one is at its centre.
    - "other": the channel is the second picture's.
    - "shuffle": the places of the channel in another order, drawn with `seed`; of all channels in one common order.
    - "noise": signal z + noise eps at `log_snr`, variance preserving, eps drawn with `seed`; "pixel_noise": the same of the picture's values
      in [-1, 1], which no decoder follows.
    - "lerp", "slerp": `t` of the way to the second picture's latents, straight or along the arc between them (Shoemake 1985);
      "pixel_lerp": straight between the two decoded pictures.
    - "draw": mean + factor std eps of the posterior (Kingma & Welling 2013, eq. 9), eps drawn with `seed`.
    """

    kind: Literal[
        "scale", "only", "other", "shuffle", "noise", "pixel_noise", "lerp", "slerp", "pixel_lerp", "draw"
    ] = "scale"
    channel: Annotated[int, Field(ge=0, lt=MOST_CHANNELS)] | None = None
    centre: Literal["mean", "zero"] = "mean"
    factor: Annotated[float, Field(ge=-LARGEST_FACTOR, le=LARGEST_FACTOR)] = 0.0
    log_snr: Annotated[float, Field(ge=-LOG_SNR, le=LOG_SNR)] = 0.0
    t: Annotated[float, Field(ge=0, le=1)] = 0.5
    seed: Seed = 0

    @model_validator(mode="after")
    def _names_a_channel(self) -> "LatentLane":
        if self.kind == "only" and self.channel is None:
            raise ValueError("one channel alone has no name; say which channel is kept")
        return self

    @property
    def of_examples(self) -> bool:
        """Whether it needs the mean over the example pictures."""
        return self.kind in ("scale", "only") and self.centre == "mean"


class LatentRequest(Request):
    """Encode a picture, and decode its latents after each change of `lanes`: one picture a lane.

    The pictures are resized to the model's side. With `linear_map` what is known of the example pictures' latents comes along: their
    mean, how their channels vary together, and the linear map from latents to RGB.
    """

    model: ModelName = "text-to-image"
    picture: Picture
    second: Picture | None = None
    linear_map: bool = False
    lanes: Annotated[tuple[LatentLane, ...], Field(min_length=1, max_length=MOST_LANES)]

    @model_validator(mode="after")
    def _has_both_pictures(self) -> "LatentRequest":
        if self.second is None and any(lane.kind in OF_TWO for lane in self.lanes):
            raise ValueError("there is no second picture to mix with; choose one")
        return self

    def load(self) -> Load:
        """As Request.load: one picture that is looked at, a decoder's call a lane."""
        return Load(1, len(self.lanes))

    def models(self) -> tuple[str, ...]:
        """As Request.models."""
        return (self.model,)

    def rest(self, events: Set[Key]) -> Rest | None:
        """As Request.rest: the lanes without a picture."""
        there = {key for kind, key in events if kind is Decoding}
        lanes = tuple(lane for lane in range(len(self.lanes)) if lane not in there)
        if not lanes:
            return None
        return Rest(self.model_copy(update={"lanes": tuple(self.lanes[lane] for lane in lanes)}), lanes)


@dataclass(frozen=True)
class Encoding(Event):
    """A picture as the autoencoder has it; `index` 0 is the picture, 1 the second.

    `picture` and `decoded` are (side, side, 3) uint8; `latents` are the posterior's mean and `deviations` its standard deviations,
    (channels, height, width) float32, both in the units in which a UNet sees latents: centred and scaled by the model's statistics.
    """

    index: int
    picture: np.ndarray
    decoded: np.ndarray
    latents: np.ndarray
    deviations: np.ndarray

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.index


@dataclass(frozen=True)
class ExampleLatents(Event):
    """What is known of the latents of the lab's `count` example pictures, in the same units: `mean` (channels,), `covariance` (channels,
    channels), and `to_rgb` (3, channels + 1), least squares from latents and a one to pixels in [-1, 1]."""

    mean: np.ndarray
    covariance: np.ndarray
    to_rgb: np.ndarray
    count: int

    @property
    def key(self) -> Hashable:
        """As Event.key: a run has one."""
        return ()


@dataclass(frozen=True)
class Decoding(Event):
    """What a lane's latents decode to, (side, side, 3) uint8."""

    lane: int
    picture: np.ndarray

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.lane
