"""Two denoisers as one: what a second network predicts takes the place of the unconditional prediction.

Guidance with a bad version of the model itself (Karras et al. 2024, "Guiding a Diffusion Model with a Bad Version of Itself",
arXiv 2406.02507, equation 3): D_weak + s (D - D_weak), where classifier-free guidance has the unconditional model.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lab.engine.denoisers import Denoiser, by_row
from lab.engine.lanes import Changing
from lab.engine.predictions import join_prediction, split_prediction
from lab.engine.process import VariancePreserving


@dataclass(frozen=True, eq=False)
class BySecond(Changing):
    """A row's conditioning that goes to the second of `Two` denoisers."""

    conditioning: Any  # or `Changing`

    def at(self, i: int, n: int) -> "BySecond":
        return (
            replace(self, conditioning=self.conditioning.at(i, n)) if isinstance(self.conditioning, Changing) else self
        )


class Two:
    """A denoiser whose rows may go to a second one; itself a `Denoiser`, in the terms of the first.

    The second may predict another quantity, under another variance-preserving table of alpha-bar: it is called at the timestep
    of equal SNR. Where it says nothing of the variance and the first does, its rows have 0 there, the middle of what can be
    said. Each is called at most once a call. Raises ValueError where their shapes differ, or a process is
    another.
    """

    def __init__(self, first: Denoiser, second: Denoiser) -> None:
        if first.shape != second.shape:
            raise ValueError(f"the second denoiser works on {second.shape}, the first on {first.shape}")
        if not (isinstance(first.process, VariancePreserving) and isinstance(second.process, VariancePreserving)):
            raise ValueError("Two takes denoisers of variance-preserving processes")
        self.first, self.second, self._second_process = first, second, second.process
        self.process, self.prediction_type, self.shape = first.process, first.prediction_type, first.shape

    def __call__(self, x_t: Tensor, t: Tensor, conditioning: Sequence[Any]) -> Tensor:
        """Predict for rows x_t (rows, channels, height, width) at timesteps t (rows,), each by its denoiser."""
        second = [row for row, own in enumerate(conditioning) if isinstance(own, BySecond)]
        first = [row for row in range(len(x_t)) if row not in second]
        parts: list[Tensor] = []
        if first:
            parts.append(self.first(x_t[first], t[first], [conditioning[row] for row in first]))
        if second:
            own = [conditioning[row].conditioning for row in second]
            parts.append(self._translated(x_t[second], t[second], own))
        channels = max(part.shape[1] for part in parts)
        wide = [
            torch.cat([part, part.new_zeros(len(part), channels - part.shape[1], *part.shape[2:])], 1) for part in parts
        ]
        return torch.cat(wide)[torch.tensor(first + second).argsort()]

    def _translated(self, x_t: Tensor, t: Tensor, conditioning: Sequence[Any]) -> Tensor:
        """What the second says, in the terms of the first."""
        level, channels = self.process.level(t.double()), x_t.shape[1]
        timestep = self._second_process.timestep(level).to(t)
        prediction = self.second(x_t, timestep, conditioning)
        own, variance = prediction[:, :channels], prediction[:, channels:]
        if self.second.prediction_type != self.prediction_type:
            levels = by_row(level, x_t)
            x_0, _ = split_prediction(own, x_t, levels, self.second.prediction_type)
            own = join_prediction(x_0, x_t, levels, self.prediction_type)
        return torch.cat([own, variance], dim=1)
