"""The steps of the GPU check, the most useful first, and how large everything is."""

import gc
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from lab.backends.local import LocalBackend
from lab.catalog import CONTROLS, HELPERS, MODELS
from lab.models.cache import ModelCache
from lab.models.loaders import make_cache, pick_dtype
from lab.requests.fields import Condition
from lab.settings import ASSETS, Settings
from lab.training.corpus import load_corpus
from lab.training.export import export
from lab.training.recipes import RECIPES
from lab.training.recipes.pixel import Pixel
from lab.training.train import Budget, Trainer, run
from tests.benchmarks import _random
from tests.benchmarks._random import Size
from tests.benchmarks._report import compare, line, medians_s, value
from tests.benchmarks.crowd import MODEL, ON_GPU, PROMPT, Race, fraction_of_the_floor, guided, request


@dataclass(frozen=True)
class Plan:
    """How large everything is."""

    device: str
    small: Size
    large: Size
    small_steps: int
    large_steps: int
    rows: tuple[int, ...]  # of the calls that are timed
    calls: int  # that one timing takes
    matrix: int  # side of the matrices whose product is the floor
    training: dict[str, Any]  # what differs from the recipe's options
    training_s: float | None = None  # None: all that is left
    repeats: int = 2  # of what is compared with diffusers


