"""What the room asks for, and what is measured of it: pictures of some seeds at each guidance scale, in two ways. Pure functions."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from lab.measures import unlikeness
from lab.requests.base import make_request
from lab.requests.unclip import Embedding, UnclipLane, UnclipRequest
from lab.ui.tabs.unclip.outcome import Outcome
from lab.unclip_curves import unclip_curves

WORDS, UNCLIP = "words", "unclip"
WAYS = (WORDS, UNCLIP)
CANDIDATES = 4  # of the prior for an embedding; the one nearest to the words' own stays
ONE, EACH = "one", "each"  # embeddings of the prior: one for all seeds, one for each


class Place(NamedTuple):
    """A row of one of the grids."""

    way: str
    scale: float


def embeddings(prompt: str, seeds: int, first: int, prior: str) -> tuple[Embedding, ...]:
    """Those of the prior: one, or one a seed, whose candidates no other seed has."""
    count = seeds if prior == EACH else 1
    return tuple(
        make_request(Embedding, kind="prior", prompt=prompt, seed=first + k * CANDIDATES, candidates=CANDIDATES)
        for k in range(count)
    )


def lanes(
    prompt: str, scales: Sequence[float], seeds: int, first: int, prior: str, steps: Any
) -> tuple[UnclipLane, ...]:
    """At each scale of each seed a picture by each way: both begin at one x_T. Raises LabError where a setting is out of range."""
    one = make_request(UnclipLane, seed=first, steps=steps)
    found: list[UnclipLane] = []
    for scale in scales:
        for k in range(seeds):
            same = one.model_copy(update={"seed": first + k, "guidance_scale": scale})
            found += [
                same.model_copy(update={"way": "words", "caption": prompt}),
                same.model_copy(update={"embedding": k if prior == EACH else 0}),
            ]
    return tuple(found)


def rows(request: UnclipRequest) -> dict[Place, list[int]]:
    """The pictures of each row of the grids, in the order of the seeds."""
    found: dict[Place, list[int]] = {}
    for index, lane in enumerate(request.lanes):
        found.setdefault(Place(lane.way, lane.guidance_scale), []).append(index)
    return found


def scales(request: UnclipRequest) -> list[float]:
    """In their order."""
    return [scale for scale, _ in groupby(lane.guidance_scale for lane in request.lanes)]


def seeds(request: UnclipRequest) -> list[int]:
    """In their order."""
    return list(dict.fromkeys(lane.seed for lane in request.lanes))


def diversity(outcome: Outcome, place: Place) -> float | None:
    """How unlike each other the pictures of a row are to the judge; None before two are there."""
    vectors = _judged(outcome, place, "vector")
    return unlikeness(np.stack(vectors)) if len(vectors) > 1 else None


def fit(outcome: Outcome, place: Place) -> float | None:
    """The mean cosine of a row's pictures to the prompt, by the judge; None before one is there."""
    fits = _judged(outcome, place, "fit")
    return sum(fits) / len(fits) if fits else None


def _judged(outcome: Outcome, place: Place, name: str) -> list[Any]:
    lanes_there = [lane for lane in rows(outcome.request)[place] if lane in outcome.judged]
    return [getattr(outcome.judged[lane], name) for lane in lanes_there]


def measured(way: str, prior: str) -> list[tuple[float, float]]:
    """Diversity over the guidance scale as it was measured over many prompts, the decoder's with one embedding or with one for each seed; none
    where it was not."""
    curves = unclip_curves()
    name = "words" if way == WORDS else {ONE: "fixed", EACH: "each"}[prior]
    return [] if curves is None else sorted((one.scale, one.diversity) for one in curves.diversity if one.way == name)


def prior_of(request: UnclipRequest) -> str:
    """Whether the decoder is told one embedding or one for each seed."""
    return EACH if len(request.embeddings) > 1 else ONE
