"""What the Samplers tab shows of a recording: lanes at one noise level, convergence, numbers."""

from collections.abc import Sequence
from math import isinf, nan
from typing import Any

import numpy as np

from lab.capsules.recordings import Collector
from lab.catalog import MODELS, SAMPLERS
from lab.requests.inversion import InversionResult
from lab.requests.sampling import LaneResult, LaneSettings, Recording, SamplingRequest, Step
from lab.ui.shell import lane_view, plots, widgets

FLOOR = 1e-4  # of a distance on a logarithmic axis: what lies below is rounding mostly, and 0 has no place there


def at_level(recording: Recording, percent: float) -> dict[int, Step]:
    """The step of every lane at one log-SNR: `percent` of the way from the noisiest level to the cleanest one.

    A lane shows the last step it took at or before that level, so lanes are aligned by noise and not by index.
    """
    levels = [step.log_snr for steps in recording.steps.values() for step in steps if not isinf(step.log_snr)]
    if not levels:
        return {lane: steps[-1] for lane, steps in recording.steps.items()}
    wanted = min(levels) + (max(levels) - min(levels)) * percent / 100
    shown = {}
    for lane, steps in recording.steps.items():
        reached = [step for step in steps if step.log_snr <= wanted + 1e-6]
        shown[lane] = steps[-1] if percent >= 100 else (reached or [steps[0]])[-1]
    return shown


def lanes_of(request: SamplingRequest) -> tuple[tuple[LaneSettings, ...], tuple[str, ...]]:
    """The lanes of a run and what marks them: their seeds where these differ; with `versus` all of them twice, learned
    score first."""
    if request.versus is None:
        seeds = [lane.seed for lane in request.lanes]
        return request.lanes, tuple(f"seed {seed}" for seed in seeds) if len(set(seeds)) > 1 else ()
    return request.lanes * 2, ("learned score",) * len(request.lanes) + ("perfect score",) * len(request.lanes)


def paint(experiment: str, recording: Recording, percent: float = 100, second: str = "x_t") -> str:
    """The stage of an experiment, all lanes `percent` of the way from noise to picture."""
    lanes, marks = lanes_of(recording.request)
    steps = at_level(recording, percent)
    guesses = {lane: _guess(recording.steps[lane], step) for lane, step in steps.items()}
    latent = MODELS[recording.request.model].latent
    results = recording.results if percent >= 100 else {}
    view = lane_view.View(lanes, steps, results, marks, guesses, latent)
    if experiment == "grid":
        samplers = list(dict.fromkeys(lane.sampler for lane in lanes))
        return lane_view.grid(view, samplers, list(dict.fromkeys(lane.steps for lane in lanes)))
    if experiment == "between":
        return lane_view.strip(view, [f"{lane.mix:.0%}" for lane in lanes])
    return lane_view.cards(view, _beside(recording, view, second))


def _guess(steps: Sequence[Step], shown: Step) -> Step:
    """The step of a lane whose predicted x_0 is shown while `shown` is: the latest that is decoded, itself mostly."""
    earlier = [step for step in steps if step.decoded and step.i <= shown.i]
    return earlier[-1] if earlier else shown


def _beside(recording: Recording, view: lane_view.View, second: str) -> dict[int, tuple[np.ndarray, str]] | None:
    if second.startswith("difference"):
        versus, count = recording.request.versus, len(recording.request.lanes)
        twins = {lane: (lane + count) % (2 * count) if versus else 0 for lane in view.steps}
        words = "difference to the other score" if versus else "difference to lane 1"
        guesses = {lane: view.guesses.get(lane, step).x_0 for lane, step in view.steps.items()}
        return {
            lane: (_difference(x_0, guesses[twins[lane]]), words)
            for lane, x_0 in guesses.items()
            if twins[lane] in guesses and guesses[twins[lane]].shape == x_0.shape
        }
    if second.startswith("nearest"):
        return {
            lane: (result.nearest, "nearest data picture")
            for lane, result in recording.results.items()
            if result.nearest is not None
        }
    return None


