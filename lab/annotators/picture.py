"""What every annotator takes: a picture as (height, width, 3) uint8 RGB."""

import numpy as np


def rgb(picture: np.ndarray) -> np.ndarray:
    """The picture as contiguous (height, width, 3) uint8; a grey one gets three equal channels."""
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8:
        raise ValueError("a picture must be an array of bytes")
    if picture.ndim == 2:
        picture = np.repeat(picture[:, :, None], 3, axis=2)
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.size == 0:
        raise ValueError(f"a picture must have the shape (height, width, 3), not {picture.shape}")
    return np.ascontiguousarray(picture)
