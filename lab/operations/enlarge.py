"""A small picture, enlarged by diffusion (Saharia et al. 2021, SR3) and by formulas."""

import time
from collections.abc import Generator, Iterator, Mapping

import numpy as np
from PIL import Image

from lab.engine.lanes import Lane, StepNoise
from lab.engine.samplers import make_scheduler
from lab.measures import consistency, detail, psnr
from lab.models.tensors import to_signed
from lab.models.upsampler import LoadedUpsampler
from lab.operations.house import House
from lab.operations.lanes import make_lane
from lab.operations.limits import check_length, check_load
from lab.operations.loading import loading
from lab.operations.painter import Painter
from lab.requests.base import Event
from lab.requests.enlarge import (
    DRAWING_STEPS,
    DRAWN_BY,
    FACTOR,
    FORMULAS,
    UPSAMPLER,
    Enlarged,
    EnlargeLane,
    EnlargeRequest,
    original_of,
    small_of,
)
from lab.requests.fields import Forward
from lab.requests.sampling import LaneResult, LaneSettings, Step

SMALL = -1  # the lane index of the cascade's small picture
FORWARD = Forward(schedule="cosine")  # of the model that draws it
FILTERS = dict(
    zip(FORMULAS, (Image.Resampling.NEAREST, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS), strict=True)
)


def enlarge(request: EnlargeRequest, house: House) -> Iterator[Event]:
    """Enlarge a picture: Enlarged, then Steps of all lanes as they come and a LaneResult a lane. Of a cascade the Steps of the small
    picture come first, as lane SMALL.

    Measures of a result: "psnr" in dB to the original, where there is one, "detail", and "consistency", RMS in grey levels to the
    small picture once it is averaged down.
    """
    check_load(request, house.settings)
    check_length(max(lane.steps for lane in request.lanes), house.settings)
    yield from loading(house, *request.models())
    began = time.perf_counter()
    with house.lease(UPSAMPLER) as upsampler:
        original = None if request.picture is None else original_of(request.picture, request.side)
        small = (yield from _drawn(request, house, began)) if original is None else small_of(original)
        formulas = {name: _by_formula(small, name) for name in FORMULAS}
        reference = formulas["nearest"] if original is None else original
        measures = {name: _fidelity(picture, original, reference) for name, picture in formulas.items()}
        yield Enlarged(small, formulas, measures, original)

        lanes = [_lane(index, settings, small, upsampler) for index, settings in enumerate(request.lanes)]
        painter, seconds = Painter(upsampler, house.company), dict[int, float]()
        for record in house.drive(upsampler.denoiser(FACTOR * small.shape[0]), lanes):
            seconds[record.lane] = time.perf_counter() - began
            yield painter.step(record, seconds[record.lane])
        for lane in lanes:
            picture = painter.pictures[lane.index]
            numbers = {**_fidelity(picture, original, reference), "consistency": consistency(picture, small)}
            yield LaneResult(lane.index, picture, lane.n, seconds[lane.index], measures=numbers)


def _drawn(request: EnlargeRequest, house: House, began: float) -> Generator[Step, None, np.ndarray]:
    """The Steps of a small picture; it is what this returns."""
    settings = LaneSettings(steps=DRAWING_STEPS, seed=request.seed, guidance_scale=request.guidance_scale)
    with house.lease(DRAWN_BY) as model:
        denoiser, halves = model.denoiser(FORWARD), (model.conditioning(request.condition), model.unconditional())
        painter = Painter(model, house.company)
        for record in house.drive(denoiser, [make_lane(SMALL, settings, denoiser, *halves)]):
            yield painter.step(record, time.perf_counter() - began)
    return painter.pictures[SMALL]


def _lane(index: int, settings: EnlargeLane, small: np.ndarray, upsampler: LoadedUpsampler) -> Lane:
    """DDIM from the noise of its seed. The seed gives first the noise of augmentation, then x_T, whatever the step of
    augmentation: so lanes that differ by it alone differ by nothing else."""
    side, noise = small.shape[0], StepNoise(settings.seed)
    denoiser = upsampler.denoiser(FACTOR * side)
    eps, x_T = noise.initial((3, side, side)), noise.initial(denoiser.shape)
    scheduler = make_scheduler(
        "DDIM", denoiser.process, denoiser.prediction_type, settings.steps, "trailing", upsampler.options
    )
    return Lane(
        index, scheduler, x_T, noise, upsampler.conditioning(to_signed(small, (side, side)), settings.noise, eps)
    )


def _fidelity(picture: np.ndarray, original: np.ndarray | None, reference: np.ndarray) -> Mapping[str, float]:
    """How near a picture is to the original, where there is one, and how much detail it has beside the reference."""
    near = {} if original is None else {"psnr": psnr(picture, original)}
    return {**near, "detail": detail(picture, reference)}


def _by_formula(small: np.ndarray, name: str) -> np.ndarray:
    """A picture at FACTOR times its side, by a row of FORMULAS (Keys 1981 with a = -1/2 for bicubic; Duchon 1979, three lobes, for
    Lanczos)."""
    height, width = small.shape[:2]
    return np.array(Image.fromarray(small).resize((FACTOR * width, FACTOR * height), FILTERS[name]))
