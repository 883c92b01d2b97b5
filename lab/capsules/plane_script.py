"""A script of the plane in NumPy alone: data, level, denoiser and the steps of each lane, in sixty lines beside the points.

Its steps are those of lab/engine/plane_lanes.py. Noise is NumPy's, so that shares agree with the page's within their errors,
and single particles do not.
"""

from collections.abc import Sequence
from itertools import groupby
from textwrap import fill, indent

LANES = ("exact", "langevin", "annealed", "ddpm", "ddim", "sde", "flow")  # those that it knows
STARTS = {
    "noise": "rng.standard_normal((COUNT, 2))",
    "square": "rng.uniform(-1.6, 1.6, (COUNT, 2))",
    "mode": "draws(CLASSES == np.argmin(TRUTH))",
}
PLAIN, FIRST, LAST, SIZE = 0.05, 4.0, 0.2, 0.004  # sigmas and step size of Langevin dynamics, as in the page's runs.js


def plane_script(
    title: str,
    points: Sequence[tuple[float, float]],
    weights: Sequence[float],
    std: float,
    classes: Sequence[int],
    lanes: Sequence[str],
    steps: int,
    seed: int,
    start: str = "noise",
    size: float = 1.0,
) -> str:
    """A script that moves 1,280 particles by each of `lanes` (of LANES) and prints the share of each class.

    `title` names the data: `points` with `weights`, each blurred by `std`, and the class of each. `start` is of STARTS; `size` is
    Langevin's step size, times the paper's.
    """
    return _SCRIPT.format(
        title=title,
        lanes=list(lanes),
        steps=steps,
        seed=seed,
        std=std,
        points=indent(fill(", ".join(f"({x:g},\xa0{y:g})" for x, y in points), 114).replace("\xa0", " "), "    "),
        weights=_runs(weights),
        classes=_runs(classes),
        start=STARTS[start],
        plain=PLAIN,
        first=FIRST,
        last=LAST,
        size=SIZE * size,
    )


def _runs(values: Sequence[float]) -> str:
    """An array in code; values that repeat are counted."""
    runs = [(value, len(list(group))) for value, group in groupby(values)]
    return f"np.repeat({[value for value, _ in runs]}, {[count for _, count in runs]})"


_SCRIPT = '''\
"""{title}: the plane of Diffusion Lab in NumPy alone. Prints which share of 1,280 particles each class gets.

Lanes are of Song & Ermon 2019 (langevin, annealed), Ho et al. 2020 (ddpm), Song et al. 2021 (ddim, sde) and Liu et
al. 2023 (flow). Noise is NumPy's: shares are the page's within their errors, single particles are others.
"""

import numpy as np

LANES, STEPS, SEED, COUNT, STD = {lanes}, {steps}, {seed}, 1280, {std}
POINTS = np.array([
{points}
])
WEIGHTS = {weights}
CLASSES = {classes}
SIGMAS = np.geomspace({last}, {first}, min(10, STEPS))[::-1]  # of annealed Langevin
TRUTH = np.bincount(CLASSES, WEIGHTS / WEIGHTS.sum())


def draws(rows):
    chosen = rng.choice(np.flatnonzero(rows), COUNT, p=WEIGHTS[rows] / WEIGHTS[rows].sum())
    return POINTS[chosen] + STD * rng.standard_normal((COUNT, 2))

def odds(x, signal, noise):  # which point is x_t = signal * x_0 + noise * eps of?
    squares = ((x[:, None] - signal * POINTS) ** 2).sum(2)
    logits = np.log(WEIGHTS) - squares / (2 * ((signal * STD) ** 2 + noise**2))
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)

def mean(x, signal, noise):  # E[x_0 | x_t], the optimal denoiser
    point = odds(x, signal, noise) @ POINTS
    return point + signal * STD**2 / ((signal * STD) ** 2 + noise**2) * (x - signal * point)

def level(t):  # signal and noise of the variance-preserving SDE, beta from 0.1 to 20
    log = -19.9 * t**2 / 2 - 0.1 * t
    return np.exp(log / 2), np.sqrt(-np.expm1(log))

def step(lane, x, i):
    t, s = 1 - i / STEPS, 1 - (i + 1) / STEPS
    if lane == "flow":
        return x + (s - t) * (x - mean(x, 1 - t, t)) / t
    if lane in ("langevin", "annealed"):
        sigma = {plain} if lane == "langevin" else SIGMAS[i * len(SIGMAS) // STEPS]
        size = {size:g} if lane == "langevin" else {size:g} * (sigma / SIGMAS[-1]) ** 2
        return x + size / 2 * (mean(x, 1, sigma) - x) / sigma**2 + size**0.5 * rng.standard_normal(x.shape)
    (a, n), (b, m) = level(t), level(s)
    x_0 = mean(x, a, n)
    if lane == "ddim":
        return b * x_0 + m * (x - a * x_0) / n
    z = rng.standard_normal(x.shape)
    if lane == "ddpm":
        fresh = n**2 - (a / b * m) ** 2
        return (a / b * m**2 * x + b * fresh * x_0) / n**2 + fresh**0.5 * m / n * z
    rate = (0.1 + 19.9 * t) / STEPS
    return x + rate * (x / 2 + (a * x_0 - x) / n**2) + (rate**0.5 * z if i < STEPS - 1 else 0)

print("data     ", TRUTH.round(3))
for lane in LANES:
    rng = np.random.default_rng(SEED)
    x = draws(CLASSES >= 0) if lane == "exact" else {start}
    if lane in ("langevin", "annealed"):
        x = x * (1 + ({plain} if lane == "langevin" else SIGMAS[0]) ** 2) ** 0.5
    for i in range(0 if lane == "exact" else STEPS):
        x = step(lane, x, i)
    likely = (odds(x, 1, 0) @ np.eye(len(TRUTH))[CLASSES]).argmax(1)
    print(f"{{lane:9}}", (np.bincount(likely, minlength=len(TRUTH)) / COUNT).round(3))
'''
