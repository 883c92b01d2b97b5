"""The share of two groups of pictures in what samplers end in: the request, and each step with its group."""

from collections.abc import Set
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, model_validator

from lab.catalog import GROUPS
from lab.requests.base import Key, Load, Request, Rest
from lab.requests.fields import MAX_SEED, Forward, ModelName, SamplerName, Seed, check_steps, name_in
from lab.requests.sampling import LaneSettings, SamplingRequest, Step

DATA = 100  # pictures of both groups together
SEEN = 10  # steps of each lane that are streamed, evenly spaced, besides its end

GroupName = Annotated[str, name_in(GROUPS, "group")]


class ShareRequest(Request):
    """Figure 3 of Song & Ermon 2019 on pictures: how many ends of each sampler belong to the first of two groups.

    The data are 100 pictures of an exact `model`, `weight` of them of the first group. Each sampler draws `pictures` of them
    from the same starts with the same noise: near a picture of the group `start`, at the level where the sampler begins, or
    pure noise where it is empty.
    """

    model: ModelName = "exact-32"
    forward: Forward = Forward()
    groups: tuple[GroupName, GroupName] = ("smileys-emotion", "animals-nature")
    weight: Annotated[float, Field(ge=0.05, le=0.95)] = 0.8
    samplers: Annotated[tuple[SamplerName, ...], Field(min_length=1, max_length=3)] = ("langevin", "annealed", "ddpm")
    steps: Annotated[int, Field(ge=1, le=1000)] = 50
    pictures: Annotated[int, Field(ge=1, le=48)] = 20  # of each sampler
    seed: Seed = 0
    start: Annotated[str, name_in({"": "", **GROUPS}, "group")] = "animals-nature"

    @model_validator(mode="after")
    def _groups_fit(self) -> "ShareRequest":
        if self.groups[0] == self.groups[1]:
            raise ValueError("the two groups must differ")
        if self.start and self.start not in self.groups:
            raise ValueError("the start must be one of the two groups, or empty for pure noise")
        return check_steps(self, self.steps)

    @property
    def counts(self) -> tuple[int, int]:
        """Pictures of each group in the data."""
        first = round(DATA * self.weight)
        return first, DATA - first

    @property
    def truth(self) -> float:
        """The share of the first group in the data."""
        return self.counts[0] / DATA

    @property
    def standard_error(self) -> float:
        """Of the share in `pictures` independent draws from the data."""
        return float((self.truth * (1 - self.truth) / self.pictures) ** 0.5)

    @property
    def lanes(self) -> tuple[LaneSettings, ...]:
        """One a picture, sampler by sampler; runs of neighbouring seeds have no lane in common."""
        seeds = [(self.seed * self.pictures + i) % (MAX_SEED + 1) for i in range(self.pictures)]
        return tuple(
            LaneSettings(sampler=name, steps=self.steps, seed=seed) for name in self.samplers for seed in seeds
        )

    @property
    def sampling(self) -> SamplingRequest:
        """The same lanes of the same model, from pure noise and on all its pictures."""
        return SamplingRequest(model=self.model, forward=self.forward, lanes=self.lanes)

    def load(self) -> Load:
        """As Request.load."""
        count = len(self.samplers) * self.pictures
        return Load(count, count * self.steps)

    def models(self) -> tuple[str, ...]:
        """As Request.models."""
        return (self.model,)

    def rest(self, events: Set[Key]) -> Rest | None:
        """As Request.rest: nothing once all lanes have ended."""
        ends = {(GroupStep, (index, lane.calls)) for index, lane in enumerate(self.lanes)}
        return None if ends <= events else Rest(self)


@dataclass(frozen=True)
class GroupStep(Step):
    """A Step, and the group of the data picture nearest to its predicted x_0: 0 for the first, 1 for the second."""

    group: int = 0
