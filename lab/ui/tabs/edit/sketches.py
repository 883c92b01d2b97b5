"""Sketches that presets begin with: a few strokes of colour, as a visitor would paint them."""

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw

Stroke = tuple[str, float, tuple[tuple[float, float], ...]]  # colour, width and points, in hundredths of the side

# fmt: off
SKETCHES: Mapping[str, tuple[Stroke, ...]] = {
    "heart": (
        ("#d62839", 20, ((30, 36), (40, 34), (50, 46), (60, 34), (70, 36), (74, 46), (64, 62), (50, 76), (36, 62), (26, 46), (30, 36))),
        ("#d62839", 22, ((40, 46), (50, 58), (60, 46))),
    ),
    "house": (
        ("#f2c14e", 26, ((36, 66), (64, 66))), ("#f2c14e", 26, ((36, 76), (64, 76))),
        ("#d62839", 14, ((22, 50), (50, 24), (78, 50), (30, 48), (70, 48), (50, 34))),
        ("#7a4a21", 10, ((50, 70), (50, 84))), ("#2f9e44", 8, ((10, 90), (90, 90))),
    ),
    "flower": (
        ("#2f9e44", 7, ((50, 60), (50, 94))), ("#2f9e44", 8, ((50, 82), (34, 74))),
        ("#f7b801", 16, ((50, 20), (66, 27), (72, 40), (66, 54), (50, 60), (34, 54), (28, 40), (34, 27), (50, 20))),
        ("#7a4a21", 20, ((46, 40), (54, 40))),
    ),
}
# fmt: on


def strokes(name: str, side: int) -> np.ndarray:
    """The strokes of one of SKETCHES, (side, side, 4) uint8: opaque, or not there."""
    image = Image.new("RGBA", (side, side))
    draw = ImageDraw.Draw(image)
    for colour, width, points in SKETCHES[name]:
        places = [(x * side / 100, y * side / 100) for x, y in points]
        thick = max(1, round(width * side / 100))
        draw.line(places, fill=colour, width=thick, joint="curve")
        for x, y in places:
            draw.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=colour)
    return np.asarray(image)
