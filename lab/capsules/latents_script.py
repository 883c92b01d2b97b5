"""Changes of an autoencoder's latents as a Python script of torch and diffusers alone."""

from collections.abc import Mapping
from textwrap import indent

import numpy as np

from lab.capsules import latent_script, source_script
from lab.capsules.bound_script import packed
from lab.capsules.script import laid_out
from lab.catalog import MODELS
from lab.requests.latents import Encoding, ExampleLatents, LatentLane, LatentRequest


def latents_script(request: LatentRequest, encodings: Mapping[int, Encoding], known: ExampleLatents | None) -> str:
    """The script of a run: it writes the picture of every lane. `encodings` hold the pictures as the model has them, `known` the mean of the
    example pictures' latents where a lane needs it. Its draws are the lab's, so its pictures are, to a grey level."""
    model = MODELS[request.model]
    name, _, revision = model.source.partition("@")
    source = source_script.folder(model.source) or name
    whole = latent_script.pipeline(model) == "StableDiffusionXLPipeline"
    more = f", revision={source_script.quoted(revision)}" if revision and not source_script.folder(model.source) else ""
    pictures = "\n".join(f"(\n{indent(packed(one.picture), '    ')}\n)," for _, one in sorted(encodings.items()))
    constants = [
        f"MODEL = sys.argv[1] if len(sys.argv) > 1 else {source_script.quoted(source)}",
        'FOLDER = Path(sys.argv[2] if len(sys.argv) > 2 else ".")',
        f"EXAMPLES = {_numbers(None if known is None else known.mean)}  # mean of the lab's example pictures' latents, by channel",
        "CHANGES = [  # kind, channel or None for all, centre, factor, log-SNR, t, seed",
        *(f"    {_row(lane)}," for lane in request.lanes),
        "]",
        f"PICTURES = [\n{indent(pictures, '    ')}\n]",
    ]
    return laid_out(
        [
            _HEAD.replace("TITLE", model.title),
            "\n".join(constants),
            _LOADING.replace("MORE", more) + (_WHOLE if whole else _PLAIN),
            _CHANGES,
            _LOOP,
        ]
    )


def _numbers(values: np.ndarray | None) -> str:
    return "None" if values is None else f"[{', '.join(f'{value:.8g}' for value in values)}]"


def _row(lane: LatentLane) -> str:
    return repr((lane.kind, lane.channel, lane.centre, lane.factor, lane.log_snr, lane.t, lane.seed))


_HEAD = '''"""Latents of TITLE, changed and decoded: a run of Diffusion Lab, again by torch and diffusers alone.

    pip install numpy torch diffusers pillow
    python latents.py [MODEL] [FOLDER]

Run it in the lab's folder, or name the model's. It writes latents-000.png and so on into FOLDER, one picture a change.
The autoencoder is of Rombach et al. 2022, https://arxiv.org/abs/2112.10752.
"""

import base64
import hashlib
import io
import math
import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image'''
_LOADING = """
torch.set_grad_enabled(False)
vae = AutoencoderKL.from_pretrained(MODEL, subfolder="vae"MORE)
"""
_PLAIN = """mean, deviation = torch.zeros(1), torch.full((1,), 1 / vae.config.scaling_factor)
"""
_WHOLE = """mean, deviation = torch.zeros(1), torch.full((1,), 1 / vae.config.scaling_factor)
if vae.config.latents_mean is not None and vae.config.latents_std is not None:  # as the pipeline of Stable Diffusion XL
    mean = torch.tensor(vae.config.latents_mean)[:, None, None]
    deviation = torch.tensor(vae.config.latents_std)[:, None, None] / vae.config.scaling_factor
"""
_CHANGES = '''
def stream(seed):
    """The generator that belongs to (seed, 0)."""
    digest = hashlib.blake2b(f"{seed}/0".encode(), digest_size=4).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big"))


def noised(x, log_snr, seed):
    """signal x + noise eps, variance preserving."""
    alpha_bar = 1 / (1 + math.exp(-log_snr))
    return alpha_bar**0.5 * x + (1 - alpha_bar) ** 0.5 * torch.randn(x.shape, generator=stream(seed))


def changed(kind, channel, centre, factor, log_snr, t, seed):
    """The latents of a change, in the units of the U-Net."""
    z, other = latents[0], latents[-1]
    places = slice(None) if channel is None else slice(channel, channel + 1)
    middle = (torch.tensor(EXAMPLES) if centre == "mean" and EXAMPLES else torch.zeros(len(z)))[:, None, None].expand_as(z)
    if kind == "noise":
        return noised(z, log_snr, seed)
    if kind == "draw":
        return z + factor * spreads[0] * torch.randn(z.shape, generator=stream(seed))
    if kind == "lerp":
        return (1 - t) * z + t * other
    if kind == "slerp":
        cosine = torch.dot(z.flatten().double(), other.flatten().double()) / (z.double().norm() * other.double().norm())
        w = math.acos(float(cosine.clamp(-1, 1)))
        if math.sin(w) < 1e-4:
            return (1 - t) * z + t * other
        return (math.sin((1 - t) * w) * z + math.sin(t * w) * other) / math.sin(w)
    result = middle.clone() if kind == "only" else z.clone()
    order = torch.randperm(z[0].numel(), generator=stream(seed))
    result[places] = {
        "scale": middle + factor * (z - middle),
        "only": z,
        "other": other,
        "shuffle": z.flatten(1)[:, order].reshape(z.shape),
    }[kind][places]
    return result

'''
_LOOP = """
pixels, latents, spreads, decoded = [], [], [], []
for text in PICTURES:
    picture = np.array(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"))
    x = torch.from_numpy(picture).permute(2, 0, 1).float() / 127.5 - 1
    posterior = vae.encode(x[None]).latent_dist
    pixels.append(x)
    latents.append((posterior.mean[0] - mean) / deviation)
    spreads.append(posterior.std[0] / deviation)
    decoded.append(vae.decode(posterior.mean).sample[0].clamp(-1, 1))

for number, change in enumerate(CHANGES):
    kind, channel, centre, factor, log_snr, t, seed = change
    if kind == "pixel_noise":
        values = noised(pixels[0], log_snr, seed)
    elif kind == "pixel_lerp":
        values = (1 - t) * decoded[0] + t * decoded[-1]
    else:
        values = vae.decode((changed(*change) * deviation + mean)[None]).sample[0]
    grey = ((values.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()
    Image.fromarray(grey).save(FOLDER / f"latents-{number:03}.png")
    print(number, *change, sep="\\t")
"""
