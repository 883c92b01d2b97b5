"""A finished run as a file of steps: saved, shipped and replayed without computing anything again.

A zip of one JSON text and a WebP a picture, so that nothing in it can do anything. What is read here may have been made
by anybody: counts and sizes are checked before anything is unpacked or decoded, and whatever is no recording raises
LabError in words and nothing else.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from math import inf, isfinite
from typing import Any

import numpy as np
from PIL import Image
from pydantic import ValidationError

from lab.capsules.capsule import Capsule
from lab.capsules.recording_pictures import MAX_PIXELS, MAX_SIDE, Pictures, packed
from lab.capsules.recording_text import MAX_PICTURES, EditText, ResultRow, SamplingText, StepRow
from lab.requests.base import Event, LabError, explain
from lab.requests.edit import EditRecording, EditRequest, Original
from lab.requests.sampling import Decoded, LaneResult, Recording, SamplingRequest, Step

FORMAT = 1
SUFFIX = ".steps"
TEXT = "recording.json"
MAX_BYTES = 40_000_000  # of a file
MAX_TEXT = 4_000_000  # bytes of its JSON
NO_RECORDING = f"This file is no recording of the lab. Choose one that the lab has saved, its name ends in {SUFFIX}."
REFUSED = (  # what zipfile, json, pydantic and Pillow raise for bytes that are not theirs
    OSError, EOFError, ValueError, SyntaxError, NotImplementedError, RuntimeError, OverflowError, zlib.error,
    Image.DecompressionBombError,
)  # fmt: skip
SUBJECT = {
    "original": "picture",
    "decoded": "picture",
    "mask": "mask",
}  # pictures of what is edited, and of which size they are
DAMAGED = "The recording is damaged or cut short. Save it once more, or choose another one."


@dataclass(frozen=True)
class Recorded:
    """A recording from a file: the run, which experiment of the tab showed it, when it was made, and what the tab's
    controls were set to, where the file tells."""

    recording: Recording | EditRecording
    experiment: str
    made: date
    capsule: Capsule | None = None


REPLAY_POSITIONS = 201  # of the replay slider


class _Events:
    """The steps and results of a run as they come."""

    def __init__(self) -> None:
        self._steps: dict[int, dict[int, Step]] = {}  # by lane, then by i
        self.results: dict[int, LaneResult] = {}

    def add(self, event: Event) -> None:
        """Take a Step, the picture of one that came as a preview, or a LaneResult; all others are ignored."""
        if isinstance(event, Step):
            self._steps.setdefault(event.lane, {})[event.i] = event
        elif isinstance(event, Decoded):
            steps = self._steps[event.lane]
            steps[event.i] = replace(steps[event.i], x_0=event.x_0, decoded=True)
        elif isinstance(event, LaneResult):
            self.results[event.lane] = event

    def steps(self) -> dict[int, tuple[Step, ...]]:
        """Those of each lane so far, in order of i."""
        lanes = {lane: thinned(list(by_index.values())) for lane, by_index in self._steps.items()}
        return {lane: steps for lane, steps in lanes.items() if steps}


class Collector(_Events):
    """The events of a run as they come, for a recording of it."""

    def __init__(self, request: SamplingRequest) -> None:
        super().__init__()
        self.request = request

    def recording(self) -> Recording:
        """What there is of the run so far."""
        return Recording(self.request, self.steps(), dict(self.results))


class EditCollector(_Events):
    """The events of an edit as they come, for a recording of it."""

    def __init__(self, request: EditRequest) -> None:
        super().__init__()
        self.request = request
        self.original: Original | None = None

    def add(self, event: Event) -> None:
        """As Collector.add; and what is edited."""
        super().add(event)
        if isinstance(event, Original):
            self.original = event

    def recording(self) -> EditRecording:
        """What there is of the edit so far."""
        return EditRecording(self.request, self.steps(), dict(self.results), self.original)


def thinned(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps of a lane that the replay slider can reach: all of them, or evenly spaced ones of a very long run. A
    thousand steps of eight lanes would hold 200 MB for a visitor who can only ever see a fifth of them.

    Of a finished lane the steps that were not decoded are left out, so that every frame shows its own predicted x_0.
    """
    if steps and steps[-1].i == steps[-1].n:
        steps = [step for step in steps if step.decoded]
    if len(steps) <= REPLAY_POSITIONS:
        return tuple(steps)
    return tuple(steps[round(i)] for i in np.linspace(0, len(steps) - 1, REPLAY_POSITIONS))


