"""One batched call of the exact denoiser, eight rows at eight timesteps, against a loop over the pictures."""

import torch

from lab.models.exact import ExactData, ExactDenoiser
from tests.benchmarks._report import compare, exact_data, medians_s

ROWS = 8
ALPHAS_CUMPROD = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)


def naive(data: ExactData, x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """The definition, one row and one picture at a time."""
    predictions = []
    for row, level in zip(x_t, ALPHAS_CUMPROD[t.long()].tolist(), strict=True):
        pictures = (data.mean + centred for centred in data.centred)
        logits = [-float((row.flatten() - level**0.5 * x).square().sum()) / (2 * (1 - level)) for x in pictures]
        x_0 = torch.zeros(row.numel())
        for weight, centred in zip(torch.tensor(logits).softmax(0).tolist(), data.centred, strict=True):
            x_0 += weight * (data.mean + centred)
        predictions.append((row - level**0.5 * x_0.reshape(row.shape)) / (1 - level) ** 0.5)
    return torch.stack(predictions)


def main() -> None:
    data, words = exact_data()
    denoiser = ExactDenoiser(data, ALPHAS_CUMPROD)
    x_t = torch.randn(ROWS, *data.shape, generator=torch.Generator().manual_seed(0))
    t = torch.linspace(999, 50, ROWS).round()
    everything = [data.everything] * ROWS
    torch.testing.assert_close(denoiser(x_t, t, everything), naive(data, x_t, t), atol=1e-3, rtol=1e-3)
    ours, slow = medians_s(lambda: denoiser(x_t, t, everything), lambda: naive(data, x_t, t), repeats=5)
    compare(f"exact denoiser, one call of {ROWS} rows; {words}", ours, slow, "at most 0.2")


if __name__ == "__main__":
    main()
