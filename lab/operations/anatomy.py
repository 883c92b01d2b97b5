"""Every guided step of a lane, taken apart."""

from collections.abc import Iterator, Sequence

import torch

from lab.catalog import MODELS
from lab.engine.denoisers import Denoiser
from lab.engine.guidance import classifier_free
from lab.engine.lanes import Record
from lab.engine.predictions import split_prediction
from lab.models.loaders import LoadedModel
from lab.operations.house import House
from lab.operations.lanes import Halves, make_lane
from lab.operations.limits import check_load, check_model
from lab.operations.loading import loading
from lab.operations.prompts import as_captions, unread_notes
from lab.requests.anatomy import Anatomy, AnatomyRequest
from lab.requests.base import Event, LabError
from lab.requests.sampling import SamplingRequest


def anatomy(request: AnatomyRequest, house: House) -> Iterator[Event]:
    """Draw one lane and take every guided step of it apart."""
    request, notes = as_captions(request)
    yield from notes
    lane_request = SamplingRequest(
        model=request.model, condition=request.condition, negative=request.negative, forward=request.forward,
        lanes=(request.lane,),
    )  # fmt: skip
    check_model(lane_request, house.settings)
    check_load(request, house.settings)
    yield from loading(house, request.model)
    with house.lease(request.model) as model:
        if model.distilled:
            raise LabError(
                f"'{MODELS[request.model].title}' was distilled with its guidance: a step of it has no two halves."
            )
        denoiser = model.denoiser(request.forward)
        yield from unread_notes(model, request.condition, request.negative)
        conditional, unconditional = Halves(lane_request, model).of(request.lane)
        lane = make_lane(0, request.lane, denoiser, conditional, unconditional)
        lane.always_both = True
        for record in house.drive(denoiser, [lane]):
            if record.halves:
                yield _anatomy(record, request.scales, denoiser, model)


def _anatomy(record: Record, scales: Sequence[float], denoiser: Denoiser, model: LoadedModel) -> Anatomy:
    halves = [
        split_prediction(half, record.x_t, record.level, denoiser.prediction_type) for half in record.halves or ()
    ]
    (clean, eps), (clean_u, eps_u) = halves
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
        x_0=tuple(model.to_picture(classifier_free(clean, clean_u, scale)) for scale in scales),
    )
