"""unCLIP on pixels: the parts of a folder that loads as diffusers' UnCLIPPipeline or UnCLIPImageVariationPipeline, as Karlo's does.

An embedding reaches the decoder in both of the paper's ways (Ramesh et al. 2022, section 2.1): added to that of t, and as tokens of
context before the prompt's. The decoder draws on pixels, 64 a side in Karlo; the networks that enlarge its picture are left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from diffusers.pipelines.deprecated.unclip.text_proj import UnCLIPTextProjModel
from torch import Tensor, nn

from lab.engine.denoisers import recording
from lab.engine.process import VariancePreserving
from lab.models.compiled import Engines
from lab.models.parts import side_of
from lab.models.stable_diffusion import refusing, smallest_side
from lab.models.tensors import PixelSpace, to_signed
from lab.models.unclip import ClipParts, Gallery, PriorDenoiser, ReadText, UnclipModel
from lab.requests.base import LabError
from lab.requests.fields import Condition, Forward


@dataclass(frozen=True, eq=False)
class PixelRow:
    """What one row of the decoder is conditioned on, on the CPU: tokens of context (tokens, width), which of them count (tokens,), 1 or 0,
    and what is added to the embedding of t, (values,)."""

    context: Tensor
    mask: Tensor
    added: Tensor


class Denoise(nn.Module):
    """The decoder as a function of tensors: x_t, t, and the three of a PixelRow -> its output."""

    def __init__(self, decoder: UNet2DConditionModel) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, x: Tensor, t: Tensor, context: Tensor, mask: Tensor, added: Tensor) -> Tensor:
        return self.decoder(x, t, context, class_labels=added, attention_mask=mask).sample


class PixelDecoderDenoiser:
    """The decoder as a `Denoiser` of PixelRows; the variance that it learned is in the channels behind. In and out on the CPU."""

    def __init__(self, decoder: UNet2DConditionModel, scheduler: Any, engines: Engines) -> None:
        self.decoder, self._engines = decoder, engines
        self._weight = next(decoder.parameters())
        self.process = VariancePreserving(scheduler.alphas_cumprod)
        self.prediction_type: str = scheduler.config.prediction_type
        side = side_of(decoder.config, "decoder")
        self.shape = (decoder.config.in_channels, side, side)

    def __call__(self, x_t: Tensor, t: Tensor, conditioning: Sequence[PixelRow]) -> Tensor:
        """Predict for rows x_t (rows, 3, height, width) at timesteps t (rows,)."""
        with torch.inference_mode(not recording(x_t)):
            inputs = self._inputs(x_t, t, conditioning)
            engine = self._engines("denoiser", lambda: Denoise(self.decoder), inputs)
            return engine(*inputs)[0].float().cpu()

    @torch.inference_mode()
    def try_out(self, row: PixelRow) -> Tensor:
        """The prediction for zeros, as few as the decoder takes, by torch alone."""
        side = smallest_side(self.decoder)
        x_t = torch.zeros(1, self.shape[0], side, side)
        return Denoise(self.decoder)(*self._inputs(x_t, torch.tensor([len(self.process) - 1]), [row]))

    def _inputs(self, x_t: Tensor, t: Tensor, conditioning: Sequence[PixelRow]) -> list[Tensor]:
        x = x_t.to(self._weight)
        parts = [torch.stack([getattr(row, name) for row in conditioning]) for name in ("context", "mask", "added")]
        return [x, t.to(x.device), *(part.to(x) for part in parts)]


class PixelDecoder(PixelSpace):
    """The decoder as a LoadedModel on pixels. `read` is what its CLIP says of a text, `unread` what of one it does not read."""

    distilled = False

    def __init__(
        self,
        denoiser: PixelDecoderDenoiser,
        projection: UnCLIPTextProjModel,
        read: Callable[[str], ReadText],
        unread: Callable[[str], list[str]],
    ) -> None:
        self._denoiser, self._projection, self._read, self._unread = denoiser, projection, read, unread
        self.shape, self.side = denoiser.shape, denoiser.shape[1]

    def denoiser(self, forward: Forward) -> PixelDecoderDenoiser:
        return self._denoiser

    @torch.inference_mode()
    def row(self, embedding: Tensor | None, caption: str) -> PixelRow:
        """What the pipelines tell the decoder of an embedding (width,) and a caption; the embedding that it learned for none where
        there is none (`learned_classifier_free_guidance_embeddings`)."""
        projection, text = self._projection, self._read(caption)
        nothing = projection.learned_classifier_free_guidance_embeddings
        z = nothing if embedding is None else embedding.to(nothing)
        context, added = projection(
            image_embeddings=z[None],
            prompt_embeds=text.embedding[None].to(nothing),
            text_encoder_hidden_states=text.hidden[None].to(nothing),
            do_classifier_free_guidance=False,
        )
        mask = torch.cat([torch.ones(projection.clip_extra_context_tokens), text.mask.float()])
        return PixelRow(context[0].cpu(), mask, added[0].cpu())

    def conditioning(self, condition: Condition) -> PixelRow:
        return self.row(None, condition.prompt)

    def unconditional(self, negative: str = "") -> PixelRow:
        return self.row(None, negative)

    def unread(self, condition: Condition, negative: str = "") -> Sequence[str]:
        return [*self._unread(condition.prompt), *self._unread(negative)]

    def knowing(self, x_0: Tensor, conditioning: PixelRow | None = None) -> PixelRow:
        return self.unconditional() if conditioning is None else conditioning

    def from_picture(self, picture: np.ndarray) -> Tensor:
        return to_signed(picture, self.shape[1:])

    def nearest(self, x_0: Tensor) -> None:
        return None


class LoadedPixelUnclip(UnclipModel):
    """An unCLIP model that draws on pixels. Safe to share. Raises LabError where the files of its parts say that they do not go
    together."""

    def __init__(
        self,
        denoiser: PixelDecoderDenoiser,
        projection: UnCLIPTextProjModel,
        clip: ClipParts,
        prior: PriorDenoiser | None,
        gallery: Gallery,
        clip_range: float | None = None,
    ) -> None:
        super().__init__(clip, prior, gallery)
        self._check_widths(denoiser.decoder, projection.config)
        self.decoder = PixelDecoder(denoiser, projection, self.read, self.unread)
        self.clip_range = clip_range
        side = self.decoder.side
        self.remark = f"The pictures are the decoder's, {side} px wide; what this model enlarges them with is left out."

    def row(self, embedding: Tensor | None, caption: str = "", level: int = 0, seed: int = 0) -> PixelRow:
        """As UnclipModel.row. Raises LabError where an embedding is to be noised: this decoder was not taught that."""
        if embedding is not None and level:
            raise LabError("The decoder of this unCLIP model was not taught noise on embeddings. Set that noise to 0.")
        return self.decoder.row(embedding, caption)

    def _check_widths(self, decoder: UNet2DConditionModel, takes: Any) -> None:
        """Refuse parts whose widths differ: those of the CLIP, of `text_proj`, whose configuration is `takes`, and of the decoder."""
        text = self._clip.text
        if text is not None:
            for what, values in (("a text", text.config.projection_dim), ("a token", text.config.hidden_size)):
                _check_equal("text_proj", takes.clip_embeddings_dim, f"text_encoder gives {{}} of {what}", values)
        _check_equal("text_proj", takes.clip_embeddings_dim, "image_encoder gives {}", self.width)
        _check_equal(
            "decoder", decoder.config.cross_attention_dim, "text_proj gives {} a token", takes.cross_attention_dim
        )
        added = decoder.time_embedding.linear_2.out_features
        _check_equal("decoder", added, "text_proj gives {} to add to the embedding of t", takes.time_embed_dim)

    def _try_decoder(self) -> None:
        with refusing("Its text_proj cannot be called"):
            row = self.decoder.row(None, "")
        with refusing("Its decoder cannot be called with what its text_proj makes"):
            prediction = self.decoder.denoiser(Forward()).try_out(row)
        if not prediction.isfinite().all():
            raise LabError("Its decoder gives values that are not finite: its weights are damaged.")


def _check_equal(part: str, takes: Any, gives: str, values: int) -> None:
    if isinstance(takes, int) and takes != values:
        raise LabError(f"Its {part} takes {takes} values, and its {gives.format(values)}.")


def check_decoder(config: Any, variance_type: str) -> None:
    """Refuse a decoder, by its configuration, that does not draw RGB, or whose channels do not go with its scheduler's variance."""
    channels = 6 if variance_type.startswith("learned") else 3
    if (config.in_channels, config.out_channels) != (3, channels):
        raise LabError(
            f"Its decoder takes {config.in_channels} channels and gives {config.out_channels}; pictures have 3, and with the "
            f"variance_type {variance_type} of its scheduler it should give {channels}."
        )


def clip_range_of(scheduler: Any) -> float | None:
    """To what the pipelines' samplers clip predicted x_0, by their own scheduler; None: they do not."""
    return scheduler.config.clip_sample_range if scheduler.config.get("clip_sample") else None
