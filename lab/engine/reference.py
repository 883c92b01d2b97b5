"""The plain sampling loop: what lanes must draw, written so that it can be read beside the papers."""

import inspect
from typing import Any

import torch
from torch import Tensor

from lab.engine.denoisers import Denoiser


@torch.no_grad()
def plain_loop(
    scheduler: Any,
    denoiser: Denoiser,
    seed: int,
    conditional: Any,
    unconditional: Any = None,
    scale: float = 1.0,
    eta: float = 0.0,
) -> Tensor:
    """One picture (channels, height, width), drawn as diffusers' pipelines draw it.

    Algorithm 2 of Ho et al. 2020, with any diffusers scheduler, its timesteps set, in place of line 4: x_T ~ N(0, I);
    at each timestep the network predicts, guidance combines eps_u + scale * (eps_c - eps_u) (Ho and Salimans 2022,
    eq. 6; scale 1 is no guidance), and the scheduler takes a step. One generator, seeded with `seed`, gives x_T and
    then the noise of every step; `eta` is DDIM's. A `Lane` does the same for one picture among many, each in its own
    scheduler, at its own timestep, in calls that they share; tests hold it to this loop.
    """
    generator = torch.Generator().manual_seed(seed)
    parameters = inspect.signature(scheduler.step).parameters  # as in diffusers' prepare_extra_step_kwargs
    options = {key: value for key, value in {"eta": eta, "generator": generator}.items() if key in parameters}
    x_t = torch.randn((1, *denoiser.shape), generator=generator)
    x_t = x_t * getattr(scheduler, "init_noise_sigma", 1.0)  # a flow-matching scheduler has none, and does not scale
    for t in scheduler.timesteps:
        x = scheduler.scale_model_input(x_t, t) if hasattr(scheduler, "scale_model_input") else x_t
        prediction = denoiser(x, t[None], [conditional])
        if scale != 1:
            prediction_u = denoiser(x, t[None], [unconditional])
            prediction = prediction_u + scale * (prediction - prediction_u)
        x_t = scheduler.step(prediction, t, x_t, **options).prev_sample
    return x_t[0]
