"""From a run to assets/models: half precision, and files small enough for any git host."""

import hashlib
import json
import shutil
from pathlib import Path

from huggingface_hub import save_torch_state_dict
from safetensors.torch import load_file

SHARD = "9MB"


def export(trained: Path, shipped: Path) -> None:
    """Copy a trained model to where the lab finds it: float16, in safetensors files of at most SHARD.

    Files are sharded and indexed as both diffusers and transformers read them; a model card that is there stays.
    """
    for weights in trained.rglob("*.safetensors"):
        target = shipped / weights.parent.relative_to(trained)
        target.mkdir(parents=True, exist_ok=True)
        for old in target.glob(f"{weights.stem}*safetensors*"):
            old.unlink()
        tensors = {
            name: tensor.half().contiguous() if tensor.is_floating_point() else tensor
            for name, tensor in load_file(weights).items()
        }
        save_torch_state_dict(
            tensors, target, filename_pattern=f"{weights.stem}{{suffix}}.safetensors", max_shard_size=SHARD
        )
    for other in trained.rglob("*"):
        if other.is_file() and other.suffix != ".safetensors":
            target = shipped / other.relative_to(trained)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(other, target)
            if other.name == "config.json":
                target.write_text(_placeless(other.read_text()))
    record_checksums(shipped.parent)


def _placeless(config: str) -> str:
    """A configuration without the path that it was read from: what is the same is to look the same, wherever it was."""
    values = json.loads(config)
    values.pop("_name_or_path", None)
    return json.dumps(values, indent=2, sort_keys=True) + "\n"


def record_checksums(models: Path) -> None:
    """Write SHA256SUMS of all weights below a folder, as `sha256sum` does; the lab notices damage by it."""
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(models)}\n"
        for file in sorted(models.rglob("*.safetensors"))
    ]
    (models / "SHA256SUMS").write_text("".join(lines))
