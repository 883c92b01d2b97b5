"""The code of a small autoencoder: its divergence from the prior against torch and against quadrature."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from lab.models.bottleneck import LOG_VARIANCE, Bottleneck, Posterior

CASES = [(0.0, 1.0), (0.7, 0.3), (-2.5, 1.8), (4.0, 0.05), (0.001, 0.999), (0.0, math.exp(LOG_VARIANCE[0] / 2))]


def quadrature(mean, std):
    """The integral of q log(q / p) over twelve deviations to both sides, by the trapezoidal rule."""
    z = np.linspace(mean - 12 * std, mean + 12 * std, 20_001)
    log_q = -0.5 * ((z - mean) / std) ** 2 - np.log(std) - 0.5 * np.log(2 * np.pi)
    log_p = -0.5 * z**2 - 0.5 * np.log(2 * np.pi)
    return np.trapezoid(np.exp(log_q) * (log_q - log_p), z)


@pytest.mark.parametrize(("mean", "std"), CASES)
def test_the_divergence_of_a_latent_is_torchs_and_that_of_quadrature(mean, std):
    means, stds = torch.full((1, 1), mean, dtype=torch.float64), torch.full((1, 1), std, dtype=torch.float64)
    kl = Posterior(means, stds).kl().item()
    assert kl == pytest.approx(kl_divergence(Normal(means, stds), Normal(0.0, 1.0)).item(), abs=1e-5)
    assert kl == pytest.approx(quadrature(mean, std), abs=1e-5)


def test_in_float32_it_is_as_close_and_its_sum_is_the_divergence_of_all_latents():
    generator = torch.Generator().manual_seed(0)
    mean, std = torch.randn(50, 10, generator=generator), torch.rand(50, 10, generator=generator) + 0.05
    kl = Posterior(mean, std).kl()
    known = kl_divergence(Normal(mean.double(), std.double()), Normal(0.0, 1.0))
    assert torch.allclose(kl.double(), known, atol=1e-5)
    joint = torch.distributions.MultivariateNormal(mean[0].double(), torch.diag(std[0].double() ** 2))
    prior = torch.distributions.MultivariateNormal(torch.zeros(10).double(), torch.eye(10).double())
    assert kl[0].sum().item() == pytest.approx(kl_divergence(joint, prior).item(), abs=1e-4)


def test_the_prior_itself_weighs_nothing():
    assert (Posterior(torch.zeros(2, 3), torch.ones(2, 3)).kl() == 0).all()


def test_what_an_encoder_says_is_finite_whatever_its_weights():
    network = Bottleneck(latents=2, channels=(4, 4), hidden=8)
    with torch.no_grad():
        network.to_code.weight.mul_(1e4)
        posterior = network.encode(torch.rand(3, 3, 32, 32) * 2 - 1)
    low, high = (math.exp(end / 2) for end in LOG_VARIANCE)
    assert ((posterior.std >= low * 0.999) & (posterior.std <= high * 1.001)).all() and posterior.kl().isfinite().all()
