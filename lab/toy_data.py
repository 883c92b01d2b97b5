"""Data of two dimensions: a few points of the plane each, blurred by one Gaussian. No heavy imports.

Each row is a mixture of isotropic Gaussians of one deviation, sum_i weights_i N(points_i, std^2 I), whose density and score
have a closed form at every noise level (lab/engine/mixture.py). All lie about 0 within [-1.6, 1.6] on both axes, with a
deviation near 1, which is what variance-preserving processes take data for (Song et al. 2021). Adding one is adding a row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, cos, dist, pi, sin

Point = tuple[float, float]

CURVE_PIECES = 2000  # straight pieces that stand for a curve, far finer than its points


@dataclass(frozen=True)
class Toy:
    """Data of two dimensions: points, how wide each is blurred, how much each weighs, and the class of each."""

    name: str
    title: str
    points: tuple[Point, ...]
    std: float  # of the Gaussian at each point, on each axis
    weights: tuple[float, ...]  # one a point, summing to 1
    classes: tuple[
        int, ...
    ]  # one a point, from 0: the condition of guidance, and the groups that shares are counted in
    class_titles: tuple[str, ...]
    about: str


def _toy(name: str, title: str, std: float, groups: dict[str, Sequence[Point]], about: str) -> Toy:
    """A toy of equally heavy points, one class for each title of `groups`; moved so that their mean is 0."""
    points = [point for group in groups.values() for point in group]
    centre = [sum(axis) / len(points) for axis in zip(*points)]
    moved = tuple((round(x - centre[0], 3) + 0.0, round(y - centre[1], 3) + 0.0) for x, y in points)
    classes = tuple(index for index, group in enumerate(groups.values()) for _ in group)
    return Toy(name, title, moved, std, (1 / len(moved),) * len(moved), classes, tuple(groups), about)


def _along(path: Sequence[Point], count: int, closed: bool = False) -> list[Point]:
    """`count` points at equal distances along a path of straight pieces, both ends included, or around a closed one."""
    lengths = [dist(a, b) for a, b in pairwise(path)]
    gap = sum(lengths) / (count if closed else count - 1)
    points, walked, at = [], 0.0, 0
    for index in range(count):
        while at < len(lengths) - 1 and walked + lengths[at] < index * gap:
            walked, at = walked + lengths[at], at + 1
        (x, y), (next_x, next_y) = path[at : at + 2]
        share = (index * gap - walked) / lengths[at]
        points.append((x + share * (next_x - x), y + share * (next_y - y)))
    return points


def _arc(centre: Point, radii: Point, begin: float, end: float) -> list[Point]:
    """A path along an ellipse with axes `radii`, from angle `begin` to `end` in degrees, counterclockwise from the right."""
    pieces = ceil(abs(end - begin))
    angles = [(begin + (end - begin) * piece / pieces) * pi / 180 for piece in range(pieces + 1)]
    return [(centre[0] + radii[0] * cos(angle), centre[1] + radii[1] * sin(angle)) for angle in angles]


def _circle(radius: float, count: int) -> list[Point]:
    angles = (2 * pi * index / count for index in range(count))
    return [(radius * cos(angle), radius * sin(angle)) for angle in angles]


def _archimedes(radius: float, begin: float, turns: float, phase: float = 0.0) -> list[Point]:
    """A path along Archimedes' spiral, which ends at `radius` after `turns`; its first `begin` turns are left out."""
    path = []
    for piece in range(CURVE_PIECES + 1):
        turn = begin + (turns - begin) * piece / CURVE_PIECES
        angle, r = 2 * pi * (turn + phase), radius * turn / turns
        path.append((r * cos(angle), r * sin(angle)))
    return path


def _shifted(points: Iterable[Point], x: float, y: float = 0.0) -> list[Point]:
    return [(x + point[0], y + point[1]) for point in points]


# --- shapes that need more than a line


def _squares(rows: Iterable[int], side: float = 0.75, lattice: int = 4) -> list[Point]:
    """The dark squares of a 4 by 4 board in `rows`, each a lattice of points."""
    offsets = [(index + 0.5) * side / lattice for index in range(lattice)]
    corners = [(column * side, row * side) for row in rows for column in range(4) if (row + column) % 2 == 0]
    return [(left + x, low + y) for left, low in corners for x in offsets for y in offsets]


