"""Copy or invent: what exact, local and learned machines draw from the same noise, and how near it is to what they know."""

from collections.abc import Hashable, Set
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from lab.catalog import GROUPS
from lab.requests.base import Event, Key, Load, Request, Rest
from lab.requests.fields import Forward, Seed, name_in
from lab.requests.sampling import LaneSettings, Step

KINDS = {"exact": "exact-32", "local": "local-32", "network": "pixel"}  # the row of MODELS that each kind of machine is
MOST_PATCH = 63  # pixels: centred anywhere on a picture of 32 it holds the whole picture
MOST_COMPARED = 5000  # pictures times patch * patch of a translated machine: about 0.6 s for a call on one thread
MOST_MACHINES, MOST_SEEDS = 10, 8
FORWARD = Forward(schedule="cosine")  # the network's, so that all machines start from the same x_T


def most_translated(patch: int) -> int:
    """Pictures that a translated machine with patches of this side can know."""
    return max(1, MOST_COMPARED // patch**2)


class Machine(Request):
    """A denoiser beside others: the exact one of all it knows, the local one of patches, or the network.

    `patch` and `translated` are the local machine's: the side of what a pixel sees, in pixels, and whether patches of all
    places count or those of its own. `pictures` is how many of the group's an exact or local machine knows, spread evenly
    over it; 0 means all. A call of a local machine takes about 20 ms for all 3,880 pictures on one thread, whatever its
    patch; of a translated one 0.15 s for 100 pictures and 3 pixels, 0.5 s for 7, 2.9 s for 15, and in proportion to the
    pictures: so it can know `most_translated` at most.
    """

    kind: Annotated[str, name_in(KINDS, "kind of machine")] = "local"
    patch: Annotated[int, Field(ge=1, le=MOST_PATCH)] = 7
    translated: bool = False
    pictures: Annotated[int, Field(ge=0, le=1_000_000)] = 0

    @model_validator(mode="after")
    def _fits(self) -> "Machine":
        if self.patch % 2 == 0:
            raise ValueError(f"a patch has a pixel in its middle: its side must be odd, and {self.patch} is even")
        if self.kind != "local" and self.translated:
            raise ValueError("only a local machine looks for patches in other places")
        if self.kind == "network" and self.pictures:
            raise ValueError("the network learned from all pictures; only an exact or local machine knows fewer")
        most = most_translated(self.patch)
        if self.translated and not 0 < self.pictures <= most:
            raise ValueError(
                f"a machine that looks in all places compares each patch with every other: with a side of {self.patch} it can "
                f"know 1 to {most} pictures; choose how many, or a smaller patch"
            )
        return self

    @property
    def model(self) -> str:
        """Its row of MODELS."""
        return KINDS[self.kind]


class InventionRequest(Request):
    """Kamb & Ganguli 2024 (arXiv 2412.20292): each machine draws a picture for each seed, in `steps` of DDIM with eta 0 under
    the cosine schedule. x_T of a seed is the same for all machines. Lane machine * len(seeds) + seed, both counted from 0.

    `group` is the pictures that exact and local machines know, and the network's class; empty: all.
    """

    group: Annotated[str, name_in({"": "", **GROUPS}, "group")] = ""
    machines: Annotated[tuple[Machine, ...], Field(min_length=1, max_length=MOST_MACHINES)] = (
        Machine(kind="exact"),
        Machine(kind="local"),
        Machine(kind="network"),
    )
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=MOST_SEEDS)] = (0,)
    steps: Annotated[int, Field(ge=1, le=100)] = 20

    def lanes(self) -> tuple[LaneSettings, ...]:
        """One lane a machine and seed, machine by machine."""
        return tuple(LaneSettings(steps=self.steps, seed=seed) for _ in self.machines for seed in self.seeds)

    def load(self) -> Load:
        """As Request.load."""
        count = len(self.machines) * len(self.seeds)
        return Load(count, count * self.steps)

    def models(self) -> tuple[str, ...]:
        """As Request.models: the exact denoiser holds the pictures that all are compared with."""
        return tuple(dict.fromkeys([*(machine.model for machine in self.machines), KINDS["exact"]]))

    def rest(self, events: Set[Key]) -> Rest | None:
        """As Request.rest: nothing once every lane has its Invention; before, all, since lanes are compared."""
        return None if len([key for key in events if key[0] is Invention]) == self.load().lanes else Rest(self)


@dataclass(frozen=True)
class InventionStep(Step):
    """A Step of a machine's lane."""


@dataclass(frozen=True)
class Invention(Event):
    """What a lane ended in. Pictures are (height, width, 3) uint8; distances are root mean squares over all pixels and
    colours, in grey levels of 255.

    `nearest` is among the pictures that the lane's machine knows; all there are for the network. `r2` is the squared
    correlation of all pixel values with the network's picture of the same seed, as the paper measures; None without a
    network, for the network itself, and for a picture of one value. `others_rms` is the distance to the nearest picture
    of the same machine's other seeds; None where there is one seed.
    """

    lane: int
    picture: np.ndarray
    nearest: np.ndarray
    nearest_caption: str
    nearest_rms: float
    r2: float | None = None
    others_rms: float | None = None

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.lane
