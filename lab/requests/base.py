"""What crosses between the page and a backend: frozen requests, streamed events, and errors in words.

Requests and events are picklable and hold no torch object, so any backend can carry them. Requests validate
themselves; `explain` turns a validation error into one sentence a visitor can act on.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
)


@dataclass(frozen=True)
class Load:
    """What a request asks for, counted before anything is computed: its lanes, and the steps that they take in all."""

    lanes: int = 0
    steps: int = 0


NOTHING = Load()


class Request(BaseModel):
    """Base of all requests: immutable, unknown fields refused, NaN and infinity refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def load(self) -> Load:
        """The request's lanes and steps; of one look (a noised picture, an annotation) NOTHING: it stands in no line."""
        return NOTHING


@dataclass(frozen=True)
class Event:
    """Base of what a run streams. Fields of these names mean the same in every event: `lane`, an index into the
    request's lanes, and `elapsed_s`, seconds since the run began."""

    @property
    def key(self) -> Hashable:
        """What tells an event from the others of its type in one run, so that one that is made again after a fault is
        known. None: nothing in it does, so the order in which they come does."""
        return None


@dataclass(frozen=True)
class Note(Event):
    """Something the visitor should know about the run, in one sentence."""

    text: str


@dataclass(frozen=True)
class Waiting(Event):
    """A run that has not begun: its place in the line, and about how long that will take. Position 0: it is next."""

    position: int
    seconds: float
    text: str = ""  # what it waits for, where that is not other people's runs


class LabError(Exception):
    """An error whose text is meant for the visitor: what is wrong and what to do."""


FIELDS = {
    "negative": "negative prompt",
    "mix_seed": "second seed",
    "low": "low threshold",
    "high": "high threshold",
    "scales": "guidance scales",
}


PROBLEMS = {  # the beginning of pydantic's type of an error -> what is wrong, filled in from its context
    "int": "must be a whole number",
    "float": "must be a number",
    "finite_number": "must be a finite number",
    "bool": "must be yes or no",
    "string_too_long": "may have at most {max_length} characters",
    "string": "must be text",
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
    problem = next((words for kind, words in PROBLEMS.items() if first["type"].startswith(kind)), "")
    if not problem:
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
