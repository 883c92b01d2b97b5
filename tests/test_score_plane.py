"""The figures of the plane that take a second each, within their errors; tests/benchmarks/score_plane.py prints them all."""

import pytest

from tests.benchmarks.score_plane import (
    bends,
    figure_2,
    figure_3,
    guidance,
    learned_chain,
    mode_share,
)

ERROR = (0.8 * 0.2 / 1280) ** 0.5  # of a share of 0.8 among 1,280 particles


@pytest.mark.parametrize("way", ["exact", "annealed"])
def test_annealed_langevin_finds_the_weights_of_the_modes(way):
    assert figure_3(way, seed=0) == pytest.approx(0.8, abs=3 * ERROR)


def test_plain_langevin_keeps_the_weights_of_its_start():
    """Song and Ermon 2019, section 3.2.2: half of the square is nearer to either mode."""
    assert figure_3("1000", seed=0) == pytest.approx(0.5, abs=5 * ERROR)


@pytest.mark.parametrize("lane", ["DDPM", "reverse SDE", "DDIM", "flow, Euler", "flow, Heun"])
def test_lanes_of_the_diffusion_find_the_weights_too(lane):
    assert mode_share(lane, calls=100, seed=0) == pytest.approx(0.8, abs=4 * ERROR)


def test_reflow_straightens_paths_and_one_call_is_enough():
    found = bends("eight", seed=0, count=300, steps=20)
    bend, one = ({title: row[i] for title, row in found.items()} for i in (0, 1))
    assert min(bend["DDIM"], bend["marginal velocity"]) > 1
    assert bend["one reflow"] < 0.05 and bend["two reflows"] < bend["one reflow"]
    assert one["one reflow"] < 0.02 < 0.5 < one["marginal velocity"]


def test_guidance_moves_the_mean_and_shrinks_the_spread_of_exact_scores():
    none, strong = (guidance("letters", scale, seed=0, steps=60) for scale in (1.0, 8.0))
    assert none[0] < 0.1 and none[1] == pytest.approx(1, abs=0.05)
    assert strong[0] > 0.4 and strong[1] < 0.9


def test_a_score_learned_at_one_sigma_is_right_only_where_data_are():
    """Song and Ermon 2019, Figure 2; learned at many sigmas it is right over the window at the highest."""
    there, nowhere, _ = figure_2(seed=0, sigmas=(0.1, 0.1), steps=300)
    assert there < 0.2 and nowhere > 0.6
    assert figure_2(seed=0, sigmas=(0.1, 4.0), steps=300)[2] < 0.4


def test_a_learned_chain_draws_the_swiss_roll():
    """Sohl-Dickstein et al. 2015, Figure 1. Of draws of N(0, I) 0.29 are on the roll, at a distance of 0.027."""
    far, on = learned_chain("swiss-roll", seed=0, steps=1000)
    assert far < 0.01 and on > 0.7
