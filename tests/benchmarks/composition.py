"""Sixteen composed lanes of ten steps in shared calls, against each lane alone: two descriptions of one picture, guided.

A lane alone makes a call of four rows at a step, two descriptions in two halves; sixteen share calls of many. An anagram of latents
decodes and encodes two pictures more for each half, one by one, which sharing cannot make cheaper.
"""

import tempfile
from functools import partial
from pathlib import Path

import torch

from lab.engine.lanes import drive
from lab.models.compiled import Workshop
from lab.models.loaders import make_cache
from lab.operations.edit import edit
from lab.operations.house import House
from lab.requests.edit import EditLane, EditRequest
from lab.requests.fields import Condition
from lab.settings import Settings
from tests.benchmarks._report import compare, medians_s

LANES, STEPS = 16, 10
AIMS = {"left-right": "at most 0.9", "frequencies": "at most 0.9", "turn": "at most 1.1"}


def draw(view: str, seeds: range, house: House) -> None:
    request = EditRequest(
        condition=Condition(prompt="carrot", style="3D"),
        source=Condition(prompt="rocket", style="3D"),
        view=view,
        lanes=tuple(EditLane(method="composed", steps=STEPS, guidance_scale=4, seed=seed) for seed in seeds),
    )
    for _ in edit(request, house):
        pass


def one_by_one(view: str, house: House) -> None:
    for seed in range(LANES):
        draw(view, range(seed, seed + 1), house)


def main() -> None:
    settings = Settings(device="cpu", dtype="float32")
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder), threads)
        house = House(settings, make_cache(settings, workshop), drive)
        for view, aim in AIMS.items():
            draw(view, range(LANES), house)
            draw(view, range(1), house)
            workshop.finish()
            figure = f"two at once, {view}, {LANES} lanes of {STEPS} steps against each alone; {threads} threads"
            together = partial(draw, view, range(LANES), house)
            compare(figure, *medians_s(together, partial(one_by_one, view, house)), aim)


if __name__ == "__main__":
    main()
