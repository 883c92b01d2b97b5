"""What an experiment asks for: its machines, and where on the stage each of their pictures stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from lab.quantities import quantity
from lab.requests.base import LabError, make_request
from lab.requests.fields import MAX_SEED
from lab.requests.invention import InventionRequest, Machine, most_translated
from lab.ui.shell import lists

PATCHES = (1, 3, 5, 7, 11, 15, 31, 63)  # sides of a sweep: one pixel to the whole picture
COUNTS = (1, 10, 100, 1000, 0)  # pictures that a machine knows; 0: all
NAMES = {  # of a machine by kind and whether patches come from any place; after Kamb & Ganguli 2024
    ("exact", False): "Exact denoiser",
    ("local", False): "Local score",
    ("local", True): "Equivariant local",
    ("network", False): "Learned network",
}
COLOURS = {"Exact denoiser": "#4269d0", "Local score": "#e8590c", "Equivariant local": "#c2255c",
           "Learned network": "#2f9e6e"}  # fmt: skip


class Head(NamedTuple):
    """What stands at the top of a column or before a row."""

    title: str
    more: str = ""
    machine: int | None = None  # whose copies it counts
    colour: str = ""


@dataclass(frozen=True)
class Plan:
    """The request of an experiment. `lanes` are its pictures row by row; the lane of a machine and a seed is machine * seeds + seed."""

    experiment: str
    request: InventionRequest
    columns: tuple[Head, ...]
    rows: tuple[Head, ...]
    lanes: tuple[int, ...]

    def of(self, machine: int) -> range:
        """The lanes of a machine."""
        seeds = len(self.request.seeds)
        return range(machine * seeds, (machine + 1) * seeds)

    def title(self, lane: int) -> str:
        """A lane in words: machine and seed."""
        machine, seed = divmod(lane, len(self.request.seeds))
        return f"{words(self.request.machines[machine])}, seed {self.request.seeds[seed]}"


def name(machine: Machine) -> str:
    """What kind of machine it is."""
    return NAMES[machine.kind, machine.translated]


def words(machine: Machine) -> str:
    """A machine with all that sets it apart."""
    parts = [name(machine)]
    if machine.kind == "local":
        parts.append(f"{machine.patch} px")
    if machine.pictures:
        parts.append(known(machine.pictures))
    return ", ".join(parts)


def known(count: int) -> str:
    """How many pictures a machine knows, in words."""
    return "all pictures" if not count else quantity(count, "picture", ",")


def plan(now: Mapping[str, Any]) -> Plan:
    """The plan of an experiment, by the values of the controls. Raises LabError where it cannot be."""
    return {"side": _side, "patch": _patch, "count": _count}[now["experiment"]](now)


def _request(now: Mapping[str, Any], machines: list[Machine]) -> InventionRequest:
    first, count = lists.whole(now["seed"], "First seed"), lists.whole(now["seeds"], "Seeds")
    if not 0 <= first <= MAX_SEED:
        raise LabError(f"First seed: {first} is out of range. Whole numbers from 0 to {MAX_SEED} are possible.")
    seeds = tuple((first + i) % (MAX_SEED + 1) for i in range(count))
    return make_request(InventionRequest, group=now["group"], machines=tuple(machines), seeds=seeds, steps=now["steps"])


def _seeds(request: InventionRequest) -> tuple[Head, ...]:
    return tuple(Head(f"seed {seed}") for seed in request.seeds)


def _head(machine: Machine, index: int, more: str) -> Head:
    return Head(name(machine), more, index, COLOURS[name(machine)])


def _local(now: Mapping[str, Any], **more: Any) -> Machine:
    return make_request(Machine, kind="local", **({"patch": now["patch"]} | more))


def _side(now: Mapping[str, Any]) -> Plan:
    """A row a machine, a column a seed."""
    known = now["known"]
    machines = [Machine(kind="exact", pictures=known), _local(now, pictures=known)]
    said = ["whole pictures", f"patches of {now['patch']} px"]
    if now["translated"]:
        machines.append(_local(now, pictures=known, translated=True))
        said.append(f"{now['patch']} px, any place")
    machines.append(Machine(kind="network"))
    said.append("pixel diffusion")
    request = _request(now, machines)
    rows = tuple(_head(machine, index, said[index]) for index, machine in enumerate(machines))
    return Plan("side", request, _seeds(request), rows, tuple(range(len(machines) * len(request.seeds))))


def _patch(now: Mapping[str, Any]) -> Plan:
    """A column a patch size and one for the network, a row a seed."""
    known, sides = now["known"], list(PATCHES)
    if now["translated"]:  # larger ones would take too long
        sides = [side for side in PATCHES if 0 < known <= most_translated(side)]
        if not sides:
            raise LabError(
                "Patches from any place are compared with all others: the machine can know 1,000 pictures with patches of "
                "1 px, 100 with up to 7 px, 10 with up to 15 px. Choose how many under More."
            )
    machines = [_local(now, patch=side, pictures=known, translated=now["translated"]) for side in sides]
    machines.append(Machine(kind="network"))
    request = _request(now, machines)
    colour = COLOURS[name(machines[0])]
    columns = [Head(f"{side} px", "", index, colour) for index, side in enumerate(sides)]
    columns.append(Head("network", "", len(sides), COLOURS["Learned network"]))
    return Plan("patch", request, tuple(columns), _seeds(request), _transposed(request))


def _transposed(request: InventionRequest) -> tuple[int, ...]:
    """Lanes seed by seed."""
    seeds = len(request.seeds)
    return tuple(machine * seeds + seed for seed in range(seeds) for machine in range(len(request.machines)))


def _count(now: Mapping[str, Any]) -> Plan:
    """A column for each number of pictures; for the exact denoiser and for the local one a row a seed."""
    exact = [Machine(kind="exact", pictures=count) for count in COUNTS]
    local = [_local(now, pictures=count) for count in COUNTS]
    request = _request(now, exact + local)
    seeds, columns = len(request.seeds), tuple(Head(known(count)) for count in COUNTS)
    rows, lanes = [], []
    for first in (exact, local):
        for index, seed in enumerate(request.seeds):
            side = f"{first[0].patch} px, " if first is local else ""
            rows.append(Head(name(first[0]), f"{side}seed {seed}", None, COLOURS[name(first[0])]))
            begin = 0 if first is exact else len(COUNTS)
            lanes += [(begin + k) * seeds + index for k in range(len(COUNTS))]
    return Plan("count", request, columns, tuple(rows), tuple(lanes))
