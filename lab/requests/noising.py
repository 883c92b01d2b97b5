"""The forward process: the request for one frame, and the frame."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import (
    Field,
    model_validator,
)

from lab.requests.base import Event, Request
from lab.requests.fields import Forward, ModelName, Picture, Seed


class NoisingRequest(Request):
    """One frame of the forward process: x_t of `picture`, and what is known about it."""

    picture: Picture
    forward: Forward = Forward()
    seed: Seed = 0
    t: Annotated[int, Field(ge=0)] = 0  # 0 is the picture itself, T the last timestep
    at_log_snr: float | None = None  # in place of t: the timestep whose log-SNR is nearest to this
    chain: bool = True  # also walk the Markov chain step by step
    recover: ModelName | None = None  # also ask this model for its predicted x_0

    @model_validator(mode="after")
    def _t_fits(self) -> "NoisingRequest":
        if self.t > self.forward.T:
            raise ValueError(f"timestep t is {self.t}, beyond the last one, T = {self.forward.T}")
        return self

    def models(self) -> tuple[str, ...]:
        """As Request.models."""
        return (self.recover,) if self.recover else ()


@dataclass(frozen=True)
class NoisingFrame(Event):
    """One frame of the forward process. Pictures are (height, width, 3) uint8, values clipped for display."""

    t: int
    alpha_bar: float
    alpha_bars: np.ndarray  # (T + 1,) of the whole forward process
    log_snr: float
    log_snrs: np.ndarray  # (T + 1,), inf at t = 0
    x_t: np.ndarray  # one jump: q(x_t | x_0)
    chain: np.ndarray | None  # the Markov chain, step by step: q(x_t | x_{t-1})
    psnr_db: float  # of x_t to x_0, unclipped values in [-1, 1]; +inf at t = 0
    histogram: np.ndarray  # (bins,) density of the values of x_t over `histogram_edges`
    histogram_edges: np.ndarray  # (bins + 1,)
    spectrum: np.ndarray  # (radii,) radial mean power of x_t
    spectrum_signal: np.ndarray  # (radii,) of the signal part sqrt(alpha_bar) x_0
    spectrum_noise: float  # flat expected power of the noise part
    spectra: np.ndarray  # (3, radii) radial mean power of x_0, of eps, and their cross term: those of x_t at every t
    noise_seed: int  # of torch's CPU generator, whose first normal numbers are eps, (3, height, width)
    recovered: np.ndarray | None  # predicted x_0, where asked
    server_ms: float

    @property
    def key(self) -> Hashable:
        """As Event.key: a run has one."""
        return ()
