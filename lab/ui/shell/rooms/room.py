"""A room of a tab of rooms: one question, with controls, a stage and numbers of its own.

The tab lays the rooms out side by side and shows the one that is chosen; a room says what is in it and knows nothing of Gradio's events.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np

from lab.catalog import Model
from lab.requests.base import Event, Request
from lab.settings import Settings
from lab.ui.shell import pipeline
from lab.ui.shell.form import Field, Preset
from lab.ui.shell.instrument import Question

ROOM = "room"  # the control that says which room is chosen
PICTURES = ("picture", "second", "third", "fourth")  # shared controls that hold a picture each


@dataclass(frozen=True)
class Asked:
    """What a visitor asks a room: the controls by name, the catalog's row of the model that is chosen, and the pictures that are,
    (side, side, 3) uint8 each, None where there is none or the room has no use for it. `remark` is what of a visitor's file is not in
    its picture."""

    now: Mapping[str, Any]
    row: Model
    picture: np.ndarray | None
    second: np.ndarray | None
    settings: Settings
    remark: str = ""
    third: np.ndarray | None = None
    fourth: np.ndarray | None = None

    @property
    def pictures(self) -> dict[str, np.ndarray]:
        """The pictures that are there, by the names of their controls, in their order."""
        every = {name: getattr(self, name) for name in PICTURES}
        return {name: picture for name, picture in every.items() if picture is not None}


class Outcome(Protocol):
    """What has come of a run: it takes events, and the page keeps it once the run has ended. Picklable."""

    def add(self, event: Event) -> None:
        """Take what tells of the run; all else is ignored."""

    @property
    def begun(self) -> bool:
        """Whether there is something to show."""
        ...

    def ways(self) -> list[tuple[int, int]]:
        """How far each part of the run is, i of n; none where that is not known."""
        ...


class Room(ABC):
    """One room. Holds nothing of any visitor.

    `shared` names what it uses of the tab's own controls: "model", "seed", "prompt", any of PICTURES, and others that the tab has.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str]  # Markdown beneath the stage, where the tab says what one is looking at
    fields: ClassVar[Sequence[Field]] = ()
    shared: ClassVar[Sequence[str]] = ()
    shown: ClassVar[Sequence[str]] = ()  # its own controls in their order, at most six with the shared ones
    more: ClassVar[
        Sequence[str]
    ] = ()  # those that fold away; what is in neither chooses the chart, and stands above it
    selecting: ClassVar[Sequence[str]] = ()  # those on which it depends whether others are there
    live: ClassVar[Sequence[str]] = ()  # those that its script follows, and may set, without a run; links hold them
    presets: ClassVar[Sequence[Preset]] = ()
    questions: ClassVar[Sequence[Question]] = ()
    style: ClassVar[str] = ""
    scripts: ClassVar[
        Mapping[str, str]
    ] = {}  # modules by file name; `NAME.js` exports attach(root, tell), see stage.js

    @abstractmethod
    def request(self, asked: Asked) -> Request:
        """What the controls ask for. Raises LabError where they cannot be met."""

    @abstractmethod
    def outcome(self, request: Request) -> Any:
        """An Outcome to which nothing has come yet."""

    @abstractmethod
    def stage(self, outcome: Any | None, asked: Asked) -> str:
        """HTML of the pictures, of a run under way and at its end; as large before anything has come."""

    def words(self, outcome: Any) -> str:
        """HTML of the sentence under the pictures."""
        return ""

    @abstractmethod
    def progress(self, outcome: Any) -> str:
        """A sentence while the run is under way."""

    @abstractmethod
    def summary(self, outcome: Any) -> str:
        """A sentence at its end."""

    def chart(self, outcome: Any, now: Mapping[str, Any]) -> Any:
        """A figure; None where there is nothing to draw."""
        return None

    def table(self, outcome: Any) -> str:
        """HTML of the numbers."""
        return ""

    def pictures(self, outcome: Any) -> Iterable[tuple[str, np.ndarray]]:
        """The pictures that are worth a file, by its stem, (height, width, 3) uint8."""
        return ()

    def scripts_of(self, request: Request) -> Iterable[tuple[str, str]]:
        """Name and text of each script that makes the run without the lab. Raises LabError where there is none."""
        return ()

    def scripts_of_run(self, request: Request, outcome: Any) -> Iterable[tuple[str, str]]:
        """As `scripts_of`, of a run whose scripts hold something that came of it."""
        return self.scripts_of(request)

    def written(self, outcome: Any) -> Mapping[str, np.ndarray | None]:
        """What a script of the run writes: by the names of the files the run's own pictures, None where it has none of that."""
        return {}

    @abstractmethod
    def flow(self, request: Request) -> pipeline.Flow:
        """The parts that a picture goes through, with the numbers of this request."""

    def needs(self, shared: str, now: Mapping[str, Any]) -> bool:
        """Whether it has a use for one of the tab's own controls, one that `shared` names, as its own are set."""
        return True

    # What follows from it

    @property
    def own_fields(self) -> list[Field]:
        """Its controls, which are there while it is chosen."""
        return [of_room(one, self.name) for one in self.fields]

    @property
    def own_presets(self) -> list[Preset]:
        """Its presets, which choose it."""
        return [
            Preset(one.title, one.subject, look=one.look, place=one.place, **{ROOM: self.name} | one.values)
            for one in self.presets
        ]


def of_room(field: Field, *rooms: str) -> Field:
    """A control that is there while one of these rooms is chosen, and its own condition holds."""
    own = field.when

    def when(now: Mapping[str, Any]) -> bool:
        return now[ROOM] in rooms and (own is None or own(now))

    return replace(field, when=when)
