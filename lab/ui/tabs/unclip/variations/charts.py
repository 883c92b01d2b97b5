"""The chart of each experiment. Pure functions."""

from typing import Any

from lab.ui.shell import plots
from lab.ui.tabs.unclip.outcome import Outcome
from lab.ui.tabs.unclip.variations import figures, plans

HEIGHT = 262
GREEN, BLUE, ORANGE = "#2f9e6e", "#4269d0", "#e8590c"
MARGIN = {**plots.MARGIN, "t": 26, "b": 48}


def chart(outcome: Outcome) -> Any:
    """The chart of a run; None before a picture is judged."""
    if not outcome.judged:
        return None
    return _noise(outcome) if plans.experiment(outcome.request) == plans.NOISE else _seeds(outcome)


def _seeds(outcome: Outcome) -> Any:
    """Each picture by how far its pixels are from the picture's, and how near it is to the judge."""
    rows = [
        ("x_T inverted, η = 0", (0,)),
        *((f"{row.title}, {row.more}", row.lanes) for row in plans.rows(outcome.request)),
    ]
    colours = {"x_T inverted, η = 0": GREEN, "x_T inverted": BLUE, "x_T drawn": ORANGE}
    traces = []
    for name, lanes in rows:
        there = [lane for lane in lanes if lane in outcome.judged]
        traces.append(
            {
                "type": "scatter", "mode": "markers", "name": name.replace("x_T", "x<sub>T</sub>"), "x": [_round(figures.apart(outcome, lane)) for lane in there],
                "y": [_round(figures.cosine(outcome, lane)) for lane in there],
                "marker": {"color": colours.get(name, colours.get(name.split(",")[0])), "size": 10, "opacity": 0.8},
                "text": [outcome.judged[lane].nearest.caption for lane in there], "hovertemplate": "%{text}: RMS %{x}, cosine %{y}<extra></extra>",
            }
        )  # fmt: skip
    return plots.figure(
        traces,
        height=HEIGHT,
        margin=MARGIN,
        hovermode="closest",
        xaxis={"title": {"text": "pixels: RMS to the picture, of 255"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "judge: cosine to the picture"}},
    )


def _noise(outcome: Outcome) -> Any:
    """The judge's cosine over the level of noise: a line a seed."""
    levels = plans.levels(outcome.request)
    traces = []
    for row, colour in zip(plans.rows(outcome.request), (BLUE, ORANGE, GREEN), strict=False):
        points = [
            (level, value)
            for level, lane in zip(levels, row.lanes, strict=True)
            if (value := figures.cosine(outcome, lane)) is not None
        ]
        x, y = [level for level, _ in points], [value for _, value in points]
        traces.append(plots.line(x, y, row.title.lower(), colour, mode="lines+markers"))
    return plots.figure(
        traces,
        height=HEIGHT,
        margin=MARGIN,
        xaxis={"title": {"text": "level of noise on the embedding, 0 to 999"}, "tickvals": levels},
        yaxis={"title": {"text": "judge: cosine to the picture"}},
    )


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
