"""Latent diffusion for one user and for many, against diffusers' own pipeline called once a picture.

The pipeline has the same weights, in torch, its progress bar off. Ours is everything a press of Run does: the
backend's worker, previews of every step and the decoded pictures. On two cores it is the shipped miniature; on a GPU
random weights of Stable Diffusion 1.5's size, with the fraction of the floor that counted FLOPs allow.
"""

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from torch.utils.flop_counter import FlopCounterMode

from lab.backends.local import LocalBackend
from lab.catalog import MODELS
from lab.engine.lanes import drive
from lab.models.loaders import make_cache, pick_device, pick_dtype
from lab.operations.house import House
from lab.operations.lanes import make_lane
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneSettings, SamplingRequest, Step
from lab.settings import ASSETS, Settings
from tests.benchmarks._random import STABLE_DIFFUSION, write
from tests.benchmarks._report import compare, medians_s, value

MODEL = "text-to-image"
STEPS = 25
USERS = 8
SCALES = (0, 1, 2, 3, 5, 7.5, 10, 15)
SAMPLERS = ("ddim", "euler", "dpmpp_2m", "unipc")
PROMPT = "red heart"


def request(*lanes: LaneSettings) -> SamplingRequest:
    forward = Forward(schedule=MODELS[MODEL].schedules[0])
    return SamplingRequest(model=MODEL, condition=Condition(prompt=PROMPT), forward=forward, lanes=lanes)


def guided(seed: int = 0, scale: float = 5.0, sampler: str = "ddim", steps: int = STEPS) -> LaneSettings:
    return LaneSettings(sampler=sampler, steps=steps, seed=seed, guidance_scale=scale)


def first_preview(backend: LocalBackend, asked: SamplingRequest) -> float:
    """Seconds to the first step of a run."""
    began = time.perf_counter()
    events = backend.run(asked)
    next(event for event in events if isinstance(event, Step))
    seconds = time.perf_counter() - began
    events.close()
    return seconds


@dataclass(frozen=True)
class Aims:
    """What is aimed at on a kind of machine."""

    alone: str = "at most 0.60"
    crowd: str = "at most 0.35"
    sweep: str = "at most 0.35"


ON_GPU = Aims(alone="none", crowd="at most 0.33", sweep="at most 0.33")


@dataclass(frozen=True)
class Race:
    """The backend against diffusers' pipeline, which has the weights of MODELS[MODEL]."""

    backend: LocalBackend
    pipeline: Any
    words: str
    aims: Aims = Aims()
    steps: int = STEPS
    repeats: int = 3
    most_s: float = math.inf  # of one figure, after which no round begins
    stop: threading.Event = field(default_factory=threading.Event)  # ends all runs

    def naive(self, seed: int = 0, scale: float = 5.0) -> None:
        self.pipeline(PROMPT, num_inference_steps=self.steps, guidance_scale=scale, generator=torch.manual_seed(seed))

    def run(self, *lanes: LaneSettings) -> None:
        for _ in self.backend.run(request(*lanes), self.stop):
            pass

    def alone(self) -> float:
        """One user; returns the pipeline's seconds."""
        ours, naive = self._medians(lambda: self.run(guided(steps=self.steps)), self.naive)
        value(f"one guided picture of {self.steps} steps, seconds; {self.words}", ours)
        compare(f"one user alone; {self.words}", ours, naive, self.aims.alone)
        return naive

    def crowd(self) -> None:
        """Many users at once."""

        def at_once() -> None:
            with ThreadPoolExecutor(USERS) as pool:
                try:
                    list(pool.map(lambda seed: self.run(guided(seed, steps=self.steps)), range(USERS)))
                except BaseException:
                    self.stop.set()  # the pool waits for the others
                    raise

        compare(
            f"{USERS} users; {self.words}",
            *self._medians(at_once, lambda: [self.naive(seed) for seed in range(USERS)]),
            self.aims.crowd,
        )

    def sweep(self) -> None:
        """One user, many guidance scales."""
        compare(
            f"sweep of {len(SCALES)} scales; {self.words}",
            *self._medians(
                lambda: self.run(*(guided(scale=scale, steps=self.steps) for scale in SCALES)),
                lambda: [self.naive(scale=scale) for scale in SCALES],
            ),
            self.aims.sweep,
        )

    def samplers(self) -> None:
        """One user, many samplers."""
        compare(
            f"{len(SAMPLERS)} samplers; {self.words}",
            *self._medians(
                lambda: self.run(*(guided(sampler=name, steps=self.steps) for name in SAMPLERS)),
                lambda: [self.naive() for _ in SAMPLERS],
            ),
            "at most 0.45",
        )

    def _medians(self, *works: Any) -> list[float]:
        return medians_s(*works, repeats=self.repeats, most_s=self.most_s)


