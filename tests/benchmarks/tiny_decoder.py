"""A one-step picture of SD-Turbo's size on this CPU, 512 px, by the full decoder and by a tiny one (TAESD's size): seconds, and the
most memory that its process takes. Weights are random; time and memory do not ask what was learned. And what the shipped miniature's
decoder costs, beside a tiny one of its factor.

`python -m tests.benchmarks.tiny_decoder [THREADS]`: half an hour on two cores. Each picture is made by a process of its own, as the
lab makes it: in float32, where OpenVINO compiles the decoder and torch computes the UNet, and by torch alone in either precision.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin are no work

import torch
from diffusers import AutoencoderTiny

from lab.backends.local import LocalBackend
from lab.catalog import MODELS
from lab.models.compiled import CompiledNetwork
from lab.models.decoding import Decode
from lab.models.loaders import load, make_workshop
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneSettings, SamplingRequest
from lab.settings import Settings
from tests.benchmarks._random import TURBO, write
from tests.benchmarks._report import line, value

ENGINES = (("openvino", "float32"), ("torch", "float32"), ("torch", "bfloat16"))
ROUNDS = 3
SPACE_GB = 16  # memory of a free Space, which has two cores


def main() -> None:
    """Print the figures of every engine and decoder, then the miniature's."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _child("write", folder)
        for engine, dtype in ENGINES:
            for decoder in ("full", "tiny"):
                line(**json.loads(_child("draw", folder, engine, dtype, decoder, threads)))
    miniature()


def _child(*arguments: Any) -> str:
    """The last line that a process of its own prints."""
    command = [sys.executable, "-m", "tests.benchmarks.tiny_decoder", *map(str, arguments)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return printed.strip().rpartition("\n")[2]


def draw(folder: Path, engine: Any, dtype: Any, decoder: Any, threads: int) -> None:
    """Print a line: seconds of a one-step picture once all is loaded and compiled, and the most memory up to then."""
    row = replace(MODELS["sd-turbo"], source=str(folder / "model"), tiny_decoder=str(folder / "tiny"))
    MODELS["sd-turbo"] = row
    backend = LocalBackend(Settings(device="cpu", cpu_engine=engine, dtype=dtype, threads=threads, host_budget_gb=12))
    began = time.perf_counter()
    _picture(backend, decoder, seed=0)
    first_s = time.perf_counter() - began
    if backend.workshop:
        backend.workshop.finish()
    times = [_timed(lambda seed=seed: _picture(backend, decoder, seed)) for seed in range(1, ROUNDS + 1)]
    wall_s, cpu_s = (min(one[k] for one in times) for k in (0, 1))
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    line(
        figure=f"a one-step picture of {TURBO.title} at 512 px, {decoder} decoder, {dtype} by {engine}, {threads} threads, s",
        value=wall_s, cpu_s=cpu_s, first_s=first_s, peak_gb=peak_gb, fits=peak_gb < SPACE_GB, load=os.getloadavg()[0],
    )  # fmt: skip


def _picture(backend: LocalBackend, decoder: Any, seed: int) -> None:
    request = SamplingRequest(
        model="sd-turbo", condition=Condition(prompt="red heart"), forward=Forward(schedule="scaled_linear"),
        lanes=(LaneSettings(steps=1, seed=seed),), decoder=decoder,
    )  # fmt: skip
    list(backend.run(request))


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of a work by the clock, and of all processor cores."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def miniature() -> None:
    """Print milliseconds a picture of the shipped decoder, and of tiny ones of its factor, as OpenVINO computes them on one thread."""
    with tempfile.TemporaryDirectory() as name:
        workshop = make_workshop(Settings(device="cpu", cpu_engine="openvino", threads=1, cache_dir=name))
        assert workshop is not None
        model = load("text-to-image", Settings(device="cpu", cpu_engine="torch"))
        x_0 = torch.randn(model.shape)[None]
        networks = {"the shipped decoder": Decode(model.autoencoder)} | {
            f"a tiny decoder of {width} channels, {blocks} blocks": Decode(_tiny(width, blocks))
            for width, blocks in ((64, (3, 3, 1)), (32, (3, 3, 1)), (16, (1, 1, 1)))
        }
        engines = {
            title: workshop(network, f"network-{i}", [x_0], (1,)) for i, (title, network) in enumerate(networks.items())
        }
        workshop.finish()
        for title, engine in engines.items():
            assert engine.state.startswith("OpenVINO"), engine.state
            value(f"{title}, 64 px, CPU ms a picture", _cpu_ms(engine, x_0), load=os.getloadavg()[0])
        value("the linear map to RGB at the latents' side, CPU ms a picture", _cpu_ms(model.preview, x_0[0]))


def _tiny(width: int, blocks: tuple[int, ...]) -> AutoencoderTiny:
    widths = (width,) * len(blocks)
    return AutoencoderTiny(
        encoder_block_out_channels=widths, decoder_block_out_channels=widths, num_encoder_blocks=blocks,
        num_decoder_blocks=blocks,
    ).eval()  # fmt: skip


def _cpu_ms(work: CompiledNetwork | Callable[[torch.Tensor], object], x: torch.Tensor, calls: int = 200) -> float:
    work(x)
    return min(_timed(lambda: [work(x) for _ in range(calls)])[1] for _ in range(5)) / calls * 1e3


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        write(Path(sys.argv[2]) / "model", TURBO, torch.device("cpu"))
        AutoencoderTiny().save_pretrained(Path(sys.argv[2]) / "tiny")
    elif sys.argv[1:2] == ["draw"]:
        draw(Path(sys.argv[2]), *sys.argv[3:6], threads=int(sys.argv[6]))
    else:
        main()
