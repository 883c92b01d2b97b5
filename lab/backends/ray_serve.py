"""The Ray backend: replicas on a cluster do the mathematics, each with a model cache and a lane engine of its own.

`LAB_BACKEND=ray LAB_RAY_ADDRESS=... make run` serves the page from a process that computes nothing. It looks for the
application `diffusion-lab` on the cluster (see ray_serve.yaml for `serve deploy`) and starts it where there is none.

- A run goes to a replica that holds its model, to the busiest of those until that has `gather` runs: lanes share a
  denoiser call only where they meet. Then it spills over (`ranking`).
- Events travel in bundles; one costs a twentieth of what a message of its own would.
- Ray cancels a call only where it awaits. The replica's call awaits every bundle, and its run looks at a stop event
  every step, so that Stop and a closed page free the lanes within two steps.
- A replica that dies in the middle of a run costs time and nothing else: what it had not finished is made again on
  another one, from the same seeds, and of the steps that the page has seen none comes twice.
"""

import asyncio
import logging
import os
import queue
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import ray
from pydantic import BaseModel
from ray import serve
from ray.exceptions import RayError
from ray.serve.config import AutoscalingConfig, AutoscalingContext, AutoscalingPolicy, RequestRouterConfig
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.request_router import MultiplexMixin, PendingRequest, RequestRouter, RunningReplica
from ray.serve.schema import ApplicationStatus

from lab.backends.line import Line
from lab.backends.recovery import Recovery
from lab.backends.refusal import Refusal, pack, unpack
from lab.backends.warming import warm
from lab.requests.base import Event, LabError, Note, Request, Waiting
from lab.requests.status import LeasePlan, Replica, Resident, Status
from lab.settings import Settings

log = logging.getLogger("lab")

APP, DEPLOYMENT, BOARD = "diffusion-lab", "Engine", "diffusion-lab-board"
NAMESPACE = "diffusion-lab"
LOOKS = 8  # single looks (a noised picture, a control map) that a replica takes beside its runs
ON_ITS_WAY_S = 2.0
# Events of so long travel together. To send a bundle costs a replica one or two milliseconds, so that of many runs each
# sends more seldom, and all of them no more than about one alone.
BUNDLE_S = 0.03
REPORT_S = 1.0
STALE_S = 5.0  # a replica that has not reported for so long is not shown
LOOK_S = 0.05  # how soon Stop is seen
HERE = {"env_vars": {"PYTHONPATH": str(Path(__file__).parents[2])}}  # the lab lies there on every machine
LOST = (
    "A machine of the cluster was lost in the middle of this run. What it had not finished was made again on another, "
    "from the same noise."
)
LOST_TOO_OFTEN = "The cluster lost this run several times. Nothing else was affected: try again in a minute."


class Sizes(BaseModel):
    """How large the application is; `args` of ray_serve.yaml."""

    min_replicas: int = 1
    max_replicas: int = 4
    num_cpus: float = 1
    num_gpus: float = 0  # a fraction shares a GPU between replicas
    gather: int = 8  # runs on one replica before another one takes the next: half of a full batch of guided lanes
    runs_per_replica: int = 16  # at one time; the page's own LAB_MAX_RUNS is for all replicas together
    lanes_per_replica: float = 12  # in flight, on average, before one more replica is started
    downscale_delay_s: float = 300
    settings: dict[str, str] = {}  # environment of the replicas: {"LAB_DTYPE": "bfloat16"}


# Where a run goes


@dataclass(frozen=True)
class Candidate:
    """A replica, as the choice sees it."""

    name: str
    runs: int  # under way
    most: int  # that it takes
    models: int  # that it holds
    has_model: bool  # that is asked for


def ranking(candidates: Sequence[Candidate], gather: int) -> list[Candidate]:
    """Replicas that can take a run, best first.

    The busiest with the model that has fewer than `gather` runs; else one that must load it, with the fewest models and
    then the fewest runs; else, with all of them at `gather`, the least busy, the model's own first.
    """

    def order(one: Candidate) -> tuple[float, ...]:
        if one.runs >= gather:
            return (2, one.runs, not one.has_model)
        return (0, -one.runs) if one.has_model else (1, one.models, one.runs)

    return sorted((one for one in candidates if one.runs < one.most), key=order)


@dataclass
class _Seat:
    """A run and the replica that it was meant for, or has."""

    replica: str
    since: float
    active: bool = False


