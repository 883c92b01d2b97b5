"""The bound of a picture under a small variational autoencoder as a Python script that needs nothing of the lab."""

import base64
import io
from textwrap import indent, wrap

import numpy as np
from PIL import Image

from lab.capsules.script import laid_out
from lab.catalog import HELPERS
from lab.requests.bound import BATCH, BoundRequest


def bound_script(request: BoundRequest, picture: np.ndarray) -> str:
    """The script of a run: both terms of the ELBO and L_K for each K. `picture` is what was encoded, (side, side, 3) uint8. Its draws
    are the lab's, so its numbers are, to within float32's rounding."""
    counts = ", ".join(map(str, request.counts))
    constants = [
        f'FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else "assets/{HELPERS[request.family].source}/{request.member}")',
        f"SEED, DRAWS, WEIGHED, COUNTS = {request.seed}, {request.draws}, {request.most * request.repeats}, ({counts},)",
        "PICTURE = (",
        indent(packed(picture), "    "),
        ")",
    ]
    return laid_out([_HEAD, "\n".join(constants), _NETWORK, _BOUND.replace("BATCH", str(BATCH))])


def packed(picture: np.ndarray) -> str:
    """A picture (height, width, 3) uint8 as lines of base64, each a string of Python."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", optimize=True)
    return "\n".join(f'"{line}"' for line in wrap(base64.b64encode(stream.getvalue()).decode(), 100))


_HEAD = '''"""The evidence lower bound of a picture (Kingma & Welling 2013, https://arxiv.org/abs/1312.6114) and importance-weighted
bounds above it (Burda et al. 2015, https://arxiv.org/abs/1509.00519): a run of Diffusion Lab, again without the lab.

    pip install numpy torch safetensors pillow
    python bound.py [NETWORK]

Run it in the lab's folder, or name that of the network. It prints nats of log-densities over values in [-1, 1].
"""

import base64
import hashlib
import io
import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.nn.functional import conv2d, conv_transpose2d, linear, silu'''
_NETWORK = '''
torch.set_grad_enabled(False)
pixels = np.array(Image.open(io.BytesIO(base64.b64decode("".join(PICTURE)))))
x = torch.tensor(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
config = json.loads((FOLDER / "config.json").read_text())
w = {name: part.float() for name, part in load_file(FOLDER / "diffusion_pytorch_model.safetensors").items()}
levels, latents, scale = len(config["channels"]), config["latents"], config["scale"]


def layer(name):
    return w[f"{name}.weight"], w[f"{name}.bias"]


def encode(x):
    """Mean and deviation of q(z | x)."""
    for k in range(levels):
        x = silu(conv2d(x, *layer(f"down.{k}"), stride=2, padding=1))
    mean, log_variance = linear(silu(linear(x.flatten(1), *layer("to_hidden"))), *layer("to_code")).chunk(2, 1)
    return mean[0], (log_variance[0].clamp(-12, 6) / 2).exp()


def decode(z):
    """The mean of p(x | z)."""
    hidden = silu(linear(silu(linear(z, *layer("from_code"))), *layer("to_map")))
    hidden = hidden.unflatten(1, (-1, config["side"] >> levels, config["side"] >> levels))
    for k in range(levels):
        hidden = conv_transpose2d(hidden if k == 0 else silu(hidden), *layer(f"up.{k}"), stride=2, padding=1)
    return hidden


def log_likelihood(z):
    """log p(x | z), a Gaussian density of fixed deviation, of each code."""
    parts = [(x - decode(part)).square() / (2 * scale**2) for part in z.split(BATCH)]
    return (-torch.cat(parts) - math.log(scale) - math.log(2 * math.pi) / 2).double().flatten(1).sum(1)


def noise(stream, count):
    """The lab's, which belongs to (seed, stream)."""
    digest = hashlib.blake2b(f"{SEED}/{stream}".encode(), digest_size=4).digest()
    return torch.randn(count, latents, generator=torch.Generator().manual_seed(int.from_bytes(digest, "big")))


'''.replace("BATCH", str(BATCH))
_BOUND = """
mean, std = encode(x)
reconstruction = float(log_likelihood(mean + std * noise(0, DRAWS)).mean())
kl = float((0.5 * (mean.double() ** 2 + std.double() ** 2 - 1) - std.double().log()).sum())
print(f"reconstruction\\t{reconstruction:.4f}")
print(f"KL\\t{kl:.4f}")
print(f"ELBO\\t{reconstruction - kl:.4f}")

weights = []
for start in range(0, WEIGHED, BATCH):
    eps = noise(start // BATCH + 1, min(BATCH, WEIGHED - start))
    z = mean + std * eps
    weights.append(log_likelihood(z) + (0.5 * (eps.double() ** 2 - z.double() ** 2) + std.double().log()).sum(1))
weights = torch.cat(weights)
for K in COUNTS:
    print(f"L_{K}\\t{float((weights.reshape(-1, K).logsumexp(1) - math.log(K)).mean()):.4f}")
"""
