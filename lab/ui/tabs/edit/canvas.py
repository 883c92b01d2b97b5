"""The canvas of the Edit tab as markup: the picture, what is painted over it, and the tools. `paint.js` works it."""

from html import escape

import numpy as np

from lab.ui.shell import media
from lab.ui.shell.sources import beside
from lab.ui.tabs.edit.drawing import ARRANGED, MASKS, Drawing

PAINT_JS = beside(__file__, "paint.js")
STROKES, MASK, LOOK = "strokes", "mask", "look"  # what is painted: colours, the hole, or nothing

VEIL = 512  # pixels of what shows the mask: hatching needs more than the models have
COLOURS = (("Black", "#1c1b22"), ("White", "#ffffff"), ("Red", "#d62839"), ("Yellow", "#f7b801"), ("Green", "#2f9e44"), ("Blue", "#2471c8"))  # fmt: skip
_ICONS = {
    "brush": ("Paint", '<path d="M14.500 4.500l5 5L10 17.500 6.500 14zM6.500 14c-2.500.5-1.500 4-4 5.500 3 1 7 .5 7.500-2"/>'),
    "eraser": ("Erase", '<path d="M8 20h12M5.500 14.500l8-8a2 2 0 0 1 3 0l3 3a2 2 0 0 1 0 3L12 20H8.500l-3-3a2 2 0 0 1 0-2.500z"/>'),
    "small": ("Small brush", '<circle cx="12" cy="12" r="2.500" fill="currentColor"/>'),
    "medium": ("Medium brush", '<circle cx="12" cy="12" r="5" fill="currentColor"/>'),
    "large": ("Large brush", '<circle cx="12" cy="12" r="8.500" fill="currentColor"/>'),
    "undo": ("Undo", '<path d="M8 5L4 9l4 4M4 9h9.500a5.500 5.500 0 0 1 0 11H9"/>'),
    "clear": ("Clear", '<path d="M5 7h14M10 7V4.500h4V7M7 7l1 13h8l1-13"/>'),
    "invert": ("Exchange hole and rest", '<circle cx="12" cy="12" r="8.500"/><path d="M12 3.500a8.500 8.500 0 0 1 0 17z" fill="currentColor"/>'),
}  # fmt: skip
_PRESSED = {"brush": True, "eraser": False, "small": False, "medium": True, "large": False}
_TITLES = {"border": "border (outpaint)", "seam": "seam (tile)"}
_WHAT = {
    STROKES: "Canvas: paint colours onto the picture",
    MASK: "Canvas: paint over what is to be drawn anew",
    LOOK: "The picture",
}
_HINTS = {STROKES: "Paint here", MASK: "Paint over what is to change"}
_KEYS = (
    "Arrow keys move the crosshair. Space paints there. Shift with an arrow key paints a line. "
    "Brackets change the brush. Control Z undoes. Escape ends."
)


def canvas(drawing: Drawing, mode: str, side: int) -> str:
    """A drawing to paint on, at a side of its own or, where there is none yet, on blank paper of `side` pixels.

    In `mode` STROKES colours are painted, in MASK the hole, and LOOK shows the picture alone.
    """
    side = drawing.side or side
    fine = side * max(1, VEIL // side)
    layer = _layer(drawing, mode)
    laid_out = drawing.area if drawing.arranged and drawing.area in ARRANGED else ""
    ink = media.exact_uri(layer, quick=True) if layer is not None else ""
    hint = f'<div class="hint">{_HINTS[mode]}</div>' if mode in _HINTS else ""
    work = "" if mode == LOOK else ' tabindex="0" role="application" aria-describedby="edit-keys"'
    return (
        f'<div class="paint" data-mode="{mode}" data-id="{escape(name_of(drawing, mode))}" data-seen="{drawing.seen}" data-laid="{laid_out}">'
        f"{_tools(mode)}"
        f'<div class="board"><img alt="{escape(_alt(drawing))}" src="{media.data_uri(_ground(drawing, mode, side))}" draggable="false">'
        f'<canvas class="ink" width="{side}" height="{side}" data-src="{ink}" aria-label="{_WHAT[mode]}"{work or " hidden"}></canvas>'
        f'<canvas class="veil" width="{fine}" height="{fine}" aria-hidden="true"></canvas><i class="ring" hidden></i>{hint}</div>'
        f"{_beneath(drawing, mode)}"
        f'<div class="caption"><span>{side} × {side} pixels, as the model sees them.</span> <span class="share" role="status"></span></div>'
        f'<div id="edit-keys" class="unseen">{_KEYS}</div><div class="where unseen" role="status"></div></div>'
    )


def name_of(drawing: Drawing, mode: str) -> str:
    """What strokes in a mode belong to: colours to the picture that they are painted onto, a mask to whatever picture there is."""
    return f"{drawing.id}-{drawing.pictures}" if mode == STROKES else drawing.id


def _ground(drawing: Drawing, mode: str, side: int) -> np.ndarray:
    """What lies beneath the layer that is painted on: the picture, for colours without those painted so far."""
    if drawing.picture is None or drawing.source is None:
        return np.full((side, side, 3), 255, np.uint8)
    return media.resize(drawing.source, side) if mode == STROKES else drawing.picture


def _layer(drawing: Drawing, mode: str) -> np.ndarray | None:
    if mode == STROKES:
        return drawing.strokes
    if mode == MASK and drawing.mask is not None:
        layer = np.zeros((*drawing.mask.shape, 4), np.uint8)
        layer[drawing.mask, 3] = 255
        return layer
    return None


def _alt(drawing: Drawing) -> str:
    if drawing.source is None or (drawing.example and not drawing.caption):
        return "Blank paper"
    return drawing.caption or "Your own picture"


def _tools(mode: str) -> str:
    names = {STROKES: ("brush", "eraser", "small", "medium", "large", "undo", "clear"), MASK: tuple(_ICONS)}.get(
        mode, ()
    )
    if not names:
        return ""
    buttons = "".join(
        f'<button type="button" data-tool="{name}" title="{title}" aria-label="{title}"'
        f'{f" aria-pressed={str(_PRESSED[name]).lower()}" if name in _PRESSED else ""}><svg viewBox="0 0 24 24">{path}</svg></button>'
        for name, (title, path) in _ICONS.items()
        if name in names
    )
    return f'<div class="tools" role="toolbar" aria-label="Painting tools">{buttons}</div>'


def _beneath(drawing: Drawing, mode: str) -> str:
    """Colours to paint with, or masks that have a name."""
    if mode == STROKES:
        swatches = "".join(
            f'<button type="button" data-colour="{colour}" style="--colour:{colour}" title="{name}" aria-label="{name}" aria-pressed="false"></button>'
            for name, colour in COLOURS
        )
        any_other = '<input type="color" value="#a0522d" title="Another colour" aria-label="Another colour">'
        return f'<div class="beneath" role="group" aria-label="Colour">{swatches}{any_other}</div>'
    if mode != MASK:
        return ""
    options = "".join(
        f'<option value="{name}"{" selected" if name == drawing.area else ""}>{_TITLES.get(name, name)}</option>'
        for name in MASKS
        if drawing.arranged or name not in ARRANGED
    )
    return f'<div class="beneath"><label for="edit-mask">Mask</label><select id="edit-mask"><option value="">painted</option>{options}</select></div>'
