"""The chart of the words. Pure functions."""

from typing import Any

from lab.ui.shell import plots
from lab.ui.tabs.inside.attention.outcome import PLAIN, Outcome

COLOURS = ("#4269d0", "#e8590c", "#3ca951", "#a463f2", "#97bbf5", "#ff8ab7", "#9c6b4e", "#6cc5b0", "#efb118", "#9498a0")
GREY = "#9498a0"
RMS = "RMS to the plain picture"


def chart(outcome: Outcome) -> Any:
    """The shares of the words over the steps, or how far edited pictures are from the plain one; None before there is any."""
    request = outcome.request
    if PLAIN not in outcome.results:
        return None
    if request.weights:
        return plots.lines(
            [(word, COLOURS[j], _distances(outcome, word)) for j, word in enumerate(request.words)], "weight", RMS
        )
    if request.target:
        bars = [(name, lane) for lane, name in ((1, "target alone"), (2, "attention kept")) if lane in outcome.results]
        return plots.figure(
            [{"type": "bar", "x": [name for name, _ in bars], "y": [round(outcome.rms(lane), 2) for _, lane in bars], "marker": {"color": list(COLOURS[:2])}}],
            yaxis={"title": {"text": RMS.replace("plain picture", "source")}}, showlegend=False,
        )  # fmt: skip
    return _shares(outcome)


def _distances(outcome: Outcome, word: str) -> list[tuple[float, float]]:
    lanes = [
        (one.weight, lane) for lane, one in enumerate(outcome.drawings) if one.kind == "weight" and one.word == word
    ]
    return [(weight, outcome.rms(lane)) for weight, lane in sorted(lanes) if lane in outcome.results]


def _shares(outcome: Outcome) -> Any:
    if not outcome.maps or outcome.words is None:
        return None
    calls, shares = sorted(outcome.maps), outcome.shares
    ends = (0, len(shares) - 1)
    order = sorted(range(len(shares)), key=lambda k: (k in ends, -shares[k]))
    traces = []
    for place, k in enumerate(order):
        points = [float(outcome.maps[i].shares[k]) for i in calls]
        colour = GREY if k in ends else COLOURS[place % len(COLOURS)]
        dash = {"dash": "dot" if k == 0 else "dash"} if k in ends else {}
        traces.append(
            plots.line([i + 1 for i in calls], [100 * y for y in points], outcome.words.names[k], colour, line=dash)
        )
    return plots.figure(
        traces, height=300, xaxis={"title": {"text": "call"}}, hovermode="closest",
        yaxis={"title": {"text": "share of the attention, %"}, "type": "log"}, showlegend=True,
        legend={"orientation": "v", "x": 1.01, "y": 1, "font": {"size": 11}}, margin={**plots.MARGIN, "r": 130},
    )  # fmt: skip
