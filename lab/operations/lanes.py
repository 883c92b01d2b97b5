"""Lanes of the engine from the lanes of a request."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from torch import Tensor

from lab.catalog import ANY_LOSS, GUIDANCE, SAMPLERS
from lab.engine.autoguidance import BySecond
from lab.engine.denoisers import Denoiser
from lab.engine.guidance import ClassifierFree, make_rule
from lab.engine.lanes import Lane, StepNoise
from lab.engine.noising import q_sample
from lab.engine.potentials import Guide, Potential
from lab.engine.samplers import make_scheduler, slerp
from lab.models.loaders import LoadedModel
from lab.models.local import OwnPlace
from lab.models.stable_diffusion import ControlledPrompt, LoadedControl
from lab.requests.sampling import LaneSettings, SamplingRequest


class Halves:
    """Conditional and unconditional conditioning of the lanes of a request; what lanes share is made once.

    A model that was distilled with its guidance (Luo et al. 2023) has no unconditional half: it is told the scale. Where a
    lane's rule has one of `guides`, a half gains its gradient, or a second network takes the place of a half.
    """

    def __init__(
        self,
        request: SamplingRequest,
        model: LoadedModel,
        controls: Sequence[LoadedControl] = (),
        guides: Mapping[str, Potential] | None = None,
    ) -> None:
        self._guides = guides or {}
        self.conditional = model.conditioning(request.condition)
        self.unconditional = None if model.distilled else model.unconditional(request.negative)
        self.hints = [
            loaded.hint(control.map, model.side) for loaded, control in zip(controls, request.controls, strict=True)
        ]

    @property
    def alike(self) -> bool:
        """Whether both are conditioned alike, so that no guidance scale changes anything."""
        first, second = (getattr(half, "prompt", half) for half in (self.conditional, self.unconditional))
        return first is second or (isinstance(first, int | str | OwnPlace) and first == second)

    def of(self, lane: LaneSettings) -> tuple[Any, Any]:
        """(conditional, unconditional) of a lane; in guess mode only the first is under control (Zhang et al. 2023)."""
        conditional, row = self.conditional, GUIDANCE[lane.rule]
        if row.guide == "weak":
            return conditional, BySecond(conditional)
        if row.guide:
            base = self.unconditional if row.base == "unconditional" else conditional
            variable: Literal["x_t", "x_0"] = "x_0" if row.guide in ANY_LOSS else "x_t"
            return Guide(base, self._guides[row.guide], lane.guidance_scale - row.origin, variable), self.unconditional
        if self.unconditional is None:
            conditional = replace(conditional, prompt=replace(conditional.prompt, scale=lane.guidance_scale))
        if not (self.hints and lane.windows):
            return conditional, self.unconditional
        controlled = ControlledPrompt(conditional, self.hints, lane.windows, lane.guess)
        if lane.guess or self.unconditional is None:
            return controlled, self.unconditional
        return controlled, ControlledPrompt(self.unconditional, self.hints, lane.windows, guess=False)


def make_lane(
    index: int,
    settings: LaneSettings,
    denoiser: Denoiser,
    conditional: Any,
    unconditional: Any,
    near: Tensor | None = None,
) -> Lane:
    """A lane as its settings have it: sampler, spacing, noise by level, guidance rule where there are two halves. It starts in
    pure noise, or at its first level from `near`, an x_0 (channels, height, width)."""
    row = SAMPLERS[settings.sampler]
    scheduler = scheduler_of(settings, denoiser)
    noise = StepNoise(settings.seed)
    x_T = noise.initial(denoiser.shape)
    if settings.mix_seed is not None and settings.mix > 0:
        x_T = slerp(x_T, StepNoise(settings.mix_seed).initial(denoiser.shape), settings.mix)
    if near is not None:
        x_T = q_sample(near, denoiser.process.level(float(scheduler.timesteps[0])), x_T)
    eta = settings.eta if row.eta else 0.0
    return Lane(index, scheduler, x_T, noise, conditional, unconditional, rule_of(settings, unconditional), eta)


def scheduler_of(settings: LaneSettings, denoiser: Denoiser) -> Any:
    """A fresh scheduler, as a lane's settings have it."""
    row = SAMPLERS[settings.sampler]
    return make_scheduler(
        row.scheduler,
        denoiser.process,
        denoiser.prediction_type,
        settings.steps,
        settings.spacing if settings.spacing in row.spacings else row.spacings[0],
        row.options,
    )


def rule_of(settings: LaneSettings, unconditional: Any) -> ClassifierFree | None:
    """A lane's guidance; None where there is no unconditional half."""
    return None if unconditional is None else make_rule(GUIDANCE[settings.rule].rule, settings.guidance_scale)
