"""A fresh diffusers scheduler for every lane, spaced correctly, and what a lane needs to know of it.

Notation (diffusers -> papers): alphas_cumprod -> alpha-bar (Ho) or alpha (Song); t counts 0 .. T-1, so the
noisiest level is t = T-1. sigma here is always Karras's: sigma^2 = (1 - alpha_bar) / alpha_bar. The sigma of a
flow-matching scheduler is flow time instead, 0 .. 1, and t = T * sigma.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import diffusers
import numpy as np
import torch
from diffusers.configuration_utils import FrozenDict
from diffusers.schedulers.scheduling_ddim import DDIMSchedulerOutput
from diffusers.schedulers.scheduling_utils import SchedulerOutput
from torch import Tensor

from lab.engine.grid import LCM_STEPS, timestep_grid
from lab.engine.predictions import split_prediction
from lab.engine.process import Level, Process, StraightFlow, VariancePreserving, betas_of


class DDIM(diffusers.DDIMScheduler):
    """DDIM (Song et al. 2021, equations 12 and 16) that steps to the timestep that really comes next.

    diffusers' DDIMScheduler assumes a stride of T // steps. That is wrong for "linspace" and whenever steps does
    not divide T: it then lands between two of its own timesteps. Where the stride is right the two are equal.
    """

    def step(
        self,
        model_output: Tensor,
        timestep: Tensor | int,
        sample: Tensor,
        eta: float = 0.0,
        generator: torch.Generator | None = None,
        **_: Any,
    ) -> DDIMSchedulerOutput:
        """One step from `timestep` to the next one of `self.timesteps`; sample (1, channels, height, width)."""
        factors = self._factors(int(timestep), eta)
        level = Level(factors.signal, factors.noise)
        x_0, eps = split_prediction(model_output, sample, level, self.config.prediction_type)
        if self.config.clip_sample:
            x_0 = x_0.clamp(-self.config.clip_sample_range, self.config.clip_sample_range)
        # Equation 12: "predicted x_0", "direction pointing to x_t", "random noise".
        prev_sample = factors.x_0 * x_0 + factors.eps * eps
        if eta > 0:
            noise = torch.randn(sample.shape, generator=generator, dtype=sample.dtype, device="cpu")
            prev_sample = prev_sample + factors.sigma * noise.to(sample.device)
        return DDIMSchedulerOutput(prev_sample=prev_sample, pred_original_sample=x_0)

    def _factors(self, timestep: int, eta: float) -> "_Factors":
        """Of the step from `timestep`: worked out for all timesteps when the first is asked for, since a tensor of one value
        costs a step as much as one of a thousand."""
        if self._known is None or self._known[0] is not self.timesteps or self._known[1] != eta:
            self._known = self.timesteps, eta, {one.timestep: one for one in self._all_factors(self.timesteps, eta)}
        return self._known[2].get(timestep) or next(self._all_factors(torch.tensor([timestep]), eta))

    _known: tuple[Tensor, float, dict[int, "_Factors"]] | None = None  # timesteps, eta, and the factors of both

    def _all_factors(self, timesteps: Tensor, eta: float) -> Iterator["_Factors"]:
        """The factors of the steps from `timesteps` (n,), in the precision of the table of alpha-bar."""
        visited = self.timesteps.tolist()
        later = [next((t for t in visited if t < timestep), -1) for timestep in timesteps.tolist()]
        alpha_bar = self.alphas_cumprod[timesteps]
        alpha_bar_next = torch.cat([self.alphas_cumprod, self.final_alpha_cumprod[None]])[later]
        # Equation 16.
        sigma = eta * ((1 - alpha_bar_next) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_next)).clamp(min=0) ** 0.5
        direction = (1 - alpha_bar_next - sigma**2).clamp(min=0) ** 0.5
        columns = (alpha_bar**0.5, (1 - alpha_bar) ** 0.5, alpha_bar_next**0.5, direction, sigma)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return (_Factors(int(timestep), *row) for timestep, row in zip(timesteps.tolist(), rows, strict=True))


class _Factors(NamedTuple):
    """A step of DDIM in numbers: the level that it leaves, and what predicted x_0, predicted eps and fresh noise are multiplied by."""

    timestep: int
    signal: float
    noise: float
    x_0: float
    eps: float
    sigma: float


class DDIMInversion(diffusers.DDIMScheduler):
    """DDIM run upwards (Song et al. 2021, section 4.3): from a picture to the x_T that draws it.

    Each step predicts eps at the level it stands on and uses it to climb to the next level; the reverse run uses
    eps at the upper level instead, and that difference is the reconstruction error. It starts from the state at the
    lowest timestep and visits those of the downward run in ascending order.
    """

    def step(self, model_output: Tensor, timestep: Tensor | int, sample: Tensor, **_: Any) -> DDIMSchedulerOutput:
        """One step from `timestep` up to the next one; the last call stays where it is (already x_T)."""
        alpha_bar = self.alphas_cumprod[int(timestep)]
        later = self.timesteps[self.timesteps > int(timestep)]
        above = self.alphas_cumprod[int(later[0])] if len(later) else alpha_bar
        x_0, eps = split_prediction(model_output, sample, Level.from_alpha_bar(alpha_bar), self.config.prediction_type)
        return DDIMSchedulerOutput(prev_sample=above**0.5 * x_0 + (1 - above) ** 0.5 * eps, pred_original_sample=x_0)


class PNDM(diffusers.PNDMScheduler):
    """PLMS (Liu et al. 2022, equation 9) that steps to the timestep that really comes next.

    Same mend as in DDIM: diffusers computes the target as t - T // steps, whatever its timesteps say.
    """

    def _get_prev_sample(self, sample: Tensor, timestep: int, prev_timestep: int, model_output: Tensor) -> Tensor:
        # The second call repeats the second timestep, to finish the first step with the mean of both predictions.
        levels = [*dict.fromkeys(int(t) for t in self.timesteps), -1]
        k = max(self.counter - 1, 0)
        return super()._get_prev_sample(sample, levels[k], levels[k + 1], model_output)


def _levels_at(process: VariancePreserving, timesteps: Tensor) -> list[Level[float]]:
    """The levels at timesteps (n,), as numbers: worked out once for a run."""
    level = process.level(timesteps.double())
    return [Level(signal, noise) for signal, noise in zip(level.signal.tolist(), level.noise.tolist(), strict=True)]


class StraightFlowSteps:
    """A flow-matching scheduler of diffusers for a denoiser of a variance-preserving process (Liu et al. 2023, algorithm 1).

    The state is the straight flow's, x_t = (1 - u) x_0 + u * eps, and u falls from 1 in equal parts. What the denoiser sees
    and how its prediction becomes a velocity is as in `FlowVelocity`: the state divided by `Level.norm`, at the timestep
    of equal SNR. So its lanes share calls with all others. `timesteps` are those of the denoiser, fractional.
    """

    init_noise_sigma = 1.0

    def __init__(self, flow: Any, process: VariancePreserving, prediction_type: str) -> None:
        self.flow, self.process, self.alphas_cumprod = flow, process, process.alphas_cumprod
        self.config = FrozenDict(prediction_type=prediction_type)
        flow.set_begin_index(0)
        self.sigmas = flow.sigmas
        flow_levels = Level.from_flow_time(flow.sigmas[:-1].double())
        self.timesteps = process.timestep(flow_levels).float()
        self._levels, self._norms = _levels_at(process, self.timesteps), flow_levels.norm.tolist()

    @property
    def _i(self) -> int:
        """The call that comes next."""
        return self.flow.step_index or 0

    def scale_model_input(self, sample: Tensor, timestep: Tensor) -> Tensor:
        """The state (1, channels, height, width) at the variance-preserving level of equal SNR."""
        return sample / self._norms[self._i]

    def step(self, model_output: Tensor, timestep: Tensor, sample: Tensor) -> SchedulerOutput:
        """The step of diffusers' class along the velocity that the prediction means; sample (1, channels, height, width)."""
        i, x_t = self._i, self.scale_model_input(sample, timestep)
        x_0, _ = split_prediction(model_output, x_t, self._levels[i], self.config.prediction_type)
        return self.flow.step((sample - x_0) / self.sigmas[i], self.flow.timesteps[i], sample)


