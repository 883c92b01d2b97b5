"""Latent diffusion for one user and for many, against diffusers' own pipeline called once a picture.

The pipeline has the same weights, in torch, its progress bar off. Ours is everything a press of Run does: the
backend's worker, previews of every step and the decoded pictures. On two cores it is the shipped miniature; on a GPU
random weights of Stable Diffusion 1.5's size, with the fraction of the floor that counted FLOPs allow.
"""

import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from lab.backends.local import LocalBackend
from lab.catalog import MODELS
from lab.engine.lanes import drive
from lab.models.loaders import make_cache, pick_device, pick_dtype
from lab.operations.house import House
from lab.operations.lanes import make_lane
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneSettings, SamplingRequest, Step
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


@dataclass(frozen=True)
class Aims:
    """What is aimed at on a kind of machine."""

    alone: str = "at most 0.60"
    crowd: str = "at most 0.35"
    sweep: str = "at most 0.35"


def main() -> None:
    settings = Settings()
    if pick_device(settings).type != "cuda":
        figures(settings, ASSETS / "models" / MODEL, Aims())
        return
    with TemporaryDirectory() as folder:
        write_random(Path(folder))
        MODELS[MODEL] = replace(MODELS[MODEL], source=folder, size=512)
        figures(settings, Path(folder), Aims(alone="none", crowd="at most 0.33", sweep="at most 0.33"))


def write_random(folder: Path, **smaller: Any) -> None:
    """A Stable Diffusion of 1.5's architecture with random weights; `smaller` overrides the UNet's configuration."""
    tokenizer = CLIPTokenizer.from_pretrained(ASSETS / "models" / "clip" / "tokenizer")
    unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, **smaller)
    wide = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "latent_channels": 4, "sample_size": 512}
    autoencoder = AutoencoderKL(
        **wide, down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4
    )
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
            num_attention_heads=12, max_position_embeddings=tokenizer.model_max_length,
        )
    )  # fmt: skip
    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False)
    StableDiffusionPipeline(
        autoencoder, text, tokenizer, unet, scheduler, None, None, requires_safety_checker=False
    ).to(torch.bfloat16).save_pretrained(folder)  # fmt: skip


def figures(settings: Settings, folder: Path, aims: Aims) -> None:
    backend = LocalBackend(settings)
    backend.warm(MODEL).join()
    if backend.workshop:
        backend.workshop.finish()
    device = backend.cache.device
    pipeline = StableDiffusionPipeline.from_pretrained(
        folder, torch_dtype=pick_dtype(settings), low_cpu_mem_usage=False
    ).to(device)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    words = (
        f"{MODEL}, {torch.get_num_threads()} threads"
        if device.type == "cpu"
        else f"Stable Diffusion 1.5's size, {device}"
    )

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
    compare(f"one user alone; {words}", alone, alone_naive, aims.alone)
    compare(f"{USERS} users; {words}", *medians_s(crowd, one_after_another), aims.crowd)
    compare(
        f"sweep of {len(SCALES)} scales; {words}",
        *medians_s(lambda: run(*(guided(scale=scale) for scale in SCALES)), lambda: [naive(scale=s) for s in SCALES]),
        aims.sweep,
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
    loop_overhead(settings, pipeline, words)
    if device.type == "cuda":
        fraction_of_the_floor(backend, words)


def fraction_of_the_floor(backend: LocalBackend, words: str, rows: int = 16, calls: int = 10) -> None:
    """Counted FLOPs of a call of `rows`, over the rate of matrix products measured here, over the time it took."""
    with backend.cache.lease(MODEL) as model, torch.inference_mode():
        denoiser = model.denoiser(request(guided()).forward)
        row = model.conditioning(Condition(prompt="red heart"))
        x, t = torch.randn(rows, *denoiser.shape), torch.full((rows,), 500.0)
        with FlopCounterMode(display=False) as counter:
            denoiser(x, t, [row] * rows)
        (call,) = medians_s(lambda: [denoiser(x, t, [row] * rows) for _ in range(calls)])
        a = torch.randn(8192, 8192, device=backend.cache.device, dtype=denoiser.unet.dtype)

        def products() -> None:
            for _ in range(calls):
                a @ a
            torch.cuda.synchronize()

        (product,) = medians_s(products)
        rate = calls * 2 * 8192**3 / product
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
        conditional, unconditional = model.conditioning(Condition(prompt="red heart")), model.unconditional()
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
