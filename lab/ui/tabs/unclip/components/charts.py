"""The chart of the room. Pure functions."""

from collections.abc import Callable
from typing import Any

from lab.ui.shell import plots
from lab.ui.tabs.unclip.components import figures, plans
from lab.ui.tabs.unclip.outcome import Outcome

HEIGHT = 262
BLUE, ORANGE, GREY, PALE = "#4269d0", "#e8590c", "#6b7280", "#9498a0"
MARGIN = {**plots.MARGIN, "t": 26, "b": 48}
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
    ticks = sorted(counts)
    return plots.figure(
        traces,
        height=HEIGHT,
        margin=MARGIN,
        xaxis={"title": {"text": "principal components kept"}, "type": "log", "tickvals": ticks, "ticktext": [f"{tick}" for tick in ticks]},
        yaxis={"title": {"text": "cosine to the picture, share"}, "range": [min(0.0, *(min(one["y"]) for one in traces), 0.0) - 0.02, 1.04]},
    )  # fmt: skip
