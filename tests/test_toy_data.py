"""The data of two dimensions: bounded, centred, of a spread near 1, with weights and classes that agree."""

from dataclasses import FrozenInstanceError
from itertools import pairwise
from math import dist, fsum, sqrt

import pytest

from lab.toy_data import TOYS

by_name = pytest.mark.parametrize("name", TOYS)


@by_name
def test_rows_are_sane(name):
    toy = TOYS[name]
    assert toy.name == name and toy.title.strip() == toy.title != ""
    assert toy.about.endswith(".") and len(toy.about) < 200
    assert 2 <= len(toy.points) == len(toy.weights) == len(toy.classes) <= 200
    assert fsum(toy.weights) == pytest.approx(1, abs=1e-12) and min(toy.weights) > 0
    assert set(toy.classes) == set(range(len(toy.class_titles))) and len(set(toy.class_titles)) == len(toy.class_titles)
    assert len(set(toy.points)) == len(toy.points)
    with pytest.raises(FrozenInstanceError):
        toy.std = 1.0


@by_name
def test_points_lie_about_zero_with_a_spread_near_one(name):
    toy = TOYS[name]
    assert all(abs(value) <= 1.6 for point in toy.points for value in point)
    assert 0 < toy.std <= 0.2
    for axis in zip(*toy.points):
        assert abs(fsum(axis)) / len(axis) < 1e-3
        assert 0.6 < sqrt(fsum(value**2 for value in axis) / len(axis)) <= 1


def test_titles_are_one_a_row():
    assert len({toy.title for toy in TOYS.values()}) == len(TOYS)


def test_two_modes_are_those_of_the_paper():
    """Song and Ermon 2019, section 3.2.2: 1/5 N((-5, -5), I) + 4/5 N((5, 5), I), lengths divided by five."""
    toy = TOYS["two-modes"]
    assert [(5 * x, 5 * y) for x, y in toy.points] == [(-5, -5), (5, 5)]
    assert toy.weights == (1 / 5, 4 / 5) and 5 * toy.std == 1


@pytest.mark.parametrize(("name", "count"), [("ring", 60), ("two-moons", 40), ("spiral", 70), ("swiss-roll", 100)])
def test_curves_are_dense_enough_to_be_even(name, count):
    """Gaussians at a gap d blur into a line whose density ripples by 2 exp(-2 (pi std / d)^2), by Poisson's sum: under 2 percent."""
    points, std = TOYS[name].points[:count], TOYS[name].std
    gaps = [dist(a, b) for a, b in pairwise(points)]
    assert max(gaps) < 1.06 * min(gaps)  # the chord of a bend is shorter than its arc
    assert max(gaps) < 2 * std


def test_classes_of_letters_stand_side_by_side():
    toy = TOYS["letters"]
    spans = [[x for (x, _), kind in zip(toy.points, toy.classes) if kind == letter] for letter in range(3)]
    assert toy.class_titles == ("S", "D", "E") and {len(span) for span in spans} == {40}
    assert all(max(left) + 4 * toy.std < min(right) for left, right in pairwise(spans))
