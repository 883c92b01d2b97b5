"""Where weights come from: a folder of the lab, a folder of this machine, or the Hugging Face hub at a revision.

A part of a model (a UNet, a text encoder) is known by its content, so that two models that have the same one share it.
"""

import errno
import hashlib
import json
import struct
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import httpx
import torch
from diffusers import DiffusionPipeline
from huggingface_hub import constants, list_repo_files, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name

from lab.requests.base import LabError
from lab.settings import ASSETS, Settings, allowed
from lab.store import SUPER_RESOLUTION, copy_of, gap_in, whole_copy_of, whole_variants

CHECKSUMS = ASSETS / "models" / "SHA256SUMS"  # of the shipped weights, as `sha256sum` writes them


def folder_of(source: str, settings: Settings, half: bool = False) -> Path:
    """The folder of a catalog row's `source`, downloaded first where it is a hub id ("owner/name@revision").

    What is whole in the hub's cache is taken as it is, in whatever precision, and no network is asked. Else, with `half`,
    the hub's float16 files are fetched where there are some. Only safetensors are ever fetched. Raises LabError where an
    operator has not allowed the id, or the hub cannot be reached.
    """
    folder = folder_at_hand(source)
    if folder is not None:
        return folder
    if Path(source).is_absolute():
        raise LabError(f"There is no folder '{Path(source).name}' where the lab looks for it. Choose another model.")
    copy = copy_of(source)
    problem = (
        f"'{source}' is {f'only partly on this machine ({gap_in(copy)} is missing)' if copy else 'not on this machine'}"
    )
    if not allowed(source, settings):
        raise LabError(f"{problem}, and not among the models that this lab may fetch. Choose another model.")
    if settings.offline or constants.HF_HUB_OFFLINE:
        switch = "the lab is set to stay offline" if settings.offline else "HF_HUB_OFFLINE keeps it from asking the hub"
        raise LabError(f"{problem}, and {switch}. Choose another model.")
    name, _, revision = source.partition("@")
    where: dict[str, Any] = {"revision": revision or None}
    try:
        files = list_repo_files(name, revision=revision or None)
        if "model_index.json" not in files:  # a ControlNet, not a pipeline
            return Path(snapshot_download(name, allow_patterns=_pick(files, half), **where))
        if "text_proj/config.json" in files:  # of UnCLIPPipeline, which diffusers opens and does not fetch any more
            patterns = [*_pick(files, half), "*/merges.txt"]
            ignored = [f"{part}/*" for part in SUPER_RESOLUTION]
            return Path(snapshot_download(name, allow_patterns=patterns, ignore_patterns=ignored, **where))
        variant = "fp16" if half and any(".fp16." in file for file in files) else None
        return Path(DiffusionPipeline.download(name, variant=variant, use_safetensors=True, **where))
    except Exception as error:
        raise LabError(f"{problem}, and {_reason(error)}. Choose another model, or try again later.") from error


def _reason(error: Exception) -> str:
    """Why the hub did not give a model, as the end of a sentence."""
    for cause in _causes(error):
        if isinstance(cause, GatedRepoError):
            return "its authors give it only to those who asked for it on the hub"
        if isinstance(cause, RevisionNotFoundError):
            return "the Hugging Face hub has no such revision of it"
        if isinstance(cause, RepositoryNotFoundError):
            return "the Hugging Face hub has no model of that name, or keeps it private"
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return "this machine's disk is full"
        if isinstance(cause, httpx.TransportError | ConnectionError | TimeoutError | LocalEntryNotFoundError):
            return "the Hugging Face hub cannot be reached"
    return "the Hugging Face hub did not give it"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def folder_at_hand(source: str) -> Path | None:
    """The folder of a `source` that is on this machine already, a whole copy of the hub's included; None where it must
    be fetched."""
    folder = ASSETS / source  # an absolute path stays itself
    return folder if folder.is_dir() else whole_copy_of(source)


def fetched_bytes(source: str) -> int:
    """Bytes of a hub id's files that are on this machine by now, half-written ones included."""
    total = 0
    with suppress(HFValidationError):  # a folder that is gone: its fetch says so
        folder = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=source.partition("@")[0], repo_type="model")
        for file in (folder / "blobs").glob("*"):
            with suppress(OSError):  # a half-written file has just got its name
                total += file.stat().st_size
    return total


def _pick(files: list[str], half: bool) -> list[str]:
    """The configuration and one precision of the weights."""
    weights = [file for file in files if file.endswith(".safetensors")]
    halves = [file for file in weights if ".fp16." in file]
    return ["*.json", *(halves if half and halves else [file for file in weights if ".fp16." not in file])]


def variant_of(part: Path, half: bool) -> str | None:
    """The `variant` to open a network's folder with: "fp16" where it has such files and they are wanted, or no others."""
    whole = whole_variants(part)
    return "fp16" if "fp16" in whole and (half or "" not in whole) else None


def content_key(part: Path, *options: object) -> str:
    """Stands for what a part's folder holds, read with `options`. Raises LabError where shipped weights were damaged."""
    digest = hashlib.sha256(repr(options).encode())
    files = sorted(file for file in part.iterdir() if file.suffix in (".json", ".safetensors"))
    for file in files:
        checksum = _digest(file.resolve(), file.stat().st_size, file.stat().st_mtime_ns)
        if (
            file.is_relative_to(ASSETS)
            and _shipped_checksums().get(str(file.relative_to(CHECKSUMS.parent)), checksum) != checksum
        ):
            raise LabError(f"The file {file.name} of '{part.name}' is damaged. Fetch the lab's assets folder again.")
        digest.update(checksum.encode())
    return digest.hexdigest()


@lru_cache(maxsize=4096)
def _digest(file: Path, size: int, changed: int) -> str:
    if file.parent.name == "blobs":  # the hub's store: files are named by their hash
        return file.name
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@lru_cache(maxsize=1)
def _shipped_checksums() -> dict[str, str]:
    if not CHECKSUMS.exists():
        return {}
    pairs = (line.split(maxsplit=1) for line in CHECKSUMS.read_text().splitlines())
    return {name: digest for digest, name in pairs}


def weight_of(folder: Path, dtype: torch.dtype) -> int:
    """Bytes that the weights below a folder take as `dtype`, from the headers of its files; each name once.

    A file that cannot be read weighs nothing here: loading it is what says so.
    """
    numbers: dict[str, int] = {}
    for file in folder.rglob("*.safetensors"):
        with suppress(OSError, ValueError, struct.error):
            sizes = _sizes(file, file.stat().st_size, file.stat().st_mtime_ns)
            numbers |= {f"{file.parent}/{name}": size for name, size in sizes.items()}
    return sum(numbers.values()) * dtype.itemsize


@lru_cache(maxsize=1024)
def _sizes(file: Path, size: int, changed: int) -> dict[str, int]:
    """Numbers in each tensor of a file, from its header."""
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
    header.pop("__metadata__", None)
    return {name: prod(tensor["shape"]) for name, tensor in header.items()}
