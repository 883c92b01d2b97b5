"""Networks compiled by OpenVINO against torch's eager mode, both in float32 on the same threads of the CPU."""

import tempfile
from functools import partial
from pathlib import Path

import torch

from lab.engine.lanes import drive
from lab.models.compiled import Workshop
from lab.models.loaders import make_cache
from lab.operations.house import House
from lab.operations.sampling import sampling
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneSettings, SamplingRequest
from lab.settings import Settings
from tests.benchmarks._report import compare, medians_s

STEPS = 10
CROWDS = (1, 8)  # guided lanes at once: calls of 2 and of 16 rows


def request(lanes: int) -> SamplingRequest:
    return SamplingRequest(
        model="text-to-image",
        condition=Condition(prompt="red heart"),
        forward=Forward(schedule="scaled_linear"),
        lanes=tuple(LaneSettings(steps=STEPS, guidance_scale=5, seed=seed) for seed in range(lanes)),
    )


def draw(asked: SamplingRequest, house: House) -> None:
    for _ in sampling(asked, house):
        pass


def main() -> None:
    settings = Settings(device="cpu", dtype="float32")
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder), threads)
        houses = [House(settings, make_cache(settings, shop), drive) for shop in (workshop, None)]
        draw(request(1), houses[0])
        workshop.finish()
        for lanes in CROWDS:
            ours, naive = (partial(draw, request(lanes), house) for house in houses)
            figure = f"{lanes} guided at once, {STEPS} steps, OpenVINO against torch; {threads} threads"
            compare(figure, *medians_s(ours, naive), "at most 0.8")


if __name__ == "__main__":
    main()
