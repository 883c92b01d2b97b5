"""An enlarged picture as a short Python script that needs nothing of the lab: torch, diffusers, NumPy and Pillow."""

import base64
import io
from textwrap import indent, wrap

import numpy as np
from PIL import Image

from lab.capsules import short_script
from lab.capsules.script import laid_out
from lab.catalog import HELPERS, MODELS
from lab.requests.enlarge import (
    DRAWING_STEPS,
    DRAWN_BY,
    FACTOR,
    UPSAMPLER,
    EnlargeLane,
    EnlargeRequest,
    original_of,
    small_of,
)


def enlarge_script(request: EnlargeRequest, index: int) -> str:
    """The script of a lane of the request. Of a cascade it draws the small picture, too; else that is in the script."""
    lane = request.lanes[index]
    return laid_out(
        [
            _head(request),
            _constants(request, lane),
            _LOADING,
            _SMALL if request.picture is not None else _drawing(request),
            _AUGMENTING if lane.noise else _PLAIN,
            _LOOP,
            short_script.saving(FACTOR * request.side),
        ]
    )


def _head(request: EnlargeRequest) -> str:
    cascade = request.picture is None
    standard = ["json"] if cascade else ["base64", "io"]
    first = ["The small picture is drawn first, by the miniature pixel diffusion (a cascade)."] if cascade else []
    return "\n".join(
        [
            '"""A picture of Diffusion Lab, enlarged again without the lab, by its upsampler.',
            "",
            "    pip install numpy torch diffusers pillow",
            "",
            "Run it in the lab's folder; it writes picture.png. Upsampling by diffusion is of Saharia et al. 2021,",
            "https://arxiv.org/abs/2104.07636, noise augmentation of Ho et al. 2021, https://arxiv.org/abs/2106.15282.",
            *first,
            '"""',
            "",
            *(f"import {name}" for name in standard),
            "",
            "import numpy as np",
            "import torch",
            "from diffusers import DDIMScheduler, UNet2DModel",
            "from PIL import Image",
            "from torch.nn.functional import interpolate",
        ]
    )


def _constants(request: EnlargeRequest, lane: EnlargeLane) -> str:
    lines = [
        f'FOLDER = "assets/{HELPERS[UPSAMPLER].source}"',
        f"SEED, STEPS, NOISE = {lane.seed}, {lane.steps}, {lane.noise}  # noise: the step to which the small picture is noised",
    ]
    if request.picture is None:
        return "\n".join([*lines, f'DRAWN_BY = "assets/{MODELS[DRAWN_BY].source}"'])
    return "\n".join(
        [*lines, "SMALL = (", indent(_png(small_of(original_of(request.picture, request.side))), "    "), ")"]
    )


def _png(picture: np.ndarray) -> str:
    """A picture as lines of base64."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", optimize=True)
    return "\n".join(f'"{line}"' for line in wrap(base64.b64encode(stream.getvalue()).decode(), 100))


_LOADING = '''
torch.set_grad_enabled(False)


def load(folder):
    """A network and alpha-bar of the process that it was trained under."""
    unet = UNet2DModel.from_pretrained(folder, subfolder="unet", low_cpu_mem_usage=False).float()
    alpha_bar = DDIMScheduler.from_pretrained(folder, subfolder="scheduler").alphas_cumprod
    return unet, alpha_bar.double().clamp(min=2**-24)


def levels(alpha_bar, steps):
    """The timesteps of DDIM, alpha-bar there, and what it is after the step."""
    timesteps = [round(1000 * i / steps) - 1 for i in range(steps, 0, -1)]
    bars = [float(alpha_bar[t]) for t in timesteps]
    return zip(timesteps, bars, [*bars[1:], 1.0])


'''
_SMALL = """
pixels = np.array(Image.open(io.BytesIO(base64.b64decode("".join(SMALL)))))
small = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
"""


def _drawing(request: EnlargeRequest) -> str:
    """The small picture by the pixel model, with classifier-free guidance."""
    return f"""
unet, alpha_bar = load(DRAWN_BY)
classes = json.load(open(f"{{DRAWN_BY}}/classes.json"))  # the last one is the null class
labels = torch.tensor([{f'classes.index("{request.condition.group}")' if request.condition.group else "len(classes) - 1"}, len(classes) - 1])
x = torch.randn(1, 3, {request.side}, {request.side}, generator=torch.Generator().manual_seed({request.seed}))
for t, a, b in levels(alpha_bar, {DRAWING_STEPS}):
    v = unet(torch.cat([x, x]), t, class_labels=labels).sample[:, :3]  # the other three channels are its variance
    conditional, unconditional = (a**0.5 * x - (1 - a) ** 0.5 * v).clamp(-1, 1).split(1)
    x_0 = unconditional + {request.guidance_scale!r} * (conditional - unconditional)
    x = b**0.5 * x_0 + (1 - b) ** 0.5 * (x - a**0.5 * x_0) / (1 - a) ** 0.5
small = ((x.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1  # in whole grey levels
"""


_NOISE = f"""
unet, alpha_bar = load(FOLDER)
generator = torch.Generator().manual_seed(SEED)
eps = torch.randn(small.shape, generator=generator)  # of the small picture
x = torch.randn(1, 3, *({FACTOR} * side for side in small.shape[2:]), generator=generator)
"""
_PLAIN = _NOISE.replace("of the small picture", "of the small picture; not added here, and drawn so that x is the same")
_AUGMENTING = _NOISE + "small = alpha_bar[NOISE] ** 0.5 * small + (1 - alpha_bar[NOISE]) ** 0.5 * eps\n"
_LOOP = f"""
low = interpolate(small.float(), scale_factor={FACTOR}, mode="bicubic", align_corners=False)
for t, a, b in levels(alpha_bar, STEPS):
    v = unet(torch.cat([x, low], dim=1), t, class_labels=torch.tensor([NOISE])).sample
    x_0, eps = a**0.5 * x - (1 - a) ** 0.5 * v, a**0.5 * v + (1 - a) ** 0.5 * x
    x = b**0.5 * x_0.clamp(-1, 1) + (1 - b) ** 0.5 * eps
x = x.numpy()
"""
