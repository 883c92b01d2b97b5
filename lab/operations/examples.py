"""Pictures of several kinds at a model's side: of its set, unseen ones, photographs as they are and in the set's manner, noise."""

import csv
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from lab.models.pictures import PictureSet, resized
from lab.settings import ASSETS

MIDDLE = 0.625  # of the side, that a photograph takes on the white of the set's manner

Titled = tuple[str, np.ndarray]  # a title and a picture (height, width, 3) uint8


@lru_cache(maxsize=16)
def of_set(folder: Path, held_out: bool, side: int, count: int, seed: int) -> tuple[Titled, ...]:
    """`count` pictures of a picture folder, drawn by `seed`: those that models may use, or those held out."""
    pictures = _set(folder)
    places = np.flatnonzero(pictures.held_out == held_out)
    chosen = np.random.default_rng(seed).choice(places, count, replace=False)
    return tuple((pictures.captions[place], resized(pictures.pixels[place], side)) for place in chosen)


@lru_cache(maxsize=1)
def _set(folder: Path) -> PictureSet:
    """The last set that pictures were drawn from, decoded: one, since it is as large as all its pixels."""
    return PictureSet.load(folder)


@lru_cache(maxsize=16)
def photographs(side: int, count: int) -> tuple[Titled, ...]:
    """The first `count` photographs that ship with the lab: the middle square of each."""
    with (ASSETS / "images" / "index.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "photo"][:count]
    return tuple((row["title"], resized(_middle(ASSETS / "images" / row["file"]), side)) for row in rows)


def styled(photograph: np.ndarray) -> np.ndarray:
    """A photograph (side, side, 3) in the manner of the set: small, in the middle of white."""
    side = len(photograph)
    small = round(side * MIDDLE)
    picture, start = np.full_like(photograph, 255), (side - small) // 2
    picture[start : start + small, start : start + small] = resized(photograph, small)
    return picture


def noise(side: int, number: int, seed: int) -> np.ndarray:
    """Independent bytes, each as likely as the other: (side, side, 3)."""
    return np.random.default_rng([seed, number]).integers(0, 256, (side, side, 3), dtype=np.uint8)


def _middle(file: Path) -> np.ndarray:
    """The largest square in the middle of a picture file."""
    with Image.open(file) as opened:
        picture = np.asarray(opened.convert("RGB"))
    height, width = picture.shape[:2]
    size = min(height, width)
    top, left = (height - size) // 2, (width - size) // 2
    return np.ascontiguousarray(picture[top : top + size, left : left + size])
