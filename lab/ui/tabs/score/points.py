"""Points that a visitor draws, as text: "-101,34 20,5", hundredths of a unit; as points.js in the page."""

import re

from lab.requests.base import LabError

MOST = 500  # points: the page weighs each of them for every particle
STD = 0.06  # of the Gaussian at each
EDGE = 200  # hundredths of a unit: within the window
LONGEST = 10 * MOST  # characters
Point = tuple[float, float]
_POINT = re.compile(r"(-?\d{1,3}),(-?\d{1,3})")


def parse(text: str) -> list[Point]:
    """The points of a text, at most MOST, each within the window. Raises LabError for a word that is no point."""
    words = text.split()
    pairs = [_POINT.fullmatch(word) for word in words]
    if None in pairs:
        raise LabError(f"“{words[pairs.index(None)][:20]}” is no point. A point is two whole numbers, such as -101,34.")
    bounded = [[max(-EDGE, min(EDGE, int(number))) / 100 for number in pair.groups()] for pair in pairs if pair]
    return [(x, y) for x, y in bounded[:MOST]]


def readable(text: str) -> tuple[list[Point], int]:
    """The points of a text as `parse` has them, and how many of its words are none."""
    words = text.split()
    good = [word for word in words if _POINT.fullmatch(word)]
    return parse(" ".join(good)), len(words) - len(good)


def written(points: list[Point]) -> str:
    """The inverse of `parse`."""
    return " ".join(f"{round(100 * x)},{round(100 * y)}" for x, y in points)
