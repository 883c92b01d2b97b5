"""A picture, changed in several ways side by side (SDEdit, holes, inversion) and two descriptions in one picture."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from lab.catalog import EDITS, JUDGE, MODELS, VIEWS
from lab.engine.anagrams import first_latent
from lab.engine.lanes import FINISHED, Record
from lab.measures import edge_f1, edges_of, seam
from lab.models.loaders import LoadedModel, title_of
from lab.models.tensors import to_signed, to_uint8
from lab.operations.edit_lanes import Editor, Subject, at_side
from lab.operations.house import House
from lab.operations.limits import check_lanes, check_load, check_process
from lab.operations.loading import loading
from lab.operations.painter import Painter
from lab.operations.prompts import as_captions, unread_notes
from lab.operations.sampling import REPLAY_SHARE
from lab.operations.turns import in_turn
from lab.quantities import quantity
from lab.requests.base import Event, LabError, Note
from lab.requests.edit import INVERSION, EditRequest, Original, filler, truth
from lab.requests.fields import Condition
from lab.requests.sampling import LaneResult, Step
from lab.settings import Settings
from lab.unused import unused_of_edit
from lab.views import first_view, second_view

FULL = "The mask covers the whole picture: nothing of it is known, so all is drawn anew."
AMONG = "The exact posterior is that of the pictures of the set that fit what is asked for:"
NONE_AGREES = "Where none of them agrees with the known part, it is given up."
NOT_IN_THE_SET = "No picture of the set fits the prompt: the exact posterior is that of all its pictures."


def edit(request: EditRequest, house: House) -> Iterator[Event]:
    """Draw the lanes of a request: the Original first, where there is a picture; Steps as they come; a LaneResult as each lane
    ends; then what is Decoded."""
    _check(request, house.settings)
    request, notes = as_captions(request)
    yield from notes
    yield from map(Note, unused_of_edit(request))
    yield from loading(house, *request.models())
    with ExitStack() as leases:
        models = {name: leases.enter_context(house.lease(name)) for name in request.models()}
        rooms = [
            Room(request, models[name], name, lanes, house, anagrams)
            for (name, anagrams), lanes in _lanes_by_room(request).items()
        ]
        yield from rooms[0].opening()
        for room in rooms[1:]:
            yield from room.notes
        judge, began = models.get(JUDGE), time.perf_counter()
        for room, record in in_turn([iter(room) for room in rooms]):
            elapsed_s = time.perf_counter() - began
            yield room.step(record, elapsed_s)
            if record.i == record.n and record.lane != INVERSION:
                yield house.compute(partial(room.result, record, elapsed_s, judge))
        for room in rooms:
            yield from room.painter.replay(REPLAY_SHARE * (time.perf_counter() - began) / len(rooms))


def _check(request: EditRequest, settings: Settings) -> None:
    """Refuse what no model of the request was made for."""
    row, methods = MODELS[request.model], request.methods()
    check_process(request.model, request.forward, max(lane.steps for lane in request.lanes), settings)
    check_load(request, settings)
    check_lanes(row, request.lanes)
    if "truth" in methods and not truth(row):
        raise LabError(
            f"The lab has no exact denoiser of the pictures of '{row.title}'. Leave out {EDITS['truth'].title.lower()}, or choose "
            f"'{MODELS['exact'].title}'."
        )
    if "nine" in methods and not row.latent:
        raise LabError(
            f"'{row.title}' has no twin that was taught to fill holes. Leave out {EDITS['nine'].title.lower()}, or choose "
            f"'{MODELS['text-to-image'].title}'."
        )


def _lanes_by_room(request: EditRequest) -> dict[tuple[str, bool], list[int]]:
    """The lanes of each model that draws, by its name and whether they are anagrams of latents, which are two at once; the
    request's own model first."""
    row, found = MODELS[request.model], dict[tuple[str, bool], list[int]]()
    for index, lane in enumerate(request.lanes):
        name = {"nine": filler(row), "truth": truth(row)}.get(lane.method, row.name)
        anagram = lane.method == "composed" and row.latent and VIEWS[request.view].kind == "turned"
        found.setdefault((name, anagram), []).append(index)
    return dict(sorted(found.items(), key=lambda item: (item[0][0] != row.name, item[0][1])))


