"""Flow matching: the velocity against its closed form, and lanes of diffusers' flow-matching schedulers against its loop."""

import itertools

import diffusers
import pytest
import torch

from lab.engine.denoisers import FlowVelocity
from lab.engine.guidance import ClassifierFree
from lab.engine.lanes import Lane, LaneLoop, Run, StepNoise, drive
from lab.engine.process import StraightFlow, VariancePreserving
from lab.engine.reference import plain_loop
from lab.engine.samplers import make_scheduler
from lab.models.exact import ExactData, ExactDenoiser
from tests.engine.gaussian import SHAPE, Gaussian

T = 1000
PROCESS = VariancePreserving(torch.cumprod(1 - torch.linspace(1e-4, 0.02, T, dtype=torch.float64), 0))
FLOW = StraightFlow()
SCHEDULERS = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler")
SHIFTS = (1.0, 3.0)


@pytest.fixture(scope="module")
def exact():
    data = torch.rand(100, *SHAPE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return FlowVelocity(ExactDenoiser(ExactData(data), PROCESS.alphas_cumprod, "sample"))


@pytest.fixture(scope="module")
def supports(exact):
    data = exact.denoiser.data
    return data.support(torch.arange(0, 100, 3)), data.everything


def theirs(name, steps, shift):
    """The scheduler as a user of diffusers would build it."""
    scheduler = getattr(diffusers, name)(shift=shift)
    scheduler.set_timesteps(steps)
    return scheduler


def lane(index, name, steps, shift, supports, scale=1.0, seed=0):
    scheduler = make_scheduler(name, FLOW, "flow_prediction", steps, options={"shift": shift})
    noise = StepNoise(seed, "sequence")
    return Lane(index, scheduler, noise.initial(SHAPE), noise, *supports, ClassifierFree(scale))


def pictures(denoiser, lanes):
    return {record.lane: record.x_0 for record in drive(denoiser, lanes) if record.i == record.n}


@pytest.mark.parametrize("steps", [1, 2, 4, 20, 61])
@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("name", SCHEDULERS)
def test_alone_equals_the_loop_of_diffusers(name, shift, steps, exact, supports):
    for scale in (1.0, 3.0):
        want = plain_loop(theirs(name, steps, shift), exact, 7, *supports, scale)
        got = pictures(exact, [lane(0, name, steps, shift, supports, scale, 7)])[0]
        torch.testing.assert_close(got, want, atol=1e-5, rtol=0)


def test_in_company_equals_the_loop_of_diffusers_for_1_to_64_steps(exact, supports):
    cases = list(itertools.product(SCHEDULERS, range(1, 65)))
    lanes = [
        lane(k, name, steps, SHIFTS[k % 2], supports, (1.0, 2.0, 0.0)[k % 3], k)
        for k, (name, steps) in enumerate(cases)
    ]
    got = pictures(exact, lanes)
    for k, (name, steps) in enumerate(cases):
        want = plain_loop(theirs(name, steps, SHIFTS[k % 2]), exact, k, *supports, (1.0, 2.0, 0.0)[k % 3])
        torch.testing.assert_close(got[k], want, atol=1e-5, rtol=0, msg=lambda m, c=cases[k]: f"{c}: {m}")


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
def test_the_velocity_of_a_variance_preserving_denoiser_is_the_flows_own(prediction_type):
    """Of Gaussian data E[eps - x_0 | x_t] is known; what the denoiser was made to predict does not matter."""
    t = torch.tensor([10.5, 200.0, 500.0, 803.3, 990.0])
    x_t = torch.randn(5, *SHAPE, generator=torch.Generator().manual_seed(1))
    want = Gaussian(FLOW, "flow_prediction")(x_t.double(), t.double(), [0.3] * 5)
    got = FlowVelocity(Gaussian(PROCESS, prediction_type))(x_t, t, [0.3] * 5)
    torch.testing.assert_close(got.double(), want, atol=2e-4, rtol=0)


def test_beyond_the_table_the_nearest_timestep_serves():
    """Pure noise, u = 1, lies beyond T - 1, where alpha-bar is 4e-5: x_0 is the mean but for that."""
    x_t = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(1))
    velocity = FlowVelocity(Gaussian(PROCESS))(x_t, torch.tensor([1000.0, 1.0]), [0.3, 0.3])
    assert bool(velocity.isfinite().all())
    torch.testing.assert_close(velocity[0], x_t[0] - 0.3, atol=5e-3, rtol=0)


