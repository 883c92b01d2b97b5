"""Distances along a path, against records whose distance is known."""

import torch

from lab.engine.distances import path_distance
from lab.engine.lanes import Record


def path(*states):
    """Records at these (log-SNR, value of x_t), and the finished picture."""
    last = torch.zeros(1, 2, 2)
    records = [
        Record(0, i, len(states), 999.0 - i, level, torch.full((1, 2, 2), value), last, last)
        for i, (level, value) in enumerate(states)
    ]
    return [*records, Record(0, len(states), len(states), -1.0, float("inf"), last, last, last)]


def test_a_path_is_held_against_the_reference_at_its_own_levels():
    reference = path((-8.0, 0.0), (-4.0, 1.0), (0.0, 3.0))
    assert path_distance(path((-8.0, 0.0), (-6.0, 0.75), (-2.0, 1.0)), reference) == (0.25 + 1.0) / 2
    assert path_distance(reference, reference) == 0


def test_paths_of_one_level_divide_nothing_by_nothing():
    long, one = path((-8.0, 0.0), (-4.0, 1.0)), path((-8.0, 0.0))
    assert path_distance(long, one) is None and path_distance(one, one) is None
    assert path_distance(one, long) == 0
