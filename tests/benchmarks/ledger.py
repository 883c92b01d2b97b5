"""A full bill of the pixel model, 1,000 terms in full calls of the engine, against one network call a term.

As the lab runs it, compiled, against torch's eager mode; and both ways by the same means.
"""

import tempfile
from functools import partial
from pathlib import Path

import torch

from lab.engine.lanes import drive
from lab.engine.ledger import term_bits
from lab.engine.predictions import split_prediction
from lab.models.compiled import Workshop
from lab.models.loaders import make_cache
from lab.models.pictures import PictureSet
from lab.operations.bounds import ModelChain
from lab.operations.house import House
from lab.settings import ASSETS, Settings
from tests.benchmarks._report import compare, medians_s

CALLS = 1000


def in_full_calls(house: House, calls: int = CALLS) -> float:
    """The bill as the lab has it: bits under the learned variance."""
    with house.lease("pixel") as model:
        along = ModelChain("pixel", model, "cosine", calls, house)
        bound = along.bound(PICTURE, 0)
        return sum(bound.bits(i, record)["learned"] for i, record in along.records([bound]))


@torch.inference_mode()
def one_by_one(house: House, calls: int = CALLS) -> float:
    """The same terms, each from a call of the same network on one row."""
    with house.lease("pixel") as model:
        along = ModelChain("pixel", model, "cosine", calls, house)
        bound, denoiser, total = along.bound(PICTURE, 0), along.denoiser, 0.0
        for i, (x_t, t) in enumerate(bound.visits()):
            said = denoiser(x_t[None], torch.tensor([t]), [model.unconditional()])[0]
            guess, _ = split_prediction(said[:3], x_t, denoiser.process.level(t), denoiser.prediction_type)
            total += term_bits(bound.posterior(i), bound.x_0, x_t, guess, said[3:])["learned"]
        return total


PICTURE = PictureSet.load(ASSETS / "pictures").pixels[0]


def main() -> None:
    settings, threads = Settings(device="cpu", dtype="float32"), torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder), threads)
        compiled, eager = (House(settings, make_cache(settings, shop), drive) for shop in (workshop, None))
        for way in (one_by_one, in_full_calls):
            way(compiled, 32)  # what it asks for is compiled
            workshop.finish()
        works = [partial(way, house) for house in (compiled, eager) for way in (in_full_calls, one_by_one)]
        lab, compiled_singly, full, singly = medians_s(*works, repeats=1)
        figure = f"full bill of {CALLS:,} terms in full calls against one call a term; {threads} threads"
        compare(f"{figure}: the lab's against torch's", lab, singly, "at most 0.35")
        compare(f"{figure}: both by OpenVINO", lab, compiled_singly, "below 1")
        compare(f"{figure}: both by torch", full, singly, "below 1")


if __name__ == "__main__":
    main()
