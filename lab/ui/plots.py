"""Charts as plain Plotly dicts. Not through plotly.graph_objects: its validation costs ten times the drawing data.

Colours of text and grid come from CSS (theme.CSS), so a figure reads in light and in dark.
"""

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from gradio.components.plot import PlotData

HEIGHT = 230
MARGIN = {"l": 52, "r": 14, "t": 8, "b": 42}


def figure(traces: list[dict[str, Any]], **layout: Any) -> PlotData:
    """A Plotly figure from trace dicts and layout entries; axes named `xaxis`, `yaxis`, ... get the lab's look."""
    layout = {key: {**_AXIS, **value} if key.startswith(("xaxis", "yaxis")) else value for key, value in layout.items()}
    return PlotData(type="plotly", plot=json.dumps({"data": traces, "layout": {**_LAYOUT, **layout}}))


def line(x: Iterable[float], y: Iterable[float], name: str, colour: str, **more: Any) -> dict[str, Any]:
    """One curve; values that are not finite become gaps."""
    style = {"color": colour, "width": 2.5, **more.pop("line", {})}
    return {"type": "scatter", "mode": "lines", "name": name, "x": _finite(x), "y": _finite(y), "line": style, **more}


def lines(
    series: Sequence[tuple[str, str, Sequence[tuple[float, float]]]],  # name, colour, points (x, y)
    x: str,
    y: str,
    *,
    log_x: bool = False,
    log_y: bool = False,
    markers: bool = False,
    height: int = HEIGHT,
) -> PlotData:
    """One curve for each named series, with axis titles."""
    mode = "lines+markers" if markers else "lines"
    traces = [line([p[0] for p in points], [p[1] for p in points], name, c, mode=mode) for name, c, points in series]
    return figure(
        traces,
        height=height,
        xaxis={"title": {"text": x}, "type": "log" if log_x else "linear"},
        yaxis={"title": {"text": y}, "type": "log" if log_y else "linear"},
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
