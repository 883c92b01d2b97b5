"""A machine of "Copy or invent?" as a short Python script that needs nothing of the lab: the picture of its first seed.

The exact and the local machines need NumPy and Pillow, the network torch and diffusers.
"""

from lab.capsules import short_script
from lab.capsules.script import laid_out
from lab.catalog import MODELS
from lab.requests.fields import Condition
from lab.requests.invention import FORWARD, KINDS, InventionRequest, Machine

PAPER = "Kamb & Ganguli 2024, https://arxiv.org/abs/2412.20292"
MEAN = "# the predicted x_0: the mean of the pictures x_i, weighted by softmax(-|x - sqrt(a) x_i|^2 / (2 (1 - a)))"


def invention_script(request: InventionRequest, index: int) -> str:
    """The script of a machine of the request, by its index."""
    machine = request.machines[index]
    own = _network(request) if machine.kind == "network" else _closed(request, machine)
    return laid_out(
        [_head(machine), f"SEED, STEPS = {request.seeds[0]}, {request.steps}", *own, short_script.saving(32)]
    )


def _head(machine: Machine) -> str:
    network = machine.kind == "network"
    said = {
        "exact": "Each guess is the mean of whole pictures, so it ends in a copy of one.",
        "local": f"Each pixel is guessed alone, from patches of {machine.patch} px ({PAPER}).",
        "network": "It is the miniature pixel diffusion that ships with the lab.",
    }
    return "\n".join(
        [
            f'"""{MODELS[KINDS[machine.kind]].title}: a picture of Diffusion Lab, drawn again without the lab, by DDIM.',
            "",
            "Run it in the lab's folder; it writes picture.png.",
            said[machine.kind],
            '"""',
            "",
            "import json" if network else "import csv",
            "",
            "import numpy as np",
            *(["import torch", "from diffusers import DDPMScheduler, UNet2DModel"] if network else []),
            "from PIL import Image",
        ]
    )


# Machines in closed form


def _closed(request: InventionRequest, machine: Machine) -> list[str]:
    """The pictures that it knows, x_T, and the way down."""
    return [
        short_script.picture_set(MODELS["exact-32"], Condition(group=request.group)) + _spread(machine.pictures),
        short_script.alpha_bars(FORWARD),
        short_script.BOX_MULLER.format(seed="SEED", result="x ="),
        _patches(machine) if machine.kind == "local" else "",
        f"{MEAN if machine.kind == 'exact' else ''}\n{_loop(machine)}",
    ]


def _spread(count: int) -> str:
    """Of the pictures so many, spread evenly; all of them where they are no more."""
    return f"\ndata = data[np.arange({count}) * len(data) // {count}] if len(data) > {count} else data" if count else ""


def _patches(machine: Machine) -> str:
    """What the loop of a local machine compares."""
    if machine.translated:
        return (
            f"PATCH = {machine.patch}\n\n\n"
            "def patches(pictures):\n"
            '    """A row for each place of each picture: all that lies around it, 0 beyond the border."""\n'
            "    padded = np.pad(pictures.reshape(-1, 3, 32, 32), [(0, 0), (0, 0), (PATCH // 2,) * 2, (PATCH // 2,) * 2])\n"
            "    windows = np.lib.stride_tricks.sliding_window_view(padded, (PATCH, PATCH), (2, 3))\n"
            "    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(len(padded) * 1024, -1)\n\n\n"
            "known, middles = patches(data), data.reshape(-1, 3, 1024).swapaxes(1, 2).reshape(-1, 3)\n"
            "norms = (known**2).sum(1)"
        )
    return (
        f"PATCH = {machine.patch}\n"
        "places = np.arange(32)\n"
        "near = (np.abs(places[:, None] - places) <= PATCH // 2).astype(float)  # 1 where two rows or columns share a patch\n"
        "data = data.reshape(-1, 3, 32, 32)"
    )


EXACT = """\
    distances = ((x - a**0.5 * data) ** 2).sum(1)
    weights = np.exp((distances.min() - distances) / (2 * (1 - a)))
    x_0 = weights @ data / weights.sum()
"""
OWN_PLACE = """\
    squares = near @ ((x.reshape(3, 32, 32) - a**0.5 * data) ** 2).sum(1) @ near  # of the patch around each pixel
    weights = np.exp((squares.min(0) - squares) / (2 * (1 - a)))  # for each pixel its own
    x_0 = ((weights[:, None] * data).sum(0) / weights.sum(0)).ravel()
"""
ALL_PLACES = """\
    x_0 = np.empty((1024, 3))
    for row, patch in enumerate(patches(x)):  # one for each pixel
        scores = (a**0.5 * (known @ patch) - a / 2 * norms) / (1 - a)
        weights = np.exp(scores - scores.max())
        x_0[row] = weights @ middles / weights.sum()
    x_0 = x_0.T.ravel()
"""


def _loop(machine: Machine) -> str:
    """From x_T to x_0; `a` is alpha-bar, and `b` what it is after the step."""
    mean = EXACT if machine.kind == "exact" else ALL_PLACES if machine.translated else OWN_PLACE
    return (
        "for a, b in zip(levels, levels[1:]):  # alpha-bar, and what it is after the step\n"
        f"{mean}"
        "    eps = (x - a**0.5 * x_0) / (1 - a) ** 0.5\n"
        "    x = b**0.5 * x_0 + (1 - b) ** 0.5 * eps"
    )


# The network


def _network(request: InventionRequest) -> list[str]:
    """Its weights, x_T, and the way down."""
    return [
        f'''
FOLDER = "assets/{MODELS[KINDS["network"]].source}"
torch.set_grad_enabled(False)
unet = UNet2DModel.from_pretrained(f"{{FOLDER}}/unet", low_cpu_mem_usage=False)
classes = json.load(open(f"{{FOLDER}}/classes.json"))
label = torch.tensor([classes.index("{request.group or "anything"}")])
alpha_bar = DDPMScheduler.from_pretrained(f"{{FOLDER}}/scheduler").alphas_cumprod.double().clamp(min=2**-24)
timesteps = [round(1000 * i / STEPS) - 1 for i in range(STEPS, 0, -1)]
''',
        """
x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(SEED))
for t, s in zip(timesteps, [*timesteps[1:], None]):
    a, b = (1.0 if step is None else float(alpha_bar[step]) for step in (t, s))
    v = unet(x, t, class_labels=label).sample[:, :3]  # the other three channels are its variance
    x_0, eps = a**0.5 * x - (1 - a) ** 0.5 * v, a**0.5 * v + (1 - a) ** 0.5 * x
    x = b**0.5 * x_0 + (1 - b) ** 0.5 * eps
x = x.numpy()
""",
    ]
