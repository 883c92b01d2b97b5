"""What the room asks for: an embedding of the words, those that the prior draws for them, and three pictures a seed. Pure functions."""

from dataclasses import dataclass
from typing import Any

from lab.requests.base import make_request
from lab.requests.unclip import Embedding, UnclipLane, UnclipRequest
from lab.ui.tabs.unclip.outcome import Outcome
from lab.unclip_curves import unclip_curves

SCALE = 4.0  # of guidance
TEXT = 0  # the embedding of the words themselves; those of the prior follow it


@dataclass(frozen=True)
class Way:
    """A way from words to a picture. `fid` is what Ramesh et al. 2022 report for it in section 5.1."""

    title: str
    more: str
    fid: float
    colour: str


WAYS = {
    "stack": Way("Prior + decoder", "told the prior’s embedding", 7.99, "#4269d0"),
    "words": Way("Text-to-image", "reads the words", 9.16, "#2f9e6e"),
    "text": Way("Decoder alone", "told the words’ embedding", 16.55, "#e8590c"),
}


def embeddings(prompt: str, seeds: int, first: int, candidates: int) -> tuple[Embedding, ...]:
    """The words' own, then one of the prior for each seed, whose candidates no other seed has. Raises LabError, in words, where
    the prompt is too long."""
    drawn = make_request(Embedding, kind="prior", prompt=prompt, seed=first, candidates=candidates)
    apart = (drawn.model_copy(update={"seed": first + k * drawn.candidates}) for k in range(seeds))
    return (make_request(Embedding, kind="text", prompt=prompt), *apart)


def lanes(prompt: str, seeds: int, first: int, steps: Any, scale: Any) -> tuple[UnclipLane, ...]:
    """Of each seed a picture by each of WAYS, all from one x_T and with one guidance scale. Raises LabError, in words, where a
    setting is out of range."""
    one = make_request(UnclipLane, seed=first, steps=steps, guidance_scale=scale)
    found: list[UnclipLane] = []
    for k in range(seeds):
        same = one.model_copy(update={"seed": first + k})
        found += [
            same.model_copy(update={"embedding": drawn(k)}),
            same.model_copy(update={"way": "words", "caption": prompt}),
            same.model_copy(update={"embedding": TEXT}),
        ]
    return tuple(found)


def drawn(k: int) -> int:
    """The embedding that the prior draws for the k-th seed."""
    return 1 + k


def lane(k: int, way: str) -> int:
    """The picture of the k-th seed by a way."""
    return len(WAYS) * k + list(WAYS).index(way)


def seeds(request: UnclipRequest) -> list[int]:
    """The seed of x_T of each row."""
    return [one.seed for one in request.lanes[:: len(WAYS)]]


@dataclass(frozen=True)
class Verdict:
    """What the judge says of the pictures of a way: for how many it ranks the prompt first, of how many, and their mean fit."""

    first: int
    pictures: int
    fit: float


def verdict(outcome: Outcome, way: str) -> Verdict | None:
    """Of the pictures that are there; None of none."""
    places = (lane(k, way) for k in range(len(seeds(outcome.request))))
    judged = [outcome.judged[place] for place in places if place in outcome.judged]
    ranks = [one.rank for one in judged if one.rank is not None]
    fits = [one.fit for one in judged if one.fit is not None]
    if not ranks or not fits:
        return None
    return Verdict(ranks.count(1), len(ranks), sum(fits) / len(fits))


@dataclass(frozen=True)
class Measured:
    """The share of prompts that the judge ranks first, by way, at a guidance scale."""

    first: dict[str, float]
    prompts: int
    scale: float


def measured(scale: float) -> Measured | None:
    """What was measured over many prompts at the scale that is nearest to this one; None where nothing was."""
    curves = unclip_curves()
    if curves is None:
        return None
    points = [one for one in curves.retrieval if one.wording == "caption"]
    nearest = min({one.scale for one in points}, key=lambda one: abs(one - scale))
    return Measured({one.way: one.first for one in points if one.scale == nearest}, curves.prompts, nearest)
