"""What computes the checks of the chapter elbo."""

import math

import numpy as np
import torch
from torch import Tensor

from lab.engine.likelihood import gaussian_kl
from lab.engine.variational import (
    Likelihood,
    bits_per_dimension,
    importance_bounds,
    kl_to_prior,
    log_weights,
    reconstruction,
)
from lab.notes.chapters.elbo import GAIN, SPREAD
from lab.notes.numerics import density, draws, integral, line, log_normal, mean_of, normal, number, two_humps
from lab.notes.step import Sides, drawn, exact


def likelihood(x: float) -> Likelihood:
    """log p(x | z) of the model of these checks, of codes (k, 1)."""
    return lambda codes: -((x - GAIN * codes) ** 2) / (2 * SPREAD**2) - 0.5 * math.log(2 * math.pi * SPREAD**2)


def evidence(x: float) -> float:
    """log p(x): z and the noise are normal, so x is N(0, GAIN^2 + SPREAD^2)."""
    return float(log_normal(x, 0.0, GAIN**2 + SPREAD**2))


def true_posterior(x: float) -> tuple[float, float]:
    """Mean and deviation of p(z | x)."""
    whole = GAIN**2 + SPREAD**2
    return GAIN * x / whole, SPREAD / math.sqrt(whole)


def _one(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)


def _codes(seed: int, count: int = 50_000) -> Tensor:
    return torch.from_numpy(draws(seed, 1, count)).T  # (count, 1)


def entropy(s: float) -> Sides:
    x = line(reach=12 * s)
    p = normal(x, 0, s**2)
    nats = -integral(p * log_normal(x, 0, s**2), x)
    return exact(nats / math.log(2), bits_per_dimension(-0.5 * math.log(2 * math.pi * math.e * s**2), 1))


def divergence(m: float, s: float) -> Sides:
    x = line(m, 12 * s)
    by_hand = integral(normal(x, m, s**2) * (log_normal(x, m, s**2) - log_normal(x)), x)
    zero = _one(0)
    return exact(by_hand, number(gaussian_kl(_one(m), _one(s**2).log(), zero, zero)))


def jensen(m: float, s: float) -> Sides:
    x = line(reach=6)
    p = density(two_humps(), x)
    inside = integral(p * (log_normal(x, m, s**2) - np.log(p)), x)
    everywhere = line(m, 12 * s)
    return exact(inside, math.log(integral(normal(everywhere, m, s**2), everywhere)), "≤")


def identity(x: float, m: float, s: float, seed: int) -> Sides:
    bound, error = mean_of(log_weights(likelihood(x), _one(m), _one(s), _codes(seed)).numpy())
    mean, std = true_posterior(x)
    gap = number(gaussian_kl(_one(m), _one(s**2).log(), _one(mean), _one(std**2).log()))
    return drawn((bound + gap, error), evidence(x))


def two_terms(x: float, m: float, s: float, seed: int) -> Sides:
    eps = _codes(seed)
    whole = log_weights(likelihood(x), _one(m), _one(s), eps).numpy()
    told = reconstruction(likelihood(x), _one(m), _one(s), eps).item()
    price = number(kl_to_prior(_one(m), _one(s)))
    apart = whole - likelihood(x)(m + s * eps).squeeze(1).numpy()  # what the draws say of the price
    return drawn((float(whole.mean()), mean_of(apart)[1]), told - price)


def reparameterisation(m: float, s: float, seed: int) -> Sides:
    (eps,) = draws(seed)
    return drawn(mean_of(eps * np.cos(m + s * eps)), -s * math.exp(-(s**2) / 2) * math.sin(m))


def autoencoder(correlation: float, seed: int) -> Sides:
    first, other = draws(seed, 2)
    pair = np.stack([first, correlation * first + math.sqrt(1 - correlation**2) * other])
    direction = np.array([1.0, math.copysign(1.0, correlation)]) / math.sqrt(2)
    seen = np.outer(direction, direction @ pair)  # encoded to one number, and decoded
    return drawn(mean_of(((pair - seen) ** 2).sum(0)), 1 - abs(correlation))


def best_code(beta: float) -> Sides:
    v = np.linspace(1e-4, 1.2, 120_001)
    price = kl_to_prior(torch.zeros(1), torch.from_numpy(np.sqrt(v))).numpy()
    objective = -(GAIN**2) * v / (2 * SPREAD**2) - beta * price
    best = beta * SPREAD**2 / (GAIN**2 + beta * SPREAD**2)
    return Sides(float(v[objective.argmax()]), best, 2e-5, "the places that were tried")


def weighted(x: float, m: float, s: float, k: int, seed: int) -> Sides:
    weights = log_weights(likelihood(x), _one(m), _one(s), _codes(seed, 60_000))
    return drawn(mean_of(importance_bounds(weights, k).exp().numpy()), math.exp(evidence(x)))
