"""A reel: the pictures and captions of a finished run from noise to picture, for the page to scrub and play by itself.

Every picture of a stage has a sheet of its frames; the captions come as text. `reel.js` draws them into canvases above the
stage's pictures, which are the finished ones. A sheet with noise in it is a JPEG, which packs each block of 8 x 8 pixels by
itself, so that a frame is what it would be alone; one of guesses alone a WebP.

    film = reel.guesses(recording, names, most_pixels)  # or reel.film(changes, parts)
    markup = film.wrap(markup, plays=True)
"""

import json
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from math import isinf
from typing import Any, Protocol

import numpy as np

from lab.capsules.recordings import REPLAY_POSITIONS
from lab.requests.sampling import Step
from lab.ui.shell import media
from lab.ui.shell.sources import beside

REEL_JS = beside(__file__, "reel.js")  # for the gr.HTML of the stage, after a script of its own
LAST = REPLAY_POSITIONS - 1  # the position of the finished pictures; 0 is the noise
MOST_PIXELS = 2_500_000  # of all sheets of a stage, at most about as many bytes
BLOCK = 8  # pixels: frames begin where JPEG's blocks do
FRAMES = 12  # of a picture that takes a decoder: five a second while the film plays
DECODING = "The pictures are there. Their steps are being decoded for the replay …"
CAPTION = "From noise to picture, all at the same log-SNR"

Parts = Mapping[str, np.ndarray | str]  # what a stage shows, by the name of the element: pixels, or HTML

Track = dict[str, Any]  # what an element shows: `starts`, the position at which each begins, and a `sheet` or `texts`


class Trajectories(Protocol):
    """The steps of each lane of a run, in order of i. A Recording has them."""

    @property
    def steps(self) -> Mapping[int, Sequence[Step]]: ...


@dataclass(frozen=True)
class Film:
    """The frames of a stage before it is finished: tracks by the name of the element."""

    pictures: Mapping[str, Track] = field(default_factory=dict)
    words: Mapping[str, Track] = field(default_factory=dict)
    caption: str = CAPTION
    rest: int = LAST  # where the slider stands when the film is not playing, until it is dragged

    @property
    def pixels(self) -> int:
        """Of all sheets."""
        return sum(len(track["starts"]) * track["tall"] * track["wide"] for track in self.pictures.values())

    def join(self, before: "Film", names: Collection[str]) -> "Film":
        """With the pictures of an earlier film, as far as they are among `names`; without them where both together would
        be more than MOST_PIXELS."""
        kept = {name: track for name, track in before.pictures.items() if name in names}
        both = Film({**kept, **self.pictures}, self.words, self.caption if self.pictures else before.caption)
        return both if both.pixels <= MOST_PIXELS else self

    def wrap(self, markup: str, plays: bool) -> str:
        """The markup of a stage with its reel; where it `plays`, the page begins by itself. Markup alone without frames."""
        if not self.pictures:
            return markup
        content = {
            "pictures": self.pictures,
            "words": self.words,
            "last": LAST,
            "caption": self.caption,
            "rest": self.rest,
            "film": plays,
        }
        waits = " waits" if plays else ""
        text = escape(json.dumps(content), quote=True)
        # Of equal values Gradio paints the first only, and a preset that is pressed again is to be seen again: each has a key.
        key = secrets.token_hex(4)
        return f'<div class="reel{waits}" data-reel="{key}">{markup}<i hidden data-frames="{text}"></i></div>'


def film(
    changes: Sequence[int],
    parts: Callable[[int], Parts],
    most_pixels: int | None = None,
    pack: Callable[[np.ndarray], str] = media.noisy_uri,
) -> Film:
    """The film of a stage. `parts(position)` is what its elements show at a position of the slider, 0 .. LAST, and `changes`
    are the positions in ascending order at which this is not what it was before. All sheets together have at most
    `most_pixels`, MOST_PIXELS if not given; `pack` makes the data URI of one."""
    positions, frames = _thinned(changes, parts, MOST_PIXELS if most_pixels is None else most_pixels)
    return Film(_pictures(positions, frames, pack), _words(positions, frames), caption(len(positions), len(changes)))


def guesses(recording: Trajectories, names: Sequence[str], most_pixels: int | None = None) -> Film:
    """The film of a stage that shows the predicted x_0 of each lane and nothing else that moves; `names` are the elements',
    by lane."""

    def parts(position: int) -> Parts:
        steps = at_position(recording, position)
        return {names[lane]: guess(recording.steps[lane], step).x_0 for lane, step in steps.items()}

    return film(changes(recording), parts, most_pixels, media.smooth_uri)


def at_position(recording: Trajectories, position: float) -> dict[int, Step]:
    """The step of every lane at one log-SNR: so far along from the noisiest level, 0, to the cleanest one, LAST.

    A lane shows the last step it took at or before that level, so lanes are aligned by noise and not by index. Many steps at
    one level, as Langevin takes, are spread up to the next level of the lane, and over all of it where there is but one.
    """
    levels = [step.log_snr for steps in recording.steps.values() for step in steps if not isinf(step.log_snr)]
    if position >= LAST or not levels:
        return {lane: steps[-1] for lane, steps in recording.steps.items()}
    level = min(levels) + (max(levels) - min(levels)) * position / LAST + 1e-6
    return {lane: _shown(steps, level, position / LAST) for lane, steps in recording.steps.items()}


