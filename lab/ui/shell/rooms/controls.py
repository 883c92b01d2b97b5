"""The controls of a tab of rooms: the radio that chooses a room, those that rooms share, then those of each room."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from lab.ui.shell import media, widgets
from lab.ui.shell.form import Field
from lab.ui.shell.rooms.room import ROOM, Room


def example(stem: str) -> str:
    """The path of an example picture, by its file's name."""
    return next(str(one.path) for one in media.examples() if one.path.stem == stem)


def picture(name: str, label: str, stem: str) -> Field:
    """A shared picture, one of the names in PICTURES; the example `stem` at first. A gallery chooses it: the control itself, which
    has its path, is not seen."""
    return Field(name, widgets.picture_input, label, example(stem), linked=False, options={"visible": "hidden"})


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
