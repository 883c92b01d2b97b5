"""Figure 3 of Song & Ermon 2019 on pictures: which sampler has the two groups in the proportion of the data."""

import pytest

from lab.models.loaders import load
from lab.settings import Settings
from tests.benchmarks.score_pictures import GROUPS, TRUTH, share, standard_error

SEEDS = range(100)


@pytest.fixture(scope="module")
def model():
    return load("exact-32", Settings(device="cpu"))


def test_annealed_langevin_finds_the_share_though_it_starts_in_the_small_group(model):
    assert abs(share(model, "annealed", 50, SEEDS, GROUPS[1]) - TRUTH) <= 2 * standard_error(len(SEEDS))


def test_plain_langevin_keeps_the_share_of_its_start(model):
    """All of it in one group or none, and from pure noise what lies nearest to that: none is the data's share."""
    some = SEEDS[:20]
    assert [share(model, "langevin", 20, some, start) for start in GROUPS] == [1.0, 0.0]
    assert abs(share(model, "langevin", 20, some) - TRUTH) > 2 * standard_error(len(some))
