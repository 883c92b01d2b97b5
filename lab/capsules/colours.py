"""Colours as pickers and links write them."""

import re
from colorsys import hls_to_rgb
from typing import Any

FUNCTION = re.compile(r"(rgb|hsl)a?\(([^()]*)\)")
HEX = re.compile(r"#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})")
LONGEST = 100  # characters, of "hsla(...)" with all its decimals


def plain_colour(text: Any) -> str | None:
    """A colour as "#rrggbb"; how see-through it is, is left out. None where it is no colour.

    Understood are "#rgb" and "#rrggbb" in either case, "rgb(r, g, b)" from 0 to 255 and "hsl(h, s%, l%)", each also with alpha
    (CSS Color 4, sections 5.1, 5.2 and 7).
    """
    if not isinstance(text, str) or len(text) > LONGEST:
        return None
    typed = text.strip().lower()
    if HEX.fullmatch(typed):
        digits = typed[1:]
        return "#" + (digits[:6] if len(digits) > 4 else "".join(2 * one for one in digits[:3]))
    found = FUNCTION.fullmatch(typed)
    values = _parts(found[1], found[2]) if found else None
    return None if values is None else "#" + "".join(f"{round(value * 255):02x}" for value in values)


def _parts(form: str, text: str) -> tuple[float, ...] | None:
    """Red, green and blue in [0, 1] of what stands in the brackets of "rgb(...)" or "hsl(...)"; None where that is none."""
    words = re.split(r"[\s,/]+", text.strip())
    ends = (255, 255, 255) if form == "rgb" else (360, 100, 100)
    try:
        numbers = [float(word.removesuffix("%").removesuffix("deg")) for word in words]
    except ValueError:
        return None
    if len(numbers) not in (3, 4) or not all(0 <= number <= end for number, end in zip(numbers, ends, strict=False)):
        return None
    red, green, blue = (number / end for number, end in zip(numbers, ends, strict=False))
    return (red, green, blue) if form == "rgb" else hls_to_rgb(red, blue, green)
