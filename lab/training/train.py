"""The training loop that every recipe shares: a generator of steps, and a driver that keeps records of them.

The noise, the pictures and the augmentation of step n come from a generator seeded by (seed, n) alone, so a run
resumed from a checkpoint continues bit for bit as if it had not stopped.
"""

import copy
import json
import math
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from lab.training.corpus import Corpus
from lab.training.records import LOG, Log, Record

CHECKPOINT = "checkpoint.pt"
SUMMARY = "run.json"

Models = Callable[[str], Path]  # a recipe's name -> the folder where its newest export lies


@dataclass(frozen=True)
class Options:
    """What every recipe can be told; a recipe adds its own. A checkpoint remembers them all."""

    size: int = 64  # of the pictures, in pixels
    people: int = 6_000  # how many generated people join the drawings
    seed: int = 0
    batch: int = 32
    lr: float = 1e-3
    weight_decay: float = 0.01
    ema: float = 0.999
    channels: tuple[int, ...] = (64, 96, 128)


M = TypeVar("M", bound=nn.Module)


class Recipe(ABC, Generic[M]):
    """A model and what it is taught: `model` is optimised, `loss` draws a batch and measures it.

    Every constant a step needs (pictures, latents, tokens) lies ready on `device`.
    """

    name: ClassVar[str]
    options: Options
    model: M
    device: torch.device

    @abstractmethod
    def __init__(self, options: Any, corpus: Corpus, device: torch.device, models: Models) -> None: ...

    @abstractmethod
    def loss(self, model: M, rng: torch.Generator) -> dict[str, Tensor]:
        """One batch's loss under "loss", and what else is worth logging; scalars."""

    @abstractmethod
    def sheet(self, model: M) -> np.ndarray:
        """A picture of what the model can do by now, (height, width, 3) uint8; always of the same inputs."""

    @abstractmethod
    def export(self, model: M, folder: Path) -> None:
        """Save in diffusers' or transformers' own folder format."""

    def parameters(self) -> list[nn.Parameter]:
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]


@dataclass(frozen=True)
class Budget:
    """How long to train: a number of steps, or minutes where that is None."""

    minutes: float = 30.0
    steps: int | None = None


@dataclass(frozen=True)
class Sitting:
    """A stretch of training with a budget of its own, begun when so many steps and seconds were done."""

    budget: Budget
    from_step: int = 0
    from_seconds: float = 0.0

    def progress(self, step: int, seconds: float) -> float:
        """Share of the budget that is spent, 0 to 1."""
        if self.budget.steps is not None:
            return min((step - self.from_step) / self.budget.steps, 1.0)
        return min((seconds - self.from_seconds) / (60 * self.budget.minutes), 1.0)


def learning_rate(progress: float, steps: int, warmup: int = 50, cooldown: float = 0.3) -> float:
    """Warm-up, stable, decay: linear, constant, then 1 - sqrt (Hägele et al. 2024); a factor in [0, 1].

    Unlike a cosine it need not know the final length before the cool-down, so that a finished run can be
    continued: the next sitting warms up again to the full rate.
    """
    falling = max(0.0, progress - (1 - cooldown)) / cooldown
    return min(1.0, (steps + 1) / warmup) * (1 - math.sqrt(falling))


