"""The training picture nearest to a picture, against the arithmetic on all of them."""

import numpy as np
import pytest

from lab.catalog import MODELS
from lab.engine.lanes import drive
from lab.models.loaders import make_cache
from lab.models.pictures import PictureSet
from lab.operations.house import House
from lab.operations.nearest import nearest
from lab.requests.base import LabError
from lab.requests.nearest import NearestRequest
from lab.settings import ASSETS, Settings

SETTINGS = Settings(device="cpu", cpu_engine="torch")


@pytest.fixture(scope="module")
def house():
    return House(SETTINGS, make_cache(SETTINGS), drive)


@pytest.fixture(scope="module")
def shipped():
    pictures = PictureSet.load(ASSETS / "pictures")
    return pictures.select(~pictures.held_out)


def grey_levels(picture, pictures):
    return np.sqrt(np.square(picture.astype(float) - pictures).mean(axis=(1, 2, 3)))


def test_the_nearest_picture_and_its_distance_are_the_arithmetic(house, shipped):
    rng = np.random.default_rng(0)
    noisy = np.clip(shipped.pixels[100] + rng.normal(0, 20, (64, 64, 3)), 0, 255).astype(np.uint8)
    asked = (shipped.pixels[7], noisy, np.full((64, 64, 3), 90, np.uint8))
    found = list(nearest(NearestRequest(model="text-to-image", pictures=asked), house))
    assert [one.index for one in found] == [0, 1, 2]
    for picture, one in zip(asked, found, strict=True):
        distances = np.array([grey_levels(picture, part).min() for part in np.array_split(shipped.pixels, 40)])
        assert one.rms == pytest.approx(distances.min(), abs=0.02)
        assert grey_levels(picture, one.picture[None])[0] == pytest.approx(one.rms, abs=0.02)
    assert found[0].rms == pytest.approx(0, abs=0.02) and (found[1].picture == shipped.pixels[100]).all()
    assert found[0].caption == shipped.captions[7]


def test_a_model_of_another_size_is_compared_at_its_own(house):
    (found,) = nearest(NearestRequest(model="pixel", pictures=(np.zeros((32, 32, 3), np.uint8),)), house)
    assert found.picture.shape == (32, 32, 3)


@pytest.mark.parametrize("name", ["sd-1-5", "exact"])
def test_what_the_lab_does_not_have_is_said(house, name):
    with pytest.raises(LabError, match="does not have the pictures that"):
        list(nearest(NearestRequest(model=name, pictures=(np.zeros((8, 8, 3), np.uint8),)), house))


def test_the_data_of_a_model_are_the_size_of_its_pictures():
    for row in MODELS.values():
        assert not row.data or (MODELS[row.data].family == "exact" and MODELS[row.data].size == row.size)
