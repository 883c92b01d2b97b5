"""Random masks for an inpainting network to learn from: boxes, brush strokes, all that lies beyond an edge, everything."""

import cv2
import numpy as np

KINDS = ("box", "strokes", "beyond an edge", "everything")
SHARES = (0.3, 0.4, 0.2, 0.1)


def random_mask(size: int, rng: np.random.Generator) -> np.ndarray:
    """What is to be drawn anew of a picture: (size, size) bool, True in the hole; at least one pixel is.

    The kinds are those that people paint: a box or strokes of a brush (Suvorov et al. 2022, section 2.3), half-planes for
    outpainting, and now and then the whole picture, so that the network keeps what it knew without one (as Stable
    Diffusion's inpainting model was trained: a quarter of its masks were the whole picture).
    """
    mask = np.zeros((size, size), np.uint8)
    kind = rng.choice(len(KINDS), p=SHARES)
    if KINDS[kind] == "box":
        height, width = rng.integers(size // 8, size * 3 // 4, 2)
        top, left = rng.integers(0, size - height + 1), rng.integers(0, size - width + 1)
        mask[top : top + height, left : left + width] = 1
    elif KINDS[kind] == "strokes":
        for _ in range(rng.integers(1, 4)):
            corners = rng.integers(0, size, (rng.integers(2, 6), 1, 2)).astype(np.int32)
            cv2.polylines(mask, [corners], False, 1, int(rng.integers(size // 10, size // 3)))
    elif KINDS[kind] == "beyond an edge":
        mask[int(rng.integers(size // 4, size * 3 // 4)) :] = 1
        mask = np.rot90(mask, int(rng.integers(4)))
    else:
        mask[:] = 1
    return mask.astype(bool)