class Trainer:
    """A recipe in training: the weights, their moving average, the optimiser and the clock."""

    def __init__(self, recipe: Recipe, budget: Budget) -> None:
        self.recipe = recipe
        self.ema = copy.deepcopy(recipe.model).requires_grad_(False).eval()
        self.optimiser = torch.optim.AdamW(
            recipe.parameters(),
            lr=recipe.options.lr,
            betas=(0.9, 0.99),
            weight_decay=recipe.options.weight_decay,
            fused=True,
        )
        self.step, self.seconds = 0, 0.0
        self.sitting = Sitting(budget)

    def steps(self) -> Iterator[Record]:
        """Train until the budget is spent."""
        recipe = self.recipe
        recipe.model.train()
        while (progress := self.sitting.progress(self.step, self.seconds)) < 1.0:
            started = time.monotonic()
            lr = recipe.options.lr * learning_rate(progress, self.step - self.sitting.from_step)
            for group in self.optimiser.param_groups:
                group["lr"] = lr
            rng = torch.Generator(recipe.device).manual_seed(recipe.options.seed * 2**32 + self.step)
            with torch.autocast(recipe.device.type, torch.bfloat16, enabled=recipe.device.type == "cuda"):
                losses = recipe.loss(recipe.model, rng)
            self.optimiser.zero_grad(set_to_none=True)
            losses["loss"].backward()
            nn.utils.clip_grad_norm_(recipe.parameters(), 1.0)
            self.optimiser.step()
            self._average()
            self.step += 1
            values = {name: float(value.detach()) for name, value in losses.items()}  # waits for the device
            self.seconds += time.monotonic() - started
            yield Record(self.step, progress, self.seconds, lr, values)

    @torch.no_grad()
    def _average(self) -> None:
        """Exponential moving average of the weights; young averages forget faster (as in diffusers' EMAModel)."""
        decay = min(self.recipe.options.ema, (1 + self.step) / (10 + self.step))
        averages, weights = self.ema.state_dict().values(), self.recipe.model.state_dict().values()
        for average, weight in zip(averages, weights, strict=True):
            if average.is_floating_point():
                average.lerp_(weight, 1 - decay)
            else:
                average.copy_(weight)

    def save(self, path: Path) -> None:
        """Write a checkpoint; a crash half-way leaves the previous one."""
        state = {
            "options": asdict(self.recipe.options), "step": self.step, "seconds": self.seconds, "sitting": asdict(self.sitting),
            "model": self.recipe.model.state_dict(), "ema": self.ema.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, path.with_suffix(".tmp"))
        path.with_suffix(".tmp").replace(path)

    def load(self, state: dict[str, Any], continues: bool) -> None:
        """Resume from a checkpoint: its own sitting where it `continues`, else a new one of this trainer's budget."""
        self.recipe.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]
        if continues:
            self.sitting = Sitting(**state["sitting"] | {"budget": Budget(**state["sitting"]["budget"])})
        else:
            self.sitting = Sitting(self.sitting.budget, self.step, self.seconds)


def run(
    trainer: Trainer,
    folder: Path,
    checkpoint_minutes: float = 5.0,
    sheet_minutes: float = 10.0,
    deadline: float = math.inf,  # on time.monotonic()'s clock
) -> bool:
    """Train to the end of the budget, to SIGTERM or to the deadline, keeping in `folder` a checkpoint, a log, sheets and
    the export. Returns whether the budget was spent."""
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    previous = signal.signal(signal.SIGTERM, stop)
    checkpoint_due = time.monotonic() + 60 * checkpoint_minutes
    sheet_due = time.monotonic() + 60 * sheet_minutes
    log = Log(folder / LOG, trainer.step)
    bar = tqdm(total=100, unit="%", desc=trainer.recipe.name, mininterval=10, bar_format="{l_bar}{bar}| {postfix}")
    try:
        for record in trainer.steps():
            log.add(record)
            bar.set_postfix_str(
                f"step {record.step}, loss {log.smooth:.4f}, {record.seconds / 60:.1f} min", refresh=False
            )
            bar.update(100 * record.progress - bar.n)
            if stopping or time.monotonic() > deadline:
                break
            if time.monotonic() > checkpoint_due:
                trainer.save(folder / CHECKPOINT)
                checkpoint_due = time.monotonic() + 60 * checkpoint_minutes
            if time.monotonic() > sheet_due:
                save_sheet(trainer, folder)
                sheet_due = time.monotonic() + 60 * sheet_minutes
    finally:
        signal.signal(signal.SIGTERM, previous)
        bar.close()
        log.close()
    trainer.save(folder / CHECKPOINT)
    trainer.recipe.export(trainer.ema, folder / "model")
    finished = trainer.sitting.progress(trainer.step, trainer.seconds) >= 1.0
    summary = {
        "steps": trainer.step, "minutes": trainer.seconds / 60, "device": trainer.recipe.device.type,
        "finished": finished, "options": asdict(trainer.recipe.options),
    }  # fmt: skip
    (folder / SUMMARY).write_text(json.dumps(summary, indent=1))
    save_sheet(trainer, folder)
    return finished


def save_sheet(trainer: Trainer, folder: Path) -> None:
    """Save what the averaged weights can do by now, named by the step."""
    Image.fromarray(trainer.recipe.sheet(trainer.ema)).save(folder / f"sheet-{trainer.step:07d}.png")