class Gathering(MultiplexMixin, RequestRouter):
    """Ray Serve's router with the choice of `ranking`.

    It counts the runs that it sends itself, from the moment of the choice: what replicas report comes too late for
    sixteen visitors who press Run together. Runs from other pages' processes are in those reports.
    """

    gather = 8

    def initialize_state(self, **options: int) -> None:
        """`gather` of the configuration's `request_router_kwargs`."""
        self.gather = options["gather"]
        self._seats: dict[str, _Seat] = {}  # by request

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """One iteration of the choice: ranks of one replica each, best first."""
        request = pending_request.metadata.internal_request_id if pending_request else ""
        model = pending_request.metadata.multiplexed_model_id if pending_request else ""
        if pending_request:
            pending_request.routing_context.should_backoff = True
        replicas = {one.replica_id.unique_id: one for one in self._replicas.values()}
        runs = Counter(seat.replica for other, seat in self._seats.items() if other != request and _counts(seat))
        candidates = [
            Candidate(
                name,
                max(runs[name], self.replica_queue_len_cache.get(one.replica_id) or 0),
                one.max_ongoing_requests,
                len(one.multiplexed_model_ids),
                model in one.multiplexed_model_ids or not model,
            )
            for name, one in replicas.items()
        ]
        ranks = ranking(candidates, self.gather)
        if request and ranks:
            self._seats[request] = _Seat(ranks[0].name, time.monotonic())
        return [[replicas[one.name]] for one in ranks]

    def on_request_routed(self, pending_request: PendingRequest, replica_id: Any, result: Any) -> None:
        """The replica has taken it."""
        self._seats[pending_request.metadata.internal_request_id] = _Seat(replica_id.unique_id, 0.0, active=True)

    def on_request_completed(self, replica_id: Any, internal_request_id: str) -> None:
        """It has ended, however."""
        self._seats.pop(internal_request_id, None)
        self._seats = {request: seat for request, seat in self._seats.items() if _counts(seat)}


def _counts(seat: _Seat) -> bool:
    """Whether a run is at its replica or on its way there. A run that is cancelled on the way is never reported, so it counts for ON_ITS_WAY_S only."""
    return seat.active or time.monotonic() - seat.since < ON_ITS_WAY_S


