"""Pictures drawn side by side: the request, its steps and results, and the recording of a run."""

from collections.abc import Hashable, Set
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AliasChoices, Field, model_validator

from lab.catalog import GUIDANCE, JUDGE, MODELS, SAMPLERS, SCORER, control_of, guide_networks
from lab.requests.base import Event, Key, Load, Request, Rest
from lab.requests.fields import (
    Condition,
    ControlName,
    Forward,
    GuideSettings,
    ModelName,
    Picture,
    Prompt,
    RuleName,
    SamplerName,
    Seed,
    SpacingName,
    check_steps,
)

MAX_STRENGTH = 3.0  # of a control


class ControlMap(Request):
    """A control map of a run: a ControlNet and the picture it follows, resized to the model's side."""

    name: ControlName
    map: Picture


class ControlWindow(Request):
    """How a lane follows a control map: `strength` scales the residuals, in calls i of n with start <= i/n, (i+1)/n <= end.

    diffusers' controlnet_conditioning_scale, control_guidance_start and control_guidance_end.
    """

    strength: Annotated[float, Field(ge=0, le=MAX_STRENGTH)] = 1.0
    start: Annotated[float, Field(ge=0, le=1)] = 0.0
    end: Annotated[float, Field(ge=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _window_is_open(self) -> "ControlWindow":
        if self.start >= self.end:
            raise ValueError(f"a control's window must start before it ends; {self.start:g} to {self.end:g} does not")
        return self


class LaneSettings(Request):
    """One picture of a run. `mix` in (0, 1] moves x_T from `seed` towards `mix_seed` on the sphere (slerp).

    `windows` has one entry for each control of the run, or none; older recordings say `holds`. `guess`
    gives the control to the conditional half only, its deep blocks at full strength and its shallow ones at a tenth
    (ControlNet's guess mode).
    """

    sampler: SamplerName = "ddim"
    steps: Annotated[int, Field(ge=1, le=1000)] = 20
    eta: Annotated[float, Field(ge=0, le=1)] = 0.0
    spacing: SpacingName = "trailing"
    seed: Seed = 0
    guidance_scale: Annotated[float, Field(ge=0, le=30)] = 1.0  # 1: plain conditional model, 0: unconditional
    rule: RuleName = "cfg"
    windows: Annotated[tuple[ControlWindow, ...], Field(validation_alias=AliasChoices("windows", "holds"))] = ()
    guess: bool = False
    mix_seed: Seed | None = None
    mix: Annotated[float, Field(ge=0, le=1)] = 0.0

    @property
    def calls(self) -> int:
        """How often the model is asked on the way from x_T to the picture: once a step, by some samplers more often."""
        return SAMPLERS[self.sampler].calls(self.steps)

    @property
    def halves(self) -> tuple[int, int]:
        """Predictions that a call of a guided model needs, at least and at most: both, with the prompt and without, unless
        the scale leaves one of them out, or a guide's gradient is added to one."""
        if self.guidance_scale in (0, 1) or GUIDANCE[self.rule].base:
            return 1, 1
        return (1 if GUIDANCE[self.rule].part_time else 2), 2


class SamplingRequest(Request):
    """Draw pictures side by side: one per lane, all from the same model, condition and forward process.

    Stochastic lanes draw the noise of a timestep from (seed, timestep), so lanes that meet a noise level draw
    the same noise there whatever their step counts. With `reference_steps` > 0 one more lane, DDIM eta 0 with
    that many steps from the first lane's x_T, runs along and every lane's RMS distance to it is reported.
    `negative` takes the place of the empty prompt in the unconditional half. With `measure`, results carry numbers.
    With `versus` the lanes are drawn once more by another model of the same shape, from the same noise; lane i is
    lane len(lanes) + i there. `decoder` makes the pictures of a model that has both: "full" is its autoencoder's, "tiny" a small
    network in its place (TAESD). `replay` steps of every lane, evenly spaced, are decoded after the results
    (Decoded) where a picture is a decoder's work, as far as half of the run's own time goes.
    """

    model: ModelName = "exact"
    condition: Condition = Condition()
    negative: Prompt = ""
    controls: Annotated[tuple[ControlMap, ...], Field(max_length=4)] = ()
    measure: bool = False
    versus: ModelName | None = None
    forward: Forward = Forward()
    guide: GuideSettings = GuideSettings()
    lanes: Annotated[tuple[LaneSettings, ...], Field(min_length=1)]
    reference_steps: Annotated[int, Field(ge=0, le=1000)] = 0
    replay: Annotated[int, Field(ge=0, le=1000)] = 0
    decoder: Literal["full", "tiny"] = "full"

    @model_validator(mode="after")
    def _holds_fit(self) -> "SamplingRequest":
        for lane in self.lanes:
            if lane.windows and len(lane.windows) != len(self.controls):
                raise ValueError(f"the run has {len(self.controls)} controls, a lane holds {len(lane.windows)}")
        return self

    @model_validator(mode="after")
    def _steps_fit(self) -> "SamplingRequest":
        return check_steps(self, max(self.reference_steps, *(lane.steps for lane in self.lanes)))

    @property
    def pictures(self) -> int:
        """How many results the run has: with `versus` two of every lane."""
        return len(self.lanes) * (1 if self.versus is None else 2)

    def load(self) -> Load:
        """As Request.load: with `versus` every lane twice, and the reference run."""
        reference = int(self.reference_steps > 0)
        steps = sum(lane.steps for lane in self.lanes) * self.pictures // len(self.lanes) + self.reference_steps
        rows = 2 if any(lane.guidance_scale != 1 for lane in self.lanes) else 1
        return Load(self.pictures + reference, steps, hidden=reference, rows=rows, controls=len(self.controls))

    def controlnets(self) -> tuple[str, ...]:
        """The rows of CONTROLS that follow the run's maps for its model."""
        rows = (control_of(MODELS[self.model], control.name) for control in self.controls)
        return tuple(row.name for row in rows if row)

    def models(self) -> tuple[str, ...]:
        """As Request.models: the second model, the ControlNets and, where there is a prompt to score, the scorer too."""
        versus = () if self.versus is None else (self.versus,)
        scorers = self.scorers() if self.measure and self.condition.prompt else ()
        return tuple(dict.fromkeys((self.model, *versus, *self.controlnets(), *self.networks(), *scorers)))

    def networks(self) -> tuple[str, ...]:
        """The rows of HELPERS that pull its lanes."""
        return guide_networks(MODELS[self.model], [lane.rule for lane in self.lanes])

    def by_clip(self) -> bool:
        """Whether a CLIP pulls one of its lanes: then all read the prompt, and nothing that shares a part with it scores any."""
        return any(GUIDANCE[lane.rule].guide == "clip" for lane in self.lanes)

    def scorers(self) -> tuple[str, ...]:
        """The rows of HELPERS that score how well its pictures fit the prompt: where a CLIP guides, that CLIP and the judge."""
        return (MODELS[self.model].guides["clip"], JUDGE) if self.by_clip() else (SCORER,)

    def rest(self, events: Set[Key]) -> Rest | None:
        """As Request.rest: the lanes without a result; all, where lanes lean on each other."""
        if self.versus or self.reference_steps:
            ended = len([kind for kind, _ in events if kind is LaneResult]) >= self.pictures
            return None if ended else Rest(self)
        return rest_of_lanes(self, events)


def rest_of_lanes(request: Any, events: Set[Key]) -> Rest | None:
    """What is still to be asked of a request whose lanes do not lean on each other: those without a LaneResult; None where each
    has one."""
    ended = {key for kind, key in events if kind is LaneResult}
    lanes = tuple(lane for lane in range(len(request.lanes)) if lane not in ended)
    if not lanes:
        return None
    return Rest(request.model_copy(update={"lanes": tuple(request.lanes[lane] for lane in lanes)}), lanes)


def first_look(model: str) -> SamplingRequest:
    """The smallest run of a model: one picture in one step, guided where it can be."""
    row = MODELS[model]
    lane = LaneSettings(steps=1, guidance_scale=2.0 if row.guided else 1.0)
    return SamplingRequest(model=model, lanes=(lane,), forward=Forward(schedule=row.schedules[0]))


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
class Recording:
    """The steps of a finished or stopped run, kept for replay. `steps[lane]` is in order of i."""

    request: SamplingRequest
    steps: dict[int, tuple[Step, ...]] = field(default_factory=dict)
    results: dict[int, LaneResult] = field(default_factory=dict)
