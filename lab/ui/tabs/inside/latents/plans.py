"""What each experiment of the room asks for. Pure functions."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lab.requests.latents import LatentLane, LatentRequest

CHANNELS, NOISE, BETWEEN, DRAWS = "channels", "noise", "between", "draws"
EXPERIMENTS = (("Channels", CHANNELS), ("Noise", NOISE), ("Between two", BETWEEN), ("Draws", DRAWS))
FACTORS = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)  # of the slider; 0 is off, and 1 is the picture itself
OFF, PLAIN = FACTORS.index(0.0), FACTORS.index(1.0)
DEVIATIONS = (1.0, 3.0, 10.0, 30.0, 100.0)  # factors of the posterior's deviations
HIGHEST = 6.0  # the largest log-SNR, and, negative, the smallest
MIXES = ("lerp", "slerp", "pixel_lerp")
NOISES = ("noise", "pixel_noise")


def channels(count: int, centre: Any, seed: int) -> list[LatentLane]:
    """Each channel off, alone, the other picture's, its places shuffled; then the factors of the slider."""
    each = range(count)
    about = {"centre": centre}
    lanes = [LatentLane(channel=k, factor=0.0, **about) for k in each]
    lanes += [LatentLane(kind="only", channel=k, **about) for k in each]
    lanes += [LatentLane(kind="other", channel=k) for k in each]
    lanes += [LatentLane(kind="shuffle", channel=k, seed=seed) for k in (*each, None)]
    lanes += [LatentLane(channel=None, factor=0.0, **about)]
    moved = [factor for factor in FACTORS if factor not in (0.0, 1.0)]
    return lanes + [LatentLane(channel=k, factor=factor, **about) for factor in moved for k in (*each, None)]


def noises(frames: int, seed: int) -> list[LatentLane]:
    """Levels from little noise to much, latents and pixels by turns."""
    levels = [round(float(level), 4) for level in np.linspace(HIGHEST, -HIGHEST, frames)]
    return [LatentLane(kind=kind, log_snr=level, seed=seed) for level in levels for kind in NOISES]


def between(frames: int) -> list[LatentLane]:
    """Places from the picture to the second, in three ways by turns."""
    places = [round(float(t), 4) for t in np.linspace(0, 1, frames)]
    return [LatentLane(kind=kind, t=t) for t in places for kind in MIXES]


def draws(count: int, seed: int) -> list[LatentLane]:
    """So many draws from the posterior, with its deviations and with larger ones."""
    return [LatentLane(kind="draw", factor=factor, seed=seed + k) for factor in DEVIATIONS for k in range(count)]


def experiment(request: LatentRequest) -> str:
    """Which experiment a request is."""
    kinds = {lane.kind for lane in request.lanes}
    return NOISE if "noise" in kinds else BETWEEN if "lerp" in kinds else DRAWS if "draw" in kinds else CHANNELS


def values(request: LatentRequest, name: str) -> list[Any]:
    """What lanes have for one of their settings, each once, in the order of the lanes."""
    return list(dict.fromkeys(getattr(lane, name) for lane in request.lanes))


def spread(count: int, most: int) -> Sequence[int]:
    """At most so many of 0 .. count - 1, evenly spaced, both ends among them."""
    return sorted({round(float(k)) for k in np.linspace(0, count - 1, min(count, most))})


def slug(lane: LatentLane) -> str:
    """A lane in a few characters, for a file's name."""
    where = "all" if lane.channel is None else f"channel-{lane.channel + 1}"
    more = {
        "scale": f"{where}-x{lane.factor:g}",
        "only": where,
        "other": where,
        "shuffle": where,
        "draw": f"x{lane.factor:g}-seed-{lane.seed}",
    }
    more |= dict.fromkeys(NOISES, f"{lane.log_snr:g}") | dict.fromkeys(MIXES, f"{lane.t:g}")
    return f"{lane.kind.replace('_', '-')}-{more[lane.kind]}"
