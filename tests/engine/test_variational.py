"""The bound and its importance-weighted kin, on a model whose likelihood is known: x = W z + b + s * noise."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from lab.engine.variational import (
    bits_per_dimension,
    effective_draws,
    importance_bounds,
    kl_to_prior,
    log_weights,
    reconstruction,
)
from lab.models.bottleneck import Bottleneck, Posterior

VALUES, LATENTS, SCALE = 6, 3, 0.4


class LinearGaussian:
    """p(x | z) = N(W z + b, s^2 I) with columns of W that are orthogonal, so that the posterior's latents are independent."""

    def __init__(self, seed=0):
        generator = torch.Generator().manual_seed(seed)
        columns, _ = torch.linalg.qr(torch.randn(VALUES, LATENTS, generator=generator, dtype=torch.float64))
        self.W = columns * torch.tensor([1.5, 0.7, 0.1], dtype=torch.float64)
        self.b = torch.randn(VALUES, generator=generator, dtype=torch.float64)
        self.x = self.b + torch.randn(VALUES, generator=generator, dtype=torch.float64)

    def likelihood(self, codes):
        return Normal(codes @ self.W.T + self.b, SCALE).log_prob(self.x)

    def posterior(self):
        precision = torch.eye(LATENTS, dtype=torch.float64) + self.W.T @ self.W / SCALE**2
        covariance = torch.linalg.inv(precision)
        assert float((covariance - covariance.diag().diag()).abs().max()) < 1e-12
        return covariance @ self.W.T @ (self.x - self.b) / SCALE**2, covariance.diag().sqrt()

    def log_evidence(self):
        covariance = self.W @ self.W.T + SCALE**2 * torch.eye(VALUES, dtype=torch.float64)
        return float(MultivariateNormal(self.b, covariance).log_prob(self.x))


OTHERS = [
    ([0.2, -0.4, 0.1], [1.3, 0.8, 1.0]),
    ([0.0, 0.0, 0.0], [0.5, 2.0, 0.9]),
]  # off the posterior: mean, factor of its std


@pytest.fixture
def model():
    return LinearGaussian()


def draws(count, seed=1):
    return torch.randn(count, LATENTS, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sigma_points():
    """Draws of mean 0 and covariance 1 exactly: means over them are those of the normal for all that is quadratic."""
    points = math.sqrt(LATENTS) * torch.eye(LATENTS, dtype=torch.float64)
    return torch.cat([points, -points])


def elbo(model, mean, std):
    """By the bound's two terms, as the lab computes it."""
    return float(reconstruction(model.likelihood, mean, std, sigma_points()).sum() - kl_to_prior(mean, std).sum())


def moved(model, shift, factor):
    mean, std = model.posterior()
    return mean + torch.tensor(shift, dtype=torch.float64), std * torch.tensor(factor, dtype=torch.float64)


def test_the_divergence_of_gaussians_is_torchs_own():
    mean, std = torch.tensor([0.3, -1.2, 0.0]).double(), torch.tensor([0.1, 1.7, 1.0]).double()
    want = kl_divergence(Normal(mean, std), Normal(torch.zeros(3).double(), 1))
    assert torch.allclose(kl_to_prior(mean, std), want, atol=1e-12) and float(want[2]) == 0
    bottleneck = Posterior(mean[None].float(), std[None].float()).kl()[0]
    assert torch.allclose(bottleneck.double(), want, atol=1e-5)


def test_with_the_exact_posterior_the_bound_is_the_likelihood(model):
    assert elbo(model, *model.posterior()) == pytest.approx(model.log_evidence(), abs=1e-5)
    weights = log_weights(model.likelihood, *model.posterior(), draws(50))
    assert torch.allclose(weights, torch.tensor(model.log_evidence(), dtype=torch.float64), atol=1e-5)
    assert effective_draws(weights) == pytest.approx(50, abs=1e-5)


@pytest.mark.parametrize("other", OTHERS)
def test_with_another_posterior_it_is_less_by_exactly_the_divergence(model, other):
    mean, std = moved(model, *other)
    gap = float(kl_divergence(Normal(mean, std), Normal(*model.posterior())).sum())
    assert gap > 0.1
    assert model.log_evidence() - elbo(model, mean, std) == pytest.approx(gap, abs=1e-5)


def test_a_weight_is_the_joint_over_q(model):
    mean, std = moved(model, *OTHERS[0])
    eps = draws(20)
    codes = mean + std * eps
    want = (
        model.likelihood(codes).sum(1)
        + Normal(torch.zeros(3).double(), 1).log_prob(codes).sum(1)
        - Normal(mean, std).log_prob(codes).sum(1)
    )
    assert torch.allclose(log_weights(model.likelihood, mean, std, eps), want, atol=1e-10)


@pytest.mark.parametrize("other", OTHERS)
def test_more_draws_come_closer_to_the_likelihood_and_never_fall_back(model, other):
    mean, std = moved(model, *other)
    weights = log_weights(model.likelihood, mean, std, draws(50_000))
    bounds = [float(importance_bounds(weights, count).mean()) for count in (1, 10, 100, 1000, 5000)]
    assert bounds == sorted(bounds) and bounds[1] > bounds[0] + 0.05
    assert bounds[0] == pytest.approx(elbo(model, mean, std), abs=0.05)  # a mean over 50,000 draws
    assert bounds[-1] == pytest.approx(model.log_evidence(), abs=0.02)
    assert 1 < effective_draws(weights) < len(weights)


def test_bounds_are_of_draws_in_a_row_without_the_rest():
    weights = torch.tensor([0.0, math.log(3.0), 2.0, 2.0, 99.0])
    assert importance_bounds(weights, 2).tolist() == pytest.approx([math.log(2.0), 2.0])
    assert importance_bounds(weights - 5000, 2).tolist() == pytest.approx([math.log(2.0) - 5000, 2.0 - 5000], abs=1e-3)


def test_one_heavy_weight_is_one_draw():
    assert effective_draws(torch.tensor([0.0, -900.0, -900.0])) == pytest.approx(1)


def test_a_bit_for_each_value_of_a_half_is_one_bit_per_dimension():
    assert bits_per_dimension(12 * math.log(0.5), 12) == pytest.approx(1)
    assert bits_per_dimension(5.0, 3) < 0  # a density above 1


@torch.inference_mode()
def test_a_bottleneck_runs_through_the_same_functions():
    torch.manual_seed(3)
    network = Bottleneck(latents=2, side=8, channels=(4, 4), hidden=6, scale=0.5)
    x = torch.rand(1, 3, 8, 8) * 2 - 1
    q = network.encode(x)
    eps = torch.randn(7, 2)
    terms = reconstruction(lambda codes: network.log_likelihood(x, codes), q.mean[0], q.std[0], eps)
    codes = q.sample(eps[:, None])[:, 0]
    want = Normal(network.decode(codes), 0.5).log_prob(x).double().mean(0)
    assert terms.shape == (3, 8, 8) and torch.allclose(terms, want, atol=1e-5)
    assert torch.allclose(kl_to_prior(q.mean, q.std), q.kl(), atol=1e-5)
