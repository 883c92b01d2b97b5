"""`python -m lab.training all`: train every model of the lab again, in the order in which they stand on one another.

A job is one recipe with its budget. It is done once its run has spent the budget above the models that lie below it now:
a base that was trained anew makes what stands on it stale. Every run goes on from its checkpoint, so the same command
after a stop, at any point, resumes the queue.
"""

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

import torch
from safetensors.torch import load_file

from lab.training.corpus import Corpus
from lab.training.export import export
from lab.training.recipes import RECIPES, folder_of
from lab.training.train import CHECKPOINT, SUMMARY, Budget, Models, Trainer, run

BASES = "bases.json"  # beside a run's checkpoint: the fingerprints of the models that it stands on
GPU_ROUND_MINUTES = 8.0  # all recipes together; whoever has a GPU for a quarter of an hour ends with better models


class State(Enum):
    """How a job stands."""

    NEW = "to be trained"
    STARTED = "to be resumed"
    STALE = "to be trained anew, since a model that it stands on has changed"
    DONE = "done"


@dataclass(frozen=True)
class Queue:
    """What the jobs share: where runs, exports and models lie, and how each corpus is loaded."""

    runs: Path
    models: Models
    load: Callable[[int, int], Corpus]  # size in pixels, number of people
    device: torch.device

    def run(self, names: Sequence[str], hours: float = math.inf, say: Callable[[str], None] = print) -> bool:
        """Train these recipes, each for its budget, until all are done, `hours` are over or SIGTERM arrives. Returns
        whether all are done. A finished model is exported below `runs`/exports, ready to be copied to assets/models.

        On a GPU the budgets are shares of one round of GPU_ROUND_MINUTES; the next call trains another round.
        """
        deadline = time.monotonic() + 3600 * hours
        names = [name for name in RECIPES if name in names]
        another = self.device.type == "cuda" and all(self.state(name) is State.DONE for name in names)
        for place, name in enumerate(names, 1):
            state = self.state(name)
            say(f"{place} of {len(names)}, {name}: {state.value}")
            if state is State.DONE and not another:
                continue
            left = sum(self.minutes(other, names) for other in names[place - 1 :])
            say(f"  {self.minutes(name, names):.0f} minutes for this model, at most {left / 60:.1f} hours to go")
            if not self.train(name, state, self.minutes(name, names), deadline):
                say("  stopped; the same command resumes here")
                return False
            export(self.runs / name / "model", self.runs / "exports" / folder_of(name))
        return True

    def minutes(self, name: str, names: Sequence[str]) -> float:
        """The budget of a recipe among `names`."""
        if self.device.type != "cuda":
            return RECIPES[name].minutes
        return GPU_ROUND_MINUTES * RECIPES[name].minutes / sum(RECIPES[other].minutes for other in names)

    def state(self, name: str) -> State:
        """How the run of a recipe stands."""
        folder = self.runs / name
        if not (folder / CHECKPOINT).exists():
            return State.NEW
        if not (folder / BASES).exists() or json.loads((folder / BASES).read_text()) != self.bases(name):
            return State.STALE
        finished = (folder / SUMMARY).exists() and json.loads((folder / SUMMARY).read_text())["finished"]
        return State.DONE if finished else State.STARTED

    def bases(self, name: str) -> dict[str, str]:
        """Fingerprints of the models that a recipe stands on, by name."""
        return {base: fingerprint(self.models(base)) for base in RECIPES[name].bases}

    def train(self, name: str, state: State, minutes: float, deadline: float) -> bool:
        """Train one recipe from where it stands; returns whether its budget was spent."""
        folder, row = self.runs / name, RECIPES[name]
        if state in (State.NEW, State.STALE):
            shutil.rmtree(folder, ignore_errors=True)
        resumed = state in (State.STARTED, State.DONE)
        checkpoint = torch.load(folder / CHECKPOINT, map_location=self.device) if resumed else None
        options = replace(row.options, **(row.on_gpu if self.device.type == "cuda" else {}))
        if checkpoint:  # with the options that it was begun with
            options = type(row.options)(**checkpoint["options"])
        recipe = row.recipe(options, self.load(options.size, options.people), self.device, self.models)
        trainer = Trainer(recipe, Budget(minutes))
        if checkpoint:
            trainer.load(checkpoint, continues=state is State.STARTED)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SUMMARY).unlink(missing_ok=True)  # of a sitting before this one
        (folder / BASES).write_text(json.dumps(self.bases(name), indent=1))
        return run(trainer, folder, deadline=deadline)


def fingerprint(model: Path) -> str:
    """A digest of a model's weights in float16, so that a model and its export have the same."""
    digest = hashlib.sha256()
    tensors = {
        f"{file.parent.relative_to(model)}/{name}": tensor
        for file in model.rglob("*.safetensors")
        for name, tensor in load_file(file).items()
    }
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update((tensor.half() if tensor.is_floating_point() else tensor).numpy().tobytes())
    return digest.hexdigest()
