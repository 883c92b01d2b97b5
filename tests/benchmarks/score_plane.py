"""The figures of the plane, as computed values: mean over ten seeds, with the standard error of that mean.

Shares of the modes by each way of sampling (Song and Ermon 2019, Figure 3), how straight paths are and what few calls draw (Liu et
al. 2023), what guidance does to exact scores (Ho and Salimans 2022), and where a learned score is right (Song and Ermon 2019,
Figure 2). One JSON line a figure.
"""

import statistics
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from lab.engine.mixture import Field, Mixture, guided
from lab.engine.plane_lanes import (
    Pairs,
    annealed_langevin,
    ddim,
    ddpm,
    flow,
    geometric,
    heun,
    langevin,
    normals,
    reverse_sde,
    velocity_of,
)
from lab.engine.plane_measures import energy_distance, shares, straightness
from lab.engine.process import Level
from lab.toy_data import TOYS
from tests.benchmarks._learned import HIGHEST, LOWEST, train
from tests.benchmarks._report import value

SEEDS = range(10)
PARTICLES = 1280  # of the paper's Figure 3
DATA = Level(1.0, 0.0)
Lane = Iterator[Tensor]


def toy(name: str, scale: float = 1.0) -> tuple[Mixture, Tensor]:
    """A row of the toy data, with all lengths times `scale`, and the class of each point."""
    row = TOYS[name]
    points, weights = (torch.tensor(values, dtype=torch.float64) for values in (row.points, row.weights))
    return Mixture(scale * points, weights, scale * row.std), torch.tensor(row.classes)


def last(lane: Lane) -> Tensor:
    *_, x = lane
    return x


def starts(seed: int, count: int = PARTICLES) -> Tensor:
    """Draws of N(0, I); not those that the lane's own noise of the same seed begins with."""
    return normals(10_000 + seed)(torch.empty(count, 2, dtype=torch.float64))


# --- Figure 3 of Song and Ermon 2019, in the paper's lengths


