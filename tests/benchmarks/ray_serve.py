"""The Ray backend: two replicas against one, one replica against the local backend, and what an event costs.

Every replica computes with one thread, so that two of them fill two cores; the local backend gets one as well.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

os.environ["LAB_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import ray
from ray import serve

from lab.backends.local import LocalBackend
from lab.backends.ray_serve import APP, NAMESPACE, RayBackend, Sizes
from lab.requests.sampling import LaneSettings, SamplingRequest
from lab.settings import Settings
from tests.benchmarks._report import compare, medians_s, value

USERS, STEPS = 16, 25
REPLICA = {"LAB_DEVICE": "cpu", "LAB_THREADS": "1", "OMP_NUM_THREADS": "1"}


def request(seed: int, steps: int = STEPS, model: str = "text-to-image") -> SamplingRequest:
    schedule = "scaled_linear" if model == "text-to-image" else "linear"
    lanes = (LaneSettings(steps=steps, seed=seed, guidance_scale=3),)
    return SamplingRequest(model=model, condition={"prompt": "heart"}, forward={"schedule": schedule}, lanes=lanes)  # type: ignore[arg-type]


def crowd(backend: Any) -> None:
    """Everybody presses Run at once."""
    with ThreadPoolExecutor(USERS) as threads:
        list(threads.map(lambda seed: list(backend.run(request(seed), client=str(seed))), range(USERS)))


def deployed(replicas: int) -> RayBackend:
    """On so many replicas, each of which has compiled what it needs: that goes on in the background for a while."""
    sizes = Sizes(min_replicas=replicas, max_replicas=replicas, gather=USERS // 2, settings=REPLICA)
    backend = RayBackend(Settings(max_runs=2 * USERS), sizes)
    while (
        (status := backend.status()) is None or len(status.replicas) < replicas or not all_compiled(backend, replicas)
    ):
        crowd(backend)
        time.sleep(1)
    return backend


def all_compiled(backend: RayBackend, replicas: int) -> bool:
    """Whether every replica computes the model with OpenVINO by now."""
    statuses = list(backend._statuses.values())
    notes = [
        note for status in statuses for one in status.resident if one.name == "text-to-image" for note in one.notes
    ]
    return sum("OpenVINO" in note for note in notes) == 2 * replicas and len(statuses) == replicas


def main() -> None:
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level=40, namespace=NAMESPACE)
    one = deployed(1)
    [single] = medians_s(lambda: crowd(one))
    near = LocalBackend(Settings(threads=1))
    list(near.run(request(0)))
    assert near.workshop is not None
    near.workshop.finish()
    far_s, near_s = medians_s(lambda: list(one.run(request(0))), lambda: list(near.run(request(0))), repeats=7)
    compare(f"one replica of the cluster, one user, {STEPS} guided steps, against local", far_s, near_s, "at most 1.15")
    long = request(0, steps=500, model="exact-32")
    far_s, near_s = medians_s(lambda: list(one.run(long)), lambda: list(near.run(long)))
    value("cost of an event on its way from a replica, ms", 1000 * (far_s - near_s) / 501)
    one.close()
    serve.delete(APP)
    two = deployed(2)
    [double] = medians_s(lambda: crowd(two))
    compare(f"{USERS} users on two one-thread replicas, against one", double, single, "at most 0.59")
    two.close()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
