"""A picture of the local score machine in the lane engine, 20 steps of DDIM, against plain numpy: a loop over the pictures."""

import numpy as np
import torch

from lab.engine.lanes import StepNoise, drive
from lab.models.loaders import load
from lab.operations.lanes import make_lane
from lab.requests.invention import FORWARD
from lab.requests.sampling import LaneSettings
from lab.settings import Settings
from tests.benchmarks._report import compare, medians_s

GROUP, SIDE, STEPS = "animals-nature", 7, 20


def box(values: np.ndarray) -> np.ndarray:
    """The sum over the square of SIDE pixels around each pixel, by running sums along both axes."""
    margin = SIDE // 2
    sums = np.pad(np.pad(values, margin).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    return sums[SIDE:, SIDE:] - sums[:-SIDE, SIDE:] - sums[SIDE:, :-SIDE] + sums[:-SIDE, :-SIDE]


def denoise(pictures: np.ndarray, x_t: np.ndarray, a: float) -> np.ndarray:
    """The definition, one picture at a time."""
    logits = np.stack([-box(np.square(x_t - a**0.5 * x).sum(0)) / (2 * (1 - a)) for x in pictures])
    weights = np.exp(logits - logits.max(0))
    weights /= weights.sum(0)
    x_0 = np.zeros_like(x_t)
    for weight, x in zip(weights, pictures, strict=True):
        x_0 += weight * x
    return x_0


def naive(pictures: np.ndarray, x: np.ndarray, levels: list[float]) -> np.ndarray:
    """DDIM with eta 0 (Song et al. 2021, equation 12) down these alpha-bars."""
    for a, b in zip(levels, [*levels[1:], 1.0], strict=True):
        x_0 = denoise(pictures, x, a)
        eps = (x - a**0.5 * x_0) / (1 - a) ** 0.5
        x = b**0.5 * x_0 + (1 - b) ** 0.5 * eps
    return x


def main() -> None:
    model = load("local-32", Settings())
    support, denoiser = model.known(GROUP, 0), model.denoiser(FORWARD)
    row = model.patches(support, SIDE, translated=False)
    pictures = (support.centred + model.data.mean).reshape(-1, *model.shape).numpy()

    def lane():
        return make_lane(0, LaneSettings(steps=STEPS, seed=3), denoiser, row, None)

    levels = [float(denoiser.process.alphas_cumprod[int(t)]) for t in lane().timesteps]
    x_T = StepNoise(3).initial(model.shape).numpy()
    for record in list(drive(denoiser, [lane()]))[
        1:-1:6
    ]:  # a path forks where float32 rounds; each of its calls is the same
        x_0 = denoise(pictures, record.x_t.numpy(), record.level.signal**2)
        assert np.abs(record.x_0.numpy() - x_0).max() < 1e-2
    ours, slow = medians_s(lambda: list(drive(denoiser, [lane()])), lambda: naive(pictures, x_T, levels))
    words = f"{len(pictures)} pictures, patch {SIDE}, {STEPS} steps, {torch.get_num_threads()} threads"
    compare(f"a picture of the local score machine; {words}", ours, slow, "at most 0.3")


if __name__ == "__main__":
    main()
