"""Models that were distilled with their guidance (LCM) against diffusers' own pipelines; all weights are random."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import (
    ControlNetModel,
    DDIMScheduler,
    LCMScheduler,
    StableDiffusionControlNetPipeline,
    StableDiffusionPipeline,
)

from lab.catalog import CONTROLS, MODELS
from lab.engine.lanes import Lane, StepNoise, drive
from lab.engine.samplers import make_scheduler
from lab.models.compiled import Workshop
from lab.models.loaders import make_cache
from lab.models.prompts import embed_scale
from lab.operations.anatomy import anatomy
from lab.operations.house import House
from lab.operations.sampling import sampling
from lab.requests.anatomy import AnatomyRequest
from lab.requests.base import LabError, Note
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import ControlMap, ControlWindow, LaneResult, LaneSettings, SamplingRequest
from lab.settings import Settings
from tests.models import tiny

SETTINGS = Settings(device="cpu")
PROMPT, WIDTH = "red apple, flat style", 8
MAP = np.random.default_rng(0).integers(0, 256, (tiny.SIDE, tiny.SIDE, 3), np.uint8)
FORWARD = Forward(schedule="scaled_linear")
DDIM = {"timestep_spacing": "trailing", "set_alpha_to_one": True, "clip_sample": False}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    tiny.text_to_image(root / "student", time_cond_proj_dim=WIDTH)
    tiny.controlnet(root / "edges", 5)
    return root


@pytest.fixture(scope="module")
def house(folders):
    with pytest.MonkeyPatch.context() as patch:
        row = replace(MODELS["student"], source=str(folders / "student"), size=tiny.SIDE, controls=("edges",))
        patch.setitem(MODELS, "student", row)
        patch.setitem(CONTROLS, "edges", replace(CONTROLS["edges"], source=str(folders / "edges")))
        yield House(SETTINGS, make_cache(SETTINGS), drive)


@pytest.fixture(scope="module")
def theirs(folders):
    pipeline = StableDiffusionPipeline.from_pretrained(folders / "student", safety_checker=None)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, **DDIM)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def latents(house, *lanes, **more):
    """The finished latents of a run's lanes."""
    ends = {}

    def watched(denoiser, lanes):
        for record in drive(denoiser, lanes):
            ends[record.lane] = record.x_0
            yield record

    request = SamplingRequest(
        model="student", lanes=lanes, forward=FORWARD, **{"condition": Condition(prompt=PROMPT), **more}
    )
    assert sum(isinstance(event, LaneResult) for event in sampling(request, replace(house, drive=watched))) == len(
        lanes
    )
    return [ends[index] for index in range(len(lanes))]


def drawn(pipeline, lane, **more):
    with torch.no_grad():
        return pipeline(
            PROMPT, num_inference_steps=lane.steps, guidance_scale=lane.guidance_scale, output_type="latent",
            generator=torch.Generator().manual_seed(lane.seed), **more,
        ).images[0]  # fmt: skip


def assert_same(got, want, message):
    torch.testing.assert_close(got, want, atol=1e-4, rtol=0, msg=lambda text: f"{message}: {text}")


def test_the_scale_is_embedded_as_diffusers_does(theirs):
    scales = torch.tensor([0.0, 1.0, 1.5, 7.5, 20.0])
    for width in (4, 64, 256):
        torch.testing.assert_close(embed_scale(scales, width), theirs.get_guidance_scale_embedding(scales - 1, width))


def test_lanes_of_other_scales_share_a_run_and_are_diffusers_pipeline(house, theirs):
    lanes = [
        LaneSettings(steps=steps, seed=seed, guidance_scale=scale)
        for steps, seed in ((1, 0), (5, 7))
        for scale in (1.5, 3.0, 7.5)
    ]
    gots = latents(house, *lanes)
    for lane, got in zip(lanes, gots, strict=True):
        assert_same(got, drawn(theirs, lane), lane)
    assert (gots[3] - gots[5]).abs().max() > 0.01  # the scale matters


