"""A picture to edit, the strokes painted onto it, and the mask painted over it; and how a capsule holds them."""

import base64
import math
import re
import secrets
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from lab.requests.base import LabError
from lab.ui.shell import media
from lab.ui.tabs.edit.starters import STARTERS

MOST_SIDE = 1024  # pixels of a mask or of strokes
LOST = "The drawing did not arrive in one piece. Paint once more."


@dataclass(frozen=True, eq=False)
class Drawing:
    """What is edited. `picture` and `mask` are at the side of the model, and are made of the rest, which is kept so that nothing
    is lost when another model is chosen or another mask. Use the functions below to change one: they keep both in step.

    `arranged` is whether the picture is laid out as its mask asks: shrunk to the middle for "border", rolled for "seam".
    """

    picture: np.ndarray | None  # (side, side, 3) uint8: what is edited, strokes included
    mask: np.ndarray | None  # (side, side) bool: True in the hole; None or all False: nothing is painted
    example: str = ""  # name of the lab's picture that it began from, "" for a visitor's own
    source: np.ndarray | None = None  # (n, n, 3) uint8: the picture as it came, as sharp as it came
    strokes: np.ndarray | None = None  # (side, side, 4) uint8: colours painted onto it, opaque or not there
    strokes_painted: np.ndarray | None = None  # (n, n, 4): the same as they came
    mask_painted: np.ndarray | None = None  # (n, n) bool: the mask as it came
    area: str = ""  # the name of the mask among MASKS that was chosen; "" once it was painted on
    arranged: bool = True
    note: str = ""  # what of a visitor's own picture is not shown, in words
    file: str = (
        ""  # a visitor's own picture: what its file is called among the pictures of the page, lab/ui/shell/own.py
    )
    id: str = ""  # another one where all begins anew: mask and picture of a preset, or of a link
    pictures: int = 0  # that were chosen since then
    seen: int = 0  # the page's count of what it handed over: up to here it is in this drawing

    @property
    def side(self) -> int:
        """Of picture and mask, in pixels; 0 where there is neither."""
        one = self.picture if self.picture is not None else self.mask
        return 0 if one is None else len(one)

    @property
    def caption(self) -> str:
        """What the picture shows, as the models were told; "" where the lab does not know."""
        return STARTERS[self.example].caption if self.example in STARTERS else ""

    @property
    def words(self) -> str:
        """The caption without the style of the drawing, which not every model learned."""
        return re.sub(r", \S+ style$", "", self.caption)

    def at(self, side: int) -> np.ndarray | None:
        """The picture at another side, (side, side, 3): as sharp as it came, for the strokes do not hide more of it then."""
        return resized(self, side).picture


# The masks that have a name


def _part(rows: tuple[float, float], columns: tuple[float, float]) -> Callable[[int], np.ndarray]:
    """A rectangle, its rows and columns as shares of the side."""

    def mask(side: int) -> np.ndarray:
        hole = np.zeros((side, side), bool)
        top, bottom, left, right = (round(share * side) for share in (*rows, *columns))
        hole[top : max(bottom, top + 1), left : max(right, left + 1)] = True
        return hole

    return mask


def _border(side: int) -> np.ndarray:
    """All around the picture that was shrunk to the middle: outpainting."""
    hole = np.ones((side, side), bool)
    hole[_inner(side)] = False
    return hole


def _seam(side: int) -> np.ndarray:
    """A cross in the middle, where the edges of a picture meet that was rolled by half: what it takes to be a tile."""
    from_middle = np.abs(np.arange(side) + 0.5 - side / 2) <= max(0.5, side / 8)
    return from_middle[:, None] | from_middle[None, :]