def _shown(steps: Sequence[Step], level: float, share: float) -> Step:
    """The step of a lane at a log-SNR, which lies at a `share` of the way from the run's noisiest to its cleanest."""
    own = [step.log_snr for step in steps if not isinf(step.log_snr)]
    if not own:  # a lane that made no call
        return steps[-1]
    if len(own) > 2 and own[0] == own[-1]:
        return steps[int(len(own) * share)]
    k = next((k for k in reversed(range(len(own))) if own[k] <= level), 0)
    first, after = own.index(own[k]), k + 1
    if after - first > 2 and after < len(own):
        return steps[first + int((after - first) * (level - own[k]) / (own[after] - own[k]))]
    return steps[k]


def guess(steps: Sequence[Step], shown: Step) -> Step:
    """The step of a lane whose predicted x_0 is shown while `shown` is: the latest that is decoded, itself mostly."""
    earlier = [step for step in steps if step.decoded and step.i <= shown.i]
    return earlier[-1] if earlier else shown


def changes(recording: Trajectories) -> list[int]:
    """The positions of the slider at which a lane shows another step than at the position before; the last one always."""
    positions, before = [], None
    for position in range(LAST + 1):
        now = {lane: step.i for lane, step in at_position(recording, position).items()}
        if now != before or position == LAST:
            positions.append(position)
        before = now
    return positions


def caption(frames: int, changes: int) -> str:
    """What the slider shows, and how much of the run where that is not all."""
    return CAPTION if frames == changes else f"{CAPTION}; {frames} of the {changes} changes are shown"


def transport(tab: str, caption: str = CAPTION) -> str:
    """Play and the slider for the stage of a tab; dead until there is a reel. `caption` says what the slider is."""
    return (
        f'<div class="reel-transport" data-reel-of="{tab}-stage">'
        f'<button type="button" id="{tab}-replay" disabled>Play</button>'
        f'<label id="{tab}-scrub"><input type="range" min="0" max="{LAST}" value="{LAST}" disabled aria-label="{caption}">'
        f"<span>{caption}</span></label></div>"
    )


def _thinned(changes: Sequence[int], parts: Callable[[int], Parts], most_pixels: int) -> tuple[list[int], list[Parts]]:
    """Positions, evenly chosen where all of them would be too many pixels, the first and the last always; with their parts."""
    positions = list(changes)
    frames = [parts(position) for position in positions]
    pixels = sum(one.shape[0] * one.shape[1] for _, shown in _tracks(positions, frames, np.ndarray) for one in shown[1])
    if pixels <= most_pixels:
        return positions, frames
    count = max(2, len(positions) * most_pixels // pixels)
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


def _words(positions: Sequence[int], frames: Sequence[Parts]) -> dict[str, Track]:
    return {name: {"starts": starts, "texts": texts} for name, (starts, texts) in _tracks(positions, frames, str)}


def _pictures(positions: Sequence[int], frames: Sequence[Parts], pack: Callable[[np.ndarray], str]) -> dict[str, Track]:
    """The sheets; the finished pictures are not in them, since the stage itself has them."""
    before = [index for index, position in enumerate(positions) if position < LAST]
    tracks = _tracks([positions[index] for index in before], [frames[index] for index in before], np.ndarray)
    return {name: {"starts": starts} | sheet(pictures, pack) for name, (starts, pictures) in tracks}


def sheet(pictures: Sequence[np.ndarray], pack: Callable[[np.ndarray], str]) -> dict[str, Any]:
    """Pictures of one track, (height, width, 3) or (height, width) uint8, in rows on one picture: its data URI, how many
    stand in a row, and the height and width of each and of its place."""
    height, width = (max(one.shape[axis] for one in pictures) for axis in (0, 1))
    tall, wide = (-(-side // BLOCK) * BLOCK for side in (height, width))
    columns = max(1, round((len(pictures) * tall / wide) ** 0.5))
    rows = -(-len(pictures) // columns)
    whole = np.zeros((rows * tall, columns * wide, 3), np.uint8)
    for index, one in enumerate(pictures):
        top, left = index // columns * tall, index % columns * wide
        whole[top : top + tall, left : left + wide] = _filled(one, height, width, tall, wide)
    return {"sheet": pack(whole), "columns": columns, "height": height, "width": width, "tall": tall, "wide": wide}


def _filled(picture: np.ndarray, height: int, width: int, tall: int, wide: int) -> np.ndarray:
    """A picture in its place on a sheet: previews of a latent enlarged to the size of the others, the rim repeated."""
    colours = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    rows, columns = (np.arange(n) * s // n for n, s in ((height, picture.shape[0]), (width, picture.shape[1])))
    return np.pad(colours[rows][:, columns], ((0, tall - height), (0, wide - width), (0, 0)), mode="edge")
