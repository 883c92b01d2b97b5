"""Distances between pictures in the making."""

from collections.abc import Sequence
from math import isfinite

import torch
from torch import Tensor

from lab.engine.lanes import Record


def rms(a: Tensor, b: Tensor) -> float:
    """Root mean square difference of two tensors of one shape; pictures are in [-1, 1], so 0 to 2."""
    return float((a - b).square().mean().sqrt())


def path_distance(path: Sequence[Record], reference: Sequence[Record]) -> float | None:
    """How far a lane strays from a long reference run: RMS of x_t between them at equal log-SNR, averaged over the
    lane's own noise levels (its first, where all lanes are equal, left out). 0 for a path of one call; None for many at one
    level, and where the reference has fewer than two levels, between which nothing can be interpolated.

    Distances of finished pictures hide a solver's order where pictures are discrete, as with the exact denoiser:
    they end in the same picture or in another one. Between two levels of the reference, x_t is interpolated in
    log-SNR. Of calls that share a timestep (Heun's and PNDM's look-ahead) the last one is the state.
    """
    states = list({record.t: record for record in path if record.i < record.n}.values())[1:]
    reference = [record for record in reference if isfinite(record.log_snr)]  # no pure noise, not the finished picture
    log_snrs = torch.tensor([record.log_snr for record in reference])
    if len(log_snrs) < 2:
        return None
    distances = []
    for state in states:
        above = int(torch.searchsorted(log_snrs, state.log_snr).clamp(1, len(log_snrs) - 1))
        share = float((state.log_snr - log_snrs[above - 1]) / (log_snrs[above] - log_snrs[above - 1]))
        x_t = torch.lerp(reference[above - 1].x_t, reference[above].x_t, min(max(share, 0.0), 1.0))
        distances.append(rms(state.x_t, x_t))
    if not distances:
        return 0.0 if len(path) <= 2 else None
    return sum(distances) / len(distances)
