"""Words in pictures: which lanes are edited and which are the plain run's, and what is refused."""

import threading
from functools import cache

import numpy as np
import pytest
from pydantic import ValidationError

from lab.backends.local import LocalBackend
from lab.engine.lanes import drive
from lab.models.loaders import make_cache
from lab.operations.attention import attention
from lab.operations.house import House
from lab.operations.sampling import sampling
from lab.requests.attention import AttentionRequest, WordMaps, Words
from lab.requests.base import LabError, Note
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneResult, LaneSettings, SamplingRequest, Step
from lab.settings import Settings

SETTINGS = Settings(device="cpu", cpu_engine="torch")
APPLE, LANE = Condition(prompt="red apple"), LaneSettings(steps=4, guidance_scale=3, seed=2)


@cache
def shared_cache():
    return make_cache(SETTINGS)


def house():
    return House(SETTINGS, shared_cache(), drive)


def run(**more):
    return list(attention(AttentionRequest(**{"condition": APPLE, "lane": LANE} | more), house()))


def pictures(events):
    return [event.picture for event in events if isinstance(event, LaneResult)]


def test_the_plain_picture_is_the_samplers_also_beside_edited_lanes():
    request = SamplingRequest(
        model="text-to-image", condition=APPLE, forward=Forward(schedule="scaled_linear"), lanes=(LANE,)
    )
    (wanted,) = pictures(sampling(request, house()))
    plain, dark, one, *_ = pictures(run(words=("red", "end"), weights=(-2, 1), looks=0))
    assert np.array_equal(plain, wanted) and np.array_equal(one, wanted)
    end = pictures(run(words=("end",), weights=(0,), looks=0))[1]
    assert np.abs(end.astype(int) - wanted).mean() > 5
    assert np.abs(dark.astype(int) - wanted).max() > 0


def test_a_look_is_taken_at_every_step_and_sums_to_one_over_the_words():
    events = run(looks=20)
    (words,) = [event for event in events if isinstance(event, Words)]
    maps = [event for event in events if isinstance(event, WordMaps)]
    assert words.names == ("start", "red", "apple", "end and padding")
    assert sum(words.tokens) == words.window == 32
    assert [one.i for one in maps] == [0, 1, 2, 3]
    for one in maps:
        assert set(one.maps) == {0, 4, 8}
        for side, own in one.maps.items():
            assert own.shape == (4, side or 16, side or 16)
            np.testing.assert_allclose(own.sum(axis=0), 1, atol=1e-5)
        assert one.shares.sum() == pytest.approx(1, abs=1e-5)
    assert len([event for event in events if isinstance(event, Step)]) == 5
    assert [one.i for one in run(looks=2) if isinstance(one, WordMaps)] == [0, 3]


def test_a_target_that_is_the_source_keeps_the_picture_and_another_is_drawn_as_by_itself():
    source, alone, kept = pictures(run(target="red apple", kept=1, kept_picture=1, looks=0))
    assert np.array_equal(source, alone) and np.abs(kept.astype(int) - source).max() <= 1
    _, alone, kept = pictures(run(target="green apple", kept=0, looks=0))
    assert np.array_equal(alone, kept)  # nothing is kept
    (wanted,) = pictures(run(condition=Condition(prompt="green apple"), looks=0))
    assert np.array_equal(alone, wanted)


def test_the_target_is_read_as_a_caption_too():
    notes = [event.text for event in run(target="a photo of a green apple", looks=0) if isinstance(event, Note)]
    assert any("“a photo of a green apple” as “green apple”" in text for text in notes)


def test_what_cannot_be_asked_is_said_in_words():
    with pytest.raises(LabError, match=r"no word “pear”. Choose one of: start, red, apple, end and padding"):
        run(words=("pear",), weights=(2,))
    with pytest.raises(ValidationError, match="has no layers that attend to words"):
        AttentionRequest(model="exact", condition=APPLE)
    with pytest.raises(ValidationError, match="the prompt is empty"):
        AttentionRequest()
    with pytest.raises(ValidationError, match="at least one word and at least one weight"):
        AttentionRequest(condition=APPLE, words=("red",))


@pytest.mark.parametrize("ends", ["whole", "stopped", "failed"])
def test_the_unet_is_left_as_it_was(ends, monkeypatch):
    with shared_cache().lease("text-to-image") as model:
        unet = model.denoiser(Forward(schedule="scaled_linear")).unet
        before = dict(unet.attn_processors)
        if ends == "failed":
            from lab.models.attention import AttentionDenoiser

            def fail(self, probabilities):
                raise RuntimeError("broken")

            monkeypatch.setattr(AttentionDenoiser, "_edit_words", fail)
        backend, stop = LocalBackend(SETTINGS, shared_cache()), threading.Event()
        request = AttentionRequest(condition=APPLE, lane=LANE, words=("red",), weights=(3,), target="green apple")
        try:
            for event in backend.run(request, stop):
                if isinstance(event, WordMaps) and ends == "stopped":
                    stop.set()
            assert ends != "failed"
        except LabError:
            assert ends == "failed"
        after = unet.attn_processors
        assert after.keys() == before.keys() and all(after[name] is one for name, one in before.items())
