"""What a model is built of, as the configuration files of its folder say: parts and shapes. Opens no weights, needs no torch.

Where a folder is not on this machine, or its files do not say it, nothing is known.
"""

import csv
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lab.catalog import Control, Model
from lab.settings import ASSETS
from lab.store import whole_copy_of

Stage = tuple[int, int]  # channels, side


@dataclass(frozen=True)
class Architecture:
    """The parts of a model. Shapes are (channels, height, width), as diffusers has them."""

    side: int  # of its pictures, in pixels
    shape: tuple[int, int, int]  # of x_t
    text: tuple[int, int] = (0, 0)  # tokens, width: of what the text encoder gives; SDXL's two side by side
    classes: int = 0
    stages: tuple[Stage, ...] = ()  # of the U-Net, from the outside in
    distilled: bool = False  # with its guidance: it is told the scale (Luo et al. 2023)
    pictures: int = 0  # of the set of an exact denoiser or a local one


def architecture(row: Model) -> Architecture | None:
    """The parts of a row of MODELS; None where they are not known here."""
    folder = _folder(row.source)
    return _read(row.family, folder, row.size) if folder else None


@lru_cache(maxsize=64)
def _read(family: str, folder: Path, size: int) -> Architecture | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        if family in ("exact", "local"):
            return _exact(folder, size)
        unet = _config(folder / "unet")
        stages = _stages(unet)
        channels = (
            unet["in_channels"] if family == "pixel" else unet.get("out_channels", 4)
        )  # nine in, where it fills holes
        shape = (channels, unet["sample_size"], unet["sample_size"])
        if family == "pixel":
            return Architecture(shape[1], shape, classes=unet["num_class_embeds"] or 0, stages=stages)
        vae, distilled = _config(folder / "vae"), unet.get("time_cond_proj_dim") is not None
        side = shape[1] * 2 ** (len(vae["block_out_channels"]) - 1)
        return Architecture(side, shape, _text(folder), stages=stages, distilled=distilled)
    return None


def residuals(control: Control, side: int) -> tuple[Stage, ...]:
    """What a ControlNet adds to a U-Net whose x_t has this side, in order (Zhang et al. 2023): one residual for its first
    layer, one for each block and each halving on the way down, one for the middle. None where its files are not here."""
    folder = _folder(control.source)
    with suppress(OSError, ValueError, KeyError, TypeError):
        config = _config(folder) if folder else {}
        channels, layers = config["block_out_channels"], config["layers_per_block"]
        found = [(channels[0], side)]
        for level, width in enumerate(channels):
            found += [(width, side >> level)] * layers
            found += [(width, side >> level + 1)] if level + 1 < len(channels) else []
        return (*found, found[-1])
    return ()


def _folder(source: str) -> Path | None:
    folder = ASSETS / source  # an absolute path stays itself
    return folder if folder.exists() else whole_copy_of(source)


def _exact(folder: Path, size: int) -> Architecture:
    with (folder / "index.csv").open(encoding="utf-8", newline="") as file:
        pictures = sum(row["split"] != "held-out" for row in csv.DictReader(file))
    return Architecture(size, (3, size, size), pictures=pictures)


def _stages(unet: Mapping[str, Any]) -> tuple[Stage, ...]:
    return tuple((width, unet["sample_size"] >> level) for level, width in enumerate(unet["block_out_channels"]))


def _text(folder: Path) -> tuple[int, int]:
    """Tokens that the first tokenizer reads, and the width of all text encoders together."""
    encoders = [_config(part) for part in sorted(folder.glob("text_encoder*"))]
    limit = json.loads((folder / "tokenizer" / "tokenizer_config.json").read_text("utf-8")).get("model_max_length")
    tokens = min(limit or 2**31, encoders[0]["max_position_embeddings"])
    return tokens, sum(config["hidden_size"] for config in encoders)


def _config(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "config.json").read_text("utf-8"))
