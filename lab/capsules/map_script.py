"""The planes of two latents as a short Python script that needs nothing of the lab: torch, safetensors, NumPy and Pillow."""

from lab.capsules.edit_pictures import embedded
from lab.capsules.script import laid_out
from lab.catalog import HELPERS
from lab.requests.latent_map import MAP, NETWORKS, SIDE, MapRequest, member


def map_script(request: MapRequest) -> str:
    """The script of a run: what both networks decode on a grid of codes, and where the picture lands, if there is one."""
    own = request.picture is not None
    names = ", ".join(f'"{network}": "{member(request.pictures, network)}"' for network in NETWORKS)
    return laid_out(
        [
            _head(own),
            f'FOLDER = "assets/{HELPERS[MAP].source}"\nNETWORKS = {{{names}}}\nGRID = 15  # codes along each side',
            embedded(request.picture, None) if own else "",
            _NETWORK,
            _READING if own else "",
            _GRID.format(side=SIDE),
            _OWN if own else "",
        ]
    )


def _head(own: bool) -> str:
    return "\n".join(
        [
            '"""Two latents of Diffusion Lab as a grid of pictures, without the lab, for an autoencoder and a variational one.',
            "",
            "    pip install numpy torch safetensors pillow",
            "",
            "Run it in the lab's folder; it writes ae.png and vae.png. The codes of the grid are quantiles of N(0, I), as in",
            "Figure 4 of Kingma & Welling 2013, https://arxiv.org/abs/1312.6114.",
            '"""',
            "",
            *(["import base64", "import io"] if own else []),
            "from pathlib import Path",
            "",
            "import numpy as np",
            "import torch",
            "from PIL import Image",
            "from safetensors.torch import load_file",
            "from torch.nn.functional import conv2d, conv_transpose2d, linear, silu",
        ]
    )


_NETWORK = '''
def encode(weights, pictures):
    """Mean and log variance of the posterior of pictures (n, 3, 32, 32) in [-1, 1]; an autoencoder's code is the mean."""
    for k in range(3):
        pictures = silu(conv2d(pictures, weights[f"down.{k}.weight"], weights[f"down.{k}.bias"], 2, 1))
    hidden = silu(linear(pictures.flatten(1), weights["to_hidden.weight"], weights["to_hidden.bias"]))
    return linear(hidden, weights["to_code.weight"], weights["to_code.bias"]).chunk(2, 1)


def decode(weights, codes):
    """Pictures (n, 3, 32, 32), roughly in [-1, 1], of codes (n, 2)."""
    hidden = silu(linear(codes, weights["from_code.weight"], weights["from_code.bias"]))
    hidden = silu(linear(hidden, weights["to_map.weight"], weights["to_map.bias"])).unflatten(1, (-1, 4, 4))
    for k in range(3):
        hidden = hidden if k == 0 else silu(hidden)
        hidden = conv_transpose2d(hidden, weights[f"up.{k}.weight"], weights[f"up.{k}.bias"], 2, 1)
    return hidden


def pixels_of(pictures):
    """(n, 32, 32, 3) whole numbers from 0 to 255."""
    return ((pictures.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)
'''
_READING = '''
def opened(png):
    """A PNG as a picture (1, 3, 32, 32) in [-1, 1]."""
    pixels = torch.from_numpy(np.array(Image.open(io.BytesIO(base64.b64decode(png))))).permute(2, 0, 1)[None] / 127.5 - 1
    if pixels.shape[2:] != (32, 32):
        pixels = torch.nn.functional.interpolate(pixels, (32, 32), mode="bicubic", antialias=True).clamp(-1, 1)
        pixels = ((pixels + 1) * 127.5).round() / 127.5 - 1
    return pixels
'''
_GRID = """
networks = {{}}
for name, folder in NETWORKS.items():
    (file,) = Path(FOLDER, folder).glob("*.safetensors")
    networks[name] = {{key: value.float() for key, value in load_file(file).items()}}

places = torch.special.ndtri((torch.arange(GRID) + 0.5) / GRID)  # quantiles of N(0, 1)
codes = torch.stack([places.repeat(GRID), places.flip(0).repeat_interleave(GRID)], 1)  # the second latent upwards
for name, weights in networks.items():
    tiles = pixels_of(decode(weights, codes)).unflatten(0, (GRID, GRID))
    Image.fromarray(tiles.transpose(1, 2).reshape({side} * GRID, {side} * GRID, 3).numpy()).save(f"{{name}}.png")
"""
_OWN = """
picture = opened(ORIGINAL)
for name, weights in networks.items():
    mean, log_variance = encode(weights, picture)
    back = decode(weights, mean).clamp(-1, 1)
    rms = 127.5 * (back - picture).square().mean().sqrt()
    print(name, "code", mean[0].tolist(), "RMS", rms.item())
"""
