"""The three charts of the forward-noising tab: pure functions from frames to figures. `curves.js` moves them to another t: by
the order of their traces, and by `meta`, their names in CHARTS."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gradio.components.plot import PlotData

from lab.catalog import SCHEDULES
from lab.requests.fields import Forward
from lab.requests.noising import NoisingFrame
from lab.ui.shell import plots, theme

ZERO = "#e8590c"  # colour of a schedule with zero terminal SNR
POINTS = 101  # of a curve; T may be 4000
GAUSS_X = np.linspace(-4, 4, 81)
GAUSS_Y = np.exp(-(GAUSS_X**2) / 2) / np.sqrt(2 * np.pi)


@dataclass(frozen=True)
class Process:
    """A forward process: the name and colour of its schedule, and the frame at which it stands."""

    name: str
    colour: str
    frame: NoisingFrame

    @classmethod
    def of(cls, forward: Forward, frame: NoisingFrame) -> "Process":
        """The process of a request, by the catalog's row."""
        row = SCHEDULES[forward.schedule]
        return cls(f"{row.title}, zero SNR", ZERO, frame) if forward.zero_snr else cls(row.title, row.colour, frame)


def schedule(processes: Sequence[Process]) -> PlotData:
    """Signal that is left, alpha-bar (solid, left axis), and log-SNR (dotted, right axis) against t, with a dot on
    both where each picture is; a triangle at the edge where its log-SNR is infinite."""
    traces: list[dict[str, Any]] = []
    for one in processes:
        bars = one.frame.alpha_bars
        ts = np.unique(np.linspace(0, len(bars) - 1, POINTS).round().astype(int))
        style = {"line": {"dash": "dot", "width": 2}, "yaxis": "y2", "showlegend": False}
        traces.append(plots.line(ts, bars[ts], one.name, one.colour))
        traces.append(plots.line(ts, one.frame.log_snrs[ts], f"{one.name}, log-SNR", one.colour, **style))
    low, high = span = _level_range(processes)
    for one in processes:
        level = one.frame.log_snr
        edge = "" if low <= level <= high else "up" if level > 0 else "down"
        traces += [_dot(one, one.frame.alpha_bar, 15, "y"), _dot(one, min(max(level, low), high), 11, "y2", edge)]
    last = len(processes[0].frame.alpha_bars) - 1
    return plots.figure(
        traces,
        margin={**plots.MARGIN, "r": 52},
        xaxis={"title": {"text": "t"}, "range": [-last * 0.01, last * 1.01]},
        yaxis={"title": {"text": "signal left, ᾱ"}, "range": [-0.03, 1.05]},
        yaxis2={"title": {"text": plots.LOG_SNR}, "range": span, "overlaying": "y", "side": "right", "showgrid": False},
        showlegend=len(processes) > 1,
        meta="schedule",
    )


def _level_range(processes: Sequence[Process]) -> list[float]:
    """From below to above every finite log-SNR of the schedules."""
    levels = np.concatenate([one.frame.log_snrs for one in processes])
    levels = levels[np.isfinite(levels)]
    return [float(np.floor(levels.min())) - 1, float(np.ceil(levels.max())) + 1]


def _dot(one: Process, y: float, size: int, axis: str, beyond: str = "") -> dict[str, Any]:
    symbol = f"triangle-{beyond}" if beyond else "circle"
    marker = {"size": size, "symbol": symbol, "color": one.colour, "line": {"width": 3, "color": "white"}}
    return {"type": "scatter", "mode": "markers", "x": [one.frame.t], "y": [y], "yaxis": axis, "showlegend": False,
            "name": "now", "marker": marker, "cliponaxis": False}  # fmt: skip


def values(processes: Sequence[Process]) -> PlotData:
    """Histogram of the values of x_t against the normal distribution that they tend to."""
    traces = []
    for one in processes:
        middles = (one.frame.histogram_edges[1:] + one.frame.histogram_edges[:-1]) / 2
        fill = {"fill": "tozeroy", "fillcolor": _faint(one.colour)}
        traces.append(plots.line(middles, one.frame.histogram, one.name, one.colour, **fill))
    traces.append(plots.line(GAUSS_X, GAUSS_Y, "N(0, 1)", theme.NEUTRAL, line={"dash": "dot"}))
    return plots.figure(
        traces,
        xaxis={"title": {"text": "value in x<sub>t</sub> (the picture lies between -1 and 1)"}, "range": [-4, 4]},
        yaxis={"title": {"text": "density"}, "range": [0, 1.2]},
        meta="values",
    )


def frequencies(processes: Sequence[Process]) -> PlotData:
    """Radial power spectrum, signal and noise apart: right of the crossing, detail is under the noise."""
    first = processes[0].frame
    radii, signal = np.arange(len(first.spectrum))[1:], first.spectrum_signal[1:]
    noise = np.full(len(radii), first.spectrum_noise or np.nan)  # none at t = 0
    start, end = float(next(iter(radii[signal < noise]), radii[-1])), float(radii[-1])
    traces = [
        plots.line(radii, signal, "what is left of the picture", theme.SIGNAL),
        plots.line(radii, noise, "noise", theme.NOISE),
    ]
    for one in processes:
        traces.append(
            plots.line(radii, one.frame.spectrum[1:], f"x<sub>t</sub>, {one.name}", one.colour, line={"width": 1.5})
        )
    shade = {"type": "rect", "xref": "x", "yref": "paper", "x0": start, "x1": end, "y0": 0, "y1": 1,
             "fillcolor": _faint(theme.NOISE), "line": {"width": 0}, "layer": "below"}  # fmt: skip
    return plots.figure(
        traces,
        shapes=[shade],
        meta="frequencies",
        xaxis={"title": {"text": "cycles per picture: coarse shapes left, fine detail right"}, "type": "log",
               "range": [0, float(np.log10(end))], "tickvals": [1, 2, 4, 8, 16, 32, 64, 128, 256]},
        yaxis={"title": {"text": "power"}, "type": "log", "range": [-4, 4]},
    )  # fmt: skip


CHARTS: dict[str, tuple[str, Callable[[Sequence[Process]], PlotData]]] = {
    "schedule": ("Schedule", schedule),
    "values": ("Values", values),
    "frequencies": ("Frequencies", frequencies),
}


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.14)"
