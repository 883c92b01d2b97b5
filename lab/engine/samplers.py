"""A fresh diffusers scheduler for every lane, spaced correctly, and x_0 or eps from any prediction type.

Notation (diffusers -> papers): alphas_cumprod -> alpha-bar (Ho) or alpha (Song); t counts 0 .. T-1, so the
noisiest level is t = T-1. sigma here is always Karras's: sigma^2 = (1 - alpha_bar) / alpha_bar.
"""

import inspect
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers.schedulers.scheduling_ddim import DDIMSchedulerOutput
from torch import Tensor

from lab.engine.grid import LCM_STEPS, timestep_grid

# Lin et al. 2023 make alpha-bar(T) exactly 0; eps-prediction then divides by it. diffusers' schedulers replace it
# by this value (the smallest float16), which is pure noise to seven digits.
SMALLEST_ALPHA_BAR = 2.0**-24
# Relative distance of neighbours that would both be this value: solvers in log-SNR divide by it.
SMALLEST_STEP = 0.01


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
        alpha_bar = self.alphas_cumprod[int(timestep)]
        alpha_bar_next = self._alpha_bar_after(int(timestep))
        x_0, eps = split_prediction(model_output, sample, alpha_bar, self.config.prediction_type)
        if self.config.clip_sample:
            x_0 = x_0.clamp(-self.config.clip_sample_range, self.config.clip_sample_range)
        # Equation 16; then equation 12: "predicted x_0", "direction pointing to x_t", "random noise".
        sigma = eta * ((1 - alpha_bar_next) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_next)).clamp(min=0) ** 0.5
        moved = alpha_bar_next**0.5 * x_0 + (1 - alpha_bar_next - sigma**2).clamp(min=0) ** 0.5 * eps
        if eta > 0:
            noise = torch.randn(sample.shape, generator=generator, dtype=sample.dtype, device="cpu")
            moved = moved + sigma * noise.to(sample.device)
        return DDIMSchedulerOutput(prev_sample=moved, pred_original_sample=x_0)

    def _alpha_bar_after(self, timestep: int) -> Tensor:
        later = self.timesteps[self.timesteps < timestep]
        return self.alphas_cumprod[int(later[0])] if len(later) else self.final_alpha_cumprod


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
        x_0, eps = split_prediction(model_output, sample, alpha_bar, self.config.prediction_type)
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


OWN = {"DDIM": DDIM, "DDIMInversion": DDIMInversion, "PNDM": PNDM}
# Classes that cannot be given an x_0 prediction: a lane gives them the eps of it.
EPS_FOR_X_0 = {"PNDM", "EulerAncestralDiscreteScheduler"}


def make_scheduler(
    name: str,
    alphas_cumprod: Tensor,  # (T,)
    prediction_type: str,
    steps: int,
    spacing: str = "trailing",
    options: dict[str, Any] | None = None,
) -> Any:
    """A fresh scheduler with its timesteps set: a class of this module or of diffusers by `name`.

    Every class gets the betas of the model itself: diffusers' classes have different defaults (Heun's are Stable
    Diffusion's). What it wants as the prediction is its `config.prediction_type`: that of the model, but eps where the
    class knows no x_0 prediction. Raises ValueError for steps outside 1 .. T.
    """
    if steps in (1, len(alphas_cumprod)):
        spacing = "trailing"  # what their grid is; Euler's scale of x_T goes by the name
    cls: Any = OWN.get(name) or getattr(diffusers, name)
    wanted = {
        "trained_betas": betas_of(alphas_cumprod).tolist(),
        "num_train_timesteps": len(alphas_cumprod),
        "prediction_type": "epsilon" if prediction_type == "sample" and name in EPS_FOR_X_0 else prediction_type,
        "timestep_spacing": spacing,
        "original_inference_steps": min(LCM_STEPS, len(alphas_cumprod)),
        **(options or {}),
    }
    accepted = inspect.signature(cls.__init__).parameters
    scheduler = cls(**{key: value for key, value in wanted.items() if key in accepted})
    _visit(scheduler, timestep_grid(name, len(alphas_cumprod), steps, spacing))
    return scheduler


