"""The smallest runs that call every network of the shipped models which is compiled: they are taken in the background once the lab has
started, so that each is converted, and its most used shapes compiled (lab/models/most_used.py), before a visitor calls it."""

from dataclasses import dataclass

import numpy as np

from lab.requests.base import Request
from lab.requests.edit import EditLane, EditRequest
from lab.requests.enlarge import EnlargeLane, EnlargeRequest
from lab.requests.fields import Condition
from lab.requests.sampling import ControlMap, ControlWindow, LaneSettings, SamplingRequest, first_look
from lab.requests.unclip import UnclipLane, UnclipRequest

BLACK = np.zeros((64, 64, 3), np.uint8)
HOLE = np.ones((64, 64), bool)


@dataclass(frozen=True)
class Look:
    """A run of one step, and the compiled networks that no look before it calls: (row of the catalog, network as Engines names it)."""

    request: Request
    networks: tuple[tuple[str, str], ...]


def _under(control: str) -> SamplingRequest:
    """One step of the miniature under a ControlNet."""
    lane = LaneSettings(steps=1, windows=(ControlWindow(),))
    return first_look("text-to-image").model_copy(
        update={"lanes": (lane,), "controls": (ControlMap(name=control, map=BLACK),)}
    )


LOOKS = (  # those first whose networks are in MOST_USED
    Look(first_look("text-to-image"), (("text-to-image", "denoiser"), ("text-to-image", "decoder"))),
    Look(UnclipRequest(lanes=(UnclipLane(steps=1),)), (("unclip", "denoiser"), ("unclip", "decoder"))),
    Look(first_look("pixel"), (("pixel", "denoiser"),)),
    Look(_under("edges"), (("edges", "control"), ("text-to-image", "denoiser under control"))),
    Look(_under("pose"), (("pose", "control"),)),
    Look(first_look("student"), (("student", "denoiser"), ("student", "decoder"))),
    Look(
        EditRequest(picture=BLACK, mask=HOLE, lanes=(EditLane(method="nine", steps=1),)),
        (("inpainting", "denoiser"), ("inpainting", "decoder")),
    ),
    Look(EnlargeRequest(picture=BLACK, lanes=(EnlargeLane(steps=1),)), (("upsampler", "denoiser-64"),)),
    Look(
        first_look("pixel").model_copy(
            update={
                "condition": Condition(group="symbols"),
                "lanes": (LaneSettings(steps=1, rule="auto", guidance_scale=2),),
            }
        ),
        (("pixel-early", "denoiser"),),
    ),
)
