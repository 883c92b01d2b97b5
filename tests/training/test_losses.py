"""Losses against closed forms and against diffusers' own schedulers."""

import math

import pytest
import torch
from diffusers import DDPMScheduler
from torch.testing import assert_close

from lab.engine.predictions import split_prediction
from lab.training.losses import (
    add_noise,
    contrastive_loss,
    diffusion_loss,
    gradient_loss,
    hybrid_loss,
    levels,
    min_snr_weight,
    target,
    variational_bound,
)
from lab.training.train import learning_rate

SCHEDULER = DDPMScheduler(beta_schedule="squaredcos_cap_v2", variance_type="learned_range", prediction_type="epsilon")
T = torch.tensor([0, 1, 10, 400, 999])


@pytest.fixture
def draws():
    torch.manual_seed(0)
    x_0 = torch.rand(5, 3, 4, 4) * 2 - 1
    return x_0, torch.randn_like(x_0), SCHEDULER.alphas_cumprod[T]


def test_noising_and_v_are_those_of_diffusers(draws):
    x_0, eps, alpha_bar = draws
    assert_close(add_noise(x_0, eps, alpha_bar), SCHEDULER.add_noise(x_0, eps, T))
    assert_close(target("v_prediction", x_0, eps, alpha_bar), SCHEDULER.get_velocity(x_0, eps, T))


@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction"])
def test_the_right_answer_costs_nothing(draws, kind):
    x_0, eps, alpha_bar = draws
    assert diffusion_loss(target(kind, x_0, eps, alpha_bar), kind, x_0, eps, alpha_bar) == 0


def test_min_snr_weighs_one_x_0_error_alike_whatever_is_predicted(draws):
    """An x_0 estimate that is off by d costs min(SNR, gamma) d^2 in all three parametrisations."""
    x_0, eps, _ = draws
    alpha_bar = torch.tensor([0.1, 0.5, 0.8, 0.95, 0.99])
    wrong = x_0 + 0.1
    x_t = add_noise(x_0, eps, alpha_bar)
    a, s = (root.reshape(-1, 1, 1, 1) for root in (alpha_bar.sqrt(), (1 - alpha_bar).sqrt()))
    eps_of_wrong = (x_t - a * wrong) / s
    predictions = {"sample": wrong, "epsilon": eps_of_wrong, "v_prediction": a * eps_of_wrong - s * wrong}
    expected = ((alpha_bar / (1 - alpha_bar)).clamp(max=5) * 0.01).mean()
    for kind, prediction in predictions.items():
        assert_close(diffusion_loss(prediction, kind, x_0, eps, alpha_bar), expected, rtol=1e-3, atol=1e-6)


def test_min_snr_leaves_noisy_steps_alone():
    assert_close(min_snr_weight("epsilon", torch.tensor([0.5, 0.9])), torch.tensor([1.0, 5 / 9]))


def test_the_bound_is_zero_for_a_perfect_prediction_with_the_posterior_variance(draws):
    """eps exact and v = -1 give the true posterior, whose divergence from itself is 0 (t = 0 is a likelihood)."""
    x_0, eps, alpha_bar = draws
    x_t = add_noise(x_0, eps, alpha_bar)
    term = variational_bound(torch.cat([eps, -torch.ones_like(eps)], 1), x_0, x_t, T, SCHEDULER.alphas_cumprod)
    assert_close(term[1:4], torch.zeros(3), atol=2e-4, rtol=0)  # at t = 999 float32 loses x_0
    assert term[0] > 0


