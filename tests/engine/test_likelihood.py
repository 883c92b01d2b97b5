"""The bound's terms and the ODE's density against closed forms and quadrature."""

import itertools
import math

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from torch.distributions import Normal, kl_divergence
from torch.testing import assert_close

from lab.engine.likelihood import (
    Posterior,
    bound_term,
    discretized_log_likelihood,
    gaussian_kl,
    ode_log_density,
    ode_timesteps,
    prior_term,
)
from lab.engine.process import StraightFlow, VariancePreserving
from lab.models.exact import ExactData, ExactDenoiser
from tests.engine.gaussian import SHAPE, Gaussian

ALPHAS_CUMPROD = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
PROCESS = VariancePreserving(ALPHAS_CUMPROD)
MEAN, DEVIATION = 0.3, 0.4


def quadrature(nodes=40):
    """Nodes and weights of E[f(z)], z standard normal: exact for polynomials of degree 2 nodes - 1."""
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    return torch.from_numpy(points), torch.from_numpy(weights / weights.sum())


def test_gaussian_kl_is_torchs():
    a, b = Normal(torch.tensor(0.3), torch.tensor(0.5)), Normal(torch.tensor(-1.0), torch.tensor(2.0))
    assert_close(gaussian_kl(a.mean, a.variance.log(), b.mean, b.variance.log()), kl_divergence(a, b))


def test_the_likelihood_of_all_bytes_sums_to_one():
    x = torch.arange(256, dtype=torch.float64) / 127.5 - 1
    mean, log_std = torch.tensor(0.2, dtype=torch.float64), torch.tensor(-2.0, dtype=torch.float64)
    assert float(discretized_log_likelihood(x, mean, log_std).exp().sum()) == pytest.approx(1, abs=1e-6)


def test_the_likelihood_of_a_byte_is_the_integral_over_its_bin():
    """Half a grey level to either side; black and white take in all that lies beyond them."""
    normal = Normal(torch.tensor(0.9, dtype=torch.float64), torch.tensor(0.05, dtype=torch.float64))
    for byte, low, high in ((240, 239.5, 240.5), (255, 254.5, 700.0)):
        grid = torch.linspace(low / 127.5 - 1, high / 127.5 - 1, 20_001, dtype=torch.float64)
        want = torch.trapezoid(normal.log_prob(grid).exp(), grid)
        x = torch.tensor(byte / 127.5 - 1, dtype=torch.float64)
        assert_close(discretized_log_likelihood(x, normal.mean, normal.stddev.log()).exp(), want, rtol=1e-5, atol=0)


def test_the_posterior_is_the_product_of_two_gaussians():
    """q(x_{t-1} | x_t, x_0) is proportional to q(x_t | x_{t-1}) q(x_{t-1} | x_0): precisions add, means weigh by them."""
    t = torch.tensor([1, 10, 400, 999])
    posterior, (x_0, x_t) = Posterior(ALPHAS_CUMPROD, t), torch.randn(2, 4, *SHAPE, dtype=torch.float64)
    a, b = ((ALPHAS_CUMPROD[k])[:, None, None, None] for k in (t, t - 1))
    alpha = a / b
    precision = alpha / (1 - alpha) + 1 / (1 - b)
    want = (alpha.sqrt() * x_t / (1 - alpha) + b.sqrt() * x_0 / (1 - b)) / precision
    assert_close(posterior.mean(x_0, x_t), want)
    assert_close(posterior.log_variance, -precision.log())


def test_the_learned_variance_is_diffusers_own():
    theirs = DDPMScheduler(
        trained_betas=(1 - ALPHAS_CUMPROD / torch.cat([torch.ones(1), ALPHAS_CUMPROD[:-1]])).tolist()
    )
    for t, v in itertools.product((1, 400, 999), (-1.0, 0.2, 1.0)):
        want = theirs._get_variance(t, predicted_variance=torch.tensor(v), variance_type="learned_range")
        got = Posterior(ALPHAS_CUMPROD, torch.tensor([t])).learned_log_variance(torch.tensor(v))
        assert float(got) == pytest.approx(float(want), abs=1e-4)


def test_the_prior_term_is_the_divergence_by_quadrature():
    """E_q[log q(x_T) - log p(x_T)], for a chain so short that something is left."""
    table = ALPHAS_CUMPROD[:200]
    z, weights = quadrature()
    x_0 = torch.tensor([-1.0, 0.25, 1.0], dtype=torch.float64)
    a = table[-1]
    q, p = Normal(a.sqrt() * x_0[:, None], (1 - a).sqrt()), Normal(0.0, 1.0)
    x_T = q.mean + q.stddev * z
    want = ((q.log_prob(x_T) - p.log_prob(x_T)) * weights).sum(1) / math.log(2)
    assert want.min() > 0.05
    assert_close(prior_term(x_0[:, None, None, None], table), want)


