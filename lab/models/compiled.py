"""Networks as OpenVINO runs them on the CPU: converted once and kept on disk, compiled for the batch sizes in use.

A static graph with fused operators takes less time than torch's eager mode on the same cores; tests/benchmarks/compiled.py
measures how much less. All of it happens in the background: until a batch size is ready, and wherever OpenVINO cannot
do it, torch computes the same.
"""

import itertools
import logging
import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lab.engine.denoisers import recording
from lab.models.most_used import MOST_USED, Shape
from lab.models.network_folder import NetworkFolder

log = logging.getLogger("lab")

BUCKETS = (1, 2, 4, 8, 16)  # batch sizes; rows in between are filled up, more are split
URGENT = (2, 16)  # compiled once a network is called, whatever its rows are: one guided lane, and a crowd
CONVERTED = 0  # ordered as a batch size: the network on disk, from where it is compiled in about a second
LARGEST = 800_000_000  # bytes of weights; each batch size keeps its own arrangement of them
# Bytes of an arrangement for each byte of weights, measured: 68 MB of 22. Transformed 3x3 kernels are larger.
ARRANGED = 3
MOST_BYTES = 1_500_000_000  # of all arrangements; beyond it the least recently used are released
UNUSED_S = 300.0  # after this long an arrangement is released; to compile it again takes about a second
# Relative error beyond which a compiled network is not the network: about 100 and 4 times what is usual.
MOST_ERROR = {"float32": 1e-4, "bfloat16": 0.1}

_AHEAD: ContextVar[bool] = ContextVar("ahead", default=False)


@contextmanager
def ahead() -> Iterator[None]:
    """Networks are called here before anybody wants what they compute: nobody waits for a batch size that a call would need."""
    token = _AHEAD.set(True)
    try:
        yield
    finally:
        _AHEAD.reset(token)


class CompiledNetwork:
    """A network beside its compiled self, called like the network. Safe to share.

    A batch size that a call would need is asked of `order`, with the word that somebody waits for it; until it is there,
    others or torch serve.
    `example` are inputs of one row; every input and output has the batch first. `state` and `error` are for people:
    what became of it, and the relative error against torch float32 on the example. `place`: the row of the catalog that it is of, and
    its name there.
    """

    def __init__(
        self,
        network: nn.Module,
        key: str,
        example: Sequence[Tensor],
        buckets: Sequence[int] = (),
        order: "Callable[[CompiledNetwork, int, bool], None] | None" = None,
        place: tuple[str, str] = ("", ""),
    ) -> None:
        self.network, self.key, self.example, self.buckets = network, key, tuple(example), tuple(buckets)
        self.place = place
        self.weights = sum(tensor.nbytes for tensor in network.state_dict().values())
        self.state, self.error = "torch", 0.0
        self._order = order
        # Batch sizes that are there or to be made; whether as soon as can be.
        self._ordered: dict[int, bool] = {}
        self._requests: dict[int, BoundRequest] = {}
        self._used: dict[int, float] = {}  # when a batch size last served
        self._books = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes of the arrangements of the weights; the network's own are counted elsewhere."""
        return ARRANGED * self.weights * len(self._requests)

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The network's outputs, from the smallest compiled batch that holds the rows; from torch where autograd records."""
        if recording(*inputs):
            return self._by_torch(*inputs)
        rows, requests = len(inputs[0]), self._requests  # as they are now: `clear` and `drop` put others in their place
        if self.buckets and not _AHEAD.get():
            self.want(next((size for size in sorted(self.buckets) if size >= rows), max(self.buckets)))
        ready = sorted(requests)
        if not ready:
            return self._by_torch(*inputs)
        bucket = next((size for size in ready if size >= rows), ready[-1])
        request, self._used[bucket] = requests[bucket], time.monotonic()
        parts = [request([part[at : at + bucket] for part in inputs]) for at in range(0, rows, bucket)]
        return tuple(torch.cat(outputs) for outputs in zip(*parts, strict=True)) if len(parts) > 1 else parts[0]

    def add(self, bucket: int, request: "BoundRequest", most_error: float) -> None:
        """Compute batches of `bucket` rows by a request from now on. Raises WrongOutput where it computes something
        else than torch does, by more than `most_error`, relative to the norm of each output."""
        inputs = [part.repeat(bucket, *[1] * (part.dim() - 1)) for part in self.example]
        want = [part.repeat(bucket, *[1] * (part.dim() - 1)) for part in self._by_torch(*self.example)]
        error = max(
            float((ours - theirs).norm() / theirs.norm().clamp(min=1e-9))
            for ours, theirs in zip(request(inputs), want, strict=True)
        )
        if not error <= most_error:  # nor where it is no number
            raise WrongOutput(f"a relative error of {error:.1e} at {bucket} rows")
        self.error = max(self.error, error)
        with self._books:
            self._used[bucket], self._ordered[bucket] = time.monotonic(), True
            self._requests = {**self._requests, bucket: request}

    def want(self, bucket: int, waits: bool = True) -> None:
        """Order a batch size, unless it is there, ordered, or known not to be possible. `waits`: a call goes without it, and what
        was ordered before anybody waited is ordered once more."""
        if self._ordered.get(bucket, False) or (not waits and bucket in self._ordered):
            return  # without the lock: nearly every call comes here
        with self._books:
            known = self._ordered.get(bucket)
            order = None if known or (known is not None and not waits) else self._order
            self._ordered[bucket] = bool(known) or waits
        if order is not None:
            order(self, bucket, waits)

    def clear(self) -> None:
        """Compute everything by torch, for good."""
        with self._books:
            self._requests, self._order, self.error = {}, None, 0.0

    def drop(self, bucket: int) -> None:
        """Release a batch size; the next call that needs it orders it again."""
        with self._books:
            self._requests = {size: request for size, request in self._requests.items() if size != bucket}
            self._ordered.pop(bucket, None)

    @property
    def shapes(self) -> list[tuple[float, int]]:
        """(when it last served, batch size) of each that is there."""
        return [(self._used[bucket], bucket) for bucket in list(self._requests)]

    def _by_torch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        with torch.inference_mode(not recording(*inputs)):
            outputs = self.network(*inputs)
        return outputs if isinstance(outputs, tuple) else (outputs,)


