"""unCLIP (Ramesh et al. 2022): the parts of a folder that loads as a StableUnCLIPPipeline or a StableUnCLIPImg2ImgPipeline.

A CLIP (Radford et al. 2021) puts pictures and texts into one space. A prior draws the embedding of a picture from words, a diffusion
in that space; a decoder, latent diffusion told an embedding beside its prompt, draws the picture. A folder without a prior still has
the decoder. A folder of the lab's own has one part more, the paper's second way to tell an embedding: as tokens of context.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin, PriorTransformer
from diffusers.configuration_utils import register_to_config
from diffusers.models.embeddings import get_timestep_embedding
from PIL import Image
from torch import Tensor, nn
from transformers import CLIPImageProcessor, CLIPTextModelWithProjection, CLIPVisionModelWithProjection

from lab.engine.embeddings import Components, noised, unit
from lab.engine.noising import gaussian
from lab.engine.process import Level, VariancePreserving
from lab.models.judge import LoadedJudge
from lab.models.pictures import PictureSet
from lab.models.prompts import Window, first_unread
from lab.models.stable_diffusion import LoadedStableDiffusion, TextRow, refusing, smallest_side
from lab.requests.base import LabError
from lab.requests.fields import Condition, Forward

BATCH = 64  # pictures embedded at once
REMEMBERED = 64  # texts


@dataclass(frozen=True, eq=False)
class ReadText:
    """What a CLIP's text encoder says of a text: its embedding (width,), the hidden state of each token (tokens, width), and which
    tokens are the text's, (tokens,) bool; on the CPU."""

    embedding: Tensor
    hidden: Tensor
    mask: Tensor


class EmbeddingContext(ModelMixin, ConfigMixin):
    """A picture's embedding as tokens of context beside the prompt's (Ramesh et al. 2022, section 2.1, which adds four): a network of
    three layers from class labels, the embedding and its level's, of `values`, to `tokens` of `width`."""

    @register_to_config
    def __init__(self, values: int, width: int, tokens: int = 16, hidden: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(values, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, tokens * width)
        )  # fmt: skip

    def forward(self, labels: Tensor) -> Tensor:
        """(n, values) -> (n, tokens, width)."""
        return self.layers(labels).unflatten(1, (self.config.tokens, self.config.width))


class PriorDenoiser:
    """The prior as a `Denoiser` of rows (rows, width), each conditioned on a ReadText (Ramesh et al. 2022, section 2.2). An x_t is an
    embedding in units of each coordinate's deviation; `embedding` brings it back. Where its pipeline clips predicted x_0, a sampler is to
    clip to `clip_range`."""

    def __init__(self, prior: PriorTransformer, scheduler: Any, clip_range: float | None = None) -> None:
        self.prior, self.clip_range = prior, clip_range
        self.process = VariancePreserving(scheduler.alphas_cumprod)
        self.prediction_type: str = scheduler.config.prediction_type
        self.shape: Any = (prior.config.clip_embed_dim or prior.config.embedding_dim,)

    @torch.inference_mode()
    def __call__(self, x_t: Tensor, t: Tensor, conditioning: Sequence[ReadText]) -> Tensor:
        """Predict for rows x_t (rows, width) at timesteps t (rows,)."""
        weight = self.prior.clip_mean

        def rows(name: str) -> Tensor:
            return torch.stack([getattr(text, name) for text in conditioning]).to(weight.device)

        predicted = self.prior(
            x_t.to(weight),
            t.to(weight.device),
            rows("embedding").to(weight),
            rows("hidden").to(weight),
            rows("mask"),
        )
        return predicted.predicted_image_embedding.float().cpu()

    def embedding(self, x_0: Tensor) -> Tensor:
        """The embedding (width,) of a finished x_0."""
        return self.prior.post_process_latents(x_0[None].to(self.prior.clip_mean))[0].float().cpu()


@dataclass(frozen=True, eq=False)
class ClipParts:
    """The CLIP of an unCLIP folder: `processor` prepares pictures for `image`; `text` and `tokenizer` are None in a folder without a
    prior."""

    image: CLIPVisionModelWithProjection
    processor: CLIPImageProcessor
    text: CLIPTextModelWithProjection | None = None
    tokenizer: Any = None


@dataclass(frozen=True, eq=False)
class EmbeddingNoise:
    """How an unCLIP folder noises embeddings: mean and deviation of each coordinate, (width,), and the process of the levels."""

    mean: Tensor
    deviation: Tensor
    process: VariancePreserving


