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
from typing import Annotated

import numpy as np
from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab.capsules.capsule import Capsule
from lab.requests.base import Event, LabError, explain
from lab.requests.fields import MAX_T
from lab.requests.sampling import Decoded, LaneResult, Recording, SamplingRequest, Step

FORMAT = 1
SUFFIX = ".steps"
TEXT = "recording.json"
MAX_BYTES = 40_000_000  # of a file
MAX_TEXT = 4_000_000  # bytes of its JSON
MAX_PICTURES = 4_000
MAX_SIDE = 512
MAX_PIXELS = 40_000_000  # of all pictures together, 120 MB in memory
NO_RECORDING = f"This file is no recording of the lab. Choose one that the lab has saved, its name ends in {SUFFIX}."
REFUSED = (  # what zipfile, json, pydantic and Pillow raise for bytes that are not theirs
    OSError, EOFError, ValueError, SyntaxError, NotImplementedError, RuntimeError, OverflowError, zlib.error,
    Image.DecompressionBombError,
)  # fmt: skip
DAMAGED = "The recording is damaged or cut short. Save it once more, or choose another one."


@dataclass(frozen=True)
class Recorded:
    """A recording from a file: the run, which experiment of the tab showed it, when it was made, and what the tab's
    controls were set to, where the file tells."""

    recording: Recording
    experiment: str
    made: date
    capsule: Capsule | None = None


REPLAY_POSITIONS = 201  # of the replay slider


class Collector:
    """The events of a run as they come, for a recording of it."""

    def __init__(self, request: SamplingRequest) -> None:
        self.request = request
        self.steps: dict[int, dict[int, Step]] = {}  # by lane, then by i
        self.results: dict[int, LaneResult] = {}

    def add(self, event: Event) -> None:
        """Take a Step, the picture of one that came as a preview, or a LaneResult; all others are ignored."""
        if isinstance(event, Step):
            self.steps.setdefault(event.lane, {})[event.i] = event
        elif isinstance(event, Decoded):
            steps = self.steps[event.lane]
            steps[event.i] = replace(steps[event.i], x_0=event.x_0, decoded=True)
        elif isinstance(event, LaneResult):
            self.results[event.lane] = event

    def recording(self) -> Recording:
        """What there is of the run so far."""
        lanes = {lane: thinned(list(by_index.values())) for lane, by_index in self.steps.items()}
        return Recording(self.request, {lane: steps for lane, steps in lanes.items() if steps}, dict(self.results))


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


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    lane: Annotated[int, Field(ge=-1, lt=10_000)]
    elapsed_s: Annotated[float, Field(ge=0)] = 0


class _StepRow(_Row):
    i: Annotated[int, Field(ge=0, le=4000)]
    n: Annotated[int, Field(ge=1, le=4000)]
    t: Annotated[float, Field(ge=-1, le=MAX_T)]
    log_snr: Annotated[float, Field(ge=-1000, le=1000)] | None  # None: +inf, the finished picture
    decoded: bool = True


class _ResultRow(_Row):
    calls: Annotated[int, Field(ge=0, le=10_000)]
    rms_to_reference: float | None = None
    path_distance: float | None = None
    nearest_caption: Annotated[str, Field(max_length=300)] = ""
    nearest_rms: float | None = None
    measures: Annotated[dict[str, float], Field(max_length=20)] = {}


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: int
    made: date
    experiment: Annotated[str, Field(pattern=r"^[a-z]{1,20}$")]
    request: SamplingRequest
    capsule: Capsule | None = None
    steps: Annotated[tuple[_StepRow, ...], Field(min_length=1, max_length=MAX_PICTURES)]
    results: Annotated[tuple[_ResultRow, ...], Field(max_length=10_000)]


