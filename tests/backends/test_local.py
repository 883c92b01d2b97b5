"""The local backend with a toy model: shared calls, stopping, errors that stay where they belong, limits."""

import pickle
import threading

import numpy as np
import pytest
import torch

from lab.backends.local import MOST_UNREAD, SPEED_S, LocalBackend, Worker, in_words
from lab.engine.lanes import Lane, StepNoise
from lab.engine.samplers import make_scheduler
from lab.models.cache import ModelCache
from lab.requests.anatomy import AnatomyRequest
from lab.requests.base import LabError, Waiting, make_request
from lab.requests.fields import Forward
from lab.requests.inversion import InversionRequest, InversionResult
from lab.requests.noising import NoisingRequest
from lab.requests.sampling import ControlMap, LaneResult, LaneSettings, SamplingRequest, Step
from lab.settings import Settings
from tests.toys import (
    PATIENCE_S,
    SHAPE,
    ToyDenoiser,
    ToyModel,
    leases,
    make_backend,
    request,
    results_of,
    solo_picture,
    steps_of,
)


@pytest.fixture
def model():
    return ToyModel()


@pytest.fixture
def backend(model):
    return make_backend(model)


def test_events_are_steps_then_results(backend):
    events = list(backend.run(request(LaneSettings(steps=5), LaneSettings(sampler="heun", steps=3))))
    assert [event.i for event in steps_of(events, 0)] == [0, 1, 2, 3, 4, 5]
    assert [event.i for event in steps_of(events, 1)] == [0, 1, 2, 3, 4, 5]  # two calls a step but the last
    results = events[-2:]
    assert [type(event) for event in results] == [LaneResult, LaneResult]
    assert [(event.lane, event.calls) for event in results] == [(0, 5), (1, 5)]
    for result in results:
        last = steps_of(events, result.lane)[-1]
        assert np.array_equal(result.picture, last.x_0) and np.array_equal(last.x_t, last.x_0)
        assert result.rms_to_reference is None and result.nearest is None
    elapsed = [event.elapsed_s for event in events if isinstance(event, Step)]
    assert elapsed == sorted(elapsed)


def test_events_hold_no_torch_object(backend):
    for event in backend.run(request(LaneSettings(steps=3), reference_steps=4)):
        assert not any(isinstance(value, torch.Tensor) for value in vars(event).values())


@pytest.mark.parametrize("how", ["stop event", "close"])
def test_stop_ends_a_run_within_one_step(backend, model, how):
    sampling = request(LaneSettings(steps=1000), prompt="stopped")
    denoiser = model.denoiser(sampling.forward)
    denoiser.gate = threading.Semaphore(1)  # lets one call pass
    stop = threading.Event()
    events = backend.run(sampling, stop)
    assert next(events).i == 0
    if how == "close":
        events.close()
    else:
        stop.set()
    assert list(events) == []
    denoiser.gate.release(1000)
    # A later run goes through the same worker: when it is finished, the stopped one has had its turn and left.
    list(backend.run(request(LaneSettings(steps=20), prompt="later")))
    assert sum("stopped" in call for call in denoiser.calls) <= 2  # the call seen and the one under way
    assert leases(backend) == {"exact": 0}


def test_stop_ends_a_run_that_waits_for_its_model(backend):
    """Without an error, and without the model."""
    stop, seen = threading.Event(), []
    with backend.cache._moving:  # somebody else's load
        waiting = threading.Thread(target=lambda: seen.extend(backend.run(request(), stop)))
        waiting.start()
        stop.set()
        waiting.join(PATIENCE_S)
        assert not waiting.is_alive() and not results_of(seen) and leases(backend) == {}


def test_a_run_that_is_stopped_leaves_the_others_alone(backend, model):
    kept, seen = [], threading.Event()

    def run():
        for event in backend.run(request(LaneSettings(steps=200, seed=4))):
            kept.append(event)
            seen.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert seen.wait(PATIENCE_S)
    other = backend.run(request(LaneSettings(steps=200, seed=5)))
    next(other)
    other.close()
    thread.join(PATIENCE_S)
    assert np.abs(results_of(kept)[0].picture.astype(int) - solo_picture(model, 200, 4)).max() <= 1


