"""One picture, changed in several ways side by side: what an edit asks for, and what comes back of it."""

from collections.abc import Hashable, Set
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from lab.catalog import EDITS, JUDGE, MODELS, SAMPLERS, VIEWS, Model
from lab.requests.base import Event, Key, Load, Request, Rest
from lab.requests.fields import Condition, EditName, Forward, Mask, ModelName, Picture, Prompt, ViewName, check_steps
from lab.requests.sampling import LaneResult, LaneSettings, Step, rest_of_lanes

BEGINNING = (
    "ddim",
    "ddpm",
    "euler",
    "euler_a",
    "heun",
    "dpmpp_2m",
    "unipc",
    "lcm",
)  # samplers that can begin in the middle
STRENGTHS = ("sdedit", "replace", "blend", "nine")  # methods that can begin with the picture, noised
MOST_REPEATS = 20
INVERSION = -1  # the lane index of the way up


class EditLane(LaneSettings):
    """One edited picture.

    `strength` is how far up SDEdit noises the picture, as in diffusers' img2img: the last int(steps * strength) of the steps are
    taken; at 0 the picture stays as it is. Replacement, blending and nine channels begin so, too, below 1, and in pure noise at 1,
    as diffusers' inpainting does. RePaint walks each stretch of `jump` steps `resamplings` times (Lugmayr et al. 2022,
    section 4.2; 1 is once, without a way back); its steps are DDPM's on the lane's timesteps, whatever `sampler` says, and so are
    DDIM inversion's DDIM's. `words`: "target" draws under the request's condition, "source" under its source.
    """

    method: EditName = "sdedit"
    strength: Annotated[float, Field(ge=0, le=1)] = 1.0
    resamplings: Annotated[int, Field(ge=1, le=MOST_REPEATS)] = 1
    jump: Annotated[int, Field(ge=1, le=MOST_REPEATS)] = 1
    words: Literal["target", "source"] = "target"

    @model_validator(mode="after")
    def _can_begin(self) -> "EditLane":
        if self.sampler not in BEGINNING:
            raise ValueError(
                f"a picture can be edited with {', '.join(SAMPLERS[name].title for name in BEGINNING)}; {SAMPLERS[self.sampler].title} is none of them"
            )
        if self.method == "repaint" and self.resamplings > 1 and self.jump >= self.steps:
            raise ValueError(
                f"RePaint has no room to go up {self.jump} steps and down again among {self.steps}; take more steps, or a smaller jump"
            )
        return self

    @property
    def calls(self) -> int:
        """As LaneSettings.calls."""
        if self.method == "repaint":
            return len([up for up in repaint_turns(self.steps, self.resamplings, self.jump) if not up])
        if self.method in ("inverted", "truth"):
            return self.steps
        calls_of = SAMPLERS[self.sampler].calls
        taken = self.taken
        each = calls_of(2) - calls_of(1)  # of a step that is left out
        return calls_of(self.steps) - each * (self.steps - taken) if taken else 0

    @property
    def taken(self) -> int:
        """How many of its steps are taken: a share of those of the methods with a `strength`, as diffusers counts them."""
        return min(int(self.steps * self.strength), self.steps) if self.method in STRENGTHS else self.steps


def repaint_turns(steps: int, resamplings: int, jump: int) -> list[bool]:
    """Whether each move of RePaint is up (noise is added) or down (the model is called), from pure noise to the picture: the
    schedule of Lugmayr et al. 2022, appendix A, over `steps` levels. One step above the picture, and every `jump` steps above that,
    it goes up `jump` steps and down again, `resamplings` - 1 times."""
    left = dict.fromkeys(range(1, steps - jump + 1, jump), resamplings - 1)
    place, turns = steps, list[bool]()
    while place > 0:
        place -= 1
        turns.append(False)
        if left.get(place, 0) > 0:
            left[place] -= 1
            place += jump
            turns += [True] * jump
    return turns


