"""What is asked for again after a replica was lost, and what of its answer is new."""

from dataclasses import dataclass
from math import inf

import numpy as np
import pytest

from lab.backends.recovery import Recovery
from lab.requests.anatomy import AnatomyRequest
from lab.requests.base import Event, Note, Waiting
from lab.requests.inversion import InversionRequest, InversionResult
from lab.requests.sampling import Decoded, LaneResult, LaneSettings, SamplingRequest, Step

GREY = np.zeros((4, 4, 3), np.uint8)
LANES = tuple(LaneSettings(steps=2, seed=seed) for seed in (10, 11, 12))


def step(lane, i, elapsed_s=0.0):
    return Step(lane, i, 2, 0.0, inf, GREY, GREY, elapsed_s)


def result(lane, elapsed_s=0.0):
    return LaneResult(lane, GREY, 2, elapsed_s)


def test_only_lanes_without_a_result_are_asked_for_again_and_keep_their_names():
    recovery = Recovery(SamplingRequest(lanes=LANES))
    assert recovery.remaining().lanes == LANES
    for event in (step(0, 0), step(1, 0), step(2, 0), step(1, 1), result(1)):
        assert recovery.fresh(event) == event
    again = recovery.remaining()
    assert [lane.seed for lane in again.lanes] == [10, 12] and again.condition == recovery.remaining().condition
    assert recovery.fresh(step(1, 0)) is None  # lane 2's first step, which was seen
    assert recovery.fresh(step(1, 1)).lane == 2
    assert recovery.fresh(result(1)).lane == 2 and not recovery.ended
    assert recovery.fresh(result(0)).lane == 0 and recovery.ended


def test_nothing_comes_twice_where_all_lanes_are_made_again():
    """A reference leans on the first lane, a second model on all of them."""
    for more in ({"reference_steps": 3}, {"versus": "exact-32"}):
        recovery = Recovery(SamplingRequest(lanes=LANES[:1], **more))
        recovery.remaining()
        first = [step(-1, 0), step(0, 0), step(0, 1), result(0)]
        assert [recovery.fresh(event) for event in first] == first
        assert recovery.remaining().lanes == LANES[:1]
        assert [recovery.fresh(event) for event in first] == [None] * 4
        assert recovery.fresh(step(-1, 1)) == step(-1, 1)


def test_a_run_of_two_models_ends_with_the_results_of_both():
    recovery = Recovery(SamplingRequest(lanes=LANES[:1], versus="exact-32"))
    recovery.remaining()
    recovery.fresh(result(0))
    assert not recovery.ended
    recovery.fresh(result(1))
    assert recovery.ended


def test_time_goes_on():
    recovery = Recovery(SamplingRequest(lanes=LANES[:1]))
    recovery.remaining()
    recovery.fresh(step(0, 0, elapsed_s=3.0))
    recovery.remaining()
    assert recovery.fresh(step(0, 1, elapsed_s=0.5)).elapsed_s == 3.5


def test_other_requests_are_asked_again_as_they_are():
    inversion = InversionRequest(picture=GREY, steps=2)
    recovery = Recovery(inversion)
    assert recovery.remaining() is inversion
    ended = InversionResult(GREY, GREY, GREY, GREY[..., 0], 0.1, 0.0, 1.0)
    assert not recovery.ended
    assert recovery.fresh(ended) is ended and recovery.fresh(ended) is None and recovery.ended
    assert Recovery(AnatomyRequest(lane=LANES[0], scales=(1.0,))).remaining().lane == LANES[0]


def test_a_note_comes_once_and_what_waits_always_says_so():
    recovery = Recovery(SamplingRequest(lanes=LANES))
    recovery.remaining()
    assert [recovery.fresh(Note(text)) for text in "aba"] == [Note("a"), Note("b"), None]
    assert [recovery.fresh(Waiting(1, 2.0)) for _ in range(2)] == [Waiting(1, 2.0)] * 2


@dataclass(frozen=True)
class Frame(Event):
    """A streaming event of a type that nobody has heard of, and that says nothing of its key."""

    value: float


@dataclass(frozen=True)
class LaneFrame(Event):
    """Another one, of a lane."""

    lane: int
    value: float
    elapsed_s: float = 0.0


@dataclass(frozen=True)
class KeyedFrame(Event):
    """One that says what it is."""

    i: int

    @property
    def key(self):
        return self.i


@pytest.mark.parametrize("lost_after", range(6))
@pytest.mark.parametrize("kind", [Frame, KeyedFrame])
def test_all_events_of_a_new_type_come_once_wherever_the_replica_is_lost(kind, lost_after):
    recovery, frames, seen = Recovery(InversionRequest(picture=GREY, steps=2)), [kind(i) for i in range(5)], []
    for reached in (lost_after, 5):
        recovery.remaining()
        seen += [event for frame in frames[:reached] if (event := recovery.fresh(frame)) is not None]
    assert seen == frames


def test_events_of_a_new_type_keep_their_lane_and_their_clock():
    recovery = Recovery(SamplingRequest(lanes=LANES))
    recovery.remaining()
    first = [LaneFrame(lane, lane + i / 10, elapsed_s=2.0) for i in range(2) for lane in range(3)]
    assert [recovery.fresh(frame) for frame in first] == first
    recovery.fresh(result(1))
    recovery.remaining()  # lanes 0 and 2, as 0 and 1
    again = [LaneFrame(lane, 2 * lane + i / 10) for i in range(3) for lane in range(2)]
    fresh = [event for frame in again if (event := recovery.fresh(frame)) is not None]
    assert fresh == [LaneFrame(0, 0.2, elapsed_s=2.0), LaneFrame(2, 2.2, elapsed_s=2.0)]


def test_the_steps_of_a_replay_come_once_each_though_they_are_of_calls_that_were_seen():
    recovery = Recovery(SamplingRequest(lanes=LANES[:1]))
    for _ in range(2):
        recovery.remaining()
        new = [recovery.fresh(event) for event in (step(0, 0), step(0, 1), Decoded(0, 1, GREY), Decoded(0, 0, GREY))]
    assert new == [None] * 4
    assert recovery.fresh(Decoded(0, 2, GREY)) == Decoded(0, 2, GREY)
