"""The mixture's closed forms against autograd, quadrature, their definitions and the exact denoiser of pictures."""

import math

import pytest
import torch

from lab.engine.mixture import Mixture, guided
from lab.engine.plane_lanes import preserving
from lab.engine.process import Level
from lab.models.exact import ExactData, ExactDenoiser
from lab.toy_data import TOYS

LEVELS = {
    "data": Level(1.0, 0.0),
    "preserving": preserving(0.3),
    "exploding": Level.from_sigma(2.5),
    "straight": Level.from_flow_time(0.6),
    "noise": Level(0.0, 1.0),
}
by_level = pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)


def close(got, want, atol=1e-6):
    torch.testing.assert_close(got, want, atol=atol, rtol=1e-6)


def uneven(std=0.3):
    """Seven points of unequal weight."""
    generator = torch.Generator().manual_seed(0)
    points, weights = (torch.rand(7, n, generator=generator, dtype=torch.float64) for n in (2, 1))
    return Mixture(4 * points - 2, weights[:, 0], std)


def places(count=40, reach=3.0):
    return reach * torch.randn(count, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def lattice(half, count=401):
    """Places (count^2, 2) of the window from -half to half, and the area of each."""
    axis = torch.linspace(-half, half, count, dtype=torch.float64)
    return torch.cartesian_prod(axis, axis), float(axis[1] - axis[0]) ** 2


@by_level
def test_score_is_the_gradient_of_the_log_density(level):
    mixture, x = uneven().at(level), places().requires_grad_()
    (gradient,) = torch.autograd.grad(mixture.log_pdf(x).sum(), x)
    close(mixture.score(x.detach()), gradient)
    close(uneven().score_at(x.detach(), level), gradient)


@by_level
def test_density_is_the_sum_of_normal_densities_and_integrates_to_one(level):
    mixture = uneven().at(level)
    x, area = lattice(half=14.0)
    close(mixture.pdf(x).sum() * area, torch.tensor(1.0).double())
    normal = torch.distributions.Normal(mixture.points, mixture.std)
    each = normal.log_prob(places()[:, None]).sum(2).exp()  # (M, N)
    close(mixture.pdf(places()), each @ mixture.weights, atol=1e-12)
    odds = each * mixture.weights
    close(mixture.responsibilities(places()), odds / odds.sum(1, keepdim=True))


@pytest.mark.parametrize("name", ["preserving", "exploding", "straight", "noise"])
def test_posterior_of_x_0_agrees_with_quadrature(name):
    """Bayes' rule on a lattice: p(x_0 | x_t) is p(x_0) N(x_t; signal x_0, noise^2) over its sum."""
    data, level, x_t = uneven(), LEVELS[name], places(6, reach=1.0)
    x_0, _ = lattice(half=4.5)
    likelihood = (-(x_t[:, None] - level.signal * x_0).square().sum(2) / (2 * level.noise**2)).exp()
    weights = likelihood * data.pdf(x_0)
    weights = weights / weights.sum(1, keepdim=True)  # (M, places)
    mean = weights @ x_0
    offsets = x_0 - mean[:, None]
    covariance = torch.einsum("mn,mni,mnj->mij", weights, offsets, offsets)
    close(data.denoise(x_t, level), mean)
    close(data.covariance(x_t, level), covariance)
    eps = (x_t[:, None] - level.signal * x_0) / level.noise
    close(data.velocity(x_t, level), torch.einsum("mn,mni->mi", weights, eps - x_0))


@pytest.mark.parametrize("name", ["data", "preserving", "exploding", "straight"])
def test_denoiser_is_tweedies_formula(name):
    data, level, x_t = uneven(), LEVELS[name], places()
    close(data.denoise(x_t, level), (x_t + level.noise**2 * data.score_at(x_t, level)) / level.signal)


def test_covariance_is_the_slope_of_the_denoiser():
    """Cov[x_0 | x_t] = noise^2 / signal * dE[x_0 | x_t] / dx_t (Efron 2011)."""
    data, level, (x_t,) = uneven(), preserving(0.2), places(1)
    slope = torch.autograd.functional.jacobian(lambda x: data.denoise(x[None], level)[0], x_t)
    close(data.covariance(x_t[None], level)[0], level.noise**2 / level.signal * slope)


def test_points_that_nothing_blurs_are_denoised_as_pictures_are():
    """With std 0 it is the exact denoiser of a set of pictures, here of two pixels."""
    points, alphas_cumprod = uneven().points, torch.tensor([0.9, 0.5, 0.05], dtype=torch.float64)
    pictures = ExactDenoiser(ExactData(points[:, :, None, None]), alphas_cumprod, "sample")
    for t, alpha_bar in enumerate(alphas_cumprod.tolist()):
        x_t = places().float()
        support = [pictures.data.everything] * len(x_t)
        want = pictures(x_t[:, :, None, None], torch.full((len(x_t),), t), support)[:, :, 0, 0]
        got = Mixture(points).denoise(x_t.double(), Level.from_alpha_bar(alpha_bar))
        torch.testing.assert_close(got.float(), want, atol=3e-5, rtol=0)  # theirs is float32


def test_draws_have_the_moments_of_the_mixture():
    data, count = uneven(), 40_000
    x, (mean, covariance) = data.sample(count, torch.Generator().manual_seed(2)), data.moments()
    error = (covariance.diagonal() / count).sqrt()
    assert bool(((x.mean(0) - mean).abs() < 4 * error).all())
    torch.testing.assert_close(x.T.cov(), covariance, atol=0.05, rtol=0)
    grid, area = lattice(half=5.0)
    close(mean, (data.pdf(grid)[:, None] * grid).sum(0) * area)
    close(covariance, (grid - mean).T @ (data.pdf(grid)[:, None] * (grid - mean)) * area)


def test_guidance_is_the_score_of_a_power_of_the_ratio():
    data, level, scale, x = uneven(), preserving(0.4), 2.5, places().requires_grad_()
    part = data.part(torch.tensor([0, 2, 5]))
    log_q = scale * part.at(level).log_pdf(x) + (1 - scale) * data.at(level).log_pdf(x)
    (gradient,) = torch.autograd.grad(log_q.sum(), x)
    x = x.detach()
    score = guided(part.score_at, data.score_at, scale)(x, level)
    close(score, gradient)
    x_0 = guided(part.denoise, data.denoise, scale)(x, level)
    close(x_0, (x + level.noise**2 * score) / level.signal)
    close(guided(part.score_at, data.score_at, 1.0)(x, level), part.score_at(x, level))
    close(guided(part.score_at, data.score_at, 0.0)(x, level), data.score_at(x, level))


def test_a_part_has_its_points_with_their_relative_weights():
    toy = TOYS["two-modes"]
    data = Mixture(torch.tensor(toy.points), torch.tensor(toy.weights), toy.std)
    heavy = data.part(torch.tensor(toy.classes) == 1)
    assert heavy.points.tolist() == [[1.0, 1.0]] and heavy.weights.tolist() == [1.0] and heavy.std == 0.2


@pytest.mark.parametrize("far", [1e3, 1e9, 1e100])
def test_far_away_the_score_points_to_the_nearest_point(far):
    mixture = Mixture(torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), torch.tensor([0.999, 0.001]), std=0.05)
    x = torch.tensor([[far, 0.0], [-far, 0.0]], dtype=torch.float64)
    want = torch.tensor([[1 - far, 0.0], [far - 1, 0.0]], dtype=torch.float64) / 0.05**2
    torch.testing.assert_close(mixture.score(x), want, rtol=1e-12, atol=0)
    assert bool(mixture.log_pdf(x).isfinite().all()) and bool(mixture.pdf(x).eq(0).all())


