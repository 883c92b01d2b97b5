"""The ZeroGPU backend where `spaces.GPU` changes nothing: same pictures as the local one, inline; refusals in words."""

import inspect
import pickle

import numpy as np
import pytest

from lab.backends.local import LocalBackend
from lab.backends.zerogpu import LONGEST_S, ZeroGpuBackend, needs_network, seconds_of
from lab.requests.annotate import AnnotateRequest
from lab.requests.base import LabError
from lab.requests.fields import Condition
from lab.requests.inversion import InversionRequest
from lab.requests.noising import NoisingRequest
from lab.requests.sampling import LaneResult, LaneSettings, SamplingRequest
from lab.settings import Settings

SETTINGS = Settings(device="cpu", dtype="float32", cpu_engine="torch")
GREY = np.zeros((8, 8, 3), np.uint8)


def red_heart(**lane):
    lanes = tuple(
        LaneSettings(sampler="ddpm", seed=seed, **{"steps": 4, "guidance_scale": 3, **lane}) for seed in (1, 2)
    )
    return SamplingRequest(
        model="text-to-image", condition=Condition(prompt="red heart"), forward={"schedule": "scaled_linear"}, lanes=lanes
    )  # fmt: skip


@pytest.fixture(scope="module")
def called():
    """What the decorator was given: its options, and the functions it wrapped."""
    return {"options": [], "wrapped": []}


@pytest.fixture(scope="module")
def backend(called):
    def gpu(**options):
        called["options"].append(options)

        def decorate(function):
            called["wrapped"].append(function)
            return function

        return decorate

    return ZeroGpuBackend(SETTINGS, gpu)


def pictures(events):
    return [event.picture.astype(int) for event in events if isinstance(event, LaneResult)]


def test_pictures_are_those_of_the_local_backend(backend):
    ours, theirs = pictures(backend.run(red_heart())), pictures(LocalBackend(SETTINGS).run(red_heart()))
    assert len(ours) == 2 and all(np.abs(a - b).max() <= 1 for a, b in zip(ours, theirs, strict=True))


def test_the_call_is_a_plain_generator_of_picklable_results(backend, called):
    """ZeroGPU takes synchronous generators only, and a duration that may be computed from the arguments."""
    (wrapped,), (options,) = called["wrapped"], called["options"]
    assert inspect.isgeneratorfunction(wrapped)
    assert options["duration"](red_heart()) == seconds_of(red_heart())
    events = list(wrapped(red_heart()))
    assert len(pickle.loads(pickle.dumps(events))) == len(events)


def test_only_networks_go_there():
    assert needs_network(red_heart())
    assert needs_network(SamplingRequest(model="exact", versus="text-to-image", lanes=(LaneSettings(),)))
    assert not needs_network(SamplingRequest(model="exact", lanes=(LaneSettings(),)))
    assert not needs_network(InversionRequest(picture=GREY))
    assert not needs_network(NoisingRequest(picture=GREY)) and not needs_network(AnnotateRequest(picture=GREY))


def test_what_is_announced_grows_with_the_work(backend):
    few, many, plain = red_heart(), red_heart(steps=400), red_heart(steps=400, guidance_scale=1)
    assert seconds_of(few) < seconds_of(plain) <= seconds_of(many) <= LONGEST_S
    endless = red_heart(steps=1000).model_copy(update={"lanes": red_heart(steps=1000).lanes * 10})
    with pytest.raises(LabError, match=r"would take about \d+ s of a GPU; at most 120 s are lent for one"):
        list(backend._far(endless, None))


def test_what_a_visitor_did_wrong_comes_back_in_words(backend):
    wrong = red_heart().model_copy(update={"versus": "exact-32"})
    with pytest.raises(LabError, match="forward process|other shapes"):
        list(backend.run(wrong))


def test_an_error_of_the_platform_is_told_with_its_own_words(backend, monkeypatch):
    class Spent(Exception):
        message = "You have exceeded your GPU quota"

    def refuse(request):
        raise Spent
        yield

    monkeypatch.setattr(backend, "_call", refuse)
    with pytest.raises(LabError, match="ZeroGPU did not finish this run: You have exceeded your GPU quota"):
        list(backend.run(red_heart()))


def test_everything_that_is_offered_was_placed_at_the_start(backend):
    placed = {one.name for one in backend.status().resident}
    assert {"text-to-image", "edges", "pose", "clip"} <= placed
    assert not any(plan.load for plan in backend.status().plans if plan.name in placed)
