"""What has come of a run of the room, and what is measured of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from lab.measures import block_means, coarse_correlation, gradient_energy, psnr, rms
from lab.requests.base import Event
from lab.requests.latents import Decoding, Encoding, ExampleLatents, LatentLane, LatentRequest
from lab.ui.shell import media
from lab.ui.tabs.inside.latents import plans

MOST_SIDE = 256  # px of a picture in the page


def uri(pixels: np.ndarray) -> str:
    """A picture for the page, made smaller where it is larger than it is ever seen."""
    return media.data_uri(media.shrunk(pixels, MOST_SIDE))


@dataclass
class Outcome:
    """A run as it comes."""

    request: LatentRequest
    encodings: dict[int, Encoding] = field(default_factory=dict)
    known: ExampleLatents | None = None
    found: dict[int, np.ndarray] = field(default_factory=dict)  # pictures by lane
    uris: dict[int, str] = field(default_factory=dict)  # the same for the page, packed once

    def add(self, event: Event) -> None:
        """Take what tells of the run."""
        if isinstance(event, Encoding):
            self.encodings[event.index] = event
        elif isinstance(event, ExampleLatents):
            self.known = event
        elif isinstance(event, Decoding):
            self.found[event.lane] = event.picture
            self.uris[event.lane] = uri(event.picture)

    @property
    def begun(self) -> bool:
        """Whether there is something to show."""
        return 0 in self.encodings

    @property
    def whole(self) -> bool:
        """Whether every lane has its picture."""
        return len(self.found) == len(self.request.lanes)

    def ways(self) -> list[tuple[int, int]]:
        """How many lanes are decoded."""
        return [(len(self.found), len(self.request.lanes))]

    @property
    def experiment(self) -> str:
        """Which one it is."""
        return plans.experiment(self.request)

    @property
    def first(self) -> Encoding:
        """The picture, once it is there."""
        return self.encodings[0]

    @cached_property
    def lanes(self) -> Mapping[LatentLane, int]:
        """Each lane's index."""
        return {lane: index for index, lane in enumerate(self.request.lanes)}

    def lane(self, kind: Any, **settings: Any) -> int | None:
        """The index of the lane of this kind with these settings; None where the run has none."""
        for lane, index in self.lanes.items():
            if lane.kind == kind and all(getattr(lane, name) == value for name, value in settings.items()):
                return index
        return None

    def picture(self, kind: Any, **settings: Any) -> np.ndarray | None:
        """The picture of that lane; None where it has not come."""
        index = self.lane(kind, **settings)
        return None if index is None else self.found.get(index)

    # Channels

    @property
    def channels(self) -> int:
        """How many there are."""
        return len(self.first.latents)

    @property
    def centre(self) -> np.ndarray:
        """What a channel is at when it is off, (channels,)."""
        zero = any(lane.centre == "zero" for lane in self.request.lanes)
        return np.zeros(self.channels) if zero or self.known is None else self.known.mean

    def scaled(self, channel: int | None, factor: float) -> np.ndarray | None:
        """The picture with a channel scaled about its centre."""
        return self.first.decoded if factor == 1 else self.picture("scale", channel=channel, factor=factor)

    def change(self, picture: np.ndarray | None) -> float | None:
        """RMS of a picture to the decoded one; None without a picture."""
        return None if picture is None else rms(picture, self.first.decoded)

    def linear(self, off: int | None = None) -> np.ndarray | None:
        """The linear map's picture in [-1, 1], (height, width, 3), with a channel at its centre; None before the map is there."""
        if self.known is None:
            return None
        z = self.first.latents.astype(float)
        if off is not None:
            z = z.copy()
            z[off] = self.centre[off]
        return np.einsum("ck,khw->hwc", self.known.to_rgb[:, :-1], z) + self.known.to_rgb[:, -1]

    def linear_change(self, channel: int) -> float | None:
        """How far the linear map's picture moves when a channel is off: RMS in grey levels, at the latents' side."""
        all_on, off = self.linear(), self.linear(channel)
        return None if all_on is None or off is None else rms(127.5 * all_on, 127.5 * off)

    def coarse_change(self, channel: int) -> float | None:
        """The same of what is decoded, averaged down to the latents' side."""
        off = self.scaled(channel, 0.0)
        if off is None:
            return None
        side = self.first.latents.shape[1]
        return rms(block_means(off, side), block_means(self.first.decoded, side))

    def fit(self) -> tuple[float, float] | None:
        """R² and PSNR in dB of the linear map's picture against what is decoded, averaged down to the latents' side."""
        linear = self.linear()
        if linear is None:
            return None
        decoded = block_means(self.first.decoded, len(linear))
        told = 127.5 * (linear + 1)
        spread = np.square(decoded - decoded.mean(axis=(0, 1))).sum()
        r2 = 1 - float(np.square(decoded - told).sum() / max(spread, 1e-9))
        return r2, psnr(told, decoded)

    def together(self) -> tuple[int, int, float] | None:
        """The two channels that go together most in the examples, and their correlation; None of one channel."""
        if self.known is None or self.channels < 2:
            return None
        deviations = np.sqrt(np.diagonal(self.known.covariance))
        correlation = self.known.covariance / np.maximum(np.outer(deviations, deviations), 1e-12)
        np.fill_diagonal(correlation, 0)
        i, j = np.unravel_index(np.abs(correlation).argmax(), correlation.shape)
        return int(min(i, j)), int(max(i, j)), float(correlation[i, j])

    # Noise

    @property
    def levels(self) -> list[float]:
        """The log-SNRs, from little noise on."""
        return plans.values(self.request, "log_snr")

    def alike(self, kind: str, level: float) -> float | None:
        """How alike from afar a noised picture is to the clean one of its kind."""
        picture = self.picture(kind, log_snr=level)
        if picture is None:
            return None
        return coarse_correlation(picture, self.first.picture if kind == "pixel_noise" else self.first.decoded)

    def half(self, kind: str) -> float | None:
        """The log-SNR at which that falls to a half, between two levels on a line; None where it never does."""
        points = [(level, value) for level in self.levels if (value := self.alike(kind, level)) is not None]
        for (level, value), (lower, less) in pairwise(points):
            if value >= 0.5 > less:
                return lower + (level - lower) * (0.5 - less) / (value - less)
        return None

    # Between

    @property
    def places(self) -> list[float]:
        """t, from the picture to the second."""
        return plans.values(self.request, "t")

    def energy(self, kind: str, t: float) -> float | None:
        """Gradient energy of a mix as a share of (1 - t) of the first end's and t of the second's: 1 is as sharp as the ends."""
        picture = self.picture(kind, t=t)
        if picture is None or 1 not in self.encodings:
            return None
        one, other = (gradient_energy(self.encodings[k].decoded) for k in (0, 1))
        return gradient_energy(picture) / max((1 - t) * one + t * other, 1.0)

    def exposure(self, t: float) -> float | None:
        """The share that a double exposure has where no edge of one picture meets an edge of the other: each edge is as high as its
        picture's weight."""
        if 1 not in self.encodings:
            return None
        one, other = (gradient_energy(self.encodings[k].decoded) for k in (0, 1))
        return ((1 - t) ** 2 * one + t**2 * other) / max((1 - t) * one + t * other, 1.0)

    def apart(self, kind: str, t: float) -> float | None:
        """RMS of a mix to the one in pixels, in grey levels."""
        picture, pixels = self.picture(kind, t=t), self.picture("pixel_lerp", t=t)
        return None if picture is None or pixels is None else rms(picture, pixels)

    # Draws

    @property
    def seeds(self) -> list[int]:
        """Of the draws."""
        return plans.values(self.request, "seed")

    @property
    def factors(self) -> list[float]:
        """Of the deviations."""
        return plans.values(self.request, "factor")

    def drawn(self, factor: float) -> list[float]:
        """RMS of the draws with a factor to the picture of the mean, as many as have come."""
        pictures = [self.picture("draw", factor=factor, seed=seed) for seed in self.seeds]
        return [rms(one, self.first.decoded) for one in pictures if one is not None]
