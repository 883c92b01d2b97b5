"""The share of two groups: which pictures are the data, where lanes start, and what is refused."""

import numpy as np
import pytest
import torch

from lab.engine.lanes import drive
from lab.models.loaders import load, make_cache
from lab.operations.house import House
from lab.operations.share import share
from lab.requests.base import LabError
from lab.requests.share import ShareRequest
from lab.settings import Settings

SETTINGS = Settings(device="cpu", cpu_engine="torch")
GROUPS = ("smileys-emotion", "animals-nature")


@pytest.fixture(scope="module")
def house():
    return House(SETTINGS, make_cache(SETTINGS), drive)


def test_the_data_are_so_many_pictures_of_each_group_and_each_belongs_to_its_own():
    model = load("exact-32", SETTINGS)
    data = model.two_groups(GROUPS, (80, 20))
    groups = np.array(model.pictures.groups)[data.support.indices.numpy()]
    assert [*groups] == [GROUPS[0]] * 80 + [GROUPS[1]] * 20 and len(set(data.support.indices.tolist())) == 100
    for group, count in enumerate((80, 20)):
        own = [data.picture(group, number) for number in range(count)]
        assert {data.group_of(picture) for picture in own} == {group}
        torch.testing.assert_close(data.picture(group, count), own[0])


@pytest.mark.parametrize(("start", "nearest"), [("smileys-emotion", {0}), ("animals-nature", {1}), ("", {0, 1})])
def test_lanes_start_near_a_picture_of_the_group_or_in_noise(house, start, nearest):
    """At one low level the first guess is that picture; a guess from noise may be of either group."""
    request = ShareRequest(samplers=("langevin",) if start else ("ddim",), steps=5, pictures=12, start=start)
    first = [step for step in share(request, house) if step.i == (0 if start else step.n)]
    assert len(first) == 12 and {step.group for step in first} == nearest


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "pixel"}, "Choose an exact denoiser"),
        ({"pictures": 48}, "144 pictures asked for; one run makes at most 64"),
        ({"steps": 200}, "12000 steps over all its lanes; at most 6000"),
    ],
)
def test_what_cannot_be_is_refused_in_words(house, changes, words):
    with pytest.raises(LabError, match=words):
        list(share(ShareRequest(**changes), house))


def test_runs_of_neighbouring_seeds_have_no_lane_in_common():
    seeds = [{lane.seed for lane in ShareRequest(seed=seed).lanes} for seed in (0, 1, 2**31 - 1)]
    assert len(set().union(*seeds)) == 60
