"""What a picture costs under a diffusion model, term by term (Ho et al. 2020, sections 3 and 4.3)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from lab.catalog import MODELS, Model
from lab.engine.denoisers import Denoiser
from lab.engine.distances import rms
from lab.engine.lanes import Record
from lab.engine.ledger import Chain, make_chain, survey, term_bits, walk
from lab.engine.likelihood import prior_term
from lab.engine.noising import alphas_cumprod
from lab.models.loaders import LoadedModel
from lab.models.pictures import resized
from lab.operations.house import House
from lab.operations.limits import check_load
from lab.operations.loading import loading
from lab.operations.painter import spread
from lab.requests.base import Event, LabError, Note
from lab.requests.fields import Forward
from lab.requests.ledger import LedgerPrior, LedgerRequest, LedgerTerm

GREY_LEVELS = 255 / 2  # of a unit of x_0, whose values lie in [-1, 1]


def ledger(request: LedgerRequest, house: House) -> Iterator[Event]:
    """A LedgerPrior, then one LedgerTerm a call, from the noisiest on. Raises LabError where the model works on latents."""
    check_pixels(MODELS[request.model])
    check_load(request, house.settings)
    yield from loading(house, request.model)
    with house.lease(request.model) as model:
        yield from size_notes(request.picture, model)
        account = open_account(request, model)
        yield LedgerPrior(account.prior, account.x_0.numel(), model.to_picture(account.x_0), 0, False)
        frames = spread(request.calls, request.frames)
        for i, record in account.records(house):
            yield _term(account, i, record, i in frames)


def check_pixels(row: Model) -> None:
    """Refuse a model whose x_0 is no picture."""
    if row.latent:
        raise LabError(
            f"'{row.title}' works on an autoencoder's latents, whose bits are not those of the picture. Choose the miniature "
            "pixel diffusion or an exact denoiser."
        )


def size_notes(picture: np.ndarray, model: LoadedModel) -> Iterator[Note]:
    """Says so where the picture has another size than the model's."""
    height, width = picture.shape[:2]
    if (height, width) != (model.side, model.side):
        yield Note(f"The picture has {width} × {height} pixels; its bill is that of {model.side} × {model.side}.")


@dataclass(frozen=True, eq=False)
class Account:
    """What the bill of one picture is worked out from."""

    model: LoadedModel
    denoiser: Denoiser
    chain: Chain
    x_0: Tensor  # (channels, height, width), on the 8-bit grid
    path: Tensor  # (T, channels, height, width)

    @property
    def prior(self) -> float:
        """L_T, in bits of the whole picture."""
        return float(prior_term(self.x_0[None].double(), self.chain.alphas_cumprod)) * self.x_0.numel()

    def visits(self) -> list[tuple[Tensor, float]]:
        """x_t and its timestep for every term, the noisiest first."""
        return list(zip(self.path.flip(0), self.chain.timesteps[::-1], strict=True))

    def records(self, house: House) -> Iterator[tuple[int, Record]]:
        """One record a term, with its number."""
        lanes = survey(self.visits(), self.model.unconditional(), house.settings.max_batch_rows)
        for record in house.drive(self.denoiser, lanes):
            if record.i < record.n:
                yield record.i * len(lanes) + record.lane, record

    def bits(self, i: int, record: Record) -> dict[str, float]:
        """Of term i, by variance."""
        k = len(self.chain) - 1 - i
        return term_bits(self.chain.posterior(k), self.x_0, self.path[k], record.x_0, record.variance)


def open_account(request: Any, model: LoadedModel, picture: np.ndarray | None = None) -> Account:
    """The account of a LedgerRequest's picture, or of another one."""
    schedules = MODELS[request.model].schedules
    own = request.schedule in schedules
    denoiser: Any = model.denoiser(Forward(schedule=request.schedule if own else schedules[0]))
    process = denoiser.process
    chain = (
        make_chain(process.alphas_cumprod, request.calls)
        if own
        else make_chain(alphas_cumprod(request.schedule, 1000), request.calls, process)
    )
    x_0 = model.from_picture(resized(request.picture if picture is None else picture, model.side))
    return Account(model, denoiser, chain, x_0, walk(x_0, chain, request.seed))


def _term(account: Account, i: int, record: Record, framed: bool) -> LedgerTerm:
    paint = account.model.to_picture
    return LedgerTerm(
        i=i,
        n=len(account.chain),
        t=record.t,
        log_snr=record.log_snr,
        bits=account.bits(i, record),
        rms=rms(record.x_0, account.x_0) * GREY_LEVELS,
        x_t=paint(record.x_t) if framed else None,
        x_0=paint(record.x_0) if framed else None,
    )
