"""What computes the checks of the chapter loss."""

import math

import numpy as np
import torch
from torch import Tensor

from lab.engine.likelihood import Posterior, bound_nats, discretized_log_likelihood, gaussian_kl, prior_term
from lab.engine.noising import alpha_bar
from lab.engine.plane_lanes import denoised, posterior
from lab.engine.predictions import join_prediction, split_prediction
from lab.engine.process import Level
from lab.notes.chapters.forward import T
from lab.notes.chapters.loss import ALPHA_BARS, REVERSE
from lab.notes.checks.forward import levels, step_of
from lab.notes.numerics import (
    Array,
    at,
    column,
    density,
    draws,
    integral,
    line,
    log_normal,
    mean_of,
    normal,
    number,
    slope,
    two_humps,
)
from lab.notes.step import DEVIATIONS, RANDOM, Sides, drawn, exact


def short_levels(t: int) -> Level[float]:
    """Level t of the short chain."""
    return Level.from_alpha_bar(ALPHA_BARS[t])


def log_ratio(x_0: float, seed: int) -> Array:
    """-log p(x_{0:T}) / q(x_{1:T} | x_0) of paths drawn from q."""
    path, total = [np.full(60_000, x_0)], np.zeros(60_000)
    for t, eps in enumerate(draws(seed, 3, 60_000), 1):
        alpha = ALPHA_BARS[t] / ALPHA_BARS[t - 1]
        path.append(math.sqrt(alpha) * path[-1] + math.sqrt(1 - alpha) * eps)
        total += log_normal(path[t], math.sqrt(alpha) * path[t - 1], 1 - alpha)
        factor, variance = REVERSE[t - 1]
        total -= log_normal(path[t - 1], factor * path[t], variance)
    return total - log_normal(path[3])


def model_evidence(x_0: float) -> float:
    """log p(x_0) of the short chain: x_T is standard normal, and every reverse step keeps it normal."""
    variance = 1.0
    for factor, added in reversed(REVERSE):
        variance = factor**2 * variance + added
    return float(log_normal(x_0, 0.0, variance))


def terms(x_0: float) -> list[float]:
    """L_0, L_1, L_2 and L_T of the short chain, each by quadrature over x_t."""
    found = []
    for t, (factor, variance) in enumerate(REVERSE, 1):
        now, before = short_levels(t), short_levels(t - 1)
        x_t = line(now.signal * x_0, 12)
        weights = normal(x_t, now.signal * x_0, now.noise**2)
        if t == 1:
            cost = -log_normal(x_0, factor * x_t, variance)
        else:
            mean, spread = posterior(at(x_t), at(x_0), now, before)
            cost = column(gaussian_kl(mean, _full(spread).log(), factor * at(x_t), _full(variance).log()))
        found.append(integral(weights * cost, x_t))
    last = short_levels(3)
    found.append(number(gaussian_kl(_full(last.signal * x_0), _full(last.noise**2).log(), _full(0), _full(0))))
    return found


def _full(value: float) -> Tensor:
    return torch.tensor([[value]], dtype=torch.float64)


def _four(value: float) -> Tensor:
    """As pictures are, (1, 1, 1, 1)."""
    return torch.full((1, 1, 1, 1), value, dtype=torch.float64)


def _posterior(t: int) -> Posterior:
    return Posterior(torch.tensor(alpha_bar("linear", T)[1:]), torch.tensor([t - 1]))


def snr(t: int) -> float:
    """The signal-to-noise ratio at t of the linear schedule."""
    table = alpha_bar("linear", T)
    return float(table[t] / (1 - table[t]))


def bound(x_0: float, seed: int) -> Sides:
    mean, error = mean_of(log_ratio(x_0, seed))
    return Sides(-model_evidence(x_0), mean, DEVIATIONS * error, RANDOM, "≤")


def terms_check(x_0: float, seed: int) -> Sides:
    return drawn(mean_of(log_ratio(x_0, seed)), sum(terms(x_0)))


def prior_term_check(x_0: float) -> Sides:
    table = torch.tensor(alpha_bar("linear", T)[1:])
    last = Level.from_alpha_bar(float(table[-1]))
    x = line(reach=12)
    q, log_q = normal(x, last.signal * x_0, last.noise**2), log_normal(x, last.signal * x_0, last.noise**2)
    nats = prior_term(_four(x_0), table).item() * math.log(2)
    return Sides(integral(q * (log_q - log_normal(x)), x), nats, 1e-9)


def pixels(mean: float, std: float) -> Sides:
    bins = torch.linspace(-1, 1, 256, dtype=torch.float64)
    logs = discretized_log_likelihood(bins, torch.full_like(bins, mean), torch.full_like(bins, math.log(std)))
    return exact(logs.exp().sum().item(), 1, digits=1e-8)