class BoundRequest:
    """An OpenVINO request for batches of `bucket` rows, called with that many or fewer. What it reads and writes lies in arrays
    that it is bound to once: to hand them over anew costs a small network a twentieth of its call. Safe to share."""

    def __init__(self, request: Any, bucket: int, example: Sequence[Tensor]) -> None:
        import openvino

        self._request, self._lock = request, threading.Lock()  # it serves one call at a time
        self._inputs = [np.zeros((bucket, *part.shape[1:]), part.numpy().dtype) for part in example]
        self._outputs = [np.empty(port.shape, port.element_type.to_dtype()) for port in request.model_outputs]
        for i, array in enumerate(self._inputs):
            request.set_input_tensor(i, openvino.Tensor(array, shared_memory=True))
        for i, array in enumerate(self._outputs):
            request.set_output_tensor(i, openvino.Tensor(array, shared_memory=True))

    def __call__(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The outputs of these rows; every input and output has the batch first."""
        rows = len(inputs[0])
        with self._lock:
            for array, part in zip(self._inputs, inputs, strict=True):
                np.copyto(array[:rows], part.numpy())
                array[rows:] = 0
            self._request.start_async()
            self._request.wait()
            return tuple(torch.from_numpy(array[:rows].copy()) for array in self._outputs)


class WrongOutput(Exception):
    """A compiled network that does not compute what the network computes."""


@dataclass(frozen=True)
class Progress:
    """How far a workshop is. Networks by their `place`; what is in none of the sets was never ordered."""

    made: frozenset[tuple[str, str]]  # compiled or, where no call has come yet, converted and on disk
    failed: frozenset[tuple[str, str]]  # torch computes them
    open: frozenset[tuple[str, str]]  # of which something is to be made, whatever was made before
    now: tuple[tuple[str, str], int] | None  # a network, and the batch size or CONVERTED that is being made


class Workshop:
    """Converts and compiles networks in the background, one at a time: those first that a call waits for, then the `first` shapes in
    their order, then others as they come. Of a network that was only called `ahead` no others are compiled, but it is converted.

    `folder` keeps converted networks and their checksums for the next start (`NetworkFolder`). A network that computes
    something else than torch does is converted once more; if that is no better, torch computes it. A batch size that no
    call has used for long is released, and so are the least recently used ones where all together exceed MOST_BYTES.
    `bfloat16` computes in it where the processor has instructions for it; else, and by default, in float32.
    """

    def __init__(self, folder: Path, threads: int, bfloat16: bool = False, first: Sequence[Shape] = MOST_USED) -> None:
        self.folder, self.threads, self.bfloat16 = folder, threads, bfloat16
        self._ranks = {shape: rank for rank, shape in enumerate(first)}
        self._networks = NetworkFolder(folder)
        # How many kinds of orders come before, the order's number, the network, the batch size.
        self._orders: queue.PriorityQueue[tuple[int, int, CompiledNetwork, int]] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._latest: dict[tuple[CompiledNetwork, int], int] = {}  # the number that counts, where one is ordered twice
        self._ahead: weakref.WeakSet[CompiledNetwork] = weakref.WeakSet()  # that nobody has called for
        self._made: set[tuple[str, str]] = set()
        self._failed: set[tuple[str, str]] = set()
        self._now: tuple[tuple[str, str], int] | None = None
        self._all: weakref.WeakSet[CompiledNetwork] = weakref.WeakSet()
        self._open, self._idle = 0, threading.Condition()
        self._core: Any = None

    def __call__(
        self,
        network: nn.Module,
        key: str,
        example: Sequence[Tensor],
        buckets: Sequence[int],
        place: tuple[str, str] = ("", ""),
    ) -> CompiledNetwork:
        """The network, by torch until the background has compiled it. `key` stands for its content."""
        engine = CompiledNetwork(network, key, example, buckets, self._take, place)
        if engine.weights > LARGEST:
            engine.state = f"torch: too large to compile ({engine.weights / 1e9:.1f} GB)"
            engine.clear()
            with self._idle:
                self._failed.add(place)
            return engine
        engine.state = "torch, being compiled"
        self._all.add(engine)
        first = [size for size in buckets if self._shape(engine, size) in self._ranks]
        if _AHEAD.get():
            self._ahead.add(engine)
            first = first or [CONVERTED]
        for bucket in first:
            engine.want(bucket, waits=False)
        if not _AHEAD.get():
            self._urge(engine)
        return engine

    @property
    def progress(self) -> Progress:
        """How far it is at this moment."""
        with self._idle:
            still = frozenset(engine.place for engine, _ in self._latest)
            return Progress(frozenset(self._made), frozenset(self._failed), still, self._now)

    def release(self, unused_s: float = UNUSED_S, most_bytes: float = MOST_BYTES) -> None:
        """Release the batch sizes that no call has used for `unused_s` seconds, then the least recently used ones until
        the rest fits into `most_bytes`."""
        everything = list(self._all)
        shapes = sorted(((*shape, id(engine)), engine) for engine in everything for shape in engine.shapes)
        total = sum(engine.nbytes for engine in everything)
        for (used, bucket, _), engine in shapes:
            if total > most_bytes or time.monotonic() - used > unused_s:
                engine.drop(bucket)
                total -= ARRANGED * engine.weights

    def _urge(self, engine: CompiledNetwork) -> None:
        for bucket in [size for size in URGENT if size in engine.buckets] or list(engine.buckets):
            engine.want(bucket, waits=False)

    def _shape(self, engine: CompiledNetwork, bucket: int) -> Shape:
        return Shape(*engine.place, bucket, engine.example[0].shape[-1])

    def _take(self, engine: CompiledNetwork, bucket: int, waits: bool) -> None:
        rank = 0 if waits else 1 + self._ranks.get(self._shape(engine, bucket), len(self._ranks))
        with self._idle:
            self._open += 1
            if self._open == 1:
                threading.Thread(target=self._work, name="lab-compile", daemon=True).start()
            number = self._latest[engine, bucket] = next(self._numbers)
            called = waits and engine in self._ahead
            if waits:
                self._ahead.discard(engine)
        self._orders.put((rank, number, engine, bucket))
        if called:
            self._urge(engine)

    def finish(self) -> None:
        """Wait until everything that was ordered is made."""
        with self._idle:
            self._idle.wait_for(lambda: self._open == 0)

    def _work(self) -> None:
        while True:
            _, number, engine, bucket = self._orders.get()
            with self._idle:
                counts = self._latest.get((engine, bucket)) == number
                self._now = (engine.place, bucket) if counts else None
            if counts:
                self._fulfil(engine, bucket)
            with self._idle:
                if self._latest.get((engine, bucket)) == number:
                    del self._latest[engine, bucket]
                self._now = None
                self._open -= 1
                self._idle.notify_all()
                if self._open == 0:
                    return

    def _fulfil(self, engine: CompiledNetwork, bucket: int) -> None:
        try:
            self._make(engine, bucket)
            self.release(unused_s=float("inf"))
            done = self._made
        except Exception as error:  # a library's, of any kind: torch goes on
            engine.clear()
            engine.state = f"torch: {_reason(error)}"
            log.warning("%s could not be compiled", engine.key, exc_info=True)
            done = self._failed
        with self._idle:
            done.add(engine.place)

    def _make(self, engine: CompiledNetwork, bucket: int) -> None:
        import openvino

        if self._core is None:
            self._core = openvino.Core()
            self._networks.sweep()
        name = f"{engine.key}-{openvino.__version__.split('-')[0]}"
        file = self._networks.find(name)
        try:
            graph = file or self._networks.keep(name, lambda draft: self._convert(engine, draft))
            if bucket != CONVERTED:
                self._compile(engine, bucket, graph)
            elif not engine.shapes:
                engine.state = "converted, to be compiled at its first call"
        except (RuntimeError, WrongOutput):  # RuntimeError: OpenVINO's own
            self._networks.throw_away(name)
            if file is None:
                raise
            log.warning("the kept network %s is made anew", name, exc_info=True)
            self._make(engine, bucket)

    def _convert(self, engine: CompiledNetwork, file: Path) -> None:
        import openvino

        with torch.no_grad():
            model = openvino.convert_model(engine.network, example_input=engine.example)
        try:
            openvino.save_model(model, file, compress_to_fp16=False)
        except RuntimeError as error:  # all that OpenVINO says of a full disk
            raise OSError(f"{file} could not be written") from error

    def _compile(self, engine: CompiledNetwork, bucket: int, file: Path) -> None:
        """Compile the converted network in `file` for a batch size."""
        exact = "BF16" not in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") or not self.bfloat16
        precision = "float32" if exact else "bfloat16"
        options = {
            "INFERENCE_NUM_THREADS": self.threads,
            "INFERENCE_PRECISION_HINT": "f32" if exact else "bf16",
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,  # else two processes of one thread each sit on the same core
        }
        model = self._core.read_model(file)
        model.reshape({i: [bucket, *part.shape[1:]] for i, part in enumerate(engine.example)})
        request = self._core.compile_model(model, "CPU", options).create_infer_request()
        engine.add(bucket, BoundRequest(request, bucket, engine.example), MOST_ERROR[precision])
        engine.state = f"OpenVINO {precision}"


def _reason(error: Exception) -> str:
    """Why torch computes, in words for visitors."""
    if isinstance(error, OSError):
        return "there is no room to keep the compiled network, or no right to write it"
    if isinstance(error, WrongOutput):
        return f"OpenVINO computed something else, with {error}"
    return f"OpenVINO could not compile it ({type(error).__name__})"


class Engines:
    """The networks of one model as they are called, made when first needed; a part of the cache.

    `key` stands for the content of the model, `model` is its row of the catalog; without a workshop all is done by torch, on whatever
    device it is.
    """

    def __init__(self, key: str = "", workshop: Workshop | None = None, model: str = "") -> None:
        self._key, self._make, self._model = key, workshop or CompiledNetwork, model
        self._engines: dict[str, CompiledNetwork] = {}
        self._lock = threading.Lock()

    def __call__(
        self, name: str, network: Callable[[], nn.Module], inputs: Sequence[Tensor], buckets: Sequence[int] = BUCKETS
    ) -> CompiledNetwork:
        """The engine `name`. Only the first time is the `network` made, and are `inputs` looked at, which it is called with."""
        engine = self._engines.get(name)  # without the lock: nearly every call finds it
        if engine is None:
            with self._lock:
                if name not in self._engines:
                    example = [part[:1].detach() for part in inputs]
                    place = (self._model, name)
                    self._engines[name] = self._make(network(), f"{self._key}-{name}", example, buckets, place=place)
                engine = self._engines[name]
        return engine

    @property
    def nbytes(self) -> int:
        """Bytes beside the networks' own weights."""
        return sum(engine.nbytes for engine in list(self._engines.values()))

    @property
    def notes(self) -> tuple[str, ...]:
        """How each network is computed and at what cost in precision, for people."""
        return tuple(
            f"{name}: {engine.state}" + (f", error {engine.error:.1e}" if engine.error else "")
            for name, engine in list(self._engines.items())
        )

    def to(self, device: torch.device) -> "Engines":
        """Nothing to move: compiled networks are only made where there is no accelerator."""
        return self
