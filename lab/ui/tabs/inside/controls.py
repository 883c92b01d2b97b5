"""The controls that rooms of the tab Inside share."""

import gradio as gr

from lab.capsules.capsule import Range
from lab.requests.fields import MAX_PROMPT, MAX_SEED
from lab.ui.shell import vocabulary
from lab.ui.shell.form import RANDOM_SEED, Field
from lab.ui.shell.rooms.controls import picture

FIRST, SECOND = "fox-3d", "red-apple-glossy"  # example pictures

# fmt: off
SHARED = (
    Field("model",   gr.Dropdown, "Model"),
    picture("picture", "Picture", FIRST),
    picture("second", "Second picture", SECOND),
    Field("prompt",  gr.Textbox,  "Prompt", "red apple", stays=True,
          options={"max_length": MAX_PROMPT, **vocabulary.PROMPT}),
    Field("seed",    gr.Number,   "Seed", 0, dice=RANDOM_SEED, kind=Range(0, MAX_SEED, whole=True), options={"min_width": 120}),
)
# fmt: on
