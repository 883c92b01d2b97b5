"""Networks as OpenVINO runs them on the CPU: converted once and kept on disk, compiled for a few fixed batch sizes.

A static graph with fused operators runs about twice as fast as torch's eager mode on the same cores (measured by
tests/benchmarks/compiled.py). All of it happens in the background: until a batch size is ready, and wherever OpenVINO
cannot do it, torch computes the same.
"""

import logging
import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

log = logging.getLogger("lab")

BUCKETS = (1, 2, 4, 8, 16)  # batch sizes; rows in between are filled up, more are split
URGENT = (2, 16)  # compiled first: one guided lane, and a crowd
LARGEST = 800_000_000  # bytes of weights; each batch size keeps its own arrangement of them


class Compiled:
    """A network beside its compiled self, called like the network. Safe to share.

    `example` are inputs of one row; every input and output has the batch first. `state` and `error` are for people:
    what became of it, and the relative error against torch float32 on the example.
    """

    def __init__(self, network: nn.Module, key: str, example: Sequence[Tensor], buckets: Sequence[int] = ()) -> None:
        self.network, self.key, self.example, self.buckets = network, key, tuple(example), tuple(buckets)
        self.weights = sum(tensor.nbytes for tensor in network.state_dict().values())
        self.state, self.error = "torch", 0.0
        self._requests: dict[int, Any] = {}
        self._lock = threading.Lock()  # a request serves one call at a time

    @property
    def nbytes(self) -> int:
        """Bytes of the arrangements of the weights; the network's own are counted elsewhere."""
        return self.weights * len(self._requests)

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The network's outputs, from the smallest compiled batch that holds the rows."""
        rows, ready = len(inputs[0]), sorted(self._requests)
        if not ready:
            return self._by_torch(*inputs)
        bucket = next((size for size in ready if size >= rows), ready[-1])
        parts = [self._infer(bucket, [part[at : at + bucket] for part in inputs]) for at in range(0, rows, bucket)]
        return tuple(torch.cat(outputs) for outputs in zip(*parts, strict=True)) if len(parts) > 1 else parts[0]

    def _infer(self, bucket: int, inputs: list[Tensor]) -> tuple[Tensor, ...]:
        rows = len(inputs[0])
        filled = [
            part if rows == bucket else torch.cat([part, part.new_zeros(bucket - rows, *part.shape[1:])])
            for part in inputs
        ]
        with self._lock:
            outputs = self._requests[bucket].infer([part.contiguous().numpy() for part in filled], share_inputs=True)
            return tuple(torch.from_numpy(outputs[i][:rows].copy()) for i in range(len(outputs)))

    @torch.inference_mode()
    def _by_torch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        outputs = self.network(*inputs)
        return outputs if isinstance(outputs, tuple) else (outputs,)


