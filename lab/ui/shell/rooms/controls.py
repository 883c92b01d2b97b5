"""The controls of a tab of rooms: the radio that chooses a room, those that rooms share, then those of each room."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from lab.capsules.capsule import Range
from lab.requests.fields import MAX_SEED
from lab.ui.shell import media, vocabulary, widgets
from lab.ui.shell.form import RANDOM_SEED, Field
from lab.ui.shell.rooms.room import ROOM, Room

MODEL = Field("model", gr.Dropdown, "Model")
# fmt: off
SEED = Field("seed", gr.Number, "Seed", 0, dice=RANDOM_SEED, kind=Range(0, MAX_SEED, whole=True), options={"min_width": 120})
# fmt: on


def example(stem: str) -> str:
    """The path of an example picture, by its file's name."""
    return next(str(one.path) for one in media.examples() if one.path.stem == stem)


def picture(name: str, label: str, stem: str) -> Field:
    """A shared picture, one of the names in PICTURES; the example `stem` at first. A gallery chooses it: the control itself, which
    has its path, is not seen."""
    return Field(name, widgets.picture_input, label, example(stem), linked=False, options={"visible": "hidden"})


def prompt(first: str) -> Field:
    """The shared prompt, beneath which the tab says what its model makes of the words."""
    options = {"max_length": widgets.MAX_TYPED, **vocabulary.PROMPT}
    return Field("prompt", gr.Textbox, "Prompt", first, stays=True, options=options)


def form(rooms: Mapping[str, Room], shared: Sequence[Field], question: str) -> Iterator[Field]:
    """All controls in the order in which they depend on each other; `question` is the label of the radio."""
    titles = [(room.title, room.name) for room in rooms.values()]
    yield Field(ROOM, gr.Radio, question, next(iter(rooms), ""), choices=titles)
    for field in shared:
        yield _of_users(field, rooms)
    for room in rooms.values():
        yield from room.own_fields


def _of_users(field: Field, rooms: Mapping[str, Room]) -> Field:
    """A shared control that is there while a room is chosen that uses it, and needs it as its own controls are set."""
    users = {name: room for name, room in rooms.items() if field.name in room.shared}

    def when(now: Mapping[str, Any]) -> bool:
        return now[ROOM] in users and users[now[ROOM]].needs(field.name, now)

    return replace(field, when=when)
