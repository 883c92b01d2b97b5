"""Charts as plain Plotly dicts. Not through plotly.graph_objects: its validation costs ten times the drawing data.

Colours of text and grid come from CSS (theme.CSS), so a figure reads in light and in dark.
"""

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from gradio.components.plot import PlotData

HEIGHT = 230
LOG_SNR = "log-SNR, base e"  # as an axis says it
MARGIN = {"l": 52, "r": 14, "t": 8, "b": 42}


def figure(traces: list[dict[str, Any]], **layout: Any) -> PlotData:
    """A Plotly figure from trace dicts and layout entries; axes named `xaxis`, `yaxis`, ... get the lab's look, and
    logarithmic ones without ticks of their own `log_ticks`: Plotly's say 2 and 5 and not of which decade."""
    axes = {key: {**_AXIS, **value} for key, value in layout.items() if key.startswith(("xaxis", "yaxis"))}
    for key, axis in axes.items():
        if axis.get("type") == "log" and "tickvals" not in axis:
            axis |= _logarithmic(axis, [value for trace in traces for value in _along(trace, key)])
    return PlotData(type="plotly", plot=json.dumps({"data": traces, "layout": {**_LAYOUT, **layout, **axes}}))


def ticks(low: float, high: float, most: int = 4) -> list[float]:
    """At most `most` round numbers, multiples of 1, 2 or 5 times a power of ten, that lie in [low, high] (Heckbert 1990,
    "Nice numbers for graph labels")."""
    if not high > low:
        return [low]
    exponent = math.floor(math.log10((high - low) / most)) - 1
    for step in (factor * 10**power for power in range(exponent, exponent + 4) for factor in (1.0, 2.0, 5.0)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [float(f"{k * step:.12g}") for k in range(first, last + 1)]
    return [low]


def log_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """At most `most` round numbers of a logarithmic axis from `low` to `high`, both above 0: 1, 2 and 5 of every decade,
    else every decade or every second one; within less than a decade those of a linear axis where these are more."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for factors, stride in (((1, 2, 5), 1), ((1,), 1), ((1,), 2), ((1,), 3), ((1,), 5)):
        candidates = [f * 10.0**k for k in range(first, last + 1) if k % stride == 0 for f in factors]
        inside = [float(f"{value:.12g}") for value in candidates if low * 0.999 <= value <= high * 1.001]
        if len(inside) <= most:
            return inside if len(inside) > 1 else [value for value in ticks(low, high, most) if value > 0]
    return inside[:: math.ceil(len(inside) / most)]


def label(value: float, spacing: float = 0.0) -> str:
    """A tick's number: as many decimals as ticks that lie `spacing` apart need, powers of ten where it is very small."""
    if spacing:
        return f"{value:.{max(0, -math.floor(math.log10(spacing) + 1e-9))}f}".replace("-", "−")
    if value and not 1e-2 <= abs(value) < 1e5:
        mantissa, exponent = f"{value:e}".split("e")
        power = f"10<sup>{int(exponent)}</sup>".replace("-", "−")
        return power if float(mantissa) == 1 else f"{float(mantissa):g} · {power}"
    return f"{value:g}".replace("-", "−")


def _along(trace: dict[str, Any], axis: str) -> list[float]:
    """The values above 0 of a trace that lie on an axis."""
    name = axis.replace("axis", "")  # "x", "y2"
    mine = trace.get(f"{name[0]}axis", name[0]) == name
    return [value for value in trace.get(name[0], ()) if value is not None and value > 0] if mine else []


def _logarithmic(axis: dict[str, Any], values: list[float]) -> dict[str, Any]:
    """Range and ticks of a logarithmic axis; without a range it spans the values, with air."""
    if "range" in axis:
        low, high = (10.0**end for end in axis["range"])
    else:
        low, high = min(values, default=1.0), max(values, default=10.0)
        low, high = low * (low / high) ** 0.06 / 1.08, high * (high / low) ** 0.06 * 1.08
    tick_values = log_ticks(low, high)
    return {
        "range": [math.log10(low), math.log10(high)],
        "tickvals": tick_values,
        "ticktext": [label(value) for value in tick_values],
    }


def line(x: Iterable[float], y: Iterable[float], name: str, colour: str, **more: Any) -> dict[str, Any]:
    """One curve; values that are not finite become gaps."""
    style = {"color": colour, "width": 2.5, **more.pop("line", {})}
    return {"type": "scatter", "mode": "lines", "name": name, "x": _finite(x), "y": _finite(y), "line": style, **more}


def lines(
    series: Sequence[tuple[str, str, Sequence[tuple[float, float]]]],  # name, colour, points (x, y)
    x: str,
    y: str,
) -> PlotData:
    """One curve for each named series, with axis titles; the y axis begins at 0."""
    traces = [line([p[0] for p in points], [p[1] for p in points], name, c) for name, c, points in series]
    return figure(
        traces,
        xaxis={"title": {"text": x}},
        yaxis={"title": {"text": y}, "rangemode": "tozero"},
        showlegend=len(series) > 1,
    )


def _finite(values: Iterable[float]) -> list[float | None]:
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in values]


_AXIS: dict[str, Any] = {"automargin": False, "zeroline": False, "fixedrange": True, "ticks": "", "linewidth": 0}
_LAYOUT: dict[str, Any] = {
    "height": HEIGHT,
    "margin": MARGIN,
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"size": 13, "family": "system-ui, sans-serif", "color": "#8b93a1"},
    "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    "hovermode": "x unified",
    "uirevision": "keep",
    "template": None,
}
