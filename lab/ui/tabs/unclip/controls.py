"""The controls that rooms of the tab unCLIP share."""

import gradio as gr

from lab.ui.shell import widgets
from lab.ui.shell.form import Field
from lab.ui.shell.rooms.controls import MODEL, SEED, picture, prompt

PICTURES = ("fox-3d", "red-apple-glossy", "sailboat-flat", "butterfly-blob")  # examples

SHARED = (
    MODEL,
    picture("picture", "Picture", PICTURES[0]),
    picture("second", "Second picture", PICTURES[1]),
    picture("third", "Third picture", PICTURES[2]),
    picture("fourth", "Fourth picture", PICTURES[3]),
    Field(
        "prompt_from",
        gr.Textbox,
        "What the picture shows",
        "fox",
        stays=True,
        options={"max_length": widgets.MAX_TYPED},
    ),
    prompt("red apple"),
    SEED,
)
