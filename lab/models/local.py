"""The local score machine (Kamb & Ganguli 2024, "An analytic theory of creativity in convolutional diffusion models",
arXiv 2412.20292): the exact denoiser's sum, taken for each pixel over patches instead of over pictures.

A pixel p sees the patch of side k around it. Its predicted x_0 is the mean of the middle pixels of training patches, weighted
by softmax_i( -||patch_p(x_t) - sqrt(alpha_bar) patch_i||^2 / (2 (1 - alpha_bar)) ): of the patches at the same place (the
paper's LS), or of those at all places (its ELS, equivariant under translation). Beyond its border a picture is zero, as
convolutions have it. At the same place, patches that hold the whole picture give the exact denoiser.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from lab.engine.predictions import join_prediction
from lab.engine.process import Level, VariancePreserving
from lab.models.exact import ExactData, Support

PIXELS = (
    1 << 19
)  # of all pictures that are compared at a time: with fewer, waking the second thread costs more than it saves
PATCHES = 512  # of all places that are compared at a time
LEAST = -60.0  # log of the least weight: below float32's rounding, and far from the subnormal numbers that are slow
GRAINS = 2040  # to a unit of x_0, 16 to a grey level: patches that differ by less than one are equal


class Patches(Protocol):
    """Conditioning of a row: the patches that count."""

    def mean(self, x_t: Tensor, a: float, data: ExactData) -> Tensor:
        """The predicted x_0 of x_t (channels, height, width) at alpha-bar `a` in (0, 1)."""
        ...


class LocalDenoiser:
    """A view of an ExactData through one forward process; a `Denoiser` of the engine, safe to share. Conditioning of a row
    is `Patches`."""

    most_rows = 1  # of a call: a row is as much work as a network's batch, and rows share nothing

    def __init__(self, data: ExactData, alphas_cumprod: Tensor, prediction_type: str = "epsilon") -> None:
        self.data = data
        self.process = VariancePreserving(alphas_cumprod)
        self.prediction_type = prediction_type
        self.shape = data.shape

    def __call__(self, x_t: Tensor, t: Tensor, conditioning: Sequence[Patches]) -> Tensor:
        """The local prediction for rows x_t (rows, channels, height, width) at timesteps t (rows,)."""
        alpha_bar = self.process.alpha_bar(t)
        rows = zip(x_t, alpha_bar.tolist(), conditioning, strict=True)
        x_0 = torch.stack([patches.mean(own.to(self.data.mean), a, self.data) for own, a, patches in rows]).to(x_t)
        level = Level.from_alpha_bar(alpha_bar.to(x_t)[:, None, None, None])
        return join_prediction(x_0, x_t, level, self.prediction_type)


@dataclass(frozen=True)
class OwnPlace:
    """The patches at the same place in the pictures of a support; their side in pixels is odd."""

    support: Support
    side: int

    def mean(self, x_t: Tensor, a: float, data: ExactData) -> Tensor:
        """As Patches.mean."""
        mean = data.mean.reshape(data.shape)
        moved, answer = x_t - a**0.5 * mean, RunningMean()
        for pictures in _blocks(self.support, data.shape):
            squares = box_sum(_square_distances(moved, pictures, a**0.5), self.side)
            answer.add(squares.mul_(-1 / (2 * (1 - a))), partial(_weighted_sum, pictures))
        return answer.value + mean


class AllPlaces:
    """The patches at all places in the pictures of a support; their side in pixels is odd.

    Patches that are equal, as white paper is, are one that weighs as much. They are cut out anew in each call, some at a
    time, so that memory stays bounded. Everything is kept relative to the mean value of the pictures.
    """

    def __init__(self, data: ExactData, support: Support, side: int) -> None:
        pictures = torch.cat([block + data.mean.reshape(data.shape) for block in _blocks(support, data.shape)])
        self._centre, self._margin = pictures.mean(), (side // 2,) * 4
        self._padded = pad(pictures, self._margin) - self._centre
        width, (channels, rows, columns) = self._padded.shape[-1], data.shape
        self._within = _grid(self._padded[0, 0].numel(), channels, width, side, side).to(pictures.device)
        self._places = _grid(0, 1, width, rows, columns).to(pictures.device)
        first, counts = distinct_patches(pictures, side)
        area = rows * columns
        self._corners = first // area * self._padded[0].numel() + self._places[first % area]
        self._log_counts = counts.to(pictures).log()
        self._middle = self._within.reshape(channels, -1)[:, side**2 // 2]

    def mean(self, x_t: Tensor, a: float, data: ExactData) -> Tensor:
        """As Patches.mean. Of the square only what differs between patches is computed: the rest cancels in the softmax."""
        sought = self._cut(pad(x_t, self._margin) - a**0.5 * self._centre, self._places)
        sought, answer = sought.mul_(a**0.5 / (1 - a)).T, RunningMean()
        for corners, log_counts in zip(self._corners.split(PATCHES), self._log_counts.split(PATCHES), strict=True):
            patches = self._cut(self._padded, corners)
            own = log_counts - patches.square().sum(1) * (a / (2 * (1 - a)))
            middles = self._padded.flatten()[corners + self._middle[:, None]]
            answer.add(torch.addmm(own[:, None], patches, sought), partial(torch.matmul, middles))
        return answer.value.reshape(data.shape) + self._centre

    def _cut(self, padded: Tensor, corners: Tensor) -> Tensor:
        """The patches with these corners: (patches, values)"""
        return padded.flatten()[corners[:, None] + self._within]


class RunningMean:
    """The softmax-weighted mean of values that come in blocks: what is summed so far is scaled by the largest score so far."""

    def __init__(self) -> None:
        self._top, self._weight, self._sum = torch.tensor(-torch.inf), torch.tensor(0.0), torch.tensor(0.0)

    def add(self, scores: Tensor, weighted_sum: Callable[[Tensor], Tensor]) -> None:
        """Scores (n, *places), which are overwritten, and what sums their values, (channels, *places), given weights."""
        top = torch.maximum(self._top, scores.detach().amax(0))  # whatever it is, the mean is the same
        weights, older = scores.sub_(top).clamp_(min=LEAST).exp_(), (self._top - top).exp_()
        self._weight = self._weight * older + weights.sum(0)
        self._top, self._sum = top, self._sum * older + weighted_sum(weights)

    @property
    def value(self) -> Tensor:
        """(channels, *places)"""
        return self._sum / self._weight


def box_sum(values: Tensor, side: int) -> Tensor:
    """The sum over the square of `side` pixels (odd) around each pixel of values (n, height, width), zero beyond the border.

    As two matrix products it costs the same for every side, and only what belongs to the sum is added."""
    height, width = (_band(length, side).to(values) for length in values.shape[1:])
    return height @ (values.flatten(0, 1) @ width).reshape(values.shape)


def distinct_patches(pictures: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Of the patches of pictures (n, channels, height, width), one at each pixel, those that differ: the places of the first of
    each, counted through all pictures, and how often it is there. By a hash of 64 bits, linear in the values."""
    generator = torch.Generator().manual_seed(0)
    by_channel, by_row, by_column = (
        torch.randint(-(2**62), 2**62, (count,), generator=generator).to(pictures.device)
        for count in (pictures.shape[1], side, side)
    )
    grains = (pictures * GRAINS).round().long()
    hashes = pad((grains * by_channel[:, None, None]).sum(1), (side // 2,) * 4)
    for axis, factors in ((1, by_row), (2, by_column)):
        length = pictures.shape[axis + 1]
        hashes = torch.stack([hashes.narrow(axis, i, length) * factor for i, factor in enumerate(factors)]).sum(0)
    sorted_hashes, order = hashes.flatten().sort(stable=True)
    starts = torch.nonzero(torch.diff(sorted_hashes, prepend=~sorted_hashes[:1])).flatten()
    return order[starts], torch.diff(starts, append=starts.new_tensor([len(order)]))


def _grid(plane: int, planes: int, width: int, rows: int, columns: int) -> Tensor:
    """Where the values of a (planes, rows, columns) corner are in planes of so many values and of this width."""
    return (
        plane * torch.arange(planes)[:, None, None] + width * torch.arange(rows)[:, None] + torch.arange(columns)
    ).flatten()


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


def _weighted_sum(pictures: Tensor, weights: Tensor) -> Tensor:
    """Of pictures (n, channels, height, width), each pixel with a weight of its own (n, height, width)."""
    return torch.stack([(weights * channel).sum(0) for channel in pictures.unbind(1)])  # faster than one product of all


def _blocks(support: Support, shape: tuple[int, int, int]) -> Iterator[Tensor]:
    """The centred pictures of a support, (n, *shape), so many at a time."""
    for part in support.centred.split(max(1, PIXELS // (shape[1] * shape[2]))):
        yield part.reshape(-1, *shape)
    if support.more is not None:
        yield support.more.reshape(-1, *shape)
