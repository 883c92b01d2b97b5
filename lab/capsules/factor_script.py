"""Factors of latents beside each other as a Python script that needs nothing of the lab: torch, diffusers, scikit-image."""

from textwrap import indent

import numpy as np

from lab.capsules.bound_script import packed
from lab.capsules.script import laid_out
from lab.catalog import HELPERS, MODELS
from lab.requests.factor import UNET, FactorRequest


def factor_script(request: FactorRequest, picture: np.ndarray) -> str:
    """The script of a run: PSNR and SSIM of factor 2, 4 and 8, and seconds of a step of the same UNet on each side. `picture` is what
    was encoded, (64, 64, 3) uint8."""
    folder = f"assets/{MODELS[UNET].source}"
    coders = [f"assets/{HELPERS['f2'].source}", f"{folder}/vae", f"assets/{HELPERS['f8'].source}"]
    listed = ", ".join(f'"{one}"' for one in coders)
    constants = [
        f'UNET, AUTOENCODERS = "{folder}/unet", ({listed})',
        f"REPEATS = {request.repeats}",
        "PICTURE = (",
        indent(packed(picture), "    "),
        ")",
    ]
    return laid_out([_HEAD, "\n".join(constants), _MEASURES, _RUN])


_HEAD = '''"""What autoencoders of factor 2, 4 and 8 keep of a picture, and what a step of one UNet costs on their latents (Rombach et al.
2022, https://arxiv.org/abs/2112.10752, section 4.1): a run of Diffusion Lab, again without the lab.

    pip install numpy torch diffusers pillow scikit-image
    python factor.py

Run it in the lab's folder. Seconds are those of the machine that it runs on.
"""

import base64
import io
import time

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image
from skimage.metrics import structural_similarity'''
_MEASURES = '''
torch.set_grad_enabled(False)
picture = np.array(Image.open(io.BytesIO(base64.b64decode("".join(PICTURE)))))
values = torch.tensor(picture).permute(2, 0, 1)[None].float() / 127.5 - 1


def psnr(decoded):
    """In dB; 84 for equal pictures, whose error would be 0."""
    error = ((decoded.astype(float) - picture) ** 2).mean()
    return 10 * np.log10(255**2 / max(error, 0.25e-3))


def ssim(decoded):
    """Wang et al. 2004: Gaussian windows of 11 x 11."""
    how = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    return structural_similarity(picture, decoded, data_range=255, channel_axis=2, **how)


def seconds(shape):
    """The fastest of REPEATS steps on noise of a shape, after one that is not counted."""
    x, found = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0)), []
    words = torch.zeros(1, 32, unet.config.cross_attention_dim)  # what they say costs nothing
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        unet(x, torch.tensor([500]), words)
        found.append(time.perf_counter() - began)
    return min(found[1:])

'''
_RUN = """
unet = UNet2DConditionModel.from_pretrained(UNET, low_cpu_mem_usage=False).float()
print("factor", "values", "PSNR", "SSIM", "seconds", sep="\\t")
print(1, picture.size, "no loss", 1, f"{seconds((unet.config.in_channels, *picture.shape[:2])):.4f}", sep="\\t")
for folder in AUTOENCODERS:
    autoencoder = AutoencoderKL.from_pretrained(folder, low_cpu_mem_usage=False).float()
    latents = autoencoder.encode(values).latent_dist.mode()
    x = autoencoder.decode(latents).sample[0].clamp(-1, 1)
    decoded = ((x + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    factor = len(picture) // latents.shape[2]
    print(factor, latents.numel(), f"{psnr(decoded):.4f}", f"{ssim(decoded):.5f}", f"{seconds(latents.shape[1:]):.4f}", sep="\\t")
"""
