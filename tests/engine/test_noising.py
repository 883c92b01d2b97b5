"""The forward process against diffusers, against closed forms and against its own statistics."""

import threading

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler

from lab.catalog import SCHEDULES
from lab.engine import noising
from lab.engine.process import Level

DIFFUSERS = {
    "linear": {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02},
    "scaled_linear": {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
    "cosine": {"beta_schedule": "squaredcos_cap_v2"},
    "sigmoid": {"beta_schedule": "sigmoid", "beta_start": 1e-4, "beta_end": 0.02},
}


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def test_the_catalog_and_the_engine_know_the_same_schedules():
    assert set(SCHEDULES) == set(noising.SCHEDULES) == set(DIFFUSERS)


@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize("schedule", DIFFUSERS)
def test_schedules_equal_diffusers_own_at_1000_steps(schedule, zero_snr):
    theirs = DDPMScheduler(1000, rescale_betas_zero_snr=zero_snr, **DIFFUSERS[schedule]).alphas_cumprod
    ours = noising.alphas_cumprod(schedule, 1000, zero_snr)
    torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=1e-4)


@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize("T", [10, 50, 1000, 4000])
@pytest.mark.parametrize("schedule", DIFFUSERS)
def test_alpha_bar_falls_from_one_for_every_T(schedule, T, zero_snr):
    table = noising.alpha_bar(schedule, T, zero_snr)
    assert table.shape == (T + 1,)
    assert table[0] == 1
    assert (np.diff(table) < 0).all()
    assert table[-1] == 0 if zero_snr else table[-1] > 0
    assert np.isfinite(Level.from_alpha_bar(table).log_snr[1:-1]).all()


