"""What of the Hugging Face hub is on this machine, by its own cache (`huggingface_hub`), and whether it is whole.

Nothing here asks a network or needs torch. Names of files are those that diffusers and transformers write.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from huggingface_hub import constants, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

DESCRIBED_BY = ("model_index.json", "config.json")  # one of them is in every model's repository
STEMS = ("diffusion_pytorch_model", "model")  # of weights: diffusers' and transformers'
VARIANTS = ("", "fp16")
SUPER_RESOLUTION = ("super_res_first", "super_res_last", "super_res_scheduler")  # of UnCLIPPipeline
EXTRAS = ("safety_checker", "feature_extractor", "image_encoder", *SUPER_RESOLUTION)  # the lab draws without them
EMBEDS = ("feature_extractor", "image_encoder")  # but where an unCLIP pipeline names them


def copy_of(source: str) -> Path | None:
    """The folder of a hub id, "owner/name@revision", in the hub's cache, whole or not; None where there is none."""
    name, _, revision = source.partition("@")
    with suppress(HFValidationError):  # a folder that is gone, not a hub id
        for file in DESCRIBED_BY:
            path = try_to_load_from_cache(name, file, constants.HF_HUB_CACHE, revision or None)
            if isinstance(path, str):
                return Path(path).parent
    return None


def whole_copy_of(source: str) -> Path | None:
    """The folder of a hub id in the hub's cache, where nothing is missing that a model or ControlNet is loaded from."""
    folder = copy_of(source)
    return folder if folder and not gap_in(folder) else None


def gap_in(folder: Path) -> str:
    """The first thing that a model's or ControlNet's folder lacks, as "unet/config.json" or "weights in unet"; else ""."""
    if not (folder / "model_index.json").is_file():
        return _gap_in_network(folder, "")
    index = read_json(folder / "model_index.json")
    if index is None:
        return "a readable model_index.json"
    extras = set(EXTRAS) - set(EMBEDS if "UnCLIP" in str(index.get("_class_name")) else ())
    parts = {name: kind for name, kind in index.items() if isinstance(kind, list) and name not in extras and all(kind)}
    for name in parts:
        part = folder / name
        if name.endswith("scheduler"):
            gap = _gap_in_file(part, "scheduler_config.json")
        elif name == "feature_extractor":
            gap = _gap_in_file(part, "preprocessor_config.json")
        elif "tokenizer" in name:
            gap = "" if has_vocabulary(part) else f"a vocabulary in {name}"
        else:
            gap = _gap_in_network(part, name)
        if gap:
            return gap
    return "" if parts else "the names of its parts"


def _gap_in_file(part: Path, file: str) -> str:
    return "" if (part / file).is_file() else f"{part.name}/{file}"


def _gap_in_network(part: Path, name: str) -> str:
    if not (part / "config.json").is_file():
        return f"{name}/config.json".removeprefix("/")
    return "" if whole_variants(part) else f"weights in {name}".removesuffix(" in ")


def has_vocabulary(tokenizer: Path) -> bool:
    """Whether a tokenizer's folder says what its tokens are; without that transformers makes an empty one."""
    files = ("tokenizer.json",), ("vocab.json", "merges.txt")
    return any(all((tokenizer / file).is_file() for file in both) for both in files)


def whole_variants(part: Path, stems: Sequence[str] = STEMS) -> tuple[str, ...]:
    """Which of VARIANTS a network's folder has all safetensors of: in one file, or in every shard of its index."""
    return tuple(variant for variant in VARIANTS if any(_whole(part, stem, variant) for stem in stems))


def _whole(part: Path, stem: str, variant: str) -> bool:
    dotted = f".{variant}" if variant else ""
    if (part / f"{stem}{dotted}.safetensors").is_file():
        return True
    index = read_json(part / f"{stem}.safetensors.index{dotted}.json") or {}
    shards = set(index.get("weight_map", {}).values())
    return bool(shards) and all((part / shard).is_file() for shard in shards)


def read_json(file: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None where there is no such file, or it holds something else."""
    with suppress(OSError, ValueError):
        content = json.loads(file.read_text(encoding="utf-8"))
        return content if isinstance(content, dict) else None
    return None
