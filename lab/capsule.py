"""Frozen run requests and streamed events: everything that crosses between the UI and a backend.

Requests and events are picklable and hold no torch object, so any backend can carry them. Requests validate
themselves; `explain` turns a validation error into one sentence a visitor can act on.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from lab.catalog import CONTROLS, GROUPS, GUIDANCE, MODELS, SAMPLERS, SCHEDULES, SPACINGS

MAX_SEED = 2**31 - 1
MAX_PROMPT = 300  # characters
MIN_T, MAX_T = 10, 4000
MAX_STRENGTH = 3.0  # of a control


def _known(table: dict[str, Any], what: str) -> AfterValidator:
    def check(name: str) -> str:
        if name not in table:
            shown = name[:40].encode(errors="replace").decode()  # a lone surrogate cannot be printed
            raise ValueError(f"there is no {what} named '{shown}'; choose one of {', '.join(filter(None, table))}")
        return name

    return AfterValidator(check)


def _picture(value: Any) -> np.ndarray:
    """A picture is a (height, width, 3) uint8 RGB array, at least 1 px and at most 1024 px on a side."""
    if not (isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 3 and value.shape[2] == 3):
        raise ValueError("a picture must be a (height, width, 3) array of bytes")
    if not (min(value.shape[:2]) >= 1 and max(value.shape[:2]) <= 1024):
        raise ValueError("a picture must be between 1 and 1024 pixels on each side")
    return value


Picture = Annotated[Any, BeforeValidator(_picture)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
ModelName = Annotated[str, _known(MODELS, "model")]
ScheduleName = Annotated[str, _known(SCHEDULES, "schedule")]
SamplerName = Annotated[str, _known(SAMPLERS, "sampler")]
RuleName = Annotated[str, _known(GUIDANCE, "guidance rule")]
ControlName = Annotated[str, _known(CONTROLS, "control")]
SpacingName = Annotated[str, _known(SPACINGS, "spacing")]
Prompt = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_PROMPT)]


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


class Condition(Request):
    """What a picture should show. Empty fields do not restrict anything."""

    prompt: Prompt = ""
    group: Annotated[str, _known({"": "", **GROUPS}, "group")] = ""
    style: Annotated[str, StringConstraints(strip_whitespace=True, max_length=40)] = ""


class Forward(Request):
    """A forward process: schedule, number of timesteps T, and the zero-terminal-SNR rescale (Lin et al. 2023)."""

    schedule: ScheduleName = "linear"
    T: Annotated[int, Field(ge=MIN_T, le=MAX_T)] = 1000
    zero_snr: bool = False


class Control(Request):
    """A control map of a run: a ControlNet and the picture it follows, resized to the model's side."""

    name: ControlName
    map: Picture


