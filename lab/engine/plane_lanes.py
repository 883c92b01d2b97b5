"""The lanes of the plane: every way from noise to data that the papers gave, as a generator over a score.

The score is a `Field`, `(x_t, level) -> grad log q(x_t)`: exact (lab/engine/mixture.py), guided or learned. Particles x are
(M, D) in float64.
A lane yields them as they start and after each step; what chance it needs comes from `noise`, a callable that gives standard
normal numbers in the shape of its argument. It is deterministic beyond that. Lanes of the diffusion run from t = 1 to
t = 0 in equal steps, the last one onto the data itself, at levels

`preserving(t)`                    VP-SDE, beta from 0.1 to 20 (Song et al. 2021, eq. 32 and 33)
`Level.from_flow_time(t)`          straight flow (Liu et al. 2023, eq. 1)
`Level.from_sigma(sigma)`          of `geometric` sigmas (Song and Ermon 2019, section 4.1)
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from lab.engine.mixture import Field, Mixture
from lab.engine.process import Level

BETA_MIN, BETA_MAX = 0.1, 20.0  # of the variance-preserving SDE (Song et al. 2021, appendix C)

Noise = Callable[[Tensor], Tensor]  # standard normal numbers in the shape of its argument
Velocity = Callable[[Tensor, float], Tensor]  # (x (M, D), t) -> dx / dt (M, D)


def normals(seed: int) -> Noise:
    """Standard normal numbers from one generator of `seed`."""
    generator = torch.Generator().manual_seed(seed)
    return lambda x: torch.randn(x.shape, generator=generator, dtype=x.dtype)


# --- levels


def beta(t: float) -> float:
    """The rate of noise of the variance-preserving SDE at t in [0, 1] (Song et al. 2021, eq. 32)."""
    return BETA_MIN + t * (BETA_MAX - BETA_MIN)


def preserving(t: float) -> Level[float]:
    """The level of the variance-preserving SDE at t in [0, 1]: alpha-bar is exp(-t^2 (20 - 0.1) / 2 - 0.1 t) (Song et al.
    2021, eq. 33)."""
    log_alpha_bar = -(t**2) * (BETA_MAX - BETA_MIN) / 2 - t * BETA_MIN
    return Level(math.exp(log_alpha_bar / 2), math.sqrt(-math.expm1(log_alpha_bar)))


def times(steps: int) -> list[float]:
    """t_i = 1 - i / steps for i = 0 .. steps."""
    return [1 - i / steps for i in range(steps + 1)]


def geometric(first: float, last: float, count: int) -> list[float]:
    """`count` sigmas from `first` to `last`, each the same fraction of the one before; `last` alone where it is one."""
    return [first * (last / first) ** (i / (count - 1)) for i in range(count)] if count > 1 else [last]


# --- Langevin dynamics


def langevin_step(score: Field, x: Tensor, level: Level[float], step_size: float, noise: Noise) -> Tensor:
    """One step of Langevin dynamics (Song and Ermon 2019, eq. 4): x + step_size / 2 score + sqrt(step_size) z."""
    return x + step_size / 2 * score(x, level) + math.sqrt(step_size) * noise(x)


def langevin(
    score: Field, x: Tensor, level: Level[float], steps: int, step_size: float, noise: Noise
) -> Iterator[Tensor]:
    """Langevin dynamics at one level, in steps of one size (Song and Ermon 2019, section 2.2)."""
    yield x
    for _ in range(steps):
        x = langevin_step(score, x, level, step_size, noise)
        yield x


def annealed_langevin(
    score: Field,
    x: Tensor,
    sigmas: Sequence[float],
    steps: int,
    step_size: float,
    noise: Noise,
    last_denoising: bool = False,
) -> Iterator[Tensor]:
    """Annealed Langevin dynamics (Song and Ermon 2019, algorithm 1): `steps` at each of falling `sigmas`, with a step size
    of step_size * sigma^2 / sigmas[-1]^2. `last_denoising` ends on E[x_0 | x] (Jolicoeur-Martineau et al. 2021), one
    call more."""
    yield x
    for sigma in sigmas:
        level, size = Level.from_sigma(sigma), step_size * sigma**2 / sigmas[-1] ** 2
        for _ in range(steps):
            x = langevin_step(score, x, level, size, noise)
            yield x
    if last_denoising:
        yield denoised(score, x, Level.from_sigma(sigmas[-1]))


# --- the variance-preserving diffusion


def denoised(score: Field, x_t: Tensor, level: Level[float]) -> Tensor:
    """E[x_0 | x_t] = (x_t + noise^2 score) / signal, Tweedie's formula (Efron 2011); signal above 0."""
    return (x_t + level.noise**2 * score(x_t, level)) / level.signal


def posterior(x_t: Tensor, x_0: Tensor, t: Level[float], s: Level[float]) -> tuple[Tensor, float]:
    """Mean and variance on each axis of q(x_s | x_t, x_0), normal, between two levels of one Markov process, s the clearer one
    (Ho et al. 2020, eq. 6 and 7). The variance is 0 where s is the data."""
    weight_t, weight_0, variance = _posterior_weights(t, s)
    return weight_t * x_t + weight_0 * x_0, variance


