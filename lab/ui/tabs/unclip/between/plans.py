"""Where the pictures of the room lie: places with weights of the request's pictures. Pure functions."""

from dataclasses import dataclass

import numpy as np

from lab.requests.unclip import Embedding, UnclipLane, UnclipRequest

FILM, TRIANGLE, SQUARE = "film", "triangle", "square"
EXPERIMENTS = (("2: a film", FILM), ("3: triangle", TRIANGLE), ("4: square", SQUARE))
COUNTS = {FILM: 2, TRIANGLE: 3, SQUARE: 4}
SEED, INVERTED = "seed", "inverted"
DIGITS = 4  # of places and weights


@dataclass(frozen=True)
class Place:
    """Where a picture is drawn: row and column of its cell, x and y in [0, 1], to the right and down, and the weight of each of the
    request's pictures."""

    row: int
    column: int
    x: float
    y: float
    weights: tuple[float, ...]


def places(experiment: str, side: int) -> list[Place]:
    """The places of an experiment, row by row; `side` is the frames of a film, or the pictures along a side of a map, at least two.

    A film goes from the first picture to the second. A triangle has barycentric weights, the first picture at its top, the second at the
    left, the third at the right; its row r has r + 1 places. A square has bilinear weights, its pictures in reading order.
    """
    ends = np.linspace(0, 1, side)
    if experiment == FILM:
        return [_place(0, k, x, 0.0, (1 - x, x)) for k, x in enumerate(ends)]
    if experiment == TRIANGLE:
        return [
            _place(row, k, ends[k], y, (1 - y, y - ends[k], ends[k]))
            for row, y in enumerate(ends)
            for k in range(row + 1)
        ]
    return [
        _place(row, k, x, y, ((1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y))
        for row, y in enumerate(ends)
        for k, x in enumerate(ends)
    ]


def _place(row: int, column: int, x: float, y: float, weights: tuple[float, ...]) -> Place:
    rounded = tuple(abs(round(float(weight), DIGITS)) for weight in weights)  # no minus before zero
    return Place(row, column, round(float(x), DIGITS), round(float(y), DIGITS), rounded)


def asks(there: list[Place], lane: UnclipLane, inverted: bool) -> tuple[tuple[Embedding, ...], tuple[UnclipLane, ...]]:
    """An embedding and a lane for each place, set as `lane`; with `inverted`, x_T is mixed by the same weights."""
    embeddings = tuple(Embedding(weights=place.weights) for place in there)
    lanes = tuple(
        lane.model_copy(update={"embedding": k, "inverted": place.weights if inverted else ()})
        for k, place in enumerate(there)
    )
    return embeddings, lanes


def experiment(request: UnclipRequest) -> str:
    """Which one a request is."""
    return next(name for name, count in COUNTS.items() if count == len(request.pictures))


def places_of(request: UnclipRequest) -> list[Place]:
    """The places of a request's lanes."""
    name, lanes = experiment(request), len(request.lanes)
    side = {FILM: lanes, TRIANGLE: round(((8 * lanes + 1) ** 0.5 - 1) / 2), SQUARE: round(lanes**0.5)}[name]
    return places(name, side)


def nearest(there: list[Place], x: float, y: float) -> int:
    """The index of the place that lies nearest to (x, y)."""
    return min(range(len(there)), key=lambda k: (there[k].x - x) ** 2 + (there[k].y - y) ** 2)


def corners(there: list[Place]) -> list[int]:
    """The index of the place that is one picture alone, for each of the pictures."""
    return [max(range(len(there)), key=lambda k: there[k].weights[picture]) for picture in range(len(there[0].weights))]
