"""A tab of rooms, as a Tool: a radio chooses a room; run, link, files, shelf and the stage's scripts are the tab's.

    class Inside(Rooms):
        name, rooms, shared, question = "inside", ROOMS, SHARED, "What to look into"

        @classmethod
        def models(cls, settings): ...

    TAB = Instrument(name="inside", ..., build=Inside.build, lesson=Inside.lesson, style=Inside.content.style,
                     routes=Inside.content.routes)

What a room is says room.py. The ids of the page's elements begin with the tab's name, so several such tabs stand on one page.
"""

import json
import threading
from abc import abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import gradio as gr
import numpy as np

from lab.capsules.capsule import Capsule, fitted, make
from lab.capsules.notebook import Script
from lab.catalog import Model
from lab.requests.base import LabError, Request
from lab.settings import Settings
from lab.ui.shell import media, own, pipeline, share, shelf, vocabulary, widgets
from lab.ui.shell.form import Field, Preset
from lab.ui.shell.instrument import Question
from lab.ui.shell.rooms import controls, kept
from lab.ui.shell.rooms.content import Content
from lab.ui.shell.rooms.room import PICTURES, ROOM, Asked, Room
from lab.ui.shell.runs import STOPPED, Run, Runs
from lab.ui.shell.tool import NO_PICTURE, Tool
from lab.ui.shell.widgets import LATEST, PICKED, QUIET, Update

PAINT_EVERY_S = 0.2
PRESS_RUN, ENDED = "Press Run.", "The run that was left was stopped before its end."
FOLDED = ("seed", "model")  # shared controls that fold away


class Ended(NamedTuple):
    """A run that the page shows: its room, its request, what has come of it, all that makes it again, and what was said at its end."""

    room: str
    request: Request
    outcome: Any
    capsule: Capsule | None = None
    note: str = widgets.note("")