class Gallery:
    """Captioned pictures whose embeddings say what lies near a point: by the CLIP, and by a judge. What is found is remembered."""

    def __init__(self, pictures: PictureSet) -> None:
        self.pixels, self.groups = pictures.pixels, pictures.groups
        self.captions = tuple(
            caption.removesuffix(f", {style} style")
            for caption, style in zip(pictures.captions, pictures.styles, strict=True)
        )
        self._judged: WeakKeyDictionary[LoadedJudge, Tensor] = WeakKeyDictionary()

    def judged(self, judge: LoadedJudge) -> Tensor:
        """The judge's embeddings of its pictures, (n, width) of unit length."""
        if judge not in self._judged:
            parts = [self.pixels[start : start + BATCH] for start in range(0, len(self.pixels), BATCH)]
            self._judged[judge] = torch.cat([judge.embed_pictures(part) for part in parts])
        return self._judged[judge]


class UnclipModel(ABC):
    """An unCLIP model. `decoder` draws; `prior` is None in a folder without one. Safe to share. `gallery` holds the lab's pictures, by
    whose embeddings a point is described. Raises LabError where its parts do not go together; `try_out` finds what no file says."""

    decoder: Any  # a LoadedModel
    clip_range: float | None = (
        None  # to which a sampler is to clip the decoder's predicted x_0, where its pipeline does
    )
    remark = ""  # what a visitor is told of its pictures

    def __init__(self, clip: ClipParts, prior: PriorDenoiser | None, gallery: Gallery) -> None:
        self.prior, self.gallery, self._clip = prior, gallery, clip
        self.width: int = clip.image.config.projection_dim
        self._window = None if clip.text is None else Window(clip.tokenizer, clip.text)
        if prior is not None:
            self._check_prior(prior)
        self.read = lru_cache(maxsize=REMEMBERED)(self._read)
        self._tried = False

    @abstractmethod
    def row(self, embedding: Tensor | None, caption: str = "", level: int = 0, seed: int = 0) -> Any:
        """What a row of the decoder is conditioned on: an embedding (width,), under noise of `seed` at a level of 0 to 999, and a
        caption; without an embedding what the decoder was taught for none."""

    @property
    def reads(self) -> bool:
        """Whether it embeds texts."""
        return self._window is not None

    def _check_prior(self, prior: PriorDenoiser) -> None:
        """Refuse a prior that does not go with the CLIP."""
        if prior.shape != (self.width,):
            raise LabError(f"Its prior draws {prior.shape[0]} values, and its image_encoder gives {self.width}.")
        config, text = prior.prior.config, self._clip.text
        if text is None or self._window is None:
            return
        for takes, gives, what in (
            (config.embedding_proj_dim or config.embedding_dim, text.config.projection_dim, "values of a text"),
            (config.embedding_dim, text.config.hidden_size, "values of a token"),
            (config.num_embeddings, self._window.limit, "tokens"),
        ):
            if takes != gives:
                raise LabError(f"Its prior takes {takes} {what}, and its CLIP's text encoder gives {gives}.")

    def try_out(self) -> None:
        """One picture and one text embedded, one call of the prior and one of the decoder, the first time that it is asked. Raises
        LabError where that cannot be done."""
        if self._tried:
            return
        with refusing("Its image_encoder cannot read what its feature_extractor makes of a picture"):
            z = self.embed_picture(np.zeros((8, 8, 3), np.uint8))
        values = {"image_encoder": z}
        if self.reads:
            with refusing("The text encoder of its CLIP cannot read a prompt"):
                values["text encoder"] = self.read("").embedding
        if self.prior is not None:
            with refusing("Its prior cannot be called on a text"):
                values["prior"] = self.prior(torch.zeros(1, self.width), torch.tensor([0]), [self.read("")])
        for part, some in values.items():
            if not some.isfinite().all():
                raise LabError(f"Its {part} gives values that are not finite: its weights are damaged.")
        self._try_decoder()
        self._tried = True

    @abstractmethod
    def _try_decoder(self) -> None: ...

    def embed_picture(self, picture: np.ndarray) -> Tensor:
        """The embedding (width,) of a picture (height, width, 3) uint8, as StableUnCLIPImg2ImgPipeline has it; on the CPU."""
        return self._embed([picture])[0]

    @torch.inference_mode()
    def _embed(self, pictures: Sequence[np.ndarray]) -> Tensor:
        weight = next(self._clip.image.parameters())
        pixels = self._clip.processor(
            images=[Image.fromarray(one) for one in pictures], return_tensors="pt"
        ).pixel_values
        return self._clip.image(pixel_values=pixels.to(weight)).image_embeds.float().cpu()

    @torch.inference_mode()
    def _read(self, text: str) -> ReadText:
        if self._window is None or self._clip.text is None:
            raise LabError("This unCLIP model has no prior, and so no text encoder of its CLIP. Start from a picture.")
        tokens = self._window.tokens(text, padding="max_length").to(self._clip.text.device)
        said = self._clip.text(tokens.input_ids)
        mask = tokens.attention_mask[0].bool()
        return ReadText(said.text_embeds[0].float().cpu(), said.last_hidden_state[0].float().cpu(), mask.cpu())

    def unread(self, text: str) -> list[str]:
        """What of a text its CLIP does not read, in a sentence; none where it reads all."""
        if self._window is None or not (word := first_unread(text, self._window.read(text))):
            return []
        limit = self._window.limit
        return [
            f"The prompt is too long: from {word} on it is not read by the text encoder, which takes {limit} tokens."
        ]

    def text_as_picture(self, text: str) -> Tensor:
        """The embedding of a text in the place of a picture's, (width,): the text's direction, at the length that pictures have."""
        return unit(self.read(text).embedding) * self.embeddings.norm(dim=-1).mean()

    @cached_property
    def embeddings(self) -> Tensor:
        """Those of the gallery, (n, width)."""
        pixels = self.gallery.pixels
        return torch.cat([self._embed([*pixels[start : start + BATCH]]) for start in range(0, len(pixels), BATCH)])

    @cached_property
    def components(self) -> Components:
        """The principal components of the gallery's embeddings."""
        return Components.of(self.embeddings)

    def nearest(self, embedding: Tensor, count: int) -> list[tuple[int, float]]:
        """The `count` pictures of the gallery whose embeddings point most nearly where `embedding` does: place and cosine."""
        cosines = unit(self.embeddings) @ unit(embedding)
        found = cosines.topk(min(count, len(cosines)))
        return [(int(place), float(cosine)) for cosine, place in zip(found.values, found.indices, strict=True)]


