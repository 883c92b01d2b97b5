"""Pictures to tensors and back."""

import numpy as np
import torch
from torch import Tensor


def to_uint8(x: Tensor) -> np.ndarray:
    """(channels, height, width) in [-1, 1], clipped there -> (height, width, channels) uint8."""
    return ((x.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def to_signed(picture: np.ndarray, side: tuple[int, int]) -> Tensor:
    """(height, width, 3) uint8 RGB of any size -> (3, *side) float32 in [-1, 1]."""
    pixels = torch.tensor(picture).permute(2, 0, 1)[None].float() / 127.5 - 1
    if pixels.shape[2:] != side:
        pixels = torch.nn.functional.interpolate(pixels, side, mode="bicubic", antialias=True, align_corners=False)
    return pixels[0].clamp(-1, 1)


def all_to_signed(pictures: np.ndarray) -> Tensor:
    """(n, height, width, 3) uint8 RGB -> (n, 3, height, width) float32 in [-1, 1]."""
    return torch.tensor(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


class PixelSpace:
    """What a model whose x_0 is a picture, (3, height, width) in [-1, 1], says of pictures: part of a LoadedModel."""

    latent, tiny = False, None

    def to_values(self, x_0: Tensor) -> Tensor:
        """As LoadedModel.to_values."""
        return x_0.float().cpu()

    def to_picture(self, x_0: Tensor) -> np.ndarray:
        """As LoadedModel.to_picture."""
        return to_uint8(x_0)

    def preview(self, x: Tensor) -> np.ndarray:
        """As LoadedModel.preview."""
        return to_uint8(x)
