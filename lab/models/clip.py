"""The CLIP score: how well a picture fits a caption, by the lab's own small CLIP (Radford et al. 2021)."""

from pathlib import Path

import numpy as np
import torch
from transformers import CLIPTextModelWithProjection, CLIPTokenizer, CLIPVisionModelWithProjection

from lab.models.tensors import to_signed


class LoadedClip:
    """Text and image encoder of a folder, on the CPU: both together cost less than one denoiser call. Safe to share."""

    def __init__(self, folder: Path) -> None:
        self.text = CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder").float().eval()
        self.image = CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder").float().eval()
        self.tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        side = self.image.config.image_size
        self._side = (side, side)

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for part in (self.text, self.image) for tensor in part.state_dict().values())

    @torch.inference_mode()
    def score(self, picture: np.ndarray, caption: str) -> float:
        """Cosine of the embeddings of a picture (height, width, 3) uint8 and a caption, in [-1, 1]."""
        tokens = self.tokenizer(
            caption, truncation=True, max_length=self.tokenizer.model_max_length, return_tensors="pt"
        ).input_ids
        text = self.text(input_ids=tokens).text_embeds[0]
        image = self.image(pixel_values=to_signed(picture, self._side)[None]).image_embeds[0]
        return float(torch.cosine_similarity(image, text, dim=0))
