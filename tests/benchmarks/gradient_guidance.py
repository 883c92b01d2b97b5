"""Eight lanes of twenty steps pulled by a gradient, against as many under classifier-free guidance: what the gradient costs.

Classifier-free guidance calls the network twice a step. A classifier of noisy pictures takes the place of one of these calls with
its own, half as large, forwards and back; a loss of predicted x_0 with the network's way back.
"""

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

LANES, STEPS = 8, 20
RULES = ("classifier", "clip", "colour")


def request(rule: str) -> SamplingRequest:
    return SamplingRequest(
        model="pixel",
        condition=Condition(prompt="apple", group="food-drink"),
        forward=Forward(schedule="cosine"),
        lanes=tuple(LaneSettings(steps=STEPS, guidance_scale=3, rule=rule, seed=seed) for seed in range(LANES)),
    )


def draw(rule: str, house: House) -> None:
    for _ in sampling(request(rule), house):
        pass


def main() -> None:
    settings = Settings(device="cpu", dtype="float32")
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder), threads)
        for engine, shop in (("OpenVINO", workshop), ("torch", None)):
            house = House(settings, make_cache(settings, shop), drive)
            draw("cfg", house)
            workshop.finish()
            for rule in RULES:
                figure = (
                    f"{rule} against cfg, pixel model in {engine}, {LANES} lanes of {STEPS} steps; {threads} threads"
                )
                compare(figure, *medians_s(partial(draw, rule, house), partial(draw, "cfg", house)), "at most 1.6")


if __name__ == "__main__":
    main()
