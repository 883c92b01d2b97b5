"""Pictures in and out: uploads opened with care, data URIs, PNG files that carry their settings."""

import atexit
import base64
import csv
import filecmp
import io
import shutil
import struct
import tempfile
import threading
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from lab.capsules.capsule import KEYWORD
from lab.requests.base import LabError
from lab.settings import ASSETS, Settings
from lab.ui.shell import modes

MAX_SIDE = 512
LONGEST = 4  # times the shorter side that an upload keeps of its longer one
VANISHES = 64  # of 255: what differs less from its ground on average cannot be seen on it
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


def noisy_uri(pixels: np.ndarray) -> str:
    """A picture as a frame of a film is packed: noise and all, each block of 8 x 8 pixels by itself."""
    return data_uri(pixels, moving=True)


def smooth_uri(pixels: np.ndarray) -> str:
    """A (height, width, 3) uint8 picture without noise as a data URI of a WebP: half as many bytes as a JPEG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "WEBP", quality=80, method=2)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"


@dataclass(frozen=True)
class Upload:
    """A visitor's picture as it was opened: `pixels` (height, width, 3) uint8, or 4 where some are not opaque.

    What a use of it takes away or puts in is said in words, for the note of the run. `size` is the file's, width and
    height in pixels, where it was larger; `remarks` are sentences about how the file was read.
    """

    pixels: np.ndarray
    size: tuple[int, int] = (0, 0)
    remarks: tuple[str, ...] = ()

    def square(self, ground: Literal["white", "black"] = "white") -> tuple[np.ndarray, str]:
        """The middle, (side, side, 3), its transparent parts filled with `ground`, and what to know of it.

        A photograph lies on white, as on paper; a map of white lines or of a skeleton on black, as ControlNets learned
        them. What would vanish there, white on white or black on black, lies on the other.
        """
        pixels, filled = self.on(ground)
        height, width = pixels.shape[:2]
        side = min(height, width)
        cut = f"Its middle is used, {self.measure(side)} pixels." if height != width else ""
        return cropped(pixels, (width - side) // 2, (height - side) // 2, side), self.words(cut, filled)

    def on(self, ground: Literal["white", "black"]) -> tuple[np.ndarray, str]:
        """The whole picture without transparency, (height, width, 3), and a sentence where some was filled, or ""."""
        if self.pixels.shape[2] == 3:
            return self.pixels, ""
        colours, opacity = self.pixels[..., :3].astype(float), self.pixels[..., 3:] / 255
        paper = 255.0 if ground == "white" else 0.0
        stands_out = (np.abs(colours - paper).max(axis=2, keepdims=True) * opacity).sum() / max(opacity.sum(), 1e-9)
        if stands_out < VANISHES and opacity.any():
            ground, paper = ("black", 0.0) if ground == "white" else ("white", 255.0)
        blend = colours * opacity + paper * (1 - opacity)
        return blend.round().astype(np.uint8), f"Its transparent parts are filled with {ground}."

    def measure(self, side: int) -> str:
        """How much a square of `side` pixels is of the whole, in pixels of the file."""
        height, width = self.pixels.shape[:2]
        whole = self.size if all(self.size) else (width, height)
        part = min(whole) if side == min(height, width) else round(side * max(whole) / max(height, width))
        return f"{part} × {part} of {whole[0]} × {whole[1]}"

    def words(self, *more: str) -> str:
        """All that is to be known of a use of the picture, in one line."""
        return " ".join(filter(None, [*self.remarks, *more]))


def open_upload(path: str | Path, settings: Settings, max_side: int = MAX_SIDE) -> Upload:
    """A visitor's file, its shorter side at most `max_side` and its longer one at most LONGEST times that.

    Size in bytes and in pixels is checked before anything is decoded: a 20 KB PNG can hold 13,000 px squared,
    a gigabyte in memory. EXIF rotation is applied; modes of all kinds are read as lab/ui/shell/modes.py says; of several
    pictures in one file the first is taken. Raises LabError with a sentence that says what to do.
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
        several = getattr(image, "is_animated", False)
        image.draft("RGB", (2 * max_side, 2 * max_side))  # lets JPEG decode at a fraction of its size
        upright = _upright(modes.keep_file_info(image))
        if (upright.width > upright.height) != (width > height):
            width, height = height, width
        plain, remarks = modes.eight_bits(upright)
        remarks += ["The file holds several pictures; the first is taken."] * several
        return Upload(np.asarray(_within(plain, max_side)), (width, height), tuple(remarks))
    except UnidentifiedImageError:
        raise LabError(f"This file is not a picture that can be read. {TRY}") from None
    except Image.DecompressionBombError:
        raise LabError("The picture has far too many pixels to open here. Scale it down and try again.") from None
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        RuntimeError,
    ) as error:  # the last is what AVIF's decoder raises
        raise LabError(
            f"The picture is damaged or cut short ({str(error)[:80]}). Save it again as PNG or JPEG."
        ) from None


