"""What the room says of a run, and its numbers. Pure functions."""

from html import escape

import numpy as np

from lab.quantities import quantity
from lab.ui.shell import widgets
from lab.ui.tabs.unclip.between import plans, view
from lab.ui.tabs.unclip.between.outcome import Outcome
from lab.ui.tabs.unclip.view import number


def words(outcome: Outcome) -> str:
    """What is to be seen, with the figures of this run."""
    if not outcome.whole or any(lane not in outcome.embedded for lane in range(len(outcome.places))):
        return ""
    return widgets.words(_of_film(outcome) if outcome.experiment == plans.FILM else _of_map(outcome))


def _of_film(outcome: Outcome) -> str:
    middle = plans.nearest(outcome.places, 0.5, 0.0)
    ends = [number(outcome.to_corner(middle, k)) for k in range(2)]
    off, apart = outcome.off_exposure(middle) or 0.0, _apart(outcome)
    changes = [change or 0.0 for change in outcome.changes]
    most = int(np.argmax(changes))
    share = changes[most] / max(sum(changes), 1e-9)
    near = view.nearest(outcome, middle)
    return (
        f"Halfway the embedding has cosine {ends[0]} to the first picture’s and {ends[1]} to the second’s, and “{escape(near)}” lies nearest in the "
        f"lab. What is drawn from it lies {off:.0f} grey levels RMS from the double exposure of the two ends, which lie {apart:.0f} apart themselves. "
        f"The film changes most between t = {outcome.places[most].x:.2f} and {outcome.places[most + 1].x:.2f}, by {view.percent(share)} of all its change; "
        "a double exposure changes as much at every step. The ends are drawn, too: "
        + (
            "their noise is the pictures’ own, inverted."
            if _inverted(outcome)
            else "variations of the pictures, from the same noise as all frames."
        )
    )


def _apart(outcome: Outcome) -> float:
    """RMS between the two ends that are drawn."""
    return sum(change or 0.0 for change in outcome.mixed_changes)


def _of_map(outcome: Outcome) -> str:
    count = len(outcome.corners)
    kinds = {near.caption for lane in outcome.embedded.values() for near in lane.nearest[:1]}
    inside = [lane for lane, place in enumerate(outcome.places) if max(place.weights) < 1]
    off = float(np.mean([outcome.off_exposure(lane) or 0.0 for lane in inside]))
    return (
        f"Every picture of the map is drawn from a mixture of {count} embeddings and from {_noise(outcome)}. Under the {len(outcome.places)} places "
        f"{quantity(len(kinds), 'picture')} of the lab {'lies' if len(kinds) == 1 else 'lie'} nearest. What is drawn between the corners lies {off:.0f} grey levels RMS from their double exposure, "
        "in the mean."
    )


def _noise(outcome: Outcome) -> str:
    return "the pictures’ own noise, inverted and mixed alike" if _inverted(outcome) else "the same noise"


def _inverted(outcome: Outcome) -> bool:
    return any(any(lane.inverted) for lane in outcome.request.lanes)


def summary(outcome: Outcome) -> str:
    """A sentence at the end of a run."""
    lanes = outcome.request.lanes
    what = {
        plans.FILM: "a film from one picture to the other",
        plans.TRIANGLE: "a triangle of three pictures",
        plans.SQUARE: "a square of four pictures",
    }
    return f"{quantity(len(outcome.results), 'picture')}, {quantity(lanes[0].steps, 'step')} each: {what[outcome.experiment]}."


def table(outcome: Outcome) -> str:
    """The numbers of a run."""
    names = view.NAMES[: len(outcome.corners)]
    head = ["place", *(f"embedding: cos to the {name}" for name in names), *(f"judge: cos to the {name}" for name in names),
            "nearest in the lab", "cos", "RMS to the double exposure"]  # fmt: skip
    rows = []
    for lane, place in enumerate(outcome.places):
        if lane not in outcome.results or lane not in outcome.embedded:
            continue
        nearest, off = outcome.embedded[lane].nearest, outcome.off_exposure(lane)
        rows.append(
            [
                view.label(outcome.experiment, place),
                *(number(outcome.to_corner(lane, k), 3) for k in range(len(names))),
                *(number(outcome.by_judge(lane, k), 3) for k in range(len(names))),
                nearest[0].caption if nearest else "",
                number(nearest[0].cosine, 3) if nearest else "",
                number(off, 1),
            ]
        )
    return widgets.table(head, rows)