class Room:
    """One model of a run at work: its lanes, and what becomes of them."""

    def __init__(
        self,
        request: EditRequest,
        model: LoadedModel,
        name: str,
        lanes: Sequence[int],
        house: House,
        anagrams: bool = False,
    ) -> None:
        self._anagrams = anagrams
        self._model, self._lanes, self._house, self.notes = model, lanes, house, list[Note]()
        if any(request.lanes[index].method == "nine" for index in lanes) and not getattr(model, "fills", False):
            raise LabError(
                f"The {title_of(name)} takes no mask among its inputs: it was not taught to fill holes. Leave out "
                f"{EDITS['nine'].title.lower()}, or choose '{MODELS['text-to-image'].title}'."
            )
        self._request = self._fitting(request)
        self.subject = _subject(request, model)
        self._editor = Editor(self._request, model, self.subject, anagrams)
        self.painter = Painter(model, house.company, request.replay, hidden=INVERSION)

    def _fitting(self, request: EditRequest) -> EditRequest:
        """The request, without a condition that no picture of the exact posterior's set meets."""
        if all(request.lanes[index].method == "truth" for index in self._lanes):
            try:
                among = self._model.conditioning(request.condition)
            except LabError:
                self.notes.append(Note(NOT_IN_THE_SET))
                return request.model_copy(update={"condition": Condition()})
            if request.condition != Condition():
                self.notes.append(Note(f"{AMONG} {quantity(len(among.indices), 'picture', ',')}. {NONE_AGREES}"))
        return request

    def opening(self) -> Iterator[Event]:
        """The picture as this model sees it, and what is to be known of the request."""
        request, subject = self._request, self.subject
        if subject.picture is not None and self._editor.x_0 is not None:
            decoded = self._model.to_picture(self._editor.x_0) if self._model.latent else subject.picture
            yield Original(subject.picture, decoded, subject.hole)
        if subject.hole is not None and subject.hole.all():
            yield Note(FULL)
        yield from self.notes
        yield from unread_notes(self._model, request.condition, "" if self._model.distilled else request.negative)
        if request.source != Condition():
            yield from unread_notes(self._model, request.source)

    def __iter__(self) -> Iterator[tuple["Room", Record]]:
        """The records of its lanes; of an inversion those of the way up, and then of the ways down."""
        editor, request = self._editor, self._request
        inverted = [index for index in self._lanes if request.lanes[index].method == "inverted"]
        still = [index for index in self._lanes if not request.lanes[index].taken]
        moving = [index for index in self._lanes if index not in (*inverted, *still)]
        for index in still:
            yield self, _resting(index, editor.x_0)
        lanes = [editor.lane(index, request.lanes[index]) for index in moving]
        sources = [self._drive(lanes)] if lanes else []
        for record in in_turn([*sources, *([self._inversion(inverted)] if inverted else [])]):
            yield self, record

    def _drive(self, lanes: Sequence[Any]) -> Iterator[Record]:
        for record in self._house.drive(self._editor.denoiser, lanes):
            yield first_latent(record) if self._anagrams else record

    def _inversion(self, indices: Sequence[int]) -> Iterator[Record]:
        lanes = self._request.lanes
        x_T: Tensor | None = None
        for record in self._drive([self._editor.up(lanes[indices[0]])]):
            x_T = record.x_t
            yield record
        if x_T is not None:
            yield from self._drive([self._editor.down(index, lanes[index], x_T) for index in indices])

    def step(self, record: Record, elapsed_s: float) -> Step:
        """A record in pictures; the last one of what is pasted in shows it in its place."""
        step = self.painter.step(record, elapsed_s)
        if record.i == record.n and record.lane >= 0 and self._request.lanes[record.lane].method == "paste":
            whole = pasted(self.subject, step.x_0)
            return replace(step, x_t=whole, x_0=whole)
        return step

    def result(self, record: Record, elapsed_s: float, judge: Any) -> LaneResult:
        """What a lane ended in."""
        request, lane = self._request, self._request.lanes[record.lane]
        picture = self.painter.pictures[record.lane]
        if lane.method == "paste":
            picture = pasted(self.subject, picture)
        near = self._model.nearest(record.x_0)
        return LaneResult(
            lane=record.lane,
            picture=picture,
            calls=lane.calls,
            elapsed_s=elapsed_s,
            nearest=near[0] if near else None,
            nearest_caption=near[1] if near else "",
            nearest_rms=near[2] if near else None,
            measures=measures_of(picture, self.subject, request, judge, lane.method == "composed")
            if request.measure
            else {},
        )


def _subject(request: EditRequest, model: LoadedModel) -> Subject:
    side = model.side
    picture = None if request.picture is None else to_uint8(to_signed(request.picture, (side, side)))
    hole = None if request.mask is None else at_side(request.mask, side)
    if hole is not None and request.mask.any() and not hole.any():  # type: ignore[union-attr]
        raise LabError(f"What is painted is smaller than a pixel of the model's {side} x {side}: paint a larger part.")
    return Subject(picture, hole)


def _resting(index: int, x_0: Tensor | None) -> Record:
    """The end of a lane that makes no call, counted as one: at a strength at which no step is left."""
    if x_0 is None:
        raise LabError("There is no picture to edit: choose one.")
    return Record(index, 1, 1, -1.0, FINISHED, x_0, x_0, x_0.new_zeros(x_0.shape))


def pasted(subject: Subject, drawn: np.ndarray) -> np.ndarray:
    """The picture with the hole cut out of another."""
    if subject.picture is None or subject.hole is None:
        return drawn
    return np.where(subject.hole[..., None], drawn, subject.picture)


def measures_of(
    picture: np.ndarray, subject: Subject, request: EditRequest, judge: Any, composed: bool
) -> dict[str, float]:
    """Numbers of an edited picture, by the names of lab.requests.edit.MEASURES: those that can be had. A `composed` one is judged
    in its two views."""
    numbers = dict[str, float]()
    if subject.picture is not None:
        difference = np.square(picture.astype(float) - subject.picture)
        numbers |= {
            "rms": float(np.sqrt(difference.mean())),
            "edges": edge_f1(edges_of(picture), edges_of(subject.picture)),
        }
        hole = subject.hole
        if hole is not None and hole.any():
            if not hole.all():
                numbers["known_rms"] = float(np.sqrt(difference[~hole].mean()))
            if (rim := seam(picture, hole)) is not None:
                numbers["seam"] = rim
    if judge is not None:
        for name, view, words in (
            (
                "judge",
                first_view(request.view, picture, request.cutoff) if composed else picture,
                request.condition.prompt,
            ),
            ("judge_source", second_view(request.view, picture) if composed else picture, request.source.prompt),
        ):
            if words:
                numbers[name] = judge.score(view, words)
    return numbers