class LangevinSteps(ABC):
    """Langevin dynamics (Song and Ermon 2019, eq. 4): every call but the last is a step, the last one ends on E[x_0 | x_t]
    (Jolicoeur-Martineau et al. 2021).

    In units of sigma the step moves a part `part` of the way to predicted x_0, and its noise has deviation sqrt(2 part):
    the paper's alpha_i / (2 sigma_i^2), one number for all levels. What a lane keeps is the variance-preserving x_t. One
    of these is for one run: it counts its steps.
    """

    def __init__(self, process: VariancePreserving, prediction_type: str, steps: int) -> None:
        self.process, self.alphas_cumprod = process, process.alphas_cumprod
        self.config = FrozenDict(prediction_type=prediction_type)
        sigmas = self._sigmas(steps)
        self.timesteps = process.timestep(Level.from_sigma(sigmas)).float()
        self._levels = _levels_at(process, self.timesteps)
        self.part, self._i = self._step_size(sigmas), 0

    @abstractmethod
    def _sigmas(self, steps: int) -> Tensor:
        """sigma in each call, (steps,) in float64."""

    @abstractmethod
    def _step_size(self, sigmas: Tensor) -> float:
        """`part`, for the sigmas of all calls."""

    def step(
        self, model_output: Tensor, timestep: Tensor, sample: Tensor, generator: torch.Generator | None = None
    ) -> SchedulerOutput:
        """The state for the next call; sample (1, channels, height, width)."""
        level = self._levels[self._i]
        x_0, _ = split_prediction(model_output, sample, level, self.config.prediction_type)
        self._i += 1
        if self._i == len(self._levels):
            return SchedulerOutput(prev_sample=x_0)
        noise = torch.randn(sample.shape, generator=generator, dtype=sample.dtype, device="cpu").to(sample.device)
        x = sample / level.signal  # x_0 + sigma * eps
        x = x + self.part * (x_0 - x) + (2 * self.part) ** 0.5 * level.sigma * noise
        return SchedulerOutput(prev_sample=x * self._levels[self._i].signal)