def test_runs_of_two_threads_share_calls_and_keep_their_pictures(backend, model):
    denoiser = model.denoiser(Forward())
    denoiser.gate = threading.Semaphore(0)
    pictures = {}

    def run(seed):
        sampling = request(LaneSettings(steps=100, seed=seed), prompt=f"seed {seed}")
        pictures[seed] = results_of(backend.run(sampling))[0].picture

    threads = [threading.Thread(target=run, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    # Let calls pass one at a time until both runs are in; then open the gate.
    for _ in range(60):
        denoiser.gate.release()
        threads[0].join(0.05)
        if any(len(call) == 2 for call in list(denoiser.calls)):
            break
    denoiser.gate.release(1000)
    for thread in threads:
        thread.join(PATIENCE_S)
    rows = [len(call) for call in denoiser.calls]
    assert sum(rows) == 200 and len(rows) < 180 and max(rows) == 2
    assert all(len(set(call)) == len(call) for call in denoiser.calls)  # never two rows for one lane
    for seed, picture in pictures.items():
        # One grey level of 255: the last digit of a float may round the other way.
        assert np.abs(picture.astype(int) - solo_picture(model, 100, seed)).max() <= 1
    assert (pictures[1] != pictures[2]).any()


def test_an_error_reaches_the_runs_of_its_denoiser_only(backend, model):
    bad, good = request(prompt="bad", T=500), request(LaneSettings(steps=300), prompt="good")
    model.denoiser(bad.forward).fails_on = "bad"
    healthy = backend.run(good)
    assert next(healthy).i == 0
    with pytest.raises(LabError, match=r"failed inside the lab \(RuntimeError\)"):
        list(backend.run(bad))
    assert len(results_of(healthy)) == 1
    # The worker lives, and so does the denoiser that failed.
    assert len(results_of(backend.run(request(prompt="fine", T=500)))) == 1
    assert leases(backend) == {"exact": 0}


def test_an_error_does_not_keep_its_place(model):
    backend = make_backend(model, max_runs=1)
    model.denoiser(Forward()).fails_on = "bad"
    for _ in range(3):
        with pytest.raises(LabError, match=r"failed inside the lab \(RuntimeError\)"):
            list(backend.run(request(prompt="bad")))
    assert len(results_of(backend.run(request()))) == 1


def test_runs_beyond_the_places_wait_in_line_and_one_more_is_refused(model):
    backend = make_backend(model, max_runs=2, queue_size=1)
    first, second = (backend.run(request(LaneSettings(steps=500))) for _ in range(2))
    next(first)
    next(second)
    third = backend.run(request(LaneSettings(steps=2)))
    assert next(third).position == next(third).position == 1
    with pytest.raises(LabError, match=r"The lab is full: 2 runs under way and 1 in line\. Try again in about"):
        next(backend.run(request()))
    first.close()
    assert [type(event) for event in third] == [Step, Step, Step, LaneResult]
    list(second)
    assert backend.line.counts == (0, 0)
    for _ in range(5):
        assert len(results_of(backend.run(request()))) == 1


@pytest.mark.parametrize("how", ["stop event", "close"])
def test_a_run_can_leave_the_line(model, how):
    backend = make_backend(model, max_runs=1)
    first = backend.run(request(LaneSettings(steps=500)))
    next(first)
    stop = threading.Event()
    waiting = backend.run(request(), stop)
    assert isinstance(next(waiting), Waiting)
    if how == "close":
        waiting.close()
    else:
        stop.set()
        assert list(waiting) == []
    assert backend.line.counts == (1, 0)
    first.close()
    assert backend.line.counts == (0, 0)


def test_the_status_tells_what_is_held_and_done(model):
    backend = make_backend(model, max_runs=1)
    assert backend.status().resident == () and backend.status().steps_per_s == 0
    first = backend.run(request(LaneSettings(steps=900), LaneSettings(steps=900, seed=1)))
    next(first)
    waiting = backend.run(request())
    next(waiting)
    status = backend.status()
    assert (status.running, status.waiting, status.lanes, status.device) == (1, 1, 2, "cpu")
    assert [(held.name, held.leases) for held in status.resident] == [("exact", 1)]
    assert {plan.name: plan.load for plan in status.plans}["exact"] is False
    assert {"text-to-image", "edges", "pose"} <= {plan.name for plan in status.plans if plan.load}
    assert status.steps_per_s > 0 and pickle.loads(pickle.dumps(status)) == status
    waiting.close()
    first.close()


def test_one_look_does_not_stand_in_line(model):
    backend = make_backend(model, max_runs=1, queue_size=1)
    first = backend.run(request(LaneSettings(steps=500)))
    next(first)
    (frame,) = backend.run(NoisingRequest(picture=PICTURE, recover="exact"))
    assert frame.recovered is not None
    first.close()


def test_a_run_that_is_not_read_pauses_and_keeps_nobody_waiting(model):
    """Thousand-step runs of readers who have gone to sleep: little is kept for them, and others go on."""
    backend = make_backend(model)
    sleepers = [backend.run(request(LaneSettings(steps=1000))) for _ in range(3)]
    for sleeper in sleepers:
        next(sleeper)
    assert len(results_of(backend.run(request(LaneSettings(steps=400))))) == 1
    calls = len(model.denoiser(Forward()).calls)
    assert len(results_of(backend.run(request(LaneSettings(steps=5))))) == 1
    assert len(model.denoiser(Forward()).calls) <= calls + 6  # nobody else moved
    assert 400 < calls <= 400 + MOST_UNREAD + 1  # those who slept were stopped short of their thousand
    assert len(steps_of(sleepers[0])) == 1000  # and go on once they are read
    for sleeper in sleepers:
        sleeper.close()


def test_a_run_that_was_never_started_takes_no_place(model):
    backend = make_backend(model, max_runs=1)
    unused = backend.run(request())
    assert len(results_of(backend.run(request()))) == 1
    unused.close()
    assert len(results_of(backend.run(request()))) == 1


PICTURE = np.zeros((8, 8, 3), np.uint8)
CONTROL = ControlMap(name="edges", map=PICTURE)


def latent(*lanes, forward=Forward(schedule="scaled_linear")):  # noqa: B008
    return SamplingRequest(model="text-to-image", lanes=lanes or (LaneSettings(),), forward=forward)


LIMITS = {"max_lanes": 3, "max_steps": 100, "max_lane_steps": 150}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (request(*[LaneSettings()] * 4), "4 pictures asked for; one run makes at most 3"),
        (request(LaneSettings(steps=101)), "101 steps asked for; a lane takes at most 100"),
        (request(reference_steps=101), "101 steps asked for; a lane takes at most 100"),
        (request(*[LaneSettings(steps=60)] * 3), "takes 180 steps over all its lanes; at most 150 a run"),
        (request(LaneSettings(steps=90), reference_steps=90), "takes 180 steps over all its lanes; at most 150 a run"),
        (request(LaneSettings(sampler="lcm", steps=4)), "LCM needs a model that was trained for it; 'Exact"),
        (request(LaneSettings(sampler="ddpm_learned")), "DDPM, learned variance needs a model that was trained for it"),
        (latent(LaneSettings(rule="threshold", guidance_scale=3)), "Dynamic thresholding needs pixels"),
        (latent(forward=Forward()), "was not made for this forward process.*scaled linear schedule with T = 1000"),
        (latent(forward=Forward(schedule="scaled_linear", T=500)), "was not made for this forward process"),
        (latent(forward=Forward(schedule="scaled_linear", zero_snr=True)), "was not made for this forward process"),
        (request(T=100, reference_steps=60, versus="pixel"), "was not made for this forward process"),
        (request(controls=(CONTROL,)), "has no control named 'edges'. Choose another model"),
        (
            AnatomyRequest(lane=LaneSettings(steps=101), scales=(1,)),
            "101 steps asked for; a lane takes at most 100",
        ),
        (NoisingRequest(picture=PICTURE, recover="pixel"), "was not made for this forward process"),
        (
            InversionRequest(picture=PICTURE, steps=101),
            "101 steps asked for; a lane takes at most 100",
        ),
        (InversionRequest(picture=PICTURE, steps=90), "takes 180 steps over all its lanes; at most 150 a run"),
        (request(*[LaneSettings(steps=2)] * 2, versus="exact-32"), "4 pictures asked for; one run makes at most 3"),
        (
            request(LaneSettings(steps=60), versus="exact-32", reference_steps=60),
            "takes 180 steps over all its lanes; at most 150 a run",
        ),
    ],
)
def test_limits_are_explained(model, asked, message):
    backend = make_backend(model, **LIMITS)
    with pytest.raises(LabError, match=message):
        list(backend.run(asked))
    assert not any(denoiser.calls for denoiser in model.denoisers.values())  # refused before any work
    assert len(results_of(backend.run(request(LaneSettings(steps=2))))) == 1


