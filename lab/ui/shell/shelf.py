"""The shelf: the last finished runs of this page, any of them brought back, pinned beside the next or shared by its link.

It stands in the page (`shelf.js`) and nowhere else: another visitor's page has its own, and a page that is loaded anew
begins with an empty one. The server tells of each run that ends what it was set to (`record`); the pictures are the stage's.
"""

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import gradio as gr
from starlette.routing import Route

from lab.capsules.capsule import Capsule, packed, to_link, whole_in_link
from lab.requests.base import LabError
from lab.ui.shell.sources import beside, digest, route

SCRIPT = f"const copyLink = {beside(__file__, 'copy.js').strip()};\n{beside(__file__, 'shelf.js')}"
FILE = f"shelf-{digest(SCRIPT)}.js"
LOAD_JS = f"import(new URL('{FILE}', document.baseURI)).then((shelf) => shelf.attach(element, trigger));"
PUT_JS = "(record) => { window.labShelves?.TAB ? window.labShelves.TAB(record) : (window.labRecords = { ...window.labRecords, TAB: record }); }"
HINT = (
    "Finished runs stay here until the page is loaded anew. Bring one back, pin it beside the next, or copy its link."
)

Value = str | list[str] | dict[str, str]  # in words; of a lane part by part; of a picture what no two pictures share
RunSettings = Mapping[str, tuple[str, Value]]  # by name: what a control is called, and what it is set to


class Shelf:
    """The place of the pinned run, laid out before the stage where it is made, and the row of runs, laid out by `lay_out`."""

    def __init__(self, tab: str) -> None:
        self.tab = tab
        gr.HTML(
            '<div class="pinned-bar" role="group" aria-label="Pinned run"></div><div class="pinned-run"></div>',
            elem_id=f"{tab}-pinned", elem_classes="pinned-place", padding=False,
        )  # fmt: skip

    def lay_out(self) -> None:
        """The row of runs, newest first, as high with runs as without."""
        self.runs = gr.HTML(
            f'<div class="shelf" data-tab="{self.tab}"><p><b>Last runs</b> <span class="shelf-said" data-aloud></span><span class="shelf-hint">{HINT}</span></p>'
            '<ol aria-label="Last runs of this page, newest first"></ol></div>',
            js_on_load=LOAD_JS, elem_id=f"{self.tab}-shelf", elem_classes="shelf-place", padding=False,
        )  # fmt: skip

    def wire(self, record: gr.Textbox) -> None:
        """Put on the shelf what `record` tells of, as soon as it tells of another run."""
        record.change(None, record, None, js=PUT_JS.replace("TAB", self.tab), api_visibility="private")


def record(capsule: Capsule, settings: RunSettings, follows: bool) -> str:
    """What the page is told of a finished run, as JSON: the `code` of its link, or "" where there is none; the `whole` of
    its settings, packed, where the link leaves something out; and what it was set to in words. A run that `follows` the pen
    takes the place of the one that the stroke before had."""
    try:
        code = to_link(capsule)
    except LabError:
        code = ""
    whole = "" if code and whole_in_link(capsule) else packed(capsule)
    return json.dumps({"code": code, "whole": whole, "settings": settings, "follows": follows}, ensure_ascii=False)


def picture(value: Any) -> Value:
    """A picture, or a map, of a capsule as `RunSettings` have it: the name of an example, or a digest."""
    if isinstance(value, dict) and "example" in value:
        return str(value["example"])
    return {"picture": blake2b(json.dumps(value).encode(), digest_size=6).hexdigest()}


def file() -> Route:
    """Where pages get the script: once, since its name changes with it."""
    return route(f"/{FILE}", "text/javascript", SCRIPT.encode)
