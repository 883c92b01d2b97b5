"""Network calls that are no lanes: on the worker's thread, between denoiser calls, in turn, and nobody's picture changes."""

import threading
import time
from functools import partial

import numpy as np
import pytest

from lab.backends.local import Worker
from lab.catalog import SCORER
from lab.engine.lanes import Lane, StepNoise, drive
from lab.engine.samplers import make_scheduler
from lab.models.cache import ModelCache, Stopped
from lab.operations import OPERATIONS
from lab.operations.house import House
from lab.requests.base import LabError, Load, Note, Request
from lab.requests.fields import Forward
from lab.requests.sampling import LaneSettings
from lab.settings import Settings
from tests.toys import PATIENCE_S, SHAPE, ToyDenoiser, ToyModel, make_backend, request, results_of, solo_picture


def until(true):
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def a_lane(denoiser, steps, seed=0):
    scheduler = make_scheduler("DDIM", denoiser.process, "epsilon", steps, options={"clip_sample": False})
    noise = StepNoise(seed)
    return Lane(0, scheduler, noise.initial(SHAPE), noise, "")


class Gated:
    """A worker that stands in a denoiser call until `open`; what arrives meanwhile waits in the order of arrival."""

    def __init__(self, steps=50, make_room=lambda: False):
        self.worker, self.denoiser = Worker(16, make_room), ToyDenoiser(1000)
        self.denoiser.gate = threading.Semaphore(0)
        self.results, self.threads = {}, []
        self._start(self._drive, steps)
        until(lambda: self.denoiser.calls)

    def _start(self, target, *arguments):
        self.threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        self.threads[-1].start()

    def _drive(self, steps):
        *_, self.results["lane"] = self.worker.drive(self.denoiser, [a_lane(self.denoiser, steps)])

    def compute(self, name, function, stop=None, client=None):
        """In a thread of its own, behind what has arrived before."""

        def work():
            try:
                self.results[name] = self.worker.compute(function, stop, client)
            except BaseException as error:
                self.results[name] = error

        place = self.worker._arrivals.qsize()
        self._start(work)
        until(lambda: self.worker._arrivals.qsize() > place)

    def open(self):
        self.denoiser.gate.release(10_000)
        for thread in self.threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        return self.results


def test_a_function_runs_on_the_workers_thread_and_so_does_what_it_computes():
    worker = Worker(16)
    assert worker.compute(threading.current_thread).name == "lab-worker"
    assert worker.compute(lambda: worker.compute(threading.current_thread)).name == "lab-worker"


def test_clients_take_turns_and_after_every_function_the_lanes_move():
    """Also where one client has many: nobody waits for more than one function of each of the others."""
    gated, log = Gated(), []
    for name, client in (("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("c1", "c"), ("b2", "b")):
        gated.compute(name, lambda name=name: log.append((name, len(gated.denoiser.calls))), client=client)
    gated.open()
    assert [name for name, _ in log] == ["a1", "b1", "c1", "a2", "b2", "a3"]
    calls = [count for _, count in log]
    assert calls == list(range(calls[0], calls[0] + 6))  # one denoiser call between each two


def test_lanes_in_between_make_the_same_picture():
    gated = Gated(steps=20)
    for k in range(30):
        gated.compute(k, partial(np.linalg.inv, np.eye(3) * (k + 1)))
    results = gated.open()
    denoiser = ToyDenoiser(1000)
    *_, alone = drive(denoiser, [a_lane(denoiser, 20)])
    assert results["lane"].x_0.equal(alone.x_0)
    assert all(results[k][0, 0] == pytest.approx(1 / (k + 1)) for k in range(30))


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit("bye")])
def test_an_error_is_the_callers_alone(error):
    def fail():
        raise error

    gated = Gated()
    gated.compute("bad", fail)
    gated.compute("good", lambda: 7)
    results = gated.open()
    assert results["bad"] is error and results["good"] == 7 and results["lane"].i == 50


def test_a_function_that_is_stopped_before_its_turn_never_begins():
    gated, stop, other, log = Gated(), threading.Event(), threading.Event(), []
    gated.compute("stopped", lambda: log.append("stopped"), stop)
    gated.compute("kept", lambda: log.append("kept"), other)
    stop.set()
    gated.threads[1].join(PATIENCE_S)  # while the worker still stands
    assert isinstance(gated.results["stopped"], Stopped)
    gated.open()
    assert log == ["kept"]


