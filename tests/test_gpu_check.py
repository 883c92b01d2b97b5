"""`make gpu-check` in small on the CPU: every figure is there, whatever fails or lacks time says so, and weights are left."""

import json
import socket
import time
from functools import lru_cache, partial

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, UNet2DConditionModel, UNet2DModel

from lab.catalog import leasable
from lab.models.pictures import PictureSet
from lab.training.recipes import RECIPES, pixel
from tests.benchmarks import _random
from tests.gpu_check import steps
from tests.gpu_check.__main__ import FIGURES, MINUTES, main

FIGURES_OF_A_SIZE = (
    "seconds from files to a first picture", "matrix products", "fraction of the floor at batch 16", "8 users",
    "sweep of 8 scales", "one guided picture", "one user alone",
)  # fmt: skip
OTHERS = (
    "machine", "channels_last, a call of 2 rows", "seconds of the first calls, torch.compile off",
    "seconds of the first calls, torch.compile on", "torch.compile, a call of 2 rows", "memory of 4 tabs",
    "steps of training a second", "loss of the training pictures after and before", "largest file that is left",
    "all of it, seconds",
)  # fmt: skip


def lines_of(out):
    return [json.loads(text) for text in (out / FIGURES).read_text().splitlines()]


def test_in_small_every_step_gives_its_figures_and_nothing_is_fetched(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the network was asked"))
    monkeypatch.setattr(PictureSet, "load", lru_cache(PictureSet.load))  # every model's loader reads them
    monkeypatch.setattr(pixel, "sample_classes", partial(pixel.sample_classes, steps=2))
    before = leasable()
    assert main([str(tmp_path), "--dry"]) == 0
    lines = lines_of(tmp_path)
    assert [json.loads(text) for text in capsys.readouterr().out.splitlines()] == lines
    assert not [line for line in lines if {"failed", "skipped"} & line.keys()]
    for size in (steps.TINY, steps.TINY_XL):
        of_it = [line["figure"] for line in lines if f"; {size.title}, cpu" in line["figure"]]
        for figure in FIGURES_OF_A_SIZE:
            assert len([name for name in of_it if name.startswith(figure)]) == 1
    names = [line["figure"] for line in lines]
    for figure in OTHERS:
        assert len([name for name in names if name.startswith(figure)]) == 1
    tabs = [line for line in lines if line["figure"].startswith("memory of")]
    assert tabs[1]["value"] == tabs[1]["unshared_gb"] and tabs[2]["value"] < tabs[2]["unshared_gb"]  # parts are shared
    assert max(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) < 16e6
    trained = UNet2DModel.from_pretrained(tmp_path / "pixel" / "unet", low_cpu_mem_usage=False)
    assert all(np.isfinite(weight.detach().numpy()).all() for weight in trained.parameters())
    assert leasable() == before


def test_a_step_that_fails_is_cut_short_or_lacks_time_says_so_and_the_next_goes_on(tmp_path, monkeypatch):
    def fails(drill, seconds):
        raise ValueError("no such thing") from KeyError("thing")

    titles = ("failing", "endless", "unaffordable", "last")
    works = (fails, lambda *_: time.sleep(60), lambda *_: None, lambda *_: None)
    budgets = (1, 0.2, 60 * MINUTES + 1, 1)
    rows = [steps.Step(*row, least=1.0) for row in zip(titles, budgets, works, strict=True)]
    monkeypatch.setattr(steps, "STEPS", rows)
    assert main([str(tmp_path), "--dry"]) == 1
    said = {line["figure"]: line for line in lines_of(tmp_path)}
    assert said["failing"]["failed"] == "ValueError: no such thing, from KeyError: 'thing'"
    assert said["endless"]["failed"].startswith("cut short") and "left" in said["unaffordable"]["skipped"]
    assert "last" not in said and "all of it, seconds" in said


def test_without_cuda_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="no CUDA device"):
        main([str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_the_budgets_leave_time_to_start_and_to_end():
    assert sum(step.seconds for step in steps.STEPS) <= 60 * MINUTES - 30


def test_random_weights_are_as_many_as_the_models_have():
    """Of the UNets that Stability and Runway published, of SD 1.5's ControlNets and of the UNet that fills holes."""
    with torch.device("meta"):
        unets = [UNet2DConditionModel(**size.unet) for size in (_random.STABLE_DIFFUSION, _random.XL)]
        unets += [ControlNetModel.from_unet(unets[0], load_weights_from_unet=False)]
        unets += [UNet2DConditionModel(in_channels=9, **_random.STABLE_DIFFUSION.unet)]
    counts = [sum(weight.numel() for weight in unet.parameters()) for unet in unets]
    assert counts == [859_520_964, 2_567_463_684, 361_279_120, 859_535_364]


def test_training_goes_on_from_weights_of_the_recipe_s_shape():
    config = json.loads((steps.PIXEL / "config.json").read_text())
    options = {**vars(RECIPES["pixel"].options), **steps.FULL.training}
    assert tuple(config["block_out_channels"]) == options["channels"]
    assert config["sample_size"] == options["resolution"]
