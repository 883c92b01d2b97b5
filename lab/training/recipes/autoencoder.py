"""autoencoder: AutoencoderKL (Kingma & Welling 2014; Rombach et al. 2022, section 3.1), factor 4, four channels.

Perceptual and adversarial losses need networks pretrained elsewhere; flat-coloured drawings do well without:
absolute and squared error, and an edge term for crispness. The KL term is tiny, as in Stable Diffusion: it only
keeps the latents near the origin. All channels are normalised as one group: with eight groups of two channels the
mean colour of a picture was normalised away, and colours came late and dull.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from lab.training.corpus import Corpus, draw_indices, flipped, to_device, to_pixels, to_unit
from lab.training.losses import gradient_loss
from lab.training.records import tile
from lab.training.train import Models, Options, Recipe


@dataclass(frozen=True)
class AutoencoderOptions(Options):
    batch: int = 4
    lr: float = 2e-3
    weight_decay: float = 0.0
    channels: tuple[int, ...] = (16, 32, 64)
    kl: float = 1e-6


class Autoencoder(Recipe[AutoencoderKL]):
    """Pictures to small latents and back."""

    name = "autoencoder"
    options: AutoencoderOptions

    def __init__(self, options: AutoencoderOptions, corpus: Corpus, device: torch.device, models: Models) -> None:
        self.options, self.device = options, device
        self.pixels = to_device(corpus.training.pixels, device)
        self.unseen = to_device(corpus.unseen.pixels, device)
        levels = len(options.channels)
        torch.manual_seed(options.seed)
        self.model = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            block_out_channels=options.channels,
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=1,
            sample_size=options.size,
            mid_block_add_attention=False,
        ).to(device)

    def loss(self, model: AutoencoderKL, rng: torch.Generator) -> dict[str, Tensor]:
        index = draw_indices(len(self.pixels), self.options.batch, rng)
        pictures = flipped(to_unit(self.pixels[index]), rng)
        latents = model.encode(pictures).latent_dist
        noise = torch.randn(latents.mean.shape, generator=rng, device=self.device)
        decoded = model.decode(latents.mean + latents.std * noise).sample.float()
        absolute, squared = (decoded - pictures).abs().mean(), (decoded - pictures).square().mean()
        edges, kl = gradient_loss(decoded, pictures), latents.kl().mean()
        loss = 0.5 * absolute + 2 * squared + 0.25 * edges + self.options.kl * kl
        return {"loss": loss, "squared": squared, "edges": edges, "kl": kl}

    @torch.no_grad()
    def sheet(self, model: AutoencoderKL) -> np.ndarray:
        """Held-out pictures, each row of originals above its reconstructions."""
        pictures = self.unseen[:: max(1, len(self.unseen) // 64)][:64]
        columns = min(16, len(pictures))
        pictures = pictures[: len(pictures) // columns * columns]
        rebuilt = to_pixels(reconstruct(model, to_unit(pictures)))
        rows = np.stack([pictures.permute(0, 2, 3, 1).cpu().numpy(), rebuilt])
        rows = rows.reshape(2, -1, columns, *rows.shape[2:]).swapaxes(0, 1)
        return tile(rows.reshape(-1, *rows.shape[3:]), columns)

    def export(self, model: AutoencoderKL, folder: Path) -> None:
        """Save with the scaling factor that gives the training pictures' latents unit variance."""
        step = max(1, len(self.pixels) // 1024)
        latents = encode(model, self.pixels[::step])
        model.register_to_config(scaling_factor=float(1 / latents.std()))
        model.save_pretrained(folder)


@torch.no_grad()
def encode(model: AutoencoderKL, pixels: Tensor, batch: int = 64) -> Tensor:
    """Means of the latents of uint8 pixels, unscaled; (n, 4, size / 4, size / 4)."""
    return torch.cat([model.encode(to_unit(part)).latent_dist.mean for part in pixels.split(batch)])


@torch.no_grad()
def reconstruct(model: AutoencoderKL, pictures: Tensor, batch: int = 64) -> Tensor:
    """Encode to the mean and decode; pictures in [-1, 1]."""
    return torch.cat([model.decode(model.encode(part).latent_dist.mean).sample for part in pictures.split(batch)])
