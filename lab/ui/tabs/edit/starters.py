"""The lab's own pictures of the Edit tab: drawings of the set that its models learned from, generated people, and blank paper."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np
from PIL import Image

from lab.settings import ASSETS, Settings
from lab.ui.shell import media

PAPER = "blank paper"
ACROSS, CELL = 32, 64  # pictures in each row of a sheet of assets/pictures, and the pixels of their sides
NOTO = "Google Inc. (Noto Emoji), Apache-2.0"
LAB = "Diffusion Lab, CC0-1.0"


@dataclass(frozen=True)
class Starter:
    """A picture to begin with. `caption` is what it shows, as the models were told: the source words of DDIM inversion."""

    name: str
    caption: str
    file: str = ""  # under assets/; "" is blank paper
    cell: int | None = None  # of a sheet of the picture set; None: the file is the picture
    credit: str = ""  # author and licence

    @property
    def pixels(self) -> np.ndarray:
        """The picture, (side, side, 3) uint8, not to be written to."""
        return _pixels(self.file, self.cell)


@cache
def _pixels(file: str, cell: int | None) -> np.ndarray:
    if cell is not None:
        return _cut(file)[cell]
    pixels = media.open_picture(ASSETS / file, Settings()) if file else np.full((CELL, CELL, 3), 255, np.uint8)
    pixels.setflags(write=False)
    return pixels


@cache
def _cut(file: str) -> Mapping[int, np.ndarray]:
    """The pictures that STARTERS take from a sheet, by their cells: it is decoded once for all of them."""
    pictures = {}
    with Image.open(ASSETS / file) as sheet:
        whole = sheet.convert("RGB")
    for cell in [one.cell for one in STARTERS.values() if one.file == file and one.cell is not None]:
        x, y = CELL * (cell % ACROSS), CELL * (cell // ACROSS)
        pictures[cell] = np.asarray(whole.crop((x, y, x + CELL, y + CELL)))
        pictures[cell].setflags(write=False)
    return pictures


def _credits() -> Mapping[str, str]:
    """By file of assets/images: author and licence."""
    return {one.path.name: one.credit for one in media.examples()}


def _by_name(*rows: Starter) -> Mapping[str, Starter]:
    return MappingProxyType({row.name: row for row in rows})


def _image(name: str, caption: str, file: str) -> Starter:
    return Starter(name, caption, f"images/{file}", credit=_credits()[file])


def _drawn(name: str, caption: str, cell: int) -> Starter:
    return Starter(name, caption, "pictures/glossy-1.webp", cell, NOTO)


# fmt: off
STARTERS = _by_name(
    Starter(PAPER, ""),
    _image("red apple",    "red apple, glossy style",           "red-apple-glossy.png"),
    _drawn("cat face",     "cat face, glossy style",            159),
    _drawn("panda",        "panda, glossy style",               194),
    _image("house",        "house with garden, cartoon style",  "house-with-garden-cartoon.png"),
    _drawn("rocket",       "rocket, glossy style",              456),
    _drawn("smiling face", "smiling face with smiling eyes, glossy style", 11),
    _drawn("strawberry",   "strawberry, glossy style",          271),
    _image("butterfly",    "butterfly, blob style",             "butterfly-blob.png"),
    _image("sunflower",    "sunflower, sticker style",          "sunflower-sticker.png"),
    _image("fox",          "fox, 3D style",                     "fox-3d.png"),
    Starter("person waving", "a person in a yellow jumper and orange skirt, waving, blue background",
            "people/waving.png", credit=LAB),
    Starter("person, hands on hips", "a person with curly black hair in a red jumper and pink trousers, hands on hips, blue background",
            "people/hands-on-hips.png", credit=LAB),
)
# fmt: on
