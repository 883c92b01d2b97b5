"""Every guided step of a lane, taken apart."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial

import torch
from torch import Tensor

from lab.catalog import GUIDANCE, MODELS
from lab.engine.denoisers import Denoiser
from lab.engine.guidance import classifier_free
from lab.engine.lanes import Lane, Record
from lab.engine.potentials import Guide
from lab.engine.predictions import split_prediction
from lab.models.loaders import LoadedModel
from lab.operations.guides import make_guides
from lab.operations.house import House
from lab.operations.lanes import Halves, make_lane
from lab.operations.limits import check_load, check_model
from lab.operations.loading import loading
from lab.operations.prompts import as_captions, unread_notes
from lab.operations.pulls import Apart, take_apart
from lab.requests.anatomy import Anatomy, AnatomyRequest, Pull
from lab.requests.base import Event, LabError
from lab.requests.sampling import SamplingRequest


def anatomy(request: AnatomyRequest, house: House) -> Iterator[Event]:
    """Draw one lane and take every guided step of it apart."""
    request, notes = as_captions(request)
    yield from notes
    lane_request = SamplingRequest(
        model=request.model, condition=request.condition, negative=request.negative, forward=request.forward,
        guide=request.guide, lanes=(request.lane,),
    )  # fmt: skip
    check_model(lane_request, house.settings)
    check_load(request, house.settings)
    yield from loading(house, *request.models())
    with ExitStack() as leases:
        model = leases.enter_context(house.lease(request.model))
        if model.distilled:
            raise LabError(
                f"'{MODELS[request.model].title}' was distilled with its guidance: a step of it has no two halves."
            )
        networks = {name: leases.enter_context(house.lease(name)) for name in lane_request.networks()}
        guides = make_guides(lane_request, model, model.denoiser(request.forward), networks)
        yield from unread_notes(model, request.condition, request.negative)
        halves = Halves(lane_request, model, guides=guides.potentials)
        lane = make_lane(0, request.lane, guides.denoiser, *halves.of(request.lane))
        if GUIDANCE[request.lane.rule].guide:
            yield from _guided(request, lane, guides.denoiser, halves, model, house)
            return
        lane.always_both = True
        for record in house.drive(guides.denoiser, [lane]):
            if record.halves:
                yield _anatomy(record, request.scales, guides.denoiser, model)


def _guided(
    request: AnatomyRequest, lane: Lane, denoiser: Denoiser, halves: Halves, model: LoadedModel, house: House
) -> Iterator[Anatomy]:
    """The steps of a lane whose rule has a guide: both halves as they are, and what the guide changes."""
    origin = GUIDANCE[request.lane.rule].origin
    guided = lane.conditional if isinstance(lane.conditional, Guide) else lane.unconditional
    for record in house.drive(denoiser, [lane]):
        if record.i == record.n:
            return
        apart, pull = house.compute(
            partial(take_apart, denoiser, record, guided, halves.conditional, halves.unconditional, model)
        )  # in turn with the lanes: it calls networks

        def x_0_at(scale: float, apart: Apart = apart, record: Record = record) -> Tensor:
            eps = apart.base + (scale - origin) * apart.change
            return split_prediction(eps, record.x_t, record.level, "epsilon")[0]

        yield _event(record, apart.unconditional, apart.conditional, [x_0_at(s) for s in request.scales], model, pull)


def _anatomy(record: Record, scales: Sequence[float], denoiser: Denoiser, model: LoadedModel) -> Anatomy:
    halves = [
        split_prediction(half, record.x_t, record.level, denoiser.prediction_type) for half in record.halves or ()
    ]
    (clean, eps), (clean_u, eps_u) = halves
    return _event(record, eps_u, eps, [classifier_free(clean, clean_u, scale) for scale in scales], model)


def _event(
    record: Record, eps_u: Tensor, eps: Tensor, x_0: Sequence[Tensor], model: LoadedModel, pull: Pull | None = None
) -> Anatomy:
    difference = eps - eps_u
    heat = difference.square().mean(0).sqrt()
    return Anatomy(
        i=record.i,
        n=record.n,
        t=record.t,
        log_snr=record.log_snr,
        x_t=model.preview(record.x_t / 2),
        unconditional=model.preview(eps_u / 2),
        conditional=model.preview(eps / 2),
        difference=(heat / heat.max().clamp(min=1e-9) * 255).to(torch.uint8).numpy(),
        norms=tuple(float(part.square().mean().sqrt()) for part in (eps_u, eps, difference)),  # type: ignore[arg-type]
        x_0=tuple(model.to_picture(one) for one in x_0),
        pull=pull,
    )
