"""The captioned picture set: reading it from disk and searching it by caption.

A picture folder holds lossless sheets (each a grid of square pictures, COLUMNS wide, filled row by row) and one
`index.csv` with a row per picture: sheet, cell, caption, style, group, subgroup, concept, keywords, split, source,
name. `lab.training.data` writes it; the shipped subset in assets/pictures and the full set have the same format.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from lab.vocabulary import STOP_WORDS, words

COLUMNS = 32  # pictures in each row of a sheet; a sheet's width / COLUMNS is its pictures' size in pixels
INDEX_FIELDS = (
    "sheet",
    "cell",
    "caption",
    "style",
    "group",
    "subgroup",
    "concept",
    "keywords",
    "split",
    "source",
    "name",
)
KEYWORD_SEPARATOR = "|"
TRAIN, HELD_OUT = "train", "held-out"
REMEDY = "Build the folder again with `python -m lab.training data`, or restore assets/pictures from the repository."


class PictureSetError(ValueError):
    """A picture folder that cannot be read; the message names the file and the remedy."""


@dataclass(frozen=True, eq=False)
class PictureSet:
    """Captioned square pictures on white; every field has one entry per picture, in the order of the index."""

    pixels: np.ndarray  # (n, size, size, 3) uint8 RGB; size is 64 in the shipped set
    captions: tuple[str, ...]  # as a person would type them: "red apple, flat style"
    styles: tuple[str, ...]  # "flat", "3D", ...
    groups: tuple[str, ...]  # "food-drink", "animals-nature", ...
    concepts: tuple[str, ...]  # the emoji's code points: equal for the same thing drawn in several styles
    keywords: tuple[tuple[str, ...], ...]
    held_out: np.ndarray  # (n,) bool; True where no model may use the picture

    @staticmethod
    def count(folder: Path) -> int:
        """Pictures of a folder that models may use, without opening its sheets; 0 where its index cannot be read."""
        index = Path(folder) / "index.csv"
        return _count(index, index.stat().st_mtime_ns) if index.is_file() else 0

    @classmethod
    def load(cls, folder: Path) -> "PictureSet":
        """Read a picture folder. Raises PictureSetError where a file is missing, damaged or does not fit the index."""
        rows = _read_index(Path(folder) / "index.csv")
        sheets = {name: _read_sheet(Path(folder) / name) for name in dict.fromkeys(row["sheet"] for row in rows)}
        if len({cells.shape[1:] for cells in sheets.values()}) > 1:
            raise PictureSetError(f"The sheets in {folder} hold pictures of different sizes. {REMEDY}")
        try:
            # Consecutive rows of one sheet are the rule, so the stack below is one plain copy.
            pixels = np.stack([sheets[row["sheet"]][_cell_number(row["cell"])] for row in rows])
        except (IndexError, ValueError) as error:
            raise PictureSetError(f"{folder}/index.csv names a cell that its sheet does not have. {REMEDY}") from error
        return cls(
            pixels=pixels,
            captions=tuple(row["caption"] for row in rows),
            styles=tuple(row["style"] for row in rows),
            groups=tuple(row["group"] for row in rows),
            concepts=tuple(row["concept"] for row in rows),
            keywords=tuple(tuple(filter(None, row["keywords"].split(KEYWORD_SEPARATOR))) for row in rows),
            held_out=np.array([row["split"] == HELD_OUT for row in rows]),
        )

    def __len__(self) -> int:
        return len(self.captions)

    def select(self, mask_or_indices: np.ndarray) -> "PictureSet":
        """The pictures where a mask (n,) bool is True, or those at the indices, in their order."""
        indices = np.arange(len(self))[mask_or_indices]

        def take(values: tuple) -> tuple:
            return tuple(values[i] for i in indices)

        return PictureSet(
            pixels=self.pixels[indices],
            captions=take(self.captions),
            styles=take(self.styles),
            groups=take(self.groups),
            concepts=take(self.concepts),
            keywords=take(self.keywords),
            held_out=self.held_out[indices],
        )

    def resized(self, side: int) -> "PictureSet":
        """The same pictures, averaged down to `side` pixels."""
        if self.pixels.shape[1] == side:
            return self
        return replace(self, pixels=np.stack([resized(picture, side) for picture in self.pixels]))

    def matching(self, caption: str = "", group: str = "", style: str = "") -> np.ndarray:
        """Which pictures a search means, as a mask (n,) bool; all False where nothing matches. Never raises.

        Every word of `caption` must be a word of the picture's caption or keywords; where the captions alone can
        answer, keywords are left out of it. "flat style" inside the caption restricts the style, as does `style`.
        Empty arguments do not restrict.
        """
        wanted = words(caption)
        if caption.strip() and not wanted:  # "???"
            return np.zeros(len(self), bool)
        mask = _among(self._masks_by_group, group) & _among(self._masks_by_style, style)
        for name, in_style in self._masks_by_style.items():
            if (phrase := f" {name} style ") in (query := f" {' '.join(wanted)} "):
                mask = mask & in_style
                wanted = tuple(query.replace(phrase, " ").split())
        terms = [word for word in wanted if word not in STOP_WORDS] or wanted
        by_caption = mask & self._having(self._caption_index, terms)
        return by_caption if by_caption.any() else mask & self._having(self._keyword_index, terms)

    def _having(self, index: dict[str, np.ndarray], words: Iterable[str]) -> np.ndarray:
        """Mask of the pictures that an inverted index lists under every one of the words."""
        mask = np.ones(len(self), bool)
        for word in words:
            having_word = np.zeros(len(self), bool)
            having_word[index.get(word, [])] = True
            mask &= having_word
        return mask

    @cached_property
    def _caption_index(self) -> dict[str, np.ndarray]:
        return _inverted_index(self.captions)

    @cached_property
    def _keyword_index(self) -> dict[str, np.ndarray]:
        """Caption words and keywords together."""
        texts = zip(self.captions, self.keywords, strict=True)
        return _inverted_index(" ".join((caption, *keywords)) for caption, keywords in texts)

    @cached_property
    def _masks_by_group(self) -> dict[str, np.ndarray]:
        return _masks_by_value(self.groups)

    @cached_property
    def _masks_by_style(self) -> dict[str, np.ndarray]:
        return _masks_by_value(self.styles)


def resized(picture: np.ndarray, side: int) -> np.ndarray:
    """A (height, width, 3) uint8 picture at (side, side, 3), averaged down as those of a set are; itself where it has that
    size."""
    if picture.shape[:2] == (side, side):
        return picture
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)


@lru_cache(maxsize=16)
def _count(index: Path, changed: int) -> int:
    try:
        return sum(row["split"] != HELD_OUT for row in _read_index(index))
    except PictureSetError:  # loading it is what says so
        return 0


def _read_index(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            fields = tuple(reader.fieldnames or ())
            rows = list(reader)
    except FileNotFoundError:
        raise PictureSetError(f"{path} is missing. {REMEDY}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PictureSetError(f"{path} cannot be read ({error}). {REMEDY}") from error
    if fields != INDEX_FIELDS or not rows:
        raise PictureSetError(f"{path} is not a picture index: it needs rows of {', '.join(INDEX_FIELDS)}. {REMEDY}")
    if any(None in row or None in row.values() for row in rows):
        raise PictureSetError(f"{path} has a row that is too short or too long. {REMEDY}")
    return rows


def _read_sheet(path: Path) -> np.ndarray:
    """The pictures of one sheet, in cell order. -> (cells, size, size, 3) uint8"""
    try:
        with Image.open(path) as sheet:
            grid = np.asarray(sheet.convert("RGB"))
    except FileNotFoundError:
        raise PictureSetError(f"{path} is missing. {REMEDY}") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise PictureSetError(f"{path} is not a readable picture ({error}). {REMEDY}") from error
    size = grid.shape[1] // COLUMNS
    if not size or grid.shape[1] % COLUMNS or grid.shape[0] % size:
        raise PictureSetError(f"{path} is not a grid of square pictures, {COLUMNS} to a row. {REMEDY}")
    return grid.reshape(-1, size, COLUMNS, size, 3).swapaxes(1, 2).reshape(-1, size, size, 3)


def _cell_number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"not a cell number: {text!r}")
    return int(text)


def _inverted_index(texts: Iterable[str]) -> dict[str, np.ndarray]:
    """Normalised word -> indices of the texts that contain it."""
    indices_by_word: dict[str, list[int]] = {}
    for i, text in enumerate(texts):
        for word in set(words(text, limit=None)):
            indices_by_word.setdefault(word, []).append(i)
    return {word: np.array(indices) for word, indices in indices_by_word.items()}


def _masks_by_value(values: tuple[str, ...]) -> dict[str, np.ndarray]:
    array = np.array(values)
    return {" ".join(words(value)): array == value for value in dict.fromkeys(values)}


def _among(masks: dict[str, np.ndarray], value: str) -> np.ndarray:
    """The mask of a group or style as typed ("Food & Drink", "flat style"); all True for ""."""
    n = len(next(iter(masks.values()), ()))
    if not value:
        return np.ones(n, bool)
    key = " ".join(word for word in words(value) if word not in STOP_WORDS)
    return masks.get(key.removesuffix(" style"), np.zeros(n, bool))