class Langevin(LangevinSteps):
    """Langevin dynamics at one low level, with the step of Song and Ermon 2019: epsilon = 2e-5 where sigma = 0.01."""

    SIGMA, PART = 0.1, 0.1

    def _sigmas(self, steps: int) -> Tensor:
        return torch.full((steps,), self.SIGMA, dtype=torch.float64)

    def _step_size(self, sigmas: Tensor) -> float:
        return self.PART


class AnnealedLangevin(LangevinSteps):
    """Annealed Langevin dynamics (Song and Ermon 2019, algorithm 1): STEPS at each of geometrically falling sigmas, from the
    process's highest to its lowest, with the step size of Song and Ermon 2020, technique 4."""

    STEPS = 5  # at a level, as in Song and Ermon 2020

    def _sigmas(self, steps: int) -> Tensor:
        highest, lowest = (self.process.level(float(t)).sigma for t in (len(self.process) - 1, 0))
        place = torch.arange(steps, dtype=torch.float64).div(self.STEPS, rounding_mode="floor")
        return highest * (lowest / highest) ** (place / max(float(place[-1]), 1))

    def _step_size(self, sigmas: Tensor) -> float:
        return _step_size_of_levels(float(sigmas[0] / sigmas[min(self.STEPS, len(sigmas) - 1)]), self.STEPS)


def _step_size_of_levels(gamma: float, steps: int) -> float:
    """Song and Ermon 2020, technique 4: the step size, in units of sigma^2, with which `steps` at a level bring the variance
    gamma^2 of the level before nearest to 1. Of point data that is the variance of x_t there, in units of sigma^2."""
    part = torch.arange(1, 1001, dtype=torch.float64) / 1000
    rest = 1 / (1 - part / 2)  # where steps without end lead
    return float(part[((1 - part) ** (2 * steps) * (gamma**2 - rest) + rest - 1).abs().argmin()])


OWN = {
    "DDIM": DDIM,
    "DDIMInversion": DDIMInversion,
    "PNDM": PNDM,
    "Langevin": Langevin,
    "AnnealedLangevin": AnnealedLangevin,
}
# Classes that cannot be given an x_0 prediction: a lane gives them the eps of it.
EPS_FOR_X_0 = {"PNDM", "EulerAncestralDiscreteScheduler"}