def main() -> None:
    settings = Settings()
    device = pick_device(settings)
    if device.type != "cuda":
        folder = ASSETS / "models" / MODEL
        pipeline = StableDiffusionPipeline.from_pretrained(folder, low_cpu_mem_usage=False)
        figures(settings, pipeline, Aims())
        return
    with TemporaryDirectory() as folder:
        pipeline = write(Path(folder), STABLE_DIFFUSION, device)
        MODELS[MODEL] = replace(MODELS[MODEL], source=folder, size=STABLE_DIFFUSION.side)
        figures(settings, pipeline, ON_GPU)


def figures(settings: Settings, pipeline: StableDiffusionPipeline, aims: Aims) -> None:
    backend = LocalBackend(settings)
    backend.warm(MODEL).join()
    if backend.workshop:
        backend.workshop.finish()
    device = backend.cache.device
    pipeline.to(device, pick_dtype(settings))
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    words = (
        f"{MODEL}, {torch.get_num_threads()} threads" if device.type == "cpu" else f"{STABLE_DIFFUSION.title}, {device}"
    )
    race = Race(backend, pipeline, words, aims)
    alone_naive = race.alone()
    race.crowd()
    race.sweep()
    race.samplers()
    house = House(backend.settings, backend.cache, backend.worker.drive)

    def unseen() -> None:
        with backend.cache.lease(MODEL) as model:
            denoiser = model.denoiser(request(guided()).forward)
            condition = model.conditioning(Condition(prompt=PROMPT))
            lanes = [make_lane(0, guided(), denoiser, condition, model.unconditional())]
            *_, last = house.drive(denoiser, lanes)
            model.to_picture(last.x_0)

    compare(
        f"previews at every step; {words}", *medians_s(lambda: race.run(guided()), unseen, repeats=7), "at most 1.08"
    )

    others = [threading.Thread(target=race.run, args=(guided(seed),)) for seed in range(1, USERS)]
    for other in others:
        other.start()
    preview = first_preview(backend, request(guided()))
    for other in others:
        other.join()
    compare(
        f"first preview with {USERS - 1} others running; {words}", preview, (USERS - 1) * alone_naive, "at most 0.10"
    )
    loop_overhead(settings, pipeline, words)
    if device.type == "cuda":
        fraction_of_the_floor(backend, words)


def fraction_of_the_floor(backend: LocalBackend, words: str, rows: int = 16, calls: int = 10, side: int = 8192) -> None:
    """Counted FLOPs of a call of `rows`, over the rate of products of square matrices measured here, over the time it took."""
    with backend.cache.lease(MODEL) as model, torch.inference_mode():
        denoiser = model.denoiser(request(guided()).forward)
        row = model.conditioning(Condition(prompt=PROMPT))
        x, t = torch.randn(rows, *denoiser.shape), torch.full((rows,), 500.0)
        with FlopCounterMode(display=False) as counter:
            denoiser(x, t, [row] * rows)
        (call,) = medians_s(lambda: [denoiser(x, t, [row] * rows) for _ in range(calls)])
        device = backend.cache.device
        a = torch.randn(side, side, device=device, dtype=denoiser.unet.dtype)

        def products() -> None:
            for _ in range(calls):
                a @ a
            if device.type == "cuda":
                torch.cuda.synchronize()

        (product,) = medians_s(products)
        rate = calls * 2 * side**3 / product
    value(f"matrix products, TFLOP/s; {words}", rate / 1e12)
    value(
        f"fraction of the floor at batch {rows}; {words}",
        calls * counter.get_total_flops() / rate / call,
        aim="at least 0.35",
    )


def loop_overhead(settings: Settings, pipeline: StableDiffusionPipeline, words: str) -> None:
    """One guided lane by torch, against the bare UNet calls and scheduler steps that it consists of."""
    cache = make_cache(settings)
    with cache.lease(MODEL) as model, torch.inference_mode():
        denoiser = model.denoiser(request(guided()).forward)
        conditional, unconditional = model.conditioning(Condition(prompt=PROMPT)), model.unconditional()
        weight = next(denoiser.unet.parameters())
        hidden = torch.stack([conditional.prompt.hidden, unconditional.prompt.hidden]).to(weight)

        def ours() -> None:
            list(drive(denoiser, [make_lane(0, guided(), denoiser, conditional, unconditional)]))

        def bare() -> None:
            scheduler = pipeline.scheduler
            scheduler.set_timesteps(STEPS)
            x = torch.randn(1, *denoiser.shape).to(weight)
            for t in scheduler.timesteps:
                c, u = denoiser.unet(torch.cat([x, x]), t, hidden).sample.chunk(2)
                x = scheduler.step(u + 5.0 * (c - u), t, x).prev_sample

        compare(f"loop overhead with torch, one lane; {words}", *medians_s(ours, bare, repeats=5), "at most 1.05")


if __name__ == "__main__":
    main()
