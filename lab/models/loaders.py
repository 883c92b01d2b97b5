"""One function per model family: a catalog row in, a loaded model out."""

import difflib
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from diffusers import ControlNetModel
from torch import Tensor

from lab.capsule import Condition, Forward, LabError
from lab.catalog import CONTROLS, GROUPS, MODELS, Model
from lab.engine.lanes import Denoiser
from lab.engine.noising import alphas_cumprod
from lab.models.clip import LoadedClip
from lab.models.exact import ExactData, ExactDenoiser, Support
from lab.models.pictures import PictureSet
from lab.models.pixel import read_pixel
from lab.models.stable_diffusion import LoadedStableDiffusion, load_pipeline
from lab.models.tensors import to_signed, to_uint8
from lab.settings import ASSETS, Settings

PREVIEW_EXAMPLES = 48
SCORER = "clip"


class LoadedModel(Protocol):
    """What the operations need of a model, whatever its family."""

    shape: tuple[int, int, int]  # of x_t
    latent: bool  # to_picture is a network's work, and preview is not

    @property
    def nbytes(self) -> int:
        """Bytes it holds, from the tensors."""
        ...

    def denoiser(self, forward: Forward) -> Denoiser:
        """The model under a forward process; the same object for the same process, so that runs can share calls."""
        ...

    def conditioning(self, condition: Condition) -> Any:
        """What the denoiser takes as a row's conditioning. Raises LabError where the condition cannot be met."""
        ...

    def unconditional(self, negative: str = "") -> Any:
        """The conditioning of the unconditional twin, or of a negative prompt in its place."""
        ...

    def to_picture(self, x_0: Tensor) -> np.ndarray:
        """(height, width, 3) uint8 of one x_0 (channels, height, width)."""
        ...

    def preview(self, x: Tensor) -> np.ndarray:
        """(height, width, 3) uint8 of one x_0 or x_t, cheaply; smaller than the picture where that is what is cheap."""
        ...

    def from_picture(self, picture: np.ndarray) -> Tensor:
        """The x_0 (channels, height, width) of an RGB picture of any size, resized to the model's."""
        ...

    def nearest(self, x_0: Tensor) -> tuple[np.ndarray, str, float] | None:
        """The data picture nearest to x_0, its caption and the RMS distance; None where no data is at hand."""
        ...


class LoadedExact:
    """The exact denoiser of a picture set on the device, held-out pictures left out."""

    latent = False

    def __init__(self, pictures: PictureSet, device: torch.device) -> None:
        self.pictures = pictures.select(~pictures.held_out)
        pixels = torch.from_numpy(self.pictures.pixels).permute(0, 3, 1, 2).to(device).float() / 127.5 - 1
        self.data = ExactData(pixels)
        self.shape = self.data.shape
        self._lock = threading.Lock()
        self._denoisers: dict[Forward, ExactDenoiser] = {}
        self._support = lru_cache(maxsize=64)(self._make_support)

    @property
    def nbytes(self) -> int:
        return self.data.nbytes

    def denoiser(self, forward: Forward) -> ExactDenoiser:
        with self._lock:
            if forward not in self._denoisers:
                if len(self._denoisers) >= 64:  # views are small; forget the oldest rather than grow for ever
                    self._denoisers.pop(next(iter(self._denoisers)))
                table = alphas_cumprod(forward.schedule, forward.T, forward.zero_snr)
                self._denoisers[forward] = ExactDenoiser(self.data, table)
            return self._denoisers[forward]

    def conditioning(self, condition: Condition) -> Support:
        if condition == Condition():
            return self.data.everything
        return self._support(condition)

    def unconditional(self, negative: str = "") -> Support:
        """All pictures; or, for a negative prompt, those it finds."""
        return self.conditioning(Condition(prompt=negative))

    def to_picture(self, x_0: Tensor) -> np.ndarray:
        return to_uint8(x_0)

    def preview(self, x: Tensor) -> np.ndarray:
        return to_uint8(x)

    def from_picture(self, picture: np.ndarray) -> Tensor:
        return to_signed(picture, self.shape[1:])

    def nearest(self, x_0: Tensor) -> tuple[np.ndarray, str, float]:
        index, rms = self.data.nearest(x_0)
        return self.pictures.pixels[index], self.pictures.captions[index], rms

    def _make_support(self, condition: Condition) -> Support:
        found = np.flatnonzero(self.pictures.matching(condition.prompt, condition.group, condition.style))
        if len(found) == 0:
            raise LabError(_nothing_matches(condition, self.pictures.captions))
        return self.data.support(torch.from_numpy(found))


