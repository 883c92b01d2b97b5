"""The chart of the room. Pure functions."""

from typing import Any

from lab.ui.shell import plots
from lab.ui.tabs.unclip.diversity import plans
from lab.ui.tabs.unclip.outcome import Outcome
from lab.unclip_curves import unclip_curves

COLOURS = {plans.WORDS: "#2f9e6e", plans.UNCLIP: "#4269d0"}
TITLES = {plans.WORDS: "text-to-image", plans.UNCLIP: "decoder"}


def chart(outcome: Outcome) -> Any:
    """Diversity over the guidance scale, a curve for each way; None before there is any."""
    scales = sorted(plans.scales(outcome.request))
    traces = []
    for way in plans.WAYS:
        points = [
            (scale, value)
            for scale in scales
            if (value := plans.diversity(outcome, plans.Place(way, scale))) is not None
        ]
        traces.append(
            plots.line(
                [x for x, _ in points],
                [y for _, y in points],
                TITLES[way],
                COLOURS[way],
                mode="lines+markers",
                marker={"size": 8},
            )
        )
    if not any(trace["x"] for trace in traces):
        return None
    curves = unclip_curves()
    prompts = curves.diversity_prompts if curves else 0
    known = {way: plans.measured(way, plans.prior_of(outcome.request)) for way in plans.WAYS}
    traces += [
        plots.line(
            [x for x, _ in points],
            [y for _, y in points],
            f"{TITLES[way]}, {prompts} prompts",
            COLOURS[way],
            line={"dash": "dot", "width": 1.5},
        )
        for way, points in known.items()
        if points
    ]
    return plots.figure(
        traces,
        xaxis={"title": {"text": "guidance scale"}, "type": "log", "tickvals": scales, "ticktext": [f"{scale:g}" for scale in scales]},
        yaxis={"title": {"text": "diversity"}, "rangemode": "tozero"},
        margin={**plots.MARGIN, "t": 26},
    )  # fmt: skip
