"""The lane loop: company changes nothing, runs take turns, cancelled lanes leave, records tell the truth."""

import math

import diffusers
import pytest
import torch

from lab.catalog import SAMPLERS as ALL_SAMPLERS
from lab.engine.guidance import ClassifierFree, classifier_free
from lab.engine.lanes import Lane, LaneLoop, Run, StepNoise, drive
from lab.engine.process import Level, VariancePreserving
from lab.engine.samplers import make_scheduler, slerp
from lab.models.exact import ExactData, ExactDenoiser

SAMPLERS = {name: row for name, row in ALL_SAMPLERS.items() if not row.learned_variance}

T = 1000
ALPHAS_CUMPROD = torch.cumprod(1 - torch.linspace(1e-4, 0.02, T, dtype=torch.float64), 0)
PROCESS = VariancePreserving(ALPHAS_CUMPROD)
SHAPE = (3, 8, 8)


class Counting:
    """A denoiser that notes the rows of each call: their timesteps and conditionings."""

    prediction_type = "epsilon"
    process = PROCESS
    shape = SHAPE

    def __init__(self):
        self.calls = []

    def __call__(self, x_t, t, conditioning):
        self.calls.append(list(conditioning))
        assert len(x_t) == len(t) == len(conditioning)
        return torch.stack([0.9 * x + 0.01 * len(str(row)) for x, row in zip(x_t, conditioning, strict=True)])


