"""Points in a CLIP's space of pictures and texts (Radford et al. 2021), and the ways of unCLIP (Ramesh et al. 2022) to move between
them. An embedding is (width,): its direction says what is meant; its length is what the encoder gives it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lab.engine.latents import slerp
from lab.engine.noising import q_sample
from lab.engine.process import Level

MOST_TURNS, CLOSE = 50, 1e-9  # of the mean on the sphere; in radians


def unit(z: Tensor) -> Tensor:
    """Embeddings (..., width) at length one; zeros stay zeros."""
    return torch.nn.functional.normalize(z, dim=-1)


def between(points: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The point between embeddings, or between noises, of any shape: of two the slerp (Ramesh et al. 2022, section 3.2), of more the
    weighted mean on the sphere (Buss & Fillmore 2001, "Spherical averages", algorithm A1), which no order of the points changes. Its
    length is the mean of theirs. Weights are at least 0, not all 0, and count by their shares."""
    kept = [(point, weight / sum(weights)) for point, weight in zip(points, weights, strict=True) if weight > 0]
    shares = torch.tensor([share for _, share in kept], dtype=torch.float64)
    vectors = torch.stack([point.flatten().double() for point, _ in kept])
    length, directions = shares @ vectors.norm(dim=1), unit(vectors)
    mean = unit(shares @ directions)
    for _ in range(MOST_TURNS):
        cosines = directions @ mean
        angles = cosines.clamp(-1, 1).acos()
        along = directions - cosines[:, None] * mean  # towards each point, at right angles to the mean
        turn = shares @ (angles[:, None] * unit(along))
        if float(turn.norm()) < CLOSE:
            break
        mean = unit(turn.norm().cos() * mean + turn.norm().sin() * unit(turn))
    return (length * mean).to(points[0]).reshape(points[0].shape)


def difference(z: Tensor, text: Tensor, base: Tensor, t: float) -> Tensor:
    """A picture's embedding turned towards what a text says and `base` does not (Ramesh et al. 2022, section 3.3):
    slerp(z, norm(text - base), t). It keeps its length. Where both texts say the same nothing is turned."""
    direction = unit(unit(text) - unit(base))
    if not direction.any():
        return z
    return z.norm() * unit(slerp(unit(z), direction, t))


@dataclass(frozen=True)
class Components:
    """The principal components of a set of embeddings: their mean (width,), the directions (n, width) of unit length, the
    first the one along which they vary most, and the variance along each, (n,)."""

    mean: Tensor
    directions: Tensor
    variances: Tensor

    @classmethod
    def of(cls, embeddings: Tensor) -> "Components":
        """Those of embeddings (n, width), at least two."""
        mean = embeddings.mean(dim=0)
        _, values, directions = torch.linalg.svd(embeddings - mean, full_matrices=False)
        return cls(mean, directions, values**2 / (len(embeddings) - 1))

    def kept(self, z: Tensor, count: int) -> Tensor:
        """What the first `count` components keep of an embedding (Ramesh et al. 2022, figure 7); 0 keeps the mean alone."""
        directions = self.directions[:count]
        return self.mean + (z - self.mean) @ directions.T @ directions

    def share(self, count: int) -> float:
        """The share of the variance that lies along the first `count` components, in [0, 1]."""
        return float(self.variances[:count].sum() / self.variances.sum())


def noised(z: Tensor, level: Level[float], eps: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """An embedding under noise, as diffusers' StableUnCLIPPipeline has it: in units of each coordinate's deviation."""
    return q_sample((z - mean) / deviation, level, eps) * deviation + mean


def diversity(embeddings: Tensor) -> float:
    """How unlike each other pictures are: the mean of 1 - cosine over all pairs of embeddings (n, width); 0 of one alone."""
    n = len(embeddings)
    if n < 2:
        return 0.0
    cosines = unit(embeddings) @ unit(embeddings).T
    return float((n * n - cosines.sum() - (n - cosines.diagonal().sum())) / (n * (n - 1)))
