"""Eight lanes of twenty steps sharing their denoiser calls, against eight runs one after another."""

import torch

from lab.catalog import SAMPLERS
from lab.engine.lanes import Lane, StepNoise, drive
from lab.engine.samplers import make_scheduler
from lab.models.exact import ExactDenoiser
from tests.benchmarks._report import compare, exact_data, medians_s

LANES = ("ddpm", "ddim", "pndm", "euler", "euler_a", "dpmpp_2m", "unipc", "deis")
STEPS = 20


def lane(index: int, name: str, denoiser: ExactDenoiser) -> Lane:
    row = SAMPLERS[name]
    scheduler = make_scheduler(row.scheduler, denoiser.process, "epsilon", STEPS, "trailing", row.options)
    noise = StepNoise(index)
    return Lane(index, scheduler, noise.initial(denoiser.shape), noise, denoiser.data.everything)


def main() -> None:
    data, words = exact_data()
    denoiser = ExactDenoiser(data, torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0))

    def together() -> None:
        list(drive(denoiser, [lane(index, name, denoiser) for index, name in enumerate(LANES)]))

    def one_by_one() -> None:
        for index, name in enumerate(LANES):
            list(drive(denoiser, [lane(index, name, denoiser)]))

    compare(f"lane loop, 8 lanes of {STEPS} steps; {words}", *medians_s(together, one_by_one), "at most 0.67")


if __name__ == "__main__":
    main()
