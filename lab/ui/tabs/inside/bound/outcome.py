"""What has come of a run of the bound: its two terms, the bounds above it, and a diffusion model's beside them."""

from dataclasses import dataclass
from math import log

import numpy as np

from lab.requests.base import Event
from lab.requests.bound import BoundRequest, BoundTerms, BoundWeights, DiffusionBound


@dataclass
class Outcome:
    """A run as it comes. Sums are in nats, of log-densities of the picture's values in [-1, 1], but where bits of bytes are said."""

    request: BoundRequest
    terms: BoundTerms | None = None
    weights: BoundWeights | None = None  # the latest
    diffusion: DiffusionBound | None = None
    drawn: int = 0  # codes that were weighed

    def add(self, event: Event) -> None:
        """Take what tells of the run."""
        if isinstance(event, BoundTerms):
            self.terms = event
        elif isinstance(event, BoundWeights):
            self.weights = event
            self.drawn += len(event.log_weights)
        elif isinstance(event, DiffusionBound):
            self.diffusion = event

    @property
    def begun(self) -> bool:
        """Whether there is something to show."""
        return self.terms is not None

    def ways(self) -> list[tuple[int, int]]:
        """How far the draws are."""
        return [(self.weights.i + 1, self.weights.n)] if self.weights else []

    @property
    def known(self) -> BoundTerms:
        """The two terms, once they are there."""
        assert self.terms is not None
        return self.terms

    @property
    def reconstruction(self) -> float:
        """R = E_q[log p(x | z)]."""
        return float(self.known.reconstruction.sum())

    @property
    def rate(self) -> float:
        """KL(q(z | x) || p(z)), of all latents."""
        return float(self.known.kl.sum())

    @property
    def elbo(self) -> float:
        """R - KL."""
        return self.reconstruction - self.rate

    @property
    def objective(self) -> float:
        """R - beta KL: what the network was trained for."""
        return self.reconstruction - self.request.beta * self.rate

    @property
    def best_pixel(self) -> float:
        """The most that the three values of a pixel can say: where the decoded one equals it."""
        return -3 * (log(self.known.scale) + 0.5 * log(2 * np.pi))

    @property
    def curve(self) -> list[tuple[int, float, float, float]]:
        """K, and of L_K the mean, 5 % and 95 %, of those K that have a group by now."""
        if self.weights is None:
            return []
        rows = zip(self.request.counts, self.weights.bounds.tolist(), strict=True)
        return [(count, *row) for count, row in rows if not np.isnan(row[0])]

    @property
    def gap(self) -> float | None:
        """The mean of L_K less that of L_1 over the same draws, with the largest K there is: KL(q || p(z | x)) is at least that. None
        before a K above 1 is there."""
        curve = self.curve
        return curve[-1][1] - curve[0][1] if len(curve) > 1 else None

    def density_bits(self, nats: float) -> float:
        """A log-density in bits per dimension; may be below 0."""
        return -nats / (self.known.dimensions * log(2))

    @property
    def byte_bits(self) -> float:
        """Bits that a byte's width takes off a density: log2(255 / 2) for each value of the picture."""
        return self.known.dimensions * float(np.log2(255 / 2))

    @property
    def reconstruction_bits(self) -> float:
        """-R in bits of the picture's bytes: the density times a byte's width, for all values."""
        return -self.reconstruction / log(2) + self.byte_bits
