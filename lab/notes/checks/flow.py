"""What computes the checks of the chapter flow."""

import math
from itertools import pairwise

import numpy as np
import torch

from lab.engine.mixture import Mixture
from lab.engine.plane_lanes import Pairs, flow, preserving, velocity_of
from lab.engine.process import Level
from lab.notes.checks.dynamics import below, velocity
from lab.notes.numerics import at, column, density, draws, integral, line, mean_of, number, slope, two_humps
from lab.notes.step import STEPS, Sides, drawn, exact


def consistency(x: float, sigma: float, m: float, s: float) -> float:
    """The end of the flow from x at noise sigma, for data N(m, s^2)."""
    return m + s / math.hypot(s, sigma) * (x - m)


def guess(x: float, sigma: float, m: float, s: float) -> float:
    """E[x_0 | x] there, by the lab's mixture of one."""
    return number(Mixture(torch.tensor([[m]]), std=s).denoise(at(x), Level.from_sigma(sigma)))


def marginal(data: Mixture, x: float, t: float) -> float:
    """The density of the straight flow at t."""
    return number(data.at(Level.from_flow_time(t)).pdf(at(x)))


def marginal_velocity(data: Mixture, x: float, t: float) -> float:
    """E[eps - x_0 | x_t] there."""
    return number(data.velocity(at(x), Level.from_flow_time(t)))


def constant_along_the_way(x: float, sigma: float, m: float, s: float) -> Sides:
    along = (x - guess(x, sigma, m, s)) / sigma  # dx / dsigma of the flow
    by_noise = slope(lambda noise: consistency(x, noise, m, s), sigma)
    by_place = slope(lambda place: consistency(place, sigma, m, s), x)
    return exact(by_noise + by_place * along, 0)


def end_of_the_way(x: float, sigma: float, m: float, s: float) -> Sides:
    ends = []
    for steps in (200, 400):
        place, sigmas = x, sigma * (1 - np.arange(steps + 1) / steps) ** 3
        for now, after in pairwise(sigmas.tolist()):
            here = (place - _guess(place, now, m, s)) / now
            ahead = place + (after - now) * here
            there = (ahead - _guess(ahead, after, m, s)) / after if after else here
            place += (after - now) * (here + there) / 2
        ends.append(place)
    margin = 2 * abs(ends[1] - ends[0]) + 1e-6
    return Sides(consistency(x, sigma, m, s), ends[1], margin, STEPS)


def _guess(x: float, sigma: float, m: float, s: float) -> float:
    """As `guess`, in plain numbers, which a long walk needs."""
    return m + s**2 / (s**2 + sigma**2) * (x - m)


def guess_is_no_end(x: float, sigma: float, m: float, s: float) -> Sides:
    return exact(abs(guess(x, sigma, m, s) - m), abs(consistency(x, sigma, m, s) - m), "≤")


def continuity(x: float, t: float, share: float) -> Sides:
    data = two_humps(share)
    change = slope(lambda moment: marginal(data, x, moment), t)
    current = slope(lambda place: marginal_velocity(data, place, t) * marginal(data, place, t), x)
    return exact(change, -current, digits=1e-4)


def same_minimum(k: float, t: float, share: float, seed: int) -> Sides:
    level, data = Level.from_flow_time(t), two_humps(share)
    x_0 = data.sample(40_000, torch.Generator().manual_seed(seed))
    eps = torch.from_numpy(draws(seed + 1, 1, 40_000)).T
    x_t = level.signal * x_0 + level.noise * eps
    mean, single = data.velocity(x_t, level), eps - x_0
    x = line(reach=8)
    mean_square = integral(density(data.at(level), x) * column(data.velocity(at(x), level)) ** 2, x)
    place, spread = data.moments()
    whole = 1 + number(spread) + number(place) ** 2
    return drawn(mean_of(column((k * x_t - single) ** 2 - (k * x_t - mean) ** 2)), whole - mean_square)


def by_denoiser(x: float, t: float, share: float) -> Sides:
    data = two_humps(share)
    return exact(marginal_velocity(data, x, t), number(velocity_of(data.denoise)(at(x), t)))


def general_path(x: float, t: float, share: float) -> Sides:
    data, level = two_humps(share), preserving(t)
    x_0 = data.denoise(at(x), level)
    eps = (at(x) - level.signal * x_0) / level.noise
    signal = slope(lambda moment: preserving(moment).signal, t)
    noise = slope(lambda moment: preserving(moment).noise, t)
    return exact(signal * number(x_0) + noise * number(eps), velocity(data, x, t), digits=1e-5)


def one_equation(x: float, t: float, share: float) -> Sides:
    data, straight = two_humps(share), Level.from_flow_time(t)
    curved = Level.from_alpha_bar(straight.alpha_bar)  # variance preserving, of equal ratio
    by_flow = x + straight.signal * marginal_velocity(data, x, t)
    score = number(data.score_at(at(x / straight.norm), curved))
    return exact(by_flow, -curved.noise * score)


def same_end(start: float, share: float) -> Sides:
    data, ends = two_humps(share), []
    for steps in (60, 120):
        *_, end = flow(lambda x, t: data.velocity(x, Level.from_flow_time(t)), at(start), steps)
        ends.append(below(data, number(end)))
    rank = 0.5 * (1 + math.erf(start / math.sqrt(2)))
    return Sides(ends[1], rank, 2 * abs(ends[1] - ends[0]) + 1e-4, STEPS)


def reflow(x: float, t: float, seed: int) -> Sides:
    data = two_humps()
    x_0 = data.sample(60, torch.Generator().manual_seed(seed)).sort(0).values
    z = torch.from_numpy(draws(seed + 1, 1, 60)).T.sort(0).values  # in one dimension a flow keeps ranks
    pairs = Pairs(z, x_0, 0.3)
    change = slope(lambda moment: number(pairs.at(moment).pdf(at(x))), t)
    current = slope(lambda place: number(pairs.velocity(at(place), t) * pairs.at(t).pdf(at(place))), x)
    return exact(change, -current, digits=1e-4)


def cheaper(seed: int, share: float) -> Sides:
    data = two_humps(share)
    x_0 = data.sample(20_000, torch.Generator().manual_seed(seed))[:, 0].numpy()
    (z,) = draws(seed + 1, 1, 20_000)
    return exact(float(((np.sort(z) - np.sort(x_0)) ** 2).mean()), float(((z - x_0) ** 2).mean()), "≤")