def to_bytes(
    recording: Recording, experiment: str, capsule: Capsule | None = None, *, quality: int | None = None
) -> bytes:
    """The file of a run. Its pictures come back as they are, or with `quality` (1 .. 100) nearly so in a tenth of the
    space; the finished ones, and what they are compared with, always exactly.

    Raises LabError for a run with controls, whose maps no recording holds, and where nothing was made.
    """
    if recording.request.controls:
        raise LabError("A run with control maps cannot be recorded.")
    if not recording.steps:
        raise LabError("There is nothing to save yet: press Run first.")
    pictures = [one.x_0 for steps in recording.steps.values() for one in steps]
    if 2 * sum(one.shape[0] * one.shape[1] for one in pictures) > MAX_PIXELS or len(pictures) > MAX_PICTURES:
        raise LabError("This run has too many or too large pictures for a recording. Take fewer lanes or steps.")
    rows = _File(
        format=FORMAT,
        made=date.today(),
        experiment=experiment,
        request=recording.request,
        capsule=capsule,
        steps=tuple(
            _StepRow(lane=one.lane, elapsed_s=round(one.elapsed_s, 4), i=one.i, n=one.n, t=one.t,
                     log_snr=one.log_snr if isfinite(one.log_snr) else None, decoded=one.decoded)
            for steps in recording.steps.values() for one in steps
        ),
        results=tuple(
            _ResultRow(lane=one.lane, elapsed_s=round(one.elapsed_s, 4), calls=one.calls,
                       rms_to_reference=one.rms_to_reference, path_distance=one.path_distance,
                       nearest_caption=one.nearest_caption, nearest_rms=one.nearest_rms, measures=one.measures)
            for one in recording.results.values()
        ),
    )  # fmt: skip
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:  # WebP does not shrink any further
        file.writestr(TEXT, rows.model_dump_json(), zipfile.ZIP_DEFLATED)
        flat = (one for steps in recording.steps.values() for one in steps)
        for k, one in enumerate(flat):
            last = one.i == one.n
            file.writestr(f"{k}-x_0.webp", _packed(one.x_0, None if last else quality))
            if not last:  # shows the finished picture in both places
                file.writestr(f"{k}-x_t.webp", _packed(one.x_t, quality))
        for result in recording.results.values():
            if result.nearest is not None:
                file.writestr(f"near{result.lane}.webp", _packed(result.nearest, None))
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
    content = _File.model_validate(json.loads(file.open(TEXT).read(MAX_TEXT)))
    if content.format != FORMAT:
        raise LabError("This recording is written in another format: by a newer lab, or by hand.")
    pictures = _Pictures(file)
    steps: dict[int, list[Step]] = {}
    for k, row in enumerate(content.steps):
        x_0 = pictures.get(f"{k}-x_0.webp", "picture" if row.decoded else "preview")
        x_t = x_0 if row.i == row.n else pictures.get(f"{k}-x_t.webp", "x_t")
        level = inf if row.log_snr is None else row.log_snr
        steps.setdefault(row.lane, []).append(
            Step(row.lane, row.i, row.n, row.t, level, x_t, x_0, row.elapsed_s, row.decoded)
        )
    _check_lanes(content, steps)
    names = set(file.namelist())
    results = {
        row.lane: LaneResult(
            **row.model_dump(), picture=steps[row.lane][-1].x_0,
            nearest=pictures.get(f"near{row.lane}.webp", "picture") if f"near{row.lane}.webp" in names else None,
        )
        for row in content.results
    }  # fmt: skip
    whole = Recording(content.request, {lane: tuple(path) for lane, path in steps.items()}, results)
    return Recorded(whole, content.experiment, content.made, content.capsule)


def _check_lanes(content: _File, steps: dict[int, list[Step]]) -> None:
    """Raises ValueError where the file has a lane that the run has not, or steps that no run makes."""
    count = len(content.request.lanes) * (2 if content.request.versus else 1)
    if content.request.controls or max(steps) >= count or max(steps) < 0:
        raise ValueError("lanes that the run has not")
    if any(a.i >= b.i for path in steps.values() for a, b in pairwise(path)):
        raise ValueError("steps out of order")
    if any(row.lane not in steps or steps[row.lane][-1].i != steps[row.lane][-1].n for row in content.results):
        raise ValueError("a result of a lane that was not finished")


class _Pictures:
    """Decodes a file's pictures, all of a kind of one size, within what a file may hold. Of a model on latents, x_t and
    what is not decoded are as small as these."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self.file, self.left = file, MAX_PIXELS
        self.sizes: dict[str, tuple[int, int]] = {}

    def get(self, name: str, kind: str) -> np.ndarray:
        """(side, side, 3) uint8. Raises ValueError, OSError or KeyError."""
        try:
            image = Image.open(io.BytesIO(self.file.read(name)), formats=["WEBP"])
        except UnidentifiedImageError as error:
            raise ValueError("no picture") from error
        size = self.sizes.setdefault(kind, image.size)
        self.left -= image.size[0] * image.size[1]
        if image.size != size or image.size[0] != image.size[1] or max(image.size) > MAX_SIDE or self.left < 0:
            raise ValueError("another size, or too many pixels")
        return np.asarray(image.convert("RGB"))


def _packed(pixels: np.ndarray, quality: int | None) -> bytes:
    stream = io.BytesIO()
    if quality is None:
        Image.fromarray(pixels).save(stream, "WEBP", lossless=True, quality=40, method=3, exact=True)
    else:
        Image.fromarray(pixels).save(stream, "WEBP", quality=quality, method=6)
    return stream.getvalue()
