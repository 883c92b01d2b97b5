"""A run of the ControlNet tab: which pictures it makes and where they stand, and how well they follow their maps."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from lab.measures import edge_f1, edges_of, foreground, near, overlap
from lab.requests.base import LabError, make_request
from lab.requests.sampling import MAX_STRENGTH, ControlWindow, LaneResult, LaneSettings, SamplingRequest, Step
from lab.ui.shell import lists, media, reel

WITHIN = 0.1  # of the picture's side: a joint this near is found again
LIMB = 0.045  # half a limb's width, of the picture's side: what a skeleton covers once it has flesh

Head = tuple[str, str]  # what a row or column is, and its value
Pose = tuple[np.ndarray, np.ndarray] | None  # joints (18, 2) and visibility (18,) of the map


class Placement(NamedTuple):
    """The settings of one picture of a run, and its row and column in the grid."""

    place: tuple[int, int]
    strengths: tuple[float, ...]  # one a control
    seed: int
    start: float
    end: float
    guess: bool = False


@dataclass(frozen=True)
class Agreement:
    """A result against its maps. What cannot be measured is None."""

    edge_f1: float | None = None  # of the edges found again, 2 px tolerance
    silhouette: float | None = None  # intersection over union of the figure and the skeleton with flesh on
    joints_within: float | None = None  # share of joints found again within WITHIN of the side
    joints: np.ndarray | None = None  # (18, 2) joints found again
    pose_search: bool = False  # BlazePose looked for a person, found or not

    def figure(self) -> str:
        """The one number for the corner of a picture."""
        words = []
        if self.edge_f1 is not None:
            words.append(f"F1 {self.edge_f1:.2f}")
        if self.silhouette is not None:
            words.append(f"IoU {self.silhouette:.2f}")
        return " · ".join(words)


def edge_agreement(picture: np.ndarray, map_pixels: np.ndarray) -> float:
    """F1 of the edges of a picture against a map of lines."""
    return edge_f1(edges_of(picture), lines_of(map_pixels, picture.shape[0]))


def silhouette_agreement(picture: np.ndarray, skeleton: np.ndarray) -> float:
    """How far the figure in a picture covers what the skeleton would with flesh on, and nothing else."""
    side = picture.shape[0]
    return overlap(foreground(picture), near(media.resize(skeleton, side).max(axis=2) > 40, max(1, round(LIMB * side))))


def joint_agreement(joints: np.ndarray, visible: np.ndarray, target: np.ndarray, target_visible: np.ndarray) -> float:
    """Share of the visible target joints that the picture has within WITHIN of the side (PCK, Yang & Ramanan 2013)."""
    hit = (np.linalg.norm(joints - target, axis=1) <= WITHIN) & visible
    return float(hit[target_visible].mean()) if target_visible.any() else 0.0


def lines_of(map_pixels: np.ndarray, side: int) -> np.ndarray:
    return media.resize(map_pixels, side).max(axis=2) > 60


@dataclass(frozen=True)
class ExperimentPlan:
    """A run and where its pictures stand: `places[i]` is (row, column) of lane i."""

    request: SamplingRequest
    rows: tuple[tuple[str, str], ...]  # what, value
    columns: tuple[tuple[str, str], ...]
    places: tuple[tuple[int, int], ...]
    experiment: str
    pose: Pose = None

    def words(self, lane: int) -> str:
        """Everything that sets a picture apart: strengths, window, seed, guess mode."""
        settings = self.request.lanes[lane]
        names = [control.name for control in self.request.controls] if len(settings.windows) > 1 else ["strength"]
        strengths = [f"{name} {window.strength:g}" for name, window in zip(names, settings.windows, strict=True)]
        window = settings.windows[0]
        return " · ".join(
            [
                *strengths,
                f"window {window.start:g}–{window.end:g}",
                f"seed {settings.seed}",
                *(["guess mode"] * settings.guess),
            ]
        )

    def lane_of(self, words: object) -> int | None:
        """The lane that these words set apart; None where the run has none."""
        return next((lane for lane in range(len(self.places)) if self.words(lane) == words), None)


@dataclass(frozen=True)
class Finished:
    """What a visitor's page keeps of a run."""

    plan: ExperimentPlan
    steps: dict[int, Step]  # the latest of each lane
    guesses: dict[int, Step]  # the step of each lane whose x_0 is shown
    results: dict[int, LaneResult]
    agreements: dict[int, Agreement]
    film: reel.Film = field(default_factory=reel.Film)  # its elements are named by the number of the lane