def make_scheduler(
    name: str,
    process: Process,
    prediction_type: str,
    steps: int,
    spacing: str = "trailing",
    options: dict[str, Any] | None = None,
) -> Any:
    """A fresh scheduler for a denoiser of `process`, its timesteps set: a class of this module or of diffusers by `name`.

    Every class gets the betas of the model itself: diffusers' classes have different defaults (Heun's are Stable
    Diffusion's). Its `config.prediction_type` is that of the model, but eps where the class knows no x_0 prediction.
    Flow-matching classes space their timesteps themselves, for a denoiser of the straight flow; for any other they take u = 1
    to 0 in equal parts. Raises ValueError for steps outside 1 .. T.
    """
    cls: Any = OWN.get(name) or getattr(diffusers, name)
    if not isinstance(process, VariancePreserving):
        return _make_flow_scheduler(cls, process, steps, options or {})
    total = len(process)
    if hasattr(cls, "scale_noise"):  # what diffusers' flow-matching classes have in place of add_noise
        flow = _make_flow_scheduler(cls, StraightFlow(total), steps, options or {})
        _part_evenly(flow, steps)
        return StraightFlowSteps(flow, process, prediction_type)
    grid = timestep_grid(name, total, steps, spacing)
    if issubclass(cls, LangevinSteps):
        return cls(process, prediction_type, steps)
    if steps in (1, total):
        spacing = "trailing"  # what their grid is; Euler's scale of x_T goes by the name
    config = {
        "trained_betas": betas_of(process.alphas_cumprod).tolist(),
        "num_train_timesteps": total,
        "prediction_type": "epsilon" if prediction_type == "sample" and name in EPS_FOR_X_0 else prediction_type,
        "timestep_spacing": spacing,
        "original_inference_steps": min(LCM_STEPS, total),
        **(options or {}),
    }
    parameters = _parameters(cls.__init__)
    scheduler = cls(**{key: value for key, value in config.items() if key in parameters})
    _visit(scheduler, grid)
    return scheduler


def _make_flow_scheduler(cls: Any, process: Process, steps: int, options: dict[str, Any]) -> Any:
    total = len(process)
    if not 1 <= steps <= total:
        raise ValueError(f"{steps} steps do not fit a flow of {total} timesteps; take 1 to {total}")
    scheduler = cls(num_train_timesteps=total, **options)
    scheduler.set_timesteps(steps)
    return scheduler


def _part_evenly(flow: Any, steps: int) -> None:
    """Make a flow-matching scheduler go from u = 1 to 0 in `steps` equal parts. Its own last step begins at u = 1 / T."""
    sigmas = torch.tensor([*(1 - i / steps for i in range(steps)), 0.0])
    if isinstance(flow, diffusers.FlowMatchHeunDiscreteScheduler):  # which calls at both ends of a step
        sigmas = torch.cat([sigmas[:1], sigmas[1:-1].repeat_interleave(2), sigmas[-1:]])
    flow.sigmas, flow.timesteps = sigmas, sigmas[:-1] * flow.config.num_train_timesteps


def _visit(scheduler: Any, grid: np.ndarray) -> None:
    """Make a scheduler visit the timesteps `grid`, highest first.

    Most classes of diffusers take custom timesteps. The others get theirs, and the noise levels there as diffusers works
    them out, in place of their own.
    """
    if "timesteps" in _parameters(type(scheduler).set_timesteps):
        scheduler.set_timesteps(timesteps=grid)
        return
    scheduler.set_timesteps(len(grid))
    if isinstance(scheduler, PNDM):
        grid = np.concatenate([grid[:2], grid[1:]])  # the second call repeats its timestep
    if isinstance(scheduler, DDIMInversion):
        grid = grid[::-1].copy()
    scheduler.timesteps = torch.from_numpy(grid).to(scheduler.timesteps.dtype)
    if hasattr(scheduler, "sigmas"):
        table = scheduler.alphas_cumprod
        levels = np.interp(grid, np.arange(len(table)), ((1 - table) / table).sqrt().numpy())
        scheduler.sigmas = torch.cat([torch.from_numpy(levels).to(scheduler.sigmas.dtype), scheduler.sigmas[-1:]])
    if isinstance(scheduler, diffusers.EulerAncestralDiscreteScheduler):
        # sigma_down comes from a difference of squares, which float32's rounding makes negative where a step is long.
        scheduler.sigmas = scheduler.sigmas.double()


