"""A mixture of isotropic Gaussians, and all that is known of it in closed form at any noise level.

For x_0 ~ sum_i w_i N(p_i, std^2 I) and x_t = signal * x_0 + noise * eps, x_t is a mixture, too:

q(x_t)              sum_i w_i N(signal p_i, v I), v = signal^2 std^2 + noise^2    `at`, `pdf`, `log_pdf`
p(i | x_t)          softmax_i(log w_i - |x_t - signal p_i|^2 / 2 v)               `responsibilities`
grad log q(x_t)     (signal sum_i p(i | x_t) p_i - x_t) / v                       `score`
E[x_0 | x_t]        (x_t + noise^2 score) / signal (Tweedie; Efron 2011)          `denoise`
E[eps - x_0 | x_t]  -noise score - E[x_0 | x_t] (Liu et al. 2023, eq. 1)          `velocity`

With std 0 it is a finite set of points and `denoise` is what the exact denoiser of a picture set does (Karras et al. 2022,
appendix B.3). All tensors are float64; x is (M, D).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from lab.engine.process import Level

Field = Callable[
    [Tensor, Level[float]], Tensor
]  # (x_t (M, D), level) -> (M, D), one vector a place: a score or E[x_0 | x_t]


class Mixture:
    """sum_i weights_i N(points_i, std^2 I).

    `points` is (N, D) with N at least 1; `weights` (N,), at least 0 and not all 0, are divided by their sum, and None means equal
    ones; `std` is at least 0. Raises ValueError for anything else, NaN and infinity included.
    """

    def __init__(self, points: Tensor, weights: Tensor | None = None, std: float = 0.0) -> None:
        self.points = torch.as_tensor(points, dtype=torch.float64)  # (N, D)
        if self.points.ndim != 2 or not self.points.numel():
            raise ValueError("a mixture needs points (N, D), at least one")
        weights = torch.ones(len(self.points)) if weights is None else weights
        self.weights = torch.as_tensor(weights, dtype=torch.float64)  # (N,)
        if self.weights.shape != self.points.shape[:1]:
            raise ValueError("a mixture needs one weight a point")
        if not (_finite(self.points) and _finite(self.weights) and math.isfinite(std)):
            raise ValueError("points, weights and std of a mixture must be finite numbers")
        if std < 0 or bool((self.weights < 0).any()) or not bool(self.weights.any()):
            raise ValueError("std and weights of a mixture must be at least 0, and one weight above it")
        self.weights = self.weights / self.weights.sum()
        self.std = float(std)

    def at(self, level: Level[float]) -> "Mixture":
        """The distribution of x_t at a noise level."""
        return Mixture(self.points * level.signal, self.weights, math.hypot(level.signal * self.std, level.noise))

    def part(self, members: Tensor) -> "Mixture":
        """The points `members` alone, (N,) of bool or (n,) indices, with their weights: a class of the data."""
        return Mixture(self.points[members], self.weights[members], self.std)

    def log_pdf(self, x: Tensor) -> Tensor:
        """The natural logarithm of the density at x, (M,). Raises ValueError where std is 0, which has none."""
        logits, nearest = self._logits(x)
        whole = 0.5 * x.shape[1] * math.log(2 * math.pi * self.std**2)
        return logits.logsumexp(1) - nearest / (2 * self.std**2) - whole

    def pdf(self, x: Tensor) -> Tensor:
        """The density at x, (M,)."""
        return self.log_pdf(x).exp()

    def responsibilities(self, x: Tensor) -> Tensor:
        """p(i | x), how likely x is of each point, (M, N); rows sum to 1."""
        return self._logits(x)[0].softmax(1)

    def score(self, x: Tensor) -> Tensor:
        """The gradient of the log density at x, (M, D)."""
        return (self.responsibilities(x) @ self.points - x) / self.std**2

    def score_at(self, x: Tensor, level: Level[float]) -> Tensor:
        """The score of x_t at a noise level, (M, D)."""
        return self.at(level).score(x)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` exact draws, (count, D)."""
        rows = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        eps = torch.randn(count, self.points.shape[1], generator=generator, dtype=torch.float64)
        return self.points[rows] + self.std * eps

    def moments(self) -> tuple[Tensor, Tensor]:
        """The mean (D,) and the covariance (D, D)."""
        mean = self.weights @ self.points
        return mean, _covariances(self.weights[None], self.points, mean[None])[0] + self.std**2 * torch.eye(len(mean))

    def denoise(self, x_t: Tensor, level: Level[float]) -> Tensor:
        """E[x_0 | x_t], (M, D), the optimal denoiser's; at signal 0 the mean of the data."""
        noisy = self.at(level)
        mean = noisy.responsibilities(x_t) @ self.points
        gain = level.signal * self.std**2 / noisy.std**2
        return mean + gain * (x_t - level.signal * mean)

    def covariance(self, x_t: Tensor, level: Level[float]) -> Tensor:
        """Cov[x_0 | x_t], (M, D, D): the mean of the points' own posterior variances and the variance of their means."""
        noisy = self.at(level)
        weights = noisy.responsibilities(x_t)
        left = level.noise**2 / noisy.std**2  # of a point's place in its posterior mean
        own = self.std**2 * left * torch.eye(self.points.shape[1], dtype=torch.float64)
        return left**2 * _covariances(weights, self.points, weights @ self.points) + own

    def velocity(self, x_t: Tensor, level: Level[float]) -> Tensor:
        """E[eps - x_0 | x_t], (M, D), which at levels of the straight flow is the marginal velocity dx_t / dt."""
        return -level.noise * self.score_at(x_t, level) - self.denoise(x_t, level)

    def _logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """log w_i - (|x - p_i|^2 - nearest) / (2 std^2), (M, N), with nearest (M,) the least of the squared distances, so
        that they stay finite however far x is."""
        if not self.std:
            raise ValueError("points that nothing blurs have no density and no score: std and noise are both 0")
        if not _finite(x):
            raise ValueError("x must be finite numbers")
        # (M, N); products of matrices would be faster and lose half of the digits near a point.
        squares = torch.cdist(x, self.points, compute_mode="donot_use_mm_for_euclid_dist").square()
        nearest = squares.amin(1)
        return self.weights.log() - (squares - nearest[:, None]) / (2 * self.std**2), nearest


def guided(conditional: Field, unconditional: Field, scale: float) -> Field:
    """Classifier-free guidance, u + scale (c - u) (Ho and Salimans 2022, eq. 6), of two scores or, which is the same, of two
    denoisers. Scale 1 is no guidance, 0 is unconditional.

    With exact scores it is the score of q_c(x_t)^scale q_u(x_t)^(1 - scale) at each level by itself; beyond scale 1 these are
    not what any data become under noise.
    """

    def field(x_t: Tensor, level: Level[float]) -> Tensor:
        base = unconditional(x_t, level)
        return base + scale * (conditional(x_t, level) - base)

    return field


def _covariances(weights: Tensor, points: Tensor, means: Tensor) -> Tensor:
    """The covariances (M, D, D) of points (N, D) under each row of weights (M, N), with means (M, D)."""
    offsets = points - means[:, None]  # (M, N, D)
    return torch.einsum("mn,mni,mnj->mij", weights, offsets, offsets)


def _finite(values: Tensor) -> bool:
    return bool(values.isfinite().all())
