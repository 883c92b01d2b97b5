"""What a picture costs under a diffusion model, term by term (Ho et al. 2020, sections 3 and 4.3)."""

from collections.abc import Iterator

from lab.engine.distances import rms
from lab.engine.lanes import Record
from lab.models.loaders import LoadedModel
from lab.operations.bounds import Bound, ModelChain, check_pixels, size_notes
from lab.operations.house import House
from lab.operations.limits import check_load
from lab.operations.loading import loading
from lab.operations.painter import spread
from lab.requests.base import Event
from lab.requests.ledger import LedgerPrior, LedgerRequest, LedgerTerm

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