def test_a_function_that_has_begun_is_waited_for():
    """What it works with is leased until it has ended."""
    worker, stop, begun, go = Worker(16), threading.Event(), threading.Event(), threading.Event()

    def slow():
        begun.set()
        assert go.wait(PATIENCE_S)
        return "done"

    results = []
    thread = threading.Thread(target=lambda: results.append(worker.compute(slow, stop)), daemon=True)
    thread.start()
    assert begun.wait(PATIENCE_S)
    stop.set()
    assert thread.is_alive() and not results
    go.set()
    thread.join(PATIENCE_S)
    assert results == ["done"]


def test_a_function_that_does_not_fit_the_device_is_called_again_where_there_is_room():
    rooms, calls = [True, True, False], []

    def large():
        calls.append(1)
        raise MemoryError

    with pytest.raises(MemoryError):
        Worker(16, lambda: rooms.pop(0)).compute(large)
    assert len(calls) == 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_dies_leaves_no_caller_waiting_and_another_takes_its_place(monkeypatch):
    worker = Worker(16)
    thread = worker.compute(threading.current_thread)
    with monkeypatch.context() as broken:
        broken.setattr(worker, "_compute", lambda: 1 / 0)
        with pytest.raises(RuntimeError, match="the worker died"):
            worker.compute(lambda: 7)
        thread.join(PATIENCE_S)  # its error is this test's
    assert worker.compute(lambda: 7) == 7


# In a house


def test_without_a_worker_it_is_computed_at_once_in_this_thread():
    stop = threading.Event()
    house = House(Settings(), ModelCache(lambda name, shelf: None), drive, stop=stop)
    assert house.compute(threading.current_thread) is threading.current_thread()
    stop.set()
    with pytest.raises(Stopped):
        house.compute(lambda: 1 / 0)


class Ask(Request):
    """A run that computes n numbers."""

    n: int = 3

    def load(self):
        return Load(1, self.n)


def ask(request, house):
    for k in range(request.n):
        yield Note(f"{house.compute(threading.current_thread).name} {house.compute(lambda k=k: 6 // (2 - k))}")


def test_operations_compute_on_the_worker_and_their_errors_are_in_words(monkeypatch):
    monkeypatch.setitem(OPERATIONS, Ask, ask)
    backend = make_backend(ToyModel())
    assert [event.text for event in backend.run(Ask(n=2))] == ["lab-worker 3", "lab-worker 6"]
    with pytest.raises(LabError, match=r"inside the lab \(ZeroDivisionError\)"):
        list(backend.run(Ask(n=3)))
    assert backend.line.counts == (0, 0)


def test_a_run_that_is_stopped_while_its_function_waits_ends_without_an_error(monkeypatch):
    monkeypatch.setitem(OPERATIONS, Ask, ask)
    model = ToyModel()
    backend, stop = make_backend(model), threading.Event()
    denoiser = model.denoiser(Forward())
    denoiser.gate = threading.Semaphore(0)
    other = threading.Thread(target=lambda: list(backend.run(request(LaneSettings(steps=5)))), daemon=True)
    other.start()
    until(lambda: denoiser.calls)
    events = []
    mine = threading.Thread(target=lambda: events.extend(backend.run(Ask(), stop)), daemon=True)
    mine.start()
    until(lambda: backend.worker._arrivals.qsize())
    stop.set()
    mine.join(PATIENCE_S)
    assert not mine.is_alive() and events == [] and backend.line.counts == (1, 0)
    denoiser.gate.release(100)
    other.join(PATIENCE_S)


def test_pictures_are_scored_on_the_worker_and_stay_what_they_are():
    class Scorer:
        def score(self, picture, caption):
            return float(threading.current_thread().name == "lab-worker")

        def unread(self, caption):
            return ()

    model = ToyModel()
    backend = make_backend(model)
    backend.cache = ModelCache(lambda name, shelf: Scorer() if name == SCORER else model)
    lanes = (LaneSettings(steps=9, seed=1), LaneSettings(steps=5, seed=2))
    results = results_of(backend.run(request(*lanes, prompt="apple", measure=True)))
    assert [result.measures["clip"] for result in results] == [1.0, 1.0]
    for result, lane in zip(results, lanes, strict=True):
        assert np.abs(result.picture.astype(int) - solo_picture(model, lane.steps, lane.seed)).max() <= 1
