"""What a picture costs under a diffusion model: the terms of the variational bound, and the density of its ODE.

Ho et al. 2020, equation 5: -log p(x_0) <= L_T + sum of L_{t-1} + L_0, where

L_T      KL(q(x_T | x_0) || N(0, I))                            `prior_term`
L_{t-1}  KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t))          `bound_term`, t > 0
L_0      -log p(x_0 | x_1), of 8-bit pixels in [-1, 1]          `bound_term`, t = 0

Timesteps count as in diffusers, 0 .. T-1, so t = 0 is the paper's t = 1. Terms are in bits per dimension, (rows,); pictures
are (rows, channels, height, width).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from lab.engine.denoisers import Denoiser, by_row
from lab.engine.predictions import split_prediction
from lab.engine.process import Level, VariancePreserving

MOST_SIGMA = 50.0  # noise / signal from which on the ODE is taken in one step


def gaussian_kl(mean_a: Tensor, log_variance_a: Tensor, mean_b: Tensor, log_variance_b: Tensor) -> Tensor:
    """KL(N(a) || N(b)) of independent normals, elementwise, in nats."""
    ratio = (log_variance_a - log_variance_b).exp() + (mean_a - mean_b).square() * (-log_variance_b).exp()
    return 0.5 * (log_variance_b - log_variance_a + ratio - 1)


def discretized_log_likelihood(x: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """log of the mass that N(mean, std) puts on the 8-bit bin around x in [-1, 1] (Ho et al. 2020, eq. 13), elementwise,
    in nats; end bins reach out."""
    inverse = (-log_std).exp()
    upper = torch.special.ndtr((x - mean + 1 / 255) * inverse)
    lower = torch.special.ndtr((x - mean - 1 / 255) * inverse)
    upper = torch.where(x > 0.999, torch.ones_like(upper), upper)
    lower = torch.where(x < -0.999, torch.zeros_like(lower), lower)
    return (upper - lower).clamp(min=1e-12).log()


@dataclass(frozen=True)
class Posterior:
    """q(x_{t-1} | x_t, x_0) at timesteps t (rows,) of a table of alpha-bar (T,) (Ho et al. 2020, eq. 6 and 7)."""

    alphas_cumprod: Tensor
    t: Tensor

    @cached_property
    def alpha_bar(self) -> Tensor:
        """(rows, 1, 1, 1), as are all below."""
        return self._column(self.alphas_cumprod[self.t])

    @cached_property
    def alpha_bar_before(self) -> Tensor:
        """Of the next clearer timestep; 1 at t = 0."""
        before = self.alphas_cumprod[(self.t - 1).clamp(min=0)]
        return self._column(torch.where(self.t > 0, before, torch.ones_like(before)))

    @cached_property
    def beta(self) -> Tensor:
        """The variance that the forward process adds in this step: the upper end of the reverse step's."""
        return 1 - self.alpha_bar / self.alpha_bar_before

    @cached_property
    def log_variance(self) -> Tensor:
        """log of tilde-beta_t, the lower end of the reverse step's variance. At t = 0, where that is 0, it is the one of
        t = 1 (Nichol and Dhariwal 2021, code)."""
        variance = self.beta * (1 - self.alpha_bar_before) / (1 - self.alpha_bar)
        lowest, second = self.alphas_cumprod[0], self.alphas_cumprod[1]
        return torch.where(
            self._column(self.t) > 0, variance, (1 - second / lowest) * (1 - lowest) / (1 - second)
        ).log()

    def mean(self, x_0: Tensor, x_t: Tensor) -> Tensor:
        """Equation 7."""
        before, beta = self.alpha_bar_before, self.beta
        return (before.sqrt() * beta * x_0 + (1 - beta).sqrt() * (1 - before) * x_t) / (1 - self.alpha_bar)

    def learned_log_variance(self, v: Tensor) -> Tensor:
        """The log-variance that v in [-1, 1] stands for, between tilde-beta and beta (Nichol and Dhariwal 2021, eq. 15)."""
        share = (v + 1) / 2
        return share * self.beta.log() + (1 - share) * self.log_variance

    @staticmethod
    def _column(rows: Tensor) -> Tensor:
        return rows[:, None, None, None]


def prior_term(x_0: Tensor, alphas_cumprod: Tensor) -> Tensor:
    """L_T, what is left of the picture at the last timestep; it does not depend on the network."""
    last = alphas_cumprod[-1]
    zero = torch.zeros_like(x_0)
    return _bits(gaussian_kl(last.sqrt() * x_0, (1 - last).log(), zero, zero))


def bound_term(posterior: Posterior, x_0: Tensor, x_t: Tensor, predicted_x_0: Tensor, log_variance: Tensor) -> Tensor:
    """L_{t-1}, or L_0 where t = 0, of the reverse step N(posterior.mean(predicted_x_0, x_t), exp(log_variance)).

    `log_variance` broadcasts with x_0: `posterior.log_variance` and `posterior.beta.log()` are the two fixed choices of
    Ho et al. 2020, section 3.2, `posterior.learned_log_variance(v)` is the network's.
    """
    return _bits(bound_nats(posterior, x_0, x_t, predicted_x_0, log_variance))


