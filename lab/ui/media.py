"""Pictures in and out: uploads opened with care, data URIs, PNG files that carry their settings."""

import atexit
import base64
import csv
import io
import shutil
import tempfile
import threading
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from lab.capsule import LabError
from lab.portable import KEYWORD
from lab.settings import ASSETS, Settings

MAX_SIDE = 512
CRISP_SIDE = 128  # up to here a picture travels losslessly and is enlarged without smoothing
MAX_URI, MAX_URI_SIDE = 1_200_000, 1024  # characters and pixels of a picture that comes as text: 512 px of noise pass
TRY = "Try a PNG, JPEG or WebP picture."


def data_uri(pixels: np.ndarray, moving: bool = False) -> str:
    """A (height, width, 3) or (height, width) uint8 picture as a data URI: PNG when small, else JPEG.

    Noise cannot be packed without loss, so a picture of a film (`moving`) travels as JPEG whatever its size.
    """
    stream = io.BytesIO()
    small = max(pixels.shape[:2]) <= CRISP_SIDE and not moving
    if small:
        Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    else:
        Image.fromarray(pixels).save(stream, "JPEG", quality=85, subsampling=0)
    return f"data:image/{'png' if small else 'jpeg'};base64,{base64.b64encode(stream.getvalue()).decode()}"


def open_picture(path: str | Path, settings: Settings, max_side: int = MAX_SIDE) -> np.ndarray:
    """A visitor's file as a square (side, side, 3) uint8 RGB picture, centre-cropped, side <= `max_side`.

    Size in bytes and in pixels is checked before anything is decoded: a 20 KB PNG can hold 13,000 px squared,
    a gigabyte in memory. EXIF rotation is applied, transparency is laid on white, 16-bit is scaled to 8.
    Raises LabError with a sentence that says what to do.
    """
    path = Path(path)
    megabytes = path.stat().st_size / 1e6
    if megabytes == 0:
        raise LabError(f"The file is empty (zero bytes). {TRY}")
    if megabytes > settings.max_upload_mb:
        raise LabError(
            f"The file has {megabytes:.0f} MB; at most {settings.max_upload_mb:g} MB. Use a smaller picture."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit below is stricter
            image = Image.open(path)
        width, height = image.size
        if width * height > settings.max_upload_pixels:
            limit = int(settings.max_upload_pixels**0.5)
            raise LabError(
                f"The picture is {width} x {height} pixels, too large to open here. "
                f"Scale it down below about {limit} x {limit} and try again."
            )
        image.draft("RGB", (2 * max_side, 2 * max_side))  # lets JPEG decode at a fraction of its size
        return _square(_rgb(ImageOps.exif_transpose(image)), max_side)
    except UnidentifiedImageError:
        raise LabError(f"This file is not a picture that can be read. {TRY}") from None
    except Image.DecompressionBombError:
        raise LabError("The picture has far too many pixels to open here. Scale it down and try again.") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise LabError(
            f"The picture is damaged or cut short ({str(error)[:80]}). Save it again as PNG or JPEG."
        ) from None


def _rgb(image: Image.Image) -> Image.Image:
    """Any mode as RGB: 16-bit scaled, transparency laid on white."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        top = 65535.0 if image.mode.startswith("I") and values.max() > 255 else max(1.0, 255.0 * (values.max() > 1))
        return Image.fromarray((np.nan_to_num(values / top).clip(0, 1) * 255).round().astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _square(image: Image.Image, max_side: int) -> np.ndarray:
    side = min(*image.size, max_side)
    return np.asarray(ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS))


def squared(pixels: np.ndarray) -> np.ndarray:
    """The middle of a picture that may have any shape."""
    height, width = pixels.shape[:2]
    return pixels if height == width else _square(Image.fromarray(pixels), min(height, width))


def resize(pixels: np.ndarray, side: int) -> np.ndarray:
    """A square picture at another side; box-filtered down, so that fine detail does not alias."""
    if pixels.shape[0] == side:
        return pixels
    how = Image.Resampling.BOX if side < pixels.shape[0] else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(pixels).resize((side, side), how))


def save_png(pixels: np.ndarray, path: Path, capsule: str) -> Path:
    """Write an exact PNG whose text chunk "diffusion-lab" holds the settings that made it, JSON in ASCII."""
    text = PngImagePlugin.PngInfo()
    text.add_text(KEYWORD, capsule)
    Image.fromarray(pixels).save(path, "PNG", pnginfo=text)
    return path


def save_plain(pixels: np.ndarray, path: Path) -> Path:
    """Write an exact PNG of nothing but the picture."""
    Image.fromarray(pixels).save(path, "PNG")
    return path


def exact_uri(pixels: np.ndarray) -> str:
    """A uint8 picture as a data URI of a PNG, whatever its size."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def from_uri(text: object) -> np.ndarray:
    """The inverse of `exact_uri` for text from anywhere, as (height, width, 3) uint8.

    Its size is checked before it is decoded. Raises ValueError.
    """
    head, _, body = str(text).partition(",")
    if head != "data:image/png;base64" or len(body) > MAX_URI:
        raise ValueError("no picture, or too long a one")
    try:
        image = Image.open(io.BytesIO(base64.b64decode(body, validate=True)), formats=["PNG"])
        if max(image.size) > MAX_URI_SIDE:
            raise ValueError("too large")
        return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from None


@dataclass(frozen=True)
class Example:
    """A picture that ships with the lab; a row of assets/images/index.csv."""

    path: Path
    title: str
    alt: str
    kind: str
    credit: str  # author and licence


@cache
def examples(folder: Path = ASSETS / "images") -> tuple[Example, ...]:
    """The example pictures, in the order of their index."""
    with open(folder / "index.csv", newline="", encoding="utf-8") as file:
        return tuple(
            Example(folder / row["file"], row["title"], row["alt"], row["kind"], f"{row['author']}, {row['licence']}")
            for row in csv.DictReader(file)
        )


class _Scratch:
    """A folder of this process for files that visitors download; its end removes it. Thread-safe.

    It is nobody else's: another user of the machine may run a lab in the same temporary folder.
    """

    KEPT_S, SWEEP_EVERY_S = 3600, 60

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self._swept = time.monotonic()

    def file(self, name: str) -> Path:
        """A fresh path; files older than an hour are removed on the way, looked for at most once a minute."""
        with self._lock:
            if self._folder is None or not self._folder.is_dir():  # a cleaner of temporary files may have been here
                self._folder = Path(tempfile.mkdtemp(prefix="diffusion-lab-"))
                atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
            if time.monotonic() - self._swept >= self.SWEEP_EVERY_S:
                self._swept = time.monotonic()
                self._sweep(self._folder)
            return Path(tempfile.mkdtemp(dir=self._folder)) / name

    def _sweep(self, folder: Path) -> None:
        for old in folder.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - old.stat().st_mtime > self.KEPT_S:
                    shutil.rmtree(old, ignore_errors=True)


scratch_file = _Scratch().file
