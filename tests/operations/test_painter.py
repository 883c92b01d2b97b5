"""Previews of latent models: decoded in rounds, at a bounded cost."""

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest

from lab.operations.inversion import inversion
from lab.operations.painter import PREVIEW_SHARE
from lab.operations.sampling import REFERENCE, REPLAY_SHARE, sampling
from lab.requests.fields import Forward
from lab.requests.inversion import InversionRequest
from lab.requests.sampling import Decoded, LaneResult, LaneSettings, SamplingRequest, Step
from tests.operations.toys import Gaussian, Toy, make_house


class LatentToy(Toy):
    """Whose decoded pictures are twice the size of its previews; notes what it decodes, and may take its time."""

    latent = True

    def __init__(self, clock, decode_s):
        super().__init__()
        self.clock, self.decode_s, self.decoded = clock, decode_s, []

    def to_values(self, x_0):
        self.clock[0] += self.decode_s
        self.decoded.append(x_0)
        return x_0.float().repeat_interleave(2, 1).repeat_interleave(2, 2)

    def to_picture(self, x_0):
        return super().to_picture(self.to_values(x_0))

    def preview(self, x):
        return super(Toy, self).to_picture(x)


LATENT = {"model": "text-to-image", "forward": Forward(schedule="scaled_linear")}


def latent_run(monkeypatch, operation, request, decode_s, company=1):
    """(toy, records, events) of a run on a clock that denoiser calls move by a second, and decodes by `decode_s`; one of so
    many runs on the device."""
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    toy = LatentToy(clock, decode_s)
    house, records = make_house(**{"text-to-image": toy})
    whole = toy.network.__call__

    def call(*arguments):
        clock[0] += 1
        return whole(*arguments)

    monkeypatch.setattr(Gaussian, "__call__", lambda self, *arguments: call(*arguments))
    house = replace(house, company=lambda: company)
    return toy, records, list(operation(request, house))


@pytest.mark.parametrize("counts", [(1,), (7,), (20, 20), (4, 10, 40), (25,) * 8])
@pytest.mark.parametrize("decode_s", [0.001, 0.05, 0.3, 3.0])
@pytest.mark.parametrize("company", [1, 2, 16])
def test_lanes_are_decoded_at_the_same_calls_for_a_small_share_of_a_run(monkeypatch, counts, decode_s, company):
    lanes = [LaneSettings(steps=n, seed=seed) for seed, n in enumerate(counts)]
    run = SamplingRequest(**LATENT, lanes=lanes)
    toy, records, events = latent_run(monkeypatch, sampling, run, decode_s, company)
    steps = [event for event in events if isinstance(event, Step)]
    for step, record in zip(steps, records, strict=True):
        whole = toy.preview(record.x_0)
        assert (step.x_0 == (whole.repeat(2, 0).repeat(2, 1) if step.decoded else whole)).all()
    assert all(step.decoded for step in steps if step.i == step.n)
    rounds = [
        {step.i for step in steps if step.lane == lane and step.decoded and step.i < step.n}
        for lane in range(len(counts))
    ]
    for n, mine in zip(counts, rounds, strict=True):
        assert mine == {i for i in set.union(*rounds) if i < n}
    previews = sum(map(len, rounds))
    total = max(step.elapsed_s for step in steps)
    assert decode_s * previews <= PREVIEW_SHARE * total / company + decode_s * len(counts)


def test_both_ways_of_an_inversion_have_decoded_previews(monkeypatch):
    run = InversionRequest(**LATENT, picture=np.full((8, 8, 3), 90, np.uint8), steps=50)
    _, _, events = latent_run(monkeypatch, inversion, run, 0.1)
    for lane in (0, 1):
        steps = [step for step in events if isinstance(step, Step) and step.lane == lane and step.i < step.n]
        decoded = [step.i for step in steps if step.decoded]
        assert len(steps) == 50 and len(decoded) >= 0.8 * PREVIEW_SHARE * 50 / 0.1
        assert max(b - a for a, b in itertools.pairwise([0, *decoded, 50])) <= 10
    elapsed = [step.elapsed_s for step in events if isinstance(step, Step)]
    assert elapsed == sorted(elapsed)


def test_the_hidden_reference_lane_is_never_decoded(monkeypatch):
    run = SamplingRequest(**LATENT, lanes=(LaneSettings(steps=20),), reference_steps=60)
    toy, records, _ = latent_run(monkeypatch, sampling, run, 0.05)
    reference = {id(record.x_0) for record in records if record.lane == REFERENCE}
    assert len(reference) == 61 and not reference & {id(x_0) for x_0 in toy.decoded}


@pytest.mark.parametrize("replay", [0, 1, 2, 5, 200])
@pytest.mark.parametrize("decode_s", [0.001, 0.1, 1.0])
def test_after_the_results_the_kept_steps_are_decoded_for_half_of_the_runs_time_at_most(monkeypatch, replay, decode_s):
    lanes = [LaneSettings(steps=25, seed=seed) for seed in range(3)]
    run = SamplingRequest(**LATENT, lanes=lanes, replay=replay)
    toy, records, events = latent_run(monkeypatch, sampling, run, decode_s)
    x_0 = {(record.lane, record.i): record.x_0 for record in records}
    result = max(k for k, event in enumerate(events) if isinstance(event, LaneResult))
    after = [event for event in events if isinstance(event, Decoded)]
    assert events[result + 1 :] == after
    for event in after:
        assert (event.x_0[::2, ::2] == toy.preview(x_0[event.lane, event.i])).all()
    assert len({(event.lane, event.i) for event in after}) == len(after) <= 3 * replay
    if decode_s == 0.001:  # there is time for all
        known = {(step.lane, step.i) for step in events if isinstance(step, Step) and step.decoded}
        spread = {round(i) for i in np.linspace(0, 24, min(replay, 25))}
        assert known | {(event.lane, event.i) for event in after} >= {(lane, i) for lane in range(3) for i in spread}
    ran_s = max(event.elapsed_s for event in events if isinstance(event, Step))
    assert decode_s * len(after) <= REPLAY_SHARE * ran_s + 4 * decode_s
    calls = list(dict.fromkeys(event.i for event in after))
    if len(calls) > 4:  # wherever it ends, what is there is spread over the lane
        assert max(calls[:4]) - min(calls[:4]) >= 12