def _posterior_weights(t: Level[float], s: Level[float]) -> tuple[float, float, float]:
    """Of x_t and of x_0 in the mean of q(x_s | x_t, x_0), and its variance."""
    keep = t.signal / s.signal  # q(x_t | x_s) = N(keep x_s, step I)
    step = t.noise**2 - keep**2 * s.noise**2
    return keep * s.noise**2 / t.noise**2, s.signal * step / t.noise**2, step * s.noise**2 / t.noise**2


def reverse_moments(data: Mixture, x_t: Tensor, t: Level[float], s: Level[float]) -> tuple[Tensor, Tensor]:
    """Mean (M, D) and covariance (M, D, D) of the true reverse step q(x_s | x_t), which is no normal distribution: the mean
    of `posterior` over x_0 given x_t. DDPM's step has its mean, and only the part of its covariance that is left when x_0 is
    known."""
    weight_t, weight_0, variance = _posterior_weights(t, s)
    own = variance * torch.eye(x_t.shape[1], dtype=x_t.dtype)
    return weight_t * x_t + weight_0 * data.denoise(x_t, t), weight_0**2 * data.covariance(x_t, t) + own


def ddpm(score: Field, x: Tensor, steps: int, noise: Noise) -> Iterator[Tensor]:
    """DDPM's ancestral sampling (Ho et al. 2020, algorithm 2) with the posterior's variance."""
    yield x
    for t, s in pairwise(map(preserving, times(steps))):
        mean, variance = posterior(x, denoised(score, x, t), t, s)
        x = mean + math.sqrt(variance) * noise(x)
        yield x


def ddim(score: Field, x: Tensor, steps: int) -> Iterator[Tensor]:
    """DDIM with eta 0 (Song et al. 2021, "Denoising diffusion implicit models", eq. 12): a solver of the probability-flow ODE."""
    yield x
    for t, s in pairwise(map(preserving, times(steps))):
        slope = score(x, t)
        x_0 = (x + t.noise**2 * slope) / t.signal
        x = s.signal * x_0 - s.noise * t.noise * slope  # eps is -noise * score
        yield x


def reverse_sde(score: Field, x: Tensor, steps: int, noise: Noise) -> Iterator[Tensor]:
    """The reverse of the variance-preserving SDE by Euler and Maruyama (Song et al. 2021, eq. 6); the last step keeps the
    mean and adds no noise, as in their code."""
    yield x
    for t, s in pairwise(times(steps)):
        rate = beta(t) * (t - s)
        x = x + rate * (x / 2 + score(x, preserving(t)))
        if s > 0:
            x = x + math.sqrt(rate) * noise(x)
        yield x


# --- the straight flow


def velocity_of(denoise: Field) -> Velocity:
    """The marginal velocity of the straight flow from its denoiser, E[eps - x_0 | x_t] = (x_t - E[x_0 | x_t]) / t for t in (0, 1]
    (Lipman et al. 2023, example II). A score says nothing of it at t = 1, where it is -x_t for any data."""
    return lambda x, t: (x - denoise(x, Level.from_flow_time(t))) / t


def flow(velocity: Velocity, x: Tensor, steps: int) -> Iterator[Tensor]:
    """Euler's steps along a velocity, from t = 1 to 0 (Liu et al. 2023, section 2)."""
    yield x
    for t, s in pairwise(times(steps)):
        x = x + (s - t) * velocity(x, t)
        yield x


def heun(velocity: Velocity, x: Tensor, steps: int) -> Iterator[Tensor]:
    """Heun's steps along a velocity, two calls each; the last one is Euler's, so that t = 0 is never asked for (Karras et
    al. 2022, algorithm 1)."""
    yield x
    for t, s in pairwise(times(steps)):
        slope = velocity(x, t)
        ahead = x + (s - t) * slope
        x = x + (s - t) / 2 * (slope + velocity(ahead, s)) if s else ahead
        yield x


class Pairs:
    """Straight lines between pairs (z_i, x_i), each blurred by N(0, bandwidth^2 I) all along: the data of reflow, and its
    marginal velocity in closed form (Liu et al. 2023, section 2.1).

    `z` (noise, at t = 1) and `x` (data, at t = 0) are (N, D); `bandwidth` is above 0. The velocity at (x, t) is
    E[Z - X | (1 - t) X + t Z + blur = x], the optimum that a network trained on the pairs would reach.
    """

    def __init__(self, z: Tensor, x: Tensor, bandwidth: float) -> None:
        if z.shape != x.shape or bandwidth <= 0:
            raise ValueError("pairs need as many z as x, and a bandwidth above 0")
        self.z, self.x, self.bandwidth = z, x, bandwidth

    def at(self, t: float) -> Mixture:
        """The distribution of the places at time t."""
        return Mixture((1 - t) * self.x + t * self.z, std=self.bandwidth)

    def velocity(self, x: Tensor, t: float) -> Tensor:
        """The marginal velocity at places x (M, D) and time t in [0, 1]."""
        return self.at(t).responsibilities(x) @ (self.z - self.x)
