"""The timesteps that a sampler visits, in exact integer arithmetic.

diffusers works them out in floating point, where a stride of T / n adds up to one timestep too many for 62 of the counts
1 to 1000 at T = 1000 (61 steps give 62, the last one -1). Here every grid has n timesteps, strictly falling, within
0 .. T-1. Where diffusers' own is such a grid, the two are equal, but for exact halves, which go to the even number here and
either way there.
"""

import numpy as np

# Classes of diffusers whose "leading" and "linspace" lay out n + 1 timesteps and leave out the lowest.
LOWEST_LEFT_OUT = {"DPMSolverMultistepScheduler", "UniPCMultistepScheduler", "DEISMultistepScheduler"}
# Classes whose "linspace" is not rounded: they know the noise level between two timesteps.
FRACTIONAL = {"EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler"}
LCM_STEPS = 50  # of the solver that a latent consistency model was distilled along (Luo et al. 2023, section 4.3)


def timestep_grid(scheduler: str, total: int, steps: int, spacing: str) -> np.ndarray:
    """The `steps` timesteps of a chain of `total`, (steps,), highest first, as the class named `scheduler` spaces them.

    "trailing": T (n - i) / n - 1, rounded (Lin et al. 2023, table 2); LCM's is the part of 50 such timesteps that Luo et
    al. take. "leading": whole strides of T // n from t = 1, as Stable Diffusion has it, or from 0 where 1 does not fit.
    "linspace": from T - 1 to 0 in equal parts. One step is always taken from T - 1, and `total` steps visit every timestep,
    whatever the spacing. Raises ValueError for another spacing, and for steps outside 1 .. total.
    """
    if not 1 <= steps <= total:
        raise ValueError(f"{steps} steps do not fit a chain of {total} timesteps; take 1 to {total}")
    if scheduler == "LCMScheduler":
        whole = _trailing(total, max(steps, min(LCM_STEPS, total)))
        return whole[np.arange(steps) * len(whole) // steps]
    if spacing == "trailing" or steps in (1, total):
        return _trailing(total, steps)
    spare = scheduler in LOWEST_LEFT_OUT
    places = np.arange(steps, 0, -1) - (not spare)
    if spacing == "leading":
        grid = places * (total // (steps + spare))
        return grid + min(1, total - 1 - int(grid[0]))
    if spacing != "linspace":
        raise ValueError(f"unknown spacing '{spacing}': use trailing, leading or linspace")
    if scheduler in FRACTIONAL:
        return np.linspace(0, total - 1, steps, dtype=np.float32)[::-1].copy()
    return _rounded(places * (total - 1), steps - (not spare))


def _trailing(total: int, steps: int) -> np.ndarray:
    return _rounded(total * np.arange(steps, 0, -1), steps) - 1


def _rounded(dividends: np.ndarray, divisor: int) -> np.ndarray:
    """The whole numbers nearest to dividends / divisor, halves to the even one. Quotients that lie at least 1 apart,
    and not all halves, stay apart."""
    whole, rest = np.divmod(dividends, divisor)
    return whole + ((2 * rest > divisor) | ((2 * rest == divisor) & (whole % 2 == 1)))