class Hold(Request):
    """How a lane follows a control: `strength` scales the residuals, in calls i of n with start <= i/n, (i+1)/n <= end."""

    strength: Annotated[float, Field(ge=0, le=MAX_STRENGTH)] = 1.0
    start: Annotated[float, Field(ge=0, le=1)] = 0.0
    end: Annotated[float, Field(ge=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _window_is_open(self) -> "Hold":
        if self.start >= self.end:
            raise ValueError(f"a control's window must start before it ends; {self.start:g} to {self.end:g} does not")
        return self


class LaneSettings(Request):
    """One picture of a run. `mix` in (0, 1] moves x_T from `seed` towards `mix_seed` on the sphere (slerp).

    `holds` has one entry for each control of the run, or none. `guess` gives the control to the conditional half
    only, its deep blocks at full strength and its shallow ones at a tenth (ControlNet's guess mode).
    """

    sampler: SamplerName = "ddim"
    steps: Annotated[int, Field(ge=1, le=1000)] = 20
    eta: Annotated[float, Field(ge=0, le=1)] = 0.0
    spacing: SpacingName = "trailing"
    seed: Seed = 0
    guidance_scale: Annotated[float, Field(ge=0, le=30)] = 1.0  # 1: plain conditional model, 0: unconditional
    rule: RuleName = "cfg"
    holds: tuple[Hold, ...] = ()
    guess: bool = False
    mix_seed: Seed | None = None
    mix: Annotated[float, Field(ge=0, le=1)] = 0.0


def _check_steps(request: Any, steps: int) -> Any:
    if steps > request.forward.T:
        raise ValueError(f"T is {request.forward.T}, below the {steps} steps of a lane; use at most T steps")
    return request


class SamplingRequest(Request):
    """Draw pictures side by side: one per lane, all from the same model, condition and forward process.

    Stochastic lanes draw the noise of a timestep from (seed, timestep), so lanes that meet a noise level draw
    the same noise there whatever their step counts. With `reference_steps` > 0 one more lane, DDIM eta 0 with
    that many steps from the first lane's x_T, runs along and every lane's RMS distance to it is reported.
    `negative` takes the place of the empty prompt in the unconditional half. With `measure`, results carry numbers.
    With `versus` the lanes are drawn once more by another model of the same shape, from the same noise; lane i is
    lane len(lanes) + i there. `replay` steps of every lane, evenly spaced, are decoded after the results
    (Decoded) where a picture is a decoder's work, as far as half of the run's own time goes.
    """

    model: ModelName = "exact"
    condition: Condition = Condition()
    negative: Prompt = ""
    controls: Annotated[tuple[Control, ...], Field(max_length=4)] = ()
    measure: bool = False
    versus: ModelName | None = None
    forward: Forward = Forward()
    lanes: Annotated[tuple[LaneSettings, ...], Field(min_length=1)]
    reference_steps: Annotated[int, Field(ge=0, le=1000)] = 0
    replay: Annotated[int, Field(ge=0, le=1000)] = 0

    @model_validator(mode="after")
    def _holds_fit(self) -> "SamplingRequest":
        for lane in self.lanes:
            if lane.holds and len(lane.holds) != len(self.controls):
                raise ValueError(f"the run has {len(self.controls)} controls, a lane holds {len(lane.holds)}")
        return self

    @model_validator(mode="after")
    def _steps_fit(self) -> "SamplingRequest":
        return _check_steps(self, max(self.reference_steps, *(lane.steps for lane in self.lanes)))

    def load(self) -> Load:
        """As Request.load: with `versus` every lane twice, and the reference run."""
        models = 1 if self.versus is None else 2
        steps = sum(lane.steps for lane in self.lanes) * models + self.reference_steps
        return Load(len(self.lanes) * models + bool(self.reference_steps), steps)


class InversionRequest(Request):
    """DDIM inversion (Song et al. 2021, section 4.3): run the ODE up from `picture` to x_T, then down again.

    The start is the picture as it is at the lowest timestep of the run, with that level's trace of noise drawn from
    `seed`: data never is without it there, and the exact denoiser's flow loses what it does not see.
    """

    picture: Picture
    model: ModelName = "exact"
    condition: Condition = Condition()
    forward: Forward = Forward()
    steps: Annotated[int, Field(ge=2, le=1000)] = 50
    seed: Seed = 0

    @model_validator(mode="after")
    def _steps_fit(self) -> "InversionRequest":
        return _check_steps(self, self.steps)

    def load(self) -> Load:
        """As Request.load: up, then down again."""
        return Load(1, 2 * self.steps)


class AnatomyRequest(Request):
    """What guidance does at every step of one lane: both halves of the prediction, and x_0 at each of `scales`."""

    model: ModelName = "exact"
    condition: Condition = Condition()
    negative: Prompt = ""
    forward: Forward = Forward()
    lane: LaneSettings
    scales: Annotated[tuple[Annotated[float, Field(ge=0, le=30)], ...], Field(min_length=1, max_length=12)]

    @model_validator(mode="after")
    def _steps_fit(self) -> "AnatomyRequest":
        return _check_steps(self, self.lane.steps)

    def load(self) -> Load:
        """As Request.load."""
        return Load(1, self.lane.steps)


class NoisingRequest(Request):
    """One frame of the forward process: x_t of `picture`, and what is known about it."""

    picture: Picture
    forward: Forward = Forward()
    seed: Seed = 0
    t: Annotated[int, Field(ge=0)] = 0  # 0 is the picture itself, T the last timestep
    at_log_snr: float | None = None  # in place of t: the timestep whose log-SNR is nearest to this
    chain: bool = True  # also walk the Markov chain step by step
    recover: ModelName | None = None  # also ask this model for its predicted x_0

    @model_validator(mode="after")
    def _t_fits(self) -> "NoisingRequest":
        if self.t > self.forward.T:
            raise ValueError(f"timestep t is {self.t}, beyond the last one, T = {self.forward.T}")
        return self


class AnnotateRequest(Request):
    """Make a conditioning map of side `size`: of `picture` by an annotator, or of a skeleton where `joints` are given.

    `low`, `high` and `blur` are Canny's, at the map's side. `joints` are eighteen [x, y, visible] as fractions of the
    picture, in the order of lab/annotators/joints.py.
    """

    picture: Picture | None = None
    annotator: str = "map"
    size: Annotated[int, Field(ge=16, le=1024)] = 64
    low: Annotated[float, Field(ge=0, le=500)] = 80
    high: Annotated[float, Field(ge=0, le=500)] = 160
    blur: Annotated[float, Field(ge=0, le=20)] = 0
    joints: tuple[tuple[float, float, float], ...] | None = None

    @model_validator(mode="after")
    def _has_something_to_draw(self) -> "AnnotateRequest":
        if self.picture is None and self.joints is None:
            raise ValueError("there is no picture yet; choose an example or upload one")
        return self


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
class Step(Event):
    """One denoiser call of one lane, seen before the lane moves. The last Step of a lane has `i == n`, t = -1 and
    shows the finished picture in both places. Pictures are (height, width, 3) uint8."""

    lane: int  # index into request.lanes; -1 is the reference lane
    i: int  # 0 .. n
    n: int  # calls this lane will make
    t: float  # training timestep of x_t, 0 .. T-1; -1 for the finished picture
    log_snr: float  # log(alpha_bar / (1 - alpha_bar)); +inf for the finished picture
    x_t: np.ndarray
    x_0: np.ndarray  # predicted from x_t; for the finished picture, itself
    elapsed_s: float  # since the run began
    decoded: bool = True  # False: x_0 is the cheap preview of a latent, at the latent's resolution

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.lane, self.i


@dataclass(frozen=True)
class Decoded(Event):
    """The predicted x_0 of a Step that came as a preview, decoded once the run had its pictures: for the replay."""

    lane: int
    i: int
    x_0: np.ndarray  # (height, width, 3) uint8

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.lane, self.i


@dataclass(frozen=True)
class LaneResult(Event):
    """What is known of a lane once it is finished and, where asked, the reference is too."""

    lane: int
    picture: np.ndarray  # (height, width, 3) uint8
    calls: int
    elapsed_s: float
    rms_to_reference: float | None = None  # of the finished pictures, in [-1, 1]
    path_distance: float | None = None  # mean RMS of x_t to the reference's at equal log-SNR
    nearest: np.ndarray | None = None  # exact denoiser: the nearest data picture
    nearest_caption: str = ""
    nearest_rms: float | None = None
    measures: dict[str, float] = field(default_factory=dict)  # of the picture, where asked; lab/measures.py
    residuals: np.ndarray | None = None  # (controls, calls, blocks) RMS of what ControlNets added, if any

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.lane


@dataclass(frozen=True)
class Anatomy(Event):
    """One step of a guided lane, taken apart. Pictures are (height, width, 3) uint8."""

    i: int
    n: int
    t: float
    log_snr: float
    x_t: np.ndarray
    unconditional: np.ndarray  # eps_u, shown as a picture
    conditional: np.ndarray  # eps_c
    difference: np.ndarray  # (height, width) uint8: RMS over the channels of eps_c - eps_u, brightest = largest
    norms: tuple[float, float, float]  # RMS of eps_u, eps_c and of their difference
    x_0: tuple[np.ndarray, ...]  # predicted at each of the request's scales, all from this x_t

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.i


@dataclass(frozen=True)
class InversionResult(Event):
    """Where DDIM inversion ended and what came back. Pictures are (height, width, 3) uint8."""

    original: np.ndarray
    x_T: np.ndarray
    reconstruction: np.ndarray
    error: np.ndarray  # (height, width) uint8: mean absolute difference of the channels, brightest = largest
    rms: float  # root mean square of reconstruction - original, pictures in [-1, 1]
    x_T_mean: float  # 0 and 1 where x_T is the standard normal noise it should be
    x_T_deviation: float

    @property
    def key(self) -> Hashable:
        """As Event.key: a run has one."""
        return ()


@dataclass(frozen=True)
class NoisingFrame(Event):
    """One frame of the forward process. Pictures are (height, width, 3) uint8, values clipped for display."""

    t: int
    alpha_bar: float
    alpha_bars: np.ndarray  # (T + 1,) of the whole forward process
    log_snr: float
    x_t: np.ndarray  # one jump: q(x_t | x_0)
    chain: np.ndarray | None  # the Markov chain, step by step: q(x_t | x_{t-1})
    psnr_db: float  # of x_t to x_0, unclipped values in [-1, 1]; +inf at t = 0
    histogram: np.ndarray  # (bins,) density of the values of x_t over `histogram_edges`
    histogram_edges: np.ndarray  # (bins + 1,)
    spectrum: np.ndarray  # (radii,) radial mean power of x_t
    spectrum_signal: np.ndarray  # (radii,) of the signal part sqrt(alpha_bar) x_0
    spectrum_noise: float  # flat expected power of the noise part
    recovered: np.ndarray | None  # predicted x_0, where asked
    server_ms: float

    @property
    def key(self) -> Hashable:
        """As Event.key: a run has one."""
        return ()


@dataclass(frozen=True)
class ConditioningMap(Event):
    """What a ControlNet follows. `joints` (18, 2) and `visible` (18,) of the skeleton in it, None where there is none."""

    map: np.ndarray  # (size, size, 3) uint8
    joints: np.ndarray | None = None
    visible: np.ndarray | None = None
    note: str = ""  # what the visitor should know: nobody was found

    @property
    def key(self) -> Hashable:
        """As Event.key: a run has one."""
        return ()


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


@dataclass(frozen=True)
class Recording:
    """The steps of a finished or stopped run, kept for replay. `steps[lane]` is in order of i."""

    request: SamplingRequest
    steps: dict[int, tuple[Step, ...]] = field(default_factory=dict)
    results: dict[int, LaneResult] = field(default_factory=dict)


@dataclass(frozen=True)
class Resident:
    """A model that the cache holds."""

    name: str
    on_device: bool
    nbytes: int  # of all its parts
    own_nbytes: int  # of the parts that no other model has
    leases: int
    pinned: bool
    notes: tuple[str, ...] = ()  # what its parts say of themselves


@dataclass(frozen=True)
class Plan:
    """What leasing a model would do now."""

    name: str
    load: bool  # from its source
    move: bool  # from host memory to the device
    nbytes: int  # that it takes, or would take as far as is known
    evict: tuple[str, ...]  # models that would leave the device (or, without one, memory)
    fetch: bool = False  # its files must come from the hub first


@dataclass(frozen=True)
class Replica:
    """One of the processes, on one machine or many, that a backend spreads its runs over."""

    name: str
    device_name: str
    models: tuple[str, ...]  # that it holds, most recently used first
    used: int  # bytes of them
    running: int
    lanes: int
    steps_per_s: float


@dataclass(frozen=True)
class Status:
    """What a backend holds and does at a moment. Bytes are counted from tensors; a budget of infinity is none."""

    device: str  # "cpu", "cuda:0"
    device_name: str
    device_used: int
    device_budget: float
    host_used: int
    host_budget: float
    resident: tuple[Resident, ...]  # most recently used first
    plans: tuple[Plan, ...]  # what pressing Run would do for each model and control that is offered
    running: int  # runs that have a place
    waiting: int  # runs in line
    lanes: int  # in flight
    steps_per_s: float  # lane steps, over the last seconds
    replicas: tuple[Replica, ...] = ()  # where there are several places to run; else none
    process: int = 0  # bytes of the whole process in memory, its libraries included; 0: not known


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
