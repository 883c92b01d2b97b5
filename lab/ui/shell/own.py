"""A visitor's own picture among the examples of a tab: a file that is chosen, dropped or pasted, or what the camera sees.

    self.gallery = own.gallery_of(cells, elem_id="noising-examples")
    self.upload = own.carrier("noising-upload")
    own.wire(self.gallery, self.upload).then(self.on_upload, {self.upload}, ...)

Where a picture waits in a control for Run, that is `Examples`. The page alone keeps its small copy beside the examples (`own.js`); `gallery(..., shown=token(path))` says that it is the
picture which is shown.
"""

import json
from collections.abc import Iterable
from hashlib import blake2b
from html import escape
from pathlib import Path
from typing import Any, Literal

import gradio as gr
from starlette.routing import Route

from lab.requests.base import LabError
from lab.settings import Settings
from lab.ui.shell import media, widgets
from lab.ui.shell.sources import beside, digest, route
from lab.ui.shell.widgets import PICKED, Update

SCRIPTS = {name: beside(__file__, name) for name in ("own.js", "camera.js")}
FOLDER = f"own-{digest(''.join(SCRIPTS.values()))}"
LOAD_JS = f"import(new URL('{FOLDER}/own.js', document.baseURI)).then((own) => own.attach(NAME, element, trigger, upload, watch));"
LOST = "The picture did not arrive. Choose it once more, or a smaller one."
HINT = "Yours: choose, drop or paste a picture, or use the camera."
ICONS = {
    "choose": ("Your own picture: choose a file", '<path d="M12 5v14M5 12h14"/>'),
    "camera": ("Your own picture: use the camera", '<path d="M4 8h4l2-3h4l2 3h4v11H4z"/><circle cx="12" cy="13" r="3.5"/>'),
}  # fmt: skip


def routes() -> list[Route]:
    """The scripts, for browsers to fetch once."""
    return [route(f"/{FOLDER}/{name}", "text/javascript", text.encode) for name, text in SCRIPTS.items()]


def gallery(
    label: str, cells: Iterable[tuple[str, str, str]], index: int | None, kind: str = "", shown: str = ""
) -> str:
    """As widgets.gallery, with the ways to bring a picture of one's own behind the last; `shown` is the `token` of one that
    is what the tab shows."""
    buttons = "".join(
        f'<button type="button" class="bring" data-bring="{name}" title="{title}" aria-label="{title}">'
        f'<svg viewBox="0 0 24 24">{path}</svg></button>'
        for name, (title, path) in ICONS.items()
    )
    head, tail = widgets.gallery(label, cells, index, kind).rsplit("</div>", 1)
    head = head.replace("<div ", f'<div data-shown="{escape(shown)}" ', 1)
    return f'{head}{buttons}<small class="bring-words">{HINT}</small></div>{tail}'


def token(path: str) -> str:
    """A short name of an uploaded file for the page, the same for the same file."""
    return blake2b(path.encode(), digest_size=6).hexdigest()


def opened(path: str | None, settings: Settings) -> media.Upload:
    """The visitor's file, as media.open_upload. Raises LabError where it was lost on its way, too."""
    if path is None:
        raise LabError(LOST)
    return media.open_upload(path, settings)


def gallery_of(markup: str, elem_id: str, visible: bool | Literal["hidden"] = True) -> gr.HTML:
    """The component of such a gallery: `click` comes with the number of an example, see widgets.picked."""
    script = widgets.PICK_JS + LOAD_JS.replace("NAME", json.dumps(elem_id))
    return gr.HTML(markup, js_on_load=script, elem_id=elem_id, visible=visible)


def carrier(elem_id: str) -> gr.Image:
    """What brings the visitor's file to the handlers, as its path; unseen."""
    return widgets.picture_input("Your own picture", elem_id=elem_id, visible="hidden")


def wire(gallery: gr.HTML, upload: gr.Image) -> Any:
    """The event of a picture that has come from the page and now is the value of `upload`; None where it was lost."""
    js = f"() => window.labOwn.get({json.dumps(gallery.elem_id)}).sent"
    return gallery.upload(None, None, upload, js=js, api_visibility="private")


class Examples:
    """The lab's example pictures and the visitor's own: the one that is chosen is the value of a control of the form, as a
    path. Laid out where it is made; `shown` is the path of the one that is marked, None where the gallery is not there yet.
    Holds nothing of any visitor."""

    def __init__(self, tab: str, label: str, settings: Settings, shown: str | None = None) -> None:
        self.label, self.settings, self.pictures = label, settings, media.examples()
        markup = "" if shown is None else self._markup(shown)
        self.gallery = gallery_of(markup, f"{tab}-examples", "hidden" if shown is None else True)

    def wire(self, picture: gr.Image, note: gr.HTML) -> None:
        """Connect it: `picture` has the path, and `note` says why a file is none."""
        self.picture, self.note = picture, note
        self.gallery.click(self.on_example, None, [picture, self.gallery], queue=False, **PICKED)
        sent = wire(self.gallery, picture)
        sent.then(self.on_own, picture, [picture, self.gallery, note], queue=False, **PICKED)

    def show(self, path: str | None, there: bool = True) -> Update:
        """The gallery with the picture at this path marked, or not there. The page has it from then on, and not before."""
        return {
            self.gallery: gr.update(visible=True, value=self._markup(path)) if there else gr.update(visible="hidden")
        }

    def on_example(self, event: gr.EventData) -> Update:
        """An example picture was clicked."""
        path = str(self.pictures[widgets.picked(event) % len(self.pictures)].path)
        return {self.picture: path} | self.show(path)

    def on_own(self, path: str | None) -> Update:
        """The visitor's own picture has come, or was lost on its way, or is none, which is said before Run is pressed."""
        try:
            opened(path, self.settings)
        except LabError as error:
            return {self.picture: None, self.note: widgets.note(str(error), bad=True)} | self.show(None)
        return {self.note: widgets.note("")} | self.show(path)

    def _markup(self, path: str | None) -> str:
        index = next((i for i, one in enumerate(self.pictures) if path and media.same_file(one.path, Path(path))), None)
        cells = (
            (one.title, one.credit, f'<img alt="" src="{media.thumbnail(one.path, 96)}">') for one in self.pictures
        )
        return gallery(self.label, cells, index, shown=token(path) if path and index is None else "")
