"""The charts of the room. Pure functions."""

from itertools import pairwise
from typing import Any

from lab.ui.shell import plots
from lab.ui.tabs.unclip.between import plans
from lab.ui.tabs.unclip.between.outcome import Outcome
from lab.ui.tabs.unclip.between.view import COLOURS, NAMES

COSINES, CHANGES = "cosines", "changes"
CHARTS = (("Cosines to both pictures", COSINES), ("Change from frame to frame", CHANGES))
HEIGHT = 262
MARGIN = {**plots.MARGIN, "t": 44, "b": 48}
GREY = "#9498a0"
T = {"title": {"text": "t, from the first picture to the second"}}


def chart(outcome: Outcome, which: str) -> Any:
    """The chart of a run; a map has one of its own."""
    if outcome.experiment != plans.FILM:
        return _shares(outcome)
    return _changes(outcome) if which == CHANGES else _cosines(outcome)


def _cosines(outcome: Outcome) -> Any:
    """Cosines to both ends over t: of the embedding, and by the judge of what is drawn."""
    t = [place.x for place in outcome.places]
    traces = []
    for k, name in enumerate(NAMES[:2]):
        ways = (("embedding", outcome.to_corner, "solid"), ("drawn picture, by the judge", outcome.by_judge, "dot"))
        for title, cosine, dash in ways:
            values = [cosine(lane, k) for lane in range(len(t))]
            traces.append(_curve(t, values, f"{title}: to the {name}", COLOURS[k], dash))
    return plots.figure(traces, height=HEIGHT, margin=MARGIN, xaxis=T, yaxis={"title": {"text": "cosine"}})


def _changes(outcome: Outcome) -> Any:
    """How much each frame differs from the one before, and a double exposure's."""
    t = [place.x for place in outcome.places]
    middles = [(a + b) / 2 for a, b in pairwise(t)]
    traces = [
        _curve(middles, outcome.changes, "unCLIP", COLOURS[0], "solid"),
        _curve(middles, outcome.mixed_changes, "double exposure of both ends", GREY, "dash"),
    ]
    y = {"title": {"text": "RMS to the next, of 255"}, "rangemode": "tozero"}
    return plots.figure(traces, height=HEIGHT, margin=MARGIN, xaxis=T, yaxis=y)


def _shares(outcome: Outcome) -> Any:
    """Of a map: by the judge, how near what is drawn is to each picture, over that picture's share."""
    traces = []
    for k, name in enumerate(NAMES[: len(outcome.corners)]):
        points = [(place.weights[k], outcome.by_judge(lane, k)) for lane, place in enumerate(outcome.places)]
        there = [(weight, round(cosine, 4)) for weight, cosine in points if cosine is not None]
        traces.append(
            {"type": "scatter", "mode": "markers", "name": f"to the {name}", "x": [x for x, _ in there], "y": [y for _, y in there],
             "marker": {"color": COLOURS[k], "size": 7, "opacity": 0.7}}
        )  # fmt: skip
    x = {"title": {"text": "share of that picture"}, "tickformat": ".0%"}
    y = {"title": {"text": "cosine, by the judge"}}
    return plots.figure(traces, height=HEIGHT, margin=MARGIN, hovermode="closest", xaxis=x, yaxis=y)


def _curve(x: list[float], y: list[float | None], name: str, colour: str, dash: str) -> dict[str, Any]:
    there = [(a, b) for a, b in zip(x, y, strict=True) if b is not None]
    return plots.line([a for a, _ in there], [b for _, b in there], name, colour, line={"dash": dash})
