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
from lab.engine.process import VariancePreserving


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


@torch.no_grad()
def ode_log_density(
    denoiser: Denoiser, x_0: Tensor, conditioning: Sequence[Any], timesteps: Tensor, seed: int = 0
) -> Tensor:
    """log p(x_0) in nats, (rows,), by the probability-flow ODE (Song et al. 2021, section 4.3 and appendix D.2).

    For x = x_t / signal the ODE is dx / dsigma = eps (Karras et al. 2022, eq. 1), and log p changes by its divergence
    along it; the last state is N(0, I) in x_t. `timesteps` rise from the one that stands for the data, whose noise the
    density includes, to the last of the process. Steps are Heun's in log sigma. The divergence is Hutchinson's estimate
    with one Rademacher probe a row, drawn from `seed`: without bias, and exact where the Jacobian is diagonal. Raises
    ValueError for another process than a variance-preserving one.
    """
    if not isinstance(denoiser.process, VariancePreserving):
        raise ValueError("the ODE's density is worked out for a denoiser of a variance-preserving process")
    generator = torch.Generator().manual_seed(seed)
    probe = (torch.randint(0, 2, x_0.shape, generator=generator) * 2 - 1).to(x_0)
    sigmas = denoiser.process.level(timesteps.double()).sigma
    x, change = x_0, x_0.new_zeros(len(x_0))
    for i, h in enumerate(sigmas.log().diff().tolist()):
        slope, divergence = _ode_slope(denoiser, x, timesteps[i], conditioning, probe)
        slope_ahead, divergence_ahead = _ode_slope(denoiser, x + h * slope, timesteps[i + 1], conditioning, probe)
        x = x + h / 2 * (slope + slope_ahead)
        change = change + h / 2 * (divergence + divergence_ahead)
    signal = float(denoiser.process.level(float(timesteps[-1])).signal)
    prior = torch.distributions.Normal(0.0, 1.0).log_prob(signal * x) + math.log(signal)
    return prior.flatten(1).sum(1) + change


def _ode_slope(
    denoiser: Denoiser, x: Tensor, t: Tensor, conditioning: Sequence[Any], probe: Tensor
) -> tuple[Tensor, Tensor]:
    """sigma * eps at x = x_t / signal, and its divergence (rows,): both derivatives in log sigma."""
    t = t.expand(len(x))
    level = by_row(denoiser.process.level(t), x)
    with torch.inference_mode(False), torch.enable_grad():
        x_t = (level.signal * x).requires_grad_()
        prediction = denoiser(x_t, t, conditioning)[:, : x.shape[1]]
        _, eps = split_prediction(prediction, x_t, level, denoiser.prediction_type)
        (product,) = torch.autograd.grad((eps * probe).sum(), x_t)
    divergence = (level.noise * product * probe).flatten(1).sum(1)  # d / dx = signal d / dx_t, times sigma
    return level.sigma * eps.detach(), divergence
