"""The picture and the mask of an edit in its script: written into it, and read from there."""

import base64
import io
from textwrap import indent, wrap

import numpy as np
from PIL import Image

from lab.catalog import Model


def embedded(picture: np.ndarray | None, mask: np.ndarray | None) -> str:
    """Both as PNGs, those that are there."""
    named = (("ORIGINAL", picture, ""), ("MASK", mask, "  # white is drawn anew"))
    return "\n".join(_constant(name, pixels, words) for name, pixels, words in named if pixels is not None)


def reading(model: Model, picture: np.ndarray | None, mask: np.ndarray | None) -> str:
    """From their PNGs to `pixels`, (1, 3, side, side) in [-1, 1], and `hole`, (1, 1, side, side) of 0 and 1, at the model's side."""
    if picture is None and mask is None:
        return ""
    lines, size = [_OPENED], (model.size, model.size)
    if picture is not None:
        lines += ["pixels = opened(ORIGINAL).permute(2, 0, 1)[None] / 127.5 - 1"]
        if picture.shape[:2] != size:
            lines += [
                f'pixels = torch.nn.functional.interpolate(pixels, {size}, mode="bicubic", antialias=True).clamp(-1, 1)',
                "pixels = ((pixels + 1) * 127.5).round() / 127.5 - 1",
            ]
    if mask is not None:
        lines += ["hole = opened(MASK)[None, None].float()"]
        if mask.shape != size:
            lines += [f'hole = torch.nn.functional.interpolate(hole, {size}, mode="nearest-exact")']
    return "\n".join(lines)


def _constant(name: str, pixels: np.ndarray, words: str) -> str:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    data = "\n".join(f'"{line}"' for line in wrap(base64.b64encode(stream.getvalue()).decode(), 100))
    return f"{name} = ({words}\n{indent(data, '    ')}\n)"


_OPENED = '''

def opened(png):
    """The values of a PNG."""
    return torch.from_numpy(np.array(Image.open(io.BytesIO(base64.b64decode(png)))))


'''
PASTING = """\
original = ((pixels[0] + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0)
picture = torch.where(hole[0, 0, :, :, None] > 0.5, picture, original)
"""