def _nothing_matches(condition: Condition, captions: tuple[str, ...]) -> str:
    """What was asked for, and the captions that come nearest to it."""
    asked = [f"'{condition.prompt.strip()[:60]}'"] if condition.prompt.strip() else []
    asked += [f"in {GROUPS[condition.group]}"] if condition.group else []
    asked += [f"in {condition.style}"] if condition.style else []
    names = sorted({caption.split(",")[0] for caption in captions})
    near = difflib.get_close_matches(condition.prompt.strip().lower()[:60], names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else " Try a single word, such as apple, cat or heart."
    return f"No picture matches {' '.join(asked)}.{hint}"


def load_exact(model: Model, settings: Settings) -> LoadedModel:
    """Family "exact": the pictures of a folder, at the model's size."""
    return LoadedExact(PictureSet.load(Path(local(model.source))).resized(model.size), pick_device(settings))


def load_stable_diffusion(model: Model, settings: Settings) -> LoadedModel:
    """Family "stable_diffusion": a folder or hub id that StableDiffusionPipeline opens, with the catalog's controls."""
    device = pick_device(settings)
    dtype = pick_dtype(settings, device)

    def load_control(name: str) -> ControlNetModel:
        try:
            return ControlNetModel.from_pretrained(
                local(CONTROLS[name].source), torch_dtype=dtype, local_files_only=settings.offline, low_cpu_mem_usage=False
            )  # fmt: skip
        except Exception as error:
            raise LabError(f"The control '{CONTROLS[name].title}' could not be loaded: {error}") from error

    pipeline = load_pipeline(local(model.source), dtype, device, settings.offline)
    shipped = PictureSet.load(ASSETS / "pictures")
    examples = shipped.pixels[:: len(shipped) // PREVIEW_EXAMPLES][:PREVIEW_EXAMPLES]
    return LoadedStableDiffusion(pipeline, load_control, model.controls, examples, "style" in model.conditions)


def load_pixel(model: Model, settings: Settings) -> LoadedModel:
    """Family "pixel": a folder with a UNet2DModel and its scheduler."""
    return read_pixel(Path(local(model.source)), pick_device(settings))


FAMILIES: dict[str, Callable[[Model, Settings], LoadedModel]] = {
    "exact": load_exact,
    "stable_diffusion": load_stable_diffusion,
    "pixel": load_pixel,
}


def load(name: str, settings: Settings) -> Any:
    """Load the catalog's model `name`, or the CLIP that scores pictures."""
    if name == SCORER:
        return LoadedClip(ASSETS / "models" / SCORER)
    model = MODELS[name]
    return FAMILIES[model.family](model, settings)


def local(source: str) -> str:
    """A source under assets/ as a path; a folder elsewhere or a hub id as it is."""
    return str(ASSETS / source) if (ASSETS / source).exists() else source


def pick_dtype(settings: Settings, device: torch.device) -> torch.dtype:
    """The precision that the settings ask for; "auto": bfloat16 on CUDA, else float32."""
    if settings.dtype != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[settings.dtype]
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def pick_device(settings: Settings) -> torch.device:
    """The device that the settings ask for; "auto" takes CUDA, then Apple's GPU, then the CPU."""
    if settings.device != "auto":
        return torch.device(settings.device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
