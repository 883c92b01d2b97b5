"""Guidance by a gradient: where the guided score is known in closed form, and what it costs those who do not ask."""

import weakref

import pytest
import torch

from lab.engine.lanes import Changing, Lane, StepNoise, drive
from lab.engine.potentials import Guide, Guided
from lab.engine.process import StraightFlow, VariancePreserving
from lab.engine.reference import plain_loop
from lab.engine.samplers import make_scheduler
from lab.models.exact import ExactData, ExactDenoiser
from tests.engine.gaussian import SHAPE, Gaussian

PROCESS = VariancePreserving(torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0))
TIMES = torch.tensor([10.0, 200.0, 500.0, 900.0])
CASES = [
    (PROCESS, "epsilon"), (PROCESS, "v_prediction"), (PROCESS, "sample"),
    (StraightFlow(), "flow_prediction"), (StraightFlow(), "sample"),
]  # fmt: skip
MEAN, OBSERVED, BLUR = 0.3, -0.5, 0.7  # of the data; y = x_0 + BLUR * eps, and what was observed


def gaussian(rows, seed=0):
    return torch.randn(rows, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def columns(level):
    return type(level)(level.signal[:, None, None, None], level.noise[:, None, None, None])


def tilt(x_0, level):
    """A linear log-density, 0.8 in each value."""
    return 0.8 * x_0.flatten(1).sum(1)


@pytest.mark.parametrize(("process", "prediction_type"), CASES)
def test_a_linear_potential_of_x_0_moves_the_mean_of_gaussian_data(process, prediction_type):
    """N(m, v I) times exp(w x_0) is N(m + v w, v I), and E[exp(w x_0) | x_t] has the gradient of w E[x_0 | x_t]."""
    denoiser, x_t = Gaussian(process, prediction_type), gaussian(len(TIMES))
    for scale in (1.0, -2.5):
        want = denoiser(x_t, TIMES, [MEAN + 0.4**2 * 0.8 * scale] * 4)
        got = Guided(denoiser)(x_t, TIMES, [Guide(MEAN, tilt, scale, "x_0")] * 4)
        torch.testing.assert_close(got, want, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("variable", ["x_t", "x_0"])
@pytest.mark.parametrize(("process", "prediction_type"), CASES)
def test_an_observation_of_gaussian_data_gives_the_exact_posterior(process, prediction_type, variable):
    """y = x_0 + BLUR * eps: log p(y | x_t) is a parabola, and the posterior of the data the product of two Gaussians."""
    denoiser, x_t = Gaussian(process, prediction_type), gaussian(len(TIMES))

    def likelihood(x, level):
        level = columns(level)
        x_0 = x if variable == "x_0" else denoiser.posterior_mean(x, level, MEAN)
        deviations = (OBSERVED - x_0).square() / (denoiser.posterior_variance(level) + BLUR**2)
        return -deviations.flatten(1).sum(1) / 2

    variance = 1 / (1 / 0.4**2 + 1 / BLUR**2)
    mean = variance * (MEAN / 0.4**2 + OBSERVED / BLUR**2)
    want = Gaussian(process, prediction_type, variance**0.5)(x_t, TIMES, [mean] * 4)
    got = Guided(denoiser)(x_t, TIMES, [Guide(MEAN, likelihood, 1.0, variable)] * 4)
    torch.testing.assert_close(got, want, atol=1e-6, rtol=1e-6)


# The exact denoiser of a finite set


@pytest.fixture(scope="module")
def data():
    pixels = torch.rand(60, *SHAPE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    pixels[:20] = 0.15 * pixels[:20] + 0.5  # a class of its own: bright
    return ExactData(pixels)


@pytest.fixture(scope="module")
def bright(data):
    return data.support(torch.arange(20))


def log_posterior(data, x_t, level):
    """log p(i | x_t) of each picture in float64, (rows, n)."""
    flat, pictures, level = x_t.double().flatten(1), (data.centred + data.mean).double(), columns(level)
    signal, noise = level.signal.flatten(1), level.noise.flatten(1)
    squares = (flat[:, None] - signal[:, None] * pictures).square().sum(2)
    return (-squares / (2 * noise**2)).log_softmax(1)


def noisy_classifier(data):
    """log p(bright | x_t), exact."""
    return lambda x_t, level: log_posterior(data, x_t, level)[:, :20].logsumexp(1)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
def test_an_exact_classifier_makes_the_exact_conditional_model(data, bright, prediction_type):
    """Bayes: the score of q(x_t) plus that of p(y | x_t) is the score of q(x_t | y)."""
    denoiser = ExactDenoiser(data, PROCESS.alphas_cumprod, prediction_type)
    t = torch.tensor([300.0, 500.0, 700.0, 900.0])
    x_t = PROCESS.level(t).signal.float()[:, None, None, None] * 0.2 + gaussian(4).float()
    want = denoiser(x_t, t, [bright] * 4)
    assert (denoiser(x_t, t, [data.everything] * 4) - want).abs().max() > 0.05
    got = Guided(denoiser)(x_t, t, [Guide(data.everything, noisy_classifier(data))] * 4)
    torch.testing.assert_close(got, want, atol=2e-4, rtol=0)


def test_the_gradient_through_the_denoiser_is_the_posterior_covariance(data):
    """d E[x_0 | x_t] / d x_t = signal / noise^2 Cov[x_0 | x_t] (Tweedie's formula, second order)."""
    denoiser, x_t = ExactDenoiser(data, PROCESS.alphas_cumprod), gaussian(4).float()
    level, pictures = PROCESS.level(TIMES), (data.centred + data.mean).double()
    weights = log_posterior(data, x_t, level).exp()
    centred = pictures - (weights @ pictures)[:, None]
    along = 0.8 * centred.sum(2)
    jacobian = torch.einsum("rn,rn,rnv->rv", weights, along, centred) * (level.signal / level.noise**2)[:, None]
    want = -(level.noise[:, None] * jacobian).reshape(x_t.shape)
    guided = Guided(denoiser)(x_t, TIMES, [Guide(data.everything, tilt, 1.0, "x_0")] * 4)
    got = guided - denoiser(x_t, TIMES, [data.everything] * 4)
    assert want.abs().max() > 0.01
    torch.testing.assert_close(got.double(), want, atol=1e-4, rtol=1e-3)


# Among others


def lane(index, conditioning, seed=0, steps=6):
    noise = StepNoise(seed, "sequence")
    scheduler = make_scheduler("DDIM", PROCESS, "epsilon", steps, options={"clip_sample": False})
    return Lane(index, scheduler, noise.initial(SHAPE), noise, conditioning)


def pictures(denoiser, lanes):
    return {record.lane: record.x_0 for record in drive(denoiser, lanes) if record.i == record.n}


def test_lanes_with_and_without_a_guide_share_their_calls_and_change_nothing(data, bright):
    """Of two potentials, two variables and several scales, in one batch: each picture is that of the plain loop alone."""
    exact, classifier = ExactDenoiser(data, PROCESS.alphas_cumprod), noisy_classifier(data)
    guided, everything = Guided(exact), data.everything
    rows = [
        Guide(everything, classifier), everything, Guide(everything, tilt, 0.3, "x_0"), Guide(everything, classifier, 2.0),
        bright, Guide(everything, tilt, 0.0, "x_0"), Guide(bright, tilt, -0.5, "x_0"),
    ]  # fmt: skip
    got = pictures(guided, [lane(k, row, seed=k) for k, row in enumerate(rows)])
    for k, row in enumerate(rows):
        scheduler = make_scheduler("DDIM", PROCESS, "epsilon", 6, options={"clip_sample": False})
        torch.testing.assert_close(got[k], plain_loop(scheduler, guided, k, row), atol=2e-5, rtol=0)
    torch.testing.assert_close(got[5], pictures(exact, [lane(5, everything, seed=5)])[5], atol=1e-5, rtol=0)


class Noting(Gaussian):
    """Notes whether autograd records each call; with the channels of a learned variance."""

    def __init__(self):
        super().__init__(PROCESS)
        self.recording = []

    def __call__(self, x_t, t, conditioning):
        self.recording.append(torch.is_grad_enabled() and x_t.requires_grad)
        return torch.cat([super().__call__(x_t, t, conditioning), 0.1 * x_t], dim=1)


def test_rows_without_a_guide_cost_one_plain_call():
    x_t, denoiser = gaussian(4), Noting()
    plain = denoiser(x_t, TIMES, [0.1, 0.2, 0.3, 0.4])
    for rows in ([0.1, 0.2, 0.3, 0.4], [Guide(0.1, tilt, 0.0), 0.2, 0.3, Guide(0.4, tilt, 0.0, "x_0")]):
        denoiser.calls.clear()
        assert torch.equal(Guided(denoiser)(x_t, TIMES, rows), plain)
        assert denoiser.calls == [[0.1, 0.2, 0.3, 0.4]]
    assert not any(denoiser.recording)


def test_only_rows_that_are_guided_through_x_0_are_recorded():
    x_t, denoiser = gaussian(4), Noting()
    plain = denoiser(x_t, TIMES, [0.1, 0.2, 0.3, 0.4])
    denoiser.calls.clear()
    rows = [0.1, Guide(0.2, tilt, 1.0, "x_0"), 0.3, Guide(0.4, tilt, 1.0)]
    got = Guided(denoiser)(x_t, TIMES, rows)
    assert denoiser.calls == [[0.1, 0.3, 0.4], [0.2]] and denoiser.recording == [False, False, True]
    assert [torch.equal(one, other) for one, other in zip(got, plain, strict=True)] == [True, False, True, False]
    assert torch.equal(got[:, 3:], plain[:, 3:])  # the learned variance is not the score's


@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad, torch.inference_mode])
def test_the_callers_mode_stays_and_nothing_is_kept(mode):
    network, graphs = torch.nn.Conv2d(3, 1, 3), []

    def classifier(x, level):
        hidden = network(x.float())
        graphs.append(weakref.ref(hidden))
        return hidden.flatten(1).sum(1)

    with mode():
        before = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        rows = [Guide(0.1, classifier, 1.0, "x_0"), 0.2, 0.3, Guide(0.4, classifier)]
        got = Guided(Noting())(gaussian(4), TIMES, rows)
        assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == before
    assert not got.requires_grad and graphs[0]() is None and network.weight.grad is None
    assert len(graphs) == 1  # both rows in one call of the classifier


def test_a_network_that_hides_its_gradient_is_refused():
    class Closed(Gaussian):
        @torch.inference_mode()
        def __call__(self, x_t, t, conditioning):
            return super().__call__(x_t, t, conditioning)

    denoiser, x_t = Closed(PROCESS), gaussian(1)
    with pytest.raises(ValueError, match="the denoiser switches autograd off"):
        Guided(denoiser)(x_t, TIMES[:1], [Guide(0.1, tilt, 1.0, "x_0")])
    with pytest.raises(ValueError, match="the potential switches autograd off"):
        Guided(denoiser)(x_t, TIMES[:1], [Guide(0.1, torch.no_grad()(tilt))])
    Guided(denoiser)(x_t, TIMES[:1], [Guide(0.1, tilt)])  # a potential of x_t needs nothing of the denoiser


def test_pure_noise_is_not_guided():
    """At the start of the flow x_t says nothing of x_0."""
    denoiser = Gaussian(StraightFlow(), "flow_prediction")
    x_t, t = gaussian(2), torch.tensor([1000.0, 500.0])
    got = Guided(denoiser)(x_t, t, [Guide(0.1, tilt, 1.0, "x_0")] * 2)
    plain = denoiser(x_t, t, [0.1] * 2)
    assert torch.equal(got[0], plain[0]) and (got[1] - plain[1]).abs().min() > 0.01


def test_conditioning_that_changes_changes_under_a_guide():
    class Alternating(Changing):
        def at(self, i, n):
            return (0.1, 0.2)[i % 2]

    denoiser = Gaussian(PROCESS)
    pictures(Guided(denoiser), [lane(0, Guide(Alternating(), tilt), steps=4)])
    assert denoiser.calls == [[0.1], [0.2], [0.1], [0.2]]
