"""Factors beside each other, with small autoencoders and a small UNet of random weights."""

import sys

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

from lab.measures import psnr, ssim
from lab.models.families import LoadedAutoencoder
from lab.models.tensors import to_signed, to_uint8
from lab.operations.factor import factor
from lab.requests.base import LabError, make_request
from lab.requests.factor import AUTOENCODERS, PIXELS, Encoded, FactorRequest, HeldOut, StepTime
from tests.operations.toys import Toy, make_house

PICTURE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def autoencoder(levels):
    torch.manual_seed(levels)
    blocks = {"down_block_types": ["DownEncoderBlock2D"] * levels, "up_block_types": ["UpDecoderBlock2D"] * levels}
    return AutoencoderKL(**blocks, block_out_channels=[4] * levels, norm_num_groups=1, mid_block_add_attention=False)


class Latent(Toy):
    """A toy with an autoencoder, whose denoiser notes what it is timed on."""

    def __init__(self, levels, side):
        super().__init__()
        self.autoencoder, self.side, self.shapes = autoencoder(levels), side, []
        self.network.by_torch = lambda x_t, t, rows: self.shapes.append(tuple(x_t.shape))


@pytest.fixture(scope="module")
def models():
    f2, f8 = LoadedAutoencoder(autoencoder(2)), LoadedAutoencoder(autoencoder(4))
    return {"f2": f2, "text-to-image": Latent(3, 64), "f8": f8, "student": Latent(3, 32)}


@pytest.fixture
def run(models):
    def run(**values):
        house, _ = make_house(**models)
        return list(factor(FactorRequest(**{"picture": PICTURE, "held_out": 0, "repeats": 1} | values), house))

    return run


def of(events, kind):
    return {event.name: event for event in events if isinstance(event, kind)}


def test_each_factor_has_its_latents_and_what_comes_back_of_them(run, models):
    found = of(run(), Encoded)
    assert tuple(found) == AUTOENCODERS
    assert [one.factor for one in found.values()] == [2, 4, 8]
    assert [one.latents.size for one in found.values()] == [4096, 1024, 256]
    assert [one.compression for one in found.values()] == [3, 12, 48]
    seen = to_uint8(to_signed(PICTURE, (64, 64)))
    values = to_signed(seen, (64, 64))
    with torch.inference_mode():
        own = models["f2"].autoencoder
        latents = own.encode(values[None]).latent_dist.mode()
        decoded = to_uint8(own.decode(latents).sample[0])
    f2 = found["f2"]
    np.testing.assert_allclose(f2.latents, latents[0].numpy(), atol=1e-6)
    assert np.array_equal(f2.decoded, decoded) and np.array_equal(f2.picture, seen)
    assert f2.psnr == psnr(decoded, f2.picture) and f2.ssim == ssim(decoded, f2.picture)


def test_the_same_unet_is_timed_on_every_side_smallest_first(run, models):
    models["text-to-image"].shapes.clear()
    times = of(run(repeats=2), StepTime)
    assert [one.shape[1] for one in times.values()] == [8, 16, 32, 64] and list(times)[-1] == PIXELS
    assert all(one.shape[0] == 4 and len(one.elapsed) == 2 and min(one.elapsed) > 0 for one in times.values())
    assert models["text-to-image"].shapes == [(1, 4, side, side) for side in (8, 16, 32, 64)] * 3
    assert StepTime("f2", (4, 32, 32), (0.3, 0.1, 0.2)).least == 0.1


def test_another_model_stands_beside_with_its_own_side_and_unet(run, models):
    models["student"].shapes.clear()
    events = run(model="student")
    assert of(events, Encoded)["student"].picture.shape == (32, 32, 3)
    assert models["student"].shapes == [(1, 4, 8, 8)] * 2 and list(of(events, StepTime))[-1] == "student"


def test_held_out_pictures_go_through_the_three_of_one_side(run, models, monkeypatch):
    pictures = [np.full((64, 64, 3), grey, np.uint8) for grey in (0, 90, 200)]

    def of_set(folder, held_out, side, count, seed):
        assert held_out and side == 64
        return [("", picture) for picture in pictures[:count]]

    monkeypatch.setattr(sys.modules[factor.__module__], "of_set", of_set)
    found = of(run(held_out=3, model="student"), HeldOut)
    assert tuple(found) == AUTOENCODERS
    with torch.inference_mode():
        coder = models["f8"]
        want = [psnr(to_uint8(coder.decode(coder.encode(to_signed(one, (64, 64))))), one) for one in pictures]
    assert found["f8"].psnr == pytest.approx(want) and len(found["f8"].ssim) == 3


def test_a_model_of_pixels_has_no_latents():
    with pytest.raises(
        LabError, match="'Miniature pixel diffusion' works on pixels and has no latents; choose a latent"
    ):
        make_request(FactorRequest, model="pixel", picture=PICTURE)
