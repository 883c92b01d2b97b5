"""What a run may take, and what its model was made for."""

from collections.abc import Sequence
from typing import Any

from lab.catalog import (
    GUIDANCE,
    MODELS,
    SAMPLERS,
    SCHEDULES,
    Guidance,
    Model,
    control_of,
    rules_for,
    samplers_for,
)
from lab.models.loaders import LoadedModel, title_of
from lab.models.stable_diffusion import LoadedControl
from lab.requests.base import LabError, Request
from lab.requests.fields import Forward
from lab.requests.sampling import LaneSettings, SamplingRequest
from lab.settings import Settings


def check_controls(request: SamplingRequest, model: Any, controls: Sequence[LoadedControl]) -> None:
    """Refuse a ControlNet that was made for another base model."""
    for name, control in zip(request.controlnets(), controls, strict=True):
        try:
            model.try_control(control)
        except LabError as error:
            raise LabError(f"The {title_of(name)} cannot steer '{MODELS[request.model].title}': {error}") from error


def check_decoder(request: SamplingRequest, model: LoadedModel) -> None:
    """Refuse the tiny decoder where the model has none."""
    if request.decoder == "tiny" and model.tiny is None:
        row = MODELS[request.model]
        source = row.tiny_decoder.partition("@")[0]
        why = f" here: {source} is not on this machine, or was made for other latents" if source else ""
        raise LabError(f"'{row.title}' has no tiny decoder{why}. Choose the full decoder.")


def check_load(request: Request, settings: Settings) -> None:
    """Refuse more pictures, or more steps over all of them, than one run may take; a reference run is no picture."""
    load = request.load()
    pictures = load.lanes - load.hidden
    if pictures > settings.max_lanes:
        raise LabError(f"{pictures} pictures asked for; one run makes at most {settings.max_lanes}. Take fewer lanes.")
    if load.steps > settings.max_lane_steps:
        raise LabError(
            f"This run takes {load.steps} steps over all its lanes; at most {settings.max_lane_steps} a run. "
            "Take fewer steps or fewer lanes."
        )


def check_model(request: SamplingRequest, settings: Settings) -> None:
    """Refuse what the model of a request was not made for, and lanes that are longer than the settings allow."""
    check_lanes(MODELS[request.model], request.lanes)
    for control in request.controls:
        if control_of(MODELS[request.model], control.name) is None:
            raise LabError(
                f"'{MODELS[request.model].title}' has no control named '{control.name}'. Choose another model or remove it."
            )
    longest = max(request.reference_steps, *(lane.steps for lane in request.lanes))
    check_process(request.model, request.forward, longest, settings)


def check_lanes(model: Model, lanes: Sequence[LaneSettings]) -> None:
    """Refuse samplers and guidance that a model was not made for."""
    for lane in lanes:
        if lane.sampler not in samplers_for(model):
            raise LabError(
                f"{SAMPLERS[lane.sampler].title} needs a model that was trained for it; "
                f"'{model.title}' is not. Choose another sampler."
            )
        if lane.rule not in rules_for(model):
            raise LabError(_no_rule(GUIDANCE[lane.rule], model))


def _no_rule(rule: Guidance, model: Model) -> str:
    """Why a model has no such guidance."""
    if rule.guide:
        return f"The lab has nothing that guides '{model.title}' by {rule.title.lower()}. Choose another rule or model."
    return f"{rule.title} needs pixels in [-1, 1]; this model works on latents."


def check_process(model: str, forward: Forward, steps: int, settings: Settings) -> None:
    """Refuse a forward process that the model was not made for, and more steps than the settings allow."""
    row = MODELS[model]
    if forward.schedule not in row.schedules or (row.trained and forward != Forward(schedule=forward.schedule)):
        raise LabError(
            f"'{row.title}' was not made for this forward process. "
            f"It was trained under the {SCHEDULES[row.schedules[0]].title.lower()} schedule with T = 1000."
            if row.trained
            else f"'{row.title}' was not made for the {forward.schedule} schedule."
        )
    check_length(steps, settings)


def check_length(steps: int, settings: Settings) -> None:
    """Refuse more steps of a lane than the settings allow."""
    if steps > settings.max_steps:
        raise LabError(f"{steps} steps asked for; a lane takes at most {settings.max_steps}.")
