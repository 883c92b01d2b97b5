"""Figure 3 of Song & Ermon 2019 on pictures: two groups of 80 and 20, the share of the first in what each sampler ends in.

Plain Langevin keeps the share of its start, annealed Langevin and DDPM find that of the data. Ends are counted by the group
of the nearest picture. Also what a lane's call costs beside Euler's.
"""

import statistics
from functools import partial

import numpy as np
import torch

from lab.catalog import SAMPLERS
from lab.engine.lanes import Lane, StepNoise, drive
from lab.engine.samplers import make_scheduler
from lab.models.loaders import LoadedExact, load
from lab.requests.fields import Forward
from lab.settings import Settings
from tests.benchmarks._report import compare, medians_s, value

GROUPS, COUNTS = ("smileys-emotion", "animals-nature"), (80, 20)
TRUTH = COUNTS[0] / sum(COUNTS)
STARTS = (
    "noise",
    *GROUPS,
)  # x_T: the same noise for all; or near a picture of a group, at the level a lane begins with


def chosen(model: LoadedExact) -> list[np.ndarray]:
    """The numbers of 80 pictures of the first group and 20 of the second, spread evenly over each."""
    found = [np.flatnonzero(np.array(model.pictures.groups) == group) for group in GROUPS]
    return [own[np.arange(count) * len(own) // count] for own, count in zip(found, COUNTS, strict=True)]


def share(model: LoadedExact, sampler: str, steps: int, seeds: range, start: str = "noise") -> float:
    """The part of one run a seed that ends nearest to a picture of the first group."""
    denoiser, groups = model.denoiser(Forward()), chosen(model)
    support = model.data.support(torch.from_numpy(np.concatenate(groups)))
    row, lanes = SAMPLERS[sampler], []
    for seed in seeds:
        scheduler = make_scheduler(
            row.scheduler, denoiser.process, denoiser.prediction_type, steps, options=row.options
        )
        noise = StepNoise(seed)
        x_T = noise.initial(denoiser.shape)
        if start != "noise":
            own = groups[GROUPS.index(start)]
            picture = model.data.centred[own[seed % len(own)]] + model.data.mean
            level = denoiser.process.level(float(scheduler.timesteps[0]))
            x_T = level.signal * picture.reshape(denoiser.shape) + level.noise * x_T
        lanes.append(Lane(seed, scheduler, x_T, noise, support))
    ends = [record.x_0 for record in drive(denoiser, lanes, max_rows=64) if record.i == record.n]
    return statistics.mean(model.data.nearest(x_0)[0] in groups[0] for x_0 in ends)


def standard_error(count: int, probability: float = TRUTH) -> float:
    """Of a share of `count` independent runs."""
    return (probability * (1 - probability) / count) ** 0.5


def main() -> None:
    model, repeats = load("exact-32", Settings()), 5
    # Plain Langevin is where it began after a few steps, so fewer runs tell as much.
    for sampler, steps, runs in (("langevin", 100, 20), ("langevin", 500, 4), ("annealed", 50, 100), ("ddpm", 50, 100)):
        for start in STARTS:
            shares = [share(model, sampler, steps, range(k * runs, (k + 1) * runs), start) for k in range(repeats)]
            value(
                f"share of the group that has {TRUTH:.0%}: {SAMPLERS[sampler].title}, {steps} steps, start: {start}",
                statistics.mean(shares),
                parts=shares,
                runs=runs * repeats,
                standard_error=standard_error(runs * repeats),
            )
    for sampler in ("flow_euler", "flow_heun", "langevin", "annealed"):
        ours, euler = medians_s(*(partial(share, model, name, 50, range(16)) for name in (sampler, "euler")))
        calls = SAMPLERS[sampler].calls(50) / 50
        compare(f"16 lanes of 50 steps, a call: {SAMPLERS[sampler].title} beside Euler", ours / calls, euler, "about 1")


if __name__ == "__main__":
    main()
