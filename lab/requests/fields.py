"""What several requests ask about: checked names, seeds, prompts and pictures, the condition and the forward process."""

from typing import Annotated, Any

import numpy as np
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
)

from lab.catalog import CONTROLS, EDITS, GROUPS, GUIDANCE, MODELS, REGIONS, SAMPLERS, SCHEDULES, SPACINGS, VIEWS
from lab.requests.base import Request

MAX_SEED = 2**31 - 1


MAX_PROMPT = 300  # characters


MIN_T, MAX_T = 10, 4000


def name_in(table: dict[str, Any], what: str) -> AfterValidator:
    def check(name: str) -> str:
        if name not in table:
            text = name[:40].encode(errors="replace").decode()  # a lone surrogate cannot be printed
            raise ValueError(f"there is no {what} named '{text}'; choose one of {', '.join(filter(None, table))}")
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


def _mask(value: Any) -> np.ndarray:
    """A mask is a (height, width) bool array, True where a picture is to be drawn anew, with the sides of a picture."""
    if not (isinstance(value, np.ndarray) and value.dtype == bool and value.ndim == 2):
        raise ValueError("a mask must be a (height, width) array of yes and no")
    if not (min(value.shape) >= 1 and max(value.shape) <= 1024):
        raise ValueError("a mask must be between 1 and 1024 pixels on each side")
    return value


Mask = Annotated[Any, BeforeValidator(_mask)]


Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]


ModelName = Annotated[str, name_in(MODELS, "model")]


ScheduleName = Annotated[str, name_in(SCHEDULES, "schedule")]


SamplerName = Annotated[str, name_in(SAMPLERS, "sampler")]


RuleName = Annotated[str, name_in(GUIDANCE, "guidance rule")]


EditName = Annotated[str, name_in(EDITS, "way to edit")]


ViewName = Annotated[str, name_in(VIEWS, "view")]


ControlName = Annotated[str, name_in(CONTROLS, "control")]


RegionName = Annotated[str, name_in(REGIONS, "region")]


Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-f]{6}$")]  # red, green and blue in two digits each


SpacingName = Annotated[str, name_in(SPACINGS, "spacing")]


Prompt = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_PROMPT)]


class Condition(Request):
    """What a picture should show. Empty fields do not restrict anything."""

    prompt: Prompt = ""
    group: Annotated[str, name_in({"": "", **GROUPS}, "group")] = ""
    style: Annotated[str, StringConstraints(strip_whitespace=True, max_length=40)] = ""


class GuideSettings(Request):
    """What the guides of a run want; a rule without a guide passes over them.

    `temperature` divides the logits of a classifier: above 1 it is less sure. `colour` is the mean colour that "colour" pulls
    the picture to, `brightness` (0 black, 1 white) what "brightness" pulls the mean of a `region` to.
    """

    temperature: Annotated[float, Field(ge=0.1, le=10)] = 1.0
    colour: Colour = "#e8590c"
    region: RegionName = "left"
    brightness: Annotated[float, Field(ge=0, le=1)] = 1.0


class Forward(Request):
    """A forward process: schedule, number of timesteps T, and the zero-terminal-SNR rescale (Lin et al. 2023)."""

    schedule: ScheduleName = "linear"
    T: Annotated[int, Field(ge=MIN_T, le=MAX_T)] = 1000
    zero_snr: bool = False


def check_steps(request: Any, steps: int) -> Any:
    if steps > request.forward.T:
        raise ValueError(f"T is {request.forward.T}, below the {steps} steps of a lane; use at most T steps")
    return request
