"""What the shelf keeps of a run whose stage is drawn by the page: a hidden strip of its first pictures behind the stage's own markup.

The shelf takes a stage's pictures as they stand in it, and there a canvas has none that lasts."""

from collections.abc import Iterable
from html import escape

import numpy as np

from lab.ui.shell import media

COLUMNS = "--columns:"  # of a stage that has a grid of pictures, which the shelf finds by it
MOST = 6  # pictures of a strip
SIDE = 256  # pixels, at most


def with_strip(stage: str, pictures: Iterable[tuple[str, np.ndarray]]) -> str:
    """The markup of a stage, with a strip of `pictures`, each with its stem, where it has no grid of its own."""
    if COLUMNS in stage:
        return stage
    first = [found for found, _ in zip(pictures, range(MOST), strict=False)]
    cells = "".join(
        f'<figure><img alt="{escape(stem, quote=True)}" src="{media.data_uri(squared(picture))}">'
        f"<figcaption>{escape(stem)}</figcaption></figure>"
        for stem, picture in first
    )
    return f'{stage}<div class="kept" hidden style="{COLUMNS}{len(first)}">{cells}</div>' if first else stage


def squared(picture: np.ndarray) -> np.ndarray:
    """A picture (height, width, 3) uint8 in the middle of a white square, at most SIDE pixels wide."""
    height, width = picture.shape[:2]
    side = max(height, width)
    square = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = picture
    return media.resize(square, min(side, SIDE))