def uniform(seed: int, half: float = 8.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return half * (2 * torch.rand(PARTICLES, 2, generator=generator, dtype=torch.float64) - 1)


def figure_3(way: str, seed: int) -> float:
    """The share of the heavy mode among 1,280 particles; way is "exact", "annealed", or a number of plain Langevin steps."""
    data, classes = toy("two-modes", scale=5)
    if way == "exact":
        x = data.sample(PARTICLES, torch.Generator().manual_seed(seed))
    elif way == "annealed":
        x = last(annealed_langevin(data.score_at, uniform(seed), geometric(20, 1, 10), 100, 0.1, normals(seed)))
    else:
        x = last(langevin(data.score_at, uniform(seed), DATA, int(way), 0.1, normals(seed)))
    return float(shares(x, data, classes)[1])


# --- lanes with so many calls


LANES: dict[str, Callable[[Mixture, Tensor, int, int], Lane]] = {
    "DDPM": lambda data, x, calls, seed: ddpm(data.score_at, x, calls, normals(seed)),
    "reverse SDE": lambda data, x, calls, seed: reverse_sde(data.score_at, x, calls, normals(seed)),
    "DDIM": lambda data, x, calls, seed: ddim(data.score_at, x, calls),
    "flow, Euler": lambda data, x, calls, seed: flow(velocity_of(data.denoise), x, calls),
    "flow, Heun": lambda data, x, calls, seed: heun(velocity_of(data.denoise), x, (calls + 1) // 2),
    "annealed Langevin": lambda data, x, calls, seed: annealed_langevin(
        data.score_at, 4 * x, geometric(4, 0.02, calls), 1, 0.5 * 0.02**2, normals(seed)
    ),
}


def mode_share(lane: str, calls: int, seed: int) -> float:
    """The share of the heavy mode by a lane of the diffusion or the flow."""
    data, classes = toy("two-modes")
    return float(shares(last(LANES[lane](data, starts(seed), calls, seed)), data, classes)[1])


def distance(x: Tensor, data: Mixture, seed: int) -> float:
    """The energy distance to as many exact draws of the data."""
    return energy_distance(x, data.sample(len(x), torch.Generator().manual_seed(20_000 + seed)))


def lane_distance(name: str, lane: str, calls: int, seed: int) -> float:
    data, _ = toy(name)
    return distance(last(LANES[lane](data, starts(seed), calls, seed)), data, seed)


def floor(name: str, seed: int) -> float:
    """The energy distance of two sets of exact draws."""
    data, _ = toy(name)
    return distance(data.sample(PARTICLES, torch.Generator().manual_seed(seed)), data, seed)


def on_data(x: Tensor, data: Mixture) -> float:
    """The share of particles where the density is above that at all but one percent of exact draws."""
    draws = data.sample(4000, torch.Generator().manual_seed(0))
    return float((data.log_pdf(x) > data.log_pdf(draws).quantile(0.01)).double().mean())


# --- straightness


PAIRS, BANDWIDTH = 800, 0.1  # of reflow


def reflows(name: str, seed: int, count: int = PAIRS, steps: int = 50) -> list[Pairs]:
    """The pairs of two reflows: noise and where the flow before it ends, first that of the exact marginal velocity."""
    data, _ = toy(name)
    velocity, pairs = velocity_of(data.denoise), []
    for again in (1, 2):
        z = starts(1000 * again + seed, count)
        pairs.append(Pairs(z, last(flow(velocity, z, steps)), BANDWIDTH))
        velocity = pairs[-1].velocity
    return pairs


def bends(name: str, seed: int, count: int = PAIRS, steps: int = 50) -> dict[str, tuple[float, float, float]]:
    """By kind of path: straightness over E|Z_1 - Z_0|^2, the energy distance where one step ends, and where all end."""
    data, _ = toy(name)
    once, twice = reflows(name, seed, count, steps)
    lanes: dict[str, Callable[[Tensor, int], Lane]] = {
        "DDIM": partial(ddim, data.score_at),
        "marginal velocity": partial(flow, velocity_of(data.denoise)),
        "one reflow": partial(flow, once.velocity),
        "two reflows": partial(flow, twice.velocity),
    }
    found = {}
    for title, lane in lanes.items():
        path = list(lane(starts(seed), steps))
        one = last(lane(starts(seed), 1))
        found[title] = (straightness(path)[1], distance(one, data, seed), distance(path[-1], data, seed))
    return found


# --- guidance


def guidance(name: str, scale: float, seed: int, steps: int = 200) -> tuple[float, float]:
    """How far guidance of exact scores moves a class's mean, in its own deviations, and its deviation over that of the class.
    The first class, by DDIM."""
    data, classes = toy(name)
    part = data.part(classes == 0)
    x = last(ddim(guided(part.score_at, data.score_at, scale), starts(seed), steps))
    mean, covariance = part.moments()
    deviation = float(covariance.trace().sqrt())
    spread = float((x - x.mean(0)).square().sum(1).mean().sqrt())
    return float((x.mean(0) - mean).norm()) / deviation, spread / deviation


# --- a learned score


def score_error(score: Field, data: Mixture, places: Tensor, level: Level[float]) -> float:
    """sqrt(E|s - s*|^2 / E|s*|^2) over places (M, 2)."""
    exact = data.score_at(places, level)
    return float(((score(places, level) - exact).square().sum() / exact.square().sum()).sqrt())


def regions(data: Mixture, level: Level[float], seed: int, half: float = 1.6) -> tuple[Tensor, Tensor]:
    """Places where data are, drawn from them at the level, and where none are: of the window, those where the density is
    under a thousandth of its highest."""
    there = data.at(level).sample(PARTICLES, torch.Generator().manual_seed(30_000 + seed))
    window = uniform(40_000 + seed, half)
    density = data.at(level).pdf(window)
    return there, window[density < 1e-3 * data.at(level).pdf(data.points).max()]


def figure_2(seed: int, sigmas: tuple[float, float], steps: int = 2000) -> tuple[float, float, float]:
    """A network trained at sigmas from the first to the second: its error at the first where data are and where none are,
    and at the highest sigma over the window."""
    data, _ = toy("two-modes")
    level, highest = (Level.from_sigma(sigma) for sigma in sigmas)
    network = train(data, (highest.log_snr, level.log_snr), seed, steps)
    there, nowhere = regions(data, level, seed)
    errors = [score_error(network.score, data, places, level) for places in (there, nowhere)]
    return errors[0], errors[1], score_error(network.score, data, uniform(seed, 1.6), highest)


def learned_chain(name: str, seed: int, steps: int = 3000) -> tuple[float, float]:
    """The energy distance that 100 steps of DDPM end at, and the share of them `on_data`, with a network trained at all levels of the variance-preserving SDE
    (Sohl-Dickstein et al. 2015, Figure 1, on the swiss roll)."""
    data, _ = toy(name)
    network = train(data, (LOWEST, HIGHEST), seed, steps)
    x = last(ddpm(network.score, starts(seed), 100, normals(seed)))
    return distance(x, data, seed), on_data(x, data)


# --- all of them


def report(figure: str, values: list[float], aim: str = "") -> None:
    """One line: the mean over seeds and its standard error."""
    error = statistics.stdev(values) / len(values) ** 0.5
    value(figure, statistics.mean(values), error=error, **({"aim": aim} if aim else {}))


def main() -> None:
    torch.set_num_threads(1)
    show_shares()
    show_calls()
    show_straightness()
    show_guidance()
    show_learned()


def show_shares() -> None:
    for way, aim in (
        ("exact", "0.80"),
        ("1000", "about 0.5: where it started"),
        ("10000", "as after 1000"),
        ("annealed", "0.80"),
    ):
        title = f"plain Langevin, {way} steps" if way.isdigit() else way
        report(f"share of the heavy mode, Figure 3, {title}", [figure_3(way, seed) for seed in SEEDS], aim)
    for lane in ("DDPM", "reverse SDE", "DDIM", "flow, Euler", "flow, Heun"):
        report(f"share of the heavy mode, {lane}, 100 calls", [mode_share(lane, 100, seed) for seed in SEEDS], "0.80")


def show_calls() -> None:
    for name in ("eight", "swiss-roll"):
        report(f"energy distance to {name}, exact draws", [floor(name, seed) for seed in SEEDS])
        for lane in LANES:
            for calls in (1, 2, 4, 8, 32):
                values = [lane_distance(name, lane, calls, seed) for seed in SEEDS]
                report(f"energy distance to {name}, {lane}, {calls} calls", values)


def show_straightness() -> None:
    for name in ("eight", "swiss-roll"):
        found = [bends(name, seed) for seed in SEEDS]
        for title in found[0]:
            bend, one, whole = (list(values) for values in zip(*(each[title] for each in found)))
            report(f"straightness S / E|Z_1 - Z_0|^2 of paths to {name}, {title}", bend)
            report(f"energy distance to {name}, {title}, 1 call", one)
            report(f"energy distance to {name}, {title}, 50 calls", whole)


def show_guidance() -> None:
    for name in ("eight", "letters"):
        for scale in (1, 2, 4, 8):
            shift, spread = zip(*(guidance(name, scale, seed) for seed in SEEDS))
            report(f"guidance on {name}, scale {scale}: shift of the mean in deviations of the class", list(shift))
            report(f"guidance on {name}, scale {scale}: deviation over that of the class", list(spread))


def show_learned() -> None:
    for title, sigmas in (("one small sigma", (0.1, 0.1)), ("sigmas 0.1 to 4", (0.1, 4.0))):
        there, nowhere, highest = (list(values) for values in zip(*(figure_2(seed, sigmas) for seed in SEEDS)))
        report(f"relative error of a score learned at {title}, at sigma 0.1 where data are", there)
        report(f"relative error of a score learned at {title}, at sigma 0.1 where none are", nowhere)
        report(f"relative error of a score learned at {title}, at its highest sigma over the window", highest)
    data, _ = toy("swiss-roll")
    far, on = (list(values) for values in zip(*(learned_chain("swiss-roll", seed) for seed in SEEDS)))
    report("energy distance to swiss-roll, learned DDPM, 100 calls", far, "near that of exact draws")
    report("share on swiss-roll, learned DDPM, 100 calls", on, "near 0.99")
    report("energy distance to swiss-roll, N(0, I)", [distance(starts(seed), data, seed) for seed in SEEDS])
    report("share on swiss-roll, N(0, I)", [on_data(starts(seed), data) for seed in SEEDS])


if __name__ == "__main__":
    main()