def to_bytes(
    recording: Recording | EditRecording, experiment: str, capsule: Capsule | None = None, *, quality: int | None = None
) -> bytes:
    """The file of a run. Its pictures come back as they are, or with `quality` (1 .. 100) nearly so in a tenth of the
    space; the finished ones, and what they are compared with, always exactly.

    Of an edit the file holds picture and mask as its model saw them. Raises LabError for a run with controls, whose maps no
    recording holds, and where nothing was made.
    """
    if isinstance(recording, Recording) and recording.request.controls:
        raise LabError("A run with control maps cannot be recorded.")
    if not recording.steps:
        raise LabError("There is nothing to save yet: press Run first.")
    pictures = [one.x_0 for steps in recording.steps.values() for one in steps]
    if 2 * sum(one.shape[0] * one.shape[1] for one in pictures) > MAX_PIXELS or len(pictures) > MAX_PICTURES:
        raise LabError("This run has too many or too large pictures for a recording. Take fewer lanes or steps.")
    subject = _subject(recording) if isinstance(recording, EditRecording) else {}
    rows: dict[str, Any] = {
        "format": FORMAT,
        "made": date.today(),
        "experiment": experiment,
        "capsule": capsule,
        "steps": tuple(
            StepRow(lane=one.lane, elapsed_s=round(one.elapsed_s, 4), i=one.i, n=one.n, t=one.t,
                    log_snr=one.log_snr if isfinite(one.log_snr) else None, decoded=one.decoded)
            for steps in recording.steps.values() for one in steps
        ),
        "results": tuple(
            ResultRow(lane=one.lane, elapsed_s=round(one.elapsed_s, 4), calls=one.calls,
                      rms_to_reference=one.rms_to_reference, path_distance=one.path_distance,
                      nearest_caption=one.nearest_caption, nearest_rms=one.nearest_rms, measures=one.measures)
            for one in recording.results.values()
        ),
    }  # fmt: skip
    text = (
        SamplingText(**rows, request=recording.request)
        if isinstance(recording, Recording)
        else EditText(**rows, request=recording.request)
    )
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:  # WebP does not shrink any further
        file.writestr(TEXT, text.model_dump_json(exclude={"request": {"picture", "mask"}}), zipfile.ZIP_DEFLATED)
        for name, pixels in subject.items():
            file.writestr(f"{name}.webp", packed(pixels))
        flat = (one for steps in recording.steps.values() for one in steps)
        for k, one in enumerate(flat):
            last = one.i == one.n
            file.writestr(f"{k}-x_0.webp", packed(one.x_0, None if last else quality))
            if not last:  # shows the finished picture in both places
                file.writestr(f"{k}-x_t.webp", packed(one.x_t, quality))
        for result in recording.results.values():
            if result.nearest is not None:
                file.writestr(f"near{result.lane}.webp", packed(result.nearest))
    return stream.getvalue()


