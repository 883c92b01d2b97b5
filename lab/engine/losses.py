"""Any loss as a guide: what a finished picture should be, as a log-probability of its predicted x_0.

Universal guidance (Bansal et al. 2023, arXiv 2302.07121, section 3.2) sends the gradient of a loss on the predicted x_0 back
through the denoiser; `Guide` with the variable "x_0" does so. Here a loss is the log-density of a measurement of the picture
that is normal around what is wished for, with the deviation SPREAD, so that scale 1 means as much for each of them; times the
`certainty` of x_t.
"""

from dataclasses import dataclass

from torch import Tensor

from lab.engine.potentials import certainty
from lab.engine.process import Level

SPREAD = 0.1  # of a measurement, in units of x_0: white and black lie 2 apart


@dataclass(frozen=True)
class MeanColour:
    """The mean of all pixels is a colour: red, green and blue in [-1, 1]."""

    colour: tuple[float, float, float]

    def __call__(self, x_0: Tensor, level: Level[Tensor]) -> Tensor:
        """(rows,) in nats of x_0 (rows, 3, height, width)."""
        return _log_density(x_0.mean(dim=(2, 3)) - x_0.new_tensor(self.colour), level)


@dataclass(frozen=True)
class Symmetry:
    """The picture is its own mirror image, left to right: the RMS of the difference of the two is 0."""

    def __call__(self, x_0: Tensor, level: Level[Tensor]) -> Tensor:
        """(rows,) in nats of x_0 (rows, channels, height, width)."""
        return _log_density((x_0 - x_0.flip(3)).flatten(1) / x_0[0].numel() ** 0.5, level)


@dataclass(frozen=True)
class Brightness:
    """The mean of a region over pixels and colours is `target`, in [-1, 1]: black to white."""

    region: str
    target: float

    def __call__(self, x_0: Tensor, level: Level[Tensor]) -> Tensor:
        """(rows,) in nats of x_0 (rows, channels, height, width)."""
        return _log_density(part_of(x_0, self.region).mean(dim=(1, 2, 3))[:, None] - self.target, level)


def part_of(x: Tensor, region: str) -> Tensor:
    """The part of x (rows, channels, height, width) that a key of REGIONS names: a half, the middle half each way, or all.
    Raises KeyError for another name."""
    height, width = x.shape[2:]
    rows, columns = {
        "whole": ((0, height), (0, width)),
        "left": ((0, height), (0, width // 2)),
        "right": ((0, height), (width // 2, width)),
        "top": ((0, height // 2), (0, width)),
        "bottom": ((height // 2, height), (0, width)),
        "middle": ((height // 4, height - height // 4), (width // 4, width - width // 4)),
    }[region]
    return x[:, :, slice(*rows), slice(*columns)]


def _log_density(deviations: Tensor, level: Level[Tensor]) -> Tensor:
    """The log of normal densities of deviations (rows, measurements), summed, up to a constant, as far as x_t tells of x_0."""
    return -certainty(level).to(deviations) * (deviations / SPREAD).square().sum(1) / 2
