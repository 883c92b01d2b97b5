"""What the Samplers tab shows of a recording: lanes at one noise level, and numbers."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from lab.catalog import MODELS, SAMPLERS
from lab.quantities import quantity
from lab.requests.nearest import Nearest
from lab.requests.sampling import LaneSettings, Recording, SamplingRequest, Step
from lab.ui.shell import lane_view, reel, widgets

NONE: Mapping[int, Nearest] = {}


def lanes_of(request: SamplingRequest) -> tuple[tuple[LaneSettings, ...], tuple[str, ...]]:
    """The lanes of a run and what marks them: their seeds where these differ; with `versus` all of them twice, learned
    score first."""
    if request.versus is None:
        seeds = [lane.seed for lane in request.lanes]
        return request.lanes, tuple(f"seed {seed}" for seed in seeds) if len(set(seeds)) > 1 else ()
    return request.lanes * 2, ("learned score",) * len(request.lanes) + ("perfect score",) * len(request.lanes)


def paint(
    experiment: str,
    recording: Recording,
    position: float = reel.LAST,
    second: str = "x_t",
    nearest: Mapping[int, Nearest] = NONE,
) -> str:
    """The stage of an experiment, all lanes at a `position` of the reel. `nearest` are training pictures, by lane."""
    lanes, view = recording.request.lanes, _view(recording, position)
    if experiment == "grid":
        samplers = list(dict.fromkeys(lane.sampler for lane in lanes))
        return lane_view.grid(view, samplers, list(dict.fromkeys(lane.steps for lane in lanes)))
    if experiment == "between":
        return lane_view.strip(view, _labels(experiment, lanes))
    return lane_view.cards(view, _beside(recording, view, second, nearest))


def parts(
    experiment: str, recording: Recording, position: float, second: str = "x_t", nearest: Mapping[int, Nearest] = NONE
) -> reel.Parts:
    """What of `paint` changes with `position`, by the names of its elements."""
    view = _view(recording, position)
    if experiment == "compare":
        return lane_view.card_parts(view, _beside(recording, view, second, nearest))
    return lane_view.cell_parts(view, _labels(experiment, recording.request.lanes))


def _view(recording: Recording, position: float) -> lane_view.View:
    lanes, marks = lanes_of(recording.request)
    steps = reel.at_position(recording, position)
    guesses = {lane: reel.guess(recording.steps[lane], step) for lane, step in steps.items()}
    latent = MODELS[recording.request.model].latent
    return lane_view.View(
        lanes, steps, recording.results if position >= reel.LAST else {}, marks, guesses, latent, recording.request
    )


def _labels(experiment: str, lanes: Sequence[LaneSettings]) -> list[str]:
    """What a cell says when it is finished."""
    if experiment == "between":
        return [f"{lane.mix:.0%}" for lane in lanes]
    return [f"{SAMPLERS[lane.sampler].title}, {quantity(lane.steps, 'step')}" for lane in lanes]


def _beside(
    recording: Recording, view: lane_view.View, second: str, nearest: Mapping[int, Nearest] = NONE
) -> dict[int, tuple[np.ndarray, str]] | None:
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
        data = {
            lane: (result.nearest, "nearest data picture")
            for lane, result in recording.results.items()
            if result.nearest is not None
        }
        return data | {lane: (one.picture, f"nearest, {one.rms:.0f} of 255") for lane, one in nearest.items()}
    return None


def _difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Largest absolute difference over the channels, (height, width) uint8."""
    return np.abs(a.astype(np.int16) - b.astype(np.int16)).max(axis=2).astype(np.uint8)


def progress(request: SamplingRequest, latest: Collection[Step]) -> str:
    """How far a run has come, in calls, by the latest step of each lane."""
    calls, total = sum(step.i for step in latest), sum(step.n for step in latest)
    return f"{quantity(request.pictures, 'lane')} · {calls} of {quantity(total, 'denoiser call')}"


def summary(recording: Recording) -> str:
    calls = sum(result.calls for result in recording.results.values())
    seconds = max((result.elapsed_s for result in recording.results.values()), default=0)
    return f"{quantity(len(recording.results), 'picture')}, {quantity(calls, 'denoiser call')} in {seconds:.1f} s. Press Play or drag the slider."


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