def test_a_run_of_two_models_takes_what_the_limits_give(model):
    """Four pictures in all, two of each model, and the reference, which is none."""
    backend = make_backend(model, max_lanes=4, max_lane_steps=13)
    asked = request(*[LaneSettings(steps=2)] * 2, versus="exact-32", reference_steps=5)
    assert sorted(result.lane for result in results_of(backend.run(asked))) == [0, 1, 2, 3]


@pytest.mark.parametrize(("lanes", "steps"), [(1, 1), (1, 1000), (3, 5), (5, 300)])
def test_the_steps_a_second_are_the_lane_steps_that_were_taken(model, monkeypatch, lanes, steps):
    """On a clock that a run moves by a millisecond a call; a lane of one step takes one."""
    now = [0.0]
    monkeypatch.setattr("lab.backends.local.time.monotonic", lambda: now[0])
    worker, denoiser = Worker(max_rows=16), ToyDenoiser(1000)
    for seed in range(lanes):
        scheduler = make_scheduler("DDIM", denoiser.process, "epsilon", steps)
        noise = StepNoise(seed)
        for record in worker.drive(denoiser, [Lane(0, scheduler, noise.initial(SHAPE), noise, "")]):
            now[0] += 0.001 if record.i < record.n else 0
    assert worker.steps_per_s == pytest.approx(lanes * steps / SPEED_S)
    now[0] += SPEED_S
    assert worker.steps_per_s == 0


