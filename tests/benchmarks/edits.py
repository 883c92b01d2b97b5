"""Eight edits of one picture in shared calls, against eight runs one after another: four ways to fill a hole, and SDEdit."""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch

from lab.engine.lanes import drive
from lab.models.compiled import Workshop
from lab.models.loaders import make_cache
from lab.models.pictures import PictureSet
from lab.operations.edit import edit
from lab.operations.house import House
from lab.requests.edit import EditLane, EditRequest
from lab.requests.fields import Condition, Forward
from lab.settings import ASSETS, Settings
from tests.benchmarks._report import compare, medians_s

STEPS, SEEDS = 20, (0, 1)
METHODS = ("sdedit", "paste", "replace", "blend")


def request(model: str, schedule: str, lanes: tuple[EditLane, ...]) -> EditRequest:
    pictures = PictureSet.load(ASSETS / "pictures")
    picture = pictures.pixels[pictures.captions.index("dog face, flat style")]
    mask = np.zeros(picture.shape[:2], bool)
    mask[32:] = True
    return EditRequest(
        model=model, picture=picture, mask=mask, condition=Condition(prompt="tiger face"),
        forward=Forward(schedule=schedule), lanes=lanes,
    )  # fmt: skip


def draw(requests: list[EditRequest], house: House) -> None:
    for one in requests:
        for _ in edit(one, house):
            pass


def main() -> None:
    settings, threads = Settings(device="cpu", dtype="float32"), torch.get_num_threads()
    lanes = tuple(EditLane(method=name, steps=STEPS, seed=seed, guidance_scale=3) for name in METHODS for seed in SEEDS)
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder), threads)
        house = House(settings, make_cache(settings, workshop), drive)
        for model, schedule in (("text-to-image", "scaled_linear"), ("exact", "linear")):
            together = [request(model, schedule, lanes)]
            one_by_one = [request(model, schedule, (lane,)) for lane in lanes]
            draw(together + one_by_one, house)
            workshop.finish()
            figure = f"{len(lanes)} edits of {STEPS} steps, '{model}', shared calls; {threads} threads"
            compare(figure, *medians_s(partial(draw, together, house), partial(draw, one_by_one, house)), "at most 0.8")


if __name__ == "__main__":
    main()