class Workshop:
    """Converts and compiles networks in the background, one at a time.

    `folder` keeps what was made for the next start. `bfloat16` computes in it where the processor has instructions for
    it; else, and by default, in float32.
    """

    def __init__(self, folder: Path, threads: int, bfloat16: bool = False) -> None:
        self.folder, self.threads, self.bfloat16 = folder, threads, bfloat16
        self._orders: queue.SimpleQueue[Compiled] = queue.SimpleQueue()
        self._open, self._idle = 0, threading.Condition()
        self._core: Any = None

    def __call__(self, network: nn.Module, key: str, example: Sequence[Tensor], buckets: Sequence[int]) -> Compiled:
        """The network, which will be compiled as soon as may be. `key` stands for its content."""
        made = Compiled(network, key, example, buckets)
        if made.weights > LARGEST:
            made.state = f"torch: too large to compile ({made.weights / 1e9:.1f} GB)"
            return made
        made.state = "torch, being compiled"
        with self._idle:
            self._open += 1
            if self._open == 1:
                threading.Thread(target=self._work, name="lab-compile", daemon=True).start()
        self._orders.put(made)
        return made

    def finish(self) -> None:
        """Wait until everything that was ordered is made."""
        with self._idle:
            self._idle.wait_for(lambda: self._open == 0)

    def _work(self) -> None:
        while True:
            made = self._orders.get()
            try:
                self._make(made)
            except Exception as error:  # a library's, of any kind: torch goes on
                made._requests.clear()
                made.state = f"torch: OpenVINO could not compile it ({type(error).__name__})"
                log.warning("%s could not be compiled", made.key, exc_info=True)
            with self._idle:
                self._open -= 1
                self._idle.notify_all()
                if self._open == 0:
                    return

    def _make(self, made: Compiled) -> None:
        import openvino

        if self._core is None:
            self._core = openvino.Core()
            (self.folder / "compiled").mkdir(parents=True, exist_ok=True)
            self._core.set_property({"CACHE_DIR": str(self.folder / "compiled")})
        model = self._converted(made, openvino)
        exact = "BF16" not in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") or not self.bfloat16
        options = {
            "INFERENCE_NUM_THREADS": self.threads,
            "INFERENCE_PRECISION_HINT": "f32" if exact else "bf16",
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,  # else two processes of one thread each sit on the same core
        }
        want = made._by_torch(*made.example)
        for bucket in sorted(made.buckets, key=lambda size: (size not in URGENT, size)):
            sized = model.clone()
            sized.reshape({i: [bucket, *part.shape[1:]] for i, part in enumerate(made.example)})
            request = self._core.compile_model(sized, "CPU", options).create_infer_request()
            made._requests[bucket] = request
        made.error = max(
            float((ours - theirs).norm() / theirs.norm().clamp(min=1e-9))
            for ours, theirs in zip(made(*made.example), want, strict=True)
        )
        made.state = f"OpenVINO {'float32' if exact else 'bfloat16'}"

    def _converted(self, made: Compiled, openvino: Any) -> Any:
        """The network as a graph: from the disk, or traced now and written there."""
        name = f"{made.key}-{openvino.__version__.split('-')[0]}"
        file = self.folder / f"{name}.xml"
        if file.exists():
            try:
                return self._core.read_model(file)
            except RuntimeError:  # damaged: made anew
                log.warning("%s cannot be read", file, exc_info=True)
        with torch.no_grad():
            model = openvino.convert_model(made.network, example_input=made.example)
        draft = self.folder / f"draft-{threading.get_ident()}-{name}.xml"
        openvino.save_model(model, draft, compress_to_fp16=False)
        draft.with_suffix(".bin").replace(file.with_suffix(".bin"))
        draft.replace(file)  # last: a graph that is there is whole
        return self._core.read_model(file)


class Engines:
    """The networks of one model as they are called, made when first needed; a part of the cache.

    `key` stands for the content of the model; without a workshop all is done by torch, on whatever device it is.
    """

    def __init__(self, key: str = "", workshop: Workshop | None = None) -> None:
        self._key, self._make = key, workshop or Compiled
        self._made: dict[str, Compiled] = {}
        self._lock = threading.Lock()

    def __call__(
        self, name: str, network: nn.Module, example: Sequence[Tensor], buckets: Sequence[int] = BUCKETS
    ) -> Compiled:
        """The engine `name`; `network` and `example`, inputs of one row, matter only the first time."""
        with self._lock:
            if name not in self._made:
                self._made[name] = self._make(network, f"{self._key}-{name}", example, buckets)
            return self._made[name]

    @property
    def nbytes(self) -> int:
        """Bytes beside the networks' own weights."""
        return sum(made.nbytes for made in list(self._made.values()))

    @property
    def notes(self) -> tuple[str, ...]:
        """How each network is computed and at what cost in precision, for people."""
        return tuple(
            f"{name}: {made.state}" + (f", error {made.error:.1e}" if made.error else "")
            for name, made in list(self._made.items())
        )

    def to(self, device: torch.device) -> "Engines":
        """Nothing to move: compiled networks are only made where there is no accelerator."""
        return self
