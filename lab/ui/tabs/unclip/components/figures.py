"""The room's numbers. Pure functions of what has come of a run."""

from statistics import fmean

import numpy as np

from lab.requests.unclip import Near
from lab.ui.tabs.unclip import view
from lab.ui.tabs.unclip.components import plans
from lab.ui.tabs.unclip.outcome import Outcome


def cosine(outcome: Outcome, place: int) -> float | None:
    """The CLIP's cosine of what is kept to the whole embedding, in [-1, 1]; None before both are there."""
    whole, kept = outcome.embedded.get(0), outcome.embedded.get(plans.MEAN + 1 + place)
    if whole is None or kept is None:
        return None
    lengths = np.linalg.norm(whole.vector) * np.linalg.norm(kept.vector)
    return float(whole.vector @ kept.vector / max(float(lengths), 1e-12))


def variance(outcome: Outcome, place: int) -> float | None:
    """The share of the variance of the lab's pictures that so many components keep, in [0, 1]."""
    kept = outcome.embedded.get(plans.MEAN + 1 + place)
    return None if kept is None else kept.variance


def own(outcome: Outcome, place: int) -> float | None:
    """The share of this picture's squared distance to the mean that is kept, in [0, 1]."""
    found = [outcome.embedded.get(index) for index in (0, plans.MEAN, plans.MEAN + 1 + place)]
    if any(one is None for one in found):
        return None
    whole, mean, kept = (one.vector for one in found if one is not None)
    return float(np.square(kept - mean).sum() / max(float(np.square(whole - mean).sum()), 1e-12))


def drawn(outcome: Outcome, place: int) -> float | None:
    """The judge's cosine of the pictures drawn from it to the picture, their mean; None before one is judged."""
    judged = [outcome.judged.get(lane) for lane in plans.lanes_of(outcome.request, place)]
    cosines = [one.to_picture for one in judged if one is not None and one.to_picture is not None]
    return fmean(cosines) if cosines else None


def picture(outcome: Outcome) -> Near | None:
    """What the judge takes the picture itself for."""
    found = outcome.judged_pictures.get(0)
    return None if found is None else found.nearest


def verdict(outcome: Outcome, lane: int) -> str:
    """What a lane's picture has in common with the picture, by the judge; "" before it has said so."""
    said, itself = outcome.judged.get(lane), picture(outcome)
    return "" if said is None or itself is None else view.alike(said.nearest, itself)


def share(outcome: Outcome, place: int, *verdicts: str) -> float | None:
    """The share of a number's pictures with one of these verdicts; None before one has any."""
    found = [verdict(outcome, lane) for lane in plans.lanes_of(outcome.request, place)]
    there = [one for one in found if one]
    return sum(one in verdicts for one in there) / len(there) if there else None
