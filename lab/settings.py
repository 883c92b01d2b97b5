"""Settings of the whole lab, read once from the environment (prefix `LAB_`) and frozen.

`table()` renders the documented table in README.md; a test keeps the two equal.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from huggingface_hub import constants
from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from lab.catalog import UNCLIP_PREFIX
from lab.store import whole_copy_of

HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?(@[\w./-]+)?")
ASSETS = Path(__file__).resolve().parent.parent / "assets"


class Settings(BaseSettings):
    """Everything an operator can set. Environment variable: `LAB_` plus the field's name in capitals."""

    model_config = SettingsConfigDict(env_prefix="LAB_", env_ignore_empty=True, frozen=True, extra="ignore")

    host: str = Field(
        "127.0.0.1", description="Address to listen on; 0.0.0.0 for a classroom, and by itself on a Space."
    )
    port: int = Field(7860, ge=1, le=65535, description="Port to listen on.")
    backend: Literal["auto", "local", "zerogpu", "ray"] = Field(
        "auto",
        description="Where runs are executed: in this process, on ZeroGPU, or on a Ray cluster; auto: on ZeroGPU where the "
        "Space has it, else in this process.",
    )
    ray_address: str = Field(
        "", description="The Ray cluster, as ray.init takes it; empty: one that Ray finds or starts on this machine."
    )
    device: str = Field(
        "auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, mps, cuda or cuda:N; auto takes a GPU."
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Precision of the networks; auto: float32 on CPU, bfloat16 on CUDA."
    )
    cpu_engine: Literal["openvino", "torch"] = Field(
        "openvino",
        description="What computes networks on the CPU: compiled by OpenVINO, which is faster, or torch.",
    )
    compile_blocks: bool = Field(
        False, description="On CUDA, compile the UNet's transformer blocks; the first call takes a minute."
    )
    cache_dir: str = Field(
        "", description="Where compiled networks are kept; empty: diffusion-lab in the user's cache."
    )
    threads: int = Field(0, ge=0, le=256, description="CPU threads for the mathematics; 0: one per core.")
    device_budget_gb: float = Field(0, ge=0, description="Memory for models on the accelerator; 0: 80 % of it.")
    host_budget_gb: float = Field(4, gt=0, description="Memory for models in the host.")
    shared_runs_mb: float = Field(
        128,
        ge=0,
        allow_inf_nan=False,
        description="Memory for runs that are computed once for all who press the same; 0: every press computes.",
    )
    queue_size: int = Field(64, ge=1, description="Presses of Run that may wait; one more is refused with a message.")
    max_runs: int = Field(16, ge=1, description="Runs that share the accelerator at one time.")
    max_lanes: int = Field(64, ge=1, description="Pictures one run may make side by side.")
    max_steps: int = Field(1000, ge=1, description="Steps one lane may take.")
    max_lane_steps: int = Field(6000, ge=1, description="Steps one run may take, over all its lanes.")
    max_visitor_lanes: int = Field(
        128, ge=1, description="Pictures one open page may have in the making, over all its tabs and runs."
    )
    max_visitor_steps: int = Field(
        12_000, ge=1, description="Steps one open page may have in the making, over all its tabs and runs."
    )
    max_batch_rows: int = Field(16, ge=1, description="Rows of one denoiser call.")
    max_upload_mb: float = Field(20, gt=0, allow_inf_nan=False, description="Size of an uploaded file.")
    max_upload_pixels: int = Field(40_000_000, ge=4096, description="Pixels of an uploaded picture, before decoding.")
    allowed_models: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Hub models that may be fetched for visitors, comma-separated; empty: none. unclip: before one makes it a "
        "model of the tab unCLIP; behind it a folder of this machine may stand, too. What is whole in the hub's cache on this machine "
        "is offered as well.",
    )
    offline: bool = Field(
        True,
        description="Never ask the Hugging Face hub for anything; what is whole in its cache is used all the same.",
    )

    @property
    def address(self) -> str:
        """`host`; on a Space, whose proxy comes from outside, every address unless an operator chose one."""
        on_space = bool(os.environ.get("SPACE_ID"))
        return "0.0.0.0" if on_space and "host" not in self.model_fields_set else self.host

    @property
    def on_zerogpu(self) -> bool:
        """Whether runs go to ZeroGPU; such a Space says so itself (`spaces/config.py` of the `spaces` package)."""
        has_it = os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")
        return self.backend == "zerogpu" or (self.backend == "auto" and has_it)

    @property
    def most_pressed(self) -> int:
        """Presses of Run that are with the backend at one time, which keeps the line: a few more than it takes, so that
        those are refused by it, in words."""
        return self.max_runs + self.queue_size + 32

    @property
    def cache_folder(self) -> Path:
        """`cache_dir`, or its default."""
        if self.cache_dir:
            return Path(self.cache_dir).expanduser()
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "diffusion-lab"

    @field_validator("allowed_models", mode="before")
    @classmethod
    def _split(cls, names: Any) -> Any:
        return split_names(names) if isinstance(names, str) else names

    @field_validator("allowed_models")
    @classmethod
    def _named(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            source = name.removeprefix(UNCLIP_PREFIX)
            folder = name != source and source.startswith("/")
            if folder and not (Path(source) / "model_index.json").is_file():
                raise ValueError(f"name folders with a model_index.json behind unclip:; {source!r} is none")
            if not folder and not HUB_ID.fullmatch(source):
                also = "" if name == source else f", each behind {UNCLIP_PREFIX}, or {UNCLIP_PREFIX}/FOLDER"
                raise ValueError(
                    f"be hub models as OWNER/NAME or OWNER/NAME@REVISION{also}, comma-separated; {name!r} is none"
                )
        return names


def folder_here(source: str) -> Path | None:
    """The folder of a catalog row's `source` on this machine: shipped, its own, or whole in the hub's cache; else None."""
    folder = ASSETS / source  # an absolute path stays itself
    return folder if folder.exists() else whole_copy_of(source)


def at_hand(source: str, settings: Settings) -> bool:
    """Whether a catalog row's `source` can be loaded here: shipped, a folder of this machine, whole in the hub's cache,
    or a hub id that may be fetched."""
    if folder_here(source):
        return True
    return not settings.offline and not constants.HF_HUB_OFFLINE and allowed(source, settings)


def allowed(source: str, settings: Settings) -> bool:
    """Whether an operator lets a hub id be fetched: by its name, at whatever revision, or at just this one."""
    sources = {name.removeprefix(UNCLIP_PREFIX) for name in settings.allowed_models}
    return bool({source, source.partition("@")[0]} & sources)


def split_names(text: str) -> tuple[str, ...]:
    """The comma-separated names in `text`, blanks dropped."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def table() -> str:
    """The settings as a Markdown table: variable, default, meaning."""
    rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default in ((), None) else f"`{field.default}`"
        rows.append(f"| `LAB_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)
