"""Diffusion on pixels (Ho et al. 2020): a UNet2DModel with its scheduler, unconditional or conditioned on classes.

A folder holds `unet/`, `scheduler/` and, for a class-conditional model, `classes.json`: the names of the classes in
order, the null class last (Ho and Salimans 2022).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import UNet2DModel
from torch import Tensor, nn

from lab.engine.denoisers import recording
from lab.engine.predictions import join_prediction, split_prediction
from lab.engine.process import VariancePreserving
from lab.models.cache import Shelf, alone, first_line
from lab.models.compiled import Engines, Workshop
from lab.models.parts import read_network, read_scheduler, side_of, without_paths
from lab.models.sources import content_key
from lab.models.tensors import PixelSpace, to_signed
from lab.requests.base import LabError
from lab.requests.fields import Condition, Forward


class Denoise(nn.Module):
    """The UNet as the engines call it: x_t, t and, for a class-conditional one, the classes -> its output."""

    def __init__(self, unet: UNet2DModel) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, x: Tensor, t: Tensor, *classes: Tensor) -> tuple[Tensor]:
        return self.unet(x, t, *classes, return_dict=False)


class PixelDenoiser:
    """A UNet2DModel as a `Denoiser`; a row's conditioning is its class number. In and out on the CPU.

    Where the folder's scheduler clips the predicted x_0 to the range of pixels, so does the denoiser, for whatever
    sampler it serves: where alpha-bar is near 0 the least error of eps is a large one of x_0 (Ho et al. 2020, code).
    """

    def __init__(self, unet: UNet2DModel, scheduler: Any, engines: Engines) -> None:
        self.unet, self._engines, self._classes = unet, engines, unet.config.num_class_embeds
        self._weight = next(
            unet.parameters()
        )  # says where all are; asking the UNet walks through its modules each time
        self.process = VariancePreserving(scheduler.alphas_cumprod)
        self.prediction_type: str = scheduler.config.prediction_type
        clips = scheduler.config.get("clip_sample")
        self.limit: float | None = scheduler.config.clip_sample_range if clips else None
        side = side_of(unet.config, "unet")
        self.shape = (unet.config.in_channels, side, side)

    def __call__(self, x_t: Tensor, t: Tensor, conditioning: Sequence[int]) -> Tensor:
        """Predict for rows x_t (rows, channels, height, width); twice the channels where the variance is learned."""
        with torch.inference_mode(not recording(x_t)):
            x = x_t.to(self._weight)
            classes = [torch.tensor(conditioning, device=x.device)] if self._classes else []
            inputs = (x, t.to(x), *classes)
            engine = self._engines("denoiser", lambda: Denoise(self.unet), inputs)
            prediction = engine(*inputs)[0].float().cpu()
            return prediction if self.limit is None else self._clipped(prediction, x_t, t, self.limit)

    def _clipped(self, prediction: Tensor, x_t: Tensor, t: Tensor, limit: float) -> Tensor:
        """The prediction whose x_0 is within the limit; the same where it already was, and the variance as it is."""
        own, variance = prediction[:, : x_t.shape[1]], prediction[:, x_t.shape[1] :]
        level = self.process.level(t[:, None, None, None])
        x_0, _ = split_prediction(own, x_t, level, self.prediction_type)
        clipped = join_prediction(x_0.clamp(-limit, limit), x_t, level, self.prediction_type).float()
        return torch.cat([torch.where(x_0.abs() <= limit, own, clipped), variance], dim=1)


class LoadedPixel(PixelSpace):
    """A pixel diffusion model on its device. Safe to share."""

    distilled = False

    def __init__(self, unet: UNet2DModel, scheduler: Any, engines: Engines, classes: Sequence[str]) -> None:
        self._denoiser = PixelDenoiser(unet, scheduler, engines)
        self.shape, self.side = self._denoiser.shape, self._denoiser.shape[1]
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

    def unread(self, condition: Condition, negative: str = "") -> Sequence[str]:
        return ()

    def knowing(self, x_0: Tensor, conditioning: int | None = None) -> int:
        return self.unconditional() if conditioning is None else conditioning

    def from_picture(self, picture: np.ndarray) -> Tensor:
        return to_signed(picture, self.shape[1:])

    def nearest(self, x_0: Tensor) -> None:
        return None


def read_pixel(folder: Path, shelf: Shelf = alone, workshop: Workshop | None = None, name: str = "") -> LoadedPixel:
    """The model in a folder, compiled by `workshop`. Raises LabError where its parts do not go together."""
    if not (folder / "unet").is_dir():
        raise LabError("Its folder unet is missing.")

    def read() -> UNet2DModel:
        return read_network(folder / "unet", UNet2DModel, torch.float32)

    key = content_key(folder / "unet")
    unet, engines = shelf(key, read), shelf(f"{key}/engines", lambda: Engines(key, workshop, name))
    scheduler = read_scheduler(folder / "scheduler")
    _check_channels(unet.config, scheduler.config.get("variance_type"))
    loaded = LoadedPixel(unet, scheduler, engines, read_classes(folder, unet.config.num_class_embeds or 0))
    _try_out(unet)
    return loaded


def _check_channels(config: Any, variance_type: str | None) -> None:
    """Refuse what does not draw RGB, and a learned variance of which the network or the scheduler knows nothing."""
    learned = str(variance_type).startswith("learned")
    if variance_type == "learned":
        raise LabError("Its scheduler's variance_type is learned; the lab knows the learned_range of Improved DDPM.")
    if (config.in_channels, config.out_channels) != (3, 6 if learned else 3):
        raise LabError(
            f"Its unet takes {config.in_channels} channels and gives {config.out_channels}; pictures have 3, and with "
            f"the variance_type {variance_type} of its scheduler it should give {6 if learned else 3}."
        )


def read_classes(folder: Path, number: int, part: str = "unet") -> Sequence[str]:
    """The names in classes.json, as many as the network `part` has classes; none for a network without."""
    if not number:
        return ()
    try:
        names = json.loads((folder / "classes.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LabError(f"Its {part} has {number} classes, and there is no classes.json that can be read.") from error
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names) and len(names) == number):
        raise LabError(f"Its {part} has {number} classes; classes.json must be a list of as many names.")
    return names


@torch.inference_mode()
def _try_out(unet: UNet2DModel) -> None:
    """One call on zeros, as few as the network takes, where it lies: in float32 in host memory."""
    side, weight = 2 ** (len(unet.config.block_out_channels) - 1), next(unet.parameters())
    label = torch.zeros(1, dtype=torch.long, device=weight.device) if unet.config.num_class_embeds else None
    try:
        finite = unet(weight.new_zeros(1, 3, side, side), 0, class_labels=label).sample.isfinite().all()
    except (RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise LabError(f"Its unet cannot be called on a picture ({without_paths(first_line(error))}).") from error
    if not finite:
        raise LabError("Its unet gives values that are not finite: its weights are damaged.")
