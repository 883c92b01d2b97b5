"""Distances along a path, against records whose distance is known."""

import math

import pytest
import torch

from lab.engine.distances import path_distance
from lab.engine.lanes import Record
from lab.engine.process import Level


def level_of(log_snr):
    """The variance-preserving level of a log-SNR: alpha-bar is its sigmoid."""
    return Level.from_alpha_bar(1 / (1 + math.exp(-log_snr)))


def path(*states):
    """Records at these (log-SNR, value of x_t), and the finished picture."""
    last = torch.zeros(1, 2, 2)
    records = [
        Record(0, i, len(states), 999.0 - i, level_of(log_snr), torch.full((1, 2, 2), value), last, last)
        for i, (log_snr, value) in enumerate(states)
    ]
    return [*records, Record(0, len(states), len(states), -1.0, Level(1.0, 0.0), last, last, last)]


def test_a_path_is_held_against_the_reference_at_its_own_levels():
    reference = path((-8.0, 0.0), (-4.0, 1.0), (0.0, 3.0))
    assert path_distance(path((-8.0, 0.0), (-6.0, 0.75), (-2.0, 1.0)), reference) == pytest.approx(
        (0.25 + 1.0) / 2, abs=1e-6
    )
    assert path_distance(reference, reference) == 0


def test_paths_of_one_level_divide_nothing_by_nothing():
    long, one = path((-8.0, 0.0), (-4.0, 1.0)), path((-8.0, 0.0))
    assert path_distance(long, one) is None and path_distance(one, one) is None
    assert path_distance(one, long) == 0


def test_pure_noise_is_no_level_to_interpolate_from():
    """A flow starts at log-SNR -inf: between there and the next level nothing has a place."""
    first, *others = path((-4.0, 0.0), (-4.0, 1.0), (0.0, 3.0))
    start = Record(0, 0, 3, 1000.0, Level(0.0, 1.0), first.x_t, first.x_0, first.eps)
    assert path_distance(path((-8.0, 0.0), (-2.0, 1.0)), [start, *others]) == pytest.approx(1.0, abs=1e-6)
