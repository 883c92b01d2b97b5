"""The variational bound of a picture under a model of the lab (Ho et al. 2020, eq. 5): what operations on bills share."""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from lab.catalog import MODELS
from lab.engine.lanes import Record, look
from lab.engine.ledger import make_chain, survey, term_bits, walk
from lab.engine.likelihood import Posterior, prior_term
from lab.engine.noising import alphas_cumprod
from lab.models.exact import Memoriser
from lab.models.loaders import LoadedModel
from lab.models.pictures import resized
from lab.operations.house import House
from lab.requests.base import LabError, Note
from lab.requests.fields import Forward

T = 1000  # timesteps of a schedule
BLOCK = 64  # levels of a path at which the memoriser is asked at once


def check_pixels(name: str) -> None:
    """Refuse a model whose x_0 is no picture."""
    row = MODELS[name]
    if row.latent:
        raise LabError(
            f"'{row.title}' works on an autoencoder's latents, whose bits are not those of the picture. Choose the miniature "
            "pixel diffusion or an exact denoiser."
        )


def check_variance(name: str, variance: str) -> None:
    """Refuse a variance of the reverse step that the model does not have, or that is none of a normal distribution."""
    row = MODELS[name]
    if variance == "exact":
        raise LabError(
            "The exact step is a mixture: its bits do not divide into those of its pixels. Choose a fixed variance."
            if row.family == "exact"
            else f"'{row.title}' knows no exact step; its own is a normal distribution. Choose another variance."
        )
    if variance == "learned" and not row.learned_variance:
        raise LabError(f"'{row.title}' learned no variance. Choose a fixed one.")


def size_notes(picture: np.ndarray, model: LoadedModel) -> Iterator[Note]:
    """Says so where the picture has another size than the model's."""
    height, width = picture.shape[:2]
    if (height, width) != (model.side, model.side):
        yield Note(f"The picture has {width} × {height} pixels; its bits are those of {model.side} × {model.side}.")


class ModelChain:
    """A model along `calls` reverse steps of a schedule. One that was trained under another schedule is asked at the timesteps
    of equal SNR."""

    def __init__(self, name: str, model: LoadedModel, schedule: str, calls: int, house: House) -> None:
        row = MODELS[name]
        own = schedule in row.schedules
        self.model: Any = model
        self.denoiser: Any = model.denoiser(Forward(schedule=schedule if own else row.schedules[0]))
        self.house, self.exact = house, row.family == "exact"
        process: Any = self.denoiser.process  # variance preserving, as of all models on pixels
        table = process.alphas_cumprod if own else alphas_cumprod(schedule, T)
        self.chain = make_chain(table, calls, None if own else process)

    def bound(self, picture: np.ndarray, seed: int) -> "Bound":
        """The bound of a picture (height, width, 3) of any size, along the path of a seed."""
        return Bound(self, self.model.from_picture(resized(picture, self.model.side)), seed)

    def look(self, bound: "Bound", i: int) -> Record:
        """The record of one term."""
        x_t, t = bound.visits()[i]
        return look(self.house.drive, self.denoiser, x_t, t, self.model.unconditional())

    def records(self, bounds: Sequence["Bound"]) -> Iterator[tuple[int, Record]]:
        """A record for every term of all bounds, one after the other, with its number among all."""
        visits = [visit for bound in bounds for visit in bound.visits()]
        lanes = survey(visits, self.model.unconditional(), self.house.settings.max_batch_rows)
        for record in self.house.drive(self.denoiser, lanes):
            if record.i < record.n:
                yield record.i * len(lanes) + record.lane, record


class Bound:
    """The variational bound of one x_0 (channels, height, width), 8-bit values in [-1, 1]. Term 0 is the noisiest."""

    def __init__(self, along: ModelChain, x_0: Tensor, seed: int) -> None:
        self.chain, self.x_0, self._compute = along.chain, x_0, along.house.compute
        self.path = walk(x_0, self.chain, seed)  # (T, channels, height, width)
        data = along.model.data if along.exact else None
        self.pictures = 0 if data is None else len(data)
        self.memoriser = None if data is None else self._compute(partial(Memoriser, data, x_0))
        self._information: dict[int, Tensor] = {}  # of the memoriser, by block of levels

    @property
    def prior(self) -> float:
        """L_T, in bits of the whole picture."""
        return float(prior_term(self.x_0[None].double(), self.chain.alphas_cumprod)) * self.x_0.numel()

    @property
    def known(self) -> bool:
        """Whether an exact model's set holds x_0."""
        return self.memoriser is not None and self.memoriser.known

    def visits(self) -> list[tuple[Tensor, float]]:
        """x_t and its timestep for every term."""
        return list(zip(self.path.flip(0), self.chain.timesteps[::-1], strict=True))

    def posterior(self, i: int) -> Posterior:
        """q(x_{t-1} | x_t, x_0) of term i."""
        return self.chain.posterior(len(self.chain) - 1 - i)

    def bits(self, i: int, record: Record) -> dict[str, float]:
        """Term i in bits of the whole picture, by variance. The memoriser's first one counts what x_T says already."""
        k = len(self.chain) - 1 - i
        bits = term_bits(self.posterior(i), self.x_0, self.path[k], record.x_0, record.variance)
        if self.memoriser is None:
            return bits
        before = self._information_at(k) if i else 0.0
        return {**bits, "exact": (self._information_at(k - 1) - before) / math.log(2)}

    def _information_at(self, k: int) -> float:
        """Memoriser.information at step k of the chain; at -1 that of x_0 itself."""
        assert self.memoriser is not None
        if k < 0:
            return self.memoriser.whole
        block, place = divmod(k, BLOCK)
        if block not in self._information:
            levels = slice(block * BLOCK, (block + 1) * BLOCK)
            ask = partial(self.memoriser.information, self.path[levels], self.chain.alphas_cumprod[levels])
            self._information[block] = self._compute(ask)
        return float(self._information[block][place])
