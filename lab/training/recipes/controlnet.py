"""controlnet-edges and controlnet-pose: ControlNet (Zhang et al. 2023) on the trained, frozen text-to-image UNet.

The copy of the UNet's encoder starts from its weights; the zero-initialised convolutions that join it make the
first step leave the UNet's output as it was. Half of the captions are dropped (section 3.3), so that the copy
learns to read the control picture itself.
"""

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline, UNet2DConditionModel
from torch import Tensor

from lab.annotators.skeleton import draw_skeleton
from lab.training.copies import with_moved_copies
from lab.training.corpus import Corpus, evenly, to_device
from lab.training.recipes.latents import LatentOptions, LatentRecipe, generate, noise_scheduler
from lab.training.records import tile
from lab.training.train import Models

THRESHOLDS = 3  # edge maps kept of each picture, each at its own thresholds


@dataclass(frozen=True)
class ControlNetOptions(LatentOptions):
    batch: int = 32
    lr: float = 5e-4
    unconditional: float = 0.5
    hint_channels: tuple[int, ...] = (16, 32, 64)  # the hint encoder halves the side between each two


class ControlNet(LatentRecipe[ControlNetModel]):
    """What both have in common; a subclass draws the hints."""

    options: ControlNetOptions

    def __init__(self, options: ControlNetOptions, corpus: Corpus, device: torch.device, models: Models) -> None:
        super().__init__(options, self.suitable(corpus), device, models)
        unet = UNet2DConditionModel.from_pretrained(models("text-to-image"), subfolder="unet")
        self.unet = unet.float().to(device).eval().requires_grad_(False)
        torch.manual_seed(options.seed)
        self.model = ControlNetModel.from_unet(self.unet, conditioning_embedding_out_channels=options.hint_channels).to(
            device
        )
        hints = self.draw_hints(self.training)
        self.hints = to_device(hints.reshape(-1, *hints.shape[2:]), device).unflatten(0, hints.shape[:2])

    @staticmethod
    def suitable(corpus: Corpus) -> Corpus:
        """The pictures this control can be had for."""
        return corpus

    @staticmethod
    @abstractmethod
    def draw_hints(corpus: Corpus) -> np.ndarray:
        """Control pictures, (n, variants, size, size, 3) uint8."""

    def loss(self, model: ControlNetModel, rng: torch.Generator) -> dict[str, Tensor]:
        batch = self.batch(rng)
        hidden = self.hidden(batch.tokens)
        variant = torch.randint(self.hints.shape[1], batch.index.shape, generator=rng, device=self.device)
        hint = self.hints[batch.index, variant].float() / 255

        def denoise(x_t: Tensor, t: Tensor) -> Tensor:
            down, mid = model(x_t, t, hidden, controlnet_cond=hint, return_dict=False)
            return self.unet(
                x_t, t, hidden, down_block_additional_residuals=down, mid_block_additional_residual=mid
            ).sample

        return {"loss": self.denoising_loss(denoise, batch.latents, rng)}

    def sheet(self, model: ControlNetModel) -> np.ndarray:
        """Held-out pictures: the picture, its hint, and what the hint and the caption make of two noises."""
        sample = evenly(self.unseen, 16)
        hints = self.draw_hints(sample)[:, 0]
        image = torch.from_numpy(hints).permute(0, 3, 1, 2) / 255
        pipeline, steps = self.pipeline(model), self.options.sheet_steps
        pictures = [generate(pipeline, list(sample.captions), 3.0, steps, seed, image=image) for seed in (0, 1000)]
        return tile(np.concatenate([sample.pixels, hints, *pictures]), len(sample))

    def pipeline(self, model: ControlNetModel) -> StableDiffusionControlNetPipeline:
        return StableDiffusionControlNetPipeline(
            vae=self.autoencoder, text_encoder=self.text, tokenizer=self.tokenizer, unet=self.unet, controlnet=model,
            scheduler=noise_scheduler(self.options), safety_checker=None, feature_extractor=None,
            requires_safety_checker=False,
        )  # fmt: skip

    def export(self, model: ControlNetModel, folder: Path) -> None:
        model.save_pretrained(folder)


class ControlNetEdges(ControlNet):
    """White Canny edges on black (Canny 1986), at random thresholds, of drawings and people.

    A base model that knows its few drawings by heart draws them from the caption alone, and their edges then teach
    nothing. So each drawing is also learned from turned, mirrored, smaller and shifted: only its edges tell where it is.
    """

    name = "controlnet-edges"

    @staticmethod
    def suitable(corpus: Corpus) -> Corpus:
        return with_moved_copies(corpus)

    @staticmethod
    def draw_hints(corpus: Corpus) -> np.ndarray:
        rng = np.random.default_rng(0)
        low = rng.uniform(30, 120, size=(len(corpus), THRESHOLDS))
        high = low * rng.uniform(1.5, 3, size=low.shape)
        edges = np.stack(
            [
                [cv2.Canny(picture, *pair) for pair in pairs]
                for picture, pairs in zip(corpus.pixels, np.stack([low, high], -1), strict=True)
            ]
        )
        return np.repeat(edges[..., None], 3, axis=-1)


class ControlNetPose(ControlNet):
    """Skeletons in OpenPose colours, of people."""

    name = "controlnet-pose"

    @staticmethod
    def suitable(corpus: Corpus) -> Corpus:
        return corpus.persons

    @staticmethod
    def draw_hints(corpus: Corpus) -> np.ndarray:
        size = corpus.pixels.shape[1]
        pairs = zip(corpus.joints, corpus.visible, strict=True)
        return np.stack([draw_skeleton(joints, visible, size=size)[None] for joints, visible in pairs])
