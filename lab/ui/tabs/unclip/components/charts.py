"""The chart of the room. Pure functions."""

from collections.abc import Callable
from typing import Any

from lab.ui.shell import plots
from lab.ui.tabs.unclip.components import figures, plans
from lab.ui.tabs.unclip.outcome import Outcome
from lab.unclip_curves import UnclipCurves

HEIGHT = 262
BLUE, ORANGE, GREY, PALE = "#4269d0", "#e8590c", "#6b7280", "#9498a0"
MARGIN = {**plots.MARGIN, "t": 26, "b": 48}
ONE, MANY = "one", "many"
CHARTS = (("This picture", ONE), ("Many pictures", MANY))
CURVES: tuple[tuple[str, str, Callable[[Outcome, int], float | None], dict[str, Any]], ...] = (
    ("judge: what is drawn", ORANGE, figures.drawn, {}),
    ("CLIP: what is kept", BLUE, figures.cosine, {}),
    ("variance kept", GREY, figures.variance, {"dash": "dash"}),
    ("of this picture’s", PALE, figures.own, {"dash": "dot"}),
)


def chart(outcome: Outcome) -> Any:
    """Cosines and shares over the number of components."""
    counts = plans.counts(outcome.request)
    traces = []
    for name, colour, value, line in CURVES:
        points = [
            (count, figure) for place, count in enumerate(counts) if (figure := value(outcome, place)) is not None
        ]
        points.sort()
        if points:
            x, y = zip(*points, strict=True)
            traces.append(plots.line(x, y, name, colour, line=line, mode="lines+markers"))
    lowest = min([0.0, *(min(one["y"]) for one in traces)])
    return _figure(traces, sorted(counts), "cosine to the picture, share", lowest)


def measured(curves: UnclipCurves) -> Any:
    """Of many drawings the shares that the judge takes for the drawing's kind, and for the very thing, over the number of components."""
    counts = [one.components for one in curves.kept]
    lines = (
        ("same kind", ORANGE, [one.group for one in curves.kept]),
        ("same thing", BLUE, [one.caption for one in curves.kept]),
    )
    traces = [plots.line(counts, shares, name, colour, mode="lines+markers") for name, colour, shares in lines]
    return _figure(traces, counts, f"share of {curves.prompts} drawings", 0.0)


def _figure(traces: list[dict[str, Any]], ticks: list[int], y: str, lowest: float) -> Any:
    return plots.figure(
        traces,
        height=HEIGHT,
        margin=MARGIN,
        xaxis={"title": {"text": "principal components kept"}, "type": "log", "tickvals": ticks, "ticktext": [f"{tick}" for tick in ticks]},
        yaxis={"title": {"text": y}, "range": [lowest - 0.02, 1.04]},
    )  # fmt: skip
