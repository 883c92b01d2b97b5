"""The local score machine (Kamb & Ganguli 2024, "An analytic theory of creativity in convolutional diffusion models",
arXiv 2412.20292): the exact denoiser's sum, taken for each pixel over patches instead of over pictures.

A pixel p sees the patch of side k around it. Its predicted x_0 is the mean of the middle pixels of all training patches at
the same place, weighted by softmax_i( -||patch_p(x_t) - sqrt(alpha_bar) patch_p(x_i)||^2 / (2 (1 - alpha_bar)) ). Beyond its
border a picture is zero, as convolutions have it. A patch that holds the whole picture gives the exact denoiser.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lab.engine.predictions import join_prediction
from lab.engine.process import Level, VariancePreserving
from lab.models.exact import ExactData, Support

BLOCK = 1 << 16  # pixels of all pictures that are compared at a time: what a processor's cache holds


@dataclass(frozen=True)
class Patches:
    """Conditioning of a row: the pictures whose patches count, and the side of a patch in pixels, odd."""

    support: Support
    side: int


class LocalDenoiser:
    """A view of an ExactData through one forward process; a `Denoiser` of the engine, safe to share. Conditioning of a row
    is `Patches`."""

    def __init__(self, data: ExactData, alphas_cumprod: Tensor, prediction_type: str = "epsilon") -> None:
        self.data = data
        self.process = VariancePreserving(alphas_cumprod)
        self.prediction_type = prediction_type
        self.shape = data.shape

    def __call__(self, x_t: Tensor, t: Tensor, conditioning: Sequence[Patches]) -> Tensor:
        """The local prediction for rows x_t (rows, channels, height, width) at timesteps t (rows,)."""
        alpha_bar = self.process.alpha_bar(t).to(x_t)
        x_0 = self.patch_mean(x_t, alpha_bar, conditioning)
        return join_prediction(x_0, x_t, Level.from_alpha_bar(alpha_bar[:, None, None, None]), self.prediction_type)

    def patch_mean(self, x_t: Tensor, alpha_bar: Tensor, conditioning: Sequence[Patches]) -> Tensor:
        """The predicted x_0 of each row; alpha_bar is (rows,) in (0, 1)."""
        rows = zip(x_t, alpha_bar.tolist(), conditioning, strict=True)
        return torch.stack([self._row(*row) for row in rows]).to(x_t)

    def _row(self, x_t: Tensor, a: float, patches: Patches) -> Tensor:
        mean = self.data.mean.reshape(self.shape)
        moved = x_t.to(mean) - a**0.5 * mean
        answer = RunningMean(self.shape, mean.device)
        for pictures in _blocks(patches.support, self.shape):
            squares = box_sum(_square_distances(moved, pictures, a**0.5), patches.side)
            answer.add(squares.mul_(-1 / (2 * (1 - a))), pictures)
        return answer.value + mean


class RunningMean:
    """The softmax-weighted mean of values that come in blocks: what is summed so far is scaled to the largest score so far."""

    def __init__(self, shape: tuple[int, int, int], device: torch.device) -> None:
        self._top = torch.full(shape[1:], -torch.inf, device=device)
        self._weight, self._sum = torch.zeros(shape[1:], device=device), torch.zeros(shape, device=device)

    def add(self, scores: Tensor, values: Tensor) -> None:
        """Scores (n, height, width), which are overwritten, and values (n, channels, height, width)."""
        top = torch.maximum(self._top, scores.amax(0))
        weights, older = scores.sub_(top).exp_(), (self._top - top).exp_()
        self._weight = self._weight * older + weights.sum(0)
        sums = [(weights * channel).sum(0) for channel in values.unbind(1)]  # faster than one product of all
        self._top, self._sum = top, self._sum * older + torch.stack(sums)

    @property
    def value(self) -> Tensor:
        """(channels, height, width)"""
        return self._sum / self._weight


def box_sum(values: Tensor, side: int) -> Tensor:
    """The sum over the square of `side` pixels (odd) around each pixel of values (n, height, width), zero beyond the border.

    As two matrix products, it costs the same for every side and adds no more than it must."""
    height, width = (_band(length, side).to(values) for length in values.shape[1:])
    along = (values.flatten(0, 1) @ width).reshape(values.shape)
    return torch.matmul(height, along)


def _band(length: int, side: int) -> Tensor:
    """(length, length): 1 where two places are in one patch."""
    place = torch.arange(length)
    return ((place[:, None] - place).abs() <= side // 2).float()


def _square_distances(moved: Tensor, pictures: Tensor, signal: float) -> Tensor:
    """Of each pixel of moved (channels, height, width) to those of signal * pictures (n, channels, height, width), over
    the channels: (n, height, width). Of differences, not expanded: near a picture float32 keeps its digits."""
    total = torch.zeros_like(pictures[:, 0])
    for own, channel in zip(moved, pictures.unbind(1), strict=True):
        difference = torch.sub(own, channel, alpha=signal)
        total.addcmul_(difference, difference)
    return total


def _blocks(support: Support, shape: tuple[int, int, int]) -> Iterator[Tensor]:
    """The centred pictures of a support, (n, *shape), so many at a time."""
    for part in support.centred.split(max(1, BLOCK // (shape[1] * shape[2]))):
        yield part.reshape(-1, *shape)
    if support.more is not None:
        yield support.more.reshape(-1, *shape)
