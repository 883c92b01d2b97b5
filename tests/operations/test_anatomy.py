"""Guidance taken apart: both halves of every step against their definitions."""

import math
from dataclasses import fields

import numpy as np
import pytest
import torch

from lab.catalog import GUIDANCE
from lab.operations.anatomy import anatomy
from lab.operations.sampling import sampling
from lab.requests.anatomy import Anatomy, AnatomyRequest
from lab.requests.fields import Condition
from lab.requests.sampling import LaneSettings, SamplingRequest
from tests.operations.toys import Toy, make_house

TYPES = ("epsilon", "v_prediction", "sample")


def taken_apart(toy, scales=(0, 1, 4), negative="", **lane):
    """(anatomies, records) of one lane."""
    house, records = make_house(exact=toy)
    request = AnatomyRequest(
        condition=Condition(prompt="apple"), negative=negative, scales=scales,
        lane=LaneSettings(**{"steps": 6, "guidance_scale": 3, **lane}),
    )  # fmt: skip
    return list(anatomy(request, house)), records


def picture(x):
    """As the toy shows it, in float64."""
    return (x.double().clamp(-1, 1).permute(1, 2, 0).numpy() + 1) * 127.5


def halves(toy, record, negative=""):
    """eps and x_0 of both halves in float64, from separate calls and the definitions."""
    a = float(toy.network.process.alphas_cumprod[int(record.t)])
    x_t = record.x_t.double()
    pairs = []
    for prompt in ("apple", negative):
        prediction = toy.network(record.x_t[None], torch.tensor([record.t]), [prompt])[0].double()
        x_0 = {
            "epsilon": (x_t - (1 - a) ** 0.5 * prediction) / a**0.5,
            "v_prediction": a**0.5 * x_t - (1 - a) ** 0.5 * prediction,
            "sample": prediction,
        }[toy.network.prediction_type]
        pairs.append((x_0, (x_t - a**0.5 * x_0) / (1 - a) ** 0.5))
    return pairs


@pytest.mark.parametrize("negative", ["", "blue"])
@pytest.mark.parametrize("prediction_type", TYPES)
def test_x_0_at_each_scale_is_the_formula_from_both_halves(prediction_type, negative):
    toy, scales = Toy(prediction_type), (0.0, 0.5, 1.0, 3.0, 7.5)
    events, records = taken_apart(toy, scales, negative)
    assert [event.i for event in events] == list(range(6)) and {event.n for event in events} == {6}
    for event, record in zip(events, records[:-1], strict=True):
        (clean, eps), (clean_u, eps_u) = halves(toy, record, negative)
        assert len(event.x_0) == len(scales)
        for scale, view in zip(scales, event.x_0, strict=True):
            want = picture(clean_u + scale * (clean - clean_u))
            assert np.abs(view - want).max() <= 1
        for view, want in (
            (event.x_t, record.x_t / 2),
            (event.conditional, eps / 2),
            (event.unconditional, eps_u / 2),
        ):
            assert np.abs(view - picture(want)).max() <= 1
        sizes = [float(part.square().mean() ** 0.5) for part in (eps_u, eps, eps - eps_u)]
        assert event.norms == pytest.approx(sizes, rel=1e-3, abs=1e-4)
        heat = (eps - eps_u).square().mean(0).sqrt().numpy()
        assert event.difference.shape == (8, 8) and event.difference.max() == 255
        assert np.abs(event.difference - heat / heat.max() * 255).max() <= 2
        assert event.t == record.t and event.log_snr == record.log_snr
    assert min(event.norms[2] for event in events) > 1e-3  # the halves do differ


@pytest.mark.parametrize("steps", [1, 7])
@pytest.mark.parametrize("rule", [name for name, row in GUIDANCE.items() if not row.guide])
@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
def test_every_step_is_taken_apart_whatever_the_rule_and_scale(rule, scale, steps):
    """Also where the rule itself needs one half only; the lane still goes its rule's way."""
    toy = Toy()
    events, records = taken_apart(toy, rule=rule, guidance_scale=scale, steps=steps)
    assert len(events) == steps and all(call == ["apple", ""] for call in toy.network.calls)
    house, plain = make_house(exact=Toy())
    lane = LaneSettings(steps=steps, guidance_scale=scale, rule=rule)
    list(sampling(SamplingRequest(condition=Condition(prompt="apple"), lanes=[lane]), house))
    torch.testing.assert_close(records[-1].x_0, plain[-1].x_0, atol=1e-5, rtol=0)


@pytest.mark.parametrize("sampler", ["heun", "pndm", "euler_a"])
def test_a_call_is_an_event_for_samplers_that_call_more_often(sampler):
    events, records = taken_apart(Toy(), sampler=sampler, steps=5)
    assert len(events) == events[0].n == len(records) - 1
    assert [event.i for event in events] == list(range(events[0].n))


@pytest.mark.parametrize("count", [1, 12])
def test_one_to_twelve_scales(count):
    events, _ = taken_apart(Toy(), tuple(float(k) for k in range(count)))
    assert {len(event.x_0) for event in events} == {count}


def test_equal_halves_have_a_dark_difference():
    events, _ = taken_apart(Toy(), negative="apple")
    for event in events:
        assert not event.difference.any() and event.norms[2] == 0
        assert all((view == event.x_0[0]).all() for view in event.x_0)


def test_an_anatomy_holds_no_torch_object():
    (event, *_), _ = taken_apart(Toy())
    assert isinstance(event, Anatomy)
    for one in fields(event):
        value = getattr(event, one.name)
        values = value if isinstance(value, tuple) else (value,)
        assert all(isinstance(part, np.ndarray | int | float | None) for part in values), one.name
    assert event.log_snr == pytest.approx(math.log(4.0e-5), abs=0.1)  # alpha-bar(T) of the linear schedule
