"""The room's numbers. Pure functions of what has come of a run."""

from collections.abc import Iterable
from statistics import fmean

from lab.measures import rms
from lab.requests.unclip import Near
from lab.ui.shell import media
from lab.ui.tabs.unclip import view
from lab.ui.tabs.unclip.outcome import Outcome


def itself(outcome: Outcome) -> Near | None:
    """What the judge takes the picture itself for."""
    found = outcome.judged_pictures.get(0)
    return None if found is None else found.nearest


def apart(outcome: Outcome, lane: int) -> float | None:
    """How far a finished lane's picture is from the picture, pixel by pixel: RMS in grey levels."""
    if lane not in outcome.results:
        return None
    drawn = outcome.results[lane].picture
    return rms(drawn, media.resize(outcome.request.pictures[0], len(drawn)))


def cosine(outcome: Outcome, lane: int) -> float | None:
    """The judge's cosine of a lane's picture to the picture."""
    judged = outcome.judged.get(lane)
    return None if judged is None else judged.to_picture


def verdict(outcome: Outcome, lane: int) -> str:
    """What a lane's picture has in common with the picture, by the judge; "" before it has said so."""
    judged, picture = outcome.judged.get(lane), itself(outcome)
    return "" if judged is None or picture is None else view.alike(judged.nearest, picture)


def mean(values: Iterable[float | None]) -> float | None:
    """Of those that are there; None of none."""
    there = [value for value in values if value is not None]
    return fmean(there) if there else None
