"""Latent diffusion for one user and for many, against diffusers' own pipeline called once a picture.

The pipeline is the same weights in torch float32, its progress bar off. Ours is everything a press of Run does: the
backend's worker, previews of every step and the decoded pictures.
"""

import threading
import time

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline

from lab.backends.local import LocalBackend
from lab.capsule import Condition, Forward, LaneSettings, SamplingRequest, Step
from lab.catalog import MODELS
from lab.engine.lanes import drive
from lab.models.loaders import make_cache
from lab.operations import House, make_lane
from lab.settings import ASSETS, Settings
from tests.benchmarks._report import compare, medians_s, value

MODEL = "text-to-image"
STEPS = 25
USERS = 8
SCALES = (0, 1, 2, 3, 5, 7.5, 10, 15)
SAMPLERS = ("ddim", "euler", "dpmpp_2m", "unipc")


def request(*lanes: LaneSettings) -> SamplingRequest:
    forward = Forward(schedule=MODELS[MODEL].schedules[0])
    return SamplingRequest(model=MODEL, condition=Condition(prompt="red heart"), forward=forward, lanes=lanes)


def guided(seed: int = 0, scale: float = 5.0, sampler: str = "ddim") -> LaneSettings:
    return LaneSettings(sampler=sampler, steps=STEPS, seed=seed, guidance_scale=scale)


def first_preview(backend: LocalBackend, asked: SamplingRequest) -> float:
    """Seconds to the first step of a run."""
    began = time.perf_counter()
    events = backend.run(asked)
    next(event for event in events if isinstance(event, Step))
    seconds = time.perf_counter() - began
    events.close()
    return seconds


def main() -> None:
    backend = LocalBackend(Settings())
    backend.warm(MODEL).join()
    if backend.workshop:
        backend.workshop.finish()
    pipeline = StableDiffusionPipeline.from_pretrained(
        ASSETS / "models" / MODEL, torch_dtype=torch.float32, low_cpu_mem_usage=False
    )
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    words = f"{MODEL}, {torch.get_num_threads()} threads"

    def naive(seed: int = 0, scale: float = 5.0) -> None:
        pipeline("red heart", num_inference_steps=STEPS, guidance_scale=scale, generator=torch.manual_seed(seed))

    def run(*lanes: LaneSettings) -> None:
        for _ in backend.run(request(*lanes)):
            pass

    def crowd() -> None:
        users = [threading.Thread(target=run, args=(guided(seed),)) for seed in range(USERS)]
        for user in users:
            user.start()
        for user in users:
            user.join()

    def one_after_another() -> None:
        for seed in range(USERS):
            naive(seed)

    alone, alone_naive = medians_s(lambda: run(guided()), naive)
    value(f"one guided picture of {STEPS} steps, seconds; {words}", alone)
    compare(f"one user alone; {words}", alone, alone_naive, "at most 0.60")
    compare(f"{USERS} users; {words}", *medians_s(crowd, one_after_another), "at most 0.35")
    compare(
        f"sweep of {len(SCALES)} scales; {words}",
        *medians_s(lambda: run(*(guided(scale=scale) for scale in SCALES)), lambda: [naive(scale=s) for s in SCALES]),
        "at most 0.35",
    )
    compare(
        f"{len(SAMPLERS)} samplers; {words}",
        *medians_s(lambda: run(*(guided(sampler=name) for name in SAMPLERS)), lambda: [naive() for _ in SAMPLERS]),
        "at most 0.45",
    )
    house = House(backend.settings, backend.cache, backend.worker.drive)

    def unseen() -> None:
        with backend.cache.lease(MODEL) as model:
            denoiser = model.denoiser(request(guided()).forward)
            condition = model.conditioning(Condition(prompt="red heart"))
            lanes = [make_lane(0, guided(), denoiser, condition, model.unconditional())]
            *_, last = house.drive(denoiser, lanes)
            model.to_picture(last.x_0)

    compare(f"previews at every step; {words}", *medians_s(lambda: run(guided()), unseen, repeats=7), "at most 1.08")

    others = [threading.Thread(target=run, args=(guided(seed),)) for seed in range(1, USERS)]
    for other in others:
        other.start()
    preview = first_preview(backend, request(guided()))
    for other in others:
        other.join()
    compare(
        f"first preview with {USERS - 1} others running; {words}", preview, (USERS - 1) * alone_naive, "at most 0.10"
    )
    loop_overhead(pipeline, words)


def loop_overhead(pipeline: StableDiffusionPipeline, words: str) -> None:
    """One guided lane by torch, against the bare UNet calls and scheduler steps that it consists of."""
    cache = make_cache(Settings(cpu_engine="torch"))
    with cache.lease(MODEL) as model, torch.inference_mode():
        denoiser = model.denoiser(request(guided()).forward)
        conditional, unconditional = model.conditioning(Condition(prompt="red heart")), model.unconditional()
        hidden = torch.stack([conditional.hidden, unconditional.hidden])

        def ours() -> None:
            list(drive(denoiser, [make_lane(0, guided(), denoiser, conditional, unconditional)]))

        def bare() -> None:
            scheduler = pipeline.scheduler
            scheduler.set_timesteps(STEPS)
            x = torch.randn(1, *denoiser.shape)
            for t in scheduler.timesteps:
                c, u = denoiser.unet(torch.cat([x, x]), t, hidden).sample.chunk(2)
                x = scheduler.step(u + 5.0 * (c - u), t, x).prev_sample

        compare(f"loop overhead with torch, one lane; {words}", *medians_s(ours, bare, repeats=5), "at most 1.05")


if __name__ == "__main__":
    main()
