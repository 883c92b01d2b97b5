"""The docstring, the imports and the constants of the script of an edit."""

import re

from lab.capsules import edit_walks, scheduler_script
from lab.capsules.edit_models import Drawer
from lab.catalog import EDITS, SAMPLERS, Model
from lab.requests.edit import STRENGTHS, EditLane

_ABOUT = {"blend": "After every step the known part is put back at the level reached, with one noise at all levels."}
STANDARD = ("base64", "csv", "hashlib", "io", "json", "sys")


def head(model: Model, lane: EditLane, drawn: Drawer, body: str) -> str:
    """Down to the last import; what is imported is what `body`, the rest of the script, speaks of."""
    edit, row = EDITS[lane.method], SAMPLERS[lane.sampler]
    own = lane.method in edit_walks.GUESSING  # which steps by itself
    classes = {*drawn.classes, *([] if own else [scheduler_script.class_of(row)])}
    folder = "its pictures" if model.family == "exact" else "the model's"
    return "\n".join(
        [
            f'"""{edit.title}, by {model.title}: a picture of Diffusion Lab, again by torch and diffusers alone.',
            "",
            f"    pip install {drawn.packages}",
            f"    python picture.py [{'PICTURES' if model.family == 'exact' else 'MODEL'}] [PICTURE.png]",
            "",
            _ABOUT.get(lane.method, edit.about),
            *([f"The method is of {edit.paper}, https://arxiv.org/abs/{edit.arxiv}."] if edit.paper else []),
            *([] if own else [f"The sampler is {row.title}, of {row.paper}, https://arxiv.org/abs/{row.arxiv}."]),
            f"Run it in the lab's folder, or name {folder}. In float32, as here, the picture is the lab's on a CPU to within",
            "rounding.",
            '"""',
            "",
            *(f"import {name}" for name in STANDARD if re.search(rf"\b{name}\.", body)),
            *(["from pathlib import Path"] if "Path(" in body else []),
            "",
            *(["import numpy as np"] if "np." in body else []),
            "import torch",
            f"from diffusers import {', '.join(sorted(classes))}",
            "from PIL import Image",
        ]
    )


def constants(model: Model, lane: EditLane, drawn: Drawer) -> str:
    """What the script is told, and what the controls were set to."""
    sampled = lane.method not in edit_walks.GUESSING
    told = "the UNet was distilled with it" if model.consistency else "1: plain conditional, 0: unconditional"
    eta = edit_walks.draws(lane) if lane.method == "inverted" else sampled and SAMPLERS[lane.sampler].eta
    folder, *words = drawn.constants
    lines = [
        folder,
        'PICTURE = sys.argv[2] if len(sys.argv) > 2 else "picture.png"',
        *words,
        *([f"SCALE = {lane.guidance_scale!r}  # of guidance; {told}"] if lane.method != "truth" else []),
        f"SEED = {lane.seed}",
        f"STEPS = {lane.steps}",
        *([f"ETA = {lane.eta!r}  # 0: deterministic, 1: as noisy as DDPM"] if eta else []),
        *([f"STRENGTH = {lane.strength!r}  # how far up the picture is noised"] if lane.method in STRENGTHS else []),
        *(
            [f"RESAMPLINGS, JUMP = {lane.resamplings}, {lane.jump}  # how often a stretch of how many steps is walked"]
            if lane.method == "repaint"
            else []
        ),
    ]
    return "\n".join(lines)
