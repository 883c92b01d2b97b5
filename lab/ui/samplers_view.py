"""What the Samplers tab shows of a recording: lanes at one noise level, convergence, numbers."""

from collections.abc import Sequence
from math import isinf
from typing import Any

import numpy as np

from lab.capsule import InversionResult, LaneResult, LaneSettings, Recording, SamplingRequest, Step
from lab.catalog import SAMPLERS
from lab.ui import lane_view, plots, widgets

REPLAY_POSITIONS = 201  # of the replay slider
FLOOR = 1e-4  # equal pictures, on a logarithmic axis


def thinned(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps that the replay slider can reach: all of them, or evenly spaced ones of a very long run. A thousand
    steps of eight lanes would hold 200 MB for a visitor who can only ever see a fifth of them."""
    if len(steps) <= REPLAY_POSITIONS:
        return tuple(steps)
    return tuple(steps[round(i)] for i in np.linspace(0, len(steps) - 1, REPLAY_POSITIONS))


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
    lanes, marks = lanes_of(recording.request)
    view = lane_view.View(lanes, at_level(recording, percent), recording.results if percent >= 100 else {}, marks)
    if experiment == "grid":
        samplers = list(dict.fromkeys(lane.sampler for lane in lanes))
        return lane_view.grid(view, samplers, list(dict.fromkeys(lane.steps for lane in lanes)))
    if experiment == "between":
        return lane_view.strip(view, [f"{lane.mix:.0%}" for lane in lanes])
    return lane_view.cards(view, _beside(recording, view, second))


def _beside(recording: Recording, view: lane_view.View, second: str) -> dict[int, tuple[np.ndarray, str]] | None:
    if second.startswith("difference"):
        versus, count = recording.request.versus, len(recording.request.lanes)
        twins = {lane: (lane + count) % (2 * count) if versus else 0 for lane in view.steps}
        words = "difference to the other score" if versus else "difference to lane 1"
        return {
            lane: (_difference(step.x_0, view.steps[twins[lane]].x_0), words)
            for lane, step in view.steps.items()
            if twins[lane] in view.steps
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


def progress(steps: dict[int, list[Step]], request: SamplingRequest) -> str:
    made = sum(seen[-1].i for lane, seen in steps.items())
    asked = sum(seen[-1].n for lane, seen in steps.items())
    return f"{len(lanes_of(request)[0])} lanes · {made} of {asked} denoiser calls"


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
    return plots.lines(series, "log-SNR", "RMS, learned to perfect x_0")


def has_reference(recording: Recording) -> bool:
    return any(result.rms_to_reference is not None for result in recording.results.values())


def convergence(recording: Recording) -> Any:
    """Distance to the reference against denoiser calls, one line a sampler: along the path, and at its end."""
    lines: dict[str, list[LaneResult]] = {}
    for lane, result in sorted(recording.results.items()):
        lines.setdefault(recording.request.lanes[lane].sampler, []).append(result)
    traces = []
    for name, results in lines.items():
        row = SAMPLERS[name]
        calls = [result.calls for result in results]
        along = [max(result.path_distance or 0.0, FLOOR) for result in results]
        end = [max(result.rms_to_reference or 0.0, FLOOR) for result in results]
        common = {"mode": "lines+markers", "legendgroup": name}
        traces.append(plots.line(calls, along, row.title, row.colour, **common))
        traces.append(plots.line(calls, end, row.title, row.colour, **common, showlegend=False, xaxis="x2", yaxis="y2"))
    across = {"title": {"text": "denoiser calls"}, "type": "log", "dtick": "D2"}
    return plots.figure(
        traces,
        height=300,
        xaxis={**across, "domain": [0, 0.46]},
        yaxis={"title": {"text": "RMS, along the path"}, "type": "log"},
        xaxis2={**across, "domain": [0.56, 1], "anchor": "y2"},
        yaxis2={"title": {"text": "RMS, finished picture"}, "type": "log", "anchor": "x2"},
        showlegend=True,
    )


def table(recording: Recording) -> str:
    rows = [
        (
            SAMPLERS[lane.sampler].title,
            lane_view.describe(lane),
            str(result.calls),
            f"{result.elapsed_s:.2f} s",
            "" if result.path_distance is None else f"{result.path_distance:.4f}",
            "" if result.rms_to_reference is None else f"{result.rms_to_reference:.4f}",
            result.nearest_caption,
            "" if result.nearest_rms is None else f"{result.nearest_rms:.4f}",
        )
        for index, lane in enumerate(lanes_of(recording.request)[0])
        if (result := recording.results.get(index)) is not None
    ]
    head = ("sampler", "settings", "calls", "time", "RMS along path", "RMS at end", "nearest data picture", "at RMS")
    return widgets.table(head, rows) if rows else ""


def inversion_panels(result: InversionResult) -> list[tuple[np.ndarray, str, str]]:
    return [
        (result.original, "picture, x_0", "As the model sees it; it starts with a trace of noise from the seed."),
        (result.x_T, "its x_T", f"Mean {result.x_T_mean:+.2f}, deviation {result.x_T_deviation:.2f}; noise has 0, 1."),
        (result.reconstruction, "drawn again", f"DDIM from that x_T. RMS error {result.rms:.3f}."),
        (result.error, "where it differs", "Brightest where the two differ most."),
    ]
