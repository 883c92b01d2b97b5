"""The judge of generated pictures: how well a picture fits a caption, and the features that sets of pictures are compared in.

It shares nothing with what draws, guides or scores in the lab: a convolutional picture encoder (He et al. 2016) and a recurrent
text encoder (Cho et al. 2014), contrastive like CLIP (Radford et al. 2021) but of another architecture, seed, tokenizer and
wording. So it has none of their blind spots, and nothing is judged by what guided it.
"""

import hashlib
import itertools
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn
from torch.nn.functional import normalize, silu
from transformers import CLIPTokenizer

from lab.models.cache import Shelf, alone
from lab.models.parts import read_network, read_tokenizer
from lab.models.prompts import Window, first_unread
from lab.models.sources import content_key
from lab.models.tensors import to_signed

REMEMBERED = 8192  # pictures whose features are remembered: more than the lab's own set has


Pictures = Sequence[np.ndarray] | np.ndarray  # (height, width, 3) uint8 each


class Judge(ModelMixin, ConfigMixin):
    """Four stages of residual blocks, each halving the side; a GRU for the text. Both embed to unit length."""

    @register_to_config
    def __init__(
        self,
        vocab_size: int,
        end: int,
        channels: tuple[int, ...] = (32, 64, 128, 192),
        width: int = 128,
        sample_size: int = 64,
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList(ResidualStage(a, b) for a, b in itertools.pairwise((3, *channels)))
        self.head = nn.Linear(channels[-1], width)
        self.words = nn.Embedding(vocab_size, width)
        self.reader = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.text_head = nn.Linear(2 * width, width)
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())
        self.end = end

    def features(self, pictures: Tensor) -> Tensor:
        """(n, channels[-1]) of pictures (n, 3, height, width) in [-1, 1]: what sets of pictures are compared in."""
        for stage in self.stages:
            pictures = stage(pictures)
        return pictures.mean(dim=(2, 3))

    def embed_images(self, pictures: Tensor) -> Tensor:
        """(n, width) of pictures (n, 3, height, width) in [-1, 1]."""
        return normalize(self.head(self.features(pictures)), dim=-1)

    def embed_texts(self, tokens: Tensor) -> Tensor:
        """(n, width) of tokens (n, length), padded with end tokens."""
        tokens = tokens[:, : int((tokens != self.end).sum(1).max()) + 1]
        states, _ = self.reader(self.words(tokens))
        read = (tokens != self.end).unsqueeze(-1).float()
        return normalize(self.text_head((states * read).sum(1) / read.sum(1).clamp(min=1)), dim=-1)


class ResidualStage(nn.Module):
    """Halve the side, then add two convolutions to what came."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(before, width, 3, stride=2, padding=1)
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for _ in range(2))
        self.convolutions = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        y = x
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            y = convolution(silu(norm(y)))
        return x + y


class LoadedJudge:
    """The network with its tokenizer. Safe to share."""

    def __init__(self, network: Judge, tokenizer: CLIPTokenizer) -> None:
        self.network, self._window = network, Window(tokenizer, network)
        self._side = (network.config.sample_size,) * 2
        self._lock = threading.Lock()
        self._rows: OrderedDict[bytes, np.ndarray] = OrderedDict()  # by content; the least recently used first

    def score(self, picture: np.ndarray, caption: str) -> float:
        """Cosine of the embeddings of a picture (height, width, 3) uint8 and a caption, in [-1, 1]."""
        return float((self.embed_pictures([picture]) @ self.embed_captions([caption]).T).clamp(-1, 1))

    @torch.inference_mode()
    def embed_pictures(self, pictures: Pictures) -> Tensor:
        """(n, width) of unit length, of pictures (height, width, 3) uint8, on the CPU."""
        return self.network.embed_images(self._pixels(pictures)).cpu()

    @torch.inference_mode()
    def embed_captions(self, captions: Sequence[str]) -> Tensor:
        """(n, width) of unit length, on the CPU. Each is read by itself: in a batch the padding would count."""
        tokens = [self._window.tokens(caption).input_ids.to(self._device) for caption in captions]
        return torch.cat([self.network.embed_texts(ids) for ids in tokens]).cpu()

    def unread(self, caption: str) -> Sequence[str]:
        """What of a caption the judge does not know, in a sentence; none where it knows all."""
        word = first_unread(caption, self._window.read(caption))
        return [f"The judge knows nothing of the prompt from {word} on."] if word else []

    def features(self, pictures: Pictures) -> np.ndarray:
        """(n, width) float32 of pictures (height, width, 3) uint8. Those of the latest REMEMBERED pictures are remembered."""
        keys = [hashlib.sha256(f"{picture.shape}".encode() + picture.tobytes()).digest() for picture in pictures]
        with self._lock:
            rows = {key: self._rows[key] for key in keys if key in self._rows}
        new = {key: picture for key, picture in zip(keys, pictures, strict=True) if key not in rows}
        if new:
            rows |= zip(new, self._compute([*new.values()]), strict=True)
        with self._lock:
            self._rows |= rows
            for key in rows:
                self._rows.move_to_end(key)
            while len(self._rows) > REMEMBERED:
                self._rows.popitem(last=False)
        return np.stack([rows[key] for key in keys])

    @torch.inference_mode()
    def _compute(self, pictures: Pictures) -> np.ndarray:
        return self.network.features(self._pixels(pictures)).float().cpu().numpy()

    def _pixels(self, pictures: Pictures) -> Tensor:
        return torch.stack([to_signed(picture, self._side) for picture in pictures]).to(self._device)

    @property
    def _device(self) -> torch.device:
        return self.network.log_scale.device


def read_judge(folder: Path, shelf: Shelf = alone) -> LoadedJudge:
    """The judge in a folder, in float32."""
    network = shelf(content_key(folder), lambda: read_network(folder, Judge, torch.float32, "network"))
    return LoadedJudge(network, read_tokenizer(folder / "tokenizer"))
