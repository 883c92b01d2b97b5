"""The Ray backend on a cluster of two CPU replicas in this machine: same pictures, shared work, and losses survived."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import ray
from ray import serve
from ray.serve.exceptions import BackPressureError

from lab.backends import ray_serve
from lab.backends.local import LocalBackend
from lab.backends.ray_serve import ByLanes, Candidate, RayBackend, Sizes, ranking, together
from lab.requests.annotate import AnnotateRequest, ConditioningMap
from lab.requests.base import LabError, Note
from lab.requests.fields import Condition
from lab.requests.sampling import ControlMap, ControlWindow, LaneResult, LaneSettings, SamplingRequest, Step
from lab.requests.status import LeasePlan, Resident, Status
from lab.settings import Settings

PATIENCE_S = 120
REPLICA = {"LAB_DEVICE": "cpu", "LAB_THREADS": "1", "LAB_CPU_ENGINE": "torch", "LAB_DTYPE": "float32"}
LINES = np.zeros((64, 64, 3), np.uint8)
LINES[20:44, 20:22] = LINES[20:44, 42:44] = 255


def red_heart(seeds=(1,), steps=6, held=False):
    """Guided lanes; `held` by two lines as edges, for a part of the way."""
    windows = (ControlWindow(strength=0.8, end=0.75),) if held else ()
    lanes = tuple(
        LaneSettings(sampler="ddpm", steps=steps, seed=one, guidance_scale=3, windows=windows) for one in seeds
    )
    return SamplingRequest(
        model="text-to-image",
        condition=Condition(prompt="red heart"),
        controls=(ControlMap(name="edges", map=LINES),) if held else (),
        forward={"schedule": "scaled_linear"},
        lanes=lanes,
    )


def a_drawing(seed, steps=4):
    return SamplingRequest(model="exact-32", lanes=(LaneSettings(sampler="ddpm", steps=steps, seed=seed),))


def pictures(events):
    return {event.lane: event.picture.astype(int) for event in events if isinstance(event, LaneResult)}


def same(ours, theirs):
    return ours.keys() == theirs.keys() and all(np.abs(ours[lane] - theirs[lane]).max() <= 1 for lane in ours)


@pytest.fixture(scope="module")
def backend():
    """On a cluster of its own, which ends with the tests of this file."""
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
             namespace=ray_serve.NAMESPACE, object_store_memory=100_000_000)  # fmt: skip
    try:
        sizes = Sizes(min_replicas=2, max_replicas=2, gather=4, settings=REPLICA)
        backend = RayBackend(Settings(max_runs=32, queue_size=64), sizes)
        yield backend
        backend.close()
    finally:
        serve.shutdown()
        ray.shutdown()


@pytest.fixture(scope="module")
def alone():
    return LocalBackend(Settings(device="cpu", dtype="float32", cpu_engine="torch"))


def until(true, what):
    """Wait for what replicas report once a second."""
    deadline = time.monotonic() + PATIENCE_S
    while not (seen := true()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return seen


def replicas(backend, least=2):
    """All that report, and nothing under way in them."""
    return until(
        lambda: (
            (status := backend.status())
            and len(status.replicas) >= least
            and not status.lanes
            and not any(one.running for one in status.replicas)
            and status.replicas
        ),
        "the replicas do not come to rest",
    )


# Without a cluster


def test_a_run_gathers_with_its_model_then_spills_over():
    idle, loaded = Candidate("idle", 0, 10, 1, False), Candidate("loaded", 2, 10, 3, True)
    other, full = Candidate("other", 1, 10, 3, True), Candidate("full", 10, 10, 0, True)
    assert [one.name for one in ranking([idle, other, full, loaded], gather=4)] == ["loaded", "other", "idle"]
    crowded = Candidate("crowded", 4, 10, 1, True)
    assert [one.name for one in ranking([crowded, idle], gather=4)] == ["idle", "crowded"]
    assert next(iter(ranking([crowded, Candidate("empty", 0, 10, 0, False), idle], 4))).name == "empty"
    busier = Candidate("busier", 7, 10, 0, False)
    assert [one.name for one in ranking([busier, crowded], gather=4)] == ["crowded", "busier"]


@pytest.mark.parametrize(
    ("lanes", "queued", "wanted"), [({}, 0, 1), ({"a": 10, "b": 3}, 0, 2), ({"a": 12}, 13, 3), ({"a": 900}, 0, 4)]
)
def test_replicas_follow_the_lanes_in_flight(lanes, queued, wanted):
    context = SimpleNamespace(
        aggregated_metrics={"lanes": lanes}, total_queued_requests=queued,
        capacity_adjusted_min_replicas=1, capacity_adjusted_max_replicas=4,
    )  # fmt: skip
    assert ByLanes(12)(context) == (wanted, {})


def test_one_status_of_many():
    def one(lanes, leases, load):
        return Status("cpu", "CPU", 0, 1.0, 10, 100.0, (Resident("exact", False, 7, 7, leases, False),),
                      (LeasePlan("pose", load, False, 5, ()),), 1, 0, lanes, 2.5)  # fmt: skip

    seen = together({"b": one(3, 1, True), "a": one(4, 2, False)}, running=9, waiting=1)
    assert (seen.lanes, seen.steps_per_s, seen.host_used, seen.running, seen.waiting) == (7, 5.0, 20, 9, 1)
    assert [(model.name, model.leases) for model in seen.resident] == [("exact", 3)]
    assert not seen.plans[0].load  # one of them has it
    assert [(replica.name, replica.lanes, replica.models) for replica in seen.replicas] == [
        ("a", 4, ("exact",)), ("b", 3, ("exact",)),
    ]  # fmt: skip


def test_the_page_process_imports_no_torch():
    code = "import sys, lab.backends.ray_serve; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_queue_that_is_full_says_when_to_come_again():
    def full(*_):
        raise BackPressureError(num_queued_requests=5, max_queued_requests=5)
        yield

    backend = SimpleNamespace(_once=full, line=SimpleNamespace(outlook=lambda: SimpleNamespace(seconds=7)))
    with pytest.raises(LabError, match="All replicas are busy. Try again in about 7 s"):
        list(RayBackend._recovered(backend, a_drawing(1), threading.Event(), ""))


# On the cluster


def test_pictures_are_those_of_the_local_backend(backend, alone):
    for request in (red_heart((1, 2)), red_heart((1, 2), held=True), a_drawing(5)):
        events = list(backend.run(request, client="somebody"))
        assert same(pictures(events), pictures(alone.run(request)))
        for lane, settings in enumerate(request.lanes):
            steps = [event.i for event in events if isinstance(event, Step) and event.lane == lane]
            assert steps == list(range(settings.steps + 1))  # in order, each once


def test_a_control_map_is_made_on_a_replica_too(backend):
    (made,) = backend.run(AnnotateRequest(picture=LINES, annotator="canny"))
    assert isinstance(made, ConditioningMap) and made.map.any()


def test_what_cannot_be_done_is_said_in_the_words_of_the_replica(backend):
    with pytest.raises(LabError, match="No picture matches 'zzzzqqq'"):
        list(
            backend.run(SamplingRequest(model="exact", condition=Condition(prompt="zzzzqqq"), lanes=(LaneSettings(),)))
        )


def test_a_model_is_loaded_once_for_runs_that_fit_one_replica(backend):
    """One after another they all go where it is; the other replica never loads it."""
    for seed in range(4):
        list(backend.run(red_heart((seed,))))
    holders = [one for one in replicas(backend) if "text-to-image" in one.models]
    assert len(holders) == 1


def test_stop_and_a_closed_page_free_the_lanes(backend):
    replicas(backend)
    stop = threading.Event()
    seen = 0
    for _ in backend.run(a_drawing(1, steps=1000), stop, "somebody"):
        seen += 1
        stop.set()
    assert seen < 1000
    closed = backend.run(a_drawing(2, steps=1000))
    next(closed)
    closed.close()
    assert len(replicas(backend)) == 2


def test_32_clients_lose_nothing_and_share_both_replicas(backend, alone):
    requests = [a_drawing(seed, steps=12) for seed in range(32)]
    with ThreadPoolExecutor(32) as threads:
        runs = threads.map(lambda seed: list(backend.run(requests[seed], client=f"client {seed}")), range(32))
        made = [pictures(events) for events in runs]
    for request, ours in zip(requests, made, strict=True):
        assert same(ours, pictures(alone.run(request)))
    assert all("exact-32" in one.models for one in replicas(backend))  # it spilled over


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_replica_that_dies_in_the_middle_of_a_run_is_survived(backend, alone, how):
    """The visitor sees a note and the same pictures, and no step twice."""
    before = {one.name for one in replicas(backend)}
    request = red_heart((3, 4), steps=150)
    events, killed = [], ""
    for event in backend.run(request):
        events.append(event)
        busy = [one.name for one in backend.status().replicas if one.lanes]
        if busy and not killed and isinstance(event, Step):
            (killed,) = busy
            os.kill(int(killed.rpartition(" ")[2]), how)
    assert killed
    assert [event.text for event in events if isinstance(event, Note)] in ([ray_serve.LOST], [])
    if how == signal.SIGKILL:
        assert any(isinstance(event, Note) for event in events)
    for lane in (0, 1):
        steps = [event.i for event in events if isinstance(event, Step) and event.lane == lane]
        assert steps == list(range(151))
    assert same(pictures(events), pictures(alone.run(request)))
    after = until(lambda: {one.name for one in backend.status().replicas} - {killed}, "no replica is left")
    assert after & before
    replicas(backend)  # another one has taken its place


def test_a_cluster_that_shuts_down_finishes_its_runs_first(backend, alone):
    """Last of all, since nothing is left after it."""
    request = red_heart((7,), steps=60)
    events = backend.run(request)
    made = [next(events)]
    with ThreadPoolExecutor(1) as thread:
        gone = thread.submit(serve.delete, ray_serve.APP)
        made += list(events)
        gone.result(PATIENCE_S)
    assert not any(isinstance(event, Note) for event in made)
    assert same(pictures(made), pictures(alone.run(request)))
