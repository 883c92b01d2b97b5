"""The four charts of the forward-noising tab: pure functions from frames to figures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gradio.components.plot import PlotData

from lab.capsule import NoisingFrame
from lab.ui import plots, theme

POINTS = 101  # of a curve; T may be 4000
GAUSS_X = np.linspace(-4, 4, 81)
GAUSS_Y = np.exp(-(GAUSS_X**2) / 2) / np.sqrt(2 * np.pi)


@dataclass(frozen=True)
class Shown:
    """A frame with the name and colour of its schedule."""

    name: str
    colour: str
    frame: NoisingFrame


def alpha_bar(shown: Sequence[Shown]) -> PlotData:
    """Signal that is left, alpha-bar, against t; a dot where each picture is."""
    return _over_t(shown, lambda bars: bars, "signal left, ᾱ", [-0.03, 1.05])


def log_snr(shown: Sequence[Shown]) -> PlotData:
    """log-SNR against t; a dot where each picture is."""
    return _over_t(shown, _log_snr, "log-SNR", [-13, 13])


def values(shown: Sequence[Shown]) -> PlotData:
    """Histogram of the values of x_t against the normal distribution that they tend to."""
    traces = []
    for one in shown:
        middles = (one.frame.histogram_edges[1:] + one.frame.histogram_edges[:-1]) / 2
        fill = {"fill": "tozeroy", "fillcolor": _faint(one.colour)}
        traces.append(plots.line(middles, one.frame.histogram, one.name, one.colour, **fill))
    traces.append(plots.line(GAUSS_X, GAUSS_Y, "N(0, 1)", theme.NEUTRAL, line={"dash": "dot"}))
    return plots.figure(
        traces,
        xaxis={"title": {"text": "value in x_t (the picture lies between -1 and 1)"}, "range": [-4, 4]},
        yaxis={"title": {"text": "density"}, "range": [0, 1.2]},
    )


def frequencies(shown: Sequence[Shown]) -> PlotData:
    """Radial power spectrum, signal and noise apart: right of the crossing, detail is under the noise."""
    first = shown[0].frame
    radii = np.arange(len(first.spectrum))[1:]
    noise = np.full(len(radii), max(first.spectrum_noise, 1e-6))
    drowned = np.flatnonzero(first.spectrum_signal[1:] < noise)
    traces = [
        plots.line(radii, first.spectrum_signal[1:], "what is left of the picture", theme.SIGNAL),
        plots.line(radii, noise, "noise", theme.NOISE),
    ]
    traces += [
        plots.line(radii, one.frame.spectrum[1:], f"x_t, {one.name}", one.colour, line={"width": 1.5}) for one in shown
    ]
    from_radius = float(radii[drowned[0]]) if len(drowned) else float(radii[-1])
    shade = {"type": "rect", "xref": "x", "yref": "paper", "x0": from_radius, "x1": float(radii[-1]), "y0": 0, "y1": 1,
             "fillcolor": _faint(theme.NOISE), "line": {"width": 0}, "layer": "below"}  # fmt: skip
    return plots.figure(
        traces,
        shapes=[shade],
        xaxis={"title": {"text": "cycles per picture: coarse shapes left, fine detail right"}, "type": "log",
               "range": [0, float(np.log10(radii[-1]))], "tickvals": [1, 2, 4, 8, 16, 32, 64, 128, 256]},
        yaxis={"title": {"text": "power"}, "type": "log", "range": [-4, 4], "dtick": 2, "exponentformat": "power"},
    )  # fmt: skip


CHARTS: dict[str, tuple[str, Callable[[Sequence[Shown]], PlotData]]] = {
    "alpha_bar": ("Signal left", alpha_bar),
    "log_snr": ("log-SNR", log_snr),
    "values": ("Values", values),
    "frequencies": ("Frequencies", frequencies),
}


def _over_t(
    shown: Sequence[Shown], of: Callable[[np.ndarray], np.ndarray], title: str, y_range: list[float]
) -> PlotData:
    traces: list[dict[str, Any]] = []
    for one in shown:
        bars = one.frame.alpha_bars
        ts = np.unique(np.linspace(0, len(bars) - 1, POINTS).round().astype(int))
        traces.append(plots.line(ts, of(bars[ts]), one.name, one.colour))
    for one in shown:
        at = min(max(float(of(np.array([one.frame.alpha_bar]))[0]), y_range[0]), y_range[1])
        traces.append(
            {"type": "scatter", "mode": "markers", "x": [one.frame.t], "y": [at], "showlegend": False, "name": "now",
             "marker": {"size": 15, "color": one.colour, "line": {"width": 3, "color": "white"}}, "cliponaxis": False}
        )  # fmt: skip
    last = len(shown[0].frame.alpha_bars) - 1
    return plots.figure(
        traces,
        xaxis={"title": {"text": "t"}, "range": [-last * 0.01, last * 1.01]},
        yaxis={"title": {"text": title}, "range": y_range},
        showlegend=len(shown) > 1,
    )


def _log_snr(alpha_bars: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(alpha_bars) - np.log1p(-alpha_bars)


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.14)"
