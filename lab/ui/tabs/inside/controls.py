"""The controls of the tab Inside: those that rooms share, then those of each room."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import gradio as gr

from lab.capsules.capsule import Range
from lab.requests.fields import MAX_PROMPT, MAX_SEED
from lab.ui.shell import media, vocabulary, widgets
from lab.ui.shell.form import RANDOM_SEED, Field
from lab.ui.tabs.inside.room import ROOM
from lab.ui.tabs.inside.rooms import ROOMS

FIRST, SECOND = "fox-3d", "red-apple-glossy"  # example pictures


def example(stem: str) -> str:
    """The path of an example picture, by its file's name."""
    return next(str(one.path) for one in media.examples() if one.path.stem == stem)


def users(shared: str) -> list[str]:
    """The rooms that use a shared control."""
    return [room.name for room in ROOMS.values() if shared in room.shared]


def _of_users(field: Field) -> Field:
    """A shared control that is there while a room is chosen that uses it, and needs it as its own controls are set."""
    rooms = {name: ROOMS[name] for name in users(field.name)}

    def when(now: Mapping[str, Any]) -> bool:
        return now[ROOM] in rooms and rooms[now[ROOM]].needs(field.name, now)

    return replace(field, when=when)


def _form() -> Iterator[Field]:
    rooms = [(room.title, room.name) for room in ROOMS.values()]
    yield Field(ROOM, gr.Radio, "What to look into", next(iter(ROOMS), ""), choices=rooms)
    for field in SHARED.values():
        yield _of_users(field)
    for room in ROOMS.values():
        yield from room.own_fields


# fmt: off
SHARED = {field.name: field for field in (
    Field("model",   gr.Dropdown, "Model"),
    Field("picture", widgets.picture_input, "Picture", example(FIRST), linked=False, options={"visible": "hidden"}),
    Field("second",  widgets.picture_input, "Second picture", example(SECOND), linked=False, options={"visible": "hidden"}),
    Field("prompt",  gr.Textbox,  "Prompt", "red apple", stays=True,
          options={"max_length": MAX_PROMPT, **vocabulary.PROMPT}),
    Field("seed",    gr.Number,   "Seed", 0, dice=RANDOM_SEED, kind=Range(0, MAX_SEED, whole=True), options={"min_width": 120}),
)}
# fmt: on
FORM = tuple(_form())
