"""What a backend holds and does at a moment."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Resident:
    """A model that the cache holds."""

    name: str
    on_device: bool
    nbytes: int  # of all its parts
    own_nbytes: int  # of the parts that no other model has
    leases: int
    pinned: bool
    notes: tuple[str, ...] = ()  # what its parts say of themselves


@dataclass(frozen=True)
class LeasePlan:
    """What leasing a model would do now."""

    name: str
    load: bool  # from its source
    move: bool  # from host memory to the device
    nbytes: int  # that it takes, or would take as far as is known
    evict: tuple[str, ...]  # models that would leave the device (or, without one, memory)
    fetch: bool = False  # its files must come from the hub first


@dataclass(frozen=True)
class Replica:
    """One of the processes, on one machine or many, that a backend spreads its runs over."""

    name: str
    device_name: str
    models: tuple[str, ...]  # that it holds, most recently used first
    used: int  # bytes of them
    running: int
    lanes: int
    steps_per_s: float


@dataclass(frozen=True)
class Compiled:
    """How many of a model's networks are compiled for the shapes that are used most or, where it has none of these, converted and on
    disk; how many are still to come; and how many only torch computes."""

    name: str
    ready: int
    to_come: int
    torch: int


@dataclass(frozen=True)
class Compiling:
    """How far the networks of the shipped models are compiled."""

    models: tuple[Compiled, ...]
    now: tuple[str, str, int] | None = (
        None  # what is made: a model, its network, the rows of a call (0: it is converted)
    )


@dataclass(frozen=True)
class Status:
    """What a backend holds and does at a moment. Bytes are counted from tensors; a budget of infinity is none."""

    device: str  # "cpu", "cuda:0"
    device_name: str
    device_used: int
    device_budget: float
    host_used: int
    host_budget: float
    resident: tuple[Resident, ...]  # most recently used first
    plans: tuple[LeasePlan, ...]  # what a lease would do, for each row of the catalog that is offered
    running: int  # runs that have a place
    waiting: int  # runs in line
    lanes: int  # in flight
    steps_per_s: float  # lane steps, over the last seconds
    replicas: tuple[Replica, ...] = ()  # where there are several places to run; else none
    compiling: Compiling | None = None  # where networks are compiled; else None
    process: int = 0  # bytes of the whole process in memory, its libraries included; 0: not known
