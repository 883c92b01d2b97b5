"""What a page keeps of a run: its steps, its pictures, and their numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

import numpy as np

from lab.capsules.recordings import thinned
from lab.measures import diversity
from lab.requests.base import Event, LabError
from lab.requests.edit import INVERSION, EditRecording, EditRequest, Original
from lab.requests.enlarge import Enlarged
from lab.requests.sampling import Decoded, LaneResult, Step
from lab.ui.tabs.edit.plans import HOLE, ORIGINAL, PICTURE, SMALL, X_T, Plan

DIVERSITY = "diversity"
NOT_RECORDED = "A recording holds edits; of an enlarged picture the link and the JSON make it again."
HATCH = (np.array([205, 209, 217], np.uint8), np.array([246, 247, 249], np.uint8))  # of a hole: two greys in stripes


@dataclass(frozen=True)
class Outcome:
    """A run that has ended or was stopped: the steps of each lane and those of the `way` that no picture of the run has (up to
    x_T, or to a cascade's small picture); finished pictures with their numbers; stills by name, and numbers of formulas."""

    plan: Plan
    steps: Mapping[int, Sequence[Step]] = field(default_factory=dict)
    results: Mapping[int, LaneResult] = field(default_factory=dict)
    stills: Mapping[str, np.ndarray] = field(default_factory=dict)
    way: Sequence[Step] = ()
    formulas: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    original: Original | None = None

    @property
    def mask(self) -> np.ndarray | None:
        """The hole at the model's side; None where the run has none."""
        return None if self.original is None else self.original.mask

    def measure(self, name: str, lane: int) -> float | None:
        """A number of a finished picture; None where it is not finished or has no such number."""
        result = self.results.get(lane)
        return None if result is None else result.measures.get(name)

    def mean(self, name: str, lanes: Sequence[int]) -> float | None:
        """The mean of a number over some pictures, as far as they have it; of DIVERSITY how far they lie apart."""
        if name == DIVERSITY:
            return self._diversity(lanes)
        values = [value for lane in lanes if (value := self.measure(name, lane)) is not None]
        return fmean(values) if values else None

    def _diversity(self, lanes: Sequence[int]) -> float | None:
        """Mean RMS over the pairs of some pictures, in the hole where there is one, in grey levels of 255; None of fewer than
        two."""
        found = [self.results[lane].picture for lane in lanes if lane in self.results]
        if len(found) < 2:
            return None
        return 255 * diversity([one if self.mask is None else one[self.mask] for one in found])


class Watch:
    """The events of a run as they come."""

    def __init__(self, plan: Plan, stills: Mapping[str, np.ndarray]) -> None:
        self.plan = plan
        self.stills = dict(stills)
        self.results: dict[int, LaneResult] = {}
        self._steps: dict[int, dict[int, Step]] = {}
        self._formulas: Mapping[str, Mapping[str, float]] = {}
        self._original: Original | None = None

    def add(self, event: Event) -> None:
        """Take what tells of pictures; all else is ignored."""
        if isinstance(event, Step):
            self._steps.setdefault(event.lane, {})[event.i] = event
            if event.lane == INVERSION:
                self._on_way(event)
        elif isinstance(event, Decoded):
            steps = self._steps[event.lane]
            steps[event.i] = replace(steps[event.i], x_0=event.x_0, decoded=True)
        elif isinstance(event, LaneResult):
            self.results[event.lane] = event
        elif isinstance(event, Original):
            self._original = event
            self.stills[PICTURE] = event.picture
            if event.mask is not None:
                self.stills[HOLE] = with_hole(event.picture, event.mask)
        elif isinstance(event, Enlarged):
            self._formulas = event.measures
            self.stills |= {SMALL: event.small, **event.formulas}
            if event.original is not None:
                self.stills[ORIGINAL] = event.original

    def _on_way(self, step: Step) -> None:
        """A step of the hidden lane: of the way up the noisy picture is shown, of a cascade's first picture what it will be."""
        if self.plan.experiment == "enlarge":
            self.stills[SMALL] = step.x_0
        else:
            self.stills[X_T] = step.x_t

    @property
    def begun(self) -> bool:
        """Whether there is a step of a picture."""
        return any(lane >= 0 for lane in self._steps)

    def outcome(self) -> Outcome:
        """What there is of the run so far."""
        steps = {lane: thinned(list(own.values())) for lane, own in self._steps.items() if lane != INVERSION}
        way = list(self._steps.get(INVERSION, {}).values())  # its pictures are previews
        lanes = {lane: own for lane, own in steps.items() if own}
        return Outcome(self.plan, lanes, dict(self.results), dict(self.stills), way, self._formulas, self._original)


def with_hole(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The picture with stripes in the place of its hole."""
    rows, columns = np.indices(mask.shape)
    width = max(1, len(mask) // 32)
    stripes = ((rows + columns) // width % 2).astype(bool)
    holed = picture.copy()
    for colour, where in zip(HATCH, (stripes, ~stripes), strict=True):
        holed[mask & where] = colour
    return holed


def recording_of(outcome: Outcome) -> EditRecording:
    """A run as a recording. Raises LabError for one that enlarged a picture."""
    request = outcome.plan.request
    if not isinstance(request, EditRequest):
        raise LabError(NOT_RECORDED)
    way = {INVERSION: tuple(outcome.way)} if outcome.way else {}
    steps = {lane: tuple(own) for lane, own in outcome.steps.items()}
    return EditRecording(request, steps | way, dict(outcome.results), outcome.original)


def replayed(recording: EditRecording, plan: Plan) -> Outcome:
    """A recording as a run that has ended."""
    watch = Watch(plan, {})
    if recording.original is not None:
        watch.add(recording.original)
    for steps in recording.steps.values():
        for step in steps:
            watch.add(step)
    for result in recording.results.values():
        watch.add(result)
    return watch.outcome()