TINY = Size(
    "a tiny size",
    side=16,
    unet={
        "block_out_channels": (8, 16), "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"), "layers_per_block": 1,
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "cross_attention_dim": 16, "attention_head_dim": 2,
        "norm_num_groups": 4,
    },
    autoencoder=(4, 8),
    encoders=({"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},),
)  # fmt: skip
TINY_XL = replace(
    TINY,
    title="a tiny XL's size",
    unet={
        **TINY.unet, "cross_attention_dim": 32, "addition_embed_type": "text_time", "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 16 + 6 * 8,
    },
    encoders=(*TINY.encoders, {**TINY.encoders[0], "projection_dim": 16}),
)  # fmt: skip
DRY = Plan(
    "cpu", TINY, TINY_XL, small_steps=2, large_steps=2, rows=(2,), calls=1, matrix=128, training_s=0.5, repeats=1,
    training={"batch": 2, "channels": (32, 32), "resolution": 8, "people": 0},
)  # fmt: skip
PIXEL = ASSETS / "models" / "pixel" / "unet"  # what the training goes on from
FULL = Plan(
    "cuda", _random.STABLE_DIFFUSION, _random.XL, small_steps=25, large_steps=10, rows=(2, 16), calls=10, matrix=8192,
    training=RECIPES["pixel"].on_gpu | {"people": 0, "start": str(PIXEL), "channels": (32, 64, 96)},
)  # fmt: skip

LAST_S = 20.0  # of a training, for the last sheet and the export


@dataclass
class Drill:
    """What the steps share: how large, where random weights lie, and where what remains goes."""

    plan: Plan
    folder: Path
    out: Path
    ends: list[Callable[[], object]] = field(default_factory=list)  # what tidies up behind a step

    def settings(self, **more: Any) -> Settings:
        """The lab's own, with room for XL in the host, through which weights pass."""
        return Settings(device=self.plan.device, cpu_engine="torch", host_budget_gb=32, **more)

    @property
    def device(self) -> torch.device:
        return torch.device(self.plan.device)

    def written(self, size: Size) -> Path:
        """The folder of a pipeline of this size, written first where it is not there."""
        folder = self.folder / size.title
        if not (folder / "model_index.json").exists():  # what is written last
            _random.write(folder, size, self.device)
        return folder

    def cache(self, settings: Settings) -> ModelCache[Any]:
        """A cache whose models leave the device behind the step."""
        cache = make_cache(settings)
        self.ends.append(lambda: emptied(cache))
        return cache

    def machine(self) -> None:
        """What all figures are of."""
        name, memory = "CPU", os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if self.device.type == "cuda":
            name, memory = torch.cuda.get_device_name(), torch.cuda.get_device_properties(0).total_memory
        line(figure="machine", value=name, memory_gb=memory / 1e9, torch=torch.__version__, cuda=torch.version.cuda)

    def tidy(self) -> None:
        """Give back what a step took of the device."""
        while self.ends:
            self.ends.pop()()
        if self.device.type == "cuda":
            gc.collect()
            torch.cuda.empty_cache()


def emptied(cache: ModelCache[Any]) -> None:
    """All models that nobody leases off the device; without one there is nothing to free."""
    while cache.device.type != "cpu" and cache.shed():
        pass


@contextmanager
def row(table: dict[str, Any], name: str, of: str = "", /, **changed: Any) -> Iterator[None]:
    """The row `name` of a table of the catalog with some fields changed, or a new one like the row `of`; as before afterwards."""
    before = table.get(name)
    table[name] = replace(table[of or name], **changed)
    try:
        yield
    finally:
        if before is None:
            del table[name]
        else:
            table[name] = before


def model(folder: Path, size: Size, name: str = MODEL) -> Any:
    """The text-to-image model, or one of another name, is that of a folder."""
    return row(MODELS, name, MODEL, name=name, source=str(folder), size=size.side, conditions=("prompt",))


def race(drill: Drill, size: Size, steps: int, seconds: float) -> None:
    """One user, many, and a sweep, against diffusers' pipeline; the fraction of the floor."""
    plan, settings, folder = drill.plan, drill.settings(), drill.folder / size.title
    pipeline = _random.write(folder, size, drill.device).to(pick_dtype(settings))
    words = f"{size.title}, {plan.device}"
    with model(folder, size):
        backend = LocalBackend(settings, drill.cache(settings))
        against = Race(backend, pipeline, words, ON_GPU, steps, plan.repeats, most_s=seconds / 6)
        drill.ends.append(against.stop.set)
        began = time.monotonic()
        against.run(guided(steps=steps))
        value(f"seconds from files to a first picture of {steps} steps; {words}", time.monotonic() - began)
        fraction_of_the_floor(
            backend, words, calls=max(1, plan.calls // (1 + (size == plan.large) * 3)), side=plan.matrix
        )
        against.crowd()
        against.sweep()
        against.alone()


def stable_diffusion(drill: Drill, seconds: float) -> None:
    race(drill, drill.plan.small, drill.plan.small_steps, seconds)


def xl(drill: Drill, seconds: float) -> None:
    race(drill, drill.plan.large, drill.plan.large_steps, seconds)


def calls_of(loaded: Any, rows: int, calls: int) -> Callable[[], object]:
    """So many calls of a model's denoiser."""
    denoiser, prompt = loaded.denoiser(request(guided()).forward), loaded.conditioning(Condition(prompt=PROMPT))
    x, t = torch.randn(rows, *denoiser.shape), torch.full((rows,), 500.0)
    return lambda: [denoiser(x, t, [prompt] * rows) for _ in range(calls)]


def channels_last(drill: Drill, seconds: float) -> None:
    """Calls of the UNet with its weights channels last, as the lab has them on CUDA, and as torch lays them out by itself."""
    plan, times = drill.plan, {}
    with model(drill.written(plan.small), plan.small), drill.cache(drill.settings()).lease(MODEL) as loaded:
        unet = loaded.denoiser(request(guided()).forward).unet
        for layout in (torch.channels_last, torch.contiguous_format):
            unet.to(memory_format=layout)
            for rows in plan.rows:
                (times[layout, rows],) = medians_s(calls_of(loaded, rows, plan.calls))
    for rows in plan.rows:
        on, off = (times[layout, rows] / plan.calls for layout in (torch.channels_last, torch.contiguous_format))
        compare(f"channels_last, a call of {rows} rows; {plan.small.title}, {plan.device}", on, off, "at most 1.00")


def compiled(drill: Drill, seconds: float) -> None:
    """Calls of the UNet with LAB_COMPILE_BLOCKS and without; without CUDA the setting does nothing."""
    plan, times, words = drill.plan, {}, f"{drill.plan.small.title}, {drill.plan.device}"
    with model(drill.written(plan.small), plan.small):
        for on in (False, True):
            with drill.cache(drill.settings(compile_blocks=on)).lease(MODEL) as loaded:
                began = time.monotonic()
                for rows in plan.rows:
                    calls_of(loaded, rows, 1)()
                value(
                    f"seconds of the first calls, torch.compile {'on' if on else 'off'}; {words}",
                    time.monotonic() - began,
                )
                for rows in plan.rows:
                    (times[on, rows],) = medians_s(calls_of(loaded, rows, plan.calls))
    for rows in plan.rows:
        on, off = times[True, rows] / plan.calls, times[False, rows] / plan.calls
        compare(f"torch.compile, a call of {rows} rows; {words}", on, off, "at most 0.90")


def four_tabs(drill: Drill, seconds: float) -> None:
    """Bytes that are resident after the models of four tabs share a cache: text to image, a ControlNet of it, what fills holes,
    and XL."""
    plan, device = drill.plan, drill.device
    base, control, holes = drill.written(plan.small), drill.folder / "control", drill.folder / "inpainting"
    _random.write_control(control, base, device)
    _random.write_inpainting(holes, base, device)
    large = drill.written(plan.large)
    drill.tidy()
    on_cuda = device.type == "cuda"
    before = torch.cuda.memory_allocated() if on_cuda else 0
    with ExitStack() as stack:
        stack.enter_context(model(base, plan.small))
        stack.enter_context(row(CONTROLS, "edges", source=str(control)))
        stack.enter_context(row(HELPERS, "inpainting", source=str(holes)))
        stack.enter_context(model(large, plan.large, "xl"))
        cache = drill.cache(drill.settings())
        for count, name in enumerate((MODEL, "edges", "inpainting", "xl"), 1):
            stack.enter_context(cache.lease(name))
            used, alone = cache.used()[not on_cuda], sum(held.nbytes for held in cache.resident())
            more = {"allocated_gb": (torch.cuda.memory_allocated() - before) / 1e9} if on_cuda else {}
            value(f"memory of {count} tabs, GB; {plan.device}", used / 1e9, unshared_gb=alone / 1e9, last=name, **more)


def training(drill: Drill, seconds: float) -> None:
    """The shipped pixel model trained on; its weights go to OUT/pixel."""
    plan, device, end = drill.plan, drill.device, time.monotonic() + seconds - LAST_S
    options = replace(RECIPES["pixel"].options, **plan.training)
    recipe = Pixel(options, load_corpus(ASSETS / "pictures", options.size, options.people), device, no_bases)
    before = loss(recipe, recipe.model)
    left = end - time.monotonic()
    budget = left if plan.training_s is None else min(left, plan.training_s)
    trainer = Trainer(recipe, Budget(budget / 60))
    runs = drill.folder / "runs" / "pixel"
    run(trainer, runs, checkpoint_minutes=math.inf, sheet_minutes=math.inf, deadline=end)
    export(runs / "model", drill.out / "pixel")
    for sheet in runs.glob("sheet-*.png"):
        shutil.copyfile(sheet, drill.out / "pixel" / "sheet.png")
    value("steps of training a second; pixel", trainer.step / trainer.seconds, batch=options.batch, steps=trainer.step)
    compare("loss of the training pictures after and before; pixel", loss(recipe, trainer.ema), before, "below 1.00")
    largest = max(file.stat().st_size for file in drill.out.rglob("*") if file.is_file())
    value("largest file that is left, MB", largest / 1e6, aim="at most 16")


def no_bases(name: str) -> Path:
    raise LookupError(f"The pixel model stands on no {name}.")


@torch.no_grad()
def loss(recipe: Pixel, network: Any, batches: int = 16) -> float:
    """Mean loss of the same batches under the same noise."""
    rngs = (torch.Generator(recipe.device).manual_seed(seed) for seed in range(batches))
    return fmean(float(recipe.loss(network, rng)["loss"]) for rng in rngs)


@dataclass(frozen=True)
class Step:
    """A step and its budget in seconds. It begins where at least the share `least` of that is left."""

    title: str
    seconds: float
    run: Callable[[Drill, float], None]
    least: float = 0.5


STEPS = (
    Step("the crowd at Stable Diffusion 1.5's size", 100, stable_diffusion),
    Step("the crowd at XL's size", 120, xl),
    Step("channels_last", 20, channels_last),
    Step("torch.compile", 60, compiled),
    Step("memory of four tabs", 45, four_tabs),
    Step("training", 100, training),  # gets all that is left
)
