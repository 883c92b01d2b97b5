"""What each of two descriptions of one picture is a description of. Plain NumPy and OpenCV: the page uses it too."""

from collections.abc import Callable

import cv2
import numpy as np

from lab.catalog import VIEWS

REFERENCE_SIDE = 64  # pixels of the picture that a hybrid's cutoff is given for

TURNS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "flip": lambda picture: picture[::-1],
    "mirror": lambda picture: picture[:, ::-1],
    "turn": lambda picture: picture[::-1, ::-1],
    "quarter": np.rot90,
    "negative": lambda picture: 255 - picture,
}


def first_view(view: str, picture: np.ndarray, cutoff: float) -> np.ndarray:
    """A picture (height, width, 3) uint8 as the first description has it: as it is; a hybrid from far, blurred by `cutoff`, the
    deviation in pixels of a picture of 64."""
    if VIEWS[view].kind != "frequencies":
        return picture
    return cv2.GaussianBlur(picture, (0, 0), cutoff * min(picture.shape[:2]) / REFERENCE_SIDE)


def second_view(view: str, picture: np.ndarray) -> np.ndarray:
    """A picture (height, width, 3) uint8 as the second description has it: turned, mirrored or inverted; of regions and hybrids
    as it is."""
    return np.ascontiguousarray(TURNS[view](picture)) if view in TURNS else picture