def test_more_steps_than_T_are_refused():
    with pytest.raises(LabError, match="T is 10, below the 20 steps of a lane"):
        make_request(SamplingRequest, lanes=[{"steps": 20}], forward={"T": 10})
    with pytest.raises(LabError, match="T is 20, below the 50 steps"):
        make_request(InversionRequest, picture=np.zeros((8, 8, 3), np.uint8), steps=50, forward={"T": 20})
    with pytest.raises(LabError, match="T is 30, below the 31 steps"):
        make_request(SamplingRequest, lanes=[{"steps": 20}], forward={"T": 30}, reference_steps=31)


def test_the_reference_lane_and_the_distance_to_it(backend, model):
    lanes = (
        LaneSettings(steps=50, seed=6),
        LaneSettings(steps=3, seed=6),
        LaneSettings(sampler="dpmpp_2m", steps=10, seed=6),
    )
    events = list(backend.run(request(*lanes, reference_steps=50)))
    reference = steps_of(events, -1)
    assert [event.i for event in reference] == list(range(51))
    results = results_of(events)
    assert [result.lane for result in results] == [0, 1, 2]  # the reference is not a result
    same, coarse, fast = (result.rms_to_reference for result in results)
    assert same == pytest.approx(0, abs=1e-6)
    assert coarse > fast > same
    as_floats = [event.picture.astype(float) / 127.5 - 1 for event in results]
    truth = reference[-1].x_0.astype(float) / 127.5 - 1
    # Pictures are clipped and rounded to 1/127.5, so the distance of the shown pictures comes near, not equal.
    assert coarse == pytest.approx(float(np.sqrt(np.mean((as_floats[1] - truth) ** 2))), abs=0.02)


