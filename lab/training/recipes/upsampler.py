"""upsampler: a small picture to one twice as wide, by diffusion (Saharia et al. 2021, SR3; GLIDE, section 4), in pixel space.

The small picture, enlarged, stands beside x_t in the channels. It is noised itself, to a random step of the same schedule, and the
network is told the step (noise conditioning augmentation, Ho et al. 2021, Cascaded Diffusion, section 4.2): what another model
drew is never as clean as what the network learned from. As in Stable Diffusion's upscaler the step enters as a class.

Convolutions alone, learned on crops: what two pixels hide is told by their neighbours, and a network without attention takes
pictures of any size, 32 px as well as 64.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DModel
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from lab.training.corpus import Corpus, flipped, to_device, to_pixels, to_unit
from lab.training.losses import add_noise, diffusion_loss
from lab.training.recipes.latents import balanced
from lab.training.records import tile
from lab.training.train import Models, Options, Recipe

PREDICTS = "v_prediction"
FACTOR = 2
MOST_NOISE = 400  # the last step of augmentation, of 1,000


@dataclass(frozen=True)
class UpsamplerOptions(Options):
    batch: int = 32
    lr: float = 1e-3
    channels: tuple[int, ...] = (32, 64, 64)
    crop: int = 32  # pixels of the large picture that a step looks at
    clean: float = 0.2  # share of small pictures without added noise
    people_share: float = 0.3


class Upsampler(Recipe[UNet2DModel]):
    """Pictures to twice their width."""

    name = "upsampler"
    options: UpsamplerOptions

    def __init__(self, options: UpsamplerOptions, corpus: Corpus, device: torch.device, models: Models) -> None:
        self.options, self.device = options, device
        self.pixels = to_device(corpus.training.pixels, device)
        self.unseen = to_device(corpus.unseen.pixels, device)
        self.weights = balanced(corpus.training, options.people_share).to(device)
        self.scheduler = schedule()
        self.alphas_cumprod = self.scheduler.alphas_cumprod.to(device)
        torch.manual_seed(options.seed)
        levels = len(options.channels)
        self.model = UNet2DModel(
            sample_size=options.size,
            in_channels=6,  # x_t, and the small picture enlarged
            out_channels=3,
            down_block_types=("DownBlock2D",) * levels,
            up_block_types=("UpBlock2D",) * levels,
            block_out_channels=options.channels,
            layers_per_block=1,
            norm_num_groups=8,
            add_attention=False,
            class_embed_type="timestep",
        ).to(device)

    def loss(self, model: UNet2DModel, rng: torch.Generator) -> dict[str, Tensor]:
        options = self.options
        index = torch.multinomial(self.weights, options.batch, replacement=True, generator=rng)
        x_0 = flipped(self.crops(to_unit(self.pixels[index]), rng), rng)
        noise = torch.randint(MOST_NOISE, (len(index),), generator=rng, device=self.device)
        noise[torch.rand(len(index), generator=rng, device=self.device) < options.clean] = 0
        small = avg_pool2d(x_0, FACTOR)
        small = augmented(
            small, torch.randn(small.shape, generator=rng, device=self.device), noise, self.alphas_cumprod
        )
        t = torch.randint(len(self.alphas_cumprod), (len(index),), generator=rng, device=self.device)
        eps = torch.randn(x_0.shape, generator=rng, device=self.device)
        x_t = add_noise(x_0, eps, self.alphas_cumprod[t])
        v = model(torch.cat([x_t, enlarged(small)], dim=1), t, class_labels=noise).sample
        return {"loss": diffusion_loss(v, PREDICTS, x_0, eps, self.alphas_cumprod[t], gamma=None)}

    def crops(self, pictures: Tensor, rng: torch.Generator) -> Tensor:
        """A random square of each picture, at even places, so that its small picture is a crop of the small picture."""
        room = (pictures.shape[-1] - self.options.crop) // FACTOR + 1
        corners = FACTOR * torch.randint(room, (len(pictures), 2), generator=rng, device=self.device)
        side = self.options.crop
        return torch.stack(
            [p[:, y : y + side, x : x + side] for p, (y, x) in zip(pictures, corners.tolist(), strict=True)]
        )

    def sheet(self, model: UNet2DModel) -> np.ndarray:
        """Held-out pictures: the small one enlarged, upsampled without and with augmentation, and the original."""
        pictures = to_unit(self.unseen[:: max(1, len(self.unseen) // 16)][:16])
        small = avg_pool2d(pictures, FACTOR)
        rows = [enlarged(small), *(upsample(model, small, noise) for noise in (0, 100, 300)), pictures]
        return tile(np.concatenate([to_pixels(row) for row in rows]), len(pictures))

    def export(self, model: UNet2DModel, folder: Path) -> None:
        model.save_pretrained(folder / "unet")
        self.scheduler.save_pretrained(folder / "scheduler")


def schedule() -> DDIMScheduler:
    """The pixel model's cosine schedule; "trailing" spacing starts at the last t (Lin et al. 2023)."""
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2", timestep_spacing="trailing", prediction_type=PREDICTS, clip_sample=True
    )


def enlarged(small: Tensor) -> Tensor:
    """The small picture at the size of the large one, bicubic, as SR3 hands it over."""
    return interpolate(small, scale_factor=FACTOR, mode="bicubic", align_corners=False)


def augmented(small: Tensor, eps: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    """The small pictures noised to their steps `noise` (n,); step 0 leaves them as they are."""
    noised = add_noise(small, eps, alphas_cumprod[noise])
    return torch.where((noise > 0)[:, None, None, None], noised, small)


@torch.no_grad()
def upsample(model: UNet2DModel, small: Tensor, noise: int = 0, steps: int = 15, seed: int = 0) -> Tensor:
    """DDIM samples twice as wide as `small` (n, 3, h, w) in [-1, 1], which is noised to step `noise` first."""
    scheduler = schedule()
    scheduler.set_timesteps(steps)
    rng = torch.Generator().manual_seed(seed)
    labels = torch.full((len(small),), noise, device=small.device)
    eps = torch.randn(small.shape, generator=rng).to(small.device)
    low = enlarged(augmented(small, eps, labels, scheduler.alphas_cumprod.to(small.device)))
    x_t = torch.randn(low.shape, generator=rng).to(small.device)
    for t in scheduler.timesteps:
        v = model(torch.cat([x_t, low], dim=1), t, class_labels=labels).sample
        x_t = scheduler.step(v, t, x_t).prev_sample
    return x_t
