"""What computes the checks of the chapter basics."""

import numpy as np
import torch

from lab.engine.noising import gaussian, to_tensor
from lab.engine.plane_lanes import ddim
from lab.notes.chapters.basics import MIDDLE, STARTS
from lab.notes.checks.dynamics import below
from lab.notes.numerics import at, column, density, draws, integral, line, mean_of, number, slope, two_humps
from lab.notes.step import DRAWS, STEPS, Sides, drawn, exact


def scale(grey: int) -> Sides:
    picture = np.full((1, 1, 3), grey, dtype=np.uint8)
    return exact(to_tensor(picture)[0, 0, 0].item(), 2 * grey / 255 - 1)


def area(centre: float, reach: float, share: float, seed: int) -> Sides:
    data = two_humps(share)
    x = column(data.sample(DRAWS, torch.Generator().manual_seed(seed)))
    met, error = mean_of((np.abs(x - centre) <= reach).astype(np.float64))
    strip = line(centre, reach)
    return drawn((met, max(error, 1 / DRAWS)), integral(density(data, strip), strip))


def mean(count: int, share: float, seed: int) -> Sides:
    data, x = two_humps(share), line(reach=6)
    sample = column(data.sample(count, torch.Generator().manual_seed(seed)))
    return drawn(mean_of(sample**2), integral(x**2 * density(data, x), x))


def normal(m: float, s: float, seed: int) -> Sides:
    x = m + s * gaussian(seed, 0, (DRAWS,)).double().numpy()
    return drawn(mean_of((x - m) ** 2), s**2)


def sum(a: float, b: float, share: float, seed: int) -> Sides:
    data = two_humps(share)
    mean, variance = (number(one) for one in data.moments())
    x = column(data.sample(DRAWS, torch.Generator().manual_seed(seed)))
    (eps,) = draws(seed + 1)
    return drawn(mean_of((a * x + b * eps - a * mean) ** 2), a**2 * variance + b**2)


def bayes(x: float, share: float) -> Sides:
    data = two_humps(share)
    one, other = (number(data.part(torch.tensor([i])).pdf(at(x))) for i in (0, 1))
    by_hand = share * one / (share * one + (1 - share) * other)
    return exact(number(data.responsibilities(at(x))[:, :1]), by_hand)


def slope_check(x: float, share: float) -> Sides:
    data = two_humps(share)
    return exact(slope(lambda place: number(data.log_pdf(at(place))), x), number(data.score(at(x))))


def walk(share: float, steps: int) -> Sides:
    data = two_humps(share)
    ranks = (torch.arange(STARTS, dtype=torch.float64) + 0.5) / STARTS
    ends = []
    for count in (steps, 2 * steps):
        *_, last = ddim(data.score_at, torch.special.ndtri(ranks)[:, None], count)
        ends.append(float((last < MIDDLE).double().mean()))
    return Sides(ends[1], below(data, MIDDLE), 2 * abs(ends[1] - ends[0]) + 2 / STARTS, STEPS)