@by_level
def test_one_point_and_equal_points_are_one_normal_distribution(level):
    point, x = torch.tensor([[0.5, -0.25]], dtype=torch.float64), places()
    variance = (level.signal * 0.3) ** 2 + level.noise**2
    for data in (Mixture(point, std=0.3), Mixture(point.repeat(5, 1), torch.arange(5.0), 0.3)):
        close(data.score_at(x, level), (level.signal * point - x) / variance)
        close(data.denoise(x, level), point + level.signal * 0.09 / variance * (x - level.signal * point))
        own = 0.09 * level.noise**2 / variance * torch.eye(2, dtype=torch.float64)
        close(data.covariance(x, level), own.expand(len(x), 2, 2))


@pytest.mark.parametrize(
    ("points", "weights", "std", "words"),
    [
        (torch.zeros(0, 2), None, 0.1, "at least one"),
        (torch.zeros(3), None, 0.1, r"\(N, D\)"),
        (torch.zeros(3, 2), torch.ones(2), 0.1, "one weight a point"),
        (torch.tensor([[math.nan, 0.0]]), None, 0.1, "finite"),
        (torch.zeros(1, 2), torch.tensor([math.inf]), 0.1, "finite"),
        (torch.zeros(1, 2), None, math.nan, "finite"),
        (torch.zeros(1, 2), None, -0.1, "at least 0"),
        (torch.zeros(2, 2), torch.tensor([1.0, -1.0]), 0.1, "at least 0"),
        (torch.zeros(2, 2), torch.zeros(2), 0.1, "one weight above it"),
    ],
)
def test_what_is_no_mixture_is_refused(points, weights, std, words):
    with pytest.raises(ValueError, match=words):
        Mixture(points, weights, std)


@pytest.mark.parametrize("question", ["log_pdf", "pdf", "score", "responsibilities"])
def test_what_has_no_answer_is_refused(question):
    points = torch.zeros(1, 2)
    with pytest.raises(ValueError, match="both 0"):
        getattr(Mixture(points), question)(torch.zeros(1, 2))
    with pytest.raises(ValueError, match="finite"):
        getattr(Mixture(points, std=0.1), question)(torch.tensor([[math.nan, 0.0]]))
    with pytest.raises(ValueError, match="both 0"):
        Mixture(points).denoise(torch.zeros(1, 2), Level(1.0, 0.0))
