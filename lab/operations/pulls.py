"""What a guide does at a step of a lane: its gradient, its direction beside classifier-free guidance's, what it believes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lab.catalog import GROUPS
from lab.engine.autoguidance import BySecond
from lab.engine.denoisers import Denoiser
from lab.engine.lanes import Record
from lab.engine.potentials import Guide, Potential
from lab.engine.predictions import split_prediction
from lab.engine.process import Level
from lab.models.guides import Classified, ExactlyClassified
from lab.models.loaders import LoadedModel
from lab.requests.anatomy import Pull

FAINTEST = 0.01  # of a change of eps: what is smaller than this looks grey
ASKED, OTHERS = "as asked", "all else"  # what the exact classifier tells apart


@dataclass(frozen=True)
class Apart:
    """One step under a guide. All are (channels, height, width) on the CPU."""

    conditional: Tensor  # eps with the condition
    unconditional: Tensor
    base: Tensor  # eps that the guide's change is added to
    change: Tensor  # of eps, at scale 1
    x_0: Tensor  # predicted by the conditional half


def take_apart(
    denoiser: Denoiser, record: Record, guided: Any, conditional: Any, unconditional: Any, model: LoadedModel
) -> tuple[Apart, Pull]:
    """What the rows of a step predict: both halves, and the half that a guide changes with its change; and what the event says
    of it. `guided` is the lane's own conditioning, `denoiser` one that heeds it."""
    if isinstance(guided, Guide):
        base = guided.conditioning
        rows = [conditional, unconditional, base, Guide(base, guided.potential, 1.0, guided.variable)]
    else:
        rows = [conditional, unconditional, BySecond(conditional), conditional]
    x_t, t = record.x_t.expand(len(rows), *record.x_t.shape), torch.full((len(rows),), record.t)
    prediction = denoiser(x_t, t, rows)[:, : record.x_t.shape[0]]
    x_0, eps = split_prediction(prediction, x_t, record.level, denoiser.prediction_type)
    apart = Apart(eps[0], eps[1], eps[2], eps[3] - eps[2], x_0[0])
    return apart, _pull(apart, record, guided, model)


def _pull(apart: Apart, record: Record, guided: Any, model: LoadedModel) -> Pull:
    """The event's part of a step under a guide."""
    change, difference = apart.change, apart.conditional - apart.unconditional
    heat = change.square().mean(0).sqrt()
    most = change.abs().max().clamp(min=FAINTEST)
    potential = guided.potential if isinstance(guided, Guide) else None
    level = _row_of(record.level)
    with torch.no_grad():
        at = apart.x_0 if potential is not None and guided.variable == "x_0" else record.x_t
        beliefs, wanted = _beliefs(potential, record.x_t[None], level)
        value = None if potential is None else float(potential(at[None], level)[0])
    return Pull(
        picture=model.preview(change / most),
        heat=(heat / heat.max().clamp(min=1e-9) * 255).to(torch.uint8).numpy(),
        rms=float(change.square().mean().sqrt()),
        cosine=_cosine(change, difference),
        beliefs=beliefs,
        wanted=wanted,
        potential=value,
    )


def _row_of(level: Level[float]) -> Level[Tensor]:
    return Level(torch.tensor([level.signal], dtype=torch.float64), torch.tensor([level.noise], dtype=torch.float64))


def _cosine(a: Tensor, b: Tensor) -> float | None:
    size = float(a.norm() * b.norm())
    return float((a * b).sum()) / size if size > 1e-12 else None


def _beliefs(potential: Potential | None, x_t: Tensor, level: Level[Tensor]) -> tuple[dict[str, float], str]:
    """Probabilities by title and the title that is asked for, of what classifies; none of other guides."""
    if isinstance(potential, Classified):
        own = potential.classifier
        probabilities: Sequence[float] = own.log_beliefs(x_t, level, potential.temperature)[0].exp().tolist()
        titles = [GROUPS.get(name, name) for name in own.classes]
        return dict(zip(titles, probabilities, strict=True)), titles[potential.wanted]
    if isinstance(potential, ExactlyClassified):
        share = float(np.exp(min(0.0, float(potential(x_t, level)[0]))))
        return {ASKED: share, OTHERS: 1 - share}, ASKED
    return {}, ""
