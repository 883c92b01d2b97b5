"""A reel: the pictures and captions of a finished run from noise to picture, for the page to scrub and play by itself.

Every picture of a stage has a sheet of its frames, one JPEG; the captions come as text. `reel.js` draws them into canvases
above the stage's pictures, which are the finished ones. JPEG packs each block of 8 x 8 pixels by itself, so a frame in a
sheet is what it would be alone.
"""

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from lab.capsules.recordings import REPLAY_POSITIONS
from lab.ui.shell import media
from lab.ui.shell.sources import beside

REEL_JS = beside(__file__, "reel.js")  # for the gr.HTML of the stage
LAST = REPLAY_POSITIONS - 1  # the position of the finished pictures; 0 is the noise
MOST_PIXELS = 2_500_000  # of all sheets of a stage, at most about as many bytes
BLOCK = 8  # pixels: frames begin where JPEG's blocks do
CAPTION = "From noise to picture, all lanes at the same log-SNR"

Parts = Mapping[str, np.ndarray | str]  # what a stage shows, by the name of the element: pixels, or HTML


def wrap(markup: str, changes: Sequence[int], parts: Callable[[int], Parts], film: bool) -> str:
    """The markup of a stage with its reel.

    `parts(position)` is what its elements show at a position of the slider, 0 .. LAST, and `changes` are the positions in
    ascending order at which this is not what it was before. With `film` the page plays it by itself.
    """
    positions, frames = _thinned(changes, parts)
    content = {
        "pictures": _pictures(positions, frames),
        "words": _words(positions, frames),
        "last": LAST,
        "caption": caption(len(positions), len(changes)),
        "film": film,
    }
    waits = " waits" if film else ""
    text = escape(json.dumps(content), quote=True)
    # Of equal values Gradio paints the first only, and a preset that is pressed again is to be seen again: each has a key.
    key = secrets.token_hex(4)
    return f'<div class="reel{waits}" data-reel="{key}">{markup}<i hidden data-frames="{text}"></i></div>'


def caption(frames: int, changes: int) -> str:
    """What the slider shows, and how much of the run where that is not all."""
    return CAPTION if frames == changes else f"{CAPTION}, {frames} of {changes} frames"


def transport(tab: str) -> str:
    """Play and the slider for the stage of a tab; dead until there is a reel."""
    return (
        f'<div class="reel-transport" data-reel-of="{tab}-stage">'
        f'<button type="button" id="{tab}-replay" disabled>Play</button>'
        f'<label id="{tab}-scrub"><input type="range" min="0" max="{LAST}" value="{LAST}" disabled aria-label="{CAPTION}">'
        f"<span>{CAPTION}</span></label></div>"
    )


def _thinned(changes: Sequence[int], parts: Callable[[int], Parts]) -> tuple[list[int], list[Parts]]:
    """Positions, evenly chosen where all of them would be too many pixels, the first and the last always; with their parts."""
    positions = list(changes)
    frames = [parts(position) for position in positions]
    pixels = sum(one.shape[0] * one.shape[1] for _, shown in _tracks(positions, frames, np.ndarray) for one in shown[1])
    if pixels <= MOST_PIXELS:
        return positions, frames
    count = max(2, len(positions) * MOST_PIXELS // pixels)
    chosen = [round(index) for index in np.linspace(0, len(positions) - 1, count)]
    return [positions[index] for index in chosen], [frames[index] for index in chosen]


def _tracks(
    positions: Sequence[int], frames: Sequence[Parts], kind: type
) -> list[tuple[str, tuple[list[int], list[Any]]]]:
    """By element: from which positions on it shows what. What stays as it is comes once."""
    tracks: dict[str, tuple[list[int], list[Any]]] = {}
    for position, frame in zip(positions, frames, strict=True):
        for name, shown in frame.items():
            if isinstance(shown, kind):
                starts, different = tracks.setdefault(name, ([], []))
                if not different or not _same(different[-1], shown):
                    starts.append(position)
                    different.append(shown)
    return list(tracks.items())


def _same(one: Any, other: Any) -> bool:
    return one is other or (np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other)


def _words(positions: Sequence[int], frames: Sequence[Parts]) -> dict[str, Any]:
    return {name: {"starts": starts, "texts": texts} for name, (starts, texts) in _tracks(positions, frames, str)}


def _pictures(positions: Sequence[int], frames: Sequence[Parts]) -> dict[str, Any]:
    """The sheets; the finished pictures are not in them, since the stage itself has them."""
    before = [index for index, position in enumerate(positions) if position < LAST]
    tracks = _tracks([positions[index] for index in before], [frames[index] for index in before], np.ndarray)
    return {name: {"starts": starts} | sheet(pictures) for name, (starts, pictures) in tracks}


def sheet(pictures: Sequence[np.ndarray]) -> dict[str, Any]:
    """Pictures of one track, (height, width, 3) or (height, width) uint8, in rows on one JPEG: its data URI, how many
    stand in a row, and the height and width of each and of its place."""
    height, width = (max(one.shape[axis] for one in pictures) for axis in (0, 1))
    tall, wide = (-(-side // BLOCK) * BLOCK for side in (height, width))
    columns = max(1, round((len(pictures) * tall / wide) ** 0.5))
    rows = -(-len(pictures) // columns)
    whole = np.zeros((rows * tall, columns * wide, 3), np.uint8)
    for index, one in enumerate(pictures):
        top, left = index // columns * tall, index % columns * wide
        whole[top : top + tall, left : left + wide] = _filled(one, height, width, tall, wide)
    uri = media.data_uri(whole, moving=True)
    return {"sheet": uri, "columns": columns, "height": height, "width": width, "tall": tall, "wide": wide}


def _filled(picture: np.ndarray, height: int, width: int, tall: int, wide: int) -> np.ndarray:
    """A picture in its place on a sheet: previews of a latent enlarged to the size of the others, the rim repeated."""
    colours = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    rows, columns = (np.arange(n) * s // n for n, s in ((height, picture.shape[0]), (width, picture.shape[1])))
    return np.pad(colours[rows][:, columns], ((0, tall - height), (0, wide - width), (0, 0)), mode="edge")
