"""Toy models of Gaussian data, and a house of them that notes what is driven."""

import torch

from lab.engine.lanes import drive
from lab.engine.process import VariancePreserving
from lab.models.cache import ModelCache
from lab.operations.house import House
from lab.settings import Settings
from tests.toys import Pictured

SHAPE = (3, 8, 8)
PROMPTS = {"": -0.2, "apple": 0.6, "blue": 0.3}  # the mean of the data that each stands for
PATTERN = torch.randn(SHAPE, generator=torch.Generator().manual_seed(9))


class Gaussian:
    """The exact denoiser of data N(m * pattern, 0.4^2 I), with a row's m by its prompt. Notes the rows of each call."""

    shape = SHAPE

    def __init__(self, prediction_type):
        self.prediction_type, self.calls = prediction_type, []
        self.process = VariancePreserving(torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0))

    def __call__(self, x_t, t, conditioning):
        self.calls.append(list(conditioning))
        a = self.process.alphas_cumprod[t.long()].to(x_t)[:, None, None, None]
        mean = torch.tensor([PROMPTS[prompt] for prompt in conditioning])[:, None, None, None] * PATTERN
        x_0 = mean + a.sqrt() * 0.16 / (a * 0.16 + 1 - a) * (x_t - a.sqrt() * mean)
        eps = (x_t - a.sqrt() * x_0) / (1 - a).sqrt()
        return {"epsilon": eps, "v_prediction": a.sqrt() * eps - (1 - a).sqrt() * x_0, "sample": x_0}[
            self.prediction_type
        ]


class Toy(Pictured):
    """Of Gaussian data."""

    def __init__(self, prediction_type="epsilon", shape=SHAPE):
        self.shape, self.network = shape, Gaussian(prediction_type)

    def denoiser(self, forward):
        return self.network


def make_house(**models):
    records = []

    def watched(denoiser, lanes):
        for record in drive(denoiser, lanes):
            records.append(record)
            yield record

    return House(Settings(device="cpu"), ModelCache(lambda name, shelf: models[name]), watched), records