def test_the_flow_of_a_gaussian_keeps_its_place():
    """x_0 = m + deviation * x_T, whose Heun path comes nearer than Euler's."""
    denoiser, noise = FlowVelocity(Gaussian(PROCESS)), StepNoise(3)
    x_T = noise.initial(SHAPE)
    schedulers = [make_scheduler(name, FLOW, "flow_prediction", 40) for name in SCHEDULERS]
    got = pictures(denoiser, [Lane(k, scheduler, x_T, noise, 0.3) for k, scheduler in enumerate(schedulers)])
    euler, heun = ((got[k] - (0.3 + 0.4 * x_T)).square().mean().sqrt() for k in (0, 1))
    assert heun < euler / 3 < 0.01


def test_records_of_a_flow_lane_are_its_own_levels():
    denoiser = Gaussian(FLOW, "flow_prediction")
    scheduler = make_scheduler(SCHEDULERS[0], FLOW, "flow_prediction", 5)
    *records, last = drive(denoiser, [Lane(0, scheduler, StepNoise(0).initial(SHAPE), StepNoise(0), 0.3)])
    for record, sigma in zip(records, scheduler.sigmas.tolist(), strict=False):
        assert record.level.noise == pytest.approx(sigma) and record.level.signal == pytest.approx(1 - sigma)
        torch.testing.assert_close(record.level.signal * record.x_0 + record.level.noise * record.eps, record.x_t)
    assert records[0].log_snr == -float("inf") and last.log_snr == float("inf")


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "flow_prediction"])
def test_a_scheduler_is_given_the_prediction_that_it_takes(prediction_type):
    """A flow denoiser that predicts x_0 or eps draws what its velocity draws; not from pure noise, where eps is no x_0."""
    denoiser = Gaussian(FLOW, prediction_type)
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=[0.9, 0.6, 0.3])
    x = StepNoise(0).initial(SHAPE)
    got = pictures(denoiser, [Lane(0, scheduler, x, StepNoise(0), 0.3)])[0]
    velocity = Gaussian(FLOW, "flow_prediction")
    for u, v in ((0.9, 0.6), (0.6, 0.3), (0.3, 0.0)):
        x = x + (v - u) * velocity(x[None], torch.tensor([1000 * u]), [0.3])[0]
    torch.testing.assert_close(got, x, atol=1e-5, rtol=0)


def test_a_scheduler_of_another_process_fails_its_own_run_and_says_so():
    preserving, flow = Gaussian(PROCESS), FlowVelocity(Gaussian(PROCESS))
    straight = make_scheduler(SCHEDULERS[0], FLOW, "flow_prediction", 3)
    noise = StepNoise(0)
    loop = LaneLoop(preserving)
    right = Run([Lane(0, make_scheduler("DDIM", PROCESS, "epsilon", 3), noise.initial(SHAPE), noise, 0.3)])
    wrong = Run([Lane(1, straight, noise.initial(SHAPE), noise, 0.3)])
    loop.add(right)
    loop.add(wrong)
    events = [event for _ in range(3) for event in loop.tick()]
    (error,) = [item for run, item in events if run is wrong]
    assert isinstance(error, ValueError) and "FlowVelocity" in str(error) and not right.live
    ddim = Lane(0, make_scheduler("DDIM", PROCESS, "epsilon", 3), noise.initial(SHAPE), noise, 0.3)
    with pytest.raises(ValueError, match="DDIM steps along a variance-preserving process"):
        list(drive(flow, [ddim]))


def test_steps_and_denoisers_that_do_not_fit_the_flow_are_refused():
    for steps in (0, T + 1):
        with pytest.raises(ValueError, match="take 1 to 1000"):
            make_scheduler(SCHEDULERS[0], FLOW, "flow_prediction", steps)
    with pytest.raises(ValueError, match="variance-preserving"):
        FlowVelocity(Gaussian(FLOW, "flow_prediction"))
