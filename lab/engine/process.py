"""Noise levels and forward processes: x_t = signal * x_0 + noise * eps, whatever the process.

process                                                    signal             noise
---------------------------------------------------------  -----------------  ---------------------
variance preserving (Ho et al. 2020, eq. 4)                sqrt(alpha_bar)    sqrt(1 - alpha_bar)
variance exploding (Song and Ermon 2019; Karras 2022)      1                  sigma
flow matching (Lipman et al. 2023; Liu et al. 2023)        1 - t              t

Two levels of equal signal-to-noise ratio hold the same information: x_t / signal = x_0 + sigma * eps is the same
random variable in both (Kingma et al. 2021, section 5.1). So a denoiser of one process serves another.
"""

import math
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

# Lin et al. 2023 make alpha-bar(T) exactly 0; eps-prediction then divides by it. diffusers' schedulers replace it
# by this value (the smallest float16), which is pure noise to seven digits.
SMALLEST_ALPHA_BAR = 2.0**-24
# Relative distance of neighbours that would both be this value: solvers in log-SNR divide by it.
SMALLEST_STEP = 0.01

Coefficient = TypeVar("Coefficient", float, np.ndarray, Tensor)
Time = TypeVar("Time", float, Tensor)


@dataclass(frozen=True, slots=True)
class Level(Generic[Coefficient]):
    """A noise level, x_t = signal * x_0 + noise * eps: numbers, or arrays or tensors of one shape for many at once.

    Both are at least 0 and not both 0. signal 0 is pure noise, noise 0 is the picture.
    """

    signal: Coefficient
    noise: Coefficient

    @classmethod
    def from_alpha_bar(cls, alpha_bar: Coefficient) -> "Level[Coefficient]":
        """The variance-preserving level of alpha-bar in [0, 1] (Ho et al. 2020, eq. 4)."""
        return Level(alpha_bar**0.5, (1 - alpha_bar) ** 0.5)

    @classmethod
    def from_sigma(cls, sigma: Coefficient) -> "Level[Coefficient]":
        """The variance-exploding level of sigma >= 0, x_t = x_0 + sigma * eps (Karras et al. 2022, eq. 1)."""
        return Level(sigma**0, sigma)

    @classmethod
    def from_flow_time(cls, t: Coefficient) -> "Level[Coefficient]":
        """The level at time t in [0, 1] of the straight flow, x_t = (1 - t) x_0 + t * eps (Liu et al. 2023, eq. 1).

        Time runs as in diffusers and Stable Diffusion 3: 0 is the picture, 1 is noise.
        """
        return Level(1 - t, t)

    @property
    def log_snr(self) -> Coefficient:
        """log(signal^2 / noise^2), natural (Kingma et al. 2021, eq. 3); inf for the picture, -inf for pure noise."""
        return 2 * (_log(self.signal) - _log(self.noise))

    @property
    def sigma(self) -> Coefficient:
        """noise / signal, the noise level of Karras et al. 2022; inf for pure noise."""
        if isinstance(self.signal, float):
            return self.noise / self.signal if self.signal else math.inf
        with np.errstate(divide="ignore"):
            return self.noise / self.signal

    @property
    def alpha_bar(self) -> Coefficient:
        """signal^2 / (signal^2 + noise^2): alpha-bar of the variance-preserving level of equal SNR."""
        return self.signal**2 / (self.signal**2 + self.noise**2)

    @property
    def norm(self) -> Coefficient:
        """sqrt(signal^2 + noise^2), the deviation of x_t where x_0 has deviation 1. x_t / norm is the state at the
        variance-preserving level of equal SNR."""
        return (self.signal**2 + self.noise**2) ** 0.5


def _log(value: Any) -> Any:
    """The natural logarithm of a number, an array or a tensor; -inf of 0."""
    if isinstance(value, Tensor):
        return value.log()
    if isinstance(value, float):
        return math.log(value) if value > 0 else -math.inf
    with np.errstate(divide="ignore"):
        return np.log(value)


