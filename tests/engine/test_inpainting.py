"""The known part of a picture at every level: replacement, and RePaint against a loop that is written from its paper alone."""

import itertools

import pytest
import torch

from lab.catalog import SAMPLERS
from lab.engine.grid import timestep_grid
from lab.engine.inpainting import Known, RePaint
from lab.engine.lanes import Lane, StepNoise, drive
from lab.engine.process import Level
from lab.engine.samplers import Stepper, make_scheduler
from lab.models.exact import ExactData, ExactDenoiser
from lab.requests.edit import BEGINNING, repaint_turns

T, SHAPE = 1000, (3, 6, 6)
ALPHAS_CUMPROD = torch.cumprod(1 - torch.linspace(1e-4, 0.02, T, dtype=torch.float64), 0)
HOLE = torch.zeros(1, 6, 6)
HOLE[:, 2:5, 1:4] = 1


@pytest.fixture(scope="module")
def exact():
    data = torch.rand(40, *SHAPE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return ExactDenoiser(ExactData(data), ALPHAS_CUMPROD)


@pytest.fixture(scope="module")
def picture():
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(9)) * 2 - 1


def finished(records):
    return next(record.x_0 for record in records if record.i == record.n)


def jumps(steps, jump, resamplings):
    """The times of the authors' `get_schedule_jump` (Lugmayr et al. 2022, appendix A): -1 is the picture."""
    left = dict.fromkeys(range(0, steps - jump, jump), resamplings - 1)
    time, times = steps, []
    while time >= 1:
        time -= 1
        times.append(time)
        if left.get(time, 0) > 0:
            left[time] -= 1
            for _ in range(jump):
                time += 1
                times.append(time)
    return [*times, -1]


@pytest.mark.parametrize(
    ("steps", "jump", "resamplings"), [(8, 1, 1), (8, 1, 4), (9, 2, 3), (10, 10, 5), (12, 5, 2), (1, 1, 3)]
)
def test_repaint_is_the_loop_of_its_paper(exact, picture, steps, jump, resamplings):
    """Algorithm 1 with the jumps of appendix A, in float64, over a grid of timesteps: beta is that between neighbours."""
    grid = timestep_grid("DDIM", T, steps, "trailing")
    alpha_bar = {-1: torch.tensor(1.0, dtype=torch.float64)} | dict(enumerate(ALPHAS_CUMPROD[grid[::-1].copy()]))
    generator = torch.Generator().manual_seed(3)

    def randn():
        return torch.randn(1, *SHAPE, generator=generator).double()

    x = randn()
    for now, then in itertools.pairwise(jumps(steps, jump, resamplings)):
        a_now, a_then = alpha_bar[now], alpha_bar[then]
        if then > now:  # line 9: x_t ~ N(sqrt(1 - beta) x_{t-1}, beta I)
            beta = 1 - a_then / a_now
            x = (1 - beta) ** 0.5 * x + beta**0.5 * randn()
            continue
        eps = exact(x.float(), torch.tensor([float(grid[::-1][now])]), [exact.data.everything]).double()
        beta = 1 - a_now / a_then
        x_0 = (x - (1 - a_now) ** 0.5 * eps) / a_now**0.5
        # DDPM, equation 7: the mean of q(x_{t-1} | x_t, x_0) and its variance.
        mean = a_then**0.5 * beta / (1 - a_now) * x_0 + (1 - beta) ** 0.5 * (1 - a_then) / (1 - a_now) * x
        unknown = mean + ((1 - a_then) / (1 - a_now) * beta) ** 0.5 * randn()
        known = a_then**0.5 * picture + (1 - a_then) ** 0.5 * randn()  # line 4
        x = HOLE * unknown + (1 - HOLE) * known  # line 8

    scheduler = RePaint(exact.process, "epsilon", grid.tolist(), repaint_turns(steps, resamplings, jump), picture, HOLE)
    noise = StepNoise(3, by="sequence")
    lane = Lane(0, scheduler, noise.initial(SHAPE), noise, exact.data.everything)
    torch.testing.assert_close(finished(drive(exact, [lane])), x[0].float(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("jump", [1, 2, 3, 7, 10, 20])
@pytest.mark.parametrize("resamplings", [1, 2, 5, 20])
def test_repaints_turns_are_its_authors_for_all_step_counts(jump, resamplings):
    for steps in range(1, 61):
        want = [later > earlier for earlier, later in itertools.pairwise(jumps(steps, jump, resamplings))]
        assert repaint_turns(steps, resamplings, jump) == want


@pytest.mark.parametrize("name", BEGINNING)
@pytest.mark.parametrize("start", [0, 3, 8])
def test_a_lane_keeps_what_is_known_at_the_level_of_every_call(exact, picture, name, start):
    row = SAMPLERS[name]
    scheduler = make_scheduler(row.scheduler, exact.process, "epsilon", 12, "trailing", row.options)
    noise = StepNoise(1)
    eps = noise.initial(SHAPE)
    level = exact.process.level(float(scheduler.timesteps[start]))
    lane = Lane(
        0, scheduler, level.signal * picture + level.noise * eps, noise, exact.data.everything, start=start,
        known=Known(picture, HOLE, lambda t: eps),
    )  # fmt: skip
    records = list(drive(exact, [lane]))
    assert len(records) == len(scheduler.timesteps) - start + 1
    around = (HOLE == 0).expand(SHAPE)
    for record in records:
        want = record.level.signal * picture + record.level.noise * eps
        torch.testing.assert_close(record.x_t[around], want[around], atol=2e-5, rtol=1e-4)
    assert torch.equal(records[-1].x_0[around], picture[around])
    assert (records[-1].x_0 - picture)[~around].abs().max() > 0.05


@pytest.mark.parametrize("name", BEGINNING)
def test_a_state_is_what_the_denoiser_sees_it_as(exact, name):
    row = SAMPLERS[name]
    x_t = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(2))
    for start in range(6):
        scheduler = make_scheduler(row.scheduler, exact.process, "epsilon", 6, "trailing", row.options)
        stepper = Stepper(scheduler, start=start)
        torch.testing.assert_close(stepper.model_input(stepper.state(x_t, 0), 0), x_t, atol=1e-5, rtol=1e-5)


def test_the_known_part_has_noise_of_its_own_at_each_timestep_where_it_is_asked_for(picture):
    known = Known(picture, HOLE, lambda t: torch.full(SHAPE, t))
    half = Level(0.6, 0.8)
    torch.testing.assert_close(known.at(half, 5.0), 0.6 * picture + 0.8 * 5)
    drawn = torch.ones(1, *SHAPE)
    filled = known.fill(drawn, torch.zeros(1, *SHAPE))
    assert torch.equal(filled[0, 0], HOLE[0])
