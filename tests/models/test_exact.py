"""The exact denoiser against an independent float64 computation and against Gaussian data."""

import math

import pytest
import torch

from lab.engine.predictions import split_prediction
from lab.engine.process import Level
from lab.models.exact import ExactData, ExactDenoiser, Memoriser

T = 1000
ALPHAS_CUMPROD = torch.cumprod(1 - torch.linspace(1e-4, 0.02, T, dtype=torch.float64), 0)


def naive_posterior_mean(data, x_t, alpha_bar):
    """One picture at a time, in float64, straight from the definition."""
    logits = [
        -float((x_t.double() - math.sqrt(alpha_bar) * x.double()).square().sum()) / (2 * (1 - alpha_bar)) for x in data
    ]
    top = max(logits)
    weights = [math.exp(value - top) for value in logits]
    return sum(w * x.double() for w, x in zip(weights, data, strict=True)) / sum(weights)


@pytest.fixture(scope="module")
def data():
    return torch.rand(200, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
def test_equals_an_independent_float64_computation(data, prediction_type):
    generator = torch.Generator().manual_seed(1)
    t = torch.tensor([0, 5, 50, 200, 500, 800, 999])
    alpha_bar = ALPHAS_CUMPROD[t]
    eps = torch.randn(len(t), 3, 8, 8, generator=generator)
    a = alpha_bar[:, None, None, None].float()
    x_t = a.sqrt() * data[: len(t)] + (1 - a).sqrt() * eps
    exact = ExactData(data)
    subset = exact.support(torch.arange(0, 200, 7))
    supports = [exact.everything if row % 2 else subset for row in range(len(t))]

    prediction = ExactDenoiser(exact, ALPHAS_CUMPROD, prediction_type)(x_t, t, supports)

    for row, support in enumerate(supports):
        level = float(alpha_bar[row])
        want = naive_posterior_mean(data[support.indices], x_t[row], level)
        got, _ = split_prediction(
            prediction[row].double(), x_t[row].double(), Level.from_alpha_bar(level), prediction_type
        )
        # eps-prediction divides by sqrt(alpha_bar): 160 times float32's rounding at t = 999.
        torch.testing.assert_close(got, want, atol=1e-4 if t[row] == 999 else 3e-5, rtol=0)


@pytest.mark.parametrize("t", [0, 50, 400, 700, 999])
def test_one_more_picture_is_one_more_term_of_the_sum(data, t):
    """Against the definition over 201 pictures, for a picture that is not in the set."""
    exact, alpha_bar = ExactData(data), float(ALPHAS_CUMPROD[t])
    generator = torch.Generator().manual_seed(3)
    mine, eps = torch.rand(3, 8, 8, generator=generator) * 2 - 1, torch.randn(3, 8, 8, generator=generator)
    x_t = alpha_bar**0.5 * mine + (1 - alpha_bar) ** 0.5 * eps
    known = exact.knowing(mine)
    denoiser = ExactDenoiser(exact, ALPHAS_CUMPROD, "sample")
    got = denoiser(x_t[None], torch.tensor([t]), [known])[0].double()
    want = naive_posterior_mean(torch.cat([data, mine[None]]), x_t, alpha_bar)
    torch.testing.assert_close(got, want, atol=3e-5, rtol=0)
    assert known.centred.data_ptr() == exact.centred.data_ptr()  # nothing is copied


@pytest.mark.parametrize("index", [0, 77, 199])
def test_a_picture_of_the_set_is_not_counted_twice(data, index):
    exact = ExactData(data)
    assert exact.knowing(data[index]) is exact.everything
    assert exact.knowing(data[index] + 0.01) is not exact.everything


def test_mixed_rows_equal_single_rows(data):
    exact = ExactData(data)
    denoiser = ExactDenoiser(exact, ALPHAS_CUMPROD)
    x_t = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    t = torch.tensor([999.0, 700.0, 412.5, 100.0, 10.0, 0.0])
    supports = [exact.support(torch.arange(row + 1)) if row % 2 else exact.everything for row in range(6)]
    together = denoiser(x_t, t, supports)
    alone = torch.cat([denoiser(x_t[r : r + 1], t[r : r + 1], supports[r : r + 1]) for r in range(6)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_gaussian_data_has_the_closed_form():
    """For x_0 ~ N(m, s^2), E[x_0 | x_t] = m + sqrt(a) s^2 (x_t - sqrt(a) m) / (a s^2 + 1 - a): a line in x_t."""
    mean, deviation, a = 0.3, 0.5, 0.4
    # Quantiles stand for the density better than random draws: the error is the rule's, not the sample's.
    quantiles = mean + deviation * math.sqrt(2) * torch.erfinv(2 * (torch.arange(20000) + 0.5) / 20000 - 1)
    exact = ExactData(quantiles.reshape(-1, 1, 1, 1))
    denoiser = ExactDenoiser(exact, ALPHAS_CUMPROD)
    x_t = torch.linspace(-1.5, 1.5, 13).reshape(-1, 1, 1, 1)
    got = denoiser.posterior_mean(x_t, torch.full((13,), a), [exact.everything] * 13)
    want = mean + math.sqrt(a) * deviation**2 * (x_t - math.sqrt(a) * mean) / (a * deviation**2 + 1 - a)
    torch.testing.assert_close(got, want, atol=2e-3, rtol=0)


def test_score_is_the_gradient_of_the_log_density(data):
    """The score against autograd through log sum_i N(x; sqrt(a) x_i, (1 - a) I) in float64."""
    exact = ExactData(data)
    t = torch.tensor([300])
    a = float(ALPHAS_CUMPROD[300])
    x_t = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    free = x_t.double().requires_grad_()
    squares = (free - math.sqrt(a) * data.double()).square().sum((1, 2, 3))
    torch.logsumexp(-squares / (2 * (1 - a)), 0).backward()
    got = ExactDenoiser(exact, ALPHAS_CUMPROD).score(x_t, t, [exact.everything])
    torch.testing.assert_close(got.double(), free.grad, atol=1e-4, rtol=1e-4)


def test_low_noise_gives_back_the_picture_and_high_noise_the_mean(data):
    exact = ExactData(data)
    denoiser = ExactDenoiser(exact, ALPHAS_CUMPROD)
    x_t = data[17:18] + 0.01 * torch.randn(1, 3, 8, 8)
    near = denoiser.posterior_mean(x_t, torch.tensor([0.9999]), [exact.everything])
    torch.testing.assert_close(near, data[17:18], atol=1e-5, rtol=0)
    far = denoiser.posterior_mean(torch.randn(1, 3, 8, 8), torch.tensor([1e-9]), [exact.everything])
    torch.testing.assert_close(far[0], data.mean(0), atol=1e-2, rtol=0)


@pytest.mark.parametrize("among", [True, False])
def test_what_x_t_says_of_a_picture_is_the_log_ratio_of_two_densities(data, among):
    """log q(x_t | x_0) - log p_t(x_t) from the definition, in float64; x_0 in the set and not."""
    generator = torch.Generator().manual_seed(5)
    x_0 = data[3] if among else torch.rand(3, 8, 8, generator=generator) * 2 - 1
    a = ALPHAS_CUMPROD[[0, 50, 300, 500, 800, 999]][:, None]
    x_t = (a.sqrt() * x_0.flatten() + (1 - a).sqrt() * torch.randn(6, 192, generator=generator)).float()
    normal = [
        torch.distributions.Normal(a.sqrt() * x.double().flatten(), (1 - a).sqrt()).log_prob(x_t.double()).sum(1)
        for x in (x_0, *data)
    ]
    want = normal[0] - torch.stack(normal[1:]).logsumexp(0) + math.log(len(data))
    got = Memoriser(ExactData(data), x_0).information(x_t.reshape(6, 3, 8, 8), a[:, 0])
    torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-6)


def test_a_picture_of_the_set_says_how_many_there_are_and_another_one_never_ends(data):
    copies = torch.cat([data, data[3:4]])
    for pictures, x_0, bits in ((data, data[3], math.log2(200)), (copies, data[3], math.log2(201 / 2))):
        memoriser = Memoriser(ExactData(pictures), x_0)
        assert memoriser.known and memoriser.whole / math.log(2) == pytest.approx(bits)
    memoriser = Memoriser(ExactData(data), -data[3])
    assert not memoriser.known and memoriser.whole == math.inf


def test_nearest(data):
    index, rms = ExactData(data).nearest(data[42] + 0.01)
    assert index == 42
    assert rms == pytest.approx(0.01, abs=1e-5)


@pytest.mark.parametrize("bad", [torch.zeros(0, 3, 8, 8), torch.zeros(3, 8, 8)])
def test_an_empty_set_is_refused(bad):
    with pytest.raises(ValueError, match="picture set"):
        ExactData(bad)


@pytest.mark.parametrize("tolerance", [0.05, 0.3, 2.0])
@pytest.mark.parametrize("t", [0, 30, 400, 999])
def test_given_a_part_it_is_the_posterior_by_bayes_rule_on_twenty_pictures(tolerance, t):
    """p(x_0 = x_i | x_t, y) in float64, term by term: the prior 1/20, the likelihood of the known pixels y, that of x_t."""
    generator = torch.Generator().manual_seed(4)
    pictures = torch.rand(20, 3, 5, 5, generator=generator) * 2 - 1
    exact = ExactDenoiser(ExactData(pictures), ALPHAS_CUMPROD, "sample")
    hole = (torch.rand(1, 5, 5, generator=generator) < 0.5).float()
    given = pictures[7] + 0.2 * torch.randn(3, 5, 5, generator=generator)
    x_t = torch.randn(2, 3, 5, 5, generator=generator)
    among = torch.tensor([1, 4, 7, 8, 13, 19])
    for indices in (torch.arange(20), among):
        support = exact.data.agreeing(given, hole, tolerance, exact.data.support(indices))
        got = exact(x_t, torch.tensor([t, t]), [support, support])
        a = float(ALPHAS_CUMPROD[t])
        for row in range(2):
            log_weights = []
            for i in indices:
                known = ((pictures[i] - given).double() * (1 - hole)).square().sum()
                noised = (x_t[row].double() - a**0.5 * pictures[i].double()).square().sum()
                log_weights.append(float(-known / (2 * tolerance**2) - noised / (2 * (1 - a))))
            weights = torch.softmax(torch.tensor(log_weights, dtype=torch.float64), 0)
            want = (weights[:, None, None, None] * pictures[indices].double()).sum(0)
            torch.testing.assert_close(got[row].double(), want, atol=2e-4, rtol=1e-4)


def test_given_all_of_a_picture_only_it_is_left_and_given_nothing_all_are(data):
    pictures = ExactData(data)
    exact = ExactDenoiser(pictures, ALPHAS_CUMPROD, "sample")
    x_t, t = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([900])
    everything, nothing = torch.zeros(1, 8, 8), torch.ones(1, 8, 8)
    torch.testing.assert_close(
        exact(x_t, t, [pictures.agreeing(data[3], everything, 0.01)])[0], data[3], atol=1e-4, rtol=1e-4
    )
    torch.testing.assert_close(
        exact(x_t, t, [pictures.agreeing(data[3], nothing, 0.01)]),
        exact(x_t, t, [pictures.everything]),
        atol=1e-5,
        rtol=1e-5,
    )