class LoadedUnclip(UnclipModel):
    """An unCLIP model on latents. With a `context` an embedding also becomes tokens behind the prompt's."""

    def __init__(
        self,
        decoder: LoadedStableDiffusion,
        clip: ClipParts,
        noise: EmbeddingNoise,
        prior: PriorDenoiser | None,
        gallery: Gallery,
        context: EmbeddingContext | None = None,
    ) -> None:
        super().__init__(clip, prior, gallery)
        self.decoder, self._noise, self._context = decoder, noise, context
        if len(noise.mean) != self.width:
            raise LabError(
                f"Its image_normalizer has {len(noise.mean)} values, and its image_encoder gives {self.width}."
            )
        if context is not None and context.config.values != 2 * self.width:
            raise LabError(
                f"Its context takes {context.config.values} values, and an embedding and its level have {2 * self.width}."
            )

    def row(self, embedding: Tensor | None, caption: str = "", level: int = 0, seed: int = 0) -> TextRow:
        """As UnclipModel.row; without an embedding zeros."""
        row = self.decoder.conditioning(Condition(prompt=caption))
        labels = torch.zeros(2 * self.width)
        if embedding is not None:
            noise, times = self._noise, torch.tensor([level])
            alpha_bar = float(noise.process.alphas_cumprod[level])
            eps = gaussian(seed, level, (self.width,))
            z = noised(embedding, Level.from_alpha_bar(alpha_bar), eps, noise.mean, noise.deviation)
            time = get_timestep_embedding(times, self.width, flip_sin_to_cos=True, downscale_freq_shift=0)[0]
            labels = torch.cat([z, time])
        if self._context is None:
            return replace(row, embedding=labels)
        hidden = torch.cat([row.prompt.hidden, self._tokens(labels, self._context).to(row.prompt.hidden)])
        return replace(row, embedding=labels, prompt=replace(row.prompt, hidden=hidden))

    @torch.inference_mode()
    def _tokens(self, labels: Tensor, context: EmbeddingContext) -> Tensor:
        """The tokens of context that stand for class labels, (tokens, width) on the CPU."""
        return context(labels[None].to(next(context.parameters())))[0].cpu()

    def _try_decoder(self) -> None:
        with refusing("Its unet cannot be called with an embedding"):
            row = self.row(torch.zeros(self.width))
            denoiser = self.decoder.denoiser(Forward(schedule="scaled_linear"))
            side = smallest_side(denoiser.unet)
            denoiser.by_torch(torch.zeros(1, denoiser.shape[0], side, side), torch.tensor([0]), [row])
