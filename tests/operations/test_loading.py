"""Files that are not on this machine yet."""

import threading

import pytest

from lab.engine.lanes import drive
from lab.models.cache import ModelCache
from lab.operations import loading
from lab.operations.house import House
from lab.operations.sampling import sampling
from lab.requests.base import LabError, Waiting
from lab.requests.sampling import LaneResult, LaneSettings, SamplingRequest, Step
from lab.settings import Settings
from tests.operations.toys import Toy


def test_a_download_says_how_far_it_is_and_nobody_need_stay_for_it(monkeypatch):
    began, enough, arrivals = threading.Event(), threading.Event(), []

    def fetch(name):
        began.set()
        assert enough.wait(60)
        arrivals.append(name)

    monkeypatch.setattr(loading, "arrived", lambda name: 12_000_000 if began.is_set() else 0)
    monkeypatch.setattr(loading, "TELL_EVERY_S", 0.01)
    cache = ModelCache(lambda name, shelf: Toy(), fetch=fetch, absent=lambda name: not arrivals)
    run = SamplingRequest(model="text-to-image", lanes=(LaneSettings(steps=2),), forward={"schedule": "scaled_linear"})

    impatient = sampling(run, House(Settings(), cache, drive))
    texts = [next(impatient).text for _ in range(3)]
    assert texts[-1] == "Fetching the model 'Miniature latent diffusion': 12 MB so far …"
    impatient.close()
    assert not arrivals

    patient = sampling(run, House(Settings(), cache, drive))
    next(patient)
    enough.set()
    assert [event for event in patient if isinstance(event, LaneResult)]
    assert set(arrivals) == {"text-to-image"}


def test_a_download_that_fails_is_told_in_its_words():
    def fetch(name):
        raise LabError("the hub did not give it")

    cache = ModelCache(lambda name, shelf: Toy(), fetch=fetch, absent=lambda name: True)
    run = SamplingRequest(model="text-to-image", lanes=(LaneSettings(steps=2),), forward={"schedule": "scaled_linear"})
    with pytest.raises(LabError, match="the hub did not give it"):
        list(sampling(run, House(Settings(), cache, drive)))


def test_a_run_of_two_models_is_refused_and_announced_before_anything_is_fetched(monkeypatch):
    fetches = []
    cache = ModelCache(lambda name, shelf: Toy(), fetch=fetches.append, absent=lambda name: name not in fetches)
    house = House(Settings(), cache, drive)
    cosine = {"forward": {"schedule": "cosine"}, "lanes": (LaneSettings(steps=2, sampler="ddpm_learned"),)}
    with pytest.raises(LabError, match="needs a model that was trained for it; 'Exact denoiser at 32 px' is not"):
        list(sampling(SamplingRequest(model="pixel", versus="exact-32", **cosine), house))
    assert fetches == []

    monkeypatch.setattr(loading, "slow_to_load", lambda name, settings: True)
    run = SamplingRequest(
        model="pixel", versus="exact-32", forward={"schedule": "cosine"}, lanes=(LaneSettings(steps=2),)
    )
    events = list(sampling(run, house))
    texts = [event.text for event in events if isinstance(event, Waiting)]
    first = next(k for k, event in enumerate(events) if isinstance(event, Step))
    assert not any(isinstance(event, Waiting) for event in events[first:])
    assert list(dict.fromkeys(fetches)) == ["pixel", "exact-32"]
    waits = [text for text in texts if text.startswith("Loading")]
    assert ["Miniature pixel" in waits[0], "Exact denoiser at 32 px" in waits[1], len(waits)] == [True, True, 2]
