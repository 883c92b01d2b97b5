"""The chart of each experiment. Pure functions."""

from typing import Any

from lab.ui.shell import plots
from lab.ui.tabs.inside.latents import plans
from lab.ui.tabs.inside.latents.outcome import Outcome

HEIGHT = 262
BLUE, ORANGE, GREEN, GREY = "#4269d0", "#e8590c", "#2f9e6e", "#9498a0"
MARGIN = {**plots.MARGIN, "t": 26, "b": 48}


def chart(outcome: Outcome) -> Any:
    """The chart of a run."""
    draw = {plans.CHANNELS: _channels, plans.NOISE: _noise, plans.BETWEEN: _between, plans.DRAWS: _draws}
    return draw[outcome.experiment](outcome)


def _channels(outcome: Outcome) -> Any:
    """What each channel's absence changes, by the decoder and by the linear map."""
    names = [f"channel {k + 1}" for k in range(outcome.channels)]
    bars = [
        {"type": "bar", "name": name, "x": names, "y": [_round(value(k)) for k in range(outcome.channels)], "marker": {"color": colour},
         "hovertemplate": "%{y} grey levels<extra></extra>"}
        for name, value, colour in (("by the decoder", outcome.coarse_change, BLUE), ("by the linear map", outcome.linear_change, ORANGE))
    ]  # fmt: skip
    return plots.figure(
        bars,
        height=HEIGHT,
        margin=MARGIN,
        barmode="group",
        xaxis={"title": {"text": "the channel that is off"}, "type": "category"},
        yaxis={"title": {"text": "change, RMS of 255"}, "rangemode": "tozero"},
    )


def _noise(outcome: Outcome) -> Any:
    """How alike the clean picture from afar, over log-SNR."""
    traces = [
        _curve(outcome.levels, [outcome.alike(kind, level) for level in outcome.levels], name, colour)
        for kind, name, colour in (("noise", "noise on latents, decoded", BLUE), ("pixel_noise", "noise on pixels", ORANGE))
    ]  # fmt: skip
    return plots.figure(
        traces,
        height=HEIGHT,
        margin=MARGIN,
        xaxis={"title": {"text": plots.LOG_SNR}, "autorange": "reversed"},
        yaxis={"title": {"text": "correlation of 8 × 8 means"}, "range": [-0.1, 1.05]},
    )


def _between(outcome: Outcome) -> Any:
    """Gradient energy over t as a share of the ends'."""
    ways = (("lerp", "latents, straight", BLUE), ("slerp", "latents, arc", GREEN), ("pixel_lerp", "pixels", ORANGE))
    traces = [
        _curve(outcome.places, [outcome.energy(kind, t) for t in outcome.places], name, colour)
        for kind, name, colour in ways
    ]
    exposure = _curve(
        outcome.places, [outcome.exposure(t) for t in outcome.places], "double exposure, edges apart", GREY
    )
    exposure["line"]["dash"] = "dash"
    return plots.figure(
        [*traces, exposure],
        height=HEIGHT,
        margin=MARGIN,
        xaxis={"title": {"text": "t, from the picture to the second"}},
        yaxis={"title": {"text": "gradient energy, of the ends'"}, "rangemode": "tozero"},
    )


def _draws(outcome: Outcome) -> Any:
    """How far draws lie from the mean's picture over the factor of the deviations; a point a draw."""
    points = [(factor, _round(value)) for factor in outcome.factors for value in outcome.drawn(factor)]
    if not points:
        return None
    means = [(factor, sum(found) / len(found)) for factor in outcome.factors if (found := outcome.drawn(factor))]
    traces = [
        {"type": "scatter", "mode": "markers", "name": "a draw", "x": [x for x, _ in points], "y": [y for _, y in points],
         "marker": {"color": BLUE, "size": 8, "opacity": 0.5}},
        _curve([x for x, _ in means], [y for _, y in means], "mean", BLUE),
    ]  # fmt: skip
    return plots.figure(
        traces,
        height=HEIGHT,
        margin=MARGIN,
        xaxis={"title": {"text": "times the posterior's deviation"}, "type": "log", "tickvals": outcome.factors,
               "ticktext": [f"{factor:g}" for factor in outcome.factors]},
        yaxis={"title": {"text": "RMS to the mean's, of 255"}, "type": "log"},
    )  # fmt: skip


def _curve(x: list[float], y: list[float | None], name: str, colour: str) -> dict[str, Any]:
    there = [(a, b) for a, b in zip(x, y, strict=True) if b is not None]
    return plots.line([a for a, _ in there], [b for _, b in there], name, colour)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