def _difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Largest absolute difference over the channels, (height, width) uint8."""
    return np.abs(a.astype(np.int16) - b.astype(np.int16)).max(axis=2).astype(np.uint8)


def progress(collector: Collector) -> str:
    """How far a run has come, in calls."""
    latest = [list(seen.values())[-1] for seen in collector.steps.values()]
    made, asked = sum(step.i for step in latest), sum(step.n for step in latest)
    return f"{len(lanes_of(collector.request)[0])} lanes · {made} of {asked} denoiser calls"


def summary(recording: Recording) -> str:
    calls = sum(result.calls for result in recording.results.values())
    seconds = max((result.elapsed_s for result in recording.results.values()), default=0)
    return f"{len(recording.results)} pictures, {calls} denoiser calls in {seconds:.1f} s. Press Replay or drag the slider."


def chart(recording: Recording) -> Any:
    """The plot that a recording has: where a learned score leaves the perfect one, or how samplers converge."""
    if recording.request.versus:
        return divergence(recording)
    return convergence(recording) if has_reference(recording) else None


def divergence(recording: Recording) -> Any:
    """RMS between the x_0 that the learned and the perfect score predict, against log-SNR; one line a lane."""
    lanes = recording.request.lanes
    series = []
    for index, lane in enumerate(lanes):
        ours, perfect = recording.steps.get(index, ()), recording.steps.get(index + len(lanes), ())
        points = [
            (a.log_snr, float(np.sqrt(np.square((a.x_0.astype(float) - b.x_0) / 127.5).mean())))
            for a, b in zip(ours, perfect, strict=False)
            if not isinf(a.log_snr)
        ]
        series.append(
            (f"{SAMPLERS[lane.sampler].title}, {lane_view.describe(lane)}", SAMPLERS[lane.sampler].colour, points)
        )
    return plots.lines(series, plots.LOG_SNR, "RMS, learned to perfect x_0")


def has_reference(recording: Recording) -> bool:
    return any(result.rms_to_reference is not None for result in recording.results.values())


def convergence(recording: Recording) -> Any:
    """Distance to the reference against denoiser calls, one line a sampler: along the path, and at its end. Distances
    below FLOOR stand on it as open triangles that say so; of curves that are one, the later is dashed and named so."""
    lines: dict[str, list[LaneResult]] = {}
    for lane, result in sorted(recording.results.items()):
        lines.setdefault(recording.request.lanes[lane].sampler, []).append(result)
    traces: list[dict[str, Any]] = []
    drawn: dict[str, _Curve] = {}
    for name, results in lines.items():
        row = SAMPLERS[name]
        curve: _Curve = [
            (result.calls, _drawn(result.path_distance), _drawn(result.rms_to_reference)) for result in results
        ]
        twin = next((SAMPLERS[other].title for other, known in drawn.items() if _equal(known, curve)), "")
        drawn[name] = curve
        title = f"{row.title}, equal to {twin} here" if twin else row.title
        style = {"dash": "dash"} if twin else {}
        calls = [count for count, _, _ in curve]
        for k, axes in ((1, {}), (2, {"showlegend": False, "xaxis": "x2", "yaxis": "y2"})):
            distances = [point[k] for point in curve]
            below = [distance <= FLOOR for distance in distances]
            traces.append(
                plots.line(
                    calls, distances, title, row.colour, mode="lines+markers", legendgroup=name, line=style,
                    marker={"symbol": ["triangle-down-open" if one else "circle" for one in below], "size": 8},
                    text=[f"below {FLOOR:g}" if one else f"{d:.3g}" for one, d in zip(below, distances, strict=True)],
                    hovertemplate="%{text}", **axes,
                )
            )  # fmt: skip
    across = {"title": {"text": "denoiser calls"}, "type": "log"}
    return plots.figure(
        traces,
        height=300,
        xaxis={**across, "domain": [0, 0.46]},
        yaxis={"title": {"text": "RMS, along the path"}, "type": "log"},
        xaxis2={**across, "domain": [0.56, 1], "anchor": "y2"},
        yaxis2={"title": {"text": "RMS, finished picture"}, "type": "log", "anchor": "x2"},
        annotations=[
            {"text": f"▽ below {FLOOR:g}", "xref": f"{x} domain", "yref": f"{y} domain", "x": 0.01, "y": 0.1,
             "xanchor": "left", "yanchor": "bottom", "showarrow": False}
            for x, y, k in (("x", "y", 1), ("x2", "y2", 2))
            if any(point[k] <= FLOOR for curve in drawn.values() for point in curve)
        ],
        showlegend=True,
    )  # fmt: skip


_Curve = list[tuple[int, float, float]]  # calls, distance along the path, distance at the end


def _drawn(distance: float | None) -> float:
    """Where a distance stands on the axis: nowhere, as nan, where there is none."""
    return nan if distance is None else max(distance, FLOOR)


def _equal(a: _Curve, b: _Curve) -> bool:
    """Whether two curves lie on one another: all distances within a hundredth."""
    return len(a) == len(b) and all(
        x[0] == y[0] and np.allclose(x[1:], y[1:], rtol=0.01, atol=0, equal_nan=True) for x, y in zip(a, b, strict=True)
    )


def table(recording: Recording) -> str:
    rows = [
        (
            SAMPLERS[lane.sampler].title,
            lane_view.describe(lane),
            str(result.calls),
            f"{result.elapsed_s:.2f} s",
            "" if result.path_distance is None else lane_view.distance(result.path_distance, 4),
            "" if result.rms_to_reference is None else lane_view.distance(result.rms_to_reference, 4),
            result.nearest_caption,
            "" if result.nearest_rms is None else lane_view.distance(result.nearest_rms, 4),
        )
        for index, lane in enumerate(lanes_of(recording.request)[0])
        if (result := recording.results.get(index)) is not None
    ]
    head = ("sampler", "settings", "calls", "time", "RMS along path", "RMS at end", "nearest data picture", "at RMS")
    return widgets.table(head, rows) if rows else ""


def inversion_panels(result: InversionResult, latent: bool = False) -> list[tuple[np.ndarray, str, str]]:
    """Picture, title and sentence of each; x_T of a model on latents is one."""
    return [
        (result.original, "picture, x_0", "As the model sees it; it starts with a trace of noise from the seed."),
        (
            result.x_T,
            "its x_T, latent" if latent else "its x_T",
            f"Mean {result.x_T_mean:+.2f}, deviation {result.x_T_deviation:.2f}; noise has 0, 1.",
        ),
        (result.reconstruction, "drawn again", f"DDIM from that x_T. RMS error {lane_view.distance(result.rms)}."),
        (result.error, "where it differs", "Brightest where the two differ most."),
    ]
