"""Pictures of one shape each, drawn from five known factors, as dSprites (Matthey et al. 2017): with these, and no others, it can
be measured whether a latent means one thing.

Every combination of the values of FACTORS is one picture, in the order of counting: the last factor changes fastest.
"""

from functools import lru_cache

import numpy as np

SIDE = 32  # pixels
FORMS = ("square", "disc", "triangle")
FACTORS = {"form": 3, "size": 5, "x": 8, "y": 8, "colour": 5}  # how many values each takes
TITLES = {"form": "form", "size": "size", "x": "left to right", "y": "up and down", "colour": "colour"}
WARM, COLD = np.array([0.95, 0.62, 0.15]), np.array([0.13, 0.35, 0.85])  # ends of "colour", RGB in [0, 1]
BACKGROUND = 0.97
SHARPNESS = 1.0  # of an edge, 1 / pixel


def count() -> int:
    """How many pictures there are."""
    return int(np.prod(list(FACTORS.values())))


@lru_cache(1)
def factors() -> np.ndarray:
    """The value of each factor of each picture, (count, 5) int, columns in the order of FACTORS."""
    grids = np.meshgrid(*(np.arange(values) for values in FACTORS.values()), indexing="ij")
    table = np.stack([grid.ravel() for grid in grids], 1)
    table.flags.writeable = False
    return table


@lru_cache(1)
def pictures() -> np.ndarray:
    """All pictures, (count, SIDE, SIDE, 3) uint8."""
    drawn = np.concatenate([draw(some) for some in np.array_split(factors(), 40)])  # what fits a cache is drawn faster
    drawn.flags.writeable = False
    return drawn


def draw(values: np.ndarray) -> np.ndarray:
    """Pictures of factors (n, 5), which may be fractional but for the form: (n, SIDE, SIDE, 3) uint8, edges anti-aliased."""
    form, size, x, y, colour = np.asarray(values, float).T[:, :, None, None]
    radius = 4.0 + 1.1 * size
    place = np.arange(SIDE) + 0.5
    across = place[None, None] - (9 + 14 * x / (FACTORS["x"] - 1))
    down = place[None, :, None] - (9 + 14 * y / (FACTORS["y"] - 1))
    square = np.maximum(np.abs(across), np.abs(down)) - 0.9 * radius
    disc = np.hypot(across, down) - radius
    slope = np.sqrt(3) / 2
    triangle = np.maximum(slope * np.abs(across) - down / 2, down) - 0.6 * radius
    distance = np.select([form == 0, form == 1], [square, disc], triangle)  # below 0 inside
    inside = np.clip(0.5 - SHARPNESS * distance, 0, 1)[..., None]
    share = (colour / (FACTORS["colour"] - 1))[..., None]
    ink = WARM * (1 - share) + COLD * share
    return np.round(255 * (BACKGROUND * (1 - inside) + ink * inside)).astype(np.uint8)