def test_one_row_a_step_whatever_the_scale(house, monkeypatch):
    """Nothing is combined: neither a negative prompt nor a rule that asks for both halves has any part in it."""
    plain = LaneSettings(steps=3, seed=2, guidance_scale=4)
    with house.cache.lease("student") as model:
        rows = []
        denoiser = model.denoiser(FORWARD)
        whole = type(denoiser).__call__
        monkeypatch.setattr(
            type(denoiser), "__call__", lambda self, x, *rest: (rows.append(len(x)), whole(self, x, *rest))[1]
        )
        (alone,) = latents(house, plain)
        assert rows == [1, 1, 1]
    assert torch.equal(alone, latents(house, plain, negative="blue sky")[0])
    assert torch.equal(alone, latents(house, plain.model_copy(update={"rule": "apg"}))[0])


def test_a_negative_prompt_is_said_to_have_no_part_in_it(house):
    def notes(**more):
        request = SamplingRequest(
            model="student", condition=Condition(prompt=PROMPT), forward=FORWARD, lanes=(LaneSettings(steps=1),), **more
        )
        return [event.text for event in sampling(request, house) if isinstance(event, Note)]

    assert notes() == [] and "the negative prompt is not used" in notes(negative="blue sky")[0]


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_lcm_is_diffusers_pipeline(house, theirs, steps):
    """With noise drawn in sequence, as their pipeline does; the scheduler is the lab's."""
    with house.cache.lease("student") as model:
        denoiser = model.denoiser(FORWARD)
        prompt = model.conditioning(Condition(prompt=PROMPT))
        row = replace(prompt, prompt=replace(prompt.prompt, scale=3.0))
        scheduler = make_scheduler("LCMScheduler", denoiser.process, "epsilon", steps)
        noise = StepNoise(11, by="sequence")
        records = list(drive(denoiser, [Lane(0, scheduler, noise.initial(denoiser.shape), noise, row)]))
    ddim = theirs.scheduler
    theirs.scheduler = LCMScheduler.from_config(ddim.config)
    try:
        want = drawn(theirs, LaneSettings(steps=steps, seed=11, guidance_scale=3.0))
    finally:
        theirs.scheduler = ddim
    assert len(records) == steps + 1
    assert_same(records[-1].x_0, want, f"{steps} steps")


def test_lcm_lanes_of_the_page_share_their_noise_by_level(house):
    lanes = [LaneSettings(sampler="lcm", steps=steps, seed=1, guidance_scale=3) for steps in (1, 2, 4)]
    together = latents(house, *lanes)
    for lane, got in zip(lanes, together, strict=True):
        assert_same(got, latents(house, lane)[0], lane)
    assert (together[0] - together[2]).abs().max() > 0.01


@pytest.mark.parametrize("guess", [False, True])
def test_under_control_it_is_diffusers_pipeline(house, theirs, folders, guess):
    net = ControlNetModel.from_pretrained(folders / "edges")
    pipeline = StableDiffusionControlNetPipeline(**theirs.components, controlnet=net, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    lane = LaneSettings(steps=5, seed=3, guidance_scale=4, guess=guess, windows=(ControlWindow(strength=0.8, end=0.6),))
    got, plain = latents(
        house, lane, lane.model_copy(update={"windows": ()}), controls=(ControlMap(name="edges", map=MAP),)
    )
    want = drawn(
        pipeline, lane, image=torch.from_numpy(MAP).permute(2, 0, 1)[None] / 255, controlnet_conditioning_scale=0.8,
        control_guidance_end=0.6, guess_mode=guess,
    )  # fmt: skip
    assert_same(got, want, guess)
    assert (got - plain).abs().max() > 0.01


def test_its_steps_have_no_halves_to_take_apart(house):
    request = AnatomyRequest(
        model="student", condition=Condition(prompt=PROMPT), forward=FORWARD, lane=LaneSettings(steps=2), scales=(1.0,)
    )
    with pytest.raises(LabError, match="distilled with its guidance"):
        list(anatomy(request, house))


def test_compiled_it_is_told_the_scale_too(house, tmp_path):
    workshop = Workshop(tmp_path, threads=1)
    compiled = replace(house, cache=make_cache(SETTINGS, workshop))
    lanes = [LaneSettings(steps=3, seed=seed, guidance_scale=scale) for seed, scale in ((0, 1.5), (1, 6.0), (1, 3.0))]
    latents(compiled, *lanes)
    workshop.finish()
    assert all("OpenVINO float32" in note for entry in compiled.cache.resident() for note in entry.notes)
    for got, want in zip(latents(compiled, *lanes), latents(house, *lanes), strict=True):
        assert_same(got, want, "compiled")
