"""Pictures under a family of variational autoencoders as a Python script that needs nothing of the lab."""

from textwrap import indent

import numpy as np

from lab.capsules.bound_script import packed
from lab.capsules.script import laid_out
from lab.catalog import HELPERS
from lab.requests.betas import DRAWS, LIVING, BetaRequest
from lab.requests.bound import BETAS


def beta_script(request: BetaRequest, pictures: np.ndarray) -> str:
    """The script of a run of the dial: it reconstructs and samples under each beta and prints the divergence of each latent.
    `pictures` are those that were encoded, (n, side, side, 3) uint8. Its noise is the lab's, so its numbers are, to within
    float32's rounding."""
    constants = [
        f'FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else "assets/{HELPERS[request.family].source}")',
        f"NETWORKS = {[f'{request.pictures}-{beta:g}' for beta in BETAS]}".replace("'", '"'),
        f"SEED, DRAWS, LIVING = {request.seed}, {DRAWS}, {LIVING:g}",
        "PICTURES = (",
        indent(packed(np.concatenate([*pictures], 1)), "    "),
        ")",
    ]
    return laid_out([_HEAD, "\n".join(constants), _NETWORK, _LOOP])


_HEAD = '''"""Pictures under variational autoencoders that differ in beta (Higgins et al. 2017, https://openreview.net/forum?id=Sy2fzU9gl):
a run of Diffusion Lab, again without the lab.

    pip install numpy torch safetensors pillow
    python betas.py [FAMILY]

Run it in the lab's folder, or name that of the networks. A row of betas.png is what came back, then samples from the prior, of one
network. It prints, for each network and picture: rate and distortion in nats, the RMS in grey levels of 255, and the KL of each latent.
"""

import base64
import io
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.nn.functional import conv2d, conv_transpose2d, linear, silu'''
_NETWORK = '''
torch.set_grad_enabled(False)
sheet = np.array(Image.open(io.BytesIO(base64.b64decode("".join(PICTURES)))))
side = len(sheet)
pixels = sheet.reshape(side, -1, side, 3).swapaxes(0, 1)
x = torch.tensor(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


class Network:
    def __init__(self, folder):
        config = json.loads((folder / "config.json").read_text())
        self.weights = load_file(folder / "diffusion_pytorch_model.safetensors")
        self.levels, self.latents, self.scale = len(config["channels"]), config["latents"], config["scale"]

    def layer(self, name):
        return self.weights[f"{name}.weight"].float(), self.weights[f"{name}.bias"].float()

    def encode(self, x):
        """Mean and deviation of q(z | x)."""
        for k in range(self.levels):
            x = silu(conv2d(x, *self.layer(f"down.{k}"), stride=2, padding=1))
        hidden = silu(linear(x.flatten(1), *self.layer("to_hidden")))
        mean, log_variance = linear(hidden, *self.layer("to_code")).chunk(2, 1)
        return mean, (log_variance.clamp(-12, 6) / 2).exp()

    def decode(self, z):
        """The mean of p(x | z)."""
        hidden = silu(linear(silu(linear(z, *self.layer("from_code"))), *self.layer("to_map")))
        hidden = hidden.unflatten(1, (-1, side >> self.levels, side >> self.levels))
        for k in range(self.levels):
            hidden = conv_transpose2d(hidden if k == 0 else silu(hidden), *self.layer(f"up.{k}"), stride=2, padding=1)
        return hidden

'''
_LOOP = """
rows = []
for name in NETWORKS:
    network = Network(FOLDER / name)
    mean, std = network.encode(x)
    generator = torch.Generator().manual_seed(SEED)
    z = torch.randn(len(x), network.latents, generator=generator)  # of the prior
    eps = torch.randn(DRAWS, 1, network.latents, generator=generator)
    error = torch.stack([(network.decode(mean + std * one) - x).square().flatten(1).sum(1) for one in eps]).mean(0)
    kl = 0.5 * (mean**2 + std**2 - 1) - std.log()
    for k in range(len(x)):
        rms = 127.5 * float(error[k] / x[k].numel()) ** 0.5
        numbers = [float(kl[k].sum()), float(error[k]) / (2 * network.scale**2), rms, *kl[k].tolist()]
        print(name, k, *(f"{number:.4f}" for number in numbers), sep="\\t")
    drawn = torch.cat([network.decode(mean), network.decode(z)]).clamp(-1, 1)
    rows.append(((drawn + 1) * 127.5).round().to(torch.uint8).permute(2, 0, 3, 1).reshape(side, -1, 3).numpy())
Image.fromarray(np.concatenate(rows)).save("betas.png")
"""
