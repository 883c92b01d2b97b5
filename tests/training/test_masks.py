"""Random masks: of every kind as it is described, never empty, and each kind as often as promised."""

import numpy as np
import pytest

from lab.training import masks
from lab.training.masks import KINDS, SHARES, random_mask


def kind_of(mask):
    """What a mask looks like: a box has sides below three quarters, so that it is no half-plane."""
    if mask.all():
        return "everything"
    rows, columns = mask.any(axis=1), mask.any(axis=0)
    whole = mask[np.ix_(rows, columns)].all()
    ends = [mask[0].all(), mask[-1].all(), mask[:, 0].all(), mask[:, -1].all()]
    if whole and sum(ends) == 1:
        return "beyond an edge"
    return "box" if whole else "strokes"


@pytest.mark.parametrize("size", [32, 64])
def test_masks_have_a_hole_and_kinds_come_as_often_as_promised(size):
    rng = np.random.default_rng(0)
    drawn = [random_mask(size, rng) for _ in range(4000)]
    assert all(mask.shape == (size, size) and mask.dtype == bool and mask.any() for mask in drawn)
    found = [kind_of(mask) for mask in drawn]
    for kind, share in zip(KINDS, SHARES, strict=True):
        assert found.count(kind) / len(found) == pytest.approx(share, abs=0.03)
    assert sum(SHARES) == pytest.approx(1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_as_it_is_described(monkeypatch, kind):
    monkeypatch.setattr(masks, "SHARES", tuple(float(one == kind) for one in KINDS))
    rng = np.random.default_rng(1)
    drawn = np.stack([random_mask(64, rng) for _ in range(300)])
    shares = drawn.mean(axis=(1, 2))
    if kind == "beyond an edge":
        assert {tuple(int(side) for side in (m[0].all(), m[-1].all(), m[:, 0].all(), m[:, -1].all())) for m in drawn} == {
            (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)
        }  # fmt: skip
        assert shares.min() >= 0.25 and shares.max() <= 0.75
    elif kind == "strokes":
        assert shares.min() > 0 and np.mean([kind_of(mask) == kind for mask in drawn]) > 0.95
    else:
        assert {kind_of(mask) for mask in drawn} == {kind}


def test_a_seed_draws_the_same_masks():
    first, second = ([random_mask(32, np.random.default_rng(5)) for _ in range(3)] for _ in range(2))
    assert np.array_equal(first, second)
