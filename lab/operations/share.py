"""The share of two groups in what samplers end in (Song & Ermon 2019, Figure 3), on pictures."""

import time
from collections.abc import Iterator

from torch import Tensor

from lab.catalog import MODELS
from lab.engine.denoisers import Denoiser
from lab.engine.lanes import Lane, Record
from lab.models.exact import TwoGroups
from lab.models.loaders import LoadedModel
from lab.operations.house import House
from lab.operations.lanes import make_lane
from lab.operations.limits import check_load, check_model
from lab.operations.loading import loading
from lab.requests.base import Event, LabError
from lab.requests.share import SEEN, GroupStep, ShareRequest


def share(request: ShareRequest, house: House) -> Iterator[Event]:
    """Draw the pictures of all samplers in company; a GroupStep for some steps of each lane and for its end. Raises LabError
    where the model is not exact: of no other are the data known."""
    if MODELS[request.model].family != "exact":
        raise LabError(
            f"'{MODELS[request.model].title}' learned from all its pictures; nobody knows its share of two groups. "
            "Choose an exact denoiser."
        )
    check_model(request.sampling, house.settings)
    check_load(request, house.settings)
    yield from loading(house, request.model)
    with house.lease(request.model) as model:
        data = model.two_groups(request.groups, request.counts)
        denoiser, began = model.denoiser(request.forward), time.perf_counter()
        for record in house.drive(denoiser, _lanes(request, denoiser, data)):
            if record.i == record.n or record.i % -(-record.n // SEEN) == 0:
                yield _step(record, model, data, time.perf_counter() - began)


def _lanes(request: ShareRequest, denoiser: Denoiser, data: TwoGroups) -> list[Lane]:
    return [
        make_lane(index, settings, denoiser, data.support, None, _start(request, data, settings.seed))
        for index, settings in enumerate(request.lanes)
    ]


def _start(request: ShareRequest, data: TwoGroups, seed: int) -> Tensor | None:
    """The picture that a lane starts near; None for pure noise."""
    return data.picture(request.groups.index(request.start), seed) if request.start else None


def _step(record: Record, model: LoadedModel, data: TwoGroups, elapsed_s: float) -> GroupStep:
    return GroupStep(
        record.lane, record.i, record.n, record.t, record.log_snr, model.preview(record.x_t), model.to_picture(record.x_0),
        elapsed_s, group=data.group_of(record.x_0),
    )  # fmt: skip