def test_the_learned_variance_is_the_one_diffusers_samples_with(draws):
    """With only the mean wrong, the bound's excess is |mean error|^2 / (2 variance), variance as diffusers has it."""
    x_0, eps, alpha_bar = draws
    t = torch.tensor([400])
    x_0, eps, alpha_bar = x_0[:1] * 0.2, eps[:1] * 0.1, SCHEDULER.alphas_cumprod[t]
    x_t = add_noise(x_0, eps, alpha_bar)
    v = torch.full_like(eps, 0.4)
    variance = SCHEDULER._get_variance(400, predicted_variance=v).exp()

    def clean(noise):
        return SCHEDULER.step(torch.cat([noise, v], 1), 400, x_t).pred_original_sample

    off = eps + 0.05
    terms = [variational_bound(torch.cat([noise, v], 1), x_0, x_t, t, SCHEDULER.alphas_cumprod) for noise in (eps, off)]
    before = SCHEDULER.alphas_cumprod[399]
    beta = 1 - alpha_bar / before
    shift = before.sqrt() * beta / (1 - alpha_bar) * (clean(off) - clean(eps))
    expected = (shift.square() / variance / 2).mean() / math.log(2)
    assert_close((terms[1] - terms[0]).squeeze(), expected, rtol=1e-3, atol=1e-6)


def test_the_bound_teaches_only_the_variance(draws):
    x_0, eps, alpha_bar = draws
    output = torch.cat([eps, torch.zeros_like(eps)], 1).requires_grad_()
    x_t = add_noise(x_0, eps, alpha_bar)
    _, bound = hybrid_loss(output, "epsilon", x_0, eps, x_t, T, SCHEDULER.alphas_cumprod)
    bound.backward()
    assert output.grad[:, :3].abs().max() == 0 and output.grad[:, 3:].abs().max() > 0


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
def test_what_is_predicted_right_is_the_same_bound(draws, prediction_type):
    """Whatever the network predicts, a right prediction costs nothing and leaves what the right eps does."""
    x_0, eps, alpha_bar = draws
    x_t = add_noise(x_0, eps, alpha_bar)
    right = target(prediction_type, x_0, eps, alpha_bar)
    _, right_eps = split_prediction(right, x_t, levels(alpha_bar, x_t), prediction_type)
    assert_close(right_eps, eps, rtol=1e-4, atol=1e-5)
    v = torch.zeros_like(eps)
    simple, bound = hybrid_loss(torch.cat([right, v], 1), prediction_type, x_0, eps, x_t, T, SCHEDULER.alphas_cumprod)
    expected = variational_bound(torch.cat([eps, v], 1), x_0, x_t, T, SCHEDULER.alphas_cumprod).mean()
    assert float(simple) == pytest.approx(0, abs=1e-10)
    assert_close(bound, 1000 * expected, rtol=1e-3, atol=1e-4)


def test_contrastive_loss_is_cross_entropy_and_twins_do_not_repel():
    vectors = torch.eye(3)
    scale = torch.tensor(math.log(5.0))
    expected = math.log(math.exp(5) + 2) - 5
    assert_close(contrastive_loss(vectors, vectors, scale, torch.eye(3, dtype=torch.bool)), torch.tensor(expected))
    twins = torch.tensor([[1.0, 0], [1, 0], [0, 1]])
    same = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    apart = contrastive_loss(twins, twins, torch.tensor(4.0), torch.eye(3, dtype=torch.bool))
    together = contrastive_loss(twins, twins, torch.tensor(4.0), same)
    assert float(together) == pytest.approx(2 / 3 * math.log(2), abs=1e-3)  # the mass is shared, no more to win
    assert_close(apart, together, atol=1e-3, rtol=0)


def test_gradient_loss_sees_edges_and_not_brightness():
    flat = torch.zeros(1, 1, 4, 4)
    assert gradient_loss(flat + 0.5, flat) == 0
    edge = flat.clone()
    edge[..., 2:] = 1
    assert float(gradient_loss(edge, flat)) == pytest.approx(1 / 3)


def test_the_learning_rate_warms_up_stays_and_falls():
    assert learning_rate(0.0, 0) == pytest.approx(1 / 50)
    assert learning_rate(0.5, 1000) == 1
    assert learning_rate(1.0, 1000) == pytest.approx(0, abs=1e-6)
    falling = [learning_rate(p / 100, 1000) for p in range(70, 101)]
    assert falling == sorted(falling, reverse=True)