class ByLanes:
    """Ray Serve's autoscaling policy: replicas for the lanes in flight, and one lane for each run that no replica has
    taken yet."""

    def __init__(self, lanes_per_replica: float = 12) -> None:
        self.lanes_per_replica = lanes_per_replica

    def __call__(self, context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
        """The number of replicas."""
        reported = (context.aggregated_metrics or {}).get("lanes", {})
        replicas = ceil((sum(reported.values()) + (context.total_queued_requests or 0)) / self.lanes_per_replica)
        return min(max(replicas, context.capacity_adjusted_min_replicas), context.capacity_adjusted_max_replicas), {}


# On the cluster


class Board:
    """What every replica said of itself last; one small actor for the whole application."""

    def __init__(self) -> None:
        self._reports: dict[str, tuple[float, Status]] = {}

    def tell(self, name: str, status: Status) -> None:
        """Of a replica, every REPORT_S."""
        self._reports[name] = time.monotonic(), status

    def look(self) -> dict[str, Status]:
        """Replicas that are alive."""
        since = time.monotonic() - STALE_S
        self._reports = {name: report for name, report in self._reports.items() if report[0] > since}
        return {name: status for name, (_, status) in self._reports.items()}


def board() -> Any:
    """The actor, made by whoever needs it first; it costs no core and outlives them all."""
    return (
        ray.remote(Board)
        .options(name=BOARD, namespace=NAMESPACE, get_if_exists=True, lifetime="detached", num_cpus=0, runtime_env=HERE)
        .remote()
    )


class Engine:
    """A replica: a local backend behind Ray Serve."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        os.environ.update(environment or {})
        from lab.backends.local import LocalBackend  # imports torch: on replicas only

        self.backend = LocalBackend(Settings())
        self.name = f"{socket.gethostname()}, process {os.getpid()}"
        self._board = board()
        threading.Thread(target=self._report, name="lab-report", daemon=True).start()

    async def run(self, request: Request, client: str) -> AsyncIterator[list[Event | Refusal]]:
        """The events of a request, in bundles."""
        for model in request.models()[:1]:
            await self.holding(model)
        inbox: asyncio.Queue[Event | Refusal | None] = asyncio.Queue()
        stop, finished = threading.Event(), asyncio.Event()
        tell = asyncio.get_running_loop().call_soon_threadsafe

        def work() -> None:
            try:
                for event in pack(self.backend.run(request, stop, client)):
                    tell(inbox.put_nowait, event)
            finally:
                with suppress(RuntimeError):  # the loop is closed: the replica ends
                    tell(inbox.put_nowait, None)
                    tell(finished.set)

        threading.Thread(target=work, name="lab-run", daemon=True).start()
        try:
            ended = False
            while not ended:
                bundle = [await inbox.get()]
                if bundle[0] is not None:
                    with suppress(TimeoutError):  # what ends a run does not wait
                        await asyncio.wait_for(finished.wait(), BUNDLE_S * max(1, self.backend.line.counts[0]))
                while not inbox.empty():
                    bundle.append(inbox.get_nowait())
                ended = None in bundle
                if events := [event for event in bundle if event is not None]:
                    yield events
        finally:
            stop.set()

    @serve.multiplexed(max_num_models_per_replica=64)  # which models leave is the cache's affair, by their bytes
    async def holding(self, name: str) -> str:
        """Tells Ray that this replica has the model."""
        return name

    def record_autoscaling_stats(self) -> dict[str, float]:
        """What `by_lanes` counts."""
        return {"lanes": self.backend.worker.lanes}

    def _report(self) -> None:
        while True:
            with suppress(RayError):
                self._board.tell.remote(self.name, self.backend.status())
            time.sleep(REPORT_S)


def build(args: Sizes) -> Any:
    """The application, for `serve deploy` and `serve.run`."""
    environment = {"LAB_MAX_RUNS": str(args.runs_per_replica), **args.settings}
    return (
        serve.deployment(Engine)
        .options(
            name=DEPLOYMENT,
            max_ongoing_requests=args.runs_per_replica + LOOKS,
            max_queued_requests=args.runs_per_replica * args.max_replicas,
            graceful_shutdown_timeout_s=120,  # a replica that must go finishes its runs first
            graceful_shutdown_wait_loop_s=0.5,
            health_check_period_s=5,
            health_check_timeout_s=15,
            ray_actor_options={"num_cpus": args.num_cpus, "num_gpus": args.num_gpus, "runtime_env": HERE},
            request_router_config=RequestRouterConfig(
                request_router_class=Gathering, request_router_kwargs={"gather": args.gather}
            ),
            autoscaling_config=AutoscalingConfig(
                min_replicas=args.min_replicas,
                max_replicas=args.max_replicas,
                upscale_delay_s=3,
                downscale_delay_s=args.downscale_delay_s,
                look_back_period_s=11,
                policy=AutoscalingPolicy(
                    policy_function=ByLanes, policy_kwargs={"lanes_per_replica": args.lanes_per_replica}
                ),
            ),
        )
        .bind(environment)
    )


# In the page's process


class Cluster:
    """The application on Ray, as the page's process reaches it; started where there is none."""

    def __init__(self, settings: Settings, sizes: Sizes) -> None:
        if not ray.is_initialized():
            ray.init(settings.ray_address or None, namespace=NAMESPACE, log_to_driver=False, logging_level="ERROR")
        application = serve.status().applications.get(APP)
        if application is None or application.status in (
            ApplicationStatus.DEPLOY_FAILED,
            ApplicationStatus.NOT_STARTED,
        ):
            serve.run(build(sizes), name=APP, route_prefix=None)
        self._engine = serve.get_app_handle(APP)
        self._board = board()

    def stream(self, request: Request, client: str) -> Any:
        """The bundles of events of a run on a replica, preferably one that has its model; `cancel()` ends it."""
        model = next(iter(request.models()), "")
        return self._engine.options(method_name="run", stream=True, multiplexed_model_id=model).remote(request, client)

    def statuses(self) -> dict[str, Status]:
        """What each replica reported last, by its name."""
        return ray.get(self._board.look.remote(), timeout=STALE_S)


class RayBackend:
    """Executes requests on a Ray cluster. Safe to call from many threads."""

    def __init__(self, settings: Settings, sizes: Sizes | None = None, cluster: Cluster | None = None) -> None:
        self.settings = settings
        self._cluster = cluster or Cluster(settings, sizes or Sizes())
        self.line = Line(settings.max_runs, settings.queue_size, settings.max_visitor_lanes, settings.max_visitor_steps)
        self._statuses: dict[str, Status] = {}
        self._closed = threading.Event()
        self._watching = threading.Thread(target=self._watch, name="lab-cluster", daemon=True)
        self._watching.start()

    def close(self) -> None:
        """Ask the cluster nothing any more: after ray.shutdown() the next question would start a cluster here."""
        self._closed.set()
        self._watching.join()

    def warm(self, *names: str) -> threading.Thread:
        """Have a replica load models, in the background."""

        return warm(self.run, names)

    def run(self, request: Request, stop: threading.Event | None = None, client: str = "") -> Iterator[Event]:
        """As LocalBackend.run."""
        stop = stop or threading.Event()
        yield from self.line.in_turn(request.load(), stop, client, partial(self._recovered, request, stop, client))

    def _recovered(self, request: Request, stop: threading.Event, client: str) -> Iterator[Event]:
        """The events of a request, each once, however many replicas it takes."""
        recovery = Recovery(request)
        for again in range(4):
            try:
                for event in self._once(recovery.remaining(), stop, client):
                    if (fresh := recovery.fresh(event)) is not None:
                        yield fresh
                return
            except BackPressureError as error:
                raise LabError(
                    f"All replicas are busy. Try again in about {self.line.outlook().seconds:.0f} s."
                ) from error
            except (RayError, RayServeException) as error:
                log.warning("a run was lost with its replica (%s)", type(error).__name__)
                if recovery.ended or stop.is_set():
                    return
                if again == 0:
                    yield Note(LOST)
        raise LabError(LOST_TOO_OFTEN)

    def _once(self, request: Request, stop: threading.Event, client: str) -> Iterator[Event]:
        """The events of one call to a replica."""
        call = self._cluster.stream(request, client)
        inbox: queue.SimpleQueue[list[Event | Refusal] | Exception | None] = queue.SimpleQueue()

        def receive() -> None:
            try:
                for bundle in call:
                    inbox.put(bundle)
                inbox.put(None)
            except Exception as error:  # whatever it is, it is for the thread that waits
                inbox.put(error)

        threading.Thread(target=receive, name="lab-receive", daemon=True).start()
        try:
            while not stop.is_set():
                try:
                    bundle = inbox.get(timeout=LOOK_S)
                except queue.Empty:
                    continue
                if bundle is None:
                    return
                if isinstance(bundle, Exception):
                    raise bundle
                for event in unpack(bundle):
                    yield event
                    if stop.is_set():
                        return
        finally:
            call.cancel()

    def outlook(self) -> Waiting:
        """As LocalBackend.outlook."""
        return self.line.outlook()

    def status(self) -> Status | None:
        """Of all replicas together; None until one has reported."""
        return together(self._statuses, *self.line.counts) if self._statuses else None

    def _watch(self) -> None:
        """Keep what the replicas say at hand."""
        while not self._closed.is_set():
            with suppress(RayError):
                self._statuses = self._cluster.statuses()
            self._closed.wait(REPORT_S)


def together(statuses: dict[str, Status], running: int, waiting: int) -> Status:
    """One status of many: memory and work summed up, a model wherever it is, the least work that a run would cause."""
    every = list(statuses.values())
    residents: dict[str, Resident] = {}
    for one in (one for status in every for one in status.resident):
        resident = residents.get(one.name)
        residents[one.name] = one if resident is None else replace(resident, leases=resident.leases + one.leases)
    plans: dict[str, LeasePlan] = {}
    for plan in (plan for status in every for plan in status.plans):
        plans[plan.name] = min(plans.get(plan.name, plan), plan, key=lambda one: (one.load, one.move, len(one.evict)))
    return replace(
        every[0],
        device_name=" + ".join(sorted({status.device_name for status in every})),
        device_used=sum(status.device_used for status in every),
        device_budget=sum(status.device_budget for status in every),
        host_used=sum(status.host_used for status in every),
        host_budget=sum(status.host_budget for status in every),
        resident=tuple(residents.values()),
        plans=tuple(plans.values()),
        running=running,
        waiting=waiting,
        lanes=sum(status.lanes for status in every),
        steps_per_s=sum(status.steps_per_s for status in every),
        replicas=tuple(
            Replica(
                name=name,
                device_name=status.device_name,
                models=tuple(one.name for one in status.resident),
                used=status.device_used or status.host_used,
                running=status.running,
                lanes=status.lanes,
                steps_per_s=status.steps_per_s,
            )
            for name, status in sorted(statuses.items())
        ),
    )
