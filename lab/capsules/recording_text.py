"""What the text of a recording's file says: the run, its steps and its results; the pictures lie beside it."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from lab.capsules.capsule import Capsule
from lab.requests.edit import EditRequest
from lab.requests.fields import MAX_T
from lab.requests.sampling import SamplingRequest

MAX_PICTURES = 4_000
MAX_CALLS = 20_000  # of a lane: RePaint's


class Row(BaseModel):
    """What steps and results have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    lane: Annotated[int, Field(ge=-1, lt=10_000)]
    elapsed_s: Annotated[float, Field(ge=0)] = 0


class StepRow(Row):
    """A step, without its pictures."""

    i: Annotated[int, Field(ge=0, le=MAX_CALLS)]
    n: Annotated[int, Field(ge=1, le=MAX_CALLS)]
    t: Annotated[float, Field(ge=-1, le=MAX_T)]
    log_snr: Annotated[float, Field(ge=-1000, le=1000)] | None  # None: +inf, the finished picture
    decoded: bool = True


class ResultRow(Row):
    """A result, without its pictures."""

    calls: Annotated[int, Field(ge=0, le=MAX_CALLS)]
    rms_to_reference: float | None = None
    path_distance: float | None = None
    nearest_caption: Annotated[str, Field(max_length=300)] = ""
    nearest_rms: float | None = None
    measures: Annotated[dict[str, float], Field(max_length=20)] = {}


class Text(BaseModel):
    """What all kinds of runs have."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: int
    made: date
    experiment: Annotated[str, Field(pattern=r"^[a-z]{1,20}$")]
    capsule: Capsule | None = None
    steps: Annotated[tuple[StepRow, ...], Field(min_length=1, max_length=MAX_PICTURES)]
    results: Annotated[tuple[ResultRow, ...], Field(max_length=10_000)]


class SamplingText(Text):
    """A run of pictures side by side."""

    request: SamplingRequest


class EditText(Text):
    """A run that edits a picture; it and its mask are no part of the text."""

    kind: Literal["edit"] = "edit"
    request: EditRequest
