"""Guidance by a gradient: a denoiser whose score is that of q(x_t) times exp(scale * potential).

With log p(y | x_t) as the potential this is classifier guidance (Dhariwal and Nichol 2021, algorithms 1 and 2; Song et
al. 2021, section 5): by Bayes' rule, scale 1 samples the data given y. A potential of the predicted x_0 sends its
gradient back through the denoiser (Ho et al. 2022, Video Diffusion Models, section 3.1; Chung et al. 2023, DPS).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from lab.engine.denoisers import Denoiser, by_row
from lab.engine.lanes import Changing
from lab.engine.predictions import add_score, split_prediction
from lab.engine.process import Level


def certainty(level: Level[Tensor]) -> Tensor:
    """How much a network may make of x_t: 4 signal / (4 signal + noise^2), from 0 in pure noise to 1 in the picture.

    Of pictures within [-1, 1] no value of the gradient of an exact log p(y | x_t) exceeds 2 signal / noise^2, and none of the
    Jacobian of the exact predicted x_0 exceeds signal / noise^2: in pure noise there is nothing to follow. A network's need not
    be small there, and a sampler's first step multiplies it by as much. What comes of a network is therefore multiplied by
    this, while it is trained too (preconditioning, as Karras et al. 2022, section 5, have it for the denoiser).
    """
    strength = 4 * level.signal
    return strength / (strength + level.noise**2)


class Potential(Protocol):
    """A log-probability up to a constant, differentiable in x."""

    def __call__(self, x: Tensor, level: Level[Tensor], /) -> Tensor:
        """(rows,) in nats of x (rows, channels, height, width) at the noise levels of the rows, (rows,) in float64."""
        ...


@dataclass(frozen=True, eq=False)
class Guide(Changing):
    """A row's conditioning together with the potential that its score gains.

    `variable` says what the potential is a function of: "x_t", as a classifier of noisy pictures is, or "x_0", the
    denoiser's prediction. At scale 0 the row costs what it costs without a guide. In classifier-free guidance both
    halves take the guide, else the guidance scale multiplies the gradient too.
    """

    conditioning: Any  # or `Changing`
    potential: Potential
    scale: float = 1.0
    variable: Literal["x_t", "x_0"] = "x_t"

    def at(self, i: int, n: int) -> "Guide":
        return (
            replace(self, conditioning=self.conditioning.at(i, n)) if isinstance(self.conditioning, Changing) else self
        )


class Guided:
    """A denoiser whose rows may be conditioned on a `Guide`; itself a `Denoiser`, in the same terms.

    Rows without one are passed on in one call, as if there were no wrapper. Rows guided through x_0 are predicted in a
    call of their own, which records what autograd needs; it is freed before the call returns. Rows of one potential
    share its call. Pure noise (signal 0) says nothing of x_0, so it is not guided.
    """

    def __init__(self, denoiser: Denoiser) -> None:
        self.denoiser, self.process = denoiser, denoiser.process
        self.prediction_type, self.shape = denoiser.prediction_type, denoiser.shape

    def __call__(self, x_t: Tensor, t: Tensor, conditioning: Sequence[Any]) -> Tensor:
        """Predict for rows x_t (rows, channels, height, width) at timesteps t (rows,), guided where a row has a guide.

        Raises ValueError where no gradient reaches x_t.
        """
        level = self.process.level(t.double())
        guides = {
            row: guide
            for row, guide in enumerate(conditioning)
            if isinstance(guide, Guide) and guide.scale and level.signal[row] > 0
        }
        plain = [row.conditioning if isinstance(row, Guide) else row for row in conditioning]
        if not guides:
            return self.denoiser(x_t, t, plain)
        prediction, gradient = self._differentiate(x_t, t, plain, guides, level)
        rows, channels = list(guides), x_t.shape[1]
        scales = torch.tensor([guide.scale for guide in guides.values()]).to(x_t)[:, None, None, None]
        prediction[rows, :channels] = add_score(
            prediction[rows, :channels], scales * gradient[rows], by_row(_pick(level, rows), x_t), self.prediction_type
        )
        return prediction

    def _differentiate(
        self, x_t: Tensor, t: Tensor, conditioning: list[Any], guides: dict[int, Guide], level: Level[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The plain prediction of all rows, and the gradient of the potentials in x_t, 0 for rows without."""
        deep = [row for row, guide in guides.items() if guide.variable == "x_0"]
        rest = [row for row in range(len(x_t)) if row not in deep]
        parts: list[Tensor] = []
        if rest:
            with torch.no_grad():
                parts.append(self.denoiser(x_t[rest], t[rest], [conditioning[row] for row in rest]))
        with torch.inference_mode(False), torch.enable_grad():
            x = variable = x_t.clone().detach().requires_grad_()
            if deep:
                predictions = self.denoiser(x[deep], t[deep], [conditioning[row] for row in deep])
                _check_gradient(predictions, "denoiser")
                parts.append(predictions.detach())
                levels = by_row(_pick(level, deep), x)
                x_0, _ = split_prediction(predictions[:, : x.shape[1]], x[deep], levels, self.prediction_type)
                variable = x.index_put((torch.tensor(deep),), x_0)
            (gradient,) = torch.autograd.grad(_log_probability(guides, variable, level), x)
        return torch.cat(parts)[torch.tensor(rest + deep).argsort()], gradient


def _log_probability(guides: dict[int, Guide], variable: Tensor, level: Level[Tensor]) -> Tensor:
    """The sum of the potentials of all rows, a scalar; each potential is called once."""
    rows_by_potential: dict[Potential, list[int]] = {}
    for row, guide in guides.items():
        rows_by_potential.setdefault(guide.potential, []).append(row)
    sums = []
    for potential, rows in rows_by_potential.items():
        values = potential(variable[rows], _pick(level, rows))
        _check_gradient(values, "potential")
        sums.append(values.sum())
    return torch.stack(sums).sum()


def _check_gradient(output: Tensor, source: str) -> None:
    """Else the part of the gradient that a network hides would be missing without a word."""
    if not output.requires_grad:
        raise ValueError(f"no gradient reaches x_t: the {source} switches autograd off, or does not depend on x_t")


def _pick(level: Level[Tensor], rows: list[int]) -> Level[Tensor]:
    return Level(level.signal[rows], level.noise[rows])
