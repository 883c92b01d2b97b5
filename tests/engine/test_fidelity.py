"""Precision, recall and Fréchet distance against loops over the definitions and against closed forms."""

import numpy as np
import pytest
import torch

from lab.engine.fidelity import Manifold, frechet


def precision_recall(drawn, real, k):
    return Manifold(real, k).share(drawn), Manifold(drawn, k).share(real)


def normals(n, width, seed):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def on_manifold(point, others, k):
    """Equation 1 of Kynkäänniemi et al. 2019, in plain loops."""
    for i, other in enumerate(others):
        around = sorted(float(np.linalg.norm(other - one)) for j, one in enumerate(others) if j != i)
        if np.linalg.norm(point - other) <= around[k - 1]:
            return True
    return False


@pytest.mark.parametrize(
    ("n", "m", "k", "shift"), [(9, 13, 1, 0.0), (14, 8, 3, 0.7), (12, 12, 5, 1.5), (4, 30, 3, 0.3)]
)
def test_precision_and_recall_are_the_loops_of_the_definition(n, m, k, shift):
    drawn, real = normals(n, 3, 1) + shift, normals(m, 3, 2)
    a, b = drawn.numpy(), real.numpy()
    want = np.mean([on_manifold(x, b, k) for x in a]), np.mean([on_manifold(x, a, k) for x in b])
    assert precision_recall(drawn, real, k) == pytest.approx(want)
    assert precision_recall(real, drawn, k) == pytest.approx(want[::-1])


def test_a_set_against_itself_is_all_there_and_clusters_that_lie_apart_share_nothing():
    features = normals(40, 6, 0).float()
    assert precision_recall(features, features, 3) == (1, 1)
    assert precision_recall(features, features + 100, 3) == (0, 0)


def test_one_mode_of_two_is_precise_and_finds_half():
    """The picture of the paper's Figure 1: what is drawn is real, and half of the real is never drawn."""
    modes = torch.cat([normals(50, 2, 1), normals(50, 2, 2) + 50])
    precision, recall = precision_recall(modes[:50] + 1e-6, modes, 3)
    assert precision == 1 and recall == 0.5


def test_pictures_that_are_alike_have_no_width():
    """k copies of one picture leave balls of radius 0, which hold only themselves."""
    same, real = torch.zeros(4, 2), torch.cat([torch.zeros(1, 2), normals(9, 2, 3).float() + 5])
    precision, recall = precision_recall(same, real, 3)
    assert recall == 0.1 and precision == 1


@pytest.mark.parametrize(("n", "k"), [(3, 3), (5, 0), (1, 1)])
def test_a_neighbour_that_is_not_there_is_refused(n, k):
    with pytest.raises(ValueError, match=f"of {n} rows there is no neighbour number {k}"):
        Manifold(normals(n, 2, 0), k)


def test_a_large_set_is_looked_at_in_parts():
    """More rows than are in memory at a time: those of one set about the others of it."""
    features = normals(1100, 2, 4)
    expected = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist").sort(dim=1).values[:, 3]
    torch.testing.assert_close(Manifold(features, 3)._radii, expected)
    assert Manifold(features, 3).share(features) == 1


def with_moments(mean, covariance, n=400):
    """Features (n, width) whose sample mean and covariance are exactly these."""
    white = normals(n, len(mean), 5)
    white = (white - white.mean(0)) @ torch.linalg.cholesky(torch.linalg.inv(torch.cov(white.T)))
    return white @ torch.linalg.cholesky(torch.tensor(covariance, dtype=torch.float64)).T + torch.tensor(mean)


@pytest.mark.parametrize(
    ("a", "b", "want"),
    [
        (((0.0, 0.0), [[1.0, 0.0], [0.0, 1.0]]), ((3.0, 4.0), [[1.0, 0.0], [0.0, 1.0]]), 25),
        (((0.0, 0.0), [[4.0, 0.0], [0.0, 9.0]]), ((0.0, 0.0), [[1.0, 0.0], [0.0, 1.0]]), 1 + 4),  # (2 - 1)^2 + (3 - 1)^2
        (((1.0, 0.0), [[2.0, 1.0], [1.0, 2.0]]), ((0.0, 0.0), [[18.0, 9.0], [9.0, 18.0]]), 1 + 4 * 4),  # C and 9 C
        # Tr(A + B) - 2 tr(AB)^(1/2), with the root of a 2x2 matrix M: tr^2 = tr M + 2 sqrt(det M)
        (((0.0, 0.0), [[2.0, 0.0], [0.0, 1.0]]), ((0.0, 0.0), [[1.0, 0.5], [0.5, 1.0]]), 5 - 2 * (3 + 2 * 1.5**0.5) ** 0.5),
    ],
)  # fmt: skip
def test_the_frechet_distance_of_normals_has_a_closed_form(a, b, want):
    """Dowson & Landau 1982."""
    assert frechet(with_moments(*a), with_moments(*b)) == pytest.approx(want, abs=1e-9)
    assert frechet(with_moments(*b), with_moments(*a)) == pytest.approx(want, abs=1e-9)


def test_the_frechet_distance_of_a_set_to_itself_is_zero_and_that_of_few_is_far_above():
    """Fewer pictures than features leave covariances without full rank; two halves of one law lie apart, the more the fewer."""
    few = normals(20, 64, 0)
    assert frechet(few, few) == pytest.approx(0, abs=1e-9)
    apart = [frechet(normals(n, 64, 1), normals(n, 64, 2)) for n in (80, 320, 1280)]
    assert apart[0] > 2 * apart[1] > 4 * apart[2] > 0


def test_one_row_has_no_covariance():
    with pytest.raises(ValueError, match="at least two rows"):
        frechet(normals(1, 2, 0), normals(9, 2, 0))
