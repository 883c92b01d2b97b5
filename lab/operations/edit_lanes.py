"""Lanes that edit a picture, from the lanes of a request: one way to edit each."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from lab.engine.anagrams import Synchronised
from lab.engine.composition import Composing, joined
from lab.engine.grid import timestep_grid
from lab.engine.inpainting import Known, RePaint
from lab.engine.lanes import Lane, StepNoise
from lab.engine.noising import gaussian, q_sample
from lab.engine.process import VariancePreserving
from lab.engine.samplers import make_scheduler
from lab.models.loaders import LoadedModel
from lab.operations.guides import shared
from lab.operations.lanes import rule_of, scheduler_of
from lab.requests.base import LabError
from lab.requests.edit import INVERSION, EditLane, EditRequest, repaint_turns

DDIM = {"clip_sample": False, "set_alpha_to_one": True}  # on both ways of an inversion
GREY_LEVELS = 127.5  # of a unit of x_0, whose values lie in [-1, 1]


@dataclass(frozen=True)
class Subject:
    """What is edited, at a model's side: the picture (side, side, 3) uint8 and its hole (side, side) bool."""

    picture: np.ndarray | None
    hole: np.ndarray | None


class Editor:
    """Makes the lanes of a request for one model; what they share is made once. Lanes that are `anagrams` have two latents."""

    def __init__(self, request: EditRequest, model: LoadedModel, subject: Subject, anagrams: bool = False) -> None:
        self.request, self.model, self.subject = request, model, subject
        self.denoiser: Any = model.denoiser(request.forward)
        if anagrams:
            self.denoiser = shared(Synchronised, self.denoiser, model)
        elif "composed" in request.methods():
            self.denoiser = shared(Composing, self.denoiser)
        self.x_0 = None if subject.picture is None else model.from_picture(subject.picture)
        self.hole = None if subject.hole is None else hole_of(subject.hole, model.shape)
        self._half = lru_cache(model.conditioning)
        self._unconditional = None if model.distilled else model.unconditional(request.negative)

    def lane(self, index: int, settings: EditLane) -> Lane:
        """The lane of the request's `settings`, as its method has it; an inverted one is made by `down`."""
        return METHODS[settings.method](self, index, settings)

    def up(self, settings: EditLane) -> Lane:
        """DDIM inversion under the source's words, without guidance (Song et al. 2021, section 4.3): from the picture to x_T."""
        scheduler = self._ddim("DDIMInversion", settings)
        noise, level = StepNoise(settings.seed), self.denoiser.process.level(float(scheduler.timesteps[0]))
        x_t = q_sample(self._picture, level, noise.initial(self.denoiser.shape))
        return Lane(INVERSION, scheduler, x_t, noise, self._row("source", settings))

    def down(self, index: int, settings: EditLane, x_T: Tensor) -> Lane:
        """From the end of `up` down again, under the lane's words and guidance."""
        return self._plain(index, settings, x_T=x_T, scheduler=self._ddim("DDIM", settings))

    @property
    def _picture(self) -> Tensor:
        if self.x_0 is None:
            raise LabError("There is no picture to edit: choose one.")
        return self.x_0

    def _ddim(self, name: str, settings: EditLane) -> Any:
        denoiser = self.denoiser
        return make_scheduler(name, denoiser.process, denoiser.prediction_type, settings.steps, "trailing", DDIM)

    def _row(self, words: str, settings: EditLane) -> Any:
        """The conditional half under the target's or the source's words."""
        row = self._half(self.request.condition if words == "target" else self.request.source)
        if self.model.distilled:
            return replace(row, prompt=replace(row.prompt, scale=settings.guidance_scale))
        return row

    def _plain(
        self,
        index: int,
        settings: EditLane,
        *,
        x_T: Tensor | None = None,
        scheduler: Any = None,
        noise: StepNoise | None = None,
        start: int | None = None,
    ) -> Lane:
        """A lane of the request's words, in pure noise but for what is said otherwise."""
        noise = noise or StepNoise(settings.seed)
        x_T = noise.initial(self.denoiser.shape) if x_T is None else x_T
        scheduler = scheduler or scheduler_of(settings, self.denoiser)
        conditional, unconditional = self._row(settings.words, settings), self._unconditional
        eta, rule = settings.eta if settings.sampler == "ddim" else 0.0, rule_of(settings, unconditional)
        return Lane(index, scheduler, x_T, noise, conditional, unconditional, rule, eta, start)

    def _sdedit(self, index: int, settings: EditLane) -> Lane:
        """SDEdit (Meng et al. 2021, algorithm 1), with the steps of StableDiffusionImg2ImgPipeline."""
        scheduler, noise = scheduler_of(settings, self.denoiser), StepNoise(settings.seed)
        start = (settings.steps - settings.taken) * getattr(scheduler, "order", 1)
        level = self.denoiser.process.level(float(scheduler.timesteps[start]))
        x_t = q_sample(self._picture, level, noise.initial(self.denoiser.shape))
        return self._plain(index, settings, x_T=x_t, scheduler=scheduler, noise=noise, start=start)

    def _filling(self, index: int, settings: EditLane) -> Lane:
        """A lane that is to fill the hole: in pure noise, or from the noised picture where its strength is below 1."""
        return (self._plain if settings.taken == settings.steps else self._sdedit)(index, settings)

    def _replace(self, index: int, settings: EditLane) -> Lane:
        """Replacement with noise of its own at each timestep."""
        return self._keeping(index, settings, lambda t: gaussian(settings.seed, round(t), self.denoiser.shape))

    def _blend(self, index: int, settings: EditLane) -> Lane:
        """Replacement with the noise of x_T, as StableDiffusionInpaintPipeline does for a UNet with four channels."""
        x_T = StepNoise(settings.seed).initial(self.denoiser.shape)
        return self._keeping(index, settings, lambda t: x_T)

    def _keeping(self, index: int, settings: EditLane, eps: Callable[[float], Tensor]) -> Lane:
        lane = self._filling(index, settings)
        lane.known = Known(self._picture, self._hole, eps)
        return lane

    @property
    def _hole(self) -> Tensor:
        if self.hole is None:
            raise LabError("There is no mask: paint over what is to be drawn anew.")
        return self.hole

    def _repaint(self, index: int, settings: EditLane) -> Lane:
        """RePaint; its noise is drawn in sequence, for it meets a timestep more than once."""
        process, steps = self.denoiser.process, settings.steps
        if not isinstance(process, VariancePreserving):
            raise LabError("RePaint needs a variance-preserving process.")
        scheduler = RePaint(
            process,
            self.denoiser.prediction_type,
            timestep_grid("DDIM", len(process), steps, settings.spacing).tolist(),
            repaint_turns(steps, settings.resamplings, settings.jump),
            self._picture,
            self._hole,
        )
        return self._plain(index, settings, scheduler=scheduler, noise=StepNoise(settings.seed, by="sequence"))

    def _nine(self, index: int, settings: EditLane) -> Lane:
        """A lane of a network that sees the mask and what lies around it."""
        lane = self._filling(index, settings)
        lane.conditional = replace(lane.conditional, around=self._around)
        if lane.unconditional is not None:
            lane.unconditional = replace(lane.unconditional, around=self._around)
        return lane

    @cached_property
    def _around(self) -> Tensor:
        """What its network is told of the mask and the rest."""
        return self.model.around(self.subject.picture, self.subject.hole)  # type: ignore[attr-defined]

    def _truth(self, index: int, settings: EditLane) -> Lane:
        """The exact denoiser of the pictures that agree with the known part; without guidance, which would leave it."""
        lane = self._plain(index, settings.model_copy(update={"guidance_scale": 1.0}))
        lane.conditional = self._agreeing
        return lane

    @cached_property
    def _agreeing(self) -> Any:
        """The pictures of the set by how well they agree with the known part: one object, so that lanes share its products."""
        tolerance, support = self.request.tolerance / GREY_LEVELS, self._half(self.request.condition)
        return self.model.data.agreeing(self._picture, self._hole, tolerance, support)  # type: ignore[attr-defined]

    def _composed(self, index: int, settings: EditLane) -> Lane:
        """Two descriptions in one picture; both halves of guidance see it in both ways."""
        lane, request = self._plain(index, settings), self.request
        both = partial(joined, request.view, shape=self.denoiser.shape, mask=self.subject.hole, cutoff=request.cutoff)
        lane.conditional = both(self._row("target", settings), self._row("source", settings))
        if lane.unconditional is not None:
            lane.unconditional = both(lane.unconditional, lane.unconditional)
        return lane


METHODS: dict[str, Callable[[Editor, int, EditLane], Lane]] = {
    "sdedit": Editor._sdedit,
    "paste": Editor._plain,
    "replace": Editor._replace,
    "blend": Editor._blend,
    "repaint": Editor._repaint,
    "nine": Editor._nine,
    "truth": Editor._truth,
    "composed": Editor._composed,
}


def hole_of(mask: np.ndarray, shape: tuple[int, int, int]) -> Tensor:
    """The hole at the side of x_t, (1, height, width) of 0 and 1, by nearest neighbour as diffusers has it. Raises LabError where
    a mask that is not empty leaves nothing of it there."""
    hole = interpolate(torch.from_numpy(mask).float()[None, None], shape[1:])[0]
    if mask.any() and not hole.any():
        raise LabError(
            f"What is painted is smaller than one of the {shape[2]} x {shape[1]} places that the model works on: paint a larger part."
        )
    return hole


def at_side(mask: np.ndarray, side: int) -> np.ndarray:
    """A mask (height, width) bool at a model's side, (side, side), by nearest neighbour."""
    whole = interpolate(torch.from_numpy(mask).float()[None, None], (side, side), mode="nearest-exact")
    return (whole[0, 0] > 0.5).numpy()
