"""Filling a hole with a model that was not made for it: the known part is put back at every noise level.

Song et al. 2021 (arXiv 2011.13456, appendix I.2) and RePaint (Lugmayr et al. 2022, arXiv 2201.09865, equation 8): while the model
draws x_t inside the hole, outside it x_t is what the forward process makes of the known picture. Blended latent diffusion
(Avrahami et al. 2023) does the same on latents.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from diffusers.configuration_utils import FrozenDict
from diffusers.schedulers.scheduling_utils import SchedulerOutput
from torch import Tensor

from lab.engine.noising import q_sample
from lab.engine.predictions import split_prediction
from lab.engine.process import Level, VariancePreserving


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of a picture: x_0 (channels, height, width) where `hole` (1, height, width) is 0; it is 1 in the hole.

    `eps` is the noise of the known part at a timestep. One noise for all of them, that of x_T, is what Stable Diffusion's
    inpainting without training does in diffusers; noise of its own at each is the papers'.
    """

    x_0: Tensor
    hole: Tensor
    eps: Callable[[float], Tensor]

    def at(self, level: Level[float], t: float) -> Tensor:
        """The picture at a noise level, q(x_t | x_0), with the noise that belongs to timestep t."""
        return q_sample(self.x_0, level, self.eps(t))

    def fill(self, drawn: Tensor, known: Tensor) -> Tensor:
        """`drawn` in the hole, `known` around it; both (rows, channels, height, width)."""
        return (1 - self.hole) * known + self.hole * drawn


class RePaint:
    """RePaint as a scheduler (Lugmayr et al. 2022, algorithm 1): DDPM's steps over the timesteps of a grid, replacement at each,
    and ways back up, on which noise is added, so that the model can make hole and rest agree.

    `grid` (n,) are the timesteps of the levels, highest first; `turns` says of each move between neighbouring levels, from pure
    noise to the picture, whether it goes up. `timesteps` are those of the calls, one for each move down. One of these is for
    one run: it counts its moves. All noise comes from the generator of `step`, in the order of the moves.
    """

    init_noise_sigma = 1.0

    def __init__(
        self,
        process: VariancePreserving,
        prediction_type: str,
        grid: Sequence[int],
        turns: Sequence[bool],
        x_0: Tensor,
        hole: Tensor,
    ) -> None:
        self.config = FrozenDict(prediction_type=prediction_type)
        self._turns, self._x_0, self._hole = list(turns), x_0[None], hole[None]
        # By how many steps are left: 0 is the picture, n pure noise.
        self._levels = [Level(1.0, 0.0), *(process.level(float(t)) for t in reversed(grid))]
        self._move, self._left = 0, len(grid)
        self.timesteps = torch.tensor([float(grid[-left]) for left in self._calls(len(grid))])

    def _calls(self, left: int) -> list[int]:
        """How many steps are left at each call of the model."""
        calls = []
        for up in self._turns:
            if not up:
                calls.append(left)
            left += 1 if up else -1
        return calls

    def step(
        self, model_output: Tensor, timestep: Tensor, sample: Tensor, generator: torch.Generator | None = None
    ) -> SchedulerOutput:
        """One step down, with the known part in place, and the ways up that follow it; sample (1, channels, height, width)."""

        def noise() -> Tensor:
            return torch.randn(sample.shape, generator=generator, dtype=sample.dtype, device="cpu").to(sample.device)

        above, below = self._levels[self._left], self._levels[self._left - 1]
        x_0, eps = split_prediction(model_output, sample, above, self.config.prediction_type)
        # Song et al. 2021 (DDIM), equations 12 and 16, with eta = 1: DDPM's posterior between any two levels.
        sigma = below.noise / above.noise * max(0.0, 1 - (above.signal / below.signal) ** 2) ** 0.5
        x = below.signal * x_0 + max(0.0, below.noise**2 - sigma**2) ** 0.5 * eps + sigma * noise()
        x = self._hole * x + (1 - self._hole) * (below.signal * self._x_0 + below.noise * noise())
        self._left -= 1
        self._move += 1
        while self._move < len(self._turns) and self._turns[self._move]:
            x = self._noised(x, noise())
            self._left += 1
            self._move += 1
        return SchedulerOutput(prev_sample=x)

    def _noised(self, x: Tensor, eps: Tensor) -> Tensor:
        """One step up, q(x_t | x_{t-1}) (algorithm 1, line 9)."""
        below, above = self._levels[self._left], self._levels[self._left + 1]
        kept = above.signal / below.signal
        return kept * x + max(0.0, above.noise**2 - (kept * below.noise) ** 2) ** 0.5 * eps
