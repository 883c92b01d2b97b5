"""The board of the Edit tab on a page of its own: `python -m tests.browser.board_page PORT`.

Beneath it stands in words what the server holds. "Slowly" sends the canvas as the server knew it a second before.
"""

import sys
import time
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.middleware import Middleware

from lab.catalog import MODELS, VIEWS
from lab.settings import Settings
from lab.ui.shell import own, theme, widgets
from lab.ui.shell.form import Field, Form
from lab.ui.shell.page import Page
from lab.ui.shell.sources import beside
from lab.ui.shell.streams import Streams
from lab.ui.tabs.edit import board as boards
from lab.ui.tabs.edit.board import Board

EXPERIMENTS = ("noise", "fill", "words", "enlarge", "two")
FORM = (
    Field("experiment", gr.Radio, "Experiment", "fill", choices=[(name, name) for name in EXPERIMENTS]),
    Field("model", gr.Radio, "Model"),
    Field("view", gr.Radio, "View", "flip", choices=[(row.title, name) for name, row in VIEWS.items()]),
)
HIDDEN = {"show_progress": "hidden"}


def build() -> gr.Blocks:
    """The page."""
    with Page() as demo:
        form = Form("edit", FORM, [MODELS["text-to-image"], MODELS["pixel"]])
        opening = form.complete({})
        board = Board(Settings(), form)
        with widgets.grid():
            with widgets.stage():
                held = gr.HTML(elem_id="held")
                gr.HTML('<div style="height: 900px"></div>')
            with widgets.controls():
                note = gr.HTML(elem_id="note")
                board.lay_out(note, opening)
                form.lay_out("experiment", "model", "view", values=opening)
                slowly, preset = gr.Button("Slowly"), gr.Button("Preset")
        inputs = {*form.parts.values(), *board.inputs}

        def tell(values: dict[Any, Any]) -> dict[Any, Any]:
            drawing = values[board.drawing]
            hole = 0 if drawing.mask is None else int(drawing.mask.sum())
            colours = 0 if drawing.strokes is None else int((drawing.strokes[..., 3] > 0).sum())
            return {
                held: f"{hole} in the hole, {colours} coloured, {drawing.side} px, {drawing.area or 'painted'}, {drawing.example or 'own'}."
            }

        def later(values: dict[Any, Any]) -> dict[Any, Any]:
            time.sleep(1)
            return board.resize(values)

        def told(event: Any) -> Any:
            return event.then(tell, inputs, [held], trigger_mode="multiple", **HIDDEN)

        board.wire(inputs, told)
        told(form["experiment"].input(board.modes, inputs, board.outputs, **HIDDEN))
        told(form["view"].input(board.modes, inputs, board.outputs, **HIDDEN))
        told(form["model"].input(board.resize, inputs, board.outputs, **HIDDEN))
        told(slowly.click(later, inputs, board.outputs, **HIDDEN))
        told(
            preset.click(
                lambda values: board.begin(("panda", "middle"), form.read(values)), inputs, board.outputs, **HIDDEN
            )
        )
    return demo


def main() -> None:
    """Serve it."""
    css = theme.CSS + beside(boards.__file__, "board.css")
    around = FastAPI(routes=own.routes(), middleware=[Middleware(Streams)])
    app = gr.mount_gradio_app(around, build(), path="/", theme=theme.theme(), css=css)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")


if __name__ == "__main__":
    main()
