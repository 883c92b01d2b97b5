"""Copy or invent: pictures of exact, local and learned machines from the same noise (Kamb & Ganguli 2024)."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from lab.engine.distances import rms
from lab.engine.lanes import Lane, Record
from lab.models.loaders import LoadedModel
from lab.operations.house import House
from lab.operations.lanes import make_lane
from lab.operations.limits import check_load
from lab.operations.loading import arriving
from lab.operations.turns import round_of
from lab.requests.base import Event, Waiting
from lab.requests.fields import Condition
from lab.requests.invention import FORWARD, KINDS, Invention, InventionRequest, InventionStep, Machine

GREY_LEVELS = 255 / 2  # of a unit of x_0, whose values lie in [-1, 1]


def invention(request: InventionRequest, house: House) -> Iterator[Event]:
    """Draw all machines' pictures side by side: InventionSteps as they come, and an Invention for each lane once its machine
    and the network have ended."""
    check_load(request, house.settings)
    with ExitStack() as leases:
        yield from arriving(house, KINDS["exact"])
        exact = leases.enter_context(house.lease(KINDS["exact"]))
        knowledge = [_known(request, machine, exact) for machine in request.machines]
        ends, began = Ends(request), time.perf_counter()
        for event in _side_by_side(request, house, knowledge, leases):
            if isinstance(event, Waiting):
                yield event
                continue
            yield _step(event, exact, time.perf_counter() - began)
            for lane in ends.after(event):
                yield house.compute(partial(ends.invention, lane, exact, knowledge[lane // len(request.seeds)]))


def _known(request: InventionRequest, machine: Machine, exact: Any) -> Any:
    """The pictures that a machine knows, as a support of the exact denoiser; for the network, all there are."""
    group = "" if machine.kind == "network" else request.group
    return exact.known(group, machine.pictures)


def _side_by_side(
    request: InventionRequest, house: House, knowledge: Sequence[Any], leases: ExitStack
) -> Iterator[Record | Waiting]:
    """A record of each model's lanes in turn. While a model is loaded the lanes of those before it go on; where there are
    none yet, what is loaded is said."""
    driven: list[Iterator[Record]] = []
    for name in dict.fromkeys(machine.model for machine in request.machines):
        for waiting in arriving(house, name):
            if not driven:
                yield waiting
            yield from round_of(driven)
        model = leases.enter_context(house.lease(name))
        drive: Any = house.drive(model.denoiser(FORWARD), _lanes(request, house, name, model, knowledge))
        driven.append(leases.enter_context(closing(drive)))
    while driven:
        yield from round_of(driven)


def _lanes(request: InventionRequest, house: House, name: str, model: Any, knowledge: Sequence[Any]) -> Iterator[Lane]:
    """The lanes of all machines of a model."""
    for index, settings in enumerate(request.lanes()):
        machine, known = (of[index // len(request.seeds)] for of in (request.machines, knowledge))
        if machine.model == name:
            row = house.compute(partial(_conditioning, request, machine, model, known))
            yield make_lane(index, settings, model.denoiser(FORWARD), row, None)


def _conditioning(request: InventionRequest, machine: Machine, model: Any, known: Any) -> Any:
    """What the machine's denoiser takes as a row's conditioning."""
    if machine.kind == "network":
        return model.conditioning(Condition(group=request.group))
    return model.patches(known, machine.patch, machine.translated) if machine.kind == "local" else known


def _step(record: Record, model: LoadedModel, elapsed_s: float) -> InventionStep:
    x_0 = model.to_picture(record.x_0)
    x_t = x_0 if record.i == record.n else model.preview(record.x_t / 2)  # noise has twice a picture's range
    return InventionStep(record.lane, record.i, record.n, record.t, record.log_snr, x_t, x_0, elapsed_s)


class Ends:
    """The pictures that lanes ended in, and what can be said of them by now."""

    def __init__(self, request: InventionRequest) -> None:
        self._seeds = len(request.seeds)
        kinds = [machine.kind for machine in request.machines]
        self._network = kinds.index("network") if "network" in kinds else None
        self._ends: dict[int, Tensor] = {}
        self._left = set(range(len(request.lanes())))

    def after(self, record: Record) -> list[int]:
        """The lanes of which all is known with this record, and was not before."""
        if record.i < record.n:
            return []
        self._ends[record.lane] = record.x_0
        found = [lane for lane in sorted(self._left) if self._whole(lane // self._seeds)]
        self._left.difference_update(found)
        return found

    def _whole(self, machine: int) -> bool:
        needed = [machine, *([] if self._network is None else [self._network])]
        return all(lane in self._ends for one in needed for lane in self._lanes(one))

    def _lanes(self, machine: int) -> range:
        return range(machine * self._seeds, (machine + 1) * self._seeds)

    def invention(self, lane: int, model: Any, known: Any) -> Invention:
        """What a lane ended in, compared with the pictures that its machine knows and with other lanes."""
        own = self._ends[lane]
        picture, caption, distance = model.nearest(own, known)
        others = [rms(own, self._ends[other]) for other in self._lanes(lane // self._seeds) if other != lane]
        return Invention(
            lane,
            model.to_picture(own),
            picture,
            caption,
            distance * GREY_LEVELS,
            r2=self._r2(lane),
            others_rms=min(others) * GREY_LEVELS if others else None,
        )

    def _r2(self, lane: int) -> float | None:
        machine, seed = divmod(lane, self._seeds)
        if self._network in (None, machine):
            return None
        return r_squared(self._ends[lane], self._ends[self._lanes(self._network)[seed]])


def r_squared(a: Tensor, b: Tensor) -> float | None:
    """The squared correlation of all values of two pictures; None where one of them has a single value."""
    first, second = (one.double().flatten() - one.double().mean() for one in (a, b))
    spread = float(first.norm() * second.norm())
    return float(first @ second / spread) ** 2 if np.isfinite(spread) and spread > 0 else None
