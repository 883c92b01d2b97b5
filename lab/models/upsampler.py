"""Upsampling by diffusion in pixel space (Saharia et al. 2021, SR3; Nichol et al. 2021, GLIDE, section 4), with noise conditioning
augmentation (Ho et al. 2021, Cascaded Diffusion, section 4.2).

A folder holds `unet/`, a UNet2DModel of six channels in, x_t and the small picture enlarged, three out, to which the step of the
augmentation is told as its class, and `scheduler/`.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DModel
from torch import Tensor
from torch.nn.functional import interpolate

from lab.engine.noising import q_sample
from lab.engine.process import VariancePreserving
from lab.models.cache import Shelf, alone, first_line
from lab.models.compiled import Engines, Workshop
from lab.models.parts import read_network, read_scheduler, without_paths
from lab.models.pixel import Denoise
from lab.models.sources import content_key
from lab.models.tensors import PixelSpace
from lab.requests.base import LabError

FACTOR = 2  # of a side
CHANNELS = 6, 3  # in: x_t and the small picture; out
CLIPPING = {"clip_sample": False, "clip_sample_range": 1.0}  # where a scheduler does not say
SMALLEST = 32  # pixels: the least side that it draws


@dataclass(frozen=True, eq=False)
class SmallPicture:
    """A row's conditioning: the small picture, augmented to step `noise` and enlarged, (3, side, side)."""

    enlarged: Tensor
    noise: int


class UpsamplerDenoiser:
    """The network at one side as a `Denoiser`; a row's conditioning is a SmallPicture of that side. In and out on the CPU."""

    def __init__(
        self, unet: UNet2DModel, process: VariancePreserving, prediction_type: str, engines: Engines, side: int
    ) -> None:
        self.unet, self._engines, self._weight = unet, engines, next(unet.parameters())
        self.process, self.prediction_type = process, prediction_type
        self.shape = (CHANNELS[1], side, side)

    def __call__(self, x_t: Tensor, t: Tensor, conditioning: Sequence[SmallPicture]) -> Tensor:
        """Predict for rows x_t (rows, 3, side, side)."""
        small = torch.stack([row.enlarged for row in conditioning])
        noise = torch.tensor([row.noise for row in conditioning])
        with torch.inference_mode():
            x = torch.cat([x_t, small.to(x_t)], dim=1).to(self._weight)
            inputs = (x, t.to(x), noise.to(x))
            name = f"denoiser-{self.shape[1]}"
            engine = self._engines(name, lambda: Denoise(self.unet), inputs)
            return engine(*inputs)[0].float().cpu()


class LoadedUpsampler(PixelSpace):
    """An upsampler on its device, for pictures of any side that its network takes. Safe to share."""

    def __init__(self, unet: UNet2DModel, scheduler: Any, engines: Engines) -> None:
        self._unet, self._engines, self._config = unet, engines, scheduler.config
        self.process = VariancePreserving(scheduler.alphas_cumprod)
        self._denoisers: dict[int, UpsamplerDenoiser] = {}
        self._lock = threading.Lock()

    @property
    def options(self) -> dict[str, Any]:
        """What its sampler is told beside the timesteps: whether predicted x_0 is clipped to the range of pixels, as the folder's
        scheduler has it, and that the last step ends on predicted x_0."""
        clips = {name: self._config.get(name) or default for name, default in CLIPPING.items()}
        return {**clips, "set_alpha_to_one": True}

    def denoiser(self, side: int) -> UpsamplerDenoiser:
        """The denoiser of pictures of `side` pixels; the same object for the same side, so that runs can share calls."""
        with self._lock:
            if side not in self._denoisers:
                predicts = self._config.prediction_type
                self._denoisers[side] = UpsamplerDenoiser(self._unet, self.process, predicts, self._engines, side)
            return self._denoisers[side]

    def conditioning(self, small: Tensor, noise: int, eps: Tensor) -> SmallPicture:
        """A small picture (3, side, side) in [-1, 1], noised by `eps` to step `noise` of the schedule that it was trained under,
        0 for not at all, and enlarged as in its training."""
        if noise:
            small = q_sample(small, self.process.level(float(noise)), eps)
        return SmallPicture(
            interpolate(small[None], scale_factor=FACTOR, mode="bicubic", align_corners=False)[0], noise
        )


def read_upsampler(
    folder: Path, shelf: Shelf = alone, workshop: Workshop | None = None, name: str = ""
) -> LoadedUpsampler:
    """The upsampler in a folder, compiled by `workshop`. Raises LabError where its parts do not go together."""
    if not (folder / "unet").is_dir():
        raise LabError("Its folder unet is missing.")

    def read() -> UNet2DModel:
        return read_network(folder / "unet", UNet2DModel, torch.float32)

    key = content_key(folder / "unet")
    unet, engines = shelf(key, read), shelf(f"{key}/engines", lambda: Engines(key, workshop, name))
    scheduler = read_scheduler(folder / "scheduler")
    _check(unet.config, scheduler.config)
    loaded = LoadedUpsampler(unet, scheduler, engines)
    _try_out(unet)
    return loaded


def _check(config: Any, scheduler: Any) -> None:
    """Refuse what does not enlarge RGB, is not told the step of augmentation, sees a picture as a whole or learned a variance."""
    if (config.in_channels, config.out_channels) != CHANNELS:
        raise LabError(
            f"Its unet takes {config.in_channels} channels and gives {config.out_channels}; an upsampler takes 6, x_t and the "
            "small picture, and gives 3."
        )
    if config.class_embed_type != "timestep":
        raise LabError(
            f"Its unet has the class_embed_type {config.class_embed_type}; the step of noise augmentation needs timestep."
        )
    blocks = [name for name in (*config.down_block_types, *config.up_block_types) if "Attn" in name]
    if blocks or config.add_attention:
        raise LabError(
            f"Its unet has attention ({blocks[0] if blocks else 'add_attention'}); the lab enlarges pictures of several sizes by "
            "convolutions alone."
        )
    if str(scheduler.get("variance_type")).startswith("learned"):
        raise LabError("Its scheduler's variance_type is learned; an upsampler of the lab has three channels out.")


@torch.inference_mode()
def _try_out(unet: UNet2DModel) -> None:
    """One call on zeros, the smallest that is drawn, where it lies: in float32 in host memory."""
    weight = next(unet.parameters())
    zeros = weight.new_zeros(1, CHANNELS[0], SMALLEST, SMALLEST)
    try:
        finite = unet(zeros, 0, class_labels=weight.new_zeros(1)).sample.isfinite().all()
    except (RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise LabError(f"Its unet cannot be called on a picture ({without_paths(first_line(error))}).") from error
    if not finite:
        raise LabError("Its unet gives values that are not finite: its weights are damaged.")