def _visit(scheduler: Any, grid: np.ndarray) -> None:
    """Make a scheduler visit the timesteps `grid`, highest first.

    Most classes of diffusers take custom timesteps. The others get theirs, and the noise levels there as diffusers works
    them out, in place of their own.
    """
    if "timesteps" in inspect.signature(scheduler.set_timesteps).parameters:
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


def levels_of(alphas_cumprod: Tensor) -> Tensor:
    """alpha-bar (T,) in float64 as samplers use it: above 0 and strictly falling, so that log-SNR is finite and no two
    timesteps share it. Under zero terminal SNR, and on chains of a few steps, several would be lost to rounding."""
    table = alphas_cumprod.double()
    below = torch.arange(len(table) - 1, -1, -1, dtype=torch.float64, device=table.device)
    return torch.maximum(table, SMALLEST_ALPHA_BAR * (1 + SMALLEST_STEP * below))


def betas_of(alphas_cumprod: Tensor) -> Tensor:
    """The betas whose running product of (1 - beta) is `alphas_cumprod`; both (T,)."""
    safe = levels_of(alphas_cumprod)
    return 1 - safe / torch.cat([safe.new_ones(1), safe[:-1]])


def alpha_bar_at(alphas_cumprod: Tensor, t: Tensor) -> Tensor:
    """alpha-bar at timesteps `t` (any shape), fractional ones included, as Euler and Heun of diffusers have it.

    Between two timesteps sigma is linear in t.
    """
    t = t.double().clamp(0, len(alphas_cumprod) - 1)
    table = levels_of(alphas_cumprod)
    below = t.floor().long()
    above = t.ceil().long()
    sigma = ((1 - table) / table).sqrt()
    between = torch.lerp(sigma[below], sigma[above], t - below)
    return torch.where(below == above, table[below], 1 / (1 + between**2))


def split_prediction(
    prediction: Tensor, x_t: Tensor, alpha_bar: Tensor | float, prediction_type: str
) -> tuple[Tensor, Tensor]:
    """x_0 and eps from what the network predicts: "epsilon" (Ho 2020), "v_prediction" (Salimans and Ho 2022,
    appendix D: v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x_0) or "sample" (x_0 itself)."""
    signal, noise = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
    if prediction_type == "epsilon":
        return (x_t - noise * prediction) / signal, prediction
    if prediction_type == "v_prediction":
        return signal * x_t - noise * prediction, signal * prediction + noise * x_t
    if prediction_type == "sample":
        return prediction, (x_t - signal * prediction) / noise
    raise ValueError(f"unknown prediction type '{prediction_type}': use epsilon, v_prediction or sample")


def join_prediction(x_0: Tensor, x_t: Tensor, alpha_bar: Tensor | float, prediction_type: str) -> Tensor:
    """The inverse of `split_prediction`: what a network of `prediction_type` would say where it means `x_0`."""
    if prediction_type == "sample":
        return x_0
    signal, noise = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
    eps = (x_t - signal * x_0) / noise
    if prediction_type == "epsilon":
        return eps
    if prediction_type == "v_prediction":
        return signal * eps - noise * x_0
    raise ValueError(f"unknown prediction type '{prediction_type}': use epsilon, v_prediction or sample")


def slerp(a: Tensor, b: Tensor, u: float) -> Tensor:
    """Spherical interpolation between two noises (Shoemake 1985; DDIM, appendix D.5): u = 0 gives a, 1 gives b.

    A straight mean of two Gaussian noises is too quiet for the model; on the sphere the norm is kept.
    """
    cosine = (torch.dot(a.flatten(), b.flatten()) / (a.norm() * b.norm())).clamp(-1, 1)
    theta = torch.arccos(cosine)
    if theta.sin().abs() < 1e-6:
        return torch.lerp(a, b, u)
    return (torch.sin((1 - u) * theta) * a + torch.sin(u * theta) * b) / torch.sin(theta)
