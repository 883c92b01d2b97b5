"""How near a set of pictures is to the real ones, in the features of a network: precision, recall and Fréchet distance.

Features are (n, width), a row a picture, of any float type; all is computed in float64.
"""

import torch
from torch import Tensor


def precision_recall(drawn: Tensor, real: Tensor, k: int) -> tuple[float, float]:
    """Improved precision and recall (Kynkäänniemi et al. 2019, arXiv 1904.06991, equations 1 and 2), each in [0, 1].

    Precision is the share of `drawn` (n, width) on the manifold of `real` (m, width), recall the share of `real` on that of
    `drawn`. The manifold of a set is the balls about its rows, each as wide as it is to the k-th nearest other row. Raises
    ValueError where k is not below both sizes.
    """
    apart = _distances(drawn, real)  # (n, m)
    precision = (apart <= _radii(real, k)).any(1)
    recall = (apart <= _radii(drawn, k)[:, None]).any(0)
    return float(precision.double().mean()), float(recall.double().mean())


def _radii(features: Tensor, k: int) -> Tensor:
    """(n,): from each row the distance to the k-th nearest of the others."""
    if not 1 <= k < len(features):
        raise ValueError(f"of {len(features)} rows there is no neighbour number {k}")
    apart = _distances(features, features).fill_diagonal_(torch.inf)
    return apart.kthvalue(k, dim=1).values


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """(len(a), len(b)) of exact differences: that of equal rows is 0."""
    return torch.cdist(a.double(), b.double(), compute_mode="donot_use_mm_for_euclid_dist")


def frechet(a: Tensor, b: Tensor) -> float:
    """Fréchet distance of two sets of features taken as normal (Heusel et al. 2017, arXiv 1706.08500, equation 6).

    |mean_a - mean_b|^2 + trace(C_a + C_b - 2 (C_a C_b)^(1/2)), 0 for equal sets. It falls with the size of the sets: compare at
    equal sizes only. Raises ValueError where a set has fewer than two rows.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError("a covariance needs at least two rows")
    (mean_a, first), (mean_b, second) = (_moments(features.double()) for features in (a, b))
    shared = torch.linalg.matrix_norm(first @ second.T, "nuc")  # trace of (C_a C_b)^(1/2)
    return float((mean_a - mean_b).square().sum() + first.square().sum() + second.square().sum() - 2 * shared)


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (width,) and a factor R (at most width, width) of the unbiased covariance, R^T R."""
    mean = features.mean(0)
    return mean, torch.linalg.qr((features - mean) / (len(features) - 1) ** 0.5, mode="r").R
