"""Request type -> generator of events: the only place that joins models and engine."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch

from lab.capsule import (
    Event,
    Forward,
    InversionRequest,
    InversionResult,
    LabError,
    LaneResult,
    LaneSettings,
    NoisingFrame,
    NoisingRequest,
    SamplingRequest,
    Step,
)
from lab.catalog import MODELS, SAMPLERS, samplers_for
from lab.engine import noising as forward_process
from lab.engine.lanes import Denoiser, Lane, Record, StepNoise, look
from lab.engine.samplers import make_scheduler, slerp
from lab.measures import path_distance, rms
from lab.models.cache import ModelCache
from lab.models.loaders import LoadedModel
from lab.settings import Settings

REFERENCE = -1  # the lane index of the long reference run


class Drive(Protocol):
    """Runs lanes to their end and yields their records: in this thread, or on a shared worker."""

    def __call__(self, denoiser: Denoiser, lanes: Iterable[Lane]) -> Iterator[Record]: ...


@dataclass(frozen=True)
class House:
    """What operations work with: the settings, the models and whatever drives lanes."""

    settings: Settings
    cache: ModelCache[LoadedModel]
    drive: Drive
    scenes: forward_process.Scenes = field(default_factory=forward_process.Scenes)


def sampling(request: SamplingRequest, house: House) -> Iterator[Event]:
    """Draw the lanes of a request side by side; Steps as they come, then one LaneResult a lane."""
    _check_limits(request, house.settings)
    with house.cache.lease(request.model) as model:
        denoiser = model.denoiser(request.forward)
        conditional = model.conditioning(request.condition)
        lanes = [
            _lane(index, settings, denoiser, conditional, model.unconditional())
            for index, settings in enumerate(request.lanes)
        ]
        if request.reference_steps:
            first = request.lanes[0]
            settings = first.model_copy(
                update={"sampler": "ddim", "steps": request.reference_steps, "eta": 0.0, "spacing": "trailing"}
            )
            lanes.append(_lane(REFERENCE, settings, denoiser, conditional, model.unconditional()))

        began = time.perf_counter()
        paths: dict[int, list[Record]] = {lane.index: [] for lane in lanes}
        seconds: dict[int, float] = {}
        for record in house.drive(denoiser, lanes):
            seconds[record.lane] = time.perf_counter() - began
            if not request.reference_steps:
                paths[record.lane].clear()  # only the end is needed
            paths[record.lane].append(record)
            yield _step(record, model, seconds[record.lane])
        reference = paths.pop(REFERENCE, None)
        for index, path in paths.items():
            yield _result(index, path, reference, seconds[index], model)


def inversion(request: InversionRequest, house: House) -> Iterator[Event]:
    """DDIM inversion: lane 0 climbs from the picture to x_T, lane 1 comes down again from there."""
    _check_process(request.model, request.forward, request.steps, house.settings)
    with house.cache.lease(request.model) as model:
        denoiser = model.denoiser(request.forward)
        conditional = model.conditioning(request.condition)
        x_0 = model.from_picture(request.picture)
        noise = StepNoise(request.seed)

        def scheduler(name: str) -> Any:
            options = {"clip_sample": False, "set_alpha_to_one": True}
            return make_scheduler(
                name, denoiser.alphas_cumprod, denoiser.prediction_type, request.steps, "trailing", options
            )

        began = time.perf_counter()
        up = scheduler("DDIMInversion")
        lowest = float(denoiser.alphas_cumprod[int(up.timesteps[0])])
        x_T = down = forward_process.q_sample(x_0, lowest, noise.initial(x_0.shape))
        for record in house.drive(denoiser, [Lane(0, up, x_T, noise, conditional)]):
            x_T = record.x_t
            yield _step(record, model, time.perf_counter() - began)
        for record in house.drive(denoiser, [Lane(1, scheduler("DDIM"), x_T, noise, conditional)]):
            down = record.x_0
            yield _step(record, model, time.perf_counter() - began)
        error = (down - x_0).abs().mean(0)
        yield InversionResult(
            original=model.to_picture(x_0),
            x_T=model.to_picture(x_T),
            reconstruction=model.to_picture(down),
            error=(error / error.max().clamp(min=1e-6) * 255).to(torch.uint8).numpy(),
            rms=rms(down, x_0),
            x_T_mean=float(x_T.mean()),
            x_T_deviation=float(x_T.std()),
        )


def noising(request: NoisingRequest, house: House) -> Iterator[Event]:
    """One frame of the forward process: x_t in one jump, by the chain where asked, and what is measured of it."""
    began = time.perf_counter()
    forward = request.forward
    scene = house.scenes.get(request.picture, forward.schedule, forward.T, forward.zero_snr, request.seed)
    t = request.t if request.at_log_snr is None else forward_process.t_at_log_snr(scene.table, request.at_log_snr)
    x_t = scene.x_t(t)
    numbers = scene.numbers(t, x_t)
    chain = forward_process.to_picture(scene.chain.at(t)) if request.chain else None
    recovered = _recover(request, t, request.recover, house) if request.recover else None
    alpha_bar = float(scene.table[t])
    yield NoisingFrame(
        t=t,
        alpha_bar=alpha_bar,
        alpha_bars=scene.table,
        log_snr=float(forward_process.log_snr(alpha_bar)),
        x_t=forward_process.to_picture(x_t),
        chain=chain,
        psnr_db=numbers.psnr_db,
        histogram=numbers.histogram,
        histogram_edges=forward_process.HISTOGRAM_EDGES,
        spectrum=numbers.spectrum,
        spectrum_signal=numbers.signal,
        spectrum_noise=numbers.noise,
        recovered=recovered,
        server_ms=(time.perf_counter() - began) * 1000,
    )


def _recover(request: NoisingRequest, t: int, name: str, house: House) -> np.ndarray:
    """The predicted x_0 of a model from x_t at the model's own size. At t = 0 it is asked about t = 1."""
    with house.cache.lease(name) as model:
        denoiser = model.denoiser(request.forward)
        x_0 = model.from_picture(request.picture)
        k = max(t, 1) - 1
        eps = forward_process.gaussian(request.seed, 0, tuple(x_0.shape))
        x_t = forward_process.q_sample(x_0, float(denoiser.alphas_cumprod[k]), eps)
        return model.to_picture(look(house.drive, denoiser, x_t, k, model.unconditional()).x_0)