def _s(w: float, h: float) -> list[Point]:
    """The letter S of width w and height h about 0: one stroke of two arcs."""
    upper = _arc((0, h / 4), (w / 2, h / 4), 25, 270)
    lower = _arc((0, -h / 4), (w / 2, h / 4), 90, -155)
    return _along([*upper, *lower[1:]], 40)


def _d(w: float, h: float) -> list[Point]:
    """The letter D: its stem and a bow, closed."""
    left, top = -w / 2, h / 2
    bow = _arc((left + w / 4, 0), (0.75 * w, top), 90, -90)
    return _along([(left, -top), (left, top), *bow, (left, -top)], 40, closed=True)


def _e(w: float, h: float) -> list[Point]:
    """The letter E: stem with the outer arms, and the middle one."""
    left, right, top = -w / 2, w / 2, h / 2
    frame = _along([(right, top), (left, top), (left, -top), (right, -top)], 33)
    return [*frame, *_along([(left + w / 8, 0), (right - w / 8, 0)], 7)]


def _eye(x: float) -> list[Point]:
    return _along(_arc((x, 0.42), (0.08, 0.17), 0, 360), 6, closed=True)


# --- the rows

_ROWS = (
    Toy("two-modes", "Two modes", ((-1.0, -1.0), (1.0, 1.0)), 0.2, (0.2, 0.8), (0, 1), ("Light mode", "Heavy mode"),
        "Song & Ermon 2019, Figure 3, with all lengths divided by five: one mode has four times the weight of the other."),
    _toy("eight", "Eight modes", 0.1, {f"Mode {index + 1}": [point] for index, point in enumerate(_circle(1.25, 8))},
         "Eight modes of equal weight on a circle; each is a class of its own."),
    _toy("ring", "Ring", 0.08, {"Upper half": _along(_arc((0, 0), (1.2, 1.2), 3, 177), 30), "Lower half": _along(_arc((0, 0), (1.2, 1.2), 183, 357), 30)},
         "Sixty points so close that they blur into one even ring."),
    _toy("two-moons", "Two moons", 0.07, {"Upper moon": _along(_arc((-0.5, -0.35), (0.98, 1.35), 180, 0), 40), "Lower moon": _along(_arc((0.5, 0.35), (0.98, 1.35), 180, 360), 40)},
         "Two half moons that reach into each other; each is a class."),
    _toy("spiral", "Spiral", 0.05, {"First arm": _along(_archimedes(1.5, 0.15, 1.35, phase=0.12), 70), "Second arm": _along(_archimedes(1.5, 0.15, 1.35, phase=0.62), 70)},
         "Two arms wound into each other; each is a class."),
    _toy("swiss-roll", "Swiss roll", 0.06, {"Inner half": _along(_archimedes(1.55, 0.5, 2.25), 100)[:50], "Outer half": _along(_archimedes(1.55, 0.5, 2.25), 100)[50:]},
         "The roll of Sohl-Dickstein et al. 2015, Figure 1: one arm of a spiral."),
    _toy("checkerboard", "Checkerboard", 0.08, {"Odd rows": _squares((0, 2)), "Even rows": _squares((1, 3))},
         "Eight squares of a board of four by four, with empty squares between them."),
    _toy("letters", "Letters S D E", 0.045, {"S": _shifted(_s(0.8, 2.0), -1.08), "D": _d(0.8, 2.0), "E": _shifted(_e(0.76, 2.0), 1.1)},
         "Three letters written in points; each letter is a class."),
    _toy("face", "Smiling face", 0.06, {"Outline": _circle(1.4, 56), "Eyes": [*_eye(-0.48), *_eye(0.48)], "Mouth": _along(_arc((0, 0), (0.85, 0.8), 205, 335), 16)},
         "A smiling face; outline, eyes and mouth are classes."),
)  # fmt: skip

TOYS: dict[str, Toy] = {row.name: row for row in _ROWS}
