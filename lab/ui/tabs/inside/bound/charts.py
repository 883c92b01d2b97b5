"""The chart of the bound: how it rises with the draws that are weighed together. Pure functions."""

from typing import Any

from lab.ui.shell import plots
from lab.ui.tabs.inside.bound.outcome import Outcome

HEIGHT = 262
BLUE, ORANGE = "#4269d0", "#e8590c"
BAND = "rgba(66, 105, 208, .18)"


def chart(outcome: Outcome) -> Any:
    """L_K over K (Burda et al. 2015, Table 1) with the middle 90 % of its estimates, and the ELBO; None before there is one."""
    curve = outcome.curve
    if not curve:
        return None
    counts = [row[0] for row in curve]
    low, high = ([round(row[k], 3) for row in curve] for k in (2, 3))
    edge: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines",
        "x": counts,
        "line": {"width": 0, "color": BLUE},
        "showlegend": False,
    }
    traces = [
        edge | {"name": "5 %", "y": low, "hovertemplate": "5 %: %{y}<extra></extra>"},
        edge | {"name": "95 %", "y": high, "fill": "tonexty", "fillcolor": BAND, "hovertemplate": "95 %: %{y}<extra></extra>"},
        {"type": "scatter", "mode": "lines+markers", "name": "mean of L_K", "x": counts, "y": [round(row[1], 3) for row in curve],
         "line": {"color": BLUE, "width": 2.5}, "marker": {"color": BLUE, "size": 9}, "hovertemplate": "mean %{y}<extra></extra>"},
        {"type": "scatter", "mode": "lines", "name": "ELBO = R − KL", "x": [outcome.request.counts[0], outcome.request.counts[-1]],
         "y": [round(outcome.elbo, 3)] * 2, "line": {"color": ORANGE, "width": 2, "dash": "dash"}, "hovertemplate": "ELBO %{y}<extra></extra>"},
    ]  # fmt: skip
    ticks = list(outcome.request.counts)
    return plots.figure(
        traces,
        height=HEIGHT,
        margin={**plots.MARGIN, "l": 64, "t": 26, "b": 48},
        xaxis={"title": {"text": "K, draws weighed together"}, "type": "log", "tickvals": ticks, "ticktext": [f"{one:,}" for one in ticks],
               "range": [-0.15, 3.85]},
        yaxis={"title": {"text": "nats", "standoff": 8}},
    )  # fmt: skip