def bound_nats(posterior: Posterior, x_0: Tensor, x_t: Tensor, predicted_x_0: Tensor, log_variance: Tensor) -> Tensor:
    """As `bound_term`, elementwise and in nats: what each value costs."""
    mean = posterior.mean(predicted_x_0, x_t)
    divergence = gaussian_kl(posterior.mean(x_0, x_t), posterior.log_variance, mean, log_variance)
    if bool((posterior.t > 0).all()):
        return divergence
    likelihood = -discretized_log_likelihood(x_0, mean, log_variance / 2)
    return torch.where(posterior.t[:, None, None, None] > 0, divergence, likelihood)


def _bits(nats: Tensor) -> Tensor:
    return nats.flatten(1).mean(1) / math.log(2)


class OdeDensity:
    """log p(x_0) by the probability-flow ODE (Song et al. 2021, section 4.3 and appendix D.2), one step at a time.

    For x = x_t / signal the ODE is dx / dsigma = eps (Karras et al. 2022, eq. 1), and log p changes by its divergence
    along it; the last state is N(0, I) in x_t. `timesteps` (steps + 1,) rise from the one that stands for the data, whose
    noise the density includes, to the last of the process. Steps are Heun's in sigma, exact where the data are points, and
    the divergence is taken to go as a power of sigma within a step. It is Hutchinson's estimate with one Rademacher probe a row, drawn
    from `seed`: without bias, and exact where the Jacobian is diagonal. Raises ValueError for another process than a
    variance-preserving one.
    """

    def __init__(
        self, denoiser: Denoiser, x_0: Tensor, conditioning: Sequence[Any], timesteps: Tensor, seed: int = 0
    ) -> None:
        if not isinstance(denoiser.process, VariancePreserving):
            raise ValueError("the ODE's density is worked out for a denoiser of a variance-preserving process")
        self._denoiser, self._conditioning, self._timesteps = denoiser, conditioning, timesteps
        generator = torch.Generator().manual_seed(seed)
        self._probe = (torch.randint(0, 2, x_0.shape, generator=generator) * 2 - 1).to(x_0)
        level = denoiser.process.level(timesteps.double())
        self._sigmas, self._last_signal = level.sigma.tolist(), float(level.signal[-1])
        self._x, self._change, self._i = x_0, x_0.new_zeros(len(x_0)), 0

    @property
    def steps(self) -> int:
        """How many there are."""
        return len(self._sigmas) - 1

    @torch.no_grad()
    def step(self) -> None:
        """Take the next step: two calls of the denoiser, each with its gradient."""
        i, (sigma, above) = self._i, self._sigmas[self._i : self._i + 2]
        eps, divergence = self._slope(self._x, i)
        eps_ahead, divergence_ahead = self._slope(self._x + (above - sigma) * eps, i + 1)
        self._x = self._x + (above - sigma) / 2 * (eps + eps_ahead)
        self._change = self._change + math.log(above / sigma) * _logarithmic_mean(divergence, divergence_ahead)
        self._i += 1

    def log_density(self) -> Tensor:
        """In nats, (rows,), once all steps are taken."""
        prior = torch.distributions.Normal(0.0, 1.0).log_prob(self._last_signal * self._x) + math.log(self._last_signal)
        return prior.flatten(1).sum(1) + self._change

    def _slope(self, x: Tensor, i: int) -> tuple[Tensor, Tensor]:
        """eps at x = x_t / signal, and the divergence of sigma * eps (rows,)."""
        t = self._timesteps[i].expand(len(x))
        level = by_row(self._denoiser.process.level(t), x)
        with torch.inference_mode(False), torch.enable_grad():
            x_t = (level.signal * x).requires_grad_()
            prediction = self._denoiser(x_t, t, self._conditioning)[:, : x.shape[1]]
            _, eps = split_prediction(prediction, x_t, level, self._denoiser.prediction_type)
            (product,) = torch.autograd.grad((eps * self._probe).sum(), x_t)
        divergence = level.noise * product * self._probe  # d / dx = signal d / dx_t, times sigma
        return eps.detach(), divergence.flatten(1).sum(1)


def _logarithmic_mean(a: Tensor, b: Tensor) -> Tensor:
    """(b - a) / log(b / a), the mean of what goes from a to b as a power does; the arithmetic one where one is not positive."""
    safe = (a > 0) & (b > 0) & ((b / a - 1).abs() > 1e-3)  # nearly equal: both means are one
    ratio = torch.where(safe, b / a, torch.full_like(a, 2.0))
    return torch.where(safe, (b - a) / ratio.log(), (a + b) / 2)


def ode_timesteps(process: VariancePreserving, steps: int) -> Tensor:
    """Timesteps (steps + 1,) in float64 for OdeDensity: log sigma rises evenly from the clearest timestep to MOST_SIGMA, and one
    step leads on to the last one. Beyond MOST_SIGMA pictures are noise to three digits, and a step is as good as many."""
    lowest, highest = (process.level(float(t)).sigma for t in (0, len(process) - 1))
    top = min(MOST_SIGMA, highest / 2)
    sigmas = torch.logspace(math.log10(lowest), math.log10(top), steps, dtype=torch.float64)
    return process.timestep(Level.from_sigma(torch.cat([sigmas, sigmas.new_tensor([highest])])))


def ode_log_density(
    denoiser: Denoiser, x_0: Tensor, conditioning: Sequence[Any], timesteps: Tensor, seed: int = 0
) -> Tensor:
    """OdeDensity with all its steps: log p(x_0) in nats, (rows,)."""
    ode = OdeDensity(denoiser, x_0, conditioning, timesteps, seed)
    for _ in range(ode.steps):
        ode.step()
    return ode.log_density()
