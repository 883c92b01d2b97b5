"""A corpus of a few dozen pictures, and every recipe trained on it for three steps."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lab.training.corpus import Corpus, crowd, joined
from lab.training.recipes import RECIPES, latents
from lab.training.train import Budget, Options, Recipe, Trainer, run

SIZE = 32
COLOURS = {"red": (220, 40, 40), "green": (40, 160, 60), "blue": (40, 80, 210), "yellow": (245, 205, 50)}
TINY = {
    "autoencoder": {"batch": 2, "channels": (8, 8, 8)},
    "clip": {"batch": 4, "channels": (32, 32), "layers": (1, 1), "projection": 32},
    "text-to-image": {"batch": 2, "channels": (32, 32), "attention": (False, True), "sheet_steps": 2},
    "controlnet-edges": {"batch": 2, "sheet_steps": 2},
    "controlnet-pose": {"batch": 2, "sheet_steps": 2},
    "pixel": {"batch": 2, "channels": (32, 32), "resolution": 8},
    "classifier": {"batch": 4, "channels": (32, 32), "resolution": 8},
    "noised-clip": {"batch": 4, "channels": (32, 32), "resolution": 8},
    "student": {"batch": 2, "embedding": 8},
    "inpainting": {"batch": 2, "sheet_steps": 2},
    "upsampler": {"batch": 2, "channels": (8, 8), "crop": 16},
    "prior": {"batch": 4, "channels": (16,), "layers": 1, "head": 8, "sheet_steps": 2},
    "unclip": {"batch": 2, "sheet_steps": 2, "context": 3, "context_steps": 2},
    "judge": {"batch": 4, "channels": (8, 8), "width": 16},
    "f2": {"batch": 2, "channels": (8, 8)},
    "f8": {"batch": 2, "channels": (8, 8, 8, 8)},
    "map": {"batch": 4, "channels": (8, 8), "hidden": 8, "per_group": 3},
    "beta-drawings": {"batch": 4, "channels": (8, 8), "hidden": 8, "latents": 4},
    "beta-shapes": {"batch": 4, "channels": (8, 8), "hidden": 8, "latents": 3, "seeds": 2},
}


def squares() -> Corpus:
    """Coloured squares in two styles, with keywords; three are held out."""
    rows = [(name, style) for style in ("flat", "3D") for name in COLOURS] * 4
    pixels = np.full((len(rows), SIZE, SIZE, 3), 255, np.uint8)
    for i, (name, _) in enumerate(rows):
        pixels[i, 6 : 20 + i % 9, 6 : 26 - i % 9] = COLOURS[name]
    n = len(rows)
    return Corpus(
        pixels=pixels, captions=tuple(f"{name} square {i}, {style} style" for i, (name, style) in enumerate(rows)),
        concepts=tuple(f"{name} {i}" for i, (name, _) in enumerate(rows)), styles=tuple(style for _, style in rows),
        groups=tuple("objects" if i % 2 else "symbols" for i in range(n)),
        keywords=tuple((name, "square", "shape") for name, _ in rows), held_out=np.arange(n) >= n - 3,
        joints=np.full((n, 18, 2), np.nan, np.float32), visible=np.zeros((n, 18), bool),
    )  # fmt: skip


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    return joined(squares(), crowd(30, SIZE))


@pytest.fixture(scope="session")
def make(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Recipe]:
    """Build a tiny recipe; the models it stands on are trained first, once."""
    runs: Path = tmp_path_factory.mktemp("runs")
    latents.CACHE = tmp_path_factory.mktemp("latents")

    def model(name: str) -> Path:
        folder = runs / name / "model"
        if not folder.exists():
            run(Trainer(recipe(name), Budget(steps=3)), runs / name)
        return folder

    def recipe(name: str, **changed: object) -> Recipe:
        torch.set_num_threads(1)
        row = RECIPES[name]
        options: Options = replace(row.options, size=SIZE, **TINY[name] | changed)
        return row.recipe(options, corpus, torch.device("cpu"), model)

    recipe.model = model  # type: ignore[attr-defined]
    return recipe
