"""What crosses between the page and a backend: frozen requests, streamed events, and errors in words.

Requests and events are picklable and hold no torch object, so any backend can carry them. Requests validate
themselves; `explain` turns a validation error into one sentence a visitor can act on.
"""

from collections.abc import Hashable, Set
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
)


@dataclass(frozen=True)
class Load:
    """The work of a request, counted before anything is computed."""

    lanes: int = 0
    steps: int = 0  # over all lanes
    hidden: int = 0  # lanes that make no picture of the run: a reference
    rows: int = 1  # of the denoiser's batch that a step takes: 2 where it is guided
    controls: int = 0  # ControlNets that each row runs through


NOTHING = Load()

Key = tuple[type, Hashable]  # of an event in its run: its type and Event.key


@dataclass(frozen=True)
class Rest:
    """The part of a run that is still to be asked for. Lane i of it is lane `lanes[i]` of the whole run; where `lanes` is
    empty the lanes are the same."""

    request: "Request"
    lanes: tuple[int, ...] = ()

    def whole_lane(self, lane: int) -> int:
        """The lane of the whole run that is `lane` here; a hidden one (below 0) stays as it is."""
        return self.lanes[lane] if self.lanes and lane >= 0 else lane


class Request(BaseModel):
    """Base of all requests: immutable, unknown fields refused, NaN and infinity refused.

    What a backend must know of a run it asks the request: `load`, `models`, `public` and `rest`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def load(self) -> Load:
        """The work of the run; of one look (a noised picture, an annotation) NOTHING: it stands in no line."""
        return NOTHING

    def models(self) -> tuple[str, ...]:
        """Names of the catalog's rows that the run leases, the one that drives its lanes first."""
        return ()

    def public(self) -> bool:
        """Whether its pictures are the lab's own, so that its run may be kept for whoever asks for the same. One with a picture
        is taken for a visitor's unless it says so."""
        return False

    def rest(self, events: Set[Key]) -> Rest | None:
        """What is still to be asked for once `events` have come and the run was lost: all of it, where a request does
        not know better; None where the run has ended. What came before is dropped by its key when it comes again."""
        return Rest(self)


@dataclass(frozen=True)
class Event:
    """Base of what a run streams. Fields of these names mean the same in every event: `lane`, an index into the
    request's lanes, and `elapsed_s`, seconds since the run began."""

    @property
    def key(self) -> Hashable:
        """What distinguishes an event from the others of its type in one run, so that a repetition after a fault is
        recognised. None: only the order in which they come does."""
        return None


@dataclass(frozen=True)
class Note(Event):
    """Something the visitor should know about the run, in one sentence."""

    text: str

    @property
    def key(self) -> Hashable:
        """As Event.key: a sentence is said once."""
        return self.text


@dataclass(frozen=True)
class Waiting(Event):
    """A run that has not begun: its place in the line, and about how long that will take. Position 0: it is next."""

    position: int
    seconds: float
    text: str = ""  # what it waits for, where that is not other people's runs


class LabError(Exception):
    """An error whose text is meant for the visitor: what is wrong and what to do."""


FIELDS = {  # as the controls are labelled
    "negative": "negative prompt",
    "mix_seed": "second seed",
    "low": "low threshold",
    "high": "high threshold",
    "scales": "guidance scales",
    "reference_steps": "steps of the reference run",
    "zero_snr": "zero terminal SNR",
    "at_log_snr": "log-SNR",
    "i": "term",
}


PROBLEMS = {  # the beginning of pydantic's type of an error -> what is wrong, filled in from its context
    "int": "must be a whole number",
    "float": "must be a number",
    "finite_number": "must be a finite number",
    "bool": "must be yes or no",
    "string_too_long": "may have at most {max_length} characters",
    "string": "must be text",
    "tuple": "must be a list",
    "model": "must be a set of settings with their names",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length}",
    "too_long": "may have at most {max_length}",
    "missing": "is missing",
    "extra_forbidden": "is not known here",
}


def explain(error: ValidationError) -> str:
    """The first problem of a request in one sentence: the field, in words, and what is wrong with it."""
    first = error.errors()[0]
    if not first["loc"]:
        text = first["msg"].removeprefix("Value error, ")
        return f"{text[:1].upper()}{text[1:]}."
    problem = next(
        (words for kind, words in PROBLEMS.items() if first["type"].startswith(kind)), "is not possible here"
    )
    if first["type"] == "value_error":
        return f"{_field(first['loc'])}: {first['msg'].removeprefix('Value error, ')}."
    numbers = {name: f"{bound:.10g}" for name, bound in first.get("ctx", {}).items() if isinstance(bound, int | float)}
    empty = "is empty; it " if first["input"] is None else ""
    return f"{_field(first['loc'])} {empty}{problem.format(**numbers)}."


def _field(loc: tuple[int | str, ...]) -> str:
    """A place in a request in words: ("lanes", 0, "seed") is "Seed of lane 1"."""
    words = ""
    for part, after in zip(reversed(loc), [None, *reversed(loc)], strict=False):
        if isinstance(part, str) and not words:
            words = FIELDS.get(part, part.replace("_", " "))
            words += f", entry {after + 1}" if isinstance(after, int) else ""
        elif isinstance(part, str) and isinstance(after, int):
            words += f" of {part.removesuffix('s')} {after + 1}"
    return words if len(words) == 1 else words[:1].upper() + words[1:]


AnyRequest = TypeVar("AnyRequest", bound=Request)


def make_request(kind: type[AnyRequest], /, **values: Any) -> AnyRequest:
    """A request from values that come from a visitor. Raises LabError, in words, where they do not fit."""
    try:
        return kind(**values)
    except ValidationError as error:
        raise LabError(explain(error)) from error
