"""Prompts as latent diffusion reads them: by one text encoder (Rombach et al. 2022), or by SDXL's two (Podell et al. 2023)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

CACHED_PROMPTS = 256


def embed_scale(scale: Tensor, width: int) -> Tensor:
    """A guidance scale (n,) as a distilled UNet is told it (Luo et al. 2023, LCM): sinusoids of 1000 (scale - 1),
    (n, width), as in diffusers' StableDiffusionPipeline. `width` is even, at least 4."""
    spacing = math.log(10_000.0) / (width // 2 - 1)
    frequencies = torch.exp(-spacing * torch.arange(width // 2, device=scale.device))
    angles = 1000.0 * (scale - 1)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


@dataclass(frozen=True, eq=False)
class Encoded:
    """What a UNet is told of a prompt; on the CPU."""

    hidden: Tensor  # (tokens, width)
    added: tuple[Tensor, ...] = ()  # SDXL: pooled (width,) and the picture's sizes (6,)
    scale: float = 1.0  # of guidance; read only by a UNet that was distilled with it (LCM)


class PromptReader:
    """Reads prompts with pairs of tokenizer and text encoder, and remembers the latest. Safe to share.

    With one encoder the UNet reads its last hidden states; with two, as SDXL has it, the last but one of both side by
    side, and the second one's pooled state with the picture's size. `zeros`: no prompt at all is read as zeros.
    """

    def __init__(self, encoders: Sequence[tuple[Any, Any]], side: int, zeros: bool = False) -> None:
        self._encoders, self._side, self._zeros = tuple(encoders), side, zeros
        self.read = lru_cache(maxsize=CACHED_PROMPTS)(self._read)

    @torch.inference_mode()
    def _read(self, prompt: str) -> Encoded:
        outputs = [
            text(self._tokens(tokenizer, prompt).to(next(text.parameters()).device), output_hidden_states=True)
            for tokenizer, text in self._encoders
        ]
        if len(outputs) == 1:
            return Encoded(outputs[0][0][0].cpu())
        hidden = torch.cat([output.hidden_states[-2][0] for output in outputs], dim=-1).cpu()
        pooled = outputs[-1][0][0].cpu()
        if not prompt and self._zeros:
            hidden, pooled = torch.zeros_like(hidden), torch.zeros_like(pooled)
        side = float(self._side)
        return Encoded(hidden, (pooled, torch.tensor([side, side, 0.0, 0.0, side, side], dtype=pooled.dtype)))

    @staticmethod
    def _tokens(tokenizer: Any, prompt: str) -> Tensor:
        return tokenizer(
            prompt, padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
        ).input_ids