@cache
def _parameters(function: Any) -> frozenset[str]:
    """The names of what a function takes. Looked up once: it takes longer than a step of a small network's lane."""
    return frozenset(inspect.signature(function).parameters)


def slerp(a: Tensor, b: Tensor, u: float) -> Tensor:
    """Spherical interpolation between two noises (Shoemake 1985; DDIM, appendix D.5): u = 0 gives a, 1 gives b.

    A straight mean of two Gaussian noises is too quiet for the model; on the sphere the norm is kept.
    """
    cosine = (torch.dot(a.flatten(), b.flatten()) / (a.norm() * b.norm())).clamp(-1, 1)
    theta = torch.arccos(cosine)
    if theta.sin().abs() < 1e-6:
        return torch.lerp(a, b, u)
    return (torch.sin((1 - u) * theta) * a + torch.sin(u * theta) * b) / torch.sin(theta)


class Stepper:
    """A diffusers scheduler as a lane drives it. What its `step` takes is read off its signature.

    The state that it keeps may lie in another space than the x_t that the denoiser sees: Euler's is
    x_0 + sigma * eps, and `model_input` makes it variance preserving. With `start` the first so many calls are left out, as
    diffusers' img2img does: call i is the scheduler's start + i.
    """

    def __init__(self, scheduler: Any, eta: float = 0.0, start: int = 0) -> None:
        self.scheduler, self._visits = scheduler, list(scheduler.timesteps[start:])
        self.timesteps = [float(t) for t in self._visits]
        if start and hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(start)
        parameters = _parameters(type(scheduler).step)
        self._options: dict[str, Any] = {"eta": eta} if "eta" in parameters else {}
        draws = eta > 0 or "eta" not in parameters  # at eta 0 there is no noise
        self.takes_generator = draws and "generator" in parameters
        self.takes_variance = str(scheduler.config.get("variance_type", "")).startswith("learned")
        self.prediction_type: str | None = scheduler.config.get("prediction_type")  # that `step` takes; None: any
        if hasattr(scheduler, "scale_noise"):  # diffusers' flow-matching classes
            self.prediction_type = "flow_prediction"

    def check(self, process: Process) -> None:
        """Raises ValueError where the scheduler steps along another process than the denoiser's."""
        flow = self.prediction_type == "flow_prediction"
        if self.prediction_type and flow != isinstance(process, StraightFlow):
            name = type(self.scheduler).__name__
            raise ValueError(
                f"{name} steps along the straight flow: give it a denoiser of that process, or wrap yours in FlowVelocity"
                if flow
                else f"{name} steps along a variance-preserving process, and the denoiser's is the straight flow"
            )

    def initial(self, x_T: Tensor) -> Tensor:
        """The state to start from; x_T of unit variance. Flow-matching schedulers start from x_T itself."""
        return x_T * getattr(self.scheduler, "init_noise_sigma", 1.0)

    def model_input(self, state: Tensor, i: int) -> Tensor:
        """x_t as the denoiser sees it in call i. Flow-matching schedulers have nothing to scale."""
        if not hasattr(self.scheduler, "scale_model_input"):
            return state
        return self.scheduler.scale_model_input(state, self._visits[i])

    def state(self, x_t: Tensor, i: int) -> Tensor:
        """The inverse of `model_input`, which is a factor: the state in which the denoiser sees x_t in call i."""
        return x_t / self.model_input(torch.ones_like(x_t), i)

    def step(self, prediction: Tensor, state: Tensor, i: int, generator: torch.Generator | None = None) -> Tensor:
        """The state after call i. `generator` is needed where the scheduler `takes_generator`."""
        options = {**self._options, "generator": generator} if self.takes_generator else self._options
        return self.scheduler.step(prediction, self._visits[i], state, **options).prev_sample
