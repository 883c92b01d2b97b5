"""What a picture costs under a diffusion model, term by term (Ho et al. 2020, sections 3 and 4.3)."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from lab.catalog import MODELS
from lab.engine.distances import rms
from lab.engine.lanes import Record
from lab.engine.ledger import log_variances
from lab.engine.likelihood import OdeDensity, bound_nats, ode_timesteps
from lab.engine.noising import stream_seed
from lab.models.loaders import LoadedModel
from lab.models.pictures import resized
from lab.models.sources import folder_of
from lab.operations.bounds import Bound, ModelChain, check_pixels, check_variance, size_notes
from lab.operations.examples import Titled, noise, of_set, photographs, styled
from lab.operations.house import House
from lab.operations.limits import check_load
from lab.operations.loading import loading
from lab.operations.nearest import GREY_LEVELS
from lab.operations.painter import spread
from lab.operations.sources import drawn
from lab.requests.base import Event
from lab.requests.fields import MAX_SEED, Forward
from lab.requests.ledger import (
    KINDS,
    Bill,
    BillsRequest,
    LedgerPrior,
    LedgerRequest,
    LedgerTerm,
    Likelihood,
    LikelihoodRequest,
    OpenedStep,
    StepRequest,
)

BIN = 2 / 255  # the width of a byte's bin in [-1, 1]
TOGETHER = 256  # terms of several bills that are driven together: enough for full calls


def ledger(request: LedgerRequest, house: House) -> Iterator[Event]:
    """A LedgerPrior, then one LedgerTerm a call, from the noisiest on. Raises LabError where the model works on latents."""
    check_pixels(request.model)
    check_load(request, house.settings)
    yield from loading(house, request.model)
    with house.lease(request.model) as model:
        yield from size_notes(request.picture, model)
        along = ModelChain(request.model, model, request.schedule, request.calls, house)
        bound = along.bound(request.picture, request.seed)
        yield LedgerPrior(bound.prior, bound.x_0.numel(), model.to_picture(bound.x_0), bound.pictures, bound.known)
        frames = framed(request.calls, request.frames)
        for i, record in along.records([bound]):
            yield _term(bound, i, record, model if i in frames else None)


def framed(n: int, count: int) -> frozenset[int]:
    """At most `count` of the terms 0 .. n - 1, the first and the last among them: every other one evenly spaced, the rest ever
    closer towards the picture, where most of the bits are (Nichol & Dhariwal 2021, Figure 2)."""
    if count >= n:
        return frozenset(range(n))
    close = count // 2 if count > 3 else 0
    return spread(n, count - close) | {n - round(rest) for rest in np.geomspace(1, n, close)}


def _term(bound: Bound, i: int, record: Record, painter: LoadedModel | None) -> LedgerTerm:
    """Term i, with pictures where there is who paints them."""
    return LedgerTerm(
        i=i,
        n=len(bound.chain),
        t=record.t,
        log_snr=record.log_snr,
        bits=bound.bits(i, record),
        rms=rms(record.x_0, bound.x_0) * GREY_LEVELS,
        x_t=painter.to_picture(record.x_t) if painter else None,
        x_0=painter.to_picture(record.x_0) if painter else None,
    )


def opened_step(request: StepRequest, house: House) -> Iterator[Event]:
    """One OpenedStep. Raises LabError where the model has no such variance, or works on latents."""
    bill = request.ledger
    check_pixels(bill.model)
    check_variance(bill.model, request.variance)
    yield from loading(house, bill.model)
    with house.lease(bill.model) as model:
        along = ModelChain(bill.model, model, bill.schedule, bill.calls, house)
        bound = along.bound(bill.picture, bill.seed)
        yield _open(bound, request, along.look(bound, request.i), model)


def _open(bound: Bound, request: StepRequest, record: Record, model: LoadedModel) -> OpenedStep:
    posterior, guess, x_t = bound.posterior(request.i), record.x_0.double(), record.x_t.double()
    v = None if record.variance is None else record.variance[None]
    log_variance = log_variances(posterior, v)[request.variance].expand(1, *guess.shape)
    nats = bound_nats(posterior, bound.x_0[None].double(), x_t[None], guess[None], log_variance)
    bits, variances = nats[0].sum(0).clamp(min=0) / math.log(2), log_variance[0].exp()
    return OpenedStep(
        i=request.i,
        t=record.t,
        log_snr=record.log_snr,
        x_t=model.to_picture(x_t),
        guess=model.to_picture(guess),
        mean=model.to_picture(posterior.mean(bound.x_0.double(), x_t)[0]),
        predicted_mean=model.to_picture(posterior.mean(guess, x_t)[0]),
        variance=float(posterior.log_variance.exp()),
        predicted_variance=(float(variances.min()), float(variances.mean()), float(variances.max())),
        variance_map=_as_map(variances.mean(0)),
        kl_map=_as_map(bits),
        most_bits=float(bits.max()),
        bits=float(bits.sum()),
    )


def _as_map(values: Tensor) -> np.ndarray:
    """(height, width) of values from 0 on as uint8, the largest of them 255."""
    return (values / values.max().clamp(min=1e-300) * 255).round().to(torch.uint8).numpy()


def bills(request: BillsRequest, house: House) -> Iterator[Event]:
    """One Bill a picture, in the order of the request's kinds. Raises LabError where the model works on latents."""
    check_pixels(request.model)
    check_load(request, house.settings)
    yield from loading(house, request.model)
    with house.lease(request.model) as model:
        along = ModelChain(request.model, model, request.schedule, request.calls, house)
        if request.own is not None:
            yield from size_notes(request.own, model)
        titled, together = list(enumerate(_titled(request, along))), max(1, TOGETHER // request.calls)
        for start in range(0, len(titled), together):
            yield from _bills(request, along, titled[start : start + together])


def _bills(request: BillsRequest, along: ModelChain, titled: Sequence[tuple[int, Titled]]) -> Iterator[Bill]:
    """The bills of some pictures with their indices, driven together; only their paths are in memory."""
    bounds = [along.bound(picture, request.seed) for _, (_, picture) in titled]
    parts: list[list[dict[str, float]]] = [[] for _ in titled]
    for number, record in along.records(bounds):
        place, i = divmod(number, request.calls)
        parts[place].append(bounds[place].bits(i, record))
        if len(parts[place]) == request.calls:
            index, (title, _) = titled[place]
            yield _bill(request, index, title, bounds[place], parts[place], along.model)


def _titled(request: BillsRequest, along: ModelChain) -> list[Titled]:
    """The pictures of all kinds, with what they are called."""
    row, side, each, seed = MODELS[request.model], along.model.side, request.each, request.seed
    folder = folder_of(MODELS[row.data or row.name].source, along.house.settings)
    photos = photographs(side, each)
    pictures = {
        "training": of_set(folder, False, side, each, seed),
        "held-out": of_set(folder, True, side, each, seed),
        "drawn": _drawn(request, along) if "drawn" in request.kinds else (),
        "photograph": photos,
        "styled": tuple((title, styled(photo)) for title, photo in photos),
        "noise": tuple((f"Noise {number + 1}", noise(side, number, seed)) for number in range(each)),
        "own": () if request.own is None else (("Your picture", request.own),),
    }
    return [one for kind in KINDS for one in pictures[kind]]


def _drawn(request: BillsRequest, along: ModelChain) -> tuple[Titled, ...]:
    """Pictures that the model draws, from seeds that no other run's bills have."""
    seeds = [(request.seed * request.each + number) % (MAX_SEED + 1) for number in range(request.each)]
    pictures = drawn(along.model, along.denoiser, seeds, along.house)
    return tuple((f"Seed {seed}", picture) for seed, picture in zip(seeds, pictures, strict=True))


def _bill(
    request: BillsRequest, index: int, title: str, bound: Bound, parts: list[dict[str, float]], model: LoadedModel
) -> Bill:
    bits = {name: bound.prior + sum(part[name] for part in parts) for name in parts[0]}
    return Bill(
        index=index,
        kind=request.kinds[index],
        title=title,
        picture=model.to_picture(bound.x_0),
        bits=bits,
        bits_per_dimension={name: number / bound.x_0.numel() for name, number in bits.items()},
    )


def likelihood(request: LikelihoodRequest, house: House) -> Iterator[Event]:
    """One Likelihood. Raises LabError where the model works on latents."""
    check_pixels(request.model)
    check_load(request, house.settings)
    yield from loading(house, request.model)
    with house.lease(request.model) as model:
        yield from size_notes(request.picture, model)
        x_0 = model.from_picture(resized(request.picture, model.side))
        uniform = torch.rand(x_0.shape, generator=torch.Generator().manual_seed(stream_seed(request.seed, 0)))
        schedules = MODELS[request.model].schedules
        denoiser = model.denoiser(Forward(schedule="cosine" if "cosine" in schedules else schedules[0]))
        timesteps = ode_timesteps(denoiser.process, request.steps)
        dequantised = x_0 + (uniform - 0.5) * BIN  # anywhere in the bin of each byte
        ode = OdeDensity(denoiser, dequantised[None], [model.unconditional()], timesteps, request.seed)
        for _ in range(ode.steps):
            house.compute(ode.step)
        bits = -float(ode.log_density()) / math.log(2) - x_0.numel() * math.log2(BIN)
        yield Likelihood(bits, bits / x_0.numel(), request.steps)
