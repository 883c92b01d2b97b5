"""A picture file's pixels as 8-bit sRGB, whatever mode they are in: by what the file says of them, never by their values."""

import io
from contextlib import suppress

import numpy as np
from PIL import Image, ImageCms, ImageFile

from lab.requests.base import LabError

WITH_OPACITY = ("RGBA", "LA", "PA", "La", "RGBa")
EIGHT_BITS = "Save it with 8 or 16 bits for each colour and try again."
_BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0  # TIFF tags and a value (TIFF 6.0, section 3)
_KEY_SCALES = {"L;2": 85, "L;4": 17}  # Pillow widens such greys to 8 bits, and leaves their colour key as it was


def keep_file_info(image: ImageFile.ImageFile) -> ImageFile.ImageFile:
    """The opened picture with what only its file tells kept in `info`, where turning and loading do not lose it."""
    tags = getattr(image, "tag_v2", {})
    image.info["lab_bits"] = tags.get(_BITS, (16,))[0]
    image.info["lab_white_is_zero"] = tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    image.info["lab_format"] = image.format
    layout = image.tile[0].args if image.tile else ""
    key = image.info.get("transparency")
    if isinstance(key, int) and layout in _KEY_SCALES:
        image.info["transparency"] = key * _KEY_SCALES[str(layout)]
    if isinstance(key, tuple) and layout == "RGB;16B":
        image.info["transparency"] = tuple(one >> 8 for one in key)
    return image


def eight_bits(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """A `described` picture as RGB, or as RGBA where something in it is not opaque; and sentences about what was assumed.

    16-bit greys are divided by 257. Decimal numbers are taken for 0 (black) to 1 (white), as scientific programs write
    them. An embedded colour profile is followed. Raises LabError where the file does not say which number is white.
    """
    words: list[str] = []
    if image.mode.startswith("I") or image.mode == "F":
        image, opacity = _grey(image, words)
    else:
        image, opacity = _parted(image)
    image = _srgb(image, words)
    if opacity is not None and opacity.getextrema() != (255, 255):
        image.putalpha(opacity)
    return image, words


def _grey(image: Image.Image, words: list[str]) -> tuple[Image.Image, Image.Image | None]:
    """Greys of more than 8 bits as "L", and their opacity."""
    values = np.asarray(image).astype(np.float64)
    if image.mode == "F":
        if not (np.isfinite(values).all() and values.min() >= -0.01 and values.max() <= 1.01):
            raise LabError(
                "The picture holds decimal numbers outside 0 (black) to 1 (white), and its file does not say which is white. "
                + EIGHT_BITS
            )
        words.append("Its decimal numbers are taken for 0, black, to 1, white.")
        share = values
    elif image.mode == "I" and image.info["lab_format"] not in ("PNG", "PPM"):  # those two are 16 bits for Pillow
        raise LabError(f"The picture holds 32-bit numbers, and its file does not say which is white. {EIGHT_BITS}")
    else:
        share = values / (2 ** image.info["lab_bits"] - 1)
    if image.info["lab_white_is_zero"]:
        share = 1 - share
    key = image.info.get("transparency")
    opacity = Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)) if isinstance(key, int) else None
    grey = Image.fromarray((share.clip(0, 1) * 255).round().astype(np.uint8))
    grey.info["icc_profile"] = image.info.get("icc_profile")
    return grey, opacity


def _parted(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Colours in a mode that a profile can be for, and their opacity."""
    if image.mode in WITH_OPACITY or "transparency" in image.info:
        image = image.convert("RGBA")
        return image.convert("RGB"), image.getchannel("A")
    if image.mode == "LAB":  # Pillow itself has no way from there
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB") or image, None
    return image if image.mode in ("RGB", "L", "CMYK") else image.convert("RGB"), None


def _srgb(image: Image.Image, words: list[str]) -> Image.Image:
    """The picture as RGB, its colours by the profile that the file embeds."""
    profile = image.info.get("icc_profile")
    if profile and image.mode != "LAB":
        with suppress(ImageCms.PyCMSError, OSError, ValueError):
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "sRGB" in ImageCms.getProfileDescription(own):
                return image.convert("RGB")
            turned = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if turned is not None:
                return turned
        words.append("Its colour profile cannot be used, so its colours are taken for sRGB.")
    return image.convert("RGB")
