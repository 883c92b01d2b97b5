"""The CLIP score: how well a picture fits a caption, by the lab's own small CLIP (Radford et al. 2021)."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import CLIPTextModelWithProjection, CLIPTokenizer, CLIPVisionModelWithProjection

from lab.models.cache import Shelf, alone
from lab.models.sources import content_key
from lab.models.tensors import to_signed


class LoadedClip:
    """Text and image encoder with their tokenizer. Safe to share."""

    def __init__(
        self, text: CLIPTextModelWithProjection, image: CLIPVisionModelWithProjection, tokenizer: CLIPTokenizer
    ) -> None:
        self.text, self.image, self.tokenizer = text, image, tokenizer
        side = image.config.image_size
        self._side = (side, side)

    @torch.inference_mode()
    def score(self, picture: np.ndarray, caption: str) -> float:
        """Cosine of the embeddings of a picture (height, width, 3) uint8 and a caption, in [-1, 1]."""
        tokens = self.tokenizer(
            caption, truncation=True, max_length=self.tokenizer.model_max_length, return_tensors="pt"
        ).input_ids
        text = self.text(input_ids=tokens.to(self.text.device)).text_embeds[0]
        pixels = to_signed(picture, self._side)[None].to(self.image.device)
        image = self.image(pixel_values=pixels).image_embeds[0]
        return float(torch.cosine_similarity(image, text, dim=0))


def read_clip(folder: Path, shelf: Shelf = alone) -> LoadedClip:
    """The CLIP in a folder, in float32: both encoders together cost less than one denoiser call."""

    def part(name: str, kind: type) -> Any:
        def read() -> Any:
            return kind.from_pretrained(folder / name).float().eval().requires_grad_(False)  # type: ignore[attr-defined]

        return shelf(content_key(folder / name), read)

    return LoadedClip(
        part("text_encoder", CLIPTextModelWithProjection),
        part("image_encoder", CLIPVisionModelWithProjection),
        CLIPTokenizer.from_pretrained(folder / "tokenizer"),
    )
