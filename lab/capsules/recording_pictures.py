"""The pictures in a recording's file, each a WebP; whoever wrote them."""

import io
import zipfile

import numpy as np
from PIL import Image, UnidentifiedImageError

MAX_SIDE = 512
MAX_PIXELS = 40_000_000  # of all pictures together, 120 MB in memory


class Pictures:
    """Decodes a file's pictures, all of a kind of one size, within what a file may hold. Of a model on latents, x_t and
    what is not decoded are as small as these."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self.file, self.left = file, MAX_PIXELS
        self.sizes: dict[str, tuple[int, int]] = {}

    def get(self, name: str, kind: str) -> np.ndarray:
        """(side, side, 3) uint8. Raises ValueError, OSError or KeyError."""
        try:
            image = Image.open(io.BytesIO(self.file.read(name)), formats=["WEBP"])
        except UnidentifiedImageError as error:
            raise ValueError("no picture") from error
        size = self.sizes.setdefault(kind, image.size)
        self.left -= image.size[0] * image.size[1]
        if image.size != size or image.size[0] != image.size[1] or max(image.size) > MAX_SIDE or self.left < 0:
            raise ValueError("another size, or too many pixels")
        return np.asarray(image.convert("RGB"))


def packed(pixels: np.ndarray, quality: int | None = None) -> bytes:
    """A picture (height, width, 3) uint8: as it is, or with a `quality` (1 .. 100) nearly so."""
    stream = io.BytesIO()
    if quality is None:
        Image.fromarray(pixels).save(stream, "WEBP", lossless=True, quality=40, method=3, exact=True)
    else:
        Image.fromarray(pixels).save(stream, "WEBP", quality=quality, method=6)
    return stream.getvalue()