def _inner(side: int) -> tuple[slice, slice]:
    """Where the shrunk picture lies."""
    half = max(1, side // 2)
    begin = (side - half) // 2
    return slice(begin, begin + half), slice(begin, begin + half)


MASKS: Mapping[str, Callable[[int], np.ndarray]] = MappingProxyType({
    "left half": _part((0, 1), (0, 0.5)),
    "right half": _part((0, 1), (0.5, 1)),
    "upper half": _part((0, 0.5), (0, 1)),
    "lower half": _part((0.5, 1), (0, 1)),
    "middle": _part((0.25, 0.75), (0.25, 0.75)),
    "around the eyes": _part((0.33, 0.62), (0.14, 0.86)),
    "border": _border,
    "seam": _seam,
})  # fmt: skip


def _shrunk(picture: np.ndarray) -> np.ndarray:
    paper = np.full_like(picture, 255)
    rows, columns = _inner(len(picture))
    paper[rows, columns] = media.resize(picture, rows.stop - rows.start)
    return paper


def _rolled(picture: np.ndarray) -> np.ndarray:
    return np.roll(picture, (len(picture) // 2, len(picture) // 2), (0, 1))


ARRANGED: Mapping[str, Callable[[np.ndarray], np.ndarray]] = MappingProxyType({"border": _shrunk, "seam": _rolled})


# Drawings and their changes


NOTHING = Drawing(None, None)


def begin(name: str, side: int, area: str = "") -> Drawing:
    """One of STARTERS at a side, with one of MASKS or without."""
    drawing = from_starter(name, _empty(), side)
    return masked(drawing, area=area) if area else drawing


def from_starter(name: str, before: Drawing, side: int) -> Drawing:
    """One of STARTERS, with the mask of before: nobody wants to paint it again."""
    return _with_source(before, STARTERS[name].pixels, side, example=name)


def from_upload(upload: media.Upload, before: Drawing, side: int, file: str = "") -> Drawing:
    """The middle of a visitor's own picture, with the mask of before."""
    picture, note = upload.square()
    return _with_source(before, picture, side, note=note, file=file)


def _with_source(
    before: Drawing, source: np.ndarray, side: int, example: str = "", note: str = "", file: str = ""
) -> Drawing:
    fresh = replace(
        before, picture=None, strokes=None, strokes_painted=None, source=source, example=example, note=note, file=file
    )
    return resized(replace(fresh, pictures=before.pictures + 1), side)


def _empty() -> Drawing:
    return replace(NOTHING, id=secrets.token_hex(4))


def painted(drawing: Drawing, layer: np.ndarray) -> Drawing:
    """With other colours painted onto it: `layer` (n, n, 4) uint8."""
    strokes = layer.copy()
    strokes[..., 3] = np.where(layer[..., 3] > 127, 255, 0)
    strokes[strokes[..., 3] == 0] = 0
    came = strokes if strokes[..., 3].any() else None
    return _made(replace(drawing, strokes=_layer_at(came, drawing.side), strokes_painted=came))


def masked(drawing: Drawing, mask: np.ndarray | None = None, area: str = "") -> Drawing:
    """With another mask: one of MASKS by name, or (n, n) bool. One that is painted keeps how the picture is laid out."""
    if area:
        mask = MASKS[area](drawing.side)
        return _made(replace(drawing, mask=mask, mask_painted=mask, area=area))
    kept = drawing.area if drawing.area in ARRANGED else ""
    return _made(replace(drawing, mask=_layer_at(mask, drawing.side), mask_painted=mask, area=kept))


def arranged(drawing: Drawing, by_mask: bool) -> Drawing:
    """With the picture laid out as its mask asks, or as it came."""
    return _made(replace(drawing, arranged=by_mask))


def resized(drawing: Drawing, side: int) -> Drawing:
    """The same at another side; a mask with a name is made anew, as sharp as it can be. What was painted is taken from how it
    came: a smaller side loses nothing for the larger one after it."""
    mask = _layer_at(drawing.mask_painted, side)
    if drawing.mask is not None and drawing.area and np.array_equal(drawing.mask, MASKS[drawing.area](drawing.side)):
        mask = MASKS[drawing.area](side)
    strokes = _layer_at(drawing.strokes_painted, side)
    blank = np.zeros((side, side, 3), np.uint8) if drawing.source is not None else None  # to be made by _made
    return _made(replace(drawing, picture=blank, mask=mask, strokes=strokes))


def _made(drawing: Drawing) -> Drawing:
    """With the picture that source, strokes and mask make."""
    if drawing.source is None or drawing.picture is None:
        return drawing
    whole = media.resize(drawing.source, len(drawing.picture))
    if drawing.strokes is not None:
        whole = np.where(drawing.strokes[..., 3:] > 0, drawing.strokes[..., :3], whole)
    if drawing.arranged and drawing.area in ARRANGED:
        whole = ARRANGED[drawing.area](whole)
    return replace(drawing, picture=whole)


def _layer_at(layer: np.ndarray | None, side: int) -> np.ndarray | None:
    """What was painted at a side, where anything was."""
    return None if layer is None else _nearest(layer, side)


def _nearest(layer: np.ndarray, side: int) -> np.ndarray:
    """A square layer at another side, each pixel that of the nearest."""
    if len(layer) == side:
        return layer
    rows = ((np.arange(side) + 0.5) * len(layer) / side).astype(int)
    return layer[rows][:, rows]


# From the page, and in a capsule


def layer_of(text: Any) -> np.ndarray:
    """What the page painted, a square PNG as a data URI, as (n, n, 4) uint8. Raises LabError where it is none."""
    try:
        layer = media.layer_from_uri(text)
    except ValueError:
        raise LabError(LOST) from None
    if layer.shape[0] != layer.shape[1]:
        raise LabError(LOST)
    return layer


def for_capsule(drawing: Drawing) -> dict[str, Any]:
    """What a link or a file holds of a drawing: the name of the lab's picture or the pixels of a visitor's own, the strokes, and
    the mask in a bit a pixel, which fits a link at 64 pixels whatever it is."""
    words: dict[str, Any] = {}
    if drawing.example:
        words["example"] = drawing.example
    elif drawing.source is not None:
        words["png"] = media.exact_uri(drawing.source)
    if drawing.strokes is not None:
        words["strokes"] = {"png": media.exact_uri(drawing.strokes)}
    if drawing.mask is not None and drawing.mask.any():
        packed = zlib.compress(np.packbits(drawing.mask).tobytes(), 9)
        words["mask"] = {"side": len(drawing.mask), "bits": base64.urlsafe_b64encode(packed).decode().rstrip("=")}
    if drawing.area:
        words["area"] = drawing.area
    return words


def from_capsule(value: Any, side: int) -> Drawing:
    """The inverse of `for_capsule` at a side, for a value from anywhere: what cannot be read is left out, and where that is the
    picture itself there is none."""
    words = value if isinstance(value, dict) else {}
    example, drawing = words.get("example"), _empty()
    if isinstance(example, str) and example in STARTERS:
        drawing = begin(example, side)
    else:
        with suppress(ValueError):
            drawing = _with_source(drawing, media.squared(media.from_uri(words.get("png"))), side)
    strokes = words.get("strokes")
    if isinstance(strokes, dict) and drawing.picture is not None:
        with suppress(LabError):  # as of strokes that were too large for their link
            drawing = painted(drawing, layer_of(strokes.get("png")))
    area = words.get("area")
    area = area if isinstance(area, str) and area in MASKS else ""
    mask = _unpacked(words.get("mask"))
    if mask is None:  # a picture may be laid out for a mask that was wiped away
        return _made(replace(drawing, area=area if area in ARRANGED else ""))
    if area and np.array_equal(mask, MASKS[area](len(mask))):
        mask = MASKS[area](side)
    return _made(replace(drawing, mask=_nearest(mask, side), mask_painted=mask, area=area))


def _unpacked(value: Any) -> np.ndarray | None:
    """The mask of a capsule, (n, n) bool; None where it cannot be read. Sizes are checked before anything is unpacked."""
    words = value if isinstance(value, dict) else {}
    side, bits = words.get("side"), words.get("bits")
    if type(side) is not int or not 1 <= side <= MOST_SIDE or not isinstance(bits, str):
        return None
    length = math.ceil(side * side / 8)
    if len(bits) > 2 * length + 100 or not re.fullmatch("[A-Za-z0-9_-]+", bits):
        return None
    unpacking = zlib.decompressobj()
    try:
        packed = unpacking.decompress(base64.urlsafe_b64decode(bits + "=" * (-len(bits) % 4)), length + 1)
    except (ValueError, zlib.error):
        return None
    if len(packed) != length or not unpacking.eof:
        return None
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=side * side).reshape(side, side).astype(bool)
