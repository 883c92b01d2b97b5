"""The lanes of the plane against closed forms of a single Gaussian, whose every step is a line, and against their papers' laws."""

import math
from itertools import pairwise

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from lab.engine.mixture import Mixture
from lab.engine.plane_lanes import (
    Pairs,
    annealed_langevin,
    beta,
    ddim,
    ddpm,
    denoised,
    flow,
    geometric,
    heun,
    langevin,
    normals,
    posterior,
    preserving,
    reverse_moments,
    reverse_sde,
    times,
    velocity_of,
)
from lab.engine.plane_measures import class_weights, energy_distance, shares, straightness
from lab.engine.process import Level

MEAN, STD = torch.tensor([[0.7, -0.3]], dtype=torch.float64), 0.4
GAUSSIAN = Mixture(MEAN, std=STD)
THREE = Mixture(torch.tensor([[-1.0, 0.0], [1.0, 0.5], [0.2, -1.0]]), torch.tensor([0.5, 0.2, 0.3]), 0.15)


def close(got, want, atol=1e-6):
    torch.testing.assert_close(got, want, atol=atol, rtol=1e-6)


def particles(count=8, seed=3):
    return torch.randn(count, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def last(lane):
    *_, x = lane
    return x


def deviation(level):
    """Of x_t where x_0 is GAUSSIAN."""
    return math.hypot(level.signal * STD, level.noise)


# --- levels


def test_levels_are_those_of_the_sde():
    """alpha-bar is exp(-int beta), and ends at the picture and at nearly nothing of it."""
    assert preserving(0.0) == Level(1.0, 0.0)
    for t in (1e-6, 0.1, 0.5, 1.0):
        integral = sum(beta((i + 0.5) * t / 1000) * t / 1000 for i in range(1000))
        assert preserving(t).alpha_bar == pytest.approx(math.exp(-integral), rel=1e-9)
        assert preserving(t).norm == pytest.approx(1, abs=1e-15)
    assert preserving(1.0).alpha_bar == pytest.approx(4.3e-5, rel=0.02)
    assert times(4) == [1, 0.75, 0.5, 0.25, 0]


def test_sigmas_are_a_geometric_progression():
    sigmas = geometric(20, 1, 10)
    assert (sigmas[0], len(sigmas), geometric(20, 1, 1)) == (20, 10, [1])
    assert sigmas[-1] == pytest.approx(1) and len({round(b / a, 12) for a, b in pairwise(sigmas)}) == 1


# --- one step


def test_posterior_is_that_of_diffusers_ddpm():
    """q(x_s | x_t, x_0) of neighbours in a table: the step of diffusers' DDPM, and its variance."""
    scheduler = DDPMScheduler(1000, variance_type="fixed_small", clip_sample=False, prediction_type="sample")
    scheduler.alphas_cumprod = alphas = scheduler.alphas_cumprod.double()
    x_t, x_0 = particles(seed=4), particles(seed=5)
    for t in (999, 400, 20, 1):
        level_t, level_s = (Level.from_alpha_bar(float(alphas[i])) for i in (t, t - 1))
        mean, variance = posterior(x_t, x_0, level_t, level_s)
        assert variance == pytest.approx(float(scheduler._get_variance(t)), rel=1e-9)
        stepped = scheduler.step(x_0, t, x_t, generator=torch.Generator().manual_seed(0)).prev_sample
        z = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        close(mean + math.sqrt(variance) * z, stepped)
    assert posterior(x_t, x_0, preserving(0.1), preserving(0.0))[1] == 0
    close(posterior(x_t, x_0, preserving(0.1), preserving(0.0))[0], x_0)


@pytest.mark.parametrize("process", [preserving, Level.from_sigma], ids=["preserving", "exploding"])
def test_moments_of_the_reverse_step_agree_with_quadrature(process):
    """q(x_s | x_t) = q(x_s) q(x_t | x_s) / q(x_t) on a lattice, of three modes."""
    t, s, x_t = process(0.5), process(0.3), particles(5)
    axis = torch.linspace(-6, 6, 481, dtype=torch.float64)
    x_s, keep = torch.cartesian_prod(axis, axis), t.signal / s.signal
    step = t.noise**2 - keep**2 * s.noise**2
    weights = THREE.at(s).pdf(x_s) * (-(x_t[:, None] - keep * x_s).square().sum(2) / (2 * step)).exp()
    weights = weights / weights.sum(1, keepdim=True)
    mean, covariance = reverse_moments(THREE, x_t, t, s)
    close(mean, weights @ x_s)
    offsets = x_s - mean[:, None]
    close(covariance, torch.einsum("mn,mni,mnj->mij", weights, offsets, offsets))
    close(mean, posterior(x_t, denoised(THREE.score_at, x_t, t), t, s)[0])


# --- whole lanes on one Gaussian


def test_ddim_is_diffusers_ddim():
    """The same steps through diffusers' scheduler on a table of the same levels."""
    n = 8
    alphas = [preserving(t).alpha_bar for t in times(n)[-2::-1]]  # rising t, the picture left out
    betas = [1 - b / a for a, b in pairwise([1.0, *alphas])]
    scheduler = DDIMScheduler(n, trained_betas=betas, clip_sample=False, set_alpha_to_one=True)
    scheduler.alphas_cumprod = torch.tensor(alphas, dtype=torch.float64)  # theirs is float32
    scheduler.set_timesteps(n)
    x = want = particles()
    for t, level in zip(scheduler.timesteps, map(preserving, times(n))):
        want = scheduler.step(-level.noise * THREE.score_at(want, level), t, want, eta=0.0).prev_sample
    close(last(ddim(THREE.score_at, x, n)), want)


def test_ddim_tends_to_the_probability_flow():
    """On a Gaussian the flow carries quantiles: (x_t - signal m) / deviation stays (Song et al. 2021, section 4.3). First
    order: half the step, half the error."""
    start = preserving(1.0)
    x = particles()
    want = MEAN + STD * (x - start.signal * MEAN) / deviation(start)
    errors = [float((last(ddim(GAUSSIAN.score_at, x, n)) - want).abs().max()) for n in (200, 400)]
    assert errors[1] < 0.01 and 1.8 < errors[0] / errors[1] < 2.2


def test_ddpm_has_the_variance_of_its_chain():
    """With a Gaussian, each step is a line plus noise: the variance of the last state is a recursion. It falls short of
    the data's with few steps, and comes close with a thousand."""
    x = particles(20_000)
    short = {}
    for n in (10, 100, 1000):
        variance = 1.0
        for t, s in pairwise(map(preserving, times(n))):
            gain = t.signal * STD**2 / deviation(t) ** 2  # of x_t in E[x_0 | x_t]
            own = posterior(torch.ones(1, 1), gain * torch.ones(1, 1), t, s)
            variance = float(own[0]) ** 2 * variance + own[1]
        short[n] = 1 - variance / STD**2
        if n == 10:
            got = last(ddpm(GAUSSIAN.score_at, x, n, normals(0)))
            assert float(got.var(0).mean()) == pytest.approx(variance, rel=4 / math.sqrt(2 * 20_000))
    assert short[10] > 0.5 and 0.2 > short[100] > 0.1 and 0.02 > short[1000] > 0


def test_reverse_sde_is_euler_and_maruyama():
    """Mean and deviation of the last state on a Gaussian follow the recursion of the discrete equation."""
    x, n = particles(20_000), 100
    factor, offset, variance = 1.0, 0.0, 1.0
    for t, s in pairwise(times(n)):
        rate, v = beta(t) * (t - s), deviation(preserving(t)) ** 2
        keep = 1 + rate * (0.5 - 1 / v)
        factor, offset = keep * factor, keep * offset + rate * preserving(t).signal / v
        variance = keep**2 * variance + (rate if s else 0)
    got = last(reverse_sde(GAUSSIAN.score_at, x, n, normals(0)))
    error = math.sqrt(variance / len(x))
    close(got.mean(0), offset * MEAN[0], atol=4 * error)
    assert float(got.var(0).mean()) == pytest.approx(variance, rel=4 / math.sqrt(2 * 20_000))


@pytest.mark.parametrize(("lane", "order"), [(flow, 1), (heun, 2)])
def test_flow_carries_quantiles_of_a_gaussian(lane, order):
    """The marginal flow from N(0, I) to N(m, STD^2 I) ends on m + STD z, with an error of the method's order."""
    z = particles()
    errors = [float((last(lane(velocity_of(GAUSSIAN.denoise), z, n)) - MEAN - STD * z).abs().max()) for n in (100, 200)]
    assert errors[1] < 0.01 and 0.8 < math.log2(errors[0] / errors[1]) / order < 1.2


def test_velocity_of_a_denoiser_is_the_mixtures():
    x = particles()
    for t in (1.0, 0.7, 0.01):
        close(velocity_of(THREE.denoise)(x, t), THREE.velocity(x, Level.from_flow_time(t)))


# --- Langevin dynamics


def test_langevin_keeps_its_stationary_distribution():
    """On a Gaussian a chain of step size h has variance v / (1 - h / 4v), more than the v it is for (unadjusted Langevin)."""
    level, size = Level.from_sigma(0.3), 0.1
    v = deviation(level) ** 2
    *_, x = langevin(GAUSSIAN.score_at, particles(20_000), level, 60, size, normals(1))
    assert float(x.var(0).mean()) == pytest.approx(v / (1 - size / (4 * v)), rel=4 / math.sqrt(2 * 20_000))
    close(x.mean(0), MEAN[0], atol=4 * math.sqrt(v / len(x)))


def test_annealed_langevin_is_langevin_at_each_sigma():
    """Algorithm 1 written out, with one stream of noise for all levels, and Tweedie's formula at its end."""
    sigmas, x = geometric(3, 0.2, 4), particles()
    path = list(annealed_langevin(THREE.score_at, x, sigmas, 5, 0.02, normals(2), last_denoising=True))
    noise, want = normals(2), x
    for sigma in sigmas:
        size = 0.02 * sigma**2 / 0.2**2
        for _ in range(5):
            want = want + size / 2 * THREE.score_at(want, Level.from_sigma(sigma)) + size**0.5 * noise(want)
    assert len(path) == 1 + 4 * 5 + 1
    close(path[-2], want)
    close(path[-1], THREE.denoise(want, Level.from_sigma(0.2)))


def test_lanes_are_the_same_again():
    x = particles()
    for lane in (ddpm, reverse_sde):
        one, two = (torch.stack(list(lane(THREE.score_at, x, 5, normals(7)))) for _ in range(2))
        assert one.shape == (6, 8, 2) and bool(one.eq(two).all())


# --- reflow


def test_pairs_velocity_is_the_flow_of_their_blurred_lines():
    """Continuity: the density of the places changes in time by minus the divergence of density times velocity."""
    pairs = Pairs(particles(20), THREE.sample(20, torch.Generator().manual_seed(1)), 0.3)
    places, t, h = particles(10, seed=6), 0.4, 1e-4

    def flux(x):
        return (pairs.at(t).pdf(x)[:, None] * pairs.velocity(x, t)).sum(0)

    change = (pairs.at(t + h).pdf(places) - pairs.at(t - h).pdf(places)) / (2 * h)
    jacobian = torch.autograd.functional.jacobian(flux, places)  # (D, M, D)
    close(change, -(jacobian[0, :, 0] + jacobian[1, :, 1]))


def test_one_pair_is_a_straight_line():
    pairs = Pairs(torch.zeros(1, 2).double(), MEAN, 0.1)
    path = list(flow(pairs.velocity, torch.zeros(1, 2).double(), 3))
    close(path[-1], MEAN)
    assert straightness(path)[1] < 1e-25


def test_pairs_that_are_none_are_refused():
    with pytest.raises(ValueError, match="as many z as x"):
        Pairs(torch.zeros(2, 2), torch.zeros(3, 2), 0.1)
    with pytest.raises(ValueError, match="bandwidth"):
        Pairs(torch.zeros(2, 2), torch.zeros(2, 2), 0.0)


# --- measures


def test_shares_count_the_likely_class():
    classes = torch.tensor([0, 1, 1])
    x = torch.tensor([[-1.0, 0.1], [1.0, 0.4], [0.1, -0.9], [0.9, 0.5]], dtype=torch.float64)
    assert shares(x, THREE, classes).tolist() == [0.25, 0.75]
    close(class_weights(THREE, classes), torch.tensor([0.5, 0.5]).double())
    many = THREE.sample(4000, torch.Generator().manual_seed(0))
    assert float(shares(many, THREE, classes)[0]) == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(4000))
    assert shares(x[:1], THREE, classes).tolist() == [1.0, 0.0]


