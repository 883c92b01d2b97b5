"""The chart of factors: what latents keep over what a step on them costs. Pure functions."""

from math import log10
from typing import Any

from lab.requests.factor import AUTOENCODERS, PIXELS
from lab.ui.shell import plots
from lab.ui.tabs.inside.factor.outcome import FACTORS, Outcome, title

HEIGHT = 262
BLUE, GREY, ORANGE = "#4269d0", "#9498a0", "#e8590c"
CHARTS = (("PSNR", "psnr"), ("SSIM", "ssim"))
AXES = {"psnr": "PSNR, dB", "ssim": "SSIM"}
LACKING = "no step is timed yet"


def chart(outcome: Outcome, what: str) -> Any:
    """PSNR or SSIM over milliseconds of a step, a point for each factor: of the held-out pictures with the middle 80 % of them,
    and of this picture."""
    places = {name: 1000 * outcome.times[name].least for name in FACTORS if name in outcome.times}
    there = [name for name in AUTOENCODERS if name in places and name in outcome.encoded]
    traces = []
    held_out = [name for name in there if name in outcome.held_out]
    if held_out:
        traces.append(_means(outcome, what, held_out, places))
    if there:
        traces.append(
            {"type": "scatter", "mode": "markers" if held_out else "markers+text", "name": "this picture", "x": [_round(places[name]) for name in there],
             "y": [_round(getattr(outcome.encoded[name], what)) for name in there], "text": [title(name) for name in there],
             "textposition": "top center", "hovertemplate": "%{text}, this picture: %{y}<extra></extra>",
             "marker": {"color": ORANGE, "size": 10, "symbol": "circle-open", "line": {"width": 2.5}}}
        )  # fmt: skip
    shapes, notes = [], []
    if PIXELS in places:
        if what == "ssim":
            traces.append(
                {"type": "scatter", "mode": "markers+text", "name": "pixels", "x": [_round(places[PIXELS])], "y": [1], "text": ["f1"],
                 "textposition": "bottom center", "hovertemplate": "pixels: no loss<extra></extra>", "marker": {"color": GREY, "size": 11, "symbol": "square"}}
            )  # fmt: skip
        else:  # no loss is no point of this axis
            shapes.append({"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": places[PIXELS], "x1": places[PIXELS],
                           "line": {"color": GREY, "width": 2, "dash": "dot"}})  # fmt: skip
            notes.append({"text": "f1: no loss", "xref": "paper", "x": 1, "xanchor": "right", "yref": "paper", "y": 1, "yanchor": "bottom", "showarrow": False})  # fmt: skip
    if not traces:
        notes = [{"text": LACKING, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5, "showarrow": False}]
    low, high = (min(places.values()), max(places.values())) if places else (1.0, 100.0)
    ticks = plots.log_ticks(low / 1.5, high * 1.5)
    return plots.figure(
        traces,
        height=HEIGHT,
        margin={**plots.MARGIN, "l": 64, "t": 26, "b": 48},
        xaxis={"title": {"text": "a step of the UNet, ms"}, "type": "log", "range": [log10(low / 1.5), log10(high * 1.5)],
               "tickvals": ticks, "ticktext": [plots.label(one) for one in ticks]},
        yaxis={"title": {"text": AXES[what], "standoff": 8}},
        shapes=shapes,
        annotations=notes,
        hovermode="closest",
    )  # fmt: skip


def _means(outcome: Outcome, what: str, names: list[str], places: dict[str, float]) -> dict[str, Any]:
    """Means of the held-out pictures, along a line from factor to factor."""
    means, above, below = [], [], []
    for name in names:
        values = sorted(getattr(outcome.held_out[name], what))
        mean = sum(values) / len(values)
        edge = len(values) // 10
        means.append(_round(mean))
        above.append(_round(max(values[len(values) - 1 - edge] - mean, 0.0)))
        below.append(_round(max(mean - values[edge], 0.0)))
    return {"type": "scatter", "mode": "lines+markers+text", "name": "held out: mean, middle 80 %", "x": [_round(places[name]) for name in names],
            "y": means, "text": [title(name) for name in names], "textposition": "top left",
            "error_y": {"type": "data", "array": above, "arrayminus": below, "color": BLUE, "thickness": 1.5, "width": 5},
            "hovertemplate": "%{text}, held out: %{y}<extra></extra>", "line": {"color": BLUE, "width": 2}, "marker": {"color": BLUE, "size": 10}}  # fmt: skip


def _round(value: float) -> float:
    return float(f"{value:.4g}")