def mean_term(x_0: float, x_t: float, guess: float, t: int) -> Sides:
    steps = _posterior(t)
    large = steps.beta.log()
    cost = bound_nats(steps, _four(x_0), _four(x_t), _four(guess), large).item()
    now, before = levels(t)
    variance, small = step_of(t)[1], posterior(at(x_t), at(x_0), now, before)[1]
    apart = number(posterior(at(x_t), at(x_0), now, before)[0] - posterior(at(x_t), at(guess), now, before)[0])
    constant = 0.5 * (math.log(variance / small) + small / variance - 1)
    return exact(cost, apart**2 / (2 * variance) + constant)


def picture_term(x_0: float, x_t: float, guess: float, t: int) -> Sides:
    steps = _posterior(t)
    cost = bound_nats(steps, _four(x_0), _four(x_t), _four(guess), steps.log_variance).item()
    return exact(cost, 0.5 * (snr(t - 1) - snr(t)) * (x_0 - guess) ** 2)


def noise_mean(x_t: float, eps: float, t: int) -> Sides:
    now, before = levels(t)
    alpha, beta = step_of(t)
    x_0, _ = split_prediction(at(eps), at(x_t), now, "epsilon")
    mean, _ = posterior(at(x_t), x_0, now, before)
    return exact(number(mean), (x_t - beta / now.noise * eps) / math.sqrt(alpha))


def noise_term(x_0: float, eps: float, guess_eps: float, t: int) -> Sides:
    now, before = levels(t)
    alpha, beta = step_of(t)
    x_t = now.signal * x_0 + now.noise * eps
    guess, _ = split_prediction(at(guess_eps), at(x_t), now, "epsilon")
    steps = _posterior(t)
    cost = bound_nats(steps, _four(x_0), _four(x_t), _four(number(guess)), steps.log_variance).item()
    small = before.noise**2 / now.noise**2 * beta
    return exact(cost, beta**2 / (2 * small * alpha * now.noise**2) * (eps - guess_eps) ** 2)


def simple(t: int) -> Sides:
    now, before = levels(t)
    alpha, beta = step_of(t)
    small = before.noise**2 / now.noise**2 * beta
    return exact(beta**2 / (2 * small * alpha * now.noise**2), 0.5 * (snr(t - 1) / snr(t) - 1))


def velocity(x_0: float, x_t: float, guess: float, t: int) -> Sides:
    level, _ = levels(t)
    true, guessed = (join_prediction(at(one), at(x_t), level, "v_prediction") for one in (x_0, guess))
    return exact(number(true - guessed) ** 2, (snr(t) + 1) * (x_0 - guess) ** 2)


def best_guess(t: int, share: float, seed: int) -> Sides:
    level, _ = levels(t)
    data = two_humps(share)
    x_0 = data.sample(60_000, torch.Generator().manual_seed(seed))
    x_t = level.signal * x_0 + level.noise * torch.from_numpy(draws(seed + 1, 1, 60_000)).T
    left = (x_0 - data.denoise(x_t, level)) * torch.sin(3 * x_t)
    return drawn(mean_of(column(left)), 0)


def tweedie(x_t: float, t: int, share: float) -> Sides:
    level, _ = levels(t)
    data, x_0 = two_humps(share), line(reach=5)
    weights = np.exp(log_normal(x_t, level.signal * x_0, level.noise**2) - log_normal(0, 0, level.noise**2))
    weights = weights * density(data, x_0)
    mean = integral(x_0 * weights, x_0) / integral(weights, x_0)
    return exact(mean, number(denoised(data.score_at, at(x_t), level)))


def score(x_t: float, t: int, share: float) -> Sides:
    level, _ = levels(t)
    data = two_humps(share)
    by_differences = slope(lambda x: number(data.at(level).log_pdf(at(x))), x_t)
    noise = (at(x_t) - level.signal * data.denoise(at(x_t), level)) / level.noise  # E[eps | x_t]
    return exact(by_differences, -number(noise) / level.noise)


def denoising_score(slope_of_guess: float, t: int, share: float, seed: int) -> Sides:
    level, _ = levels(t)
    data = two_humps(share)
    x_0 = data.sample(60_000, torch.Generator().manual_seed(seed))
    eps = torch.from_numpy(draws(seed + 1, 1, 60_000)).T
    x_t = level.signal * x_0 + level.noise * eps
    guess, known, true = slope_of_guess * x_t, -eps / level.noise, data.score_at(x_t, level)
    x = line(reach=8)
    mean_square = integral(density(data.at(level), x) * column(data.score_at(at(x), level)) ** 2, x)
    return drawn(mean_of(column((guess - known) ** 2 - (guess - true) ** 2)), 1 / level.noise**2 - mean_square)
