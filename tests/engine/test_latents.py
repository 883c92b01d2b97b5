"""Changes of latents against what they are by definition."""

import math

import pytest
import torch

from lab.engine import latents
from lab.engine.noising import stream_seed

Z = torch.randn(4, 6, 6, generator=torch.Generator().manual_seed(1))
OTHER = torch.randn(4, 6, 6, generator=torch.Generator().manual_seed(2)) + 1
CENTRE = torch.tensor([0.5, -1.0, 0.0, 2.0])


def rest(channel):
    return [k for k in range(4) if k != channel]


@pytest.mark.parametrize("channel", range(4))
def test_a_scaled_channel_moves_about_its_centre_and_the_others_stay(channel):
    off = latents.scaled(Z, channel, 0.0, CENTRE)
    assert torch.equal(off[channel], CENTRE[channel].expand(6, 6))
    assert torch.equal(off[rest(channel)], Z[rest(channel)])
    twice = latents.scaled(Z, channel, 2.0, CENTRE)
    assert torch.allclose(twice[channel] - CENTRE[channel], 2 * (Z[channel] - CENTRE[channel]), atol=1e-6)
    assert torch.allclose(latents.scaled(Z, channel, 1.0, CENTRE), Z, atol=1e-6)
    mirrored = latents.scaled(Z, channel, -1.0, torch.zeros(4))
    assert torch.equal(mirrored[channel], -Z[channel])


def test_all_channels_at_once_are_each_in_turn():
    one_by_one = Z
    for channel in range(4):
        one_by_one = latents.scaled(one_by_one, channel, 0.3, CENTRE)
    assert torch.allclose(latents.scaled(Z, None, 0.3, CENTRE), one_by_one, atol=1e-6)


@pytest.mark.parametrize("channel", range(4))
def test_a_channel_alone_is_all_others_off(channel):
    others_off = Z
    for k in rest(channel):
        others_off = latents.scaled(others_off, k, 0.0, CENTRE)
    assert torch.equal(latents.alone(Z, channel, CENTRE), others_off)


def test_swapping_a_channel_both_ways_loses_nothing():
    one, two = latents.swapped(Z, OTHER, 2), latents.swapped(OTHER, Z, 2)
    assert torch.equal(one[2], OTHER[2]) and torch.equal(one[rest(2)], Z[rest(2)])
    assert torch.equal(one + two, Z + OTHER)
    assert torch.equal(latents.swapped(Z, OTHER, None), OTHER)


def test_shuffled_places_hold_the_same_values():
    one = latents.shuffled(Z, 1, seed=3)
    assert torch.equal(one[1].flatten().sort()[0], Z[1].flatten().sort()[0]) and not torch.equal(one[1], Z[1])
    assert torch.equal(one[rest(1)], Z[rest(1)])
    assert torch.equal(one, latents.shuffled(Z, 1, seed=3)) and not torch.equal(one, latents.shuffled(Z, 1, seed=4))
    columns = {tuple(place.tolist()) for place in Z.flatten(1).T}
    assert {tuple(place.tolist()) for place in latents.shuffled(Z, None, 3).flatten(1).T} == columns


@pytest.mark.parametrize("log_snr", [-7.5, 0.0, 3.0])
def test_noise_has_the_log_snr_that_is_asked_for(log_snr):
    zeros, ones = torch.zeros(2, 300, 300), torch.ones(2, 300, 300)
    noise = latents.noised(zeros, log_snr, seed=5)
    signal = latents.noised(ones, log_snr, seed=5) - noise
    assert float(signal.std()) < 1e-6
    assert math.log(float(signal.mean()) ** 2 / float(noise.var())) == pytest.approx(log_snr, abs=0.02)
    assert float(signal.mean()) ** 2 + float(noise.var()) == pytest.approx(1, abs=0.01)


def test_a_draw_is_what_diffusers_draws():
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

    moments = torch.randn(1, 8, 6, 6, generator=torch.Generator().manual_seed(7))
    posterior = DiagonalGaussianDistribution(moments)
    theirs = posterior.sample(torch.Generator().manual_seed(stream_seed(9, 0)))[0]
    ours = latents.drawn(posterior.mean[0], posterior.std[0], 1.0, seed=9)
    assert float((ours - theirs).abs().max()) < 1e-6
    assert torch.equal(latents.drawn(posterior.mean[0], posterior.std[0], 0.0, seed=9), posterior.mean[0])


@pytest.mark.parametrize("mix", [latents.lerp, latents.slerp])
def test_both_ways_begin_and_end_in_the_two(mix):
    assert torch.allclose(mix(Z, OTHER, 0.0), Z, atol=1e-6)
    assert torch.allclose(mix(Z, OTHER, 1.0), OTHER, atol=1e-6)


def test_an_arc_keeps_the_length_and_turns_evenly():
    a, b = Z / Z.norm(), OTHER / OTHER.norm()
    whole = math.acos(float((a * b).sum()))
    for t in (0.1, 0.5, 0.8):
        c = latents.slerp(a, b, t)
        assert float(c.norm()) == pytest.approx(1, abs=1e-5)
        assert math.acos(float((a * c).sum())) == pytest.approx(t * whole, abs=1e-4)
        assert float(latents.lerp(a, b, t).norm()) < 1


@pytest.mark.parametrize("other", [2 * Z, -Z, torch.zeros_like(Z)])
def test_where_there_is_no_arc_it_is_a_line(other):
    assert torch.equal(latents.slerp(Z, other, 0.25), latents.lerp(Z, other, 0.25))