class Process(Protocol):
    """A forward process: the noise level at each timestep."""

    def __len__(self) -> int:
        """T, the number of timesteps that it counts."""
        ...

    def level(self, t: Time) -> Level[Time]:
        """The level at timestep t, a number or a tensor of any shape."""
        ...


class VariancePreserving:
    """The process of DDPM (Ho et al. 2020, eq. 4) with a table of alpha-bar; timesteps count 0 .. T-1 as in diffusers.

    `alphas_cumprod` is (T,), falling. Timesteps between two of the table have a level, too.
    """

    def __init__(self, alphas_cumprod: Tensor) -> None:
        self.alphas_cumprod = alphas_cumprod
        self._alpha_bars = alpha_bars_of(alphas_cumprod)
        self._sigmas = ((1 - self._alpha_bars) / self._alpha_bars).sqrt()  # rising with t
        self._table: list[float] = (
            self._alpha_bars.tolist()
        )  # for single timesteps, which every step of a lane asks for

    def __len__(self) -> int:
        return len(self.alphas_cumprod)

    def alpha_bar(self, t: Tensor) -> Tensor:
        """alpha-bar in float64 at timesteps t (any shape). Between two of the table sigma is linear in t, as Euler and
        Heun of diffusers have it; beyond its ends the level is that of the end."""
        t = t.double().clamp(0, len(self) - 1)
        below, above = t.floor().long(), t.ceil().long()
        between = torch.lerp(self._sigmas[below], self._sigmas[above], t - below)
        return torch.where(below == above, self._alpha_bars[below], 1 / (1 + between**2))

    def level(self, t: Time) -> Level[Time]:
        if isinstance(t, Tensor):
            return Level.from_alpha_bar(self.alpha_bar(t))
        if 0 <= t < len(self) and t == int(t):
            return Level.from_alpha_bar(self._table[int(t)])
        return Level.from_alpha_bar(float(self.alpha_bar(torch.tensor(t))))

    def timestep(self, level: Level[Tensor]) -> Tensor:
        """The timestep in float64, fractional, whose level has the SNR of `level` (any shape): the inverse of `level`.
        0 or T-1 where the table does not reach so far."""
        sigma = level.sigma.double().clamp(float(self._sigmas[0]), float(self._sigmas[-1]))
        above = torch.searchsorted(self._sigmas, sigma).clamp(1, len(self) - 1)
        low, high = self._sigmas[above - 1], self._sigmas[above]
        return above - 1 + (sigma - low) / (high - low)


@dataclass(frozen=True)
class StraightFlow:
    """The process of flow matching with straight paths, x_t = (1 - u) x_0 + u * eps (Lipman et al. 2023, with sigma_min 0;
    Liu et al. 2023, rectified flow). Timesteps count t = u * T, in (0, T], as diffusers' flow-matching schedulers do."""

    T: int = 1000

    def __len__(self) -> int:
        return self.T

    def level(self, t: Time) -> Level[Time]:
        return Level.from_flow_time(t / self.T)


def alpha_bars_of(alphas_cumprod: Tensor) -> Tensor:
    """alpha-bar (T,) in float64 as samplers use it: above 0 and strictly falling, so that log-SNR is finite and no two
    timesteps share it. Under zero terminal SNR, and on chains of a few steps, several would be lost to rounding."""
    table = alphas_cumprod.double()
    below = torch.arange(len(table) - 1, -1, -1, dtype=torch.float64, device=table.device)
    return torch.maximum(table, SMALLEST_ALPHA_BAR * (1 + SMALLEST_STEP * below))


def betas_of(alphas_cumprod: Tensor) -> Tensor:
    """The betas whose running product of (1 - beta) is `alphas_cumprod`; both (T,)."""
    table = alpha_bars_of(alphas_cumprod)
    return 1 - table / torch.cat([table.new_ones(1), table[:-1]])
