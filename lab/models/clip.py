"""The CLIP score: how well a picture fits a caption, by the lab's own small CLIP (Radford et al. 2021)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import CLIPTextModelWithProjection, CLIPTokenizer, CLIPVisionModelWithProjection

from lab.models.cache import Shelf, alone
from lab.models.parts import read_network, read_tokenizer
from lab.models.prompts import Window, first_unread
from lab.models.sources import content_key
from lab.models.tensors import to_signed


class LoadedClip:
    """Text and image encoder with their tokenizer. Safe to share."""

    def __init__(
        self, text: CLIPTextModelWithProjection, image: CLIPVisionModelWithProjection, tokenizer: CLIPTokenizer
    ) -> None:
        self.text, self.image, self._window = text, image, Window(tokenizer, text)
        side = image.config.image_size
        self._side = (side, side)

    @torch.inference_mode()
    def score(self, picture: np.ndarray, caption: str) -> float:
        """Cosine of the embeddings of a picture (height, width, 3) uint8 and a caption, in [-1, 1]."""
        tokens = self._window.tokens(caption).input_ids
        text = self.text(input_ids=tokens.to(self.text.device)).text_embeds[0]
        pixels = to_signed(picture, self._side)[None].to(self.image.device)
        image = self.image(pixel_values=pixels).image_embeds[0]
        return float(torch.cosine_similarity(image, text, dim=0))

    def unread(self, caption: str) -> Sequence[str]:
        """What of a caption the score does not know, in a sentence; none where it knows all."""
        word = first_unread(caption, self._window.read(caption))
        return [f"The CLIP score knows nothing of the prompt from {word} on."] if word else []


def read_clip(folder: Path, shelf: Shelf = alone) -> LoadedClip:
    """The CLIP in a folder, in float32: both encoders together cost less than one denoiser call."""

    def part(name: str, kind: type) -> Any:
        return shelf(content_key(folder / name), lambda: read_network(folder / name, kind, torch.float32))

    return LoadedClip(
        part("text_encoder", CLIPTextModelWithProjection),
        part("image_encoder", CLIPVisionModelWithProjection),
        read_tokenizer(folder / "tokenizer"),
    )
