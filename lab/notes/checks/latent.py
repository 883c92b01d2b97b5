"""What computes the checks of the chapter latent."""

import math

import numpy as np
import torch
from diffusers.models.controlnets.controlnet import zero_module

from lab.engine.mixture import Mixture
from lab.engine.process import Level
from lab.notes.chapters.latent import PICTURES
from lab.notes.checks.elbo import likelihood
from lab.notes.checks.forward import levels
from lab.notes.numerics import at, density, draws, integral, line, log_normal, mean_of, normal, number, slope, two_humps
from lab.notes.step import Sides, drawn, exact


def controlled(frozen: float, weight: float, inner: float, feature: float) -> float:
    """The model with a control of one neuron: what it says without, plus a zero layer's weight times a feature that `inner` makes."""
    return frozen + weight * math.tanh(inner * feature)


def below(x: float, m: float, s: float, share: float) -> Sides:
    z, everywhere, prior = line(m, 12), line(reach=12), two_humps(share)
    told, log_prior = likelihood(x)(torch.from_numpy(z)).numpy(), prior.log_pdf(at(z)).numpy()
    q, log_q = normal(z, m, s**2), log_normal(z, m, s**2)
    bound = integral(q * told, z) - integral(q * log_q, z) + integral(q * log_prior, z)
    joint = np.exp(likelihood(x)(torch.from_numpy(everywhere)).numpy()) * density(prior, everywhere)
    return exact(bound, math.log(integral(joint, everywhere)), "≤")


def scaled(x_t: float, t: int, factor: float) -> Sides:
    level, latents = levels(t)[0], two_humps()
    scaled = Mixture(latents.points * factor, latents.weights, latents.std * factor)
    louder = Level(level.signal * factor, level.noise)
    return exact(number(scaled.denoise(at(x_t), level)) / factor, number(latents.denoise(at(x_t), louder)))


def dot_product(dimensions: int, seed: int) -> Sides:
    q, k = draws(seed, 2 * dimensions, 10_000).reshape(2, dimensions, 10_000)
    return drawn(mean_of(((q * k).sum(0) / math.sqrt(dimensions)) ** 2), 1)


def denoiser_is_attention(x_t: float, t: int) -> Sides:
    level, _ = levels(t)
    pictures = np.array(PICTURES)
    data = Mixture(torch.tensor(pictures)[:, None])
    logits = (level.signal * x_t * pictures - 0.5 * (level.signal * pictures) ** 2) / level.noise**2
    weights = np.exp(logits - logits.max())
    return exact(float(weights @ pictures / weights.sum()), number(data.denoise(at(x_t), level)))


def nothing_at_first(frozen: float, feature: float, inner: float) -> Sides:
    layer = zero_module(torch.nn.Conv2d(1, 1, 1)).requires_grad_(False)
    copy = torch.full((1, 1, 1, 1), math.tanh(inner * feature))
    return exact(frozen + layer(copy).item(), frozen)


def loss(frozen: float, weight: float, inner: float, feature: float, target: float) -> float:
    """Half of the squared error of the controlled model."""
    return 0.5 * (controlled(frozen, weight, inner, feature) - target) ** 2


def gradient_of_zero(frozen: float, feature: float, inner: float, target: float) -> Sides:
    by_differences = slope(lambda weight: loss(frozen, weight, inner, feature, target), 0.0)
    return exact(by_differences, (frozen - target) * math.tanh(inner * feature))


def after_one_step(frozen: float, feature: float, inner: float, target: float, rate: float) -> float:
    """The zero layer's weight after one step of gradient descent."""
    return -rate * (frozen - target) * math.tanh(inner * feature)


def inner_gradient(frozen: float, feature: float, inner: float, target: float, rate: float) -> Sides:
    weight = after_one_step(frozen, feature, inner, target, rate)
    by_differences = slope(lambda one: loss(frozen, weight, one, feature, target), inner)
    error = controlled(frozen, weight, inner, feature) - target
    return exact(by_differences, error * weight * feature * (1 - math.tanh(inner * feature) ** 2))
