"""The evidence lower bound of a latent variable model, and bounds that come closer to log p(x) by weighing several draws.

Kingma & Welling 2013 (arXiv:1312.6114) for the bound, Burda et al. 2015 (arXiv:1509.00519) for the importance-weighted one. q(z | x)
is a Gaussian of independent latents, `mean` and `std` (latents,), and p(z) = N(0, I). A model is its likelihood, a function from
codes to log p(x | z); draws are codes mean + std eps, so whoever hands over eps decides on them. All is in nats.
"""

import math
from collections.abc import Callable

from torch import Tensor

Likelihood = Callable[[Tensor], Tensor]  # codes (k, latents) -> log p(x | z) of each value of x, (k, *shape of x)


def kl_to_prior(mean: Tensor, std: Tensor) -> Tensor:
    """KL(N(mean, std^2) || N(0, 1)) of each latent (Kingma & Welling 2013, appendix B). `std` is above 0."""
    return 0.5 * (mean.square() + std.square() - 1) - std.log()


def reconstruction(likelihood: Likelihood, mean: Tensor, std: Tensor, eps: Tensor) -> Tensor:
    """E_q[log p(x | z)] of each value of x, in x's shape and float64: the mean over the draws of eps (k, latents)."""
    return likelihood(mean + std * eps).double().mean(0)


def log_weights(likelihood: Likelihood, mean: Tensor, std: Tensor, eps: Tensor) -> Tensor:
    """log p(x, z) / q(z | x) of each draw of eps (k, latents), (k,) float64 (Burda et al. 2015, eq. 7). Each of them is an estimate of
    the ELBO, and the same number for all draws where q is the posterior. `std` is above 0."""
    codes = mean + std * eps
    prior_over_q = 0.5 * (eps.double().square() - codes.double().square()) + std.double().log()
    return likelihood(codes).double().flatten(1).sum(1) + prior_over_q.sum(1)


def importance_bounds(weights: Tensor, count: int) -> Tensor:
    """L_K of K = `count` draws, log (1/K) sum w (Burda et al. 2015, eq. 8), of each K log weights (n,) in a row; what is left over
    counts nowhere. (n // K,) float64; an unbiased estimate of p(x) in each exponential.

    Their mean does not fall where a larger K is a multiple of a smaller one and both divide n: the logarithm is concave.
    """
    whole = len(weights) // count * count
    return weights[:whole].double().reshape(-1, count).logsumexp(1) - math.log(count)


def effective_draws(weights: Tensor) -> float:
    """(sum w)^2 / sum w^2 of log weights (n,): as many draws of equal weight would say as much (Kong 1992); 1 to n."""
    return float((2 * weights.double().logsumexp(0) - (2 * weights.double()).logsumexp(0)).exp())


def bits_per_dimension(nats: float, dimensions: int) -> float:
    """-nats / (dimensions ln 2): of a log-density, which may be below 0."""
    return -nats / (dimensions * math.log(2))
