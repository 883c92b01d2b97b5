"""Numbers about pictures: agreement of captions, copies, edges and silhouettes."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from lab.measures import edge_f1 as edge_f1
from lab.measures import foreground as foreground
from lab.measures import overlap as overlap
from lab.models.judge import LoadedJudge

CHOICES = 100  # captions to pick the right one among


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def unit(vectors: Tensor) -> Tensor:
    return nn.functional.normalize(vectors, dim=-1)


def recall(similar: Tensor, k: int) -> float:
    """Share of rows whose own column is among their k largest."""
    own = torch.arange(len(similar))[:, None]
    return float((similar.topk(min(k, len(similar)), dim=1).indices == own).any(1).float().mean())


def accuracy(judge: LoadedJudge, pictures: np.ndarray, captions: Sequence[str]) -> float:
    """How often the judge picks a picture's own caption among CHOICES of the given ones (its block of a hundred)."""
    images, texts = judge.embed_pictures(pictures), judge.embed_captions(captions)
    blocks = zip(images.split(CHOICES), texts.split(CHOICES), strict=True)
    return float(np.average([recall(a @ b.T, 1) for a, b in blocks], weights=[len(b) for b in texts.split(CHOICES)]))


def nearest(pictures: np.ndarray, training: np.ndarray) -> dict[str, float]:
    """RMS distance in grey levels to the nearest training picture: smallest, median; near 0 means memorised."""
    data = torch.from_numpy(training).flatten(1).float()
    distances = torch.cdist(torch.from_numpy(pictures).flatten(1).float(), data).min(1).values / data.shape[1] ** 0.5
    return {"smallest": float(distances.min()), "median": float(distances.median())}