def open_picture(path: str | Path, settings: Settings, max_side: int = MAX_SIDE) -> np.ndarray:
    """The middle of a file as a photograph, (side, side, 3) uint8 RGB, side <= `max_side`; as `open_upload`, without words."""
    return open_upload(path, settings, max_side).square()[0]


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except (struct.error, TypeError, KeyError):  # EXIF that cannot be read says nothing about the orientation
        return image


def _within(image: Image.Image, max_side: int) -> Image.Image:
    scale = min(1, max_side / min(image.size), LONGEST * max_side / max(image.size))
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)


def cropped(pixels: np.ndarray, x: int, y: int, side: int) -> np.ndarray:
    """A square of a picture, (side, side, 3), its corner at (x, y); black where it reaches beyond."""
    height, width = pixels.shape[:2]
    top, left, bottom, right = max(y, 0), max(x, 0), min(y + side, height), min(x + side, width)
    square = np.zeros((side, side, 3), np.uint8)
    square[top - y : bottom - y, left - x : right - x] = pixels[top:bottom, left:right]
    return square


def shrunk(pixels: np.ndarray, longest: int) -> np.ndarray:
    """A picture of any shape, made smaller where its longer side has more than `longest` pixels."""
    height, width = pixels.shape[:2]
    if max(height, width) <= longest:
        return pixels
    size = max(1, width * longest // max(height, width)), max(1, height * longest // max(height, width))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def squared(pixels: np.ndarray) -> np.ndarray:
    """The middle of a picture that may have any shape."""
    return Upload(pixels).square()[0]


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


def exact_uri(pixels: np.ndarray, quick: bool = False) -> str:
    """A uint8 picture as a data URI of a PNG, whatever its size; `quick` takes a tenth of the time and some more bytes."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", **({"compress_level": 3} if quick else {"optimize": True}))
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def from_uri(text: object) -> np.ndarray:
    """The inverse of `exact_uri` for text from anywhere, as (height, width, 3) uint8.

    Its size is checked before it is decoded. Raises ValueError.
    """
    return Upload(_from_uri(text)).on("black")[0]


def layer_from_uri(text: object) -> np.ndarray:
    """As `from_uri`, with the opacity of its pixels: (height, width, 4) uint8."""
    pixels = _from_uri(text)
    opaque = np.full((*pixels.shape[:2], 4), 255, np.uint8)
    opaque[..., : pixels.shape[2]] = pixels
    return opaque


def _from_uri(text: object) -> np.ndarray:
    """The pixels of a PNG as a data URI, (height, width, 3), or 4 where some are not opaque."""
    head, _, body = str(text).partition(",")
    if head != "data:image/png;base64" or len(body) > MAX_URI:
        raise ValueError("no picture, or too long a one")
    try:
        image = Image.open(io.BytesIO(base64.b64decode(body, validate=True)), formats=["PNG"])
        if max(image.size) > MAX_URI_SIDE:
            raise ValueError("too large")
        return np.asarray(modes.eight_bits(modes.keep_file_info(image))[0])
    except (LabError, OSError, SyntaxError, Image.DecompressionBombError) as error:
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


def same_file(one: Path, other: Path) -> bool:
    """Whether two files are of one name and of the same content: Gradio copies what the page shows."""
    return one.name == other.name and other.is_file() and filecmp.cmp(one, other, shallow=False)


@cache
def thumbnail(path: Path, side: int) -> str:
    """The middle of a picture that ships with the lab, `side` pixels wide, as a data URI."""
    return noisy_uri(resize(open_picture(path, Settings()), side))


class _Scratch:
    """A folder of this process for files that visitors download; its end removes it. Thread-safe.

    It is nobody else's: another user of the machine may run a lab in the same temporary folder.
    """

    LIFETIME_S, SWEEP_EVERY_S = 3600, 60

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
                if time.time() - old.stat().st_mtime > self.LIFETIME_S:
                    shutil.rmtree(old, ignore_errors=True)


scratch_file = _Scratch().file
