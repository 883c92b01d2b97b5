"""The plots of the Samplers tab: how samplers converge, and where a learned score leaves the perfect one."""

from math import isinf, log10
from typing import Any

import numpy as np

from lab.catalog import SAMPLERS
from lab.requests.sampling import Recording
from lab.ui.shell import lane_view, plots

FLOOR = 1e-4  # of a distance on a logarithmic axis: what lies below is rounding mostly, and 0 has no place there

RANGE = [log10(FLOOR / 1.5), log10(3)]  # of both axes of distances, whatever is drawn; values lie between -1 and 1
PANELS = (
    ("along the path", "x", "y", 1),
    ("finished picture", "x2", "y2", 2),
)  # what is compared, axes, column of a Curve

Curve = np.ndarray  # (lanes, 3): calls, RMS to the reference along the path and at the end; nan where there is none


def chart(recording: Recording) -> Any:
    """The plot that a recording has, or None."""
    if recording.request.versus:
        return divergence(recording)
    references = any(result.rms_to_reference is not None for result in recording.results.values())
    return convergence(recording) if references else None


def divergence(recording: Recording) -> Any:
    """RMS between the x_0 that the learned and the perfect score predict, against log-SNR; one line a lane."""
    lanes = recording.request.lanes
    series = []
    for index, lane in enumerate(lanes):
        learned, perfect = recording.steps.get(index, ()), recording.steps.get(index + len(lanes), ())
        points = [
            (a.log_snr, float(np.sqrt(np.square((a.x_0.astype(float) - b.x_0) / 127.5).mean())))
            for a, b in zip(learned, perfect, strict=False)
            if not isinf(a.log_snr)
        ]
        row = SAMPLERS[lane.sampler]
        series.append((f"{row.title}, {lane_view.describe(lane)}", row.colour, points))
    return plots.lines(series, plots.LOG_SNR, "RMS, learned to perfect x<sub>0</sub>")


def convergence(recording: Recording) -> Any:
    """Distance to the reference against denoiser calls, one line a sampler: along the path, and at its end, on one scale
    that is the same for every run. Distances below FLOOR stand on it as open triangles that say so; of curves that are one, the later is dashed and named so."""
    curves = _curves(recording)
    across = {"title": {"text": "denoiser calls"}, "type": "log"}
    return plots.figure(
        [trace for sampler in curves for trace in _traces(sampler, curves[sampler], _twin(sampler, curves))],
        height=300,
        xaxis={**across, "domain": [0, 0.46]},
        yaxis={"title": {"text": "RMS to the reference run"}, "type": "log", "range": RANGE},
        xaxis2={**across, "domain": [0.54, 1], "anchor": "y2"},
        yaxis2={"type": "log", "anchor": "x2", "range": RANGE, "showticklabels": False},
        annotations=[
            *(_words(title, x, y, "top", 1.0) for title, x, y, _ in PANELS),
            *(_words(f"▽ below {FLOOR:g}", x, y, "bottom", 0.1) for _, x, y, k in PANELS
              if any((curve[:, k] <= FLOOR).any() for curve in curves.values())),
        ],
        showlegend=True,
    )  # fmt: skip


def _words(text: str, x: str, y: str, anchor: str, at: float) -> dict[str, Any]:
    """A line of text in a panel, from its left edge."""
    return {"text": text, "xref": f"{x} domain", "yref": f"{y} domain", "x": 0.01, "y": at,
            "xanchor": "left", "yanchor": anchor, "showarrow": False}  # fmt: skip


def _curves(recording: Recording) -> dict[str, Curve]:
    """By sampler; distances below FLOOR are FLOOR."""
    points: dict[str, list[tuple[float | None, ...]]] = {}
    for lane, result in sorted(recording.results.items()):
        point = (result.calls, result.path_distance, result.rms_to_reference)
        points.setdefault(recording.request.lanes[lane].sampler, []).append(point)
    return {sampler: np.maximum(np.array(rows, float), FLOOR) for sampler, rows in points.items()}


def _twin(sampler: str, curves: dict[str, Curve]) -> str:
    """The first sampler before this one whose curve it lies on, all distances within a hundredth; "" where there is none."""
    for other in list(curves)[: list(curves).index(sampler)]:
        a, b = curves[other], curves[sampler]
        same = a.shape == b.shape and (a[:, 0] == b[:, 0]).all()
        if same and np.allclose(a[:, 1:], b[:, 1:], rtol=0.01, atol=0, equal_nan=True):
            return other
    return ""


def _traces(sampler: str, curve: Curve, twin: str) -> list[dict[str, Any]]:
    """A curve along the path, and one at the end."""
    row = SAMPLERS[sampler]
    title = f"{row.title}, equal to {SAMPLERS[twin].title} here" if twin else row.title
    return [
        plots.line(
            curve[:, 0], curve[:, k], title, row.colour, mode="lines+markers", legendgroup=sampler,
            line={"dash": "dash"} if twin else {},
            marker={"symbol": ["triangle-down-open" if d <= FLOOR else "circle" for d in curve[:, k]], "size": 8},
            text=[f"below {FLOOR:g}" if d <= FLOOR else f"{d:.3g}" for d in curve[:, k]],
            hovertemplate="%{text}", meta=f"RMS, {panel}", xaxis=x, yaxis=y, showlegend=k == 1,
        )
        for panel, x, y, k in PANELS
    ]  # fmt: skip
