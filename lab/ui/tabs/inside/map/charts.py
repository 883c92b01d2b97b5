"""The charts of the map. Pure functions."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lab.requests.latent_map import NETWORKS
from lab.ui.shell import plots
from lab.ui.tabs.inside.map.outcome import Outcome

COLOURS = {"ae": "#e8590c", "vae": "#4269d0"}
GREY = "#9498a0"
CHARTS = (("Draws", "draws"), ("Spread of the codes", "spread"))
PLACES = 41  # points of a curve
FARTHEST = 4.0  # deviations of N(0, I)


def chart(outcome: Outcome, which: str) -> Any:
    """The chart that is chosen; None where there is nothing to draw."""
    if which == "spread" and outcome.planes:
        return _spread(outcome)
    return _draws(outcome) if outcome.draws else None


def _draws(outcome: Outcome) -> Any:
    """The share of pictures that are at most so far from a training picture: reconstructions, dashed, and draws from N(0, I)."""
    traces = []
    for network, found in outcome.draws.items():
        for title, distances, dash in (
            ("reconstructions", found.known, "dot"),
            ("draws from N(0, I)", found.prior, "solid"),
        ):
            name = f"{NETWORKS[network]}: {title}"
            traces.append(
                plots.line(*_cumulative(distances), name, COLOURS[network], line={"dash": dash, "width": 2.5})
            )
    return _figure(traces, "RMS to the nearest training picture, at most", "share of pictures, %")


def _spread(outcome: Outcome) -> Any:
    """The share of codes within a radius about the origin, beside that of N(0, I), 1 - exp(-r^2 / 2)."""
    most = max(float(np.quantile(np.hypot(*plane.mean.T), 0.98)) for plane in outcome.planes.values())
    radii = np.geomspace(0.1, max(most, FARTHEST), PLACES)
    traces = [
        plots.line(radii, [100 * float((np.hypot(*plane.mean.T) <= r).mean()) for r in radii], NETWORKS[network], COLOURS[network])
        for network, plane in outcome.planes.items()
    ]  # fmt: skip
    prior = 100 * (1 - np.exp(-np.square(radii) / 2))
    traces.append(plots.line(radii, prior, "N(0, I)", GREY, line={"dash": "dash", "width": 2}))
    return _figure(traces, "distance of the code from the origin", "share of codes within it, %", logarithmic=True)


def _cumulative(distances: np.ndarray) -> tuple[Sequence[float], Sequence[float]]:
    shares = np.linspace(0, 1, PLACES)
    return [float(one) for one in np.quantile(distances, shares)], [float(100 * share) for share in shares]


def _figure(traces: list[dict[str, Any]], x: str, y: str, logarithmic: bool = False) -> Any:
    return plots.figure(
        traces,
        height=262,
        margin={**plots.MARGIN, "t": 46, "b": 48},
        xaxis={"title": {"text": x}, **({"type": "log"} if logarithmic else {})},
        yaxis={"title": {"text": y}, "range": [0, 102]},
        hovermode="closest",
    )
