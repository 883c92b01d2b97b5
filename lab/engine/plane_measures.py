"""What is measured of particles on the plane: shares of the modes, distance of distributions, straightness of paths."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lab.engine.mixture import Mixture


def shares(x: Tensor, data: Mixture, classes: Tensor) -> Tensor:
    """The share of the particles x (M, D) whose most likely class under `data` it is, for each class, (K,).

    `classes` (N,) says from 0 to K - 1 which class each point of the data is of. The truth beside it is `class_weights`, up to
    what overlap of classes makes of it.
    """
    one_hot = torch.nn.functional.one_hot(classes).double()  # (N, K)
    likely = (data.responsibilities(x) @ one_hot).argmax(1)
    return torch.bincount(likely, minlength=one_hot.shape[1]).double() / len(x)


def class_weights(data: Mixture, classes: Tensor) -> Tensor:
    """The weight of each class in the data, (K,)."""
    return data.weights @ torch.nn.functional.one_hot(classes).double()


def energy_distance(x: Tensor, y: Tensor) -> float:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'| over all pairs of two sets of particles, (M, D) and (N, D) (Székely and Rizzo
    2013). At least 0; for M and N draws of one distribution about (1 / M + 1 / N) E|X - X'|."""
    return float(2 * torch.cdist(x, y).mean() - torch.cdist(x, x).mean() - torch.cdist(y, y).mean())


def straightness(path: Sequence[Tensor]) -> tuple[float, float]:
    """How far paths are from straight lines at one speed (Liu et al. 2023, section 3): S = int E|(Z_1 - Z_0) - dZ_t / dt|^2 dt,
    and S / E|Z_1 - Z_0|^2. Both are 0 where they are straight lines.

    `path` is the particles (M, D) at equal steps of time over [0, 1], both ends included.
    """
    states = torch.stack(list(path))  # (steps + 1, M, D)
    chord = states[-1] - states[0]
    off = states.diff(dim=0) * (len(states) - 1) - chord
    bend = float(off.square().sum(2).mean())
    return bend, bend / float(chord.square().sum(1).mean())
