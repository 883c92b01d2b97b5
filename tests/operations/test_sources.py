"""Pictures of every kind that can be described."""

import numpy as np
import pytest

from lab.engine.lanes import drive
from lab.models.loaders import make_cache
from lab.models.pictures import PictureSet
from lab.operations.house import House
from lab.operations.sources import source
from lab.requests.base import LabError
from lab.requests.ledger import KINDS, Source, SourceRequest
from lab.settings import ASSETS, Settings

SETTINGS = Settings(device="cpu", dtype="float32", cpu_engine="torch")


@pytest.fixture(scope="module")
def house():
    return House(SETTINGS, make_cache(SETTINGS), drive)


def picture(house, kind, seed, **more):
    (found,) = [
        event for event in source(SourceRequest(kind=kind, seed=seed, **more), house) if isinstance(event, Source)
    ]
    return found


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "own"])
def test_a_seed_chooses_one_picture_and_another_seed_another(house, kind):
    first, same, other = (picture(house, kind, seed) for seed in (3, 3, 4))
    assert first.picture.dtype == np.uint8 and first.picture.shape[2] == 3 and first.title
    assert np.array_equal(first.picture, same.picture) and not np.array_equal(first.picture, other.picture)


def test_held_out_pictures_are_held_out_and_training_pictures_are_not(house):
    pictures = PictureSet.load(ASSETS / "pictures").resized(32)
    for kind, wanted in (("held-out", True), ("training", False)):
        found = picture(house, kind, 7).picture
        among = pictures.held_out[[np.array_equal(found, one) for one in pictures.pixels]]
        assert len(among) and (among == wanted).all()


def test_a_photograph_in_the_sets_manner_stands_on_white(house):
    found = picture(house, "styled", 0).picture
    assert (found[: len(found) // 6] == 255).all() and found.std() > 10


@pytest.mark.parametrize("model", ["exact-32", "text-to-image"])
def test_a_model_that_draws_no_pixels_of_its_own_is_refused(house, model):
    with pytest.raises(LabError, match="draws no picture"):
        picture(house, "drawn", 0, model=model)
