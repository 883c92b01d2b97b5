"""What the room asks for. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.requests.unclip import Embedding, UnclipLane, UnclipRequest

OWN, SEED, BOTH = "own", "seed", "both"  # where the decoder begins
STARTS = (("Both", BOTH), ("The picture’s own noise", OWN), ("A seed’s noise", SEED))
ITSELF: tuple[float, ...] = (1.0,)


@dataclass(frozen=True)
class Row:
    """A row of pictures: its head, more of that, and its lanes, one for each turn."""

    title: str
    more: str
    lanes: range


def turns(most: float, count: int) -> list[float]:
    """So many parts of the way, from 0 on in equal steps."""
    return [round(float(turn), 4) for turn in np.linspace(0, most, count)]


def asks(parts: Sequence[float], texts: tuple[str, str], start: Any, lane: UnclipLane) -> dict[str, Any]:
    """The picture's embedding turned by each part of the way towards the first of the texts and away from the second; a row of pictures
    from the picture's own x_T, one from a seed's, or both."""
    text, base = texts
    embeddings = tuple(Embedding(kind="difference", prompt=text, base=base, turn=part) for part in parts)
    starts: list[tuple[float, ...]] = [ITSELF] * (start != SEED) + [()] * (start != OWN)
    lanes = tuple(
        lane.model_copy(update={"embedding": place, "inverted": inverted})
        for inverted in starts
        for place in range(len(parts))
    )
    return {"embeddings": embeddings, "lanes": lanes, "caption": text}


def texts(request: UnclipRequest) -> tuple[str, str]:
    """What is wanted, and what the picture is said to be."""
    return request.embeddings[0].prompt, request.embeddings[0].base


def rows(request: UnclipRequest) -> list[Row]:
    """The rows of pictures, in the order of the lanes."""
    count = len(request.embeddings)
    firsts = range(0, len(request.lanes), count)
    return [_row(request.lanes[first], range(first, first + count)) for first in firsts]


def _row(lane: UnclipLane, lanes: range) -> Row:
    if lane.inverted:
        return Row("Its own x_T", "found by inversion", lanes)
    return Row("x_T drawn", f"seed {lane.seed}", lanes)


def slug(request: UnclipRequest, lane: int) -> str:
    """A lane in a few characters, for a file's name."""
    settings = request.lanes[lane]
    start = "inverted" if settings.inverted else f"seed-{settings.seed}"
    return f"{start}-theta-{request.embeddings[settings.embedding or 0].turn:g}"
