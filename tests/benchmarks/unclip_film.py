"""The eleven frames of a film between two pictures' embeddings (unCLIP), in shared calls against one after another.

All begin at the noise of one seed: the pictures' own, which DDIM inversion finds, would be found anew for each frame that is drawn alone.
"""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch

from lab.engine.lanes import drive
from lab.models.compiled import Workshop
from lab.models.loaders import make_cache
from lab.operations.house import House
from lab.operations.unclip import unclip
from lab.requests.unclip import Embedding, UnclipLane, UnclipRequest
from lab.settings import Settings
from tests.benchmarks._report import compare, medians_s

FRAMES, STEPS = 11, 15
PICTURES = tuple(np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8))
FILM = tuple(Embedding(weights=(1 - t, t)) for t in np.linspace(0, 1, FRAMES).tolist())


def draw(house: House, *frames: Embedding) -> None:
    lanes = tuple(UnclipLane(embedding=k, steps=STEPS) for k in range(len(frames)))
    for _ in unclip(UnclipRequest(pictures=PICTURES, embeddings=frames, lanes=lanes), house):
        pass


def one_by_one(house: House) -> None:
    for frame in FILM:
        draw(house, frame)


def main() -> None:
    settings, threads = Settings(device="cpu", dtype="float32"), torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder), threads)
        for engine, shop in (("OpenVINO", workshop), ("torch", None)):
            house = House(settings, make_cache(settings, shop), drive)
            together, alone = partial(draw, house, *FILM), partial(one_by_one, house)
            together(), draw(house, FILM[0])
            workshop.finish()
            figure = f"unCLIP in {engine}, a film of {FRAMES} frames in {STEPS} guided steps against each alone; {threads} threads"
            compare(figure, *medians_s(together, alone), "at most 0.8")


if __name__ == "__main__":
    main()