class EditRequest(Request):
    """Change a picture: one result a lane, all of one model and forward process, x_T of a seed the same for all.

    `picture` and `mask` (True: to be drawn anew) are of one size, and are resized to the model's side. `condition` is what the
    result is to show. `source` is what the picture shows, for DDIM inversion, or the second of two descriptions that `view` joins
    ("composed"); a painted region takes it from the mask. `cutoff` parts the frequencies of a hybrid: the deviation of the blur
    in pixels of a picture of 64. `tolerance` is how far the exact posterior lets the known part differ, as the deviation of a
    Gaussian in grey levels of 255. With `measure` results carry numbers; `replay` is SamplingRequest's.
    """

    model: ModelName = "text-to-image"
    picture: Picture | None = None
    mask: Mask | None = None
    condition: Condition = Condition()
    source: Condition = Condition()
    negative: Prompt = ""
    forward: Forward = Forward(schedule="scaled_linear")
    view: ViewName = "flip"
    cutoff: Annotated[float, Field(ge=0.5, le=20)] = 3.0
    tolerance: Annotated[float, Field(ge=1, le=100)] = 8.0
    measure: bool = False
    replay: Annotated[int, Field(ge=0, le=1000)] = 0
    lanes: Annotated[tuple[EditLane, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "EditRequest":
        rows = [EDITS[lane.method] for lane in self.lanes]
        if self.picture is None and (row := next((row for row in rows if row.picture), None)):
            raise ValueError(f"{row.title} changes a picture, and there is none; choose one")
        by_mask = "composed" in [row.name for row in rows] and self.view == "painted"
        what = "Painted regions" if by_mask else next((row.title for row in rows if row.mask), "")
        if what and self.mask is None:
            raise ValueError(f"{what} need{'' if by_mask else 's'} a mask; paint over what is to be drawn anew")
        if what and self.mask is not None and not self.mask.any():
            raise ValueError("the mask is empty; paint over what is to be drawn anew")
        if self.picture is not None and self.mask is not None and self.mask.shape != self.picture.shape[:2]:
            sizes = [" x ".join(map(str, one.shape[1::-1])) for one in (self.mask, self.picture)]
            raise ValueError(
                f"the mask has {sizes[0]} pixels and the picture {sizes[1]}; paint the mask on this picture"
            )
        if len({(lane.steps, lane.seed) for lane in self.lanes if lane.method == "inverted"}) > 1:
            raise ValueError("pictures of one inversion have the same steps and seed; there is one way up for all")
        return check_steps(self, max(lane.steps for lane in self.lanes))

    def methods(self) -> set[str]:
        """The names of the ways to edit that its lanes take."""
        return {lane.method for lane in self.lanes}

    def load(self) -> Load:
        """As Request.load: with inversion the way up is a hidden lane."""
        up = max((lane.steps for lane in self.lanes if lane.method == "inverted"), default=0)
        parts = 2 if "composed" in self.methods() else 1
        rows = parts * (2 if any(lane.guidance_scale != 1 for lane in self.lanes) else 1)
        steps = sum(lane.calls for lane in self.lanes) + up
        return Load(len(self.lanes) + (up > 0), steps, hidden=int(up > 0), rows=rows)

    def models(self) -> tuple[str, ...]:
        """As Request.models: the network that fills holes, the exact denoiser and the judge, each where a lane needs it."""
        row, methods = MODELS[self.model], self.methods()
        names = [self.model] if methods - {"nine", "truth"} else []
        names += [filler(row)] if "nine" in methods else []
        names += [truth(row) or self.model] if "truth" in methods else []
        judged = self.measure and (self.condition.prompt or self.source.prompt)
        return tuple(dict.fromkeys([*names, *([JUDGE] if judged else [])]))

    def rest(self, events: Set[Key]) -> Rest | None:
        """As Request.rest: the lanes without a result."""
        return rest_of_lanes(self, events)


def filler(row: Model) -> str:
    """The row of MODELS or HELPERS whose network fills holes for a model: its own where it was made for that."""
    return row.inpainting or row.name


def truth(row: Model) -> str:
    """The exact denoiser of a model's pictures at its size; "" where the lab has none of them."""
    return row.name if row.family == "exact" else row.perfect or row.data


@dataclass(frozen=True)
class Original(Event):
    """The picture as the model sees it, (side, side, 3) uint8; what is left of it once it was encoded and decoded, which no edit
    can better; and the mask at the model's side, (side, side) bool."""

    picture: np.ndarray
    decoded: np.ndarray
    mask: np.ndarray | None = None

    @property
    def key(self) -> Hashable:
        """As Event.key: a run has one."""
        return ()


@dataclass(frozen=True)
class EditRecording:
    """The steps of a finished or stopped edit, kept for replay, as a Recording; lane INVERSION is the way up. `original` is what was
    edited, where there was a picture."""

    request: EditRequest
    steps: dict[int, tuple[Step, ...]] = field(default_factory=dict)
    results: dict[int, LaneResult] = field(default_factory=dict)
    original: Original | None = None


KINDS = {
    kind: tuple(name for name, row in VIEWS.items() if row.kind == kind)
    for kind in ("regions", "turned", "frequencies")
}
MEASURES = {  # of a LaneResult, by name: what it is, in words
    "rms": "RMS to the picture, grey levels of 255",
    "edges": "F1 of the picture's edges found again, 0 to 1",
    "known_rms": "RMS of the known part, grey levels of 255",
    "seam": "gradient energy on the rim of the hole over that inside it",
    "judge": "cosine of the judge's embeddings of picture and prompt",
    "judge_source": "the same with the source's words, or of the second view with the second words",
}
