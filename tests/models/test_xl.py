"""Stable Diffusion XL against diffusers' own pipelines, lane by lane; all weights are random."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import (
    ControlNetModel,
    DDIMScheduler,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLPipeline,
)

from lab.catalog import CONTROLS, MODELS
from lab.engine.lanes import drive
from lab.models.loaders import load, make_cache
from lab.operations.house import House
from lab.operations.sampling import sampling
from lab.requests.base import LabError
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import ControlMap, ControlWindow, LaneSettings, SamplingRequest
from lab.settings import Settings
from tests.models import tiny

SETTINGS = Settings(device="cpu")
PROMPT, STEPS = "red apple", 5
MAP = np.random.default_rng(0).integers(0, 256, (tiny.SIDE, tiny.SIDE, 3), np.uint8)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("xl")
    return tiny.xl(root), tiny.controlnet(root / "edges", 5, **tiny.XL)


@pytest.fixture
def latents(folders, monkeypatch):
    """The finished latents of lanes of the tiny model."""
    row = replace(MODELS["text-to-image"], source=str(folders[0]), size=tiny.SIDE, conditions=("prompt",))
    monkeypatch.setitem(MODELS, "text-to-image", row)
    monkeypatch.setitem(CONTROLS, "edges", replace(CONTROLS["edges"], source=str(folders[1])))
    cache, ends = make_cache(SETTINGS), {}

    def watched(denoiser, lanes):
        for record in drive(denoiser, lanes):
            ends[record.lane] = record.x_0
            yield record

    def run(*lanes, controls=(), negative=""):
        request = SamplingRequest(
            model="text-to-image", lanes=lanes, condition=Condition(prompt=PROMPT), negative=negative,
            forward=Forward(schedule="scaled_linear"), controls=[ControlMap(name=name, map=MAP) for name in controls],
        )  # fmt: skip
        list(sampling(request, House(SETTINGS, cache, watched)))
        return [ends[index] for index in range(len(lanes))]

    return run


def theirs(folders, seed, scale, negative=None, control=False, **more):
    pipeline = StableDiffusionXLPipeline.from_pretrained(folders[0])
    scheduler = DDIMScheduler.from_config(
        pipeline.scheduler.config, timestep_spacing="trailing", set_alpha_to_one=True, clip_sample=False
    )
    parts = pipeline.components | {"scheduler": scheduler}
    if control:
        parts["controlnet"] = ControlNetModel.from_pretrained(folders[1])
        pipeline, more = (
            StableDiffusionXLControlNetPipeline(**parts),
            more | {"image": torch.tensor(MAP).permute(2, 0, 1)[None] / 255},
        )
    else:
        pipeline = StableDiffusionXLPipeline(**parts)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(
        PROMPT, negative_prompt=negative, num_inference_steps=STEPS, guidance_scale=scale, output_type="latent",
        generator=torch.Generator().manual_seed(seed), **more,
    ).images[0]  # fmt: skip


@pytest.mark.parametrize("negative", [None, "blue sky"])
def test_lanes_equal_the_pipeline(latents, folders, negative):
    lanes = [LaneSettings(steps=STEPS, seed=seed, guidance_scale=scale) for seed, scale in ((1, 1), (2, 5), (3, 9))]
    for got, lane in zip(latents(*lanes, negative=negative or ""), lanes, strict=True):
        want = theirs(folders, lane.seed, lane.guidance_scale, negative)
        torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-5)


def test_lanes_under_control_equal_the_pipeline_and_share_calls_with_others(latents, folders):
    held, free = (
        LaneSettings(steps=STEPS, seed=4, guidance_scale=4, windows=windows)
        for windows in ((ControlWindow(strength=0.8),), ())
    )
    got = latents(held, free, controls=("edges",))
    torch.testing.assert_close(
        got[0], theirs(folders, 4, 4, control=True, controlnet_conditioning_scale=0.8), atol=1e-4, rtol=1e-5
    )
    torch.testing.assert_close(got[1], theirs(folders, 4, 4), atol=1e-4, rtol=1e-5)
    assert (got[0] - got[1]).abs().max() > 1e-2


def test_other_pipelines_are_refused_by_name(tmp_path, monkeypatch):
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    monkeypatch.setitem(
        MODELS, "flux", replace(MODELS["text-to-image"], name="flux", title="Flux", source=str(tmp_path))
    )
    with pytest.raises(
        LabError, match="The model 'Flux' could not be loaded: It is a FluxPipeline; the lab knows Stable"
    ):
        load("flux", SETTINGS)


def test_each_text_encoder_says_where_it_stops(folders, monkeypatch):
    row = replace(MODELS["text-to-image"], source=str(folders[0]), conditions=("prompt",))
    monkeypatch.setitem(MODELS, "text-to-image", row)
    model = load("text-to-image", SETTINGS)
    assert model.unread(Condition(prompt="cat " * 30)) == []
    first, second = model.unread(Condition(prompt="cat " * 30 + "heart"))
    assert first.startswith(
        'The prompt is too long: from word 31 ("heart") on it is not read by the first text encoder'
    )
    assert second == first.replace("first", "second")
