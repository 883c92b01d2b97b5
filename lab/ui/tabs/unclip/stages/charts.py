"""The chart of the room. Pure functions."""

from typing import Any

from lab.ui.shell import plots
from lab.ui.tabs.unclip.outcome import Outcome
from lab.ui.tabs.unclip.stages import plans

GREY = "#9498a0"


def chart(outcome: Outcome) -> Any:
    """How well the judge finds each picture to fit the prompt: a point a picture, a line a seed, whose pictures began at one noise; None
    before there is any."""
    titles = [way.title for way in plans.WAYS.values()]
    lines, found = [], False
    for k, seed in enumerate(plans.seeds(outcome.request)):
        judged = [outcome.judged.get(plans.lane(k, way)) for way in plans.WAYS]
        fits = [None if one is None or one.fit is None else round(one.fit, 3) for one in judged]
        found = found or any(fit is not None for fit in fits)
        lines.append(
            {"type": "scatter", "mode": "lines+markers", "name": f"seed {seed}", "x": titles, "y": fits,
             "line": {"color": GREY, "width": 1}, "hovertemplate": f"seed {seed}: %{{y:.2f}}<extra></extra>",
             "marker": {"size": 11, "color": [way.colour for way in plans.WAYS.values()]}}
        )  # fmt: skip
    if not found:
        return None
    return plots.figure(
        lines,
        xaxis={"type": "category", "showgrid": False},
        yaxis={"title": {"text": "fit to the prompt"}},
        showlegend=False,
        hovermode="closest",
    )
