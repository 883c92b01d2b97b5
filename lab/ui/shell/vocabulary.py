"""Beneath a prompt: names while one types, words that a model never saw, and the nearest that it did.

All of it happens in the page (`vocabulary.js`). The script comes with the tab, the words when a prompt is first focused, the
drawings with the first list; each from an address that changes with it, so a browser asks once.
"""

import io
import json
from collections.abc import Callable
from functools import cache
from html import escape
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image
from starlette.routing import Route

from lab.captions import MEDIA
from lab.catalog import STYLES, Model
from lab.settings import ASSETS
from lab.ui.shell.form import Form
from lab.ui.shell.sources import beside, digest, route
from lab.vocabulary import GRAMMAR, LEARNED_STYLES, PEOPLE, drawings, known, sheet_cells

SCRIPT = beside(__file__, "vocabulary.js")
COLUMNS, CELL, SHEET_CELL = 27, 24, 32  # of the thumbnails, in pixels; columns of a sheet of assets/pictures
PROMPT = {"elem_classes": "lab-prompt"}  # options of a prompt's row in a form


def kind(model: Model) -> str | None:
    """How a model knows words, or the CLIP that may guide it: "exact", "learned", "" where it knows more than the lab can tell,
    None where there are none."""
    if "prompt" not in model.conditions:
        return "learned" if "clip" in model.guides else None
    return ("learned" if model.trained else "exact") if model.captions else ""


def line(form: Form, opening: dict[str, Any]) -> None:
    """The place beneath the prompt of a form with a model; stands where it is called."""
    models = {name: kind(row) for name, row in form.models.items() if kind(row) is not None}
    words, sheet, script = (f"{stem}-{digest(text)}.{end}" for stem, text, end in _files())
    gr.HTML(
        f'<div class="lab-known" data-tab="{escape(form.tab)}" data-models="{escape(json.dumps(models))}" '
        f'data-model="{escape(form.model(opening).name)}" data-words="{words}" data-sheet="{sheet}">'
        '<p role="status" aria-live="polite"></p><div class="near" role="group" aria-label="Names near it"></div>'
        f'<button type="button" class="draw" aria-label="Random caption"{"" if kind(form.model(opening)) else " hidden"}>Random</button>'
        f'<ul role="listbox" id="{escape(form.tab)}-names" aria-label="Names it knows" hidden></ul></div>',
        js_on_load=f"import(new URL('{script}', document.baseURI)).then((module) => module.attach(element.querySelector('.lab-known')));",
        elem_id=f"{form.tab}-known",
    )


def wire(form: Form) -> None:
    """Have the line beneath a prompt follow the model and what presets and links put into the prompt; in the page."""
    gr.on(
        [form["prompt"].change, form["model"].change], None, [form["model"]], None, api_visibility="private",
        js=f"(model) => {{ window.labVocabulary?.mark({json.dumps(form.tab)}, model); }}",
    )  # fmt: skip


def routes() -> list[Route]:
    """Where pages get script, words and drawings: once, since their names change with them."""
    makers: tuple[tuple[str, Callable[[], bytes]], ...] = (
        ("application/json", lambda: _words().encode()), ("image/webp", thumbnails), ("text/javascript", SCRIPT.encode),
    )  # fmt: skip
    return [
        route(f"/{stem}-{digest(text)}.{end}", media, make)
        for (stem, text, end), (media, make) in zip(_files(), makers, strict=True)
    ]


@cache
def thumbnails() -> bytes:
    """Every drawing that models may use, in their order, COLUMNS to a row of CELL pixels each: a WebP."""
    rows = -(-len(known()) // COLUMNS)
    canvas = np.full((rows * CELL, COLUMNS * CELL, 3), 255, np.uint8)
    sheets: dict[str, Image.Image] = {}
    for index, (name, cell) in enumerate(sheet_cells()):
        sheet = sheets.setdefault(name, Image.open(ASSETS / "pictures" / name).convert("RGB"))
        side = sheet.width // SHEET_CELL
        left, top = cell % SHEET_CELL * side, cell // SHEET_CELL * side
        small = sheet.crop((left, top, left + side, top + side)).resize((CELL, CELL), Image.Resampling.BOX)
        y, x = index // COLUMNS * CELL, index % COLUMNS * CELL
        canvas[y : y + CELL, x : x + CELL] = np.asarray(small)
    stream = io.BytesIO()
    Image.fromarray(canvas).save(stream, "WEBP", quality=60, method=4)
    return stream.getvalue()


def _files() -> tuple[tuple[str, str, str], ...]:
    """Stem, what the name changes with, and ending: of the words, the drawings and the script."""
    return ("vocabulary", _words(), "json"), ("drawings", f"{sheet_cells()}", "webp"), ("vocabulary", SCRIPT, "js")


@cache
def _words() -> str:
    held_out = [(one.name, one.emoji) for one in drawings() if one.held_out]
    return json.dumps(
        {
            "things": [(one.name, one.emoji, one.keywords) for one in known()], "heldOut": held_out, "people": PEOPLE,
            "learned": [*GRAMMAR, "style", *LEARNED_STYLES], "styles": STYLES, "media": MEDIA,
            "columns": COLUMNS,
        },
        ensure_ascii=False, separators=(",", ":"),
    )  # fmt: skip
