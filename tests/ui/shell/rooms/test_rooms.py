"""A tab of rooms, with rooms made here: what follows from them, up to four pictures, and two such tabs on one page."""

from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest

from lab.catalog import MODELS
from lab.requests.base import Request
from lab.settings import Settings
from lab.ui.shell import pipeline
from lab.ui.shell.form import Field, Preset
from lab.ui.shell.instrument import Question
from lab.ui.shell.rooms.controls import MODEL, SEED, picture, prompt
from lab.ui.shell.rooms.room import PICTURES, ROOM, Asked, Room
from lab.ui.shell.rooms.tab import Rooms
from tests.ui.values import first_values

SETTINGS = Settings()
EXAMPLES = ("fox-3d", "red-apple-glossy", "sailboat-flat", "butterfly-blob")
SHARED = (MODEL, *(picture(*one) for one in zip(PICTURES, PICTURES, EXAMPLES, strict=True)), prompt("red apple"), SEED)


class Nothing(Request):
    """Asks for nothing."""

    def models(self):
        return ()


class Toy(Room):
    """A room of a name, a title and what it shares."""

    about, style = "**Toy.**", ".toy { color: red; }"

    def __init__(self, name, shared):
        self.name = self.title = name
        self.shared = shared
        self.fields = (
            Field(f"{name}_count", gr.Slider, "Pictures", 4, options={"minimum": 1, "maximum": 4, "step": 1}),
        )
        self.shown = (f"{name}_count",)
        self.presets = (Preset(f"Preset of {name}", look="Look.", place="#stage"),)
        self.questions = (Question("Which?", ("This", "That"), 0, f"Preset of {name}", "Look.", "This.", {1: "no."}),)
        self.scripts = {f"{name}.js": f"export function attach() {{}} // {name}"}

    def needs(self, shared, now):
        return shared not in PICTURES or PICTURES.index(shared) < now[f"{self.name}_count"]

    def request(self, asked: Asked):
        return Nothing()

    def outcome(self, request):
        return SimpleNamespace(begun=True)

    def stage(self, outcome, asked):
        return f'<div data-room="{self.name}" data-script="{self.name}.js">{" ".join(asked.pictures)}</div>'

    def progress(self, outcome):
        return "Now."

    def summary(self, outcome):
        return "Done."

    def flow(self, request):
        return pipeline.of_model(MODELS["text-to-image"])


ROOMS = {room.name: room for room in (Toy("four", PICTURES), Toy("words", ("prompt", "seed")))}


class Left(Rooms):
    """One tab."""

    name, rooms, shared, question = "left", ROOMS, SHARED, "Room"
    modules = {"helper.js": "export const one = 1;"}  # noqa: RUF012

    @classmethod
    def models(cls, settings):
        return [MODELS["text-to-image"]]


class Right(Left):
    """Another with the same rooms."""

    name = "right"


@pytest.fixture(scope="module")
def page():
    """Both on one page, and all that is in it."""
    with gr.Blocks() as blocks:
        tabs = []
        for kind in (Left, Right):
            with gr.Tab() as page:
                tabs.append(kind.build(None, SETTINGS, page))
    return tabs, list(blocks.blocks.values())


def values_of(tab, **changes):
    """By component, the first preset's with `changes`."""
    now = tab.form.preset(tab.offered[0]) | changes
    return first_values(tab) | {tab.form[name]: value for name, value in now.items()} | {tab.last_run: None}


def test_two_tabs_of_rooms_stand_on_one_page(page):
    _, parts = page
    ids = [part.elem_id for part in parts if getattr(part, "elem_id", None)]
    assert len(ids) == len(set(ids)) and all(one.startswith(("left-", "right-")) for one in ids)
    assert {f"{tab}-{one}-examples" for tab in ("left", "right") for one in PICTURES} <= set(ids)
    assert {f"{tab}-{one}" for tab in ("left", "right") for one in ("room", "stage", "run", "plot", "png")} <= set(ids)
    left, right = Left.content, Right.content
    assert left.folder != right.folder and left.folder in left.load_js and "attach('left'" in left.load_js
    assert "labRooms.right.set" in right.follow_js("[]") and "#right-stage" in right.style and ".toy" in right.style
    assert {route().path for route in left.routes}.isdisjoint(route().path for route in right.routes)


def test_what_a_tab_has_follows_from_its_rooms():
    assert list(Left.content.scripts) == ["stage.js", "helper.js", "four.js", "words.js"]
    assert [(preset.title, preset.values[ROOM]) for preset in Left.presets] == [
        ("Preset of four", "four"),
        ("Preset of words", "words"),
    ]
    assert len(Left.lesson) == 2 and Left.about.count("Toy") == 2
    names = [field.name for field in Left.fields]
    assert names == [ROOM, "model", *PICTURES, "prompt", "seed", "four_count", "words_count"]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_room_gets_the_pictures_that_it_needs_and_a_link_gives_them_back(page, count):
    tab = page[0][0]
    values = values_of(tab, four_count=count)
    now = tab.form.read(values)
    asked = tab._asked(now)
    assert list(asked.pictures) == list(PICTURES[:count])
    assert all(one.shape == (one.shape[0], one.shape[0], 3) for one in asked.pictures.values())
    galleries = tab._show_pictures(now)
    assert [update["visible"] is True for update in galleries.values()] == [place < count for place in range(4)]
    capsule = tab._capsule(now, values, asked, Nothing())
    assert [capsule.values.get(name) for name in PICTURES] == [
        {"example": stem} if place < count else None for place, stem in enumerate(EXAMPLES)
    ]
    update, button, words = tab.restore(capsule, tab.share.values_in(capsule))
    assert button == "left-run" and words == ""
    back = tab._asked(tab.form.read(values | {tab.form[name]: update[tab.form[name]]["value"] for name in PICTURES}))
    for name, one in asked.pictures.items():
        assert np.array_equal(one, back.pictures[name])


def test_a_room_without_pictures_has_none(page):
    tab = page[0][0]
    asked = tab._asked(tab.form.read(values_of(tab, room="words")))
    assert asked.pictures == {} and asked.picture is None and asked.fourth is None