def _lane(index: int, settings: LaneSettings, denoiser: Denoiser, conditional: Any, unconditional: Any) -> Lane:
    row = SAMPLERS[settings.sampler]
    scheduler = make_scheduler(
        row.scheduler,
        denoiser.alphas_cumprod,
        denoiser.prediction_type,
        settings.steps,
        settings.spacing if settings.spacing in row.spacings else row.spacings[0],
        row.options,
    )
    noise = StepNoise(settings.seed)
    x_T = noise.initial(denoiser.shape)
    if settings.mix_seed is not None and settings.mix > 0:
        x_T = slerp(x_T, StepNoise(settings.mix_seed).initial(denoiser.shape), settings.mix)
    eta = settings.eta if row.eta else 0.0
    return Lane(index, scheduler, x_T, noise, conditional, unconditional, settings.guidance_scale, eta)


def _step(record: Record, model: LoadedModel, elapsed_s: float) -> Step:
    x_0 = model.to_picture(record.x_0)
    x_t = x_0 if record.i == record.n else model.to_picture(record.x_t / 2)  # noise has twice a picture's range
    return Step(record.lane, record.i, record.n, record.t, record.log_snr, x_t, x_0, elapsed_s)


def _result(
    index: int, path: list[Record], reference: list[Record] | None, elapsed_s: float, model: LoadedModel
) -> LaneResult:
    end = path[-1]
    nearest = model.nearest(end.x_0)
    return LaneResult(
        lane=index,
        picture=model.to_picture(end.x_0),
        calls=end.n,
        elapsed_s=elapsed_s,
        rms_to_reference=rms(end.x_0, reference[-1].x_0) if reference else None,
        path_distance=path_distance(path, reference) if reference else None,
        nearest=nearest[0] if nearest else None,
        nearest_caption=nearest[1] if nearest else "",
        nearest_rms=nearest[2] if nearest else None,
    )


def _check_limits(request: SamplingRequest, settings: Settings) -> None:
    allowed = samplers_for(MODELS[request.model])
    for lane in request.lanes:
        if lane.sampler not in allowed:
            raise LabError(
                f"{SAMPLERS[lane.sampler].title} needs a model distilled for few steps; "
                f"'{MODELS[request.model].title}' is not. Choose another sampler."
            )
    if len(request.lanes) > settings.max_lanes:
        raise LabError(f"{len(request.lanes)} pictures asked for; one run makes at most {settings.max_lanes}.")
    longest = max(request.reference_steps, *(lane.steps for lane in request.lanes))
    _check_process(request.model, request.forward, longest, settings)
    total = sum(lane.steps for lane in request.lanes) + request.reference_steps
    if total > settings.max_lane_steps:
        raise LabError(
            f"This run takes {total} steps over all its lanes; at most {settings.max_lane_steps} a run. "
            "Take fewer steps or fewer lanes."
        )


def _check_process(model: str, forward: Forward, steps: int, settings: Settings) -> None:
    """Refuse a forward process that the model was not made for, and more steps than the settings allow."""
    if forward.schedule not in MODELS[model].schedules:
        raise LabError(f"'{MODELS[model].title}' was not made for the {forward.schedule} schedule.")
    if steps > settings.max_steps:
        raise LabError(f"{steps} steps asked for; a lane takes at most {settings.max_steps}.")


OPERATIONS: dict[type, Callable[[Any, House], Iterator[Event]]] = {
    SamplingRequest: sampling,
    InversionRequest: inversion,
    NoisingRequest: noising,
}
