"""What computes the checks of the chapter dynamics."""

import math

import numpy as np
import torch

from lab.engine.mixture import Mixture
from lab.engine.plane_lanes import beta, ddim, denoised, posterior, preserving
from lab.engine.process import Level
from lab.notes.checks.forward import levels
from lab.notes.numerics import at, curvature, draws, mean_of, number, slope, two_humps
from lab.notes.step import STEPS, Sides, drawn, exact


def density_at(data: Mixture, x: float, t: float) -> float:
    """q_t(x) under the variance-preserving SDE."""
    return number(data.at(preserving(t)).pdf(at(x)))


def score_at(data: Mixture, x: float, t: float) -> float:
    """The score there."""
    return number(data.score_at(at(x), preserving(t)))


def change(data: Mixture, x: float, t: float) -> float:
    """The slope of q_t(x) by t."""
    return slope(lambda moment: density_at(data, x, moment), t)


def backward_drift(data: Mixture, x: float, t: float) -> float:
    """What moves a particle while time runs back, besides noise."""
    return beta(t) * (x / 2 + score_at(data, x, t))


def velocity(data: Mixture, x: float, t: float) -> float:
    """Of the probability flow."""
    return -beta(t) / 2 * (x + score_at(data, x, t))


def below(data: Mixture, x: float) -> float:
    """The share of the data below x."""
    places, weights = data.points[:, 0].numpy(), data.weights.numpy()
    heights = [0.5 * (1 + math.erf((x - place) / (data.std * math.sqrt(2)))) for place in places]
    return float(weights @ np.array(heights))


def generalized(x_t: float, x_0: float, t: Level[float], s: Level[float], deviation: float) -> float:
    """Mean of DDIM's step back from t to s where x_0 is known."""
    eps = (x_t - t.signal * x_0) / t.noise
    return s.signal * x_0 + math.sqrt(max(0.0, s.noise**2 - deviation**2)) * eps


def limit(t: float, steps: int) -> Sides:
    rates = np.array([beta(t * (i + 0.5) / steps) for i in range(steps)]) * t / steps
    chain = float(np.exp(np.log1p(-rates).sum()))
    return Sides(chain, preserving(t).alpha_bar, float((rates**2).sum()) * chain + 1e-9, STEPS)


def spread(x: float, t: float, share: float) -> Sides:
    data = two_humps(share)
    shrink = slope(lambda place: place * density_at(data, place, t), x)
    blur = curvature(lambda place: density_at(data, place, t), x)
    return exact(change(data, x, t), beta(t) / 2 * (shrink + blur), digits=1e-4)


def backwards(x: float, t: float, share: float) -> Sides:
    data = two_humps(share)
    drift = slope(lambda place: backward_drift(data, place, t) * density_at(data, place, t), x)
    blur = curvature(lambda place: density_at(data, place, t), x)
    return exact(-change(data, x, t), -drift + beta(t) / 2 * blur, digits=1e-4)


def flow(x: float, t: float, share: float) -> Sides:
    data = two_humps(share)
    current = slope(lambda place: velocity(data, place, t) * density_at(data, place, t), x)
    return exact(change(data, x, t), -current, digits=1e-4)


def quantile(x_t: float, share: float) -> Sides:
    data, start = two_humps(share), torch.tensor([[x_t]], dtype=torch.float64)
    ends = []
    for steps in (50, 100):
        *_, end = ddim(data.score_at, start, steps)
        ends.append(below(data, number(end)))
    return Sides(below(data.at(preserving(1.0)), x_t), ends[1], 2 * abs(ends[1] - ends[0]) + 1e-4, STEPS)


def ancestral(x: float, t: float, share: float, step: float) -> Sides:
    data, now, before = two_humps(share), preserving(t), preserving(t - step)
    rate = beta(t) * step
    mean, _ = posterior(at(x), denoised(data.score_at, at(x), now), now, before)
    drift = x / 2 + score_at(data, x, t)
    error = rate * (abs(x) + abs(drift)) + step / t * abs(drift) * 4
    return Sides((number(mean) - x) / rate, drift, error, STEPS)


def same_marginals(x_0: float, t: int, eta: float, seed: int) -> Sides:
    now, before = levels(t)
    deviation = eta * math.sqrt(posterior(at(0), at(0), now, before)[1])
    eps, again = draws(seed, 2)
    x_t = now.signal * x_0 + now.noise * eps
    kept = (x_t - now.signal * x_0) / now.noise
    back = before.signal * x_0 + math.sqrt(before.noise**2 - deviation**2) * kept + deviation * again
    return drawn(mean_of(back**2), before.alpha_bar * x_0**2 + before.noise**2)


def ddpm_is_ddim(x_0: float, x_t: float, t: int) -> Sides:
    now, before = levels(t)
    mean, variance = posterior(at(x_t), at(x_0), now, before)
    return exact(generalized(x_t, x_0, now, before, math.sqrt(variance)), number(mean))


def euler(x_t: float, t: int, left: float, share: float) -> Sides:
    now, before = levels(t)[0], levels(max(1, int(left * t)))[0]
    data = two_humps(share)
    x_0 = number(data.denoise(at(x_t), now))
    eps = (x_t - now.signal * x_0) / now.noise
    step = generalized(x_t, x_0, now, before, 0.0)
    return exact(step / before.signal, x_t / now.signal + (before.sigma - now.sigma) * eps)


def one_picture(x_t: float, picture: float, steps: int) -> Sides:
    data = Mixture(torch.tensor([[picture]]))
    *_, end = ddim(data.score_at, torch.tensor([[x_t]], dtype=torch.float64), steps)
    return exact(number(end), picture, digits=1e-5)