def test_lanes_of_one_seed_start_from_one_x_T(backend):
    lanes = [LaneSettings(sampler=name, steps=4, seed=9) for name in ("ddim", "euler", "heun", "unipc")]
    events = list(backend.run(request(*lanes)))
    first = steps_of(events, 0)[0].x_t.astype(int)
    for index in range(1, 4):
        assert np.abs(steps_of(events, index)[0].x_t - first).max() <= 1


def test_mixed_seeds_lie_between(backend):
    def start(**more):
        return steps_of(backend.run(request(LaneSettings(steps=1, **more))))[0].x_t.astype(int)

    assert np.array_equal(start(seed=1, mix_seed=2, mix=0.0), start(seed=1))
    assert np.abs(start(seed=1, mix_seed=2, mix=1.0) - start(seed=2)).max() <= 1
    between = start(seed=1, mix_seed=2, mix=0.5)
    assert (between != start(seed=1)).any() and (between != start(seed=2)).any()


def test_inversion_climbs_comes_down_and_reports(backend):
    picture = np.random.default_rng(0).integers(60, 200, (8, 8, 3)).astype(np.uint8)
    events = list(backend.run(InversionRequest(picture=picture, steps=100)))
    *steps, result = events
    up, down = steps_of(steps, 0), steps_of(steps, 1)
    assert len(up) == len(down) == 101 and steps == up + down
    assert [event.t for event in up[:-1]] == sorted(event.t for event in up[:-1])
    assert [event.t for event in down[:-1]] == sorted((event.t for event in down[:-1]), reverse=True)
    assert isinstance(result, InversionResult)
    assert np.array_equal(result.original, picture)
    assert np.array_equal(result.reconstruction, down[-1].x_0)
    difference = (result.reconstruction.astype(float) - picture) / 127.5
    assert result.rms == pytest.approx(float(np.sqrt(np.mean(difference**2))), abs=0.005)
    assert result.rms < 0.05
    assert result.error.shape == (8, 8) and result.error.max() == 255
    # The flow of data N(0.2, 0.4^2) is known: x_T is the place of each value in units of the deviation.
    x_T = ((picture.astype(float) / 127.5 - 1) - 0.2) / 0.4
    assert result.x_T_mean == pytest.approx(x_T.mean(), abs=0.1)
    assert result.x_T_deviation == pytest.approx(x_T.std(), rel=0.1)


def test_warm_loads_in_the_background(model):
    loads = []
    backend = LocalBackend(Settings(device="cpu"), ModelCache(lambda name, shelf: loads.append(name) or model))
    backend.warm("exact").join(PATIENCE_S)
    assert loads == ["exact"]
    list(backend.run(request(LaneSettings(steps=1))))
    assert loads == ["exact"]
    assert leases(backend) == {"exact": 0}


def test_a_model_that_does_not_load_is_an_error_in_words():
    def load(name, shelf):
        raise OSError("the file is gone")

    backend = LocalBackend(Settings(device="cpu", max_runs=1), ModelCache(load))
    for _ in range(2):
        with pytest.raises(LabError, match="'exact' could not be loaded: the file is gone"):
            list(backend.run(request()))


@pytest.mark.parametrize(
    "error", [RuntimeError("mat1 and mat2"), OverflowError("int too big"), KeyError("unet"), OSError()]
)
def test_less_is_advised_for_want_of_memory_only(error):
    less = ("fewer lanes", "smaller", "fewer runs", "memory")
    assert not any(word in in_words(error) for word in less) and "try again" in in_words(error)
    assert all(word in in_words(MemoryError()) for word in ("memory", "smaller model"))
