"""Eight lanes of the upsampler, one for each of eight steps of noise augmentation, in shared calls against one after another."""

import tempfile
from pathlib import Path

import numpy as np
import torch

from lab.engine.lanes import drive
from lab.models.compiled import Workshop
from lab.models.loaders import make_cache
from lab.operations.enlarge import enlarge
from lab.operations.house import House
from lab.requests.enlarge import MOST_NOISE, EnlargeLane, EnlargeRequest
from lab.settings import Settings
from tests.benchmarks._report import compare, medians_s

LANES, STEPS = 8, 15
PICTURE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
SWEEP = tuple(EnlargeLane(steps=STEPS, noise=int(noise)) for noise in np.linspace(0, MOST_NOISE, LANES))


def draw(house: House, *lanes: EnlargeLane) -> None:
    for _ in enlarge(EnlargeRequest(picture=PICTURE, lanes=lanes), house):
        pass


def main() -> None:
    settings, threads = Settings(device="cpu", dtype="float32"), torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder), threads)
        for engine, shop in (("OpenVINO", workshop), ("torch", None)):
            house = House(settings, make_cache(settings, shop), drive)

            def together(house: House = house) -> None:
                draw(house, *SWEEP)

            def one_by_one(house: House = house) -> None:
                for lane in SWEEP:
                    draw(house, lane)

            together(), one_by_one()
            workshop.finish()
            figure = f"upsampler to 64 px in {engine}, {LANES} lanes of {STEPS} steps; {threads} threads"
            compare(figure, *medians_s(together, one_by_one), "at most 1.0")


if __name__ == "__main__":
    main()
