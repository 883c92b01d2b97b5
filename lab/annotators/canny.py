"""Canny edges (Canny 1986, "A computational approach to edge detection"), as ControlNets are trained on them."""

import math

import cv2
import numpy as np

from lab.annotators.picture import rgb

MAX_THRESHOLD = 500
MAX_BLUR = 20.0  # pixels


def canny(picture: np.ndarray, low: float = 80, high: float = 160, blur: float = 0) -> np.ndarray:
    """White edges on black, (height, width, 3) uint8.

    Edges are followed from where the gradient exceeds the higher threshold on to where it falls below the lower one;
    the thresholds, 0 to 500, may come in either order. `blur` is the sigma of a Gaussian blur beforehand, in pixels.
    """
    for name, value, top in (("low", low, MAX_THRESHOLD), ("high", high, MAX_THRESHOLD), ("blur", blur, MAX_BLUR)):
        if not (math.isfinite(value) and 0 <= value <= top):
            raise ValueError(f"{name} must be between 0 and {top:g}, not {value:g}")
    picture = rgb(picture)
    if blur > 0:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    # On three channels OpenCV takes the one with the strongest gradient, so edges between equally bright colours count.
    edges = cv2.Canny(picture, min(low, high), max(low, high))
    return np.repeat(edges[:, :, None], 3, axis=2)
