"""What a page keeps of a run: its steps, what its pictures are nearest to, and figures of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from lab.requests.invention import Invention
from lab.requests.sampling import Step
from lab.ui.tabs.memory.plans import Plan

COPY = 5.0  # grey levels of 255: what lies nearer to a training picture counts as a copy of it


@dataclass(frozen=True)
class Outcome:
    """A run that has ended or was stopped: the steps of each lane, and each finished picture with its nearest."""

    plan: Plan
    steps: Mapping[int, Sequence[Step]] = field(default_factory=dict)
    found: Mapping[int, Invention] = field(default_factory=dict)


@dataclass(frozen=True)
class Tally:
    """The finished pictures of a machine: how many there are, how many of them are copies, and means; None where no picture has
    one."""

    finished: int
    copies: int
    rms: float | None
    r2: float | None
    others: float | None


def is_copy(one: Invention) -> bool:
    """Whether a picture counts as a copy of its nearest training picture."""
    return one.nearest_rms < COPY


def tally(plan: Plan, found: Mapping[int, Invention], machine: int) -> Tally:
    """What is known of a machine's pictures so far."""
    own = [found[lane] for lane in plan.of(machine) if lane in found]
    return Tally(
        len(own),
        sum(map(is_copy, own)),
        _mean([one.nearest_rms for one in own]),
        _mean([one.r2 for one in own]),
        _mean([one.others_rms for one in own]),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return fmean(there) if there else None
