"""The shipped miniature models do what their cards say, on pictures that no training saw."""

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

from lab.engine.lanes import drive
from lab.models.loaders import load, make_cache
from lab.models.pictures import PictureSet
from lab.operations.house import House
from lab.operations.sampling import sampling
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneResult, LaneSettings, SamplingRequest
from lab.settings import ASSETS, Settings


def test_the_autoencoder_gives_held_out_pictures_back():
    """PSNR on the held-out pictures of the shipped set; the card says 28.7 dB on those of the full set."""
    pictures = PictureSet.load(ASSETS / "pictures")
    pixels = torch.tensor(pictures.select(pictures.held_out).pixels).permute(0, 3, 1, 2) / 127.5 - 1
    autoencoder = AutoencoderKL.from_pretrained(ASSETS / "models" / "autoencoder", torch_dtype=torch.float32).eval()
    with torch.no_grad():
        latents = autoencoder.encode(pixels).latent_dist.mode()
        back = autoencoder.decode(latents).sample.clamp(-1, 1)
    assert latents.shape[1:] == (4, 16, 16)
    psnr = 10 * torch.log10(4 / (back - pixels).square().mean((1, 2, 3)))
    assert float(psnr.mean()) > 28
    assert np.isclose(float(latents.std()) * autoencoder.config.scaling_factor, 1, atol=0.1)  # unit latents


@pytest.fixture(scope="module")
def shipped():
    """The shipped model, and forty pictures that no training saw."""
    pictures = PictureSet.load(ASSETS / "pictures")
    return load("text-to-image", Settings(device="cpu")), pictures.select(pictures.held_out).pixels[
        :: max(1, pictures.held_out.sum() // 40)
    ]


def test_pictures_come_back_from_their_latents(shipped):
    model, pictures = shipped
    squares = []
    for picture in pictures:
        x_0 = model.from_picture(picture)
        assert x_0.shape == model.shape == (4, 16, 16) and x_0.dtype == torch.float32
        squares.append(np.square((model.to_picture(x_0).astype(float) - picture) / 255).mean())
    assert 10 * np.log10(1 / np.array(squares)).mean() > 27


def test_latents_of_pictures_have_unit_deviation(shipped):
    model, pictures = shipped
    latents = torch.stack([model.from_picture(picture) for picture in pictures])
    assert float(latents.std()) == pytest.approx(1, abs=0.15)


def test_the_preview_is_near_the_decoded_picture(shipped):
    """A linear map at the latents' resolution, against the decoded pictures brought to that size."""
    model, pictures = shipped
    errors, spread = [], []
    for picture in pictures:
        x_0 = model.from_picture(picture)
        decoded = model.to_picture(x_0).reshape(16, 4, 16, 4, 3).mean(axis=(1, 3)) / 255
        preview = model.preview(x_0) / 255
        assert preview.shape == (16, 16, 3)
        errors.append(np.square(preview - decoded).mean())
        spread.append(decoded.var())
    assert np.mean(errors) < 0.2 * np.mean(spread)  # R^2 above 0.8: colours and shapes, at a glance
    assert np.mean(errors) ** 0.5 < 0.1


def test_any_picture_is_brought_to_the_models_side(shipped):
    model, pictures = shipped
    x_0 = model.from_picture(pictures[0].repeat(5, axis=0).repeat(3, axis=1))
    assert x_0.shape == (4, 16, 16)
    here, there = (model.to_picture(x).astype(float) for x in (x_0, model.from_picture(pictures[0])))
    assert np.square((here - there) / 255).mean() ** 0.5 < 0.05


def test_the_student_jumps_to_where_its_teacher_walks():
    """From the same x_T in one call. Of all that the teacher comes to, the same prompt's picture is the nearest."""
    prompts = ("red heart", "cat face", "house", "whale", "a person in a red shirt and blue trousers, green background")
    house = House(Settings(device="cpu"), make_cache(Settings(device="cpu")), drive)

    def drawn(model, prompt, lane):
        request = SamplingRequest(
            model=model, condition=Condition(prompt=prompt), forward=Forward(schedule="scaled_linear"), lanes=(lane,)
        )
        (result,) = [event for event in sampling(request, house) if isinstance(event, LaneResult)]
        return result.picture.astype(float)

    jump, walk = LaneSettings(sampler="lcm", steps=1), LaneSettings(sampler="ddim", steps=20)
    jumped, walked = (
        [drawn(model, prompt, lane.model_copy(update={"seed": 4, "guidance_scale": 4})) for prompt in prompts]
        for model, lane in (("student", jump), ("text-to-image", walk))
    )
    distances = np.array([[np.square(one - other).mean() for other in walked] for one in jumped])
    assert distances.argmin(axis=1).tolist() == list(range(len(prompts)))
