"""The shipped miniature models do what their cards say, on pictures that no training saw."""

import numpy as np
import torch
from diffusers import AutoencoderKL

from lab.models.pictures import PictureSet
from lab.settings import ASSETS


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
