"""How near a set of pictures is to the real ones, in the features of a network: precision, recall and Fréchet distance.

Features are (n, width), a row a picture, of any float type; all is computed in float64.
"""

import torch
from torch import Tensor

ROWS = 512  # whose distances to all others are in memory at a time


class Manifold:
    """What a set of features (n, width) spans: the balls about its rows, each as wide as it is to the k-th nearest other row.

    With it come improved precision and recall (Kynkäänniemi et al. 2019, arXiv 1904.06991, equations 1 and 2): precision is the
    share of the drawn rows on the manifold of the real ones, recall the share of the real ones on that of the drawn. Raises
    ValueError where there is no k-th other row.
    """

    def __init__(self, features: Tensor, k: int) -> None:
        if not 1 <= k < len(features):
            raise ValueError(f"of {len(features)} rows there is no neighbour number {k}")
        self._features = features.double()
        parts = [_distances(part, self._features).kthvalue(k + 1, dim=1).values for part in self._features.split(ROWS)]
        self._radii = torch.cat(parts)  # (n,); a row's own distance, 0, is the first of its values

    def share(self, features: Tensor) -> float:
        """The share of rows (n, width) that lie on it, in [0, 1]."""
        inside = [(_distances(part, self._features) <= self._radii).any(1) for part in features.double().split(ROWS)]
        return float(torch.cat(inside).double().mean())


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """(len(a), len(b)) of exact differences: that of equal rows is 0."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


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
