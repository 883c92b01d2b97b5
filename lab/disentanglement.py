"""Whether a latent means one thing: the mutual information gap (Chen et al. 2018, arXiv:1802.04942, section 4)."""

import numpy as np

BINS = 20  # into which a latent is cut, as Locatello et al. 2019 do


def mutual_information(codes: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """I(z_j; v_k) in nats, (latents, factors), of codes (n, latents) cut into BINS of equal width and factors (n, factors) that
    are whole numbers from 0."""
    return np.array([[_of_two(_binned(code), factor) for factor in factors.T] for code in codes.T])


def mutual_information_gap(codes: np.ndarray, factors: np.ndarray) -> float:
    """The mean over factors of how much more the most informative latent tells of it than the second, as a share of its entropy:
    0 to 1, where 1 says that each factor is told by one latent alone."""
    return gap_of(mutual_information(codes, factors), np.array([_entropy(np.bincount(one)) for one in factors.T]))


def gap_of(information: np.ndarray, entropies: np.ndarray) -> float:
    """The gap of a table of mutual information (latents, factors), of factors with these entropies (factors,), all in nats."""
    table = np.sort(information, axis=0)
    return float(((table[-1] - table[-2]) / entropies).mean())


def _binned(code: np.ndarray) -> np.ndarray:
    edges = np.linspace(code.min(), code.max(), BINS + 1)
    return np.clip(np.digitize(code, edges[1:-1]), 0, BINS - 1)


def _of_two(a: np.ndarray, b: np.ndarray) -> float:
    joint = np.bincount(a * (b.max() + 1) + b)
    return _entropy(np.bincount(a)) + _entropy(np.bincount(b)) - _entropy(joint)


def _entropy(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
