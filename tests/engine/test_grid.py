"""The timesteps of every sampler: as many as steps, strictly falling, within the chain, equal to diffusers' where right."""

import itertools

import diffusers
import numpy as np
import pytest
import torch

from lab.catalog import SAMPLERS, SCHEDULES, SPACINGS
from lab.engine.grid import timestep_grid
from lab.engine.noising import alphas_cumprod
from lab.engine.process import VariancePreserving, alpha_bars_of
from lab.engine.samplers import make_scheduler

TOO_MANY = (61, 122, 487, 974)  # steps of which diffusers' floating point makes one more at T = 1000
TABLE = alphas_cumprod("linear", 1000)


def is_grid(timesteps, total, steps):
    return (
        len(timesteps) == steps
        and (steps == 1 or bool(np.all(np.diff(timesteps) < 0)))
        and timesteps[0] <= total - 1
        and timesteps[-1] >= 0
    )


@pytest.mark.parametrize("total", [10, 11, 97, 1000])
@pytest.mark.parametrize("spacing", SPACINGS)
def test_every_count_of_steps_has_its_grid(spacing, total):
    for scheduler in (
        "DDIM",
        "UniPCMultistepScheduler",
        "EulerDiscreteScheduler",
        "LCMScheduler",
    ):  # one of each layout
        for steps in range(1, total + 1):
            grid = timestep_grid(scheduler, total, steps, spacing)
            assert is_grid(grid, total, steps), (scheduler, steps)
            if spacing == "trailing" or steps in (1, total):
                assert grid[0] == total - 1


def test_the_longest_chain_has_a_grid():
    for spacing, steps in itertools.product(SPACINGS, (*range(1, 1001, 7), *range(3990, 4001))):
        assert is_grid(timestep_grid("DDIM", 4000, steps, spacing), 4000, steps), (spacing, steps)


@pytest.mark.parametrize("steps", [0, -1, 11])
def test_steps_that_do_not_fit_the_chain_are_refused(steps):
    with pytest.raises(ValueError, match="take 1 to 10"):
        timestep_grid("DDIM", 10, steps, "trailing")


def test_an_unknown_spacing_is_refused():
    with pytest.raises(ValueError, match="unknown spacing 'karras'"):
        timestep_grid("DDIM", 10, 5, "karras")


# (class, spacing): the three ways in which diffusers lays timesteps out, and LCM's.
LAYOUTS = [
    *itertools.product(("DDIMScheduler",), SPACINGS),
    *itertools.product(("UniPCMultistepScheduler", "EulerDiscreteScheduler"), ("leading", "linspace")),
    ("LCMScheduler", "trailing"),
]


@pytest.mark.parametrize(("name", "spacing"), LAYOUTS)
def test_the_grid_is_that_of_diffusers_wherever_that_is_one(name, spacing):
    """T = 1000. An exact half may have been rounded the other way there, by its floating point."""
    more = {"timestep_spacing": spacing, "steps_offset": int(spacing == "leading")} if name != "LCMScheduler" else {}
    theirs = getattr(diffusers, name)(num_train_timesteps=1000, **more)
    counts = {"DDIMScheduler": range(2, 999), "LCMScheduler": range(2, 51)}.get(name, range(2, 999, 9))
    right = 0
    for steps in counts:
        theirs.set_timesteps(steps)
        want, got = theirs.timesteps.double().numpy(), timestep_grid(name, 1000, steps, spacing)
        if not is_grid(want, 1000, steps):
            continue
        right += 1
        other = np.flatnonzero(want != got)
        if len(other):
            assert spacing != "leading" and (np.abs(want - got)[other] == 1).all(), steps
            of, parts = (1000, steps) if spacing == "trailing" else (999, steps - (name == "DDIMScheduler"))
            halves = 2 * of * np.arange(steps, 0, -1) if spacing == "trailing" else 2 * of * np.arange(parts, -1, -1)
            assert all(halves[i] % parts == 0 and halves[i] // parts % 2 == 1 for i in other), steps
    assert right == len(counts) - (62 if spacing == "trailing" and name == "DDIMScheduler" else 0)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("name", SAMPLERS)
def test_every_scheduler_visits_its_grid(name, spacing):
    """One timestep a call; Heun calls all but the first twice, PNDM the second. A flow in many steps is noisier and clearer
    at its ends than any timestep: there the outermost one serves more than once. Langevin stays at its levels.
    """
    row = SAMPLERS[name]
    short = alphas_cumprod("cosine", 10)
    cases = [(short, steps) for steps in range(1, 11)] + [(TABLE, steps) for steps in (*TOO_MANY, 2, 998, 999, 1000)]
    for table, steps in cases:
        calls = [
            float(t)
            for t in make_scheduler(
                row.scheduler, VariancePreserving(table), "epsilon", steps, spacing, row.options
            ).timesteps
        ]
        assert len(calls) == row.calls(steps)
        distinct = [*dict.fromkeys(calls)]
        flows = name.startswith("flow") and steps > 1
        levels = {"langevin": 1, "annealed": -(-steps // 5)}.get(name, len(distinct) if flows else steps)
        assert is_grid(distinct, len(table), levels), steps
        assert not flows or len(distinct) > 0.9 * steps
        assert sorted(calls, reverse=True) == calls


def test_inversion_climbs_what_the_downward_run_descends():
    for steps in (2, 7, *TOO_MANY, 999, 1000):
        up, down = (
            make_scheduler(name, VariancePreserving(TABLE), "epsilon", steps) for name in ("DDIMInversion", "DDIM")
        )
        assert len(up.timesteps) == steps and up.timesteps.tolist() == down.timesteps.tolist()[::-1]


@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_no_two_timesteps_share_a_noise_level(schedule, zero_snr):
    """On short chains, and under zero terminal SNR, the last ones would all be the smallest alpha-bar there is."""
    for total in (10, 13, 1000, 4000):
        table = alphas_cumprod(schedule, total, zero_snr)
        levels = alpha_bars_of(table)
        assert float(levels[-1]) >= 2.0**-24 and bool((levels.diff() < 0).all())
        torch.testing.assert_close(levels, table.double().clamp(min=2.0**-24), atol=total * 1e-9, rtol=0)
        for name in ("euler", "unipc"):
            row = SAMPLERS[name]
            sigmas = make_scheduler(
                row.scheduler, VariancePreserving(table), "epsilon", total, options=row.options
            ).sigmas
            assert bool((sigmas.diff() < 0).all()) and sigmas[-1] == 0
