"""DDIM inversion (Song et al. 2021, section 4.3)."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from lab.engine import noising as forward_process
from lab.engine.distances import rms
from lab.engine.lanes import Lane, StepNoise
from lab.engine.process import Level
from lab.engine.samplers import make_scheduler
from lab.operations.house import House
from lab.operations.limits import check_load, check_process
from lab.operations.loading import loading
from lab.operations.painter import Painter
from lab.operations.prompts import as_captions, unread_notes
from lab.requests.base import Event
from lab.requests.inversion import InversionRequest, InversionResult


def inversion(request: InversionRequest, house: House) -> Iterator[Event]:
    """DDIM inversion: lane 0 climbs from the picture to x_T, lane 1 comes down again from there."""
    check_process(request.model, request.forward, request.steps, house.settings)
    check_load(request, house.settings)
    request, notes = as_captions(request)
    yield from notes
    yield from loading(house, request.model)
    with house.lease(request.model) as model:
        denoiser = model.denoiser(request.forward)
        yield from unread_notes(model, request.condition)
        x_0 = model.from_picture(request.picture)
        conditional = model.conditioning(request.condition)
        if request.known:
            conditional = model.knowing(x_0, conditional)
        noise = StepNoise(request.seed)

        def scheduler(name: str) -> Any:
            options = {"clip_sample": False, "set_alpha_to_one": True}
            return make_scheduler(name, denoiser.process, denoiser.prediction_type, request.steps, "trailing", options)

        began = time.perf_counter()
        up = scheduler("DDIMInversion")
        lowest = Level.from_alpha_bar(float(denoiser.process.alphas_cumprod[int(up.timesteps[0])]))
        x_T = down = forward_process.q_sample(x_0, lowest, noise.initial(x_0.shape))
        painter = Painter(model, house.company)
        for record in house.drive(denoiser, [Lane(0, up, x_T, noise, conditional)]):
            x_T = record.x_t
            yield painter.step(record, time.perf_counter() - began)
        painter = Painter(model, house.company)  # the way down is another run: its rounds are its own
        descent_began = time.perf_counter()
        for record in house.drive(denoiser, [Lane(1, scheduler("DDIM"), x_T, noise, conditional)]):
            down = record.x_0
            yield replace(
                painter.step(record, time.perf_counter() - descent_began), elapsed_s=time.perf_counter() - began
            )
        error = (down - x_0).abs().mean(0)
        yield InversionResult(
            original=model.to_picture(x_0),
            x_T=model.preview(x_T),
            reconstruction=model.to_picture(down),
            error=(error / error.max().clamp(min=1e-6) * 255).to(torch.uint8).numpy(),
            rms=rms(down, x_0),
            x_T_mean=float(x_T.mean()),
            x_T_deviation=float(x_T.std()),
        )
