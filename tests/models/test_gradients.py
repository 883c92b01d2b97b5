"""The gradient of a predicted x_0 through the networks, against differences of two predictions."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lab.catalog import CONTROLS, MODELS
from lab.engine.denoisers import by_row
from lab.engine.potentials import Guide, Guided
from lab.engine.predictions import split_prediction
from lab.models.loaders import load
from lab.models.stable_diffusion import ControlledPrompt
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import ControlWindow
from lab.settings import Settings
from tests.models import tiny

SETTINGS = Settings(device="cpu", dtype="float32")


def pixel(root, patch):
    """With a learned variance beside eps; not clipped, where x_0 would have kinks."""
    patch.setitem(MODELS, "pixel", replace(MODELS["pixel"], source=str(tiny.pixel(root, clip=False))))
    model = load("pixel", SETTINGS)
    return model, model.conditioning(Condition(group="food-drink"))


def latent(root, patch):
    tiny.text_to_image(root, "v_prediction")
    row = replace(MODELS["text-to-image"], source=str(root), size=tiny.SIDE)
    patch.setitem(MODELS, "text-to-image", row)
    model = load("text-to-image", SETTINGS)
    return model, model.conditioning(Condition(prompt="red apple"))


def controlled(root, patch):
    model, conditioning = latent(root / "model", patch)
    patch.setitem(CONTROLS, "edges", replace(CONTROLS["edges"], source=str(tiny.controlnet(root / "control", 5))))
    picture = np.full((tiny.SIDE, tiny.SIDE, 3), 255, np.uint8)
    hint = load("edges", SETTINGS).hint(picture, tiny.SIDE)
    return model, ControlledPrompt(conditioning, [hint], [ControlWindow()], guess=False).at(0, 1)


@pytest.mark.parametrize("make", [pixel, latent, controlled])
def test_the_gradient_is_the_slope(make, tmp_path, monkeypatch):
    model, conditioning = make(tmp_path, monkeypatch)
    denoiser = model.denoiser(Forward(schedule="scaled_linear"))
    x_t, along, weights = torch.randn(3, 2, *denoiser.shape, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([300.0, 800.0])
    level = by_row(denoiser.process.level(t), x_t)

    def prediction(x, rows):
        return Guided(denoiser)(x, t, rows)[:, : x.shape[1]]

    def x_0(x):
        return split_prediction(prediction(x, [conditioning] * 2), x, level, denoiser.prediction_type)[0]

    h = 2e-2
    slope = ((x_0(x_t + h * along) - x_0(x_t - h * along)) / (2 * h) * weights).flatten(1).sum(1)
    guides = [Guide(conditioning, lambda x, level: (x * weights).flatten(1).sum(1), 1.0, "x_0")] * 2
    guided, _ = split_prediction(prediction(x_t, guides), x_t, level, denoiser.prediction_type)
    gradient = (guided - x_0(x_t)) * level.signal / level.noise**2
    torch.testing.assert_close((gradient * along).flatten(1).sum(1), slope, rtol=2e-2, atol=2e-2)
    parts = [part for part in vars(denoiser).values() if isinstance(part, torch.nn.Module)]
    assert parts and all(weight.grad is None for part in parts for weight in part.parameters())