def test_energy_distance_of_points_and_of_shifted_normals():
    """Of two points 2 |x - y|; of N(0, I) and N(d, I) in the plane E|X - X'| is sqrt(pi), and E|X - Y| Rice's mean."""
    one, other = torch.zeros(1, 2).double(), torch.tensor([[3.0, 4.0]]).double()
    assert energy_distance(one, other) == 10 and energy_distance(one, one) == 0
    d, n = 2.0, 2000
    x, y = particles(n), particles(n, seed=9) + torch.tensor([d, 0.0])
    q = d**2 / 8  # Rice: sqrt(pi) L_{1/2}(-d^2 / 4) of the difference, whose deviation is sqrt(2)
    bessel = torch.special.i0e, torch.special.i1e
    i0, i1 = (float(f(torch.tensor(q).double())) for f in bessel)
    mean = math.sqrt(math.pi) * ((1 + 2 * q) * i0 + 2 * q * i1)
    assert energy_distance(x, y) == pytest.approx(2 * mean - 2 * math.sqrt(math.pi), rel=0.08)
    assert energy_distance(x, particles(n, seed=9)) < 4 * math.sqrt(math.pi) / n


def test_straightness_of_a_line_and_of_a_half_circle():
    """A half circle walked at one speed has |dZ / dt|^2 = (pi r)^2 and a chord of 2 r: S = (pi^2 - 4) r^2."""
    angles = torch.linspace(0, math.pi, 2001, dtype=torch.float64)
    path = [2 * torch.stack([angle.cos(), angle.sin()])[None] for angle in angles]
    bend, share = straightness(path)
    assert bend == pytest.approx(4 * (math.pi**2 - 4), rel=1e-5)
    assert share == pytest.approx((math.pi**2 - 4) / 4, rel=1e-5)
    line = [t * MEAN for t in (0, 0.5, 1)]
    assert straightness(line)[0] < 1e-30
