"""Changes of latents, (channels, height, width), before they are decoded. Each returns a tensor of its own.

`channel` counts from 0; None is all of them. `centre` is (channels,), what a channel is at when it says nothing.
"""

import math

import torch
from torch import Tensor

from lab.engine.noising import gaussian, q_sample, stream_seed
from lab.engine.process import Level

PARALLEL = 1e-4  # sine of the angle below which an arc is a line


def scaled(z: Tensor, channel: int | None, factor: float, centre: Tensor) -> Tensor:
    """A channel's distance from its centre times `factor`: 1 leaves it, 0 turns it off."""
    places = _channels(channel)
    middle = centre.to(z)[:, None, None]
    changed = z.clone()
    changed[places] = (middle + factor * (z - middle))[places]
    return changed


def alone(z: Tensor, channel: int, centre: Tensor) -> Tensor:
    """One channel, and all others at their centres."""
    changed = centre.to(z)[:, None, None].expand_as(z).clone()
    changed[channel] = z[channel]
    return changed


def swapped(z: Tensor, other: Tensor, channel: int | None) -> Tensor:
    """A channel of other latents in place of these latents' own."""
    changed = z.clone()
    changed[_channels(channel)] = other[_channels(channel)]
    return changed


def shuffled(z: Tensor, channel: int | None, seed: int) -> Tensor:
    """The places of a channel in an order drawn with `seed`; of all channels in one common order, so that what stood at a place stays
    together."""
    order = torch.randperm(z[0].numel(), generator=torch.Generator().manual_seed(stream_seed(seed, 0)))
    mixed = z.flatten(1)[:, order].reshape(z.shape)
    return swapped(z, mixed, channel)


def noised(x: Tensor, log_snr: float, seed: int) -> Tensor:
    """signal x + noise eps at the variance-preserving level of a log-SNR (Ho et al. 2020, eq. 4; Kingma et al. 2021, eq. 3), base e. The
    noise belongs to (seed, shape)."""
    level = Level.from_alpha_bar(1 / (1 + math.exp(-log_snr)))
    return q_sample(x, level, gaussian(seed, 0, tuple(x.shape)))


def drawn(mean: Tensor, deviation: Tensor, factor: float, seed: int) -> Tensor:
    """mean + factor deviation eps: at factor 1 a draw from the posterior (Kingma & Welling 2013, eq. 9)."""
    return mean + factor * deviation * gaussian(seed, 0, tuple(mean.shape))


def lerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """(1 - t) a + t b."""
    return (1 - t) * a + t * b


def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Along the arc from a to b, sin((1 - t) w) / sin(w) a + sin(t w) / sin(w) b with the angle w between the two as vectors
    (Shoemake 1985, "Animating rotation with quaternion curves"); a line where they have nearly one direction, or opposite ones."""
    cosine = float(torch.dot(a.flatten().double(), b.flatten().double()) / (a.double().norm() * b.double().norm()))
    angle = math.acos(min(1.0, max(-1.0, cosine))) if math.isfinite(cosine) else 0.0
    if math.sin(angle) < PARALLEL:
        return lerp(a, b, t)
    return (math.sin((1 - t) * angle) * a + math.sin(t * angle) * b) / math.sin(angle)


def _channels(channel: int | None) -> slice:
    return slice(None) if channel is None else slice(channel, channel + 1)
