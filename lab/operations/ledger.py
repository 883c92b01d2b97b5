"""What a picture costs under a diffusion model, term by term (Ho et al. 2020, sections 3 and 4.3)."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from lab.engine.distances import rms
from lab.engine.lanes import Record
from lab.engine.ledger import log_variances
from lab.engine.likelihood import bound_nats
from lab.models.loaders import LoadedModel
from lab.operations.bounds import Bound, ModelChain, check_pixels, check_variance, size_notes
from lab.operations.house import House
from lab.operations.limits import check_load
from lab.operations.loading import loading
from lab.operations.painter import spread
from lab.requests.base import Event
from lab.requests.ledger import LedgerPrior, LedgerRequest, LedgerTerm, OpenedStep, StepRequest

GREY_LEVELS = 255 / 2  # of a unit of x_0, whose values lie in [-1, 1]


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
        frames = spread(request.calls, request.frames)
        for i, record in along.records([bound]):
            yield _term(bound, i, record, model if i in frames else None)


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
