"""inpainting: the text-to-image UNet with nine channels in, fine-tuned on random masks (Nichol et al. 2021, GLIDE, section
2.4; Rombach et al. 2022, section 4.5), as Stable Diffusion's inpainting model is: x_t, the mask, and the latents of the picture
with the hole in grey.

The five new channels of the first convolution start at zero, so that the first step leaves the model as it was.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionInpaintPipeline, UNet2DConditionModel
from torch import Tensor
from torch.nn.functional import interpolate

from lab.training.copies import with_moved_copies
from lab.training.corpus import Corpus, evenly, to_device, to_unit
from lab.training.masks import random_mask
from lab.training.recipes.latents import LatentOptions, LatentRecipe, generate, noise_scheduler
from lab.training.records import tile
from lab.training.train import Models

CHANNELS = 9  # x_t 4, mask 1, picture around the hole 4
MASKS = 4_096  # drawn once; a step takes its own from them


@dataclass(frozen=True)
class InpaintingOptions(LatentOptions):
    batch: int = 32
    lr: float = 3e-4


class Inpainting(LatentRecipe[UNet2DConditionModel]):
    """The text-to-image model taught to fill a hole.

    Of each drawing three moved copies join it: a network that knows its drawings by heart would fill a hole by what it
    remembers, wherever the rest of the picture lies.
    """

    name = "inpainting"
    options: InpaintingOptions

    def __init__(self, options: InpaintingOptions, corpus: Corpus, device: torch.device, models: Models) -> None:
        super().__init__(options, with_moved_copies(corpus), device, models)
        base = UNet2DConditionModel.from_pretrained(models("text-to-image"), subfolder="unet").float()
        self.model = widened(base).to(device)
        self.pixels = to_device(self.training.pixels, device)
        rng = np.random.default_rng(options.seed)
        masks = np.stack([random_mask(options.size, rng) for _ in range(MASKS)])
        self.masks = torch.from_numpy(masks)[:, None].float().to(device)

    def loss(self, model: UNet2DConditionModel, rng: torch.Generator) -> dict[str, Tensor]:
        batch = self.batch(rng)
        hidden = self.hidden(batch.tokens)
        drawn = torch.randint(len(self.masks), batch.index.shape, generator=rng, device=self.device)
        known = self.around(to_unit(self.pixels[batch.index]), self.masks[drawn])

        def denoise(x_t: Tensor, t: Tensor) -> Tensor:
            return model(torch.cat([x_t, known], dim=1), t, encoder_hidden_states=hidden).sample

        return {"loss": self.denoising_loss(denoise, batch.latents, rng)}

    @torch.no_grad()
    def around(self, pictures: Tensor, mask: Tensor) -> Tensor:
        """What the network is told of the picture, (n, 5, size / 4, size / 4): the mask, then the latents of pictures
        (n, 3, size, size) in [-1, 1] whose hole is grey, as StableDiffusionInpaintPipeline hands them over."""
        latents = self.autoencoder.encode(pictures * (1 - mask)).latent_dist.mean
        return torch.cat(
            [interpolate(mask, latents.shape[-2:]), latents * self.autoencoder.config.scaling_factor], dim=1
        )

    def sheet(self, model: UNet2DConditionModel) -> np.ndarray:
        """Held-out pictures: the picture, what is left of it, and what caption and rest make of two noises."""
        sample = evenly(self.unseen, 16)
        rng = np.random.default_rng(self.options.seed)
        masks = np.stack([random_mask(sample.pixels.shape[1], rng) for _ in range(len(sample))])
        left = np.where(masks[..., None], 128, sample.pixels).astype(np.uint8)
        more = {
            "image": torch.from_numpy(sample.pixels).permute(0, 3, 1, 2) / 255,
            "mask_image": torch.from_numpy(masks)[:, None].float(),
        }
        pipeline, steps = self.pipeline(model), self.options.sheet_steps
        pictures = [generate(pipeline, list(sample.captions), 3.0, steps, seed, **more) for seed in (0, 1000)]
        return tile(np.concatenate([sample.pixels, left, *pictures]), len(sample))

    def pipeline(self, model: UNet2DConditionModel) -> StableDiffusionInpaintPipeline:
        return StableDiffusionInpaintPipeline(
            vae=self.autoencoder, text_encoder=self.text, tokenizer=self.tokenizer, unet=model,
            scheduler=noise_scheduler(self.options), safety_checker=None, feature_extractor=None,
            requires_safety_checker=False,
        )  # fmt: skip

    def export(self, model: UNet2DConditionModel, folder: Path) -> None:
        self.pipeline(model).save_pretrained(folder)


def widened(base: UNet2DConditionModel) -> UNet2DConditionModel:
    """`base` with CHANNELS in, which draws the same whatever the new channels hold, until it has learned otherwise."""
    model = UNet2DConditionModel.from_config(base.config, in_channels=CHANNELS)
    weights = base.state_dict()
    first = weights["conv_in.weight"]
    new = torch.zeros(first.shape[0], CHANNELS - first.shape[1], *first.shape[2:])
    model.load_state_dict(weights | {"conv_in.weight": torch.cat([first, new], dim=1)})
    return model
