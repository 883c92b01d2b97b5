"""The mutual information gap, of codes whose gap is known."""

import math

import numpy as np
import pytest

from lab import shapes
from lab.disentanglement import BINS, gap_of, mutual_information, mutual_information_gap

FACTORS = shapes.factors()
SIZES = list(shapes.FACTORS.values())


def noise(columns):
    return np.random.default_rng(0).standard_normal((len(FACTORS), columns))


def test_a_latent_for_each_factor_has_a_gap_of_one():
    """Whatever order, sign and scale it is given in, and with latents beside it that mean nothing."""
    codes = np.concatenate([FACTORS[:, ::-1] * [-3.0, 1, 0.1, 2, -1], np.zeros((len(FACTORS), 2))], 1)
    assert mutual_information_gap(codes, FACTORS) == pytest.approx(1, abs=1e-12)
    table = mutual_information(codes, FACTORS)
    wanted = np.zeros((7, 5))
    wanted[np.arange(5), 4 - np.arange(5)] = np.log(SIZES[::-1])
    np.testing.assert_allclose(table, wanted, atol=1e-12)


def test_two_equal_copies_have_none():
    codes = np.concatenate([FACTORS, FACTORS], 1).astype(float)
    assert mutual_information_gap(codes, FACTORS) == 0


def test_latents_that_know_nothing_have_about_none():
    """What is left is the bias of counting, about (bins - 1)(values - 1) / 2n nats a table."""
    bias = max((BINS - 1) * (size - 1) / (2 * len(FACTORS)) / math.log(size) for size in SIZES)
    table = mutual_information(noise(6), FACTORS)
    assert (table >= 0).all() and mutual_information_gap(noise(6), FACTORS) < bias
    assert (table / np.log(SIZES) < 3 * bias).all()


def test_a_latent_of_two_factors_at_once_tells_of_both_in_full_and_leaves_no_gap_to_their_own():
    """Place from left to right and up and down in one number beside one latent for each: both factors are known twice."""
    both = FACTORS[:, 2] + 8.0 * FACTORS[:, 3]
    table = mutual_information(np.stack([both, FACTORS[:, 3].astype(float)], 1), FACTORS)
    down, across = 3, 2
    assert table[1, down] == pytest.approx(math.log(8)) and table[1, across] == pytest.approx(0, abs=1e-12)
    assert 0.8 * math.log(8) < table[0, down] < math.log(8)  # bins of equal width cut across rows


def test_the_gap_is_the_mean_over_factors_of_the_share_that_is_ahead():
    table = np.array([[0.6, 0.1], [0.2, 0.9], [0.1, 0.4]])
    assert gap_of(table, np.array([1.0, 2.0])) == pytest.approx((0.4 / 1 + 0.5 / 2) / 2)


def test_a_noisy_copy_lies_between():
    """I of a factor of two values through a channel that errs with probability p is log 2 - H(p)."""
    flips = np.random.default_rng(1).random(40_000) < 0.11
    values = np.arange(40_000) % 2
    codes = np.stack([values ^ flips, np.zeros(40_000)], 1).astype(float)
    p = flips.mean()
    known = math.log(2) + p * math.log(p) + (1 - p) * math.log(1 - p)
    assert mutual_information(codes, values[:, None])[0, 0] == pytest.approx(known, abs=1e-3)
    assert mutual_information_gap(codes, values[:, None]) == pytest.approx(known / math.log(2), abs=2e-3)
