"""The upsampler from a folder: what it is told of the small picture, sides, company, and what is refused."""

from dataclasses import replace

import pytest
import torch
from diffusers import DDIMScheduler, UNet2DModel
from torch.nn.functional import interpolate

from lab.catalog import HELPERS
from lab.models.loaders import make_cache, weigh
from lab.models.upsampler import read_upsampler
from lab.requests.base import LabError
from lab.requests.enlarge import UPSAMPLER
from lab.settings import Settings
from lab.training.recipes.upsampler import augmented, enlarged
from tests.models import tiny

SETTINGS = Settings(device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.upsampler(tmp_path_factory.mktemp("upsampler"))


@pytest.fixture(scope="module")
def loaded(folder):
    return read_upsampler(folder)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_folder_is_read(loaded):
    denoiser = loaded.denoiser(64)
    assert denoiser is loaded.denoiser(64) and denoiser is not loaded.denoiser(32)
    assert denoiser.shape == (3, 64, 64) and denoiser.prediction_type == "v_prediction"
    assert loaded.options == {"clip_sample": True, "clip_sample_range": 1.0, "set_alpha_to_one": True}
    torch.testing.assert_close(
        denoiser.process.alphas_cumprod, DDIMScheduler(beta_schedule="squaredcos_cap_v2").alphas_cumprod
    )
    assert not any(weight.requires_grad for weight in denoiser.unet.parameters()) and not denoiser.unet.training


def test_a_scheduler_that_does_not_clip_says_so(tmp_path):
    assert read_upsampler(tiny.upsampler(tmp_path, clip_sample=False)).options["clip_sample"] is False


@pytest.mark.parametrize("noise", [0, 1, 150, 399])
def test_the_small_picture_is_augmented_and_enlarged_as_in_training(loaded, noise):
    small, eps = normal(3, 16, 16).clamp(-1, 1), normal(3, 16, 16, seed=1)
    row = loaded.conditioning(small, noise, eps)
    table = loaded.process.alphas_cumprod
    want = enlarged(augmented(small[None], eps[None], torch.tensor([noise]), table))[0]
    assert row.noise == noise and row.enlarged.shape == (3, 32, 32)
    torch.testing.assert_close(row.enlarged, want, atol=1e-6, rtol=0)
    if not noise:
        assert torch.equal(row.enlarged[None], interpolate(small[None], scale_factor=2, mode="bicubic"))


@pytest.mark.parametrize("side", [32, 64, 128])
def test_rows_of_different_noise_share_a_call(folder, loaded, side):
    """A batch is its rows, each the network's own output; the small picture and its step both matter."""
    low, other = (normal(3, side // 2, side // 2, seed=seed).clamp(-1, 1) for seed in (0, 1))
    rows = [
        loaded.conditioning(small, noise, torch.zeros_like(small))
        for small, noise in ((low, 0), (low, 300), (other, 0))
    ]
    rows.append(replace(rows[0], noise=300))
    x_t, t = normal(1, 3, side, side, seed=2).expand(4, -1, -1, -1), torch.tensor([999.0, 400.0, 20.0, 999.0])
    together = loaded.denoiser(side)(x_t, t, rows)
    unet = UNet2DModel.from_pretrained(folder / "unet").eval()
    for i, row in enumerate(rows):
        with torch.no_grad():
            joined = torch.cat([x_t[:1], row.enlarged[None]], dim=1)
            want = unet(joined, t[i : i + 1], class_labels=torch.tensor([row.noise])).sample[0]
        torch.testing.assert_close(together[i], want, atol=1e-5, rtol=0)
    assert (together[0] - together[3]).abs().max() > 1e-3


def test_the_cache_leases_it_and_knows_its_weight(folder, monkeypatch):
    monkeypatch.setitem(HELPERS, UPSAMPLER, replace(HELPERS[UPSAMPLER], source=str(folder)))
    cache = make_cache(SETTINGS)
    with cache.lease(UPSAMPLER) as model:
        weights = sum(one.nbytes for one in model.denoiser(64).unet.parameters())
    assert weigh(UPSAMPLER, SETTINGS) == pytest.approx(weights, rel=0.01)


@pytest.mark.parametrize(
    ("unet", "scheduler", "words"),
    [
        ({"in_channels": 3}, {}, "takes 3 channels and gives 3; an upsampler takes 6"),
        ({"out_channels": 6}, {}, "takes 6 channels and gives 6; an upsampler takes 6"),
        ({"class_embed_type": None}, {}, "has the class_embed_type None; the step of noise augmentation needs timestep"),
        ({"add_attention": True}, {}, r"has attention \(add_attention\)"),
        ({"up_block_types": ("AttnUpBlock2D", "UpBlock2D")}, {}, r"has attention \(AttnUpBlock2D\)"),
        ({}, {"num_train_timesteps": 100}, "scheduler has 100 timesteps"),
        ({"block_out_channels": (8,) * 7, "down_block_types": ("DownBlock2D",) * 7, "up_block_types": ("UpBlock2D",) * 7},
         {}, "cannot be called on a picture"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_words(tmp_path, unet, scheduler, words):
    with pytest.raises(LabError, match=words):
        read_upsampler(tiny.upsampler(tmp_path, unet, **scheduler))


def gone(folder):
    return folder / "gone"


def truncated(folder):
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:3000])
    return folder


def not_a_number(folder):
    unet = UNet2DModel.from_pretrained(folder / "unet")
    torch.nn.init.constant_(unet.conv_in.weight, torch.nan)
    unet.save_pretrained(folder / "unet")
    return folder


@pytest.mark.parametrize("harm", [gone, truncated, not_a_number])
def test_a_folder_that_does_not_load_is_an_error_that_names_the_helper(tmp_path, monkeypatch, harm):
    source = str(harm(tiny.upsampler(tmp_path)))
    monkeypatch.setitem(HELPERS, UPSAMPLER, replace(HELPERS[UPSAMPLER], source=source))
    cache = make_cache(SETTINGS)
    with pytest.raises(LabError, match="The helper network 'Upsampler' could not be loaded: "), cache.lease(UPSAMPLER):
        raise AssertionError("a broken network was leased")
    assert cache.resident() == []
