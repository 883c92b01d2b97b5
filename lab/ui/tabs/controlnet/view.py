"""What the ControlNet tab shows: the map as something to draw on, and the results as a grid. Pure functions to markup.

The map is edited in the page and not in gr.ImageEditor: its pixels are the model's own, so a visitor sees exactly what
the ControlNet sees, and a skeleton has joints to drag, which no painting program knows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from lab.annotators.joints import COLOURS, JOINTS, LIMBS, POSES
from lab.measures import edges_of, near
from lab.quantities import quantity
from lab.requests.base import LabError
from lab.requests.sampling import Step
from lab.settings import ASSETS
from lab.ui.shell import lane_view, media, own, reel, theme
from lab.ui.shell.sources import beside
from lab.ui.tabs.controlnet.experiments import Agreement, Finished, lines_of

VIEWS = ("pictures", "against the map")
CHARTS = ("faithfulness", "residuals")

ABOUT = r"""
**A ControlNet** ([Zhang et al. 2023](https://arxiv.org/abs/2302.05543)) is a copy of the UNet's encoder that also sees a
map. It adds a residual to every skip connection and to the middle block, scaled by the strength $s$:

$$h_k \leftarrow h_k + s\, r_k(x_t, t, c, \text{map})$$

Its last layers are *zero convolutions*: before training they add nothing, so training starts from the untouched model.
The heat map under *Residuals* shows how much each adds at each call.

**The window.** A call $i$ of $n$ is under control while $\text{start} \le i/n$ and $(i+1)/n \le \text{end}$. In the very first
calls $x_t$ is nearly all noise, and control there decides little by itself; one that comes late finds the shape settled.

**Guess mode** controls the conditional half alone, deep blocks fully and shallow ones at a tenth: the map then also acts
through guidance, and a prompt is hardly needed.

**Faithfulness.** *F1*: edges are found again in each result (Canny, thresholds 80 and 160) and compared with the map, right
within 2 px. *IoU*: how far the figure covers the skeleton with flesh on it. *Joints*: BlazePose looks for the person
again, and counts joints within a tenth of the side; where it finds nobody, as often in 64 px cartoons, none is found. Strength 0 is the chance level of all three.
"""
CHART_WORDS = {
    "faithfulness": "How well the results follow the map. Lines are means over seeds, dots are pictures.",
    "residuals": "RMS of what the ControlNet adds to each block at each call, for the picture you clicked last.",
}
HEAT_WORDS = "How well the results follow the map: a field for each picture above, with its number; 1 is all of it."


def chart_words(chart: str, experiment: str) -> str:
    """What the chart of a run shows: curves over the strength, or a heat map over the run's two axes."""
    return HEAT_WORDS if chart == CHARTS[0] and experiment != "strengths" else CHART_WORDS[chart]


_ICONS = {
    "pen": ("Draw", '<path d="M4 20l1-4L16.5 4.5a2.1 2.1 0 0 1 3 3L8 19z"/>'),
    "eraser": ("Erase", '<path d="M8 20h12M5.5 14.5l8-8a2 2 0 0 1 3 0l3 3a2 2 0 0 1 0 3L12 20H8.5l-3-3a2 2 0 0 1 0-2.500z"/>'),
    "undo": ("Undo", '<path d="M8 5L4 9l4 4M4 9h9.500a5.500 5.500 0 0 1 0 11H9"/>'),
    "clear": ("Clear", '<path d="M5 7h14M10 7V4.500h4V7M7 7l1 13h8l1-13"/>'),
    "invert": ("Invert black and white", '<circle cx="12" cy="12" r="8.500"/><path d="M12 3.500a8.500 8.500 0 0 1 0 17z" fill="currentColor"/>'),
    "mirror": ("Mirror", '<path d="M12 4v3M12 10.500v3M12 17v3M8.500 7L4 17h4.500zM15.500 7L20 17h-4.500z"/>'),
}  # fmt: skip

EDITOR_JS, STAGE_JS = beside(__file__, "editor.js"), beside(__file__, "stage.js") + reel.REEL_JS


# The map, to draw on


def line_editor(pixels: np.ndarray, caption: str, hint: str = "") -> str:
    """A map of lines with a pen, an eraser, and a button that exchanges black and white."""
    side = pixels.shape[0]
    words = f'<div class="hint">{escape(hint)}</div>' if hint else ""
    return _editor(
        ("pen", "eraser", "undo", "clear", "invert"),
        f'<canvas width="{side}" height="{side}" data-src="{media.exact_uri(pixels)}" role="img" aria-label="Map to draw on">'
        f"</canvas>{words}",
        caption,
    )


def skeleton_editor(joints: np.ndarray, visible: np.ndarray | None, under: np.ndarray | None, caption: str) -> str:
    """A skeleton with joints to drag, over the photograph it was found in."""
    visibility = np.ones(len(JOINTS), bool) if visible is None else visible
    places = np.asarray(joints) * 1000
    back = ""
    if under is not None:
        below = media.data_uri(media.resize(under, min(256, len(under))), moving=True)
        back = f'<img class="under" alt="" src="{below}">'
    limbs = "".join(
        f'<line data-ends="{a} {b}"{"" if visibility[a] and visibility[b] else " class=off"} x1="{places[a][0]:.0f}" '
        f'y1="{places[a][1]:.0f}" x2="{places[b][0]:.0f}" y2="{places[b][1]:.0f}" '
        f'stroke="rgb({",".join(str(int(c * 0.6)) for c in colour)})"/>'
        for (a, b), colour in zip(LIMBS, COLOURS, strict=False)
    )
    dots = "".join(
        f'<circle data-joint="{i}" data-on="{int(visibility[i])}" tabindex="0" role="button" cx="{x:.0f}" cy="{y:.0f}" r="13" '
        f'fill="rgb{colour}" aria-label="{name}" aria-description="Arrow keys move it, Enter hides it or shows it"><title>{name}</title></circle>'
        for i, ((x, y), name, colour) in enumerate(zip(places, JOINTS, COLOURS, strict=True))
    )
    return _editor(("mirror",), f'{back}<svg viewBox="0 0 1000 1000">{limbs}{dots}</svg>', caption)


def board(pixels: np.ndarray, caption: str) -> str:
    """A map to look at: one that has no lines to draw and no joints to drag."""
    return _editor(
        (),
        f'<canvas width="{len(pixels)}" height="{len(pixels)}" data-src="{media.exact_uri(pixels)}" data-fixed></canvas>',
        caption,
    )


def _editor(tools: Sequence[str], board: str, caption: str) -> str:
    buttons = "".join(
        f'<button type="button" data-tool="{name}" title="{_ICONS[name][0]}" aria-label="{_ICONS[name][0]}"'
        f'{" aria-pressed=false" if name in ("pen", "eraser") else ""}><svg viewBox="0 0 24 24">{_ICONS[name][1]}</svg></button>'
        for name in tools
    )
    return (
        f'<div class="map-editor"><div class="tools" role="toolbar" aria-label="Tools">{buttons}</div>'
        f'<div class="board">{board}</div><div class="caption">{escape(caption)}</div></div>'
    )


def read_drawing(text: object) -> np.ndarray:
    """What the page drew, a PNG as a data URI, as (height, width, 3) uint8; its size is checked before it is decoded."""
    try:
        return media.from_uri(text)
    except ValueError:
        raise LabError("The drawing did not arrive in one piece. Draw it again.") from None


def view_words(view: str) -> str:
    """What the pictures of a view mean."""
    if view == VIEWS[0]:
        return (
            "Click a picture to see it as large as the screen. All pictures of a row start from the same x<sub>T</sub>."
        )
    return (
        "White: a line of the map that is in the picture. Orange: one that is missing. Blue: an edge that nobody asked for. "
        "For poses: the skeleton asked for, and white crosses where BlazePose finds the joints again."
    )


# What to begin with: sketches, example poses, photographs

SKETCHES: dict[str, tuple[tuple[tuple[float, float], ...], ...]] = {  # strokes, in hundredths of the picture
    "heart": (((50, 86), (20, 56), (13, 42), (14, 28), (23, 19), (35, 18), (45, 25), (50, 36), (55, 25), (65, 18), (77, 19),
               (86, 28), (87, 42), (80, 56), (50, 86)),),
    "star": (((50, 10), (60, 38), (90, 38), (66, 56), (75, 86), (50, 68), (25, 86), (34, 56), (10, 38), (40, 38), (50, 10)),),
    "house": (((16, 46), (50, 14), (84, 46)), ((24, 40), (24, 86), (76, 86), (76, 40)), ((44, 86), (44, 62), (58, 62), (58, 86)),
              ((32, 52), (41, 52), (41, 60), (32, 60), (32, 52))),
    "fish": (((12, 50), (24, 36), (42, 29), (60, 34), (72, 47), (88, 32), (86, 50), (88, 68), (72, 53), (60, 66), (42, 71),
              (24, 64), (12, 50)), ((27, 45), (30, 47)), ((44, 30), (50, 42), (44, 54))),
    "cat": (((22, 44), (20, 14), (38, 27), (62, 27), (80, 14), (78, 44), (79, 62), (68, 79), (50, 84), (32, 79), (21, 62), (22, 44)),
            ((36, 48), (40, 52)), ((60, 52), (64, 48)), ((46, 62), (54, 62), (50, 66), (46, 62))),
    "tree": (((44, 88), (44, 62), (26, 62), (15, 50), (18, 36), (30, 31), (34, 18), (50, 12), (66, 18), (70, 31), (82, 36),
              (85, 50), (74, 62), (56, 62), (56, 88)),),
}  # fmt: skip


def sketch(name: str, side: int) -> np.ndarray:
    """One of SKETCHES as a map, (side, side, 3) uint8."""
    image = Image.new("RGB", (side, side))
    for stroke in SKETCHES[name]:
        points = [(x * side / 100, y * side / 100) for x, y in stroke]
        ImageDraw.Draw(image).line(points, fill="white", width=max(1, round(side * 0.012)))
    return np.asarray(image)


@dataclass(frozen=True)
class Starter:
    """A picture, a sketch or a pose to begin with."""

    title: str
    thumb: str  # markup
    kind: str  # "picture", "sketch" or "pose"
    path: Path | None = None
    credit: str = ""


@cache
def starters(control: str) -> tuple[Starter, ...]:
    """What there is to begin with for a control."""
    if control == "pose":
        own = [Starter(name, _small_skeleton(joints), "pose") for name, joints in POSES.items()]
        folder = ASSETS / "annotators" / "people"
    else:
        own = [Starter(name, f'<img alt="" src="{media.exact_uri(sketch(name, 48))}">', "sketch") for name in SKETCHES]
        folder = ASSETS / "images"
    return (
        *own,
        *(
            Starter(one.title, f'<img alt="" src="{media.thumbnail(one.path, 80)}">', "picture", one.path, one.credit)
            for one in media.examples(folder)
        ),
    )


def gallery(control: str, selection: int | None = None, own_token: str = "") -> str:
    """The starters of a control as buttons, the one with this number marked, or the visitor's own picture."""
    cells = ((one.title, one.credit, one.thumb) for one in starters(control))
    return own.gallery("To begin with", cells, selection, "map-starters", own_token)


def _small_skeleton(joints: np.ndarray) -> str:
    limbs = "".join(
        f'<line x1="{joints[a][0]:.3f}" y1="{joints[a][1]:.3f}" x2="{joints[b][0]:.3f}" y2="{joints[b][1]:.3f}" '
        f'stroke="rgb{colour}" stroke-width=".04" stroke-linecap="round"/>'
        for (a, b), colour in zip(LIMBS, COLOURS, strict=False)
    )
    return f'<svg viewBox="0 0 1 1" style="background:#000;width:100%;height:100%;display:block">{limbs}</svg>'


# The grid of results


def against_edges(picture: np.ndarray, map_pixels: np.ndarray) -> np.ndarray:
    """The picture, dimmed, with the map's lines: white where the picture has them, orange where it misses them; and
    blue where it has edges that nobody asked for."""
    edges, lines = edges_of(picture), lines_of(map_pixels, picture.shape[0])
    overlay = (picture * 0.3).astype(np.uint8)
    overlay[edges & ~near(lines)] = _rgb("#5b8def")
    overlay[lines & ~near(edges)] = _rgb(theme.NOISE)
    overlay[lines & near(edges)] = 255
    return overlay


def against_skeleton(picture: np.ndarray, skeleton: np.ndarray, joints: np.ndarray | None) -> np.ndarray:
    """The picture, dimmed, with the skeleton that was asked for and white crosses where joints were found again."""
    side = 2 * picture.shape[0]
    overlay = (media.resize(picture, side) * 0.45).astype(np.uint8)
    lines = media.resize(skeleton, side)
    overlay = np.where(lines.max(axis=2, keepdims=True) > 40, lines, overlay)
    for x, y in () if joints is None else np.clip(np.rint(joints * side), 2, side - 3).astype(int):
        overlay[y - 2 : y + 3, x] = overlay[y, x - 2 : x + 3] = 255
    return overlay


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def progress(done: Finished) -> str:
    """How far a run is."""
    calls = sum(step.i for step in done.steps.values()), sum(lane.steps for lane in done.plan.request.lanes)
    return f"{quantity(len(done.plan.places), 'picture')} · {calls[0]} of {quantity(calls[1], 'call')}"


def grid(done: Finished, view: str = VIEWS[0], selection: int | None = None) -> str:
    """Rows down, columns across, one picture a lane."""
    plan = done.plan
    lane_at = {place: lane for lane, place in enumerate(plan.places)}
    cells = ['<span class="corner"></span>', *(_head("head", *column) for column in plan.columns)]
    for row, title in enumerate(plan.rows):
        cells.append(_head("side", *title))
        for column in range(len(plan.columns)):
            lane = lane_at.get((row, column))
            cells.append('<div class="void">ends before<br>it starts</div>' if lane is None else _cell(done, lane, view, lane == selection))  # fmt: skip
    size = f"--columns:{len(plan.columns)};--rows:{len(plan.rows)}"
    return f'<div class="held" style="{size}"{lane_view.group(plan.request)}>{"".join(cells)}</div>'


def film(done: Finished, view: str, selection: int | None, plays: bool) -> str:
    """The grid of a run that has ended, with its reel; where it `plays`, the page begins by itself."""
    return done.film.wrap(grid(done, view, selection), plays)


def empty_grid(rows: int, columns: int) -> str:
    """The boxes of a run before there is one."""
    cells = '<figure><div class="box"></div><figcaption>&nbsp;</figcaption></figure>' * columns
    lines = ('<span class="side"></span>' + cells) * rows
    heads = '<span class="head"><i>&nbsp;</i>&nbsp;</span>' * columns
    return (
        f'<div class="held" style="--columns:{columns};--rows:{rows}"><span class="corner"></span>{heads}{lines}</div>'
    )


def _head(kind: str, what: str, value: str) -> str:
    return f'<span class="{kind}"><i>{escape(what)}</i>{escape(value)}</span>'


def _cell(done: Finished, lane: int, view: str, is_selected: bool) -> str:
    step, agreement = done.steps.get(lane), done.agreements.get(lane)
    words = done.plan.words(lane)
    body = ""
    if step is not None:
        guess = done.guesses[lane]
        body = lane_view.image(_view_picture(done, lane, guess, view), words, str(lane), moving=step.i < step.n)
        if not guess.decoded:
            body += "<small>latent</small>"
        if step.i < step.n:
            body += f'<i class="bar" style="width:{100 * step.i / step.n:.0f}%"></i>'
        if agreement is not None and agreement.figure():
            steered = any(window.strength for window in done.plan.request.lanes[lane].windows)
            body += f"<small>{escape(agreement.figure())}{'' if steered else ' by chance'}</small>"
    return (
        f'<figure data-key="{escape(words, quote=True)}" role="button" tabindex="0" aria-pressed="{str(is_selected).lower()}" '
        f'aria-label="{escape(words, quote=True)}"><div class="box">{body}</div>'
        f"<figcaption>{escape(words)}</figcaption></figure>"
    )


def _view_picture(done: Finished, lane: int, step: Step, view: str) -> np.ndarray:
    picture = step.x_0
    if view == VIEWS[0] or step.i < step.n:
        return picture
    agreement = done.agreements.get(lane, Agreement())
    for control in done.plan.request.controls:
        if control.name == "pose":
            picture = against_skeleton(picture, control.map, agreement.joints)
        else:
            picture = against_edges(picture, control.map)
    return picture
