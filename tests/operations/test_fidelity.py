"""Precision and recall of small sets, against the shipped pictures of a condition, by the shipped judge."""

import numpy as np
import pytest
import torch

from lab.catalog import JUDGE
from lab.engine.fidelity import Manifold
from lab.engine.lanes import drive
from lab.models.loaders import make_cache
from lab.models.pictures import PictureSet
from lab.operations.fidelity import fidelity
from lab.operations.house import House
from lab.requests.base import LabError
from lab.requests.fidelity import Fidelity, FidelityRequest
from lab.requests.fields import Condition
from lab.settings import ASSETS, Settings

SETTINGS = Settings(device="cpu", cpu_engine="torch")
FLAGS = Condition(prompt="flag")
GROUP = Condition(group="symbols")


@pytest.fixture(scope="module")
def house():
    return House(SETTINGS, make_cache(SETTINGS), drive)


@pytest.fixture(scope="module")
def pictures():
    """What the pixel model learned from, at its size."""
    shipped = PictureSet.load(ASSETS / "pictures").resized(32)
    return shipped.select(~shipped.held_out)


def measured(house, model, condition, *sets):
    return list(fidelity(FidelityRequest(model=model, condition=condition, sets=sets), house))


def test_real_pictures_of_the_condition_are_precise_and_noise_is_not(house, pictures):
    """Precision 1: a picture lies on itself. Few of many recall some; one picture again and again, next to none."""
    real = pictures.pixels[pictures.matching(group="symbols")]
    noise = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), np.uint8)
    few, same, none = measured(house, "pixel", GROUP, real[::12], real[[0] * 16], noise)
    assert [event.index for event in (few, same, none)] == [0, 1, 2]
    assert {(event.real, event.k) for event in (few, same, none)} == {(len(real), 3)} and few.n == len(real[::12])
    assert few.precision == same.precision == 1 and none.precision == none.recall == 0
    assert same.recall == pytest.approx(1 / len(real)) and few.recall > 0.2


def test_it_is_the_arithmetic_on_the_judges_features_of_the_conditions_pictures(house, pictures):
    real = pictures.pixels[pictures.matching("flag")]
    drawn = pictures.pixels[pictures.matching(group="travel-places")][:9]
    (event,) = measured(house, "pixel", FLAGS, drawn)
    with house.lease(JUDGE) as judge:
        ours, theirs = (torch.from_numpy(judge.features(part)) for part in (drawn, real))
    k = min(3, len(real) - 1)
    assert event == Fidelity(0, 9, len(real), k, Manifold(theirs, k).share(ours), Manifold(ours, k).share(theirs))
    assert measured(house, "exact-32", Condition(prompt="the flag"), drawn) == [event]


def test_small_sets_take_fewer_neighbours(house, pictures):
    (event,) = measured(house, "pixel", GROUP, pictures.pixels[:2])
    assert event.k == 1


def test_pictures_of_any_size_are_brought_to_the_models(house, pictures):
    large = pictures.pixels[:4].repeat(3, axis=1).repeat(3, axis=2)
    as_they_are, enlarged = measured(house, "pixel", GROUP, pictures.pixels[:4], large)
    assert (as_they_are.precision, as_they_are.recall) == (enlarged.precision, enlarged.recall)


@pytest.mark.parametrize(
    ("model", "condition", "words"),
    [
        ("sd-1-5", Condition(), "does not have the pictures that 'Stable Diffusion 1.5' was trained on"),
        ("pixel", Condition(prompt="spaceshipwreck"), "No picture matches 'spaceshipwreck'"),
        ("pixel", Condition(prompt="flag", style="blob", group="symbols"), "No picture matches"),
    ],
)
def test_what_cannot_be_compared_is_said(house, pictures, model, condition, words):
    with pytest.raises(LabError, match=words):
        measured(house, model, condition, pictures.pixels[:3])


def test_one_picture_of_a_condition_is_too_few(house, pictures):
    alone = next(caption for caption in pictures.captions if pictures.matching(caption).sum() == 1)
    with pytest.raises(LabError, match="the lab has one picture"):
        measured(house, "pixel", Condition(prompt=alone), pictures.pixels[:3])
