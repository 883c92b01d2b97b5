"""How a cell of the grid is named and coloured, and how its pictures are drawn. Pure functions to markup."""

from html import escape
from itertools import pairwise
from math import log2

import numpy as np

from lab.catalog import GUIDANCE
from lab.requests.sampling import LaneSettings
from lab.ui.shell.widgets import subscripts

RAMP = ((0, "#8b93a1"), (1, "#4c8df6"), (3, "#2fa58e"), (7.5, "#efb118"), (15, "#e8590c"), (30, "#c2255c"))


def colour(scale: float) -> str:
    """The one colour of a scale: grey where there is no prompt, then blue to red as it burns."""
    at = log2(1 + scale)
    for (low, a), (high, b) in pairwise(RAMP):
        if scale <= high:
            share = (at - log2(1 + low)) / (log2(1 + high) - log2(1 + low))
            parts = zip(_rgb(a), _rgb(b), strict=True)
            return "#" + "".join(f"{round(x + (y - x) * share):02x}" for x, y in parts)
    return RAMP[-1][1]


def _rgb(hex_colour: str) -> tuple[int, ...]:
    return tuple(int(hex_colour[i : i + 2], 16) for i in (1, 3, 5))


def key(lane: LaneSettings) -> str:
    """A lane's name in the page: what sets it apart from all others of its grid."""
    short = f"{lane.guidance_scale:g}"
    exact = short if float(short) == lane.guidance_scale else repr(lane.guidance_scale)
    return f"{lane.rule}-{lane.seed}-{exact}"


def words(lane: LaneSettings) -> str:
    """What sets a cell apart: scale, seed, rule."""
    return f"scale {lane.guidance_scale:g} · seed {lane.seed} · {GUIDANCE[lane.rule].title}"


def image(uri: str, alt: str, part: str = "") -> str:
    """A picture; one with a `part` moves in a reel."""
    name = f' data-part="{part}"' if part else ""
    return f'<img decoding="sync" draggable="false" alt="{escape(alt, quote=True)}" src="{uri}"{name}>'


def figure(picture: str, title: str, under: str, kind: str = "", more: str = "") -> str:
    """A picture in its box, or the empty box, with a bold title and a line beneath it."""
    box = f'<div class="box">{picture}</div>'
    if kind == "large" and picture:
        box = (
            f'<button type="button" class="box" aria-label="{escape(title)}, as large as the screen">{picture}</button>'
        )
    return (
        f'<figure class="{kind}">{box}'
        f"<figcaption><b>{subscripts(title)}</b>{subscripts(under)}</figcaption>{more}</figure>"
    )


def heat_colours(values: np.ndarray) -> np.ndarray:
    """(height, width) uint8 as colours that grow brighter throughout: black, violet, orange, white."""
    stops = (0, 90, 180, 255)
    channels = ((8, 92, 240, 255), (8, 60, 140, 250), (20, 190, 40, 225))
    return np.stack([np.interp(values, stops, channel) for channel in channels], axis=-1).astype(np.uint8)