def from_bytes(data: bytes) -> Recorded:
    """The run in a file from anywhere. Raises LabError where there is none, or more of it than there may be."""
    if len(data) > MAX_BYTES:
        raise LabError(f"The recording has more than {MAX_BYTES / 1e6:g} MB. Choose a smaller one.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            return _read(file)
    except (zipfile.BadZipFile, KeyError):
        raise LabError(NO_RECORDING) from None
    except ValidationError as error:
        if error.errors()[0]["loc"][:1] == ("request",):  # of a lab with other models or samplers
            raise LabError(f"The recording holds a run that this lab cannot have. {explain(error)[:200]}") from None
        raise LabError(DAMAGED) from None
    except REFUSED:
        raise LabError(DAMAGED) from None


def _read(file: zipfile.ZipFile) -> Recorded:
    members = file.infolist()
    # A stored member cannot unpack to more than the file has; the one that is packed is looked at by itself.
    if len(members) > 3 * MAX_PICTURES or any(
        one.compress_type != zipfile.ZIP_STORED and (one.filename, one.compress_type) != (TEXT, zipfile.ZIP_DEFLATED)
        for one in members
    ):
        raise LabError(NO_RECORDING)
    if sum(one.compress_size for one in members) > MAX_BYTES:  # members that share bytes would be read again and again
        raise LabError(DAMAGED)
    if file.getinfo(TEXT).file_size > MAX_TEXT:
        raise LabError(DAMAGED)
    pictures, names = Pictures(file), set(file.namelist())
    subject = {name: pictures.get(f"{name}.webp", kind) for name, kind in SUBJECT.items() if f"{name}.webp" in names}
    content = _text(json.loads(file.open(TEXT).read(MAX_TEXT)), subject)
    if content.format != FORMAT:
        raise LabError("This recording is written in another format: by a newer lab, or by hand.")
    edit = isinstance(content, EditText)
    steps: dict[int, list[Step]] = {}
    for k, row in enumerate(content.steps):
        own = f" of lane {row.lane}" if edit else ""  # each may be another model's
        x_0 = pictures.get(f"{k}-x_0.webp", "picture" if row.decoded else f"preview{own}")
        x_t = x_0 if row.i == row.n else pictures.get(f"{k}-x_t.webp", f"x_t{own}")
        level = inf if row.log_snr is None else row.log_snr
        steps.setdefault(row.lane, []).append(
            Step(row.lane, row.i, row.n, row.t, level, x_t, x_0, row.elapsed_s, row.decoded)
        )
    _check_lanes(content, steps)
    results = {
        row.lane: LaneResult(
            **row.model_dump(), picture=steps[row.lane][-1].x_0,
            nearest=pictures.get(f"near{row.lane}.webp", "picture") if f"near{row.lane}.webp" in names else None,
        )
        for row in content.results
    }  # fmt: skip
    lanes = {lane: tuple(path) for lane, path in steps.items()}
    whole = (
        EditRecording(content.request, lanes, results, _original(content.request, subject))
        if isinstance(content, EditText)
        else Recording(content.request, lanes, results)
    )
    return Recorded(whole, content.experiment, content.made, content.capsule)


def _subject(recording: EditRecording) -> dict[str, np.ndarray]:
    """The pictures of what is edited, by their names in SUBJECT: as the model saw it. Raises LabError where a file holds none such."""
    original, mask = recording.original, recording.request.mask
    found = {} if original is None else {"original": original.picture, "decoded": original.decoded}
    if original is not None:
        mask = original.mask
    if mask is not None:
        found["mask"] = np.repeat(mask[..., None], 3, axis=2).astype(np.uint8) * 255
    if any(one.shape[0] != one.shape[1] or len(one) > MAX_SIDE for one in found.values()):
        raise LabError(
            f"A recording holds square pictures and masks of at most {MAX_SIDE} pixels a side. Take such a one."
        )
    return found


def _text(content: Any, subject: dict[str, np.ndarray]) -> SamplingText | EditText:
    """The text of a file as what it says to be; to the request of an edit belongs its subject."""
    if not (isinstance(content, dict) and content.get("kind") == "edit"):
        return SamplingText.model_validate(content)
    request = content.get("request")
    if isinstance(request, dict):
        mask = {"mask": subject["mask"][..., 0] > 127} if "mask" in subject else {}
        content["request"] = request | {"picture": subject.get("original"), **mask}
    return EditText.model_validate(content)


def _original(request: EditRequest, subject: dict[str, np.ndarray]) -> Original | None:
    """What is edited, in a file. Raises KeyError where only a part of it is there."""
    if "original" not in subject:
        return None
    return Original(subject["original"], subject["decoded"], request.mask)


def _check_lanes(content: SamplingText | EditText, steps: dict[int, list[Step]]) -> None:
    """Raises ValueError where the file has a lane that the run has not, or steps that no run makes."""
    sampling = content.request if isinstance(content, SamplingText) else None
    count = sampling.pictures if sampling else len(content.request.lanes)
    if (sampling and sampling.controls) or max(steps) >= count or max(steps) < 0:
        raise ValueError("lanes that the run has not")
    if any(a.i >= b.i for path in steps.values() for a, b in pairwise(path)):
        raise ValueError("steps out of order")
    if any(row.lane not in steps or steps[row.lane][-1].i != steps[row.lane][-1].n for row in content.results):
        raise ValueError("a result of a lane that was not finished")
