"""Diffusion on pixels (Ho et al. 2020): a UNet2DModel with its scheduler, unconditional or conditioned on classes.

A folder holds `unet/`, `scheduler/` and, for a class-conditional model, `classes.json`: the names of the classes in
order, the null class last (Ho and Salimans 2022).
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DModel
from torch import Tensor

from lab.capsule import Condition, Forward, LabError
from lab.engine.samplers import alpha_bar_at, join_prediction, split_prediction
from lab.models.cache import Shelf, alone
from lab.models.sources import content_key
from lab.models.tensors import to_signed, to_uint8


class PixelDenoiser:
    """A UNet2DModel as a `Denoiser`; a row's conditioning is its class number. In and out on the CPU.

    Where the folder's scheduler clips the predicted x_0 to the range of pixels, so does the denoiser, for whatever
    sampler it serves: where alpha-bar is near 0 the least error of eps is a large one of x_0 (Ho et al. 2020, code).
    """

    def __init__(self, unet: UNet2DModel, scheduler: DDPMScheduler) -> None:
        self.unet, self._classes = unet, unet.config.num_class_embeds
        self._weight = next(
            unet.parameters()
        )  # says where all are; asking the UNet walks through its modules each time
        self.alphas_cumprod: Tensor = scheduler.alphas_cumprod
        self.prediction_type: str = scheduler.config.prediction_type
        self.limit: float | None = scheduler.config.clip_sample_range if scheduler.config.clip_sample else None
        self.shape = (unet.config.in_channels, unet.config.sample_size, unet.config.sample_size)

    @torch.inference_mode()
    def __call__(self, x_t: Tensor, t: Tensor, conditioning: Sequence[int]) -> Tensor:
        """Predict for rows x_t (rows, channels, height, width); twice the channels where the variance is learned."""
        x = x_t.to(self._weight)
        classes = torch.tensor(conditioning, device=x.device) if self._classes else None
        prediction = self.unet(x, t.to(x.device), class_labels=classes).sample.float().cpu()
        return prediction if self.limit is None else self._clipped(prediction, x_t, t, self.limit)

    def _clipped(self, prediction: Tensor, x_t: Tensor, t: Tensor, limit: float) -> Tensor:
        """The prediction whose x_0 is within the limit; the same where it already was, and the variance as it is."""
        own, variance = prediction[:, : x_t.shape[1]], prediction[:, x_t.shape[1] :]
        alpha_bar = alpha_bar_at(self.alphas_cumprod, t)[:, None, None, None]
        x_0, _ = split_prediction(own, x_t, alpha_bar, self.prediction_type)
        clipped = join_prediction(x_0.clamp(-limit, limit), x_t, alpha_bar, self.prediction_type).float()
        return torch.cat([torch.where(x_0.abs() <= limit, own, clipped), variance], dim=1)


class LoadedPixel:
    """A pixel diffusion model on its device. Safe to share."""

    latent = distilled = False

    def __init__(self, unet: UNet2DModel, scheduler: DDPMScheduler, classes: Sequence[str]) -> None:
        self._denoiser = PixelDenoiser(unet, scheduler)
        self.shape = self._denoiser.shape
        self.classes = tuple(classes)

    def denoiser(self, forward: Forward) -> PixelDenoiser:
        return self._denoiser

    def conditioning(self, condition: Condition) -> int:
        if not condition.group:
            return self.unconditional()
        if condition.group not in self.classes:
            raise LabError(f"This model knows no class '{condition.group}'; choose one of {', '.join(self.classes)}.")
        return self.classes.index(condition.group)

    def unconditional(self, negative: str = "") -> int:
        return max(len(self.classes) - 1, 0)

    def to_picture(self, x_0: Tensor) -> np.ndarray:
        return to_uint8(x_0)

    def preview(self, x: Tensor) -> np.ndarray:
        return to_uint8(x)

    def from_picture(self, picture: np.ndarray) -> Tensor:
        return to_signed(picture, self.shape[1:])

    def nearest(self, x_0: Tensor) -> None:
        return None


def read_pixel(folder: Path, shelf: Shelf = alone) -> LoadedPixel:
    """The model in a folder."""

    def read() -> UNet2DModel:
        unet = UNet2DModel.from_pretrained(folder / "unet", torch_dtype=torch.float32, low_cpu_mem_usage=False)
        return unet.eval().requires_grad_(False)

    unet = shelf(content_key(folder / "unet"), read)
    scheduler = DDPMScheduler.from_pretrained(folder / "scheduler")
    classes = json.loads((folder / "classes.json").read_text()) if unet.config.num_class_embeds else ()
    if len(classes) != (unet.config.num_class_embeds or 0):
        raise ValueError(f"classes.json names {len(classes)} classes, the network has {unet.config.num_class_embeds}")
    return LoadedPixel(unet, scheduler, classes)
