"""What computes the checks of the chapter variance."""

import math

import numpy as np
import torch

from lab.engine.likelihood import Posterior
from lab.engine.mixture import Mixture
from lab.engine.noising import alpha_bar
from lab.engine.plane_lanes import reverse_moments
from lab.notes.chapters.forward import T
from lab.notes.chapters.variance import OFFSET
from lab.notes.checks.forward import levels, reverse_by_bayes, step_of
from lab.notes.numerics import Array, at, mean_of, number
from lab.notes.step import STEPS, Sides, drawn, exact


def cosine(t: float) -> float:
    """f(t) of the cosine schedule."""
    return math.cos((t / T + OFFSET) / (1 + OFFSET) * math.pi / 2) ** 2


def betas(table: Array) -> Array:
    """beta at t = 1 .. T of alpha-bar at t = 0 .. T."""
    return 1 - table[1:] / table[:-1]


def term_weights() -> Array:
    """A bound's terms where the noise is guessed wrong by 1 everywhere, t = 2 .. T: (SNR(t-1) / SNR(t) - 1) / 2."""
    table = alpha_bar("linear", T)[1:]
    ratios = table / (1 - table)
    return 0.5 * (ratios[:-1] / ratios[1:] - 1)


def sharp_humps(share: float) -> Mixture:
    """Two sharp humps: from noise one is in much doubt which of them it is."""
    return Mixture(torch.tensor([[-1.0], [1.5]]), torch.tensor([share, 1 - share]), 0.1)


def cosine_check(t: int) -> Sides:
    return exact(float(alpha_bar("cosine", T)[t]), cosine(t) / cosine(0), digits=1e-5)


def other_lengths(percent: int, hundreds: int) -> Sides:
    own, other = alpha_bar("linear", T), alpha_bar("linear", 100 * hundreds)
    t, s = percent * T // 100, percent * hundreds
    # What the logarithm's square and the places where the betas are read may make.
    squares = (betas(own)[:t] ** 2).sum() + (betas(other)[:s] ** 2).sum()
    return Sides(
        math.log(own[t]), math.log(other[s]), float(0.6 * squares + betas(own)[t - 1] + betas(other)[s - 1]), STEPS
    )


def no_leak(t: int) -> Sides:
    root = np.sqrt(alpha_bar("scaled_linear", T))
    mended = (root[t] - root[T]) * root[1] / (root[1] - root[T])
    return exact(float(alpha_bar("scaled_linear", T, zero_snr=True)[t]), mended**2, digits=1e-5)


def two_ends(std: float, t: int) -> Sides:
    now, before = levels(t)
    alpha, beta = step_of(t)
    spread = before.signal**2 * std**2 + before.noise**2
    data = Mixture(torch.zeros(1, 1), std=std)
    variance = number(reverse_moments(data, at(0.3), now, before)[1])
    formula = spread * beta / (alpha * spread + beta)
    return Sides(variance, formula, 1e-6 * formula)


def learned(v: float, t: int) -> Sides:
    steps = Posterior(torch.tensor(alpha_bar("linear", T)[1:]), torch.tensor([t - 1]))
    now, before = levels(t)
    beta = step_of(t)[1]
    small = beta * before.noise**2 / now.noise**2
    learned = steps.learned_log_variance(torch.full((1, 1, 1, 1), 2 * v - 1, dtype=torch.float64)).exp().item()
    return Sides(learned, beta**v * small ** (1 - v), 1e-6 * small)


def best(x_t: float, t: int, share: float) -> Sides:
    now, before = levels(t)
    variance = number(reverse_moments(sharp_humps(share), at(x_t), now, before)[1])
    by_bayes = reverse_by_bayes(sharp_humps(share), x_t, t)[1]
    return Sides(by_bayes, variance, 1e-6 * variance)


def sampled_terms(seed: int) -> Sides:
    terms = term_weights()
    chances = terms / terms.sum() * 0.5 + 0.5 / len(terms)
    places = np.random.default_rng(seed).random(40_000)
    drawn_terms = np.minimum(np.searchsorted(chances.cumsum(), places), len(terms) - 1)
    return drawn(mean_of(terms[drawn_terms] / chances[drawn_terms]), float(terms.sum()))
