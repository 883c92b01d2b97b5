"""Points between embeddings, against what is known of them in closed form."""

import math
from itertools import permutations

import pytest
import torch

from lab.engine.embeddings import Components, between, difference, diversity, noised, unit
from lab.engine.process import Level

X, Y, Z = torch.eye(3)


def angle(a, b):
    return math.acos(float(unit(a) @ unit(b)))


@pytest.mark.parametrize("t", [0, 0.1, 0.25, 0.5, 0.9, 1])
def test_between_two_keeps_a_steady_pace_and_mixes_the_lengths(t):
    z = between([2 * X, 4 * Y], (1 - t, t))
    assert angle(X, z) == pytest.approx(t * math.pi / 2, abs=1e-3)
    assert float(z.norm()) == pytest.approx(2 + 2 * t, rel=1e-5)


@pytest.mark.parametrize("weights", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0.2, 0, 0), (0, 0, 0.3)])
def test_between_is_a_corner_where_it_has_all_the_weight(weights):
    corner = (X, 2 * Y, 3 * Z)[weights.index(max(weights))]
    torch.testing.assert_close(between([X, 2 * Y, 3 * Z], weights), corner)


def test_between_of_equal_weights_is_in_the_middle():
    z = between([X, Y, Z], (1 / 3, 1 / 3, 1 / 3))
    assert [angle(corner, z) for corner in (X, Y, Z)] == pytest.approx([math.acos(3**-0.5)] * 3, abs=1e-3)


@pytest.mark.parametrize("weights", [(0.3, 0.7, 0), (0.2, 0.3, 0.5), (0.1, 0.1, 0.8)])
def test_the_order_of_the_points_changes_nothing(weights):
    torch.manual_seed(1)
    points = [*torch.randn(3, 12)]
    z = between(points, weights)
    for order in permutations(range(3)):
        torch.testing.assert_close(between([points[k] for k in order], [weights[k] for k in order]), z)


def test_noises_keep_their_shape_and_their_size():
    torch.manual_seed(2)
    noises = [*torch.randn(4, 4, 8, 8)]
    z = between(noises, (0.25, 0.25, 0.25, 0.25))
    assert z.shape == (4, 8, 8)
    assert float(z.std()) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("t", [0, 0.2, 0.5, 1])
def test_a_difference_turns_towards_what_only_one_text_says(t):
    z = difference(3 * X, Z, Y, t)
    assert float(z.norm()) == pytest.approx(3)
    assert angle(X, z) == pytest.approx(t * math.pi / 2, abs=1e-3)
    assert float(z @ Y) == pytest.approx(-float(z @ Z), abs=1e-5)


def test_texts_that_say_the_same_turn_nothing():
    assert torch.equal(difference(3 * X, Y, 2 * Y, 0.5), 3 * X)


def test_components_keep_what_varies_most():
    torch.manual_seed(0)
    data = torch.randn(500, 6) * torch.tensor([5.0, 3, 2, 1, 0.5, 0.1]) + 7
    found = Components.of(data)
    torch.testing.assert_close(found.variances.sum(), data.var(dim=0).sum())
    errors = [float((found.kept(data[0], count) - data[0]).norm()) for count in range(7)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] == pytest.approx(0, abs=1e-4)
    torch.testing.assert_close(found.kept(data[0], 0), data.mean(dim=0))
    assert abs(float(found.directions[0, 0])) > 0.99


def test_noise_is_in_units_of_each_deviation():
    mean, deviation = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 4.0])
    level = Level.from_alpha_bar(0.36)
    torch.testing.assert_close(noised(mean, level, torch.ones(2), mean, deviation), mean + 0.8 * deviation)
    z = torch.tensor([2.0, 5.0])
    torch.testing.assert_close(noised(z, Level(1.0, 0.0), torch.ones(2), mean, deviation), z)


def test_diversity_is_the_mean_over_pairs():
    assert diversity(torch.stack([X, X, X])) == pytest.approx(0, abs=1e-6)
    assert diversity(torch.stack([X, Y, Z])) == pytest.approx(1)
    assert diversity(torch.stack([X, X, Y])) == pytest.approx(2 / 3)
    assert diversity(X[None]) == 0
