"""Integrals and means for the checks: quadrature on a line, means of random draws with their error, and the engine's functions on numbers.

The engine works on tensors in float64; `at` and `number` lead there and back for one place on a line.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lab.engine.mixture import Mixture
from lab.notes.step import DRAWS

Array = NDArray[np.float64]
PLACES = 8001  # of a quadrature


def line(centre: float = 0.0, reach: float = 12.0) -> Array:
    """Evenly spaced places around `centre`."""
    return np.linspace(centre - reach, centre + reach, PLACES)


def integral(values: Array, places: Array) -> float:
    """By the trapezoidal rule, which is exact to rounding for what is smooth and has died away at both ends."""
    return float(np.trapezoid(values, places))


def normal(x: Array | float, mean: float | Array = 0.0, variance: float = 1.0) -> Array:
    """The density of N(mean, variance)."""
    offset = np.asarray(x) - mean
    return np.exp(-(offset**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


def log_normal(x: Array | float, mean: float | Array = 0.0, variance: float = 1.0) -> Array:
    """The logarithm of that density, where the density itself would be 0."""
    offset = np.asarray(x) - mean
    return -(offset**2) / (2 * variance) - 0.5 * np.log(2 * np.pi * variance)


def draws(seed: int, rows: int = 1, count: int = DRAWS) -> Array:
    """Standard normal numbers, (rows, count)."""
    return np.random.default_rng(seed).standard_normal((rows, count))


def mean_of(values: Array) -> tuple[float, float]:
    """The mean of independent draws and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def moments(log_weights: Callable[[Array], Array], ends: tuple[float, float], width: float) -> tuple[float, float]:
    """Mean and variance of the density that is in proportion to exp(log_weights), by quadrature. Its peak lies between `ends` or a
    little beyond, and it is no wider than `width`."""
    coarse = np.linspace(min(ends) - 1, max(ends) + 1, PLACES)
    peak = float(coarse[log_weights(coarse).argmax()])
    places = line(peak, 14 * width)
    logs = log_weights(places)
    weights = np.exp(logs - logs.max())
    mass = integral(weights, places)
    mean = integral(places * weights, places) / mass
    return mean, integral((places - mean) ** 2 * weights, places) / mass


def slope(function: Callable[[float], float], x: float, step: float = 1e-3) -> float:
    """The derivative by differences of fourth order."""
    near = function(x + step) - function(x - step)
    far = function(x + 2 * step) - function(x - 2 * step)
    return (8 * near - far) / (12 * step)


def curvature(function: Callable[[float], float], x: float, step: float = 1e-2) -> float:
    """The second derivative by differences of fourth order."""
    near = function(x + step) + function(x - step)
    far = function(x + 2 * step) + function(x - 2 * step)
    return (16 * near - far - 30 * function(x)) / (12 * step**2)


def at(x: float | Array) -> Tensor:
    """Places on a line as the engine takes them, (M, 1) float64."""
    return torch.as_tensor(np.atleast_1d(x), dtype=torch.float64)[:, None]


def number(values: Tensor) -> float:
    """The one number of a tensor."""
    return float(values.squeeze())


def column(values: Tensor) -> Array:
    """What the engine says of (M, 1) places, (M,)."""
    return values.squeeze(1).numpy()


def two_humps(share: float = 0.3, std: float = 0.4) -> Mixture:
    """The data of most checks: a hump at -1 with this share of the mass, and one at 1.5."""
    return Mixture(torch.tensor([[-1.0], [1.5]]), torch.tensor([share, 1 - share]), std)


def density(data: Mixture, x: Array) -> Array:
    """The mixture's density at places x."""
    return data.pdf(at(x)).numpy()
