"""What autoencoders of several factors keep of a picture, and what a step of a UNet costs on their latents (Rombach et al. 2022)."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
import torch

from lab.catalog import MODELS
from lab.measures import psnr, ssim
from lab.models.families import LoadedAutoencoder
from lab.models.sources import folder_of
from lab.models.tensors import to_signed, to_uint8
from lab.operations.examples import of_set
from lab.operations.house import House
from lab.operations.limits import check_load
from lab.operations.loading import loading
from lab.requests.base import Event
from lab.requests.factor import AUTOENCODERS, PIXELS, SIDE, UNET, Encoded, FactorRequest, HeldOut, StepTime
from lab.requests.fields import Forward

DATA = "exact"  # the row whose folder has the held-out pictures
TIMESTEP = 500  # at which the UNet is asked; it costs the same at all


def factor(request: FactorRequest, house: House) -> Iterator[Event]:
    """Encoded for each autoencoder, StepTime for each side from the smallest on, then HeldOut for each of factor 2, 4 and 8."""
    check_load(request, house.settings)
    yield from loading(house, *request.models())
    with ExitStack() as leases:
        models = {name: leases.enter_context(house.lease(name)) for name in request.models()}
        coders = {name: _coder(models[name]) for name in request.names}
        shapes = dict[str, tuple[int, int, int]]()
        for name, coder in coders.items():
            side = SIDE if name in AUTOENCODERS else models[name].side
            encoded = house.compute(partial(_encode, name, coder, request.picture, side))
            shapes[name] = encoded.latents.shape
            yield encoded
        shapes[PIXELS] = (shapes[UNET][0], SIDE, SIDE)
        yield from _timed(models, shapes, request.repeats, house)
        if request.held_out:
            folder = folder_of(MODELS[DATA].source, house.settings)
            pictures = [picture for _, picture in of_set(folder, True, SIDE, request.held_out, 0)]
            for name in AUTOENCODERS:
                yield _held_out(name, coders[name], pictures, house)


def _coder(model: Any) -> LoadedAutoencoder:
    """The autoencoder of a row, which is all of it or a part."""
    return model if isinstance(model, LoadedAutoencoder) else LoadedAutoencoder(model.autoencoder)


def _encode(name: str, coder: LoadedAutoencoder, picture: np.ndarray, side: int) -> Encoded:
    seen = to_uint8(to_signed(picture, (side, side)))
    latents = coder.encode(to_signed(seen, (side, side)))
    decoded = to_uint8(coder.decode(latents))
    return Encoded(name, seen, latents.numpy(), decoded, psnr(decoded, seen), ssim(decoded, seen))


def _timed(
    models: Mapping[str, Any], shapes: Mapping[str, tuple[int, int, int]], repeats: int, house: House
) -> Iterator[StepTime]:
    """A StepTime for each shape, smallest first; other models than UNET last, by their own UNet. Steps of all shapes take turns, so
    that what else the machine does meanwhile meets all alike, and the first of each is not counted."""
    names = sorted(shapes, key=lambda name: (name not in (PIXELS, *AUTOENCODERS), np.prod(shapes[name])))
    steps = {name: _step(UNET if name in (PIXELS, *AUTOENCODERS) else name, models, shapes[name]) for name in names}
    elapsed: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(repeats + 1):
        for name, step in steps.items():
            elapsed[name].append(house.compute(partial(_seconds, step)))
    for name in names:
        yield StepTime(name, shapes[name], tuple(elapsed[name][1:]))


def _step(row: str, models: Mapping[str, Any], shape: tuple[int, int, int]) -> Callable[[], Any]:
    """A step of a row's UNet on noise of a shape."""
    denoiser = models[row].denoiser(Forward(schedule=MODELS[row].schedules[0]))
    x_t = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))
    return partial(denoiser.by_torch, x_t, torch.tensor([TIMESTEP]), [models[row].unconditional()])


def _seconds(step: Callable[[], Any]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def _held_out(name: str, coder: LoadedAutoencoder, pictures: list[np.ndarray], house: House) -> HeldOut:
    found = [house.compute(partial(_encode, name, coder, picture, SIDE)) for picture in pictures]
    return HeldOut(name, tuple(one.psnr for one in found), tuple(one.ssim for one in found))
