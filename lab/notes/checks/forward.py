"""What computes the checks of the chapter forward."""

import math

import numpy as np
import torch

from lab.engine.likelihood import Posterior
from lab.engine.mixture import Mixture
from lab.engine.noising import MarkovChain, alpha_bar, q_sample
from lab.engine.plane_lanes import posterior, reverse_moments
from lab.engine.process import Level
from lab.notes.chapters.forward import CHAIN, T
from lab.notes.numerics import (
    at,
    column,
    density,
    draws,
    integral,
    line,
    log_normal,
    mean_of,
    moments,
    normal,
    number,
    two_humps,
)
from lab.notes.step import Sides, drawn, exact


def levels(t: int) -> tuple[Level[float], Level[float]]:
    """The levels of t and of t - 1 under the linear schedule."""
    table = alpha_bar("linear", T)
    return Level.from_alpha_bar(float(table[t])), Level.from_alpha_bar(float(table[t - 1]))


def step_of(t: int) -> tuple[float, float]:
    """alpha_t and beta_t."""
    now, before = levels(t)
    alpha = now.alpha_bar / before.alpha_bar
    return alpha, 1 - alpha


def by_bayes(x_0: float, x_t: float, t: int) -> tuple[float, float]:
    """Mean and variance of q(x_{t-1} | x_t, x_0), from Bayes' rule by quadrature."""
    _, before = levels(t)
    alpha, beta = step_of(t)
    shrunk = before.signal * x_0
    return moments(
        lambda x: log_normal(x_t, math.sqrt(alpha) * x, beta) + log_normal(x, shrunk, before.noise**2),
        (shrunk, x_t / math.sqrt(alpha)),
        math.sqrt(beta),
    )


def variance_is_kept(beta: float, variance: float, seed: int) -> Sides:
    (x,) = draws(seed)
    step = MarkovChain(torch.tensor(math.sqrt(variance) * x), np.array([1.0, 1 - beta]), seed)
    return drawn(mean_of(step.at(1).numpy() ** 2), (1 - beta) * variance + beta)


def one_jump(x_0: float, t: int, seed: int) -> Sides:
    chain = MarkovChain(torch.full((40_000,), x_0, dtype=torch.float64), alpha_bar("linear", CHAIN), seed)
    level = Level.from_alpha_bar(float(alpha_bar("linear", CHAIN)[t]))
    jump = q_sample(torch.tensor([x_0]), level, torch.zeros(1)).item()
    return drawn(mean_of(chain.at(t).numpy() ** 2), jump**2 + level.noise**2)


def marginal(x_t: float, t: int, share: float) -> Sides:
    level, _ = levels(t)
    data, x_0 = two_humps(share), line(reach=5)
    blurred = integral(normal(x_t, level.signal * x_0, level.noise**2) * density(data, x_0), x_0)
    return exact(blurred, number(data.at(level).pdf(at(x_t))))


def snr_alone_counts(x_t: float, t: int, share: float) -> Sides:
    level, _ = levels(t)
    data, exploding = two_humps(share), Level.from_sigma(level.sigma)
    preserving = data.denoise(at(x_t), level)
    return exact(number(preserving), number(data.denoise(at(x_t / level.signal), exploding)))


def posterior_mean(x_0: float, x_t: float, t: int) -> Sides:
    now, before = levels(t)
    mean, _ = posterior(at(x_t), at(x_0), now, before)
    return exact(by_bayes(x_0, x_t, t)[0], number(mean))


def posterior_variance(x_0: float, x_t: float, t: int) -> Sides:
    table = torch.tensor(alpha_bar("linear", T)[1:])
    small = float(Posterior(table, torch.tensor([t - 1])).log_variance.exp())
    variance = by_bayes(x_0, x_t, t)[1]
    return Sides(variance, small, 1e-6 * small)


def there_and_back(x_0: float, t: int, seed: int) -> Sides:
    now, before = levels(t)
    eps, again = draws(seed, 2)
    x_t = now.signal * x_0 + now.noise * eps
    mean, variance = posterior(at(x_t), at(x_0), now, before)
    back = column(mean) + math.sqrt(variance) * again
    return drawn(mean_of(back**2), before.alpha_bar * x_0**2 + 1 - before.alpha_bar)


def reverse_mean(x_t: float, t: int, share: float) -> Sides:
    now, before = levels(t)
    data = two_humps(share)
    mean, _ = reverse_moments(data, at(x_t), now, before)
    return exact(reverse_by_bayes(data, x_t, t)[0], number(mean))


def reverse_by_bayes(data: Mixture, x_t: float, t: int) -> tuple[float, float]:
    """Mean and variance of q(x_{t-1} | x_t), by quadrature."""
    _, before = levels(t)
    alpha, beta = step_of(t)
    blurred = data.at(before)
    return moments(
        lambda x: log_normal(x_t, math.sqrt(alpha) * x, beta) + blurred.log_pdf(at(x)).numpy(),
        (0.0, x_t / math.sqrt(alpha)),
        math.sqrt(beta),
    )
