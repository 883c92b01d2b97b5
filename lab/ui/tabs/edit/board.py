"""The board of the Edit tab: the canvas, its tools, and where the picture comes from."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import gradio as gr

from lab.requests.base import LabError
from lab.settings import Settings
from lab.ui.shell import media, own, widgets
from lab.ui.shell.form import Form
from lab.ui.shell.widgets import PICKED, Update
from lab.ui.tabs.edit import drawing as drawings
from lab.ui.tabs.edit.canvas import LOOK, MASK, PAINT_JS, STROKES, canvas, name_of
from lab.ui.tabs.edit.drawing import LOST, MASKS, Drawing
from lab.ui.tabs.edit.starters import PAPER, STARTERS

THUMB = 80  # pixels
MOST_STROKES = 2**31  # that a page hands over


class Board:
    """The components of the drawing and what they do. Holds nothing of any visitor: their drawing is in gr.State.

    Of the tab's form it reads "model", for the drawing's side, and "experiment" and "view", for what is painted.
    """

    def __init__(self, settings: Settings, form: Form) -> None:
        self.settings, self.form = settings, form

    def lay_out(self, note: gr.HTML, opening: dict[str, Any]) -> None:
        """The canvas and the pictures to begin with. `note` says what went wrong, or what is not shown of an own picture."""
        self.note = note
        first = drawings.begin(PAPER, self.form.model(opening).size)
        self.drawing = gr.State(first, time_to_live=7200)
        self.editor = gr.HTML(self._canvas(first, opening), js_on_load=PAINT_JS, elem_id="edit-board", padding=False)
        self.gallery = own.gallery_of(_gallery(PAPER), elem_id="edit-gallery")
        self.upload = own.carrier("edit-upload")

    def wire(self, inputs: set[Any], then: Callable[[Any], Any]) -> None:
        """Connect what was laid out; `then(event)` chains what follows a stroke or another picture."""
        outputs = self.outputs
        then(own.wire(self.gallery, self.upload).then(self.on_upload, {*inputs, self.upload}, outputs, **PICKED))
        then(self.gallery.click(self.on_starter, inputs, outputs, queue=False, **PICKED))
        then(self.editor.input(self.on_edit, inputs, outputs, queue=False, **PICKED))

    @property
    def inputs(self) -> set[Any]:
        """What handlers read beside the form."""
        return {self.drawing}

    @property
    def outputs(self) -> list[Any]:
        """What another drawing changes."""
        return [self.drawing, self.editor, self.gallery, self.note]

    # What the visitor does

    def on_starter(self, values: dict[Any, Any], event: gr.EventData) -> Update:
        """One of the lab's pictures; the mask of before stays over it."""
        now, before = self._now(values)
        name = list(STARTERS)[widgets.picked(event) % len(STARTERS)]
        fresh = drawings.from_starter(name, before, self.form.model(now).size)
        return self.show(fresh, now) | {self.note: widgets.note("")}

    def on_upload(self, values: dict[Any, Any]) -> Update:
        """Take the visitor's picture; one that cannot be read leaves the old one where it is."""
        now, before = self._now(values)
        try:
            path = values[self.upload]
            upload = own.opened(path, self.settings)
        except LabError as error:
            return {self.note: widgets.note(str(error), bad=True)}
        fresh = drawings.from_upload(upload, before, self.form.model(now).size, own.token(path))
        return self.show(fresh, now) | {self.note: widgets.note(fresh.note)}

    def on_edit(self, values: dict[Any, Any], event: gr.EventData) -> Update:
        """What was painted, all of it and not the last stroke alone, or a mask that was chosen by its name. The page shows its
        strokes already; it is shown the canvas that is there where they were painted on one that is gone."""
        now, before = self._now(values)
        if widgets.sent(event, "id") != name_of(before, widgets.sent(event, "mode")):
            return self.show(before, now)
        try:
            after = _edited(before, event, self.form.model(now).size)
        except LabError as error:
            return {self.note: widgets.note(str(error), bad=True)}
        update = {self.drawing: after, self.note: widgets.note("")}
        return update | ({self.editor: self._canvas(after, now)} if widgets.sent(event, "area") else {})

    # What the tab asks for

    def modes(self, values: dict[Any, Any]) -> Update:
        """The tools that the experiment has a use for: colours, the brush of the mask, or the picture alone."""
        now, drawing = self._now(values)
        return self.show(drawing, now)

    def resize(self, values: dict[Any, Any]) -> Update:
        """The drawing at the side of the model that is chosen."""
        now, drawing = self._now(values)
        return self.show(drawings.resized(drawing, self.form.model(now).size), now)

    def begin(self, subject: tuple[str, str] | None, now: dict[str, Any]) -> Update:
        """The picture and the mask of a preset: (name of a starter, name of a mask or ""). Blank paper without one."""
        name, area = subject or (PAPER, "")
        return self.show(drawings.begin(name, self.form.model(now).size, area), now)

    def restore(self, value: Any, now: dict[str, Any]) -> Update:
        """The drawing of a capsule, `for_capsule`'s words from anywhere."""
        return self.show(drawings.from_capsule(value, self.form.model(now).size), now)

    def show(self, drawing: Drawing, now: dict[str, Any]) -> Update:
        """A drawing, with the tools of the experiment."""
        drawing = drawings.arranged(drawing, by_mask=now["experiment"] == "fill")
        mode = mode_of(now)
        shown = bool(mode)
        return {
            self.drawing: drawing,
            self.editor: gr.update(value=self._canvas(drawing, now), visible=shown or "hidden"),
            self.gallery: gr.update(
                value=_gallery(drawing.example, drawing.file),
                visible=(shown and now["experiment"] != "two") or "hidden",
            ),
        }

    def _canvas(self, drawing: Drawing, now: dict[str, Any]) -> str:
        paper = replace(drawing, picture=None, source=None, example="")  # two descriptions have no picture
        plain = paper if now["experiment"] == "two" else drawing
        return canvas(plain, mode_of(now) or LOOK, self.form.model(now).size)

    def _now(self, values: dict[Any, Any]) -> tuple[dict[str, Any], Drawing]:
        return self.form.read(values), values[self.drawing]