@pytest.fixture(scope="module")
def exact():
    data = torch.rand(100, *SHAPE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return ExactDenoiser(ExactData(data), ALPHAS_CUMPROD)


def lane(index, name="ddim", steps=10, seed=0, conditional="c", unconditional="u", scale=1.0, eta=0.0, x_T=None):
    row = SAMPLERS[name]
    scheduler = make_scheduler(row.scheduler, PROCESS, "epsilon", steps, "trailing", row.options)
    noise = StepNoise(seed)
    x_T = noise.initial(SHAPE) if x_T is None else x_T
    return Lane(index, scheduler, x_T, noise, conditional, unconditional, ClassifierFree(scale), eta)


def finished(records):
    return {record.lane: record.x_0 for record in records if record.i == record.n}


@pytest.mark.parametrize("name", SAMPLERS)
def test_company_does_not_change_a_picture(exact, name):
    everything = exact.data.everything
    subset = exact.data.support(torch.arange(0, 100, 3))

    def mine(index):
        return lane(index, name, 8, 5, subset, everything, scale=2.0, eta=0.5 if name == "ddim" else 0.0)

    others = [
        lane(index, other, 3 + index, 20 + index, everything, everything, scale=float(index % 3))
        for index, other in enumerate(SAMPLERS)
    ]
    alone = finished(drive(exact, [mine(0)]))[0]
    among = finished(drive(exact, [*others[:5], mine(99), *others[5:]]))[99]
    # A matrix product rounds differently by its number of rows; PNDM's extrapolation of eps enlarges that rounding.
    tolerance = 2e-5 if name == "pndm" else 1e-6
    torch.testing.assert_close(among, alone, atol=tolerance, rtol=1e-6)


def test_a_run_of_one_gets_a_row_of_every_tick_beside_a_run_of_sixty():
    denoiser = Counting()
    loop = LaneLoop(denoiser, max_rows=16)
    crowd = Run([lane(i, seed=i, conditional="crowd") for i in range(60)])
    single = Run([lane(0, conditional="single")])
    loop.add(crowd)
    loop.add(single)
    for tick in range(10):
        loop.tick()
        assert "single" in denoiser.calls[tick]
        assert len(denoiser.calls[tick]) == 16
    assert single.done and not crowd.done
    while not crowd.done:
        loop.tick()
    assert sum(len(call) for call in denoiser.calls) == 610
    assert max(len(call) for call in denoiser.calls) == 16


def test_clients_take_turns_however_many_runs_each_has():
    """A client of fifty runs gets as many rows as a client of one, and its runs share them evenly."""
    loop = LaneLoop(Counting(), max_rows=4)
    greedy = [Run([lane(0, steps=30)], client="greedy") for _ in range(50)]
    light = [Run([lane(0, steps=30)], client=name) for name in "abc"]
    for run in [*greedy, *light]:
        loop.add(run)
    for _ in range(29):
        loop.tick()
    assert [run.live[0].i for run in light] == [29] * 3
    progress = [run.live[0].i for run in greedy]
    assert sum(progress) == 29 and max(progress) - min(progress) <= 1


def test_a_run_on_pause_stays_where_it_is():
    loop, slow, free = LaneLoop(Counting(), max_rows=4), Run([lane(0)]), Run([lane(0)])
    loop.add(slow)
    loop.add(free)
    slow.pause = True
    loop.tick()
    assert (slow.live[0].i, free.live[0].i) == (0, 1)
    slow.pause = False
    loop.tick()
    assert (slow.live[0].i, free.live[0].i) == (1, 2)


def test_many_runs_take_turns_when_they_do_not_fit():
    denoiser = Counting()
    loop = LaneLoop(denoiser, max_rows=4)
    runs = [Run([lane(0, conditional=f"run {i}", steps=50)]) for i in range(10)]
    for run in runs:
        loop.add(run)
    for _ in range(25):
        loop.tick()
    served = [sum(call.count(f"run {i}") for call in denoiser.calls) for i in range(10)]
    assert sum(served) == 100 and max(served) - min(served) <= 1


def test_the_lanes_of_a_run_advance_together():
    denoiser = Counting()
    loop, run = LaneLoop(denoiser, max_rows=3), Run([lane(i) for i in range(7)])
    lanes = list(run.live)
    loop.add(run)
    while not run.done:
        loop.tick()
        assert max(one.i for one in lanes) - min(one.i for one in lanes) <= 1


def test_a_guided_lane_advances_where_only_one_row_fits():
    denoiser = Counting()
    got = finished(drive(denoiser, [lane(0, scale=3.0), lane(1)], max_rows=1))
    assert got.keys() == {0, 1}
    assert sorted({len(call) for call in denoiser.calls}) == [1, 2]


def test_a_guided_lane_is_not_starved_by_unguided_ones():
    denoiser = Counting()
    loop = LaneLoop(denoiser, max_rows=2)
    guided = Run([lane(0, conditional="guided", scale=3.0)])
    loop.add(Run([lane(0, steps=100)]))
    loop.add(Run([lane(0, steps=100)]))
    loop.add(guided)
    for _ in range(25):
        loop.tick()
    assert guided.done


def test_cancel_takes_lanes_out_at_the_next_tick():
    denoiser = Counting()
    loop = LaneLoop(denoiser)
    stopped, kept = Run([lane(0, conditional="stopped")]), Run([lane(0, conditional="kept")])
    loop.add(stopped)
    loop.add(kept)
    assert {run for run, _ in loop.tick()} == {stopped, kept}
    stopped.cancel()
    assert stopped.done
    assert {run for run, _ in loop.tick()} == {kept}
    assert denoiser.calls[-1] == ["kept"]
    assert stopped not in loop.runs


def test_an_empty_loop_calls_nothing():
    denoiser = Counting()
    assert LaneLoop(denoiser).tick() == []
    assert list(drive(denoiser, [])) == []
    assert denoiser.calls == []


@pytest.mark.parametrize(("scale", "rows"), [(0.0, ["u"]), (1.0, ["c"]), (3.0, ["c", "u"])])
def test_guidance_scales_need_their_rows(scale, rows):
    denoiser = Counting()
    list(drive(denoiser, [lane(0, scale=scale, steps=4)]))
    assert denoiser.calls == [rows] * 4
    assert ClassifierFree(scale).needs(Level(0.7, 0.7)) == ("c" in rows, "u" in rows)


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
def test_guidance_is_its_formula(exact, scale):
    """The first record's eps against eps_u + s (eps_c - eps_u) from two separate calls."""
    few, everything = exact.data.support(torch.arange(5)), exact.data.everything
    first = next(iter(drive(exact, [lane(0, conditional=few, unconditional=everything, scale=scale)])))
    x_t, t = first.x_t[None], torch.tensor([first.t])
    conditional, unconditional = exact(x_t, t, [few]), exact(x_t, t, [everything])
    want = unconditional + scale * (conditional - unconditional)
    torch.testing.assert_close(first.eps, want[0], atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(classifier_free(conditional, unconditional, scale), want)


@pytest.mark.parametrize("name", SAMPLERS)
def test_records_are_in_order_and_end_with_the_picture(exact, name):
    records = list(drive(exact, [lane(4, name, 6, conditional=exact.data.everything)]))
    n = records[0].n
    assert [record.i for record in records] == list(range(n + 1))
    assert {(record.lane, record.n) for record in records} == {(4, n)}
    last = records[-1]
    assert last.t == -1 and last.log_snr == math.inf
    assert torch.equal(last.x_t, last.x_0) and not last.eps.any()
    assert all(record.x_t.shape == record.x_0.shape == record.eps.shape == SHAPE for record in records)
    # Every first x_t is x_T itself, whatever space the scheduler works in.
    torch.testing.assert_close(records[0].x_t, StepNoise(0).initial(SHAPE), atol=1e-3, rtol=1e-3)
    levels = [record.log_snr for record in records]
    assert levels == sorted(levels)  # the picture only ever becomes clearer
    if name not in ("heun", "flow_heun", "pndm", "langevin", "annealed"):  # these call more than once at a level
        assert len(set(levels)) == len(levels)


def test_records_do_not_change_after_they_are_given():
    """An event must not show what the lane becomes later."""
    records, copies = [], []
    for record in drive(Counting(), [lane(0, steps=5)]):
        records.append(record)
        copies.append((record.x_t.clone(), record.x_0.clone()))
    for record, (x_t, x_0) in zip(records, copies, strict=True):
        assert torch.equal(record.x_t, x_t) and torch.equal(record.x_0, x_0)
        assert not record.x_t.requires_grad


def test_closing_the_generator_stops():
    denoiser = Counting()
    records = drive(denoiser, [lane(0, steps=100)])
    for _ in range(3):
        next(records)
    records.close()
    assert len(denoiser.calls) == 3
    with pytest.raises(StopIteration):
        next(records)


def test_gradients_stay_on_for_the_caller():
    """A no_grad around a yield would leak into whoever consumes the records."""
    for _ in drive(Counting(), [lane(0, steps=2)]):
        assert torch.is_grad_enabled()


def test_lanes_join_between_ticks():
    denoiser = Counting()
    loop, early, late = LaneLoop(denoiser), Run([lane(0, steps=5)]), Run([lane(0, steps=5, conditional="late")])
    loop.add(early)
    loop.tick()
    loop.add(late)
    loop.tick()
    assert denoiser.calls == [["c"], ["c", "late"]]


def test_the_same_x_T_for_all_samplers_of_a_seed():
    first = {
        record.lane: record.x_t
        for record in drive(Counting(), [lane(i, name, 5, seed=3) for i, name in enumerate(SAMPLERS)])
        if record.i == 0
    }
    for x_T in first.values():
        torch.testing.assert_close(x_T, first[0], atol=1e-3, rtol=1e-3)


def test_interpolated_seeds_start_between_their_ends():
    a, b = StepNoise(1).initial(SHAPE), StepNoise(2).initial(SHAPE)
    records = list(drive(Counting(), [lane(0, steps=2, x_T=slerp(a, b, 0.5))]))
    assert records[0].x_t.norm() == pytest.approx(float((a.norm() + b.norm()) / 2), rel=0.02)


class Failing(Counting):
    """Fails as `fault(rows of the call)` says; else predicts zeros."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def __call__(self, x_t, t, conditioning):
        prediction = super().__call__(x_t, t, conditioning)
        return self.fault(conditioning, prediction)


def at_most(limit):
    def fault(conditioning, prediction):
        if len(conditioning) > limit:
            raise torch.OutOfMemoryError("out of memory")
        return prediction

    return fault


def ended(loop, runs, ticks=100):
    """The finished lanes and the errors of each run, in its order."""
    seen = {run: [] for run in runs}
    for _ in range(ticks):
        for run, item in loop.tick():
            if isinstance(item, Exception):
                seen[run].append(item)
            elif item.i == item.n:
                seen[run].append(item.lane)
    return [seen[run] for run in runs]


def test_out_of_memory_makes_calls_smaller_and_loses_nothing():
    denoiser = Failing(at_most(3))
    loop = LaneLoop(denoiser, max_rows=16)
    runs = [Run([lane(i, seed=i, steps=4) for i in range(6)]), Run([lane(9, seed=9, steps=4)])]
    for run in runs:
        loop.add(run)
    first, second = ended(loop, runs)
    assert sorted(first) == list(range(6)) and second == [9]
    assert loop.max_rows == 2  # seven rows failed, then four of them
    assert max(len(call) for call in denoiser.calls[-3:]) <= 3


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError(), MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_a_lane_that_does_not_fit_asks_for_room_and_else_fails_alone(error):
    room = [True, True, False]

    def fault(conditioning, prediction):
        if "heavy" in conditioning and len(room) > 1:
            raise error
        return prediction

    heavy, light = Run([lane(0, steps=3, conditional="heavy")]), Run([lane(1, seed=1, steps=3, conditional="light")])
    loop = LaneLoop(Failing(fault), make_room=lambda: room.pop(0))
    loop.add(heavy)
    loop.add(light)
    assert ended(loop, [heavy, light]) == [[0], [1]] and room == [False]

    heavy, light = Run([lane(0, steps=3, conditional="heavy")]), Run([lane(1, seed=1, steps=3, conditional="light")])
    loop = LaneLoop(Failing(fault), make_room=lambda: False)
    room[:] = [True, True]
    loop.add(heavy)
    loop.add(light)
    assert ended(loop, [heavy, light]) == [[error], [1]]


def test_an_error_fails_only_the_run_it_belongs_to():
    def fault(conditioning, prediction):
        if "poison" in conditioning:
            raise ZeroDivisionError
        return prediction

    poisoned = Run([lane(0, conditional="good"), lane(1, seed=1, conditional="poison")])
    other = Run([lane(2, seed=2, steps=4, conditional="good")])
    loop = LaneLoop(Failing(fault))
    loop.add(poisoned)
    loop.add(other)
    (failure,), finished = ended(loop, [poisoned, other])
    assert isinstance(failure, ZeroDivisionError) and poisoned.done and finished == [2]


def test_a_prediction_that_is_not_finite_fails_its_own_run():
    def fault(conditioning, prediction):
        prediction = prediction.clone()
        prediction[[row == "bad" for row in conditioning]] = float("nan")
        return prediction

    bad, good = Run([lane(0, conditional="bad")]), Run([lane(1, seed=1, steps=4, conditional="good")])
    loop = LaneLoop(Failing(fault))
    loop.add(bad)
    loop.add(good)
    (failure,), finished = ended(loop, [bad, good])
    assert isinstance(failure, FloatingPointError) and finished == [1]


@pytest.mark.parametrize("company", [0, 1, 3])
def test_a_prediction_that_is_not_finite_once_ends_no_run(company):
    """One call in five spoils the first of its lanes, which then draws what it draws by a network that never fails."""
    calls = []

    def fault(conditioning, prediction):
        calls.append(len(conditioning))
        if len(calls) % 5 == 2:
            prediction = prediction.clone()
            prediction[0] = float("nan")
        return prediction

    def lanes():
        return [lane(k, seed=k, steps=6, scale=3.0) for k in range(company + 1)]

    steady = finished(drive(Failing(lambda conditioning, prediction: prediction), lanes()))
    spoilt = finished(drive(Failing(fault), lanes()))
    assert len(calls) > 6  # some were made again
    for k in range(company + 1):
        torch.testing.assert_close(spoilt[k], steady[k], atol=1e-5, rtol=1e-5)


def test_the_first_step_of_a_sweep_is_computed_once():
    """Five scales of one seed: their first call needs one conditional and one unconditional row."""
    denoiser = Counting()
    scales = (0.0, 1.0, 3.0, 5.0, 7.5)
    list(drive(denoiser, [lane(i, scale=scale, steps=3) for i, scale in enumerate(scales)]))
    assert sorted(denoiser.calls[0]) == ["c", "u"]
    assert len(denoiser.calls[1]) == 8  # later they differ: 3 guided lanes and 2 halves


def test_a_shared_first_step_changes_no_picture(exact):
    few, everything = exact.data.support(torch.arange(5)), exact.data.everything
    scales = (0.0, 1.0, 3.0)
    sweep = finished(
        drive(exact, [lane(i, conditional=few, unconditional=everything, scale=s) for i, s in enumerate(scales)])
    )
    for i, scale in enumerate(scales):
        alone = finished(drive(exact, [lane(i, conditional=few, unconditional=everything, scale=scale)]))
        torch.testing.assert_close(sweep[i], alone[i], atol=1e-5, rtol=1e-5)


class Naming(diffusers.DDIMScheduler):
    """A step whose code has names `eta` and `generator` that are no parameters of it, as a rectified-flow one's may."""

    def step(self, model_output, timestep, sample):
        eta, generator = 0.0, None
        return super().step(model_output, timestep, sample, eta=eta, generator=generator)


def test_a_step_is_given_what_it_takes_and_not_what_its_code_names():
    pictures = []
    for cls in (Naming, diffusers.DDIMScheduler):
        scheduler = cls(clip_sample=False)
        scheduler.set_timesteps(5)
        noise = StepNoise(0)
        lanes = [Lane(0, scheduler, noise.initial(SHAPE), noise, "c")]
        pictures.append(finished(drive(Counting(), lanes))[0])
    torch.testing.assert_close(*pictures)
