"""A lane of a run as a short Python script that needs nothing of the lab: torch, diffusers, NumPy and Pillow.

The script is put together from the parts that its lane needs, so what a reader finds in it is what was done. It covers
latent diffusion with one text encoder, pixel diffusion and the exact denoiser; for everything else `write` says in words
why there is none.
"""

import re
from collections.abc import Iterable

from lab.capsules import exact_script, latent_script, pixel_script, rule_script, scheduler_script, short_script
from lab.catalog import GUIDANCE, MODELS, Model
from lab.requests.base import LabError
from lab.requests.sampling import LaneSettings, SamplingRequest

FAMILIES = {"exact": exact_script.parts, "pixel": pixel_script.parts, "stable_diffusion": latent_script.parts}


def write(request: SamplingRequest, index: int) -> str:
    """The script that draws lane `index` of `request`. Raises LabError, in words, where there can be none."""
    model, lane = MODELS[request.model], request.lanes[index]
    _check(model, lane)
    if short_script.suits(model, lane, request.forward, scheduler_script.spacing_of(lane, request.forward.T)):
        return laid_out(short_script.parts(model, request, lane))
    return laid_out(FAMILIES[model.family](model, request, lane))


def laid_out(parts: Iterable[str]) -> str:
    """A script from its parts: a line between them, two before and after what is defined."""
    text = "\n\n".join(part.strip("\n") for part in parts if part) + "\n"
    text = re.sub(r"\n+(?=(def|class) )", r"\n\n\n", text)
    return re.sub(r"(?<=\n)((?:def|class) .*\n(?:(?:[ ].*)?\n)*?)\n+(?=\S)", r"\1\n\n", text)


def _check(model: Model, lane: LaneSettings) -> None:
    latent = model.family == "stable_diffusion"
    if model.family not in FAMILIES or (latent and latent_script.pipeline(model) != "StableDiffusionPipeline"):
        raise LabError(
            f"There is no script for '{model.title}'; there is one for Stable Diffusion's architecture, for pixel diffusion "
            "and for the exact denoiser. Choose one of these."
        )
    if lane.rule not in (rules := rule_script.rules(model)):
        titles = ", ".join(GUIDANCE[name].title.lower() for name in rules)
        raise LabError(
            f"There is no script for {GUIDANCE[lane.rule].title.lower()} guidance of '{model.title}'. Choose a picture of "
            f"one of these: {titles}."
        )