def agreement(plan: ExperimentPlan, picture: np.ndarray) -> Agreement:
    """What can be measured of a finished picture at once, for each control of its run."""
    maps = {control.name: control.map for control in plan.request.controls}
    return Agreement(
        edge_f1=edge_agreement(picture, maps["edges"]) if "edges" in maps else None,
        silhouette=silhouette_agreement(picture, maps["pose"]) if "pose" in maps else None,
    )


class Dials(NamedTuple):
    """What the visitor set, as the page sent it; named as the components of the tab are."""

    strengths: Any  # lists as text
    pose_strengths: Any
    starts: Any
    ends: Any
    seed: Any
    count: Any
    start: Any
    end: Any
    strength: Any
    guess: Any


class Layout(NamedTuple):
    """The pictures of a run, and what its rows and columns are called."""

    placements: list[Placement]
    rows: list[Head]
    columns: list[Head]


def by_strength(dials: Dials, most: int) -> Layout:
    """Strengths across, seeds down, each once more in guess mode where asked."""
    strengths, first = _strengths(dials.strengths, "Strengths"), lists.whole(dials.seed, "First seed")
    modes = (False, True) if dials.guess else (False,)
    rows = [(first + k, guess) for k in range(lists.whole(dials.count, "Seeds")) for guess in modes]
    _check_count(len(strengths) * len(rows), most)
    placements = [
        Placement((i, j), (strength,), seed, dials.start, dials.end, guess)
        for i, (seed, guess) in enumerate(rows)
        for j, strength in enumerate(strengths)
    ]
    heads = [("guess, seed" if guess else "seed", str(seed)) for seed, guess in rows]
    return Layout(placements, heads, [("strength", f"{strength:g}") for strength in strengths])


def by_window(dials: Dials, most: int) -> Layout:
    """Ends across, starts down; a window that ends before it starts has no picture."""
    starts, ends = lists.numbers(dials.starts, "Starts", 0, 1), lists.numbers(dials.ends, "Ends", 0, 1)
    _check_count(len(starts) * len(ends), most)
    seed = lists.whole(dials.seed, "First seed")
    placements = [
        Placement((i, j), (dials.strength,), seed, start, end)
        for i, start in enumerate(starts)
        for j, end in enumerate(ends)
        if start < end
    ]
    if not placements:
        raise LabError("No window is open: every start lies at or behind every end. Make an end larger than a start.")
    return Layout(placements, [("from", f"{start:g}") for start in starts], [("until", f"{end:g}") for end in ends])


def by_pair(dials: Dials, most: int) -> Layout:
    """Strengths of the edges across, of the pose down."""
    edges, poses = _strengths(dials.strengths, "Edge strengths"), _strengths(dials.pose_strengths, "Pose strengths")
    _check_count(len(edges) * len(poses), most)
    seed = lists.whole(dials.seed, "First seed")
    placements = [
        Placement((i, j), (edge, pose), seed, dials.start, dials.end)
        for i, pose in enumerate(poses)
        for j, edge in enumerate(edges)
    ]
    return Layout(placements, [("pose", f"{pose:g}") for pose in poses], [("edges", f"{edge:g}") for edge in edges])


EXPERIMENTS = {  # name -> title, layout
    "strengths": ("Strength × seeds", by_strength),
    "windows": ("Start × end", by_window),
    "pairs": ("Edges × pose", by_pair),
}


def plan(
    experiment: str, dials: Dials, most: int, request: dict[str, Any], lane: dict[str, Any], pose: Pose
) -> ExperimentPlan:
    """The plan of an experiment; `request` and `lane` are what all its pictures share."""
    layout = EXPERIMENTS[experiment][1](dials, most)
    lanes = []
    for placement in layout.placements:
        windows = tuple(
            make_request(ControlWindow, strength=s, start=placement.start, end=placement.end)
            for s in placement.strengths
        )
        lanes.append(make_request(LaneSettings, seed=placement.seed, guess=placement.guess, windows=windows, **lane))
    sampling = make_request(SamplingRequest, lanes=tuple(lanes), **request)
    places = tuple(placement.place for placement in layout.placements)
    return ExperimentPlan(sampling, tuple(layout.rows), tuple(layout.columns), places, experiment, pose)


def _check_count(count: int, most: int) -> None:
    if count > most:
        raise LabError(f"{count} pictures asked for; one run makes at most {most} (LAB_MAX_LANES). Take fewer.")


def _strengths(text: Any, what: str) -> tuple[float, ...]:
    return lists.numbers(text, what, 0, MAX_STRENGTH)
