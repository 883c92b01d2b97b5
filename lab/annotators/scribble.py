"""Scribbles: what a visitor drew, as white strokes on black (Zhang et al. 2023, ControlNet's user scribbles)."""

import numpy as np

from lab.annotators.picture import rgb
from lab.requests.base import LabError

_DIFFERS = 48  # of 255, in any channel: above JPEG's ripples, below the palest crayon


def scribble(*layers: np.ndarray) -> np.ndarray:
    """White strokes on black, (height, width, 3) uint8, of everything drawn on the layers of a canvas.

    A layer is (height, width, 4) with transparency, where whatever is more than half opaque is a stroke of any
    colour; or it is opaque paper of one colour, where whatever differs from the paper is one. All layers have one
    size. Raises LabError where nothing is drawn.
    """
    if len({layer.shape[:2] for layer in layers}) > 1:
        raise ValueError("the layers of a canvas must have the same size")
    strokes = [_strokes(layer) for layer in layers]
    ink = np.logical_or.reduce(strokes) if strokes else np.zeros((1, 1), bool)
    if not ink.any():
        raise LabError("The canvas is empty. Draw a few lines on it first.")
    return np.repeat((ink * np.uint8(255))[:, :, None], 3, axis=2)


def _strokes(layer: np.ndarray) -> np.ndarray:
    """(height, width) bool: where something is drawn."""
    if layer.ndim == 3 and layer.shape[2] == 4:
        if (layer[:, :, 3] < 255).any():
            return layer[:, :, 3] > 127
        layer = layer[:, :, :3]
    paper = np.median(rgb(layer), axis=(0, 1))  # strokes cover less than half of it
    return np.abs(rgb(layer) - paper).max(axis=2) > _DIFFERS
