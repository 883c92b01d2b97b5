"""Lanes that edit a picture, against diffusers' own pipelines on the same weights; tiny random ones, and those that are shipped."""

from dataclasses import replace
from functools import cache

import diffusers
import numpy as np
import pytest
import torch
from diffusers import (
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
)

from lab.catalog import HELPERS, MODELS, SAMPLERS
from lab.engine.lanes import drive
from lab.models.loaders import make_cache
from lab.models.pictures import PictureSet
from lab.operations.edit import edit
from lab.operations.house import House
from lab.requests.base import LabError
from lab.requests.edit import EditLane, EditRequest
from lab.requests.fields import Condition, Forward
from lab.settings import ASSETS, Settings
from tests.models import tiny

SETTINGS = Settings(device="cpu")
PROMPT, NEGATIVE, STEPS = "red apple", "blue sky", 10
DETERMINISTIC = ("ddim", "euler", "heun", "dpmpp_2m", "unipc")
PICTURE = np.random.default_rng(0).integers(0, 256, (tiny.SIDE, tiny.SIDE, 3), np.uint8)
# A hole that does not keep to the places of the latents, and one of a quarter.
MASKS = {"ragged": np.random.default_rng(1).random((tiny.SIDE, tiny.SIDE)) < 0.4, "quarter": np.zeros((32, 32), bool)}
MASKS["quarter"][:16, 16:] = True


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Tiny pipelines: of four and of nine channels, and of Stable Diffusion XL."""
    root = tmp_path_factory.mktemp("edits")
    tiny.text_to_image(root / "four")
    nine = StableDiffusionPipeline.from_pretrained(
        tiny.text_to_image(root / "plain-nine", in_channels=9), safety_checker=None
    )
    StableDiffusionInpaintPipeline(**nine.components, requires_safety_checker=False).save_pretrained(root / "nine")
    xl = StableDiffusionXLPipeline.from_pretrained(tiny.xl(root))
    wide = xl.components | {"unet": tiny.unet(**tiny.XL, in_channels=9)}
    StableDiffusionXLInpaintPipeline(**{k: v for k, v in wide.items() if k != "image_encoder"}).save_pretrained(
        root / "xl-nine"
    )
    return root


@pytest.fixture(scope="module")
def studio(folders):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PictureSet, "load", cache(PictureSet.load))
        row = replace(MODELS["text-to-image"], size=tiny.SIDE, conditions=("prompt",))
        patch.setitem(MODELS, "four", replace(row, name="four", source=str(folders / "four"), inpainting="nine"))
        patch.setitem(MODELS, "hub-nine", replace(row, name="hub-nine", source=str(folders / "nine"), inpainting=""))
        patch.setitem(MODELS, "xl", replace(row, name="xl", source=str(folders / "xl"), inpainting=""))
        patch.setitem(MODELS, "xl-nine", replace(row, name="xl-nine", source=str(folders / "xl-nine"), inpainting=""))
        patch.setitem(HELPERS, "nine", replace(HELPERS["inpainting"], name="nine", source=str(folders / "nine")))
        yield Studio()


class Studio:
    """Runs edits in this thread and keeps what lanes ended in."""

    def __init__(self):
        self.cache = make_cache(SETTINGS)

    def latents(self, *lanes, **more):
        ends = {}

        def watched(denoiser, lanes):
            for record in drive(denoiser, lanes):
                ends[record.lane] = record.x_0
                yield record

        values = {
            "model": "four",
            "picture": PICTURE,
            "condition": Condition(prompt=PROMPT),
            "negative": NEGATIVE,
            **more,
        }
        request = EditRequest(lanes=lanes, forward=Forward(schedule="scaled_linear"), **values)
        list(edit(request, House(SETTINGS, self.cache, watched)))
        return [ends[index] for index in range(len(lanes))]


def lane(method, **values):
    return EditLane(method=method, **{"steps": STEPS, "guidance_scale": 3.0, **values})


def theirs(folder, kind, lane, picture=PICTURE, mask=None):
    """What a user of diffusers gets with a lane's settings. The autoencoder's mean stands for the sample that it would draw."""
    row = SAMPLERS[lane.sampler]
    plain = kind.from_pretrained(folder, **({} if "XL" in kind.__name__ else {"safety_checker": None}))
    scheduler = getattr(diffusers, {"DDIM": "DDIMScheduler"}.get(row.scheduler, row.scheduler))
    plain.scheduler = scheduler.from_config(
        plain.scheduler.config, **row.options, timestep_spacing="trailing", steps_offset=0
    )
    plain.set_progress_bar_config(disable=True)
    scale = plain.vae.config.scaling_factor
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None] / 127.5 - 1

    @torch.no_grad()
    def encoded(pixels):
        return plain.vae.encode(pixels).latent_dist.mean * scale

    more = {"image": encoded(pixels)}
    if mask is not None:
        hole = torch.from_numpy(mask)[None, None].float()
        more |= {"mask_image": hole, "masked_image_latents": encoded(pixels * (1 - hole))}
    return plain(
        PROMPT, negative_prompt=NEGATIVE, num_inference_steps=lane.steps, guidance_scale=lane.guidance_scale,
        strength=lane.strength, generator=torch.Generator().manual_seed(lane.seed), output_type="latent", **more,
    ).images[0]  # fmt: skip


@pytest.mark.parametrize("sampler", DETERMINISTIC)
def test_sdedit_equals_the_image_to_image_pipeline_at_every_strength(studio, folders, sampler):
    lanes = [lane("sdedit", sampler=sampler, seed=place, strength=place / STEPS) for place in range(1, STEPS + 1)]
    for got, one in zip(studio.latents(*lanes), lanes, strict=True):
        want = theirs(folders / "four", StableDiffusionImg2ImgPipeline, one)
        torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_sdedit_of_stable_diffusion_xl_equals_its_image_to_image_pipeline(studio, folders, scale):
    lanes = [lane("sdedit", seed=3, strength=strength, guidance_scale=scale) for strength in (0.25, 0.5, 0.9, 1)]
    for got, one in zip(studio.latents(*lanes, model="xl"), lanes, strict=True):
        want = theirs(folders / "xl", StableDiffusionXLImg2ImgPipeline, one)
        torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("sampler", DETERMINISTIC)
def test_blending_equals_the_inpainting_pipeline_with_four_channels(studio, folders, sampler, mask):
    lanes = [lane("blend", sampler=sampler, seed=7, strength=strength) for strength in (0.4, 0.75, 1)]
    for got, one in zip(studio.latents(*lanes, mask=MASKS[mask]), lanes, strict=True):
        want = theirs(folders / "four", StableDiffusionInpaintPipeline, one, mask=MASKS[mask])
        torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("sampler", DETERMINISTIC)
def test_nine_channels_equal_the_inpainting_pipeline(studio, folders, sampler, mask):
    lanes = [
        lane("nine", sampler=sampler, seed=5, strength=strength, guidance_scale=scale)
        for strength, scale in ((1, 1), (1, 5), (0.5, 3))
    ]
    for got, one in zip(studio.latents(*lanes, mask=MASKS[mask]), lanes, strict=True):
        want = theirs(folders / "nine", StableDiffusionInpaintPipeline, one, mask=MASKS[mask])
        torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)


def test_an_inpainting_model_of_the_hub_fills_holes_itself_and_shares_calls_with_whole_pictures(studio, folders):
    filled, whole = lane("nine", seed=2), lane("sdedit", seed=2, strength=1)
    got = studio.latents(filled, whole, model="hub-nine", mask=MASKS["quarter"])
    want = theirs(folders / "nine", StableDiffusionInpaintPipeline, filled, mask=MASKS["quarter"])
    torch.testing.assert_close(got[0], want, atol=1e-4, rtol=1e-4)
    assert (got[0] - got[1]).abs().max() > 1e-2


def test_nine_channels_of_stable_diffusion_xl_equal_its_inpainting_pipeline(studio, folders):
    one = lane("nine", seed=4, guidance_scale=4)
    (got,) = studio.latents(one, model="xl-nine", mask=MASKS["quarter"])
    # Without a strength of its own (0.9999) diffusers' pipeline begins in noise mixed with the picture.
    want = theirs(folders / "xl-nine", StableDiffusionXLInpaintPipeline, one, mask=MASKS["quarter"])
    torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)


def test_a_model_without_a_mask_among_its_inputs_fills_no_holes(studio):
    with pytest.raises(LabError, match="takes no mask among its inputs"):
        studio.latents(lane("nine"), model="xl", mask=MASKS["quarter"])


@pytest.mark.parametrize(
    ("method", "kind", "folder"),
    [
        ("sdedit", StableDiffusionImg2ImgPipeline, MODELS["text-to-image"].source),
        ("blend", StableDiffusionInpaintPipeline, MODELS["text-to-image"].source),
        ("nine", StableDiffusionInpaintPipeline, HELPERS["inpainting"].source),
    ],
)
def test_the_shipped_networks_draw_what_diffusers_draws_with_them(method, kind, folder):
    picture = PictureSet.load(ASSETS / "pictures").pixels[100]
    mask = np.zeros(picture.shape[:2], bool)
    mask[20:50, 10:40] = True
    one = lane(method, seed=1, strength=0.6)
    (got,) = Studio().latents(one, model="text-to-image", picture=picture, mask=mask)
    want = theirs(ASSETS / folder, kind, one, picture, None if method == "sdedit" else mask)
    torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)