@pytest.mark.parametrize("schedule", DIFFUSERS)
@pytest.mark.parametrize("T", [250, 4000])
def test_alpha_bar_is_the_same_function_of_t_over_T(schedule, T):
    at_1000 = noising.alpha_bar(schedule, 1000)[::100]
    np.testing.assert_allclose(noising.alpha_bar(schedule, T)[:: T // 10], at_1000, atol=0.01)


def test_log_snr_is_infinite_at_both_ends_and_its_inverse_finds_the_step():
    table = noising.alpha_bar("linear", 1000, zero_snr=True)
    levels = Level.from_alpha_bar(table).log_snr
    assert levels[0] == np.inf
    assert levels[-1] == -np.inf
    for t in (1, 250, 999):
        assert noising.t_at_log_snr(table, levels[t]) == t
    assert noising.t_at_log_snr(table, noising.LOG_SNR_LIMIT) == 0
    assert noising.t_at_log_snr(table, -noising.LOG_SNR_LIMIT) == 1000


def test_q_sample_is_the_picture_at_0_and_the_noise_at_zero_snr():
    x_0, eps = torch.rand(3, 8, 8), torch.randn(3, 8, 8)
    torch.testing.assert_close(noising.q_sample(x_0, Level(1.0, 0.0), eps), x_0)
    torch.testing.assert_close(noising.q_sample(x_0, Level(0.0, 1.0), eps), eps)


@pytest.mark.parametrize("schedule", DIFFUSERS)
@pytest.mark.parametrize("t", [1, 10, 30, 50])
def test_the_chain_has_the_statistics_of_the_jump(schedule, t):
    """Over many seeds: mean sqrt(alpha_bar) x_0 and variance 1 - alpha_bar, to five standard errors."""
    table, x_0, seeds = noising.alpha_bar(schedule, 50), torch.full((3, 4, 4), 0.6), 1500
    a = float(table[t])
    for draw in (
        lambda seed: noising.MarkovChain(x_0, table, seed).at(t),
        lambda seed: noising.q_sample(x_0, Level.from_alpha_bar(a), noising.gaussian(seed, 0, (3, 4, 4))),
    ):
        values = torch.stack([draw(seed) for seed in range(seeds)]).double()
        n = values.numel()
        assert abs(float(values.mean()) - a**0.5 * 0.6) < 5 * ((1 - a) / n) ** 0.5
        assert abs(float(values.var()) - (1 - a)) < 5 * (1 - a) * (2 / n) ** 0.5
        # neighbouring values are independent of each other
        rest = values.flatten(1) - a**0.5 * 0.6
        assert abs(float((rest[:, 1:] * rest[:, :-1]).mean())) < 5 * (1 - a) / rest[:, 1:].numel() ** 0.5


def test_the_chain_is_the_same_however_it_is_walked():
    table, x_0 = noising.alpha_bar("linear", 1000), torch.rand(3, 8, 8)
    walked = noising.MarkovChain(x_0, table, 7)
    fresh = {t: noising.MarkovChain(x_0, table, 7).at(t) for t in (0, 1, 333, 500, 1000)}
    for t in (500, 333, 1000, 1, 0, 333, 1000):
        assert torch.equal(walked.at(t), fresh[t])
    assert len(walked._keyframes) <= noising.CHAIN_KEYFRAMES + 2


def test_one_chain_serves_many_threads():
    table, x_0 = noising.alpha_bar("linear", 200), torch.rand(3, 8, 8)
    chain, wanted = noising.MarkovChain(x_0, table, 1), noising.MarkovChain(x_0, table, 1).at(150)
    wrong = []

    def ask(first):
        for t in (first, 150, 200 - first):
            if t == 150 and not torch.equal(chain.at(150), wanted):
                wrong.append(first)
            chain.at(t)

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(0, 200, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_psnr_of_a_known_difference():
    x = torch.zeros(3, 8, 8)
    assert noising.psnr(x, x) == float("inf")
    assert noising.psnr(x + 0.2, x) == pytest.approx(20.0, abs=1e-4)  # peak 2, error 0.2


def test_the_histogram_of_noise_is_the_normal_density():
    middles = (noising.HISTOGRAM_EDGES[1:] + noising.HISTOGRAM_EDGES[:-1]) / 2
    normal = np.exp(-(middles**2) / 2) / np.sqrt(2 * np.pi)
    ours = noising.histogram(noising.gaussian(0, 0, (3, 512, 512)))
    np.testing.assert_allclose(ours, normal, atol=0.02)
    assert (ours * np.diff(noising.HISTOGRAM_EDGES)).sum() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("side", [1, 7, 64])
def test_the_spectrum_keeps_the_power_of_the_whole_transform(side):
    """Ring means against a full, unhalved transform in float64."""
    x = torch.randn(3, side, side)
    power = (torch.fft.fft2(x.double(), norm="ortho").abs() ** 2).mean(0).numpy()
    f = np.fft.fftfreq(side, 1 / side)
    rings = np.hypot(f[:, None], f[None, :]).round().astype(int)
    wanted = [power[rings == r].mean() for r in range(side // 2 + 1)]
    np.testing.assert_allclose(noising.spectrum(x), wanted, rtol=1e-4)


def test_white_noise_has_a_flat_spectrum_of_its_variance():
    rings = noising.spectrum(2 * noising.gaussian(3, 0, (3, 256, 256)))
    np.testing.assert_allclose(rings[8:], 4, rtol=0.25)


@pytest.mark.parametrize("t", [0, 1, 400, 1000])
def test_a_scene_measures_what_the_plain_functions_measure(picture, t):
    scene = noising.Scene(picture, "cosine", 1000, False, 5)
    x_t = scene.x_t(t)
    numbers = scene.numbers(t, x_t)
    np.testing.assert_allclose(numbers.spectrum, noising.spectrum(x_t), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(numbers.signal_power, noising.spectrum(x_t.mul(0) + scene.table[t] ** 0.5 * scene.x_0), rtol=1e-3)  # fmt: skip
    assert numbers.noise_power == pytest.approx(1 - scene.table[t])


def test_scenes_are_kept_by_content_and_the_oldest_goes(picture):
    scenes = noising.Scenes(size=2)
    first = scenes.get(picture, "linear", 100, False, 0)
    assert scenes.get(picture.copy(), "linear", 100, False, 0) is first
    assert scenes.get(picture, "linear", 100, False, 1) is not first
    scenes.get(picture, "linear", 100, False, 2)
    assert scenes.get(picture, "linear", 100, False, 0) is not first


def test_pictures_survive_the_way_to_tensors_and_back(picture):
    assert np.array_equal(noising.to_picture(noising.to_tensor(picture)), picture)


def test_the_chain_of_a_large_picture_is_walked_small():
    large = np.zeros((256, 256, 3), np.uint8)
    assert noising.Scene(large, "linear", 10, False, 0).chain.at(10).shape == (3, 128, 128)
