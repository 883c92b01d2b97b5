"""The charts of the dial: divergence by latent, rate against distortion, the mutual information gap. Pure functions."""

from statistics import fmean
from typing import Any

from lab.requests.betas import LIVING
from lab.requests.bound import BETAS
from lab.ui.shell import plots
from lab.ui.tabs.inside.dial.outcome import Outcome

CHARTS = (("KL by latent", "kl"), ("Rate and distortion", "curve"), ("Disentanglement", "gap"))
COLOURS = dict[float, str](zip(BETAS, ("#9498a0", "#4269d0", "#3ca951", "#efb118", "#ff725c", "#a463f2"), strict=True))
BLUE, ORANGE, GREY = "#4269d0", "#e8590c", "#9498a0"
LEAST = 1e-4  # nats: what is drawn of a latent with less, whose axis is logarithmic
UNKNOWN = "Nobody knows the factors of the drawings. Choose Shapes."


def chart(outcome: Outcome, which: str) -> Any:
    """The chart that is chosen; None where nothing is measured yet."""
    if not outcome.measured:
        return None
    return {"kl": _by_latent, "curve": _curve, "gap": _gaps}[which](outcome)


def _by_latent(outcome: Outcome) -> Any:
    """A curve for each beta: the latents from the heaviest to the lightest, and the line below which one is dead."""
    latents = len(outcome.measured[0].kl)
    traces = [
        {**plots.line(range(1, latents + 1), [max(float(found.kl[j]), LEAST) for j in found.order], f"β {found.beta:g}",
                      COLOURS[found.beta]), "mode": "lines+markers", "marker": {"size": 5, "color": COLOURS[found.beta]}}
        for found in outcome.measured
    ]  # fmt: skip
    traces.append(
        plots.line([1, latents], [LIVING, LIVING], f"{LIVING:g} nats", GREY, line={"dash": "dot", "width": 1.5})
    )
    return _figure(
        traces, {"title": {"text": "latents, the heaviest first"}, "dtick": max(1, latents // 10)}, _log("KL, nats")
    )


def _curve(outcome: Outcome) -> Any:
    """Rate and distortion over beta, of all that is measured and of the visitor's picture (Alemi et al. 2018's plane)."""
    columns = outcome.listed
    what = "held-out drawings" if outcome.request.pictures == "drawings" else "all shapes"
    series = [(f"{what}, mean", BLUE, [(found.rate, found.distortion, found.beta) for found in outcome.measured])]
    if outcome.own:
        own = [(float(column.rates[0]), float(column.distortions[0]), column.beta) for column in columns]
        series.append(("your picture", ORANGE, own))
    traces = [
        {"type": "scatter", "mode": "lines+markers+text", "name": name, "x": [_round(x) for x, *_ in points],
         "y": [_round(y) for _, y, _ in points], "text": [f"β {beta:g}" for *_, beta in points], "textposition": "top right", "cliponaxis": False,
         "hovertemplate": "%{text}: rate %{x}, distortion %{y} nats<extra></extra>",
         "line": {"color": colour, "width": 2.5}, "marker": {"color": colour, "size": 9}}
        for name, colour, points in series
    ]  # fmt: skip
    return _figure(traces, _log("rate: KL of all latents, nats"), _log("distortion, nats"))


def _gaps(outcome: Outcome) -> Any:
    """The mutual information gap over beta: a dot a seed, and their mean."""
    gaps = {beta: outcome.pictures.gaps[beta] for beta in BETAS if beta in outcome.pictures.gaps}
    if not gaps:
        return _figure([], {"title": {"text": "β"}}, {"title": {"text": "mutual information gap"}}, UNKNOWN)
    places = list(range(len(gaps)))
    dots = [
        (place, value, k) for place, seeds in zip(places, gaps.values(), strict=True) for k, value in enumerate(seeds)
    ]
    traces = [
        {"type": "scatter", "mode": "markers", "name": "each seed", "x": [x for x, *_ in dots], "y": [_round(y) for _, y, _ in dots],
         "text": [f"seed {k}" for *_, k in dots], "hovertemplate": "%{text}: %{y}<extra></extra>",
         "marker": {"color": ORANGE, "size": 9, "opacity": 0.7}},
        plots.line(places, [fmean(seeds) for seeds in gaps.values()], "mean", BLUE),
    ]  # fmt: skip
    ticks = {"tickvals": places, "ticktext": [f"{beta:g}" for beta in gaps]}
    return _figure(
        traces,
        {"title": {"text": "β"}, **ticks, "range": [-0.3, len(gaps) - 0.7]},
        {"title": {"text": "mutual information gap"}, "range": [0, 1]},
    )


def _log(title: str) -> dict[str, Any]:
    return {"title": {"text": title}, "type": "log"}


def _figure(traces: list[dict[str, Any]], xaxis: dict[str, Any], yaxis: dict[str, Any], lacking: str = "") -> Any:
    words = {"text": lacking, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5, "showarrow": False}
    return plots.figure(
        traces,
        height=262,
        margin={**plots.MARGIN, "l": 66, "t": 26, "b": 54},
        xaxis=xaxis,
        yaxis={**yaxis, "title": {**yaxis["title"], "standoff": 8}},
        annotations=[words] if lacking else [],
        hovermode="closest",
        showlegend=bool(traces),
    )


def _round(value: float) -> float:
    return float(f"{value:.4g}")
