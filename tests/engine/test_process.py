"""Noise levels against their definitions in exact arithmetic, and processes against diffusers' tables."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler

from lab.engine.process import Level, StraightFlow, VariancePreserving, betas_of

T = 1000
BETAS = torch.linspace(1e-4, 0.02, T, dtype=torch.float64)
PROCESS = VariancePreserving(torch.cumprod(1 - BETAS, 0))


def log_snr(alpha_bar):
    """log(alpha_bar / (1 - alpha_bar)) of an exact fraction."""
    return math.log(alpha_bar.numerator) - math.log(alpha_bar.denominator - alpha_bar.numerator)


@pytest.mark.parametrize("alpha_bar", [Fraction(1, 2**20), Fraction(3, 8), Fraction(1, 2), 1 - Fraction(1, 2**20)])
def test_a_level_is_the_same_in_all_three_processes(alpha_bar):
    """SNR alpha_bar / (1 - alpha_bar), written as alpha-bar, as Karras's sigma and as time of the flow."""
    sigma = math.sqrt((1 - alpha_bar) / alpha_bar)
    levels = [
        Level.from_alpha_bar(float(alpha_bar)),
        Level.from_sigma(sigma),
        Level.from_flow_time(sigma / (1 + sigma)),
    ]
    for level in levels:
        assert level.log_snr == pytest.approx(log_snr(alpha_bar), abs=1e-11)
        assert level.sigma == pytest.approx(sigma, rel=1e-11)
        assert level.alpha_bar == pytest.approx(float(alpha_bar), rel=1e-11)
    assert [level.norm for level in levels] == pytest.approx(
        [1, math.hypot(1, sigma), math.hypot(1, sigma) / (1 + sigma)]
    )


def test_log_snr_is_infinite_at_the_ends_whatever_the_kind_of_number():
    ends = [(0.0, 1.0), (1.0, 0.0)]
    numbers = [Level(*end).log_snr for end in ends]
    array = Level.from_alpha_bar(np.array([0.0, 1.0])).log_snr
    tensor = Level.from_flow_time(torch.tensor([1.0, 0.0])).log_snr
    assert numbers == array.tolist() == tensor.tolist() == [-math.inf, math.inf]
    assert Level(0.0, 1.0).sigma == math.inf and Level(1.0, 0.0).sigma == 0
    assert Level(1.0, 1e-300).log_snr == pytest.approx(600 * math.log(10))  # noise^2 is no float any more


def test_numbers_arrays_and_tensors_agree():
    alpha_bars = [1e-6, 0.3, 0.999999]
    array = Level.from_alpha_bar(np.array(alpha_bars))
    tensor = Level.from_alpha_bar(torch.tensor(alpha_bars, dtype=torch.float64))
    for what in ("log_snr", "sigma", "alpha_bar", "norm"):
        numbers = [getattr(Level.from_alpha_bar(alpha_bar), what) for alpha_bar in alpha_bars]
        assert getattr(array, what).tolist() == pytest.approx(numbers, rel=1e-14)
        assert getattr(tensor, what).tolist() == pytest.approx(numbers, rel=1e-14)


def test_the_levels_of_a_variance_preserving_process_are_its_table():
    level = PROCESS.level(torch.arange(T))
    torch.testing.assert_close(level.signal, PROCESS.alphas_cumprod.sqrt(), atol=0, rtol=0)
    assert PROCESS.level(500.0) == Level.from_alpha_bar(float(PROCESS.alphas_cumprod[500]))


def test_levels_between_timesteps_are_diffusers_own():
    """Euler's "linspace" visits fractions of timesteps, with sigma linear in t."""
    theirs = EulerDiscreteScheduler(trained_betas=BETAS.tolist(), timestep_spacing="linspace")
    theirs.set_timesteps(7)
    ours = PROCESS.level(theirs.timesteps)
    assert any(t % 1 for t in theirs.timesteps.tolist())
    torch.testing.assert_close(ours.sigma.float(), theirs.sigmas[:-1], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(ours.norm, torch.ones(7, dtype=torch.float64))


def test_the_timestep_of_a_level_is_its_inverse_and_stays_in_the_table():
    t = torch.tensor([0.0, 0.25, 17.0, 500.5, 998.9, 999.0], dtype=torch.float64)
    torch.testing.assert_close(PROCESS.timestep(PROCESS.level(t)), t, atol=1e-6, rtol=0)
    sigma = PROCESS.level(t).sigma
    torch.testing.assert_close(PROCESS.timestep(Level.from_flow_time(sigma / (1 + sigma))), t, atol=1e-6, rtol=0)
    beyond = Level.from_sigma(torch.tensor([0.0, 1e-9, 1e9, math.inf]))
    assert PROCESS.timestep(beyond).tolist() == [0, 0, T - 1, T - 1]


def test_the_flow_has_the_levels_of_diffusers_own_noising():
    """scale_noise of x_0 = 1 and eps = 0 is the signal, of x_0 = 0 and eps = 1 the noise."""
    theirs = FlowMatchEulerDiscreteScheduler(shift=3.0)
    theirs.set_timesteps(9)
    level = StraightFlow().level(theirs.timesteps)
    one, zero = torch.ones(9), torch.zeros(9)
    torch.testing.assert_close(level.signal, theirs.scale_noise(one, theirs.timesteps, zero), atol=1e-6, rtol=0)
    torch.testing.assert_close(level.noise, theirs.scale_noise(zero, theirs.timesteps, one), atol=1e-6, rtol=0)


def test_betas_make_the_table_again():
    torch.testing.assert_close(betas_of(PROCESS.alphas_cumprod), BETAS)
