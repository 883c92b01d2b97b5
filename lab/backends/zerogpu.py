"""The ZeroGPU backend: networks run inline in a `@spaces.GPU` call, which lends a Space a GPU for a few seconds.

What that call does, as the source of the `spaces` package (0.51.3) has it, and what follows:

- A decorated generator runs in a process forked from this one. Threads do not survive a fork, so its lanes are driven
  inline, by no shared worker; and a lock that another thread held would stay held, so its models have a cache that
  nobody else touches once the lab is open.
- `.to("cuda")` is intercepted in the thread that imported `spaces`, until `launch()` packs what was placed. So all
  networks are placed when the backend is made, and it is made before the launch, in the main thread.
- Arguments and results are pickled. Of an exception the caller gets the name, so what is meant for the visitor
  travels as a result.
- A generator that is closed stops at its next result. A call that takes longer than it announced may be aborted.

The exact denoiser, the forward process and the annotators need no GPU: they stay with a local backend on the CPU.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import ceil
from typing import Any

import spaces
import torch

from lab.backends.local import LocalBackend, in_words
from lab.backends.refusal import Refusal, pack, unpack
from lab.catalog import MODELS, Model, leasable
from lab.engine.lanes import drive
from lab.models.cache import ModelCache
from lab.models.loaders import make_cache
from lab.operations import OPERATIONS
from lab.operations.house import House
from lab.requests.base import NOTHING, Event, LabError, Request, Waiting
from lab.requests.status import LeasePlan, Status
from lab.settings import Settings, at_hand

log = logging.getLogger("lab")

START_S = 10  # a fork, the move of the weights, the pictures at the end
LONGEST_S = 120  # one visitor's call
ROW_FLOPS = 0.8e12  # of a UNet at 512 px; with the cube of the side, 6.4e12 at 1024 (counted: 6.8e12)
CONTROL_SHARE = 0.35  # of the UNet's FLOPs that a ControlNet adds
FLOPS_PER_S = 50e12  # a third of what the smallest GPU lent gives in bfloat16, and twice as long to be safe
STEP_S = 0.03  # of a step however small: launches and the sampler


class ZeroGpuBackend:
    """Executes requests that need a network on ZeroGPU, all others on the CPU of this process.

    `gpu` is `spaces.GPU`; off ZeroGPU it changes nothing and runs are inline in this process. `cache` is the networks'.
    """

    def __init__(
        self, settings: Settings, gpu: Callable[..., Any] = spaces.GPU, cache: ModelCache[Any] | None = None
    ) -> None:
        self.settings = settings.model_copy(update={"compile_blocks": False, "cpu_engine": "torch"})
        self.near = LocalBackend(settings.model_copy(update={"device": "cpu"}))
        self.cache = cache or make_cache(self.settings)
        self._place()
        self._home = os.getpid()
        self._call = gpu(duration=seconds_of)(self._inline)

    def run(self, request: Request, stop: threading.Event | None = None, client: str = "") -> Iterator[Event]:
        """As LocalBackend.run."""
        stop = stop or threading.Event()
        if needs_network(request):
            yield from self.near.line.in_turn(request.load(), stop, client, partial(self._far, request, stop))
        else:
            yield from self.near.run(request, stop, client)

    def outlook(self) -> Waiting:
        """As LocalBackend.outlook. How long ZeroGPU itself lets a run wait is not known before it is asked."""
        return self.near.outlook()

    def status(self) -> Status:
        """As LocalBackend.status; of the networks, what was placed at the start."""
        here = self.near.status()
        names = {one.name for one in self._residents}
        return replace(
            here,
            device="cuda",
            device_name="ZeroGPU",
            device_used=self._bytes,
            device_budget=self.cache.device_budget,
            resident=(*self._residents, *(one for one in here.resident if one.name not in names)),
            plans=tuple(
                LeasePlan(plan.name, False, False, plan.nbytes, ()) if plan.name in names else plan
                for plan in here.plans
            ),
        )

    def warm(self, *names: str) -> threading.Thread:
        """As LocalBackend.warm, for what stays on the CPU."""
        return self.near.warm(*(name for name in names if not MODELS[name].trained))

    def _place(self) -> None:
        """Bring every network that is offered to the device. One that cannot be is tried again by its first run."""
        exact = {row.name for row in MODELS.values() if not row.trained}
        rows = [row for row in leasable().values() if row.name not in exact]
        names = [row.name for row in rows if at_hand(row.source, self.settings)]
        perfect = [MODELS[name].perfect for name in names if name in MODELS and MODELS[name].perfect]
        for name in [*names, *perfect]:
            try:
                with self.cache.lease(name):
                    pass
            except LabError as error:
                log.warning("not placed: %s", error)
        self._residents, (self._bytes, _) = tuple(self.cache.resident()), self.cache.used()

    def _far(self, request: Request, stop: threading.Event) -> Iterator[Event]:
        """The events of one call, in the visitor's own thread: ZeroGPU knows from it whose seconds are spent."""
        if (seconds := seconds_of(request)) > LONGEST_S:
            raise LabError(
                f"This run would take about {seconds} s of a GPU; at most {LONGEST_S} s are lent for one. "
                "Take fewer lanes or fewer steps."
            )
        yield Waiting(0, 0.0, "Asking ZeroGPU for a GPU …")
        events = self._call(request)
        try:
            for event in unpack(events):
                yield event
                if stop.is_set():
                    return
        except LabError:
            raise
        except (
            Exception
        ) as error:  # of the `spaces` package, with a message: no GPU is free, the visitor's seconds are spent
            message = str(getattr(error, "message", ""))
            log.warning("ZeroGPU refused or lost a run: %s", message or error)
            raise LabError(f"ZeroGPU did not finish this run: {message}" if message else in_words(error)) from error
        finally:
            events.close()

    def _inline(self, request: Request) -> Iterator[Event | Refusal]:
        """Inside the call."""
        if os.getpid() != self._home:
            torch.set_num_threads(1)  # OpenMP would wait for threads that the fork left behind
        house = House(self.settings, self.cache, partial(drive, max_rows=self.settings.max_batch_rows))
        try:
            yield from pack(OPERATIONS[type(request)](request, house))
        except Exception as error:
            log.exception("a run failed")
            yield Refusal(in_words(error))


def needs_network(request: Request) -> bool:
    """Whether a request asks a trained model for more than one look."""
    return request.load() != NOTHING and any(model.trained for model in _models_of(request))


def seconds_of(request: Request) -> int:
    """How long a call is announced to take, from the request's counted work: steps, rows a step, FLOPs a row."""
    load, size = request.load(), max((model.size for model in _models_of(request)), default=0)
    flops = ROW_FLOPS * (size / 512) ** 3 * load.rows * (1 + CONTROL_SHARE * load.controls)
    return ceil(START_S + load.steps * max(flops / FLOPS_PER_S, STEP_S if size > 64 else STEP_S / 4))


def _models_of(request: Request) -> list[Model]:
    return [MODELS[name] for name in request.models() if name in MODELS]