class Rooms(Tool):
    """A tab of rooms, which a subclass names; holds nothing of any visitor. `last_run` is an Ended."""

    rooms: ClassVar[Mapping[str, Room]]  # by name, in their order
    shared: ClassVar[
        Sequence[Field]
    ]  # "model", any of PICTURES (controls.picture), words, "prompt" the last of them, "seed"
    question: ClassVar[str]  # the label of the radio
    modules: ClassVar[Mapping[str, str]] = {}  # scripts that several of its rooms import, by file name

    # What follows from them
    content: ClassVar[Content]
    lesson: ClassVar[tuple[Question, ...]]
    runs: Runs

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        rooms = cls.rooms.values()
        cls.fields = tuple(controls.form(cls.rooms, cls.shared, cls.question))
        cls.presets = tuple(preset for room in rooms for preset in room.own_presets)
        cls.about = "\n\n".join(room.about for room in rooms)
        cls.lesson = tuple(question for room in rooms for question in room.questions)
        cls.content = Content(cls.name, cls.rooms, cls.modules)

    def __init__(self, backend: Any, settings: Settings) -> None:
        super().__init__(backend, settings, self.models(settings))

    @classmethod
    @abstractmethod
    def models(cls, settings: Settings) -> list[Model]:
        """The rows of the catalog that it offers, the first at first."""

    # Layout

    def lay_out_stage(self, opening: dict[str, Any]) -> None:
        asked = self._asked(opening)
        room = self.rooms[opening[ROOM]]
        self.stage = gr.HTML(room.stage(None, asked), js_on_load=self.content.load_js, elem_id=f"{self.name}-stage")
        self.words = gr.HTML("", elem_id=f"{self.name}-words")
        self.form.lay_out(*self._charts, values=opening)
        self.plot = widgets.plot("What the room measures", elem_id=f"{self.name}-plot")
        with widgets.more("Numbers"):
            self.table = gr.HTML(PRESS_RUN, elem_id=f"{self.name}-table")
        self.shelf.lay_out()

    @property
    def _pictures(self) -> dict[str, Any]:
        """The shared controls that hold a picture, with their labels."""
        return {one.name: one.label for one in self.shared if one.name in PICTURES}

    @property
    def _charts(self) -> list[str]:
        """The controls that choose a room's chart: they stand above it."""
        placed = {name for room in self.rooms.values() for name in (*room.shown, *room.more, *room.live)}
        return [one.name for room in self.rooms.values() for one in room.fields if one.name not in placed]

    def lay_out_controls(self, opening: dict[str, Any]) -> None:
        lay_out = partial(self.form.lay_out, values=opening)
        self.runs = Runs(self.name)
        lay_out(ROOM)
        self.galleries = {}
        for name, label in self._pictures.items():
            shown = opening[name] if self._uses(opening, name) else None
            self.galleries[name] = own.Examples(f"{self.name}-{name}", label, self.settings, shown)
        lay_out(*(one.name for one in self.shared if one.name not in FOLDED))
        vocabulary.line(self.form, opening)
        lay_out(*(name for room in self.rooms.values() for name in room.shown))
        with widgets.more("More"):
            lay_out(*(name for room in self.rooms.values() for name in room.more), *FOLDED)
        lay_out(*(name for name in self._live if name not in self.form.parts))
        with widgets.more("Share and export"):
            with gr.Row():
                self.png = gr.Button("Pictures, PNG", size="sm", min_width=90, elem_id=f"{self.name}-png")
                self.chart_file = gr.Button("Chart, CSV", size="sm", min_width=90, elem_id=f"{self.name}-csv")
            self.share = self.panel()

    # Wiring

    def wire(self, page: gr.Tab) -> None:
        form, runs, running = self.form, self.runs, self.running
        inputs = {*self.controls, self.last_run, self.share.capsule}
        outputs = [
            self.stage, self.words, self.plot, self.table, self.last_run, runs.note, runs.run, runs.stop,
            *self.share.run_outputs,
        ]  # fmt: skip
        settings = [*self.controls, *(gallery.gallery for gallery in self.galleries.values())]
        self.restorable = settings
        for name, gallery in self.galleries.items():
            gallery.wire(form[name], runs.note)
        form["model"].input(self.on_model, inputs, form.model_parts, **LATEST)
        shown = [self.stage, self.words, self.plot, self.table, runs.note, runs.run, runs.stop]
        form[ROOM].input(self.on_room, inputs, [*settings, *shown, *self.share.run_outputs], **LATEST)
        for name in self._selecting:
            galleries = [gallery.gallery for gallery in self.galleries.values()]
            form[name].input(self.on_experiment, inputs, [*form.others_parts, *galleries], **LATEST)
        gr.on([runs.run.click, *form.submits], self.on_run, inputs, outputs, **running)
        runs.stop.click(runs.on_stop, None, None, queue=False, **QUIET)
        self.wire_presets(settings, lambda event: event.then(self.on_run, inputs, outputs, **self.following))
        self.share.opens(page, self.on_open, inputs, list(dict.fromkeys([*settings, *outputs])), **running)
        for name in self._charts:
            form[name].input(self.on_chart, inputs, [self.plot, runs.note], **LATEST)
        vocabulary.wire(form)
        self._wire_live(inputs)
        self.share.wire({self.last_run}, self.scripts)
        self.share.saves(self.png, self.pictures, {self.last_run, self.share.capsule})
        self.share.saves_chart(self.chart_file, f"{self.name}-plot")

    def _wire_live(self, inputs: set[Any]) -> None:
        """The page's script follows the live controls, and says what it rests at; the link of what is shown has both."""
        form, names = self.form, self._live
        parts = [form[name] for name in names]
        if not parts:
            return
        gr.on([part.change for part in parts], None, parts, None, js=self.content.follow_js(json.dumps(names)),
              trigger_mode="multiple", api_visibility="private")  # fmt: skip
        shown = self.share.run_outputs
        for part in parts:
            part.input(self.on_live, inputs, shown, **LATEST)
        self.stage.click(self.on_rest, inputs, [*parts, *shown], queue=False, **PICKED)

    @property
    def _live(self) -> list[str]:
        """Controls that the page's script follows and may set."""
        return [name for room in self.rooms.values() for name in room.live]

    @property
    def _compared_names(self) -> list[str]:
        """Without the live ones: the pictures follow them at once."""
        return [name for name in super()._compared_names if name not in self._live]

    @property
    def _selecting(self) -> list[str]:
        """Controls on which it depends whether others are there."""
        return [name for room in self.rooms.values() for name in room.selecting]

    def first_values(self) -> dict[Any, Any]:
        """As Tool's, with the pictures, which no link holds as a control."""
        now = self.form.preset(self.offered[0])
        return {part: now[name] for name, part in self.form.parts.items()}

    # What the visitor does

    def on_room(self, values: dict[Any, Any], request: gr.Request) -> Update:
        """Another room: its controls, its pictures, and all of its run as it was left, or its stage as it is before one. What is
        under way in the room before has the page no more."""
        ended = ENDED if self.runs.stops.busy(request) else ""
        self.runs.stops.end(request, leaving=True)
        now, last = self.form.read(values), values[self.last_run]
        room = self.rooms[now[ROOM]]
        update = self.form.look(now) | self._show_pictures(now) | {
            self.runs.run: gr.update(interactive=True),
            self.runs.stop: gr.update(interactive=False),
        }  # fmt: skip
        if last is not None and last.room == room.name:
            told = {} if last.capsule is None else self.share.show(last.capsule)
            return (
                update
                | self._whole(room, last.outcome, now)
                | told
                | {self.runs.note: widgets.note(ended) if ended else last.note}
            )
        nothing = {
            self.share.capsule: None,
            self.share.code: "",
            self.share.record: "",
        }  # for what is not shown has no link
        return (
            update
            | self._blank(room, self._asked(now))
            | nothing
            | {self.runs.note: widgets.note(f"{PRESS_RUN} {ended}".strip())}
        )

    def _whole(self, room: Room, outcome: Any, now: dict[str, Any]) -> Update:
        """All that the page shows of a run."""
        return {
            self.stage: kept.with_strip(room.stage(outcome, self._asked(now)), room.pictures(outcome)),
            self.words: room.words(outcome),
            self.plot: room.chart(outcome, now),
            self.table: room.table(outcome),
        }

    def _blank(self, room: Room, asked: Asked) -> Update:
        """What the page shows of a room before its run: nothing of another's."""
        return {self.stage: room.stage(None, asked), self.words: "", self.plot: None, self.table: PRESS_RUN}

    def on_experiment(self, values: dict[Any, Any]) -> Update:
        """As Tool's, with the pictures that the room uses."""
        return super().on_experiment(values) | self._show_pictures(self.form.read(values))

    def on_preset(self, preset: Preset) -> Update:
        """The controls and the pictures as a preset has them."""
        now = self.form.preset(preset)
        return self.form.show(now) | self._show_pictures(now)

    def on_chart(self, values: dict[Any, Any]) -> Update:
        """Another chart of the same run."""
        now, last = self.form.read(values), values[self.last_run]
        if last is None or last.room != now[ROOM]:
            return {self.runs.note: widgets.note(NO_PICTURE, bad=True)}
        return {self.plot: self.rooms[last.room].chart(last.outcome, now)}

    def on_live(self, values: dict[Any, Any]) -> Update:
        """A live control was set: the link of what is shown has it from now on."""
        return self._linked(values, {})

    def on_rest(self, values: dict[Any, Any], event: gr.EventData) -> Update:
        """The page's script says what live controls are to be set to; what they cannot be is left out."""
        kinds, told = self.share.kinds, {name: widgets.sent(event, name) for name in self._live}
        fits = {name: fitted(value, kinds[name]) for name, value in told.items() if value is not None}
        return self._linked(values, {name: value for name, value in fits.items() if value is not None})

    def _linked(self, values: dict[Any, Any], told: dict[str, Any]) -> Update:
        """The live controls of the room that is shown, in the link of its run."""
        capsule, last = values[self.share.capsule], values[self.last_run]
        update: Update = {self.form[name]: value for name, value in told.items()}
        if capsule is None or last is None:
            return update or {self.share.record: gr.skip()}
        now = self.share.values_of(values) | told
        live = {name: now[name] for name in self.rooms[last.room].live if name in now}
        return update | self.share.show(capsule.model_copy(update={"values": capsule.values | live}))

    def _show_pictures(self, now: dict[str, Any]) -> Update:
        shown: Update = {}
        for name, gallery in self.galleries.items():
            shown |= gallery.show(now[name], self._uses(now, name))
        return shown

    def _uses(self, now: dict[str, Any], shared: str) -> bool:
        """Whether the room that is chosen has a use for one of the tab's own controls as it is set."""
        field = self.form.fields[shared]
        return field.when is None or field.when(now)

    # Runs

    def opening(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """The first preset's run."""
        yield from self.on_run(values, request)

    def on_run(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """Stream a run; ends early at Stop and keeps what is there."""
        yield from self.runs.stream(request, partial(self._work, values, request.session_hash or ""), left=ENDED)

    def _work(self, values: dict[Any, Any], client: str, stop: threading.Event) -> Generator[Update, None, Update]:
        now = self.form.read(values)
        room, asked = self.rooms[now[ROOM]], self._asked(now)
        request = room.request(asked)
        outcome = room.outcome(request)
        run = Run(PAINT_EVERY_S, [asked.remark], outcome.ways)
        last: Ended | None = values[self.last_run]
        if last is not None and last.room != room.name:
            yield self._blank(room, asked)

        before: Update = {self.words: "", self.plot: None, self.table: ""} if last is not None else {}

        def paint() -> Update:
            shown = {self.stage: room.stage(outcome, asked)} if outcome.begun else {}
            if shown:  # what was said and measured of other pictures goes with them
                shown |= before
                before.clear()
            return shown | {self.runs.note: widgets.progress(room.progress(outcome))}

        yield from run.updates(self.backend.run(request, stop, client), self.runs.note, paint, outcome.add)
        if not outcome.begun:
            return {self.runs.note: widgets.note("Stopped."), self.share.record: ""}
        whole = not stop.is_set()
        note = run.sentence(room.summary(outcome) if whole else STOPPED)
        capsule = self._capsule(now, values, asked, request)
        return self.ended(capsule, whole) | {
            **self._whole(room, outcome, now),
            self.last_run: Ended(room.name, request, outcome, capsule, note),
            self.runs.note: note,
        }

    # The pipeline

    def flow_of_opening(self, opening: dict[str, Any]) -> pipeline.Flow:
        """That of the room's first preset."""
        first = next(preset for preset in self.offered if preset.values[ROOM] == opening[ROOM])
        return self._flow(self.form.preset(first))

    def flow(self, values: dict[Any, Any]) -> pipeline.Flow:
        """What the controls ask for."""
        return self._flow(self.form.read(values))

    def _flow(self, now: dict[str, Any]) -> pipeline.Flow:
        room = self.rooms[now[ROOM]]
        return room.flow(room.request(self._asked(now)))

    # Sharing

    def _capsule(self, now: dict[str, Any], values: dict[Any, Any], asked: Asked, request: Request) -> Capsule:
        """All that makes a run again, the pictures that its room uses among it."""
        named = self.share.values_of(values)
        for name, picture in asked.pictures.items():
            named[name] = share.describe_picture(picture)
        return make(self.name, named, [], request.models())

    def settings_of(self, capsule: Capsule) -> shelf.RunSettings:
        """As Tool's, with the pictures."""
        named = dict(super().settings_of(capsule))
        for name, label in self._pictures.items():
            if name in capsule.values:
                named[name] = (label, shelf.picture(capsule.values[name]))
        return named

    def scripts(self, values: dict[Any, Any]) -> Iterator[Script]:
        """The scripts of the room's last run."""
        last: Ended = self.last(values)
        room = self.rooms[last.room]
        written, table = room.written(last.outcome), room.table(last.outcome)
        drawn = any(picture is not None for picture in written.values())
        beside = {} if drawn else dict(room.pictures(last.outcome))
        for name, text in room.scripts_of_run(last.request, last.outcome):
            yield Script(name, text, written, table, beside)

    def pictures(self, values: dict[Any, Any]) -> Iterator[Path]:
        """The pictures of the room's last run."""
        last: Ended | None = values[self.last_run]
        found = [] if last is None else list(self.rooms[last.room].pictures(last.outcome))
        if not found:
            raise LabError(NO_PICTURE)
        for stem, picture in found:
            yield share.save_png(picture, media.scratch_file(f"{stem}.png"), values[self.share.capsule])

    def restore(self, capsule: Capsule, values: dict[str, Any]) -> tuple[Update, str, str]:
        """The tab as a capsule says; one whose picture was too large for its link waits for another."""
        lost = False
        for name in self._pictures:
            if name in capsule.values:
                picture = share.picture_of(capsule.values[name])
                lost = lost or picture is None
                path = None if picture is None else str(media.save_plain(picture, media.scratch_file(f"{name}.png")))
                values = values | {name: path}
        now = self.form.complete(values)
        update = self.form.show(now) | self._show_pictures(now)
        if lost:
            return update, "", share.ALONE
        return (
            update,
            f"{self.name}-run",
            share.without_model(capsule, now["model"]) if self._uses(now, "model") else "",
        )

    # From controls to requests

    def request(self, values: dict[Any, Any]) -> Request:
        now = self.form.read(values)
        return self.rooms[now[ROOM]].request(self._asked(now))

    def _asked(self, now: dict[str, Any]) -> Asked:
        pictures: dict[str, np.ndarray | None] = dict.fromkeys(PICTURES)
        remarks = []
        for name in self._pictures:
            if now[name] and self._uses(now, name):
                pictures[name], remark = media.open_upload(now[name], self.settings).square()
                remarks.append(remark)
        return Asked(
            now, self.form.model(now), **pictures, settings=self.settings, remark=" ".join(filter(None, remarks))
        )
