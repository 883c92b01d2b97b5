"""What computes the checks of the chapter guidance."""

import math

import numpy as np
import torch

from lab.engine.guidance import classifier_free
from lab.engine.mixture import Mixture, guided
from lab.engine.predictions import PREDICTION_TYPES, add_score, join_prediction, split_prediction
from lab.notes.checks.forward import levels
from lab.notes.numerics import at, integral, line, log_normal, normal, number, slope, two_humps
from lab.notes.step import Sides, exact


def class_of(data: Mixture) -> Mixture:
    """The class y of these checks: the hump at 1.5."""
    return data.part(torch.tensor([1]))


def log_belief(data: Mixture, x_t: float, t: int) -> float:
    """log p(y | x_t)."""
    return math.log(number(data.at(levels(t)[0]).responsibilities(at(x_t))[:, 1:]))


def noise_of(data: Mixture, x_t: float, t: int) -> torch.Tensor:
    """E[eps | x_t], the best prediction of a network that knows these data."""
    level, _ = levels(t)
    return join_prediction(data.denoise(at(x_t), level), at(x_t), level, "epsilon")


def pull(data: Mixture, x_t: float, t: int) -> float:
    """The gradient of log p(y | x_t), by differences."""
    return slope(lambda x: log_belief(data, x, t), x_t)


def bayes(x_t: float, t: int, share: float) -> Sides:
    level, data = levels(t)[0], two_humps(share)
    whole, part = (number(one.score_at(at(x_t), level)) for one in (data, class_of(data)))
    return exact(part, whole + pull(data, x_t, t))


def noise(x_t: float, t: int, share: float) -> Sides:
    level, data = levels(t)[0], two_humps(share)
    moved = add_score(noise_of(data, x_t, t), at(pull(data, x_t, t)), level, "epsilon")
    return exact(number(noise_of(class_of(data), x_t, t)), number(moved))


def mean_moves(mean: float, variance: float, gradient: float) -> Sides:
    x = line(mean + variance * gradient, 14 * math.sqrt(variance))
    logs = log_normal(x, mean, variance) + gradient * x
    weights = np.exp(logs - logs.max())
    return exact(integral(x * weights, x) / integral(weights, x), mean + variance * gradient)


def power(x_t: float, t: int, share: float, scale: float) -> Sides:
    level, data = levels(t)[0], two_humps(share)
    score = guided(class_of(data).score_at, data.score_at, scale)(at(x_t), level)

    def log_power(x: float) -> float:
        joint, whole = (number(one.at(level).log_pdf(at(x))) for one in (class_of(data), data))
        return scale * joint + (1 - scale) * whole

    return exact(slope(log_power, x_t), number(score))


def without_classifier(x_t: float, t: int, share: float, scale: float) -> Sides:
    level, data = levels(t)[0], two_humps(share)
    with_words, without = noise_of(class_of(data), x_t, t), noise_of(data, x_t, t)
    by_classifier = add_score(without, scale * at(pull(data, x_t, t)), level, "epsilon")
    return exact(number(by_classifier), number(classifier_free(with_words, without, scale)))


def any_prediction(x_t: float, t: int, scale: float) -> Sides:
    level, data = levels(t)[0], two_humps()
    pair = [one.denoise(at(x_t), level) for one in (class_of(data), data)]
    found = []
    for kind in PREDICTION_TYPES:
        words, without = (join_prediction(x_0, at(x_t), level, kind) for x_0 in pair)
        found.append(number(split_prediction(classifier_free(words, without, scale), at(x_t), level, kind)[0]))
    return exact(max(found), min(found))


def narrow(width: float, scale: float) -> float:
    """Variance of p_c^scale p_u^(1 - scale) of N(0, width^2) and N(0, 1)."""
    return 1 / (scale / width**2 + 1 - scale)


def no_data(width: float, scale: float, t: int) -> Sides:
    level, _ = levels(t)
    noisy_width = math.sqrt(level.signal**2 * width**2 + level.noise**2)
    x = line(reach=12)
    weights = normal(x, 0, noisy_width**2) ** scale * normal(x) ** (1 - scale)
    variance = integral(x**2 * weights, x) / integral(weights, x)
    return exact(variance, level.signal**2 * narrow(width, scale) + level.noise**2, "≤")
