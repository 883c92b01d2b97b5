"""Numbers about pictures: agreement of captions, feature statistics, copies, edges and silhouettes."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.linalg import sqrtm
from torch import Tensor, nn

from lab.measures import edge_f1 as edge_f1
from lab.measures import foreground as foreground
from lab.measures import overlap as overlap
from lab.training.corpus import to_device, to_unit
from lab.training.recipes.evaluator import Judge
from lab.training.wording import tokenize

CHOICES = 100  # captions to pick the right one among


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def unit(vectors: Tensor) -> Tensor:
    return nn.functional.normalize(vectors, dim=-1)


def recall(similar: Tensor, k: int) -> float:
    """Share of rows whose own column is among their k largest."""
    own = torch.arange(len(similar))[:, None]
    return float((similar.topk(min(k, len(similar)), dim=1).indices == own).any(1).float().mean())


@torch.no_grad()
def accuracy(judge: Judge, pictures: np.ndarray, captions: Sequence[str]) -> float:
    """How often the judge picks a picture's own caption among CHOICES of the given ones (its block of a hundred)."""
    images = judge.embed_images(to_unit(to_device(pictures, torch.device("cpu"))))
    texts = judge.embed_texts(tokenize(judge.tokenizer, list(captions)))
    blocks = zip(images.split(CHOICES), texts.split(CHOICES), strict=True)
    return float(np.average([recall(a @ b.T, 1) for a, b in blocks], weights=[len(b) for b in texts.split(CHOICES)]))


@torch.no_grad()
def features(judge: Judge, pictures: np.ndarray) -> np.ndarray:
    return judge.features(to_unit(to_device(pictures, torch.device("cpu")))).numpy().astype(np.float64)


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance of two sets of features taken as normal (Heusel et al. 2017); compare at equal set sizes only."""
    means, covariances = (a.mean(0), b.mean(0)), (np.cov(a.T), np.cov(b.T))
    root = sqrtm(covariances[0] @ covariances[1]).real
    return float(np.square(means[0] - means[1]).sum() + np.trace(covariances[0] + covariances[1] - 2 * root))


def nearest(pictures: np.ndarray, training: np.ndarray) -> dict[str, float]:
    """RMS distance in grey levels to the nearest training picture: smallest, median; near 0 means memorised."""
    data = torch.from_numpy(training).flatten(1).float()
    distances = torch.cdist(torch.from_numpy(pictures).flatten(1).float(), data).min(1).values / data.shape[1] ** 0.5
    return {"smallest": float(distances.min()), "median": float(distances.median())}
