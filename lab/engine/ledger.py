"""The bill of a picture: a chain of reverse steps, the path of the forward process along it, and lanes that look at it.

A bill's chain has T reverse steps, T at most that of its schedule: evenly spaced timesteps of the schedule, both ends among
them (Nichol and Dhariwal 2021, section 4). The path is what a receiver has who decodes the bill (Ho et al. 2020, algorithms 3
and 4): x_T ~ q(x_T | x_0), then x_{t-1} ~ q(x_{t-1} | x_t, x_0). No network is needed for it, so all calls are independent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from diffusers.schedulers.scheduling_utils import SchedulerOutput
from torch import Tensor

from lab.engine.grid import timestep_grid
from lab.engine.lanes import Lane, StepNoise
from lab.engine.likelihood import Posterior, bound_term
from lab.engine.noising import gaussian, q_sample
from lab.engine.process import Level, VariancePreserving


@dataclass(frozen=True)
class Chain:
    """T reverse steps, counted 0 .. T-1 from the clearest as timesteps are."""

    alphas_cumprod: Tensor  # (T,) float64, falling
    places: tuple[int, ...]  # (T,) timesteps of the schedule, rising: the noise of a state belongs to its place
    timesteps: tuple[float, ...]  # (T,) of the denoiser, which may count another schedule's

    def __len__(self) -> int:
        return len(self.places)

    def posterior(self, k: int) -> Posterior:
        """q(x_{t-1} | x_t, x_0) of step k, one row."""
        return Posterior(self.alphas_cumprod, torch.tensor([k]))


def make_chain(table: Tensor, calls: int, process: VariancePreserving | None = None) -> Chain:
    """`calls` steps, 2 at least, of a schedule whose alpha-bar is `table` (T,). A denoiser of another `process` is asked at the
    timestep of equal SNR (Kingma et al. 2021, section 5.1), or at the nearest end of its table."""
    places = timestep_grid("", len(table), calls, "linspace")[::-1].copy()
    alphas_cumprod = table.double()[torch.from_numpy(places)]
    timesteps = places if process is None else process.timestep(Level.from_alpha_bar(alphas_cumprod))
    return Chain(alphas_cumprod, tuple(map(int, places)), tuple(map(float, timesteps)))


def walk(x_0: Tensor, chain: Chain, seed: int) -> Tensor:
    """The path from x_0 (channels, height, width): x_t at every step of the chain, (T, channels, height, width) float32.

    The noise of a state is drawn from (`seed`, place), so chains of other lengths draw the same noise where they meet.
    """
    shape, steps = tuple(x_0.shape), Posterior(chain.alphas_cumprod, torch.arange(len(chain)))
    one, zero = torch.ones(1), torch.zeros(1)
    towards, keep = (steps.mean(*pair).flatten().tolist() for pair in ((one, zero), (zero, one)))
    deviations = (steps.log_variance / 2).exp().flatten().tolist()
    clear, top = x_0.double(), Level.from_alpha_bar(float(chain.alphas_cumprod[-1]))
    x_t = q_sample(clear, top, gaussian(seed, chain.places[-1], shape).double())
    path = [x_t]
    for k in range(len(chain) - 1, 0, -1):
        x_t = towards[k] * clear + keep[k] * x_t + deviations[k] * gaussian(seed, chain.places[k - 1], shape)
        path.append(x_t)
    return torch.stack(path[::-1]).float()


class _Visits:
    """A schedule that goes from state to state, whatever is predicted there."""

    init_noise_sigma = 1.0
    config: ClassVar[dict[str, Any]] = {}

    def __init__(self, visits: Sequence[tuple[Tensor, float]]) -> None:
        self.timesteps = torch.tensor([t for _, t in visits], dtype=torch.float64)
        self._states = iter([x_t for x_t, _ in visits[1:]])

    def step(self, prediction: Tensor, timestep: Tensor, sample: Tensor) -> SchedulerOutput:
        return SchedulerOutput(prev_sample=next(self._states, sample[0])[None])


def survey(visits: Sequence[tuple[Tensor, float]], conditioning: Any, rows: int) -> list[Lane]:
    """At most `rows` lanes that look at all `visits`, each an x_t (channels, height, width) at a timestep, one call each.

    They take turns: call i of lane k is visit i * len(lanes) + k, so the first visits come first and calls are full.
    """
    count = min(rows, len(visits))
    return [Lane(k, _Visits(visits[k::count]), visits[k][0], StepNoise(0), conditioning) for k in range(count)]


def log_variances(posterior: Posterior, v: Tensor | None) -> dict[str, Tensor]:
    """Those of the reverse step that a network's output serves, by name, each (rows, ...) of x_0's or broadcasting to it; `v` is
    the network's, (rows, channels, height, width), None where it learned none."""
    learned = {} if v is None else {"learned": posterior.learned_log_variance(v.double())}
    return {**learned, "small": posterior.log_variance, "large": posterior.beta.log()}


def term_bits(posterior: Posterior, x_0: Tensor, x_t: Tensor, guess: Tensor, v: Tensor | None) -> dict[str, float]:
    """L_{t-1} of one picture in bits of the whole of it, by the variance of the reverse step, in float64.

    x_0, x_t, the `guess` of x_0 from x_t and v are (channels, height, width); `posterior` has one row.
    """
    rows = log_variances(posterior, None if v is None else v[None])
    stack = torch.cat([row.expand(1, *x_0.shape) for row in rows.values()])
    bits = bound_term(posterior, x_0[None].double(), x_t[None].double(), guess[None].double(), stack) * x_0.numel()
    return dict(zip(rows, bits.tolist(), strict=True))
