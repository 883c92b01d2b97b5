"""What the engine calls a denoiser, and a denoiser of one process in the terms of another."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from lab.engine.predictions import join_prediction, split_prediction
from lab.engine.process import Level, Process, StraightFlow, VariancePreserving


class Denoiser(Protocol):
    """What a loaded model offers the engine: `(x_t, t, conditioning) -> prediction`, and how to read both."""

    prediction_type: str  # one of PREDICTION_TYPES
    shape: tuple[int, int, int]  # (channels, height, width) of one x_t

    @property
    def process(self) -> Process:
        """The forward process that it was made for: the noise level of x_t at timestep t."""
        ...

    def __call__(self, x_t: Tensor, t: Tensor, conditioning: Sequence[Any]) -> Tensor:
        """Predict for rows x_t (rows, channels, height, width) at timesteps t (rows,), one conditioning a row.

        A model that learned its variance (Improved DDPM) adds as many channels again, which hold it.
        """
        ...


class FlowVelocity:
    """The velocity eps - x_0 of the straight flow, by a denoiser of a variance-preserving process; itself a `Denoiser`.

    The state of the flow is divided by `Level.norm`, which makes it a state of the denoiser's process at equal SNR
    (Kingma et al. 2021, section 5.1). The denoiser says x_0 there, and x_0 says the velocity (x_t - x_0) / u at flow
    time u. Where the flow is noisier or clearer than any timestep of the denoiser, the nearest one serves.
    """

    prediction_type = "flow_prediction"

    def __init__(self, denoiser: Denoiser) -> None:
        if not isinstance(denoiser.process, VariancePreserving):
            raise ValueError("FlowVelocity takes a denoiser of a variance-preserving process")
        self.denoiser, self.process, self.shape = denoiser, StraightFlow(), denoiser.shape
        self._variance_preserving = denoiser.process

    def __call__(self, x_t: Tensor, t: Tensor, conditioning: Sequence[Any]) -> Tensor:
        """The velocity at rows x_t (rows, channels, height, width) and timesteps t (rows,) in (0, T] of the flow."""
        timestep = self._variance_preserving.timestep(self.process.level(t.double())).float()
        flow, level = (by_row(p.level(u), x_t) for p, u in ((self.process, t), (self._variance_preserving, timestep)))
        state = x_t / flow.norm
        prediction = self.denoiser(state, timestep, conditioning)[:, : x_t.shape[1]]
        x_0, _ = split_prediction(prediction, state, level, self.denoiser.prediction_type)
        return join_prediction(x_0, x_t, flow, self.prediction_type)


def recording(*inputs: Tensor) -> bool:
    """Whether autograd records what is computed from these: a network then runs in torch, and not in inference mode."""
    return torch.is_grad_enabled() and any(one.requires_grad for one in inputs)


def by_row(level: Level[Tensor], x_t: Tensor) -> Level[Tensor]:
    """Levels (rows,) as (rows, 1, 1, 1) on the device and in the dtype of x_t (rows, channels, height, width)."""
    return Level(level.signal.to(x_t)[:, None, None, None], level.noise.to(x_t)[:, None, None, None])