def mode_of(now: dict[str, Any]) -> str:
    """What is painted in an experiment: STROKES, MASK, LOOK where the picture is there alone, "" where none is asked for."""
    if now["experiment"] == "two":
        return MASK if now["view"] == "painted" else ""
    if now["experiment"] == "enlarge" and now.get("cascade"):
        return ""
    return {"noise": STROKES, "fill": MASK}.get(now["experiment"], LOOK)


def _edited(before: Drawing, event: Any, side: int) -> Drawing:
    """The drawing after what the page hands over: {n, id, mode, ink} and where a mask was chosen its name as {area}."""
    if before.picture is None:
        before = replace(
            drawings.begin(PAPER, side),
            mask=before.mask,
            mask_painted=before.mask_painted,
            area=before.area,
            id=before.id,
        )
    count, area = widgets.sent(event, "n"), widgets.sent(event, "area")
    seen = count if type(count) is int and 0 <= count < MOST_STROKES else before.seen
    before = replace(before, seen=max(seen, before.seen))
    if area:
        if not isinstance(area, str) or area not in MASKS:
            raise LabError(LOST)
        return drawings.masked(before, area=area)
    layer = drawings.layer_of(widgets.sent(event, "ink"))
    if widgets.sent(event, "mode") == STROKES:
        return drawings.painted(before, layer)
    return drawings.masked(before, layer[..., 3] > 127)


@cache
def _cells() -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (one.name.capitalize(), one.credit, f'<img alt="" src="{media.exact_uri(media.resize(one.pixels, THUMB))}">')
        for one in STARTERS.values()
    )


def _gallery(name: str, own_token: str = "") -> str:
    """The lab's pictures as buttons, the one of this name marked, or the visitor's own."""
    index = list(STARTERS).index(name) if name in STARTERS else None
    return own.gallery("The picture", _cells(), index, "edit-starters", own_token)
