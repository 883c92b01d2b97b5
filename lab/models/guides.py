"""What pulls a picture by its gradient: a classifier of noisy pictures, a noised CLIP, the exact classifier. Each is a
`Potential` of lab/engine/potentials.py: log p(y | x_t) up to a constant, differentiable in x_t."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, log_softmax, logsigmoid

from lab.engine.denoisers import by_row
from lab.engine.potentials import certainty
from lab.engine.process import Level, VariancePreserving
from lab.models.exact import ExactDenoiser, Support
from lab.models.noisy_encoder import NoisyEncoder
from lab.models.prompts import CACHED_PROMPTS, Window, first_unread
from lab.models.tensors import to_signed
from lab.requests.base import LabError

CLIP_SCALE = 20.0  # of the cosines: what the noised CLIP was trained with, the inverse of its temperature
CLEAN = Level(torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64))


class LoadedNoisy:
    """A network of x_t on its device, with the forward process that it was trained under. Safe to share."""

    def __init__(self, network: NoisyEncoder, scheduler: Any) -> None:
        self.network = network
        self.process = VariancePreserving(scheduler.alphas_cumprod)
        self.side: int = network.config.sample_size

    def outputs(self, x_t: Tensor, level: Level[Tensor]) -> Tensor:
        """(rows, outputs) of x_t (rows, 3, height, width) at the levels of the rows, on the device and in the dtype of x_t."""
        weight = next(self.network.parameters())
        timestep = self.process.timestep(level)
        return self.network((x_t / by_row(level, x_t).norm).to(weight), timestep.to(weight)).to(x_t)


class LoadedClassifier(LoadedNoisy):
    """A classifier of noisy pictures (Dhariwal and Nichol 2021, section 4)."""

    def __init__(self, network: NoisyEncoder, scheduler: Any, classes: Sequence[str]) -> None:
        super().__init__(network, scheduler)
        self.classes = tuple(classes)

    def wanted(self, name: str) -> int:
        """The number of a class. Raises LabError where there is none of this name."""
        if name not in self.classes:
            raise LabError(
                "A classifier pulls towards a group: choose one."
                if not name
                else f"The classifier knows no group '{name}'; choose one of {', '.join(self.classes)}."
            )
        return self.classes.index(name)

    def log_beliefs(self, x_t: Tensor, level: Level[Tensor], temperature: float) -> Tensor:
        """log p(y | x_t), (rows, classes), with the logits divided by the temperature (Guo et al. 2017, eq. 9)."""
        return log_softmax(certainty(level).to(x_t)[:, None] * self.outputs(x_t, level) / temperature, dim=1)


@dataclass(frozen=True)
class Classified:
    """log p(y | x_t) of one class by a classifier."""

    classifier: LoadedClassifier
    wanted: int
    temperature: float = 1.0

    def __call__(self, x_t: Tensor, level: Level[Tensor]) -> Tensor:
        """As Potential."""
        return self.classifier.log_beliefs(x_t, level, self.temperature)[:, self.wanted]


@dataclass(frozen=True)
class ExactlyClassified:
    """log p(y | x_t) of a picture set in closed form: the posterior mass of the pictures of `among` that are
    `wanted` against that of the others. Its logits, the logs of both, are divided by the temperature.

    At temperature 1 its gradient is the difference of two exact scores, of the wanted pictures and of all: at scale s it is
    classifier-free guidance at scale s.
    """

    denoiser: ExactDenoiser
    wanted: Support
    among: Support
    temperature: float = 1.0

    def __call__(self, x_t: Tensor, level: Level[Tensor]) -> Tensor:
        """As Potential."""
        alpha_bar, state = level.alpha_bar, x_t / by_row(level, x_t).norm
        wanted, others = self.denoiser.log_masses(state, alpha_bar, self.among, self.wanted)
        return logsigmoid((wanted - others) / self.temperature).to(x_t)


class LoadedNoisedClip(LoadedNoisy):
    """A CLIP whose image encoder reads x_t (Nichol et al. 2021, GLIDE, section 2.3), with the text encoder of a plain one."""

    def __init__(self, network: NoisyEncoder, scheduler: Any, text: Any, tokenizer: Any) -> None:
        super().__init__(network, scheduler)
        self.text, self._window = text, Window(tokenizer, text)
        self.embedding = lru_cache(maxsize=CACHED_PROMPTS)(self._embed)

    def _embed(self, caption: str) -> Tensor:
        """The embedding of a caption, (width,) on the CPU; an ordinary tensor, whoever comes first."""
        tokens = self._window.tokens(caption).input_ids
        with torch.inference_mode(False), torch.no_grad():
            return self.text(input_ids=tokens.to(self.text.device)).text_embeds[0].float().cpu()

    def cosine(self, x_t: Tensor, level: Level[Tensor], caption: str) -> Tensor:
        """The cosine of x_t and a caption, (rows,) in [-1, 1]."""
        return cosine_similarity(self.outputs(x_t, level), self.embedding(caption).to(x_t)[None], dim=1)

    @torch.no_grad()
    def score(self, picture: np.ndarray, caption: str) -> float:
        """The cosine of a finished picture (height, width, 3) uint8 and a caption, in [-1, 1]."""
        return float(self.cosine(to_signed(picture, (self.side, self.side))[None], CLEAN, caption)[0])

    def unread(self, caption: str) -> Sequence[str]:
        """What of a caption is not read, in a sentence; none where all is."""
        word = first_unread(caption, self._window.read(caption))
        return [f"The CLIP that guides knows nothing of the prompt from {word} on."] if word else []


@dataclass(frozen=True)
class Described:
    """CLIP_SCALE times `certainty` times the cosine of x_t and a caption: what the noised CLIP was trained to have as log p(caption
    | x_t) among the captions of a batch, up to a constant."""

    clip: LoadedNoisedClip
    caption: str

    def __call__(self, x_t: Tensor, level: Level[Tensor]) -> Tensor:
        """As Potential."""
        return CLIP_SCALE * certainty(level).to(x_t) * self.clip.cosine(x_t, level, self.caption)
