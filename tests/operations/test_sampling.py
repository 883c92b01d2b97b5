"""Pictures drawn side by side: two models from the same noise, and the numbers of a picture."""

import numpy as np
import pytest
import torch

from lab.operations.sampling import sampling
from lab.requests.base import LabError
from lab.requests.fields import Condition
from lab.requests.sampling import LaneResult, LaneSettings, SamplingRequest, Step
from tests.operations.toys import PROMPTS, Toy, make_house

# Two models


def versus(house, *lanes, **more):
    request = SamplingRequest(
        condition=Condition(prompt="apple"), negative="blue", versus="exact-32", lanes=lanes, **more
    )
    return list(sampling(request, house))


def test_versus_draws_every_lane_again_with_the_other_model_from_the_same_noise():
    lanes = [LaneSettings(steps=5, seed=1, guidance_scale=2), LaneSettings(steps=8, seed=2, sampler="ddpm")]
    house, _ = make_house(exact=Toy(), **{"exact-32": Toy("v_prediction")})
    events = versus(house, *lanes, reference_steps=10)
    steps, results = ([event for event in events if isinstance(event, kind)] for kind in (Step, LaneResult))
    assert sorted(result.lane for result in results) == [0, 1, 2, 3]
    for index in (0, 1):
        own, other = ([step for step in steps if step.lane == k] for k in (index, index + 2))
        assert [step.i for step in own] == [step.i for step in other] == list(range(lanes[index].steps + 1))
        assert (own[0].x_t == other[0].x_t).all()
    # The other model is drawn plainly: without the negative prompt and the reference of the first.
    house, _ = make_house(**{"exact-32": Toy("v_prediction")})
    alone = list(sampling(SamplingRequest(model="exact-32", condition=Condition(prompt="apple"), lanes=lanes), house))
    pictures = {event.lane: event for event in results}
    for event in alone:
        if isinstance(event, LaneResult):
            assert np.abs(pictures[event.lane + 2].picture.astype(int) - event.picture).max() <= 1
            assert pictures[event.lane + 2].rms_to_reference is None
            assert pictures[event.lane].rms_to_reference is not None


def test_versus_needs_models_of_one_shape():
    house, records = make_house(exact=Toy(), **{"exact-32": Toy(shape=(3, 4, 4))})
    with pytest.raises(LabError, match="'Exact denoiser at 32 px' works on other shapes"):
        versus(house, LaneSettings(steps=2))
    assert records == []
    assert all(model.leases == 0 for model in house.cache.resident())


def test_stopping_a_run_of_two_models_gives_both_back():
    house, _ = make_house(exact=Toy(), **{"exact-32": Toy()})
    events = sampling(SamplingRequest(versus="exact-32", lanes=[LaneSettings(steps=50)]), house)
    next(events)
    assert {model.leases for model in house.cache.resident()} == {2}  # held for the run, and by its lanes
    events.close()
    assert {model.leases for model in house.cache.resident()} == {0}


# Numbers and limits


def test_results_carry_measures_where_asked_and_a_score_where_there_is_a_prompt():
    class Scorer:
        def score(self, picture, caption):
            assert picture.shape == (8, 8, 3)
            return 0.25 if caption == "apple" else -1

        def unread(self, caption):
            return ()

    house, _ = make_house(exact=Toy(), clip=Scorer())
    for prompt, names in (
        ("apple", {"saturation", "clipped", "contrast", "clip"}),
        (" ", {"saturation", "clipped", "contrast"}),
    ):
        PROMPTS.setdefault(prompt, 0.0)
        request = SamplingRequest(condition=Condition(prompt=prompt), lanes=[LaneSettings(steps=2)], measure=True)
        *_, result = sampling(request, house)
        assert result.measures.keys() == names
        assert result.measures.get("clip", 0.25) == 0.25
    *_, result = sampling(SamplingRequest(lanes=[LaneSettings(steps=2)]), house)
    assert result.measures == {}


@pytest.mark.parametrize(("loud", "clipped"), [(False, 0.0), (True, 0.5)])
def test_clipped_pixels_are_those_that_the_decoder_cut(loud, clipped):
    """Both pictures are white on paper and half of it ink: of the second, the ink was beyond black."""

    class Decoded(Toy):
        def to_values(self, x_0):
            values = torch.ones(3, 8, 8)
            values[:, :4] = -1.5 if loud else -1.0
            return values

    house, _ = make_house(exact=Decoded())
    *_, result = sampling(SamplingRequest(lanes=[LaneSettings(steps=2)], measure=True), house)
    assert result.measures["clipped"] == clipped
    assert np.array_equal(np.unique(result.picture), [0, 255])
