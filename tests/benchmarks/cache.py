"""Weights that are there once: bytes of four tabs on one base, and coming back to a model that is still there."""

from collections.abc import Iterable

import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline, StableDiffusionPipeline
from torch import nn

from lab.models.cache import nbytes_of
from lab.models.loaders import make_cache
from lab.settings import ASSETS, Settings
from tests.benchmarks._report import compare, medians_s

BASE, CONTROLS = "text-to-image", ("edges", "pose")


def pipelines() -> Iterable[StableDiffusionPipeline]:
    """What four tabs would hold, each with a pipeline of its own: samplers, guidance, edges, pose."""
    for name in (None, None, *CONTROLS):
        pipeline = StableDiffusionPipeline.from_pretrained(
            ASSETS / "models" / BASE, torch_dtype=torch.float32, low_cpu_mem_usage=False
        )
        if name:
            control = ControlNetModel.from_pretrained(
                ASSETS / "models" / f"controlnet-{name}", torch_dtype=torch.float32, low_cpu_mem_usage=False
            )
            pipeline = StableDiffusionControlNetPipeline(**pipeline.components, controlnet=control)
        yield pipeline


def main() -> None:
    settings = Settings(cpu_engine="torch")
    cache = make_cache(settings)
    for name in (BASE, *CONTROLS):
        with cache.lease(name):
            pass
    naive = sum(
        nbytes_of(part)
        for pipeline in pipelines()
        for part in pipeline.components.values()
        if isinstance(part, nn.Module)
    )
    compare("bytes resident: samplers, guidance, edges, pose on one base", sum(cache.used()), naive, "at most 0.40")

    def back() -> None:
        if cache.device.type != "cpu":
            cache.shed()  # off the device; without one it stays in host memory anyway
        with cache.lease(BASE):
            pass

    def again() -> None:
        with make_cache(settings).lease(BASE):
            pass

    compare(f"switching back to a model that was moved aside ({cache.device})", *medians_s(back, again), "at most 0.2")


if __name__ == "__main__":
    main()