@pytest.mark.parametrize("t", [1, 50, 700])
def test_a_term_of_gaussian_data_is_its_closed_form(t):
    """Of the exact denoiser, in expectation: both normals have one variance, so the KL is the squared distance of their
    means; x_0 misses its posterior mean by the posterior variance."""
    z, weights = quadrature(12)
    x_0, eps = (grid.reshape(-1, 1, 1, 1) for grid in torch.meshgrid(MEAN + DEVIATION * z, z, indexing="ij"))
    weights = torch.outer(weights, weights).flatten()
    level, denoiser = PROCESS.level(torch.tensor(t)), Gaussian(PROCESS, deviation=DEVIATION)
    x_t = level.signal * x_0 + level.noise * eps
    posterior = Posterior(ALPHAS_CUMPROD, torch.full((len(x_0),), t))
    predicted = denoiser.posterior_mean(x_t, level, MEAN)
    got = (bound_term(posterior, x_0, x_t, predicted, posterior.log_variance) * weights).sum()
    a, b = ALPHAS_CUMPROD[t], ALPHAS_CUMPROD[t - 1]
    beta = 1 - a / b
    distance = (b.sqrt() * beta / (1 - a)) ** 2 * denoiser.posterior_variance(level)
    assert_close(got, distance / (2 * beta * (1 - b) / (1 - a)) / math.log(2))


def test_another_variance_costs_its_divergence():
    """With the mean right, beta in place of tilde-beta costs KL of two centred normals (fixed_large of Ho et al.)."""
    x_0, x_t = torch.randn(2, 3, *SHAPE, dtype=torch.float64)
    posterior = Posterior(ALPHAS_CUMPROD, torch.tensor([2, 400, 900]))
    got = bound_term(posterior, x_0, x_t, x_0, posterior.beta.log())
    ratio = (posterior.log_variance.exp() / posterior.beta).flatten()
    assert_close(got, (ratio - 1 - ratio.log()) / 2 / math.log(2))


def test_the_first_term_is_a_likelihood_of_bytes():
    x_0 = torch.full((1, *SHAPE), 77 / 127.5 - 1, dtype=torch.float64)
    posterior = Posterior(ALPHAS_CUMPROD, torch.tensor([0]))
    (bits,) = bound_term(posterior, x_0, x_0, x_0, torch.tensor(1e-3, dtype=torch.float64).log())
    mass = math.erf(1 / 255 / math.sqrt(2e-3))  # of N(0, 1e-3) within a bin's half width
    assert float(bits) == pytest.approx(-math.log2(mass))


# The probability-flow ODE


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
def test_the_ode_knows_the_density_of_gaussian_data(prediction_type):
    """With the noise of the first timestep: N(m, (deviation^2 + sigma^2) I). The Jacobian is diagonal: no estimate."""
    x_0 = MEAN + torch.randn(3, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    timesteps = torch.arange(0, 1000, 9)
    got = ode_log_density(Gaussian(PROCESS, prediction_type), x_0, [MEAN] * 3, timesteps)
    variance = DEVIATION**2 + PROCESS.level(0.0).sigma ** 2
    want = Normal(MEAN, variance**0.5).log_prob(x_0).flatten(1).sum(1)
    assert_close(got, want, rtol=2e-3, atol=0)


def test_the_ode_knows_the_density_of_a_mixture():
    """Three points in one dimension, blurred: where the density has valleys, and the Jacobian is one number."""
    points, first = torch.tensor([-0.8, 0.1, 0.6]), 50
    denoiser = ExactDenoiser(ExactData(points[:, None, None, None]), ALPHAS_CUMPROD)
    x_0 = torch.linspace(-1.5, 1.5, 13)[:, None, None, None]
    got = ode_log_density(denoiser, x_0, [denoiser.data.everything] * 13, torch.arange(first, 1000, 2))
    blur = Normal(points, PROCESS.level(float(first)).sigma)
    want = blur.log_prob(x_0.flatten()[:, None]).logsumexp(1) - math.log(3)
    assert float(want.max() - want.min()) > 5
    assert_close(got, want, atol=0.02, rtol=0)


def test_forty_steps_of_the_ode_are_near_its_end():
    """The timesteps begin and end where the process does; Gaussian data are known in closed form."""
    timesteps = ode_timesteps(PROCESS, 40)
    assert len(timesteps) == 41 and timesteps[0] == 0 and timesteps[-1] == pytest.approx(999)
    assert (timesteps.diff() > 0).all()
    x_0 = MEAN + DEVIATION * torch.randn(2, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    got = ode_log_density(Gaussian(PROCESS), x_0, [MEAN] * 2, timesteps)
    deviation = (DEVIATION**2 + PROCESS.level(0.0).sigma ** 2) ** 0.5
    want = Normal(MEAN, deviation).log_prob(x_0).flatten(1).sum(1)
    assert float((got - want).abs().max()) < 0.005 * 192  # nats: a two hundredth for each value


def test_the_ode_needs_a_last_state_of_unit_variance():
    with pytest.raises(ValueError, match="variance-preserving"):
        ode_log_density(Gaussian(StraightFlow(), "flow_prediction"), torch.zeros(1, *SHAPE), [0.0], torch.arange(1, 9))
