"""pixel: Improved DDPM (Nichol & Dhariwal 2021) in pixel space, with learned variance and classes.

Cosine schedule, L_simple + 0.001 L_vlb. In place of eps the network predicts v (Salimans & Ho 2022): where hardly
anything of x_0 is left, an error of eps is a hundred times larger in x_0, and in the hours of a CPU the predicted
pictures kept the wrong background; v asks there for x_0 itself. The classes are the groups of the drawings; the last
one is the null class, which stands in for a dropped label (Ho & Salimans 2022).
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel
from torch import Tensor

from lab.training.corpus import Corpus, draw_indices, flipped, to_device, to_pixels, to_unit
from lab.training.losses import add_noise, hybrid_loss
from lab.training.records import tile
from lab.training.train import Models, Options, Recipe

PREDICTS = "v_prediction"


@dataclass(frozen=True)
class PixelOptions(Options):
    batch: int = 32
    lr: float = 1e-3
    resolution: int = 32
    unconditional: float = 0.15
    bound_weight: float = 0.001  # lambda of eq. 16
    start: str = ""  # a UNet of this recipe to begin from, in diffusers' folder format; empty: from random weights


class Pixel(Recipe[UNet2DModel]):
    """Class-conditional diffusion on pixels with learned variance."""

    name = "pixel"
    options: PixelOptions

    def __init__(self, options: PixelOptions, corpus: Corpus, device: torch.device, models: Models) -> None:
        self.options, self.device = options, device
        training = corpus.training.drawings(options.resolution)
        self.pixels = to_device(training.pixels, device)
        self.groups, labels = np.unique(np.array(training.groups), return_inverse=True)
        self.labels = torch.from_numpy(labels).to(device)
        self.scheduler = DDPMScheduler(
            beta_schedule="squaredcos_cap_v2", variance_type="learned_range", prediction_type=PREDICTS
        )
        self.alphas_cumprod = self.scheduler.alphas_cumprod.to(device)
        torch.manual_seed(options.seed)
        self.model = UNet2DModel(
            sample_size=options.resolution,
            in_channels=3,
            out_channels=6,  # v, and between which bounds the variance lies
            down_block_types=("DownBlock2D",) + ("AttnDownBlock2D",) * (len(options.channels) - 1),
            up_block_types=("AttnUpBlock2D",) * (len(options.channels) - 1) + ("UpBlock2D",),
            block_out_channels=options.channels,
            layers_per_block=1,
            attention_head_dim=32,
            num_class_embeds=len(self.groups) + 1,
        ).to(device)
        if options.start:
            self.model.load_state_dict(UNet2DModel.from_pretrained(options.start).state_dict())

    def loss(self, model: UNet2DModel, rng: torch.Generator) -> dict[str, Tensor]:
        index = draw_indices(len(self.pixels), self.options.batch, rng)
        x_0 = flipped(to_unit(self.pixels[index]), rng)
        dropped = torch.rand(len(index), generator=rng, device=self.device) < self.options.unconditional
        labels = torch.where(dropped, len(self.groups), self.labels[index])
        t = torch.randint(len(self.alphas_cumprod), (len(index),), generator=rng, device=self.device)
        eps = torch.randn(x_0.shape, generator=rng, device=self.device)
        x_t = add_noise(x_0, eps, self.alphas_cumprod[t])
        output = model(x_t, t, class_labels=labels).sample
        simple, bound = hybrid_loss(output, PREDICTS, x_0, eps, x_t, t, self.alphas_cumprod)
        return {"loss": simple + self.options.bound_weight * bound, "simple": simple, "bound": bound}

    def sheet(self, model: UNet2DModel) -> np.ndarray:
        """A row of eight for each group, at guidance 2."""
        labels = torch.arange(len(self.groups), device=self.device).repeat_interleave(8)
        return tile(to_pixels(sample_classes(model, labels, scale=2.0)), 8)

    def export(self, model: UNet2DModel, folder: Path) -> None:
        model.save_pretrained(folder / "unet")
        self.scheduler.save_pretrained(folder / "scheduler")
        (folder / "classes.json").write_text(json.dumps([*self.groups.tolist(), "anything"]))


@torch.no_grad()
def sample_classes(model: UNet2DModel, labels: Tensor, scale: float, steps: int = 50, seed: int = 0) -> Tensor:
    """DDIM samples of the classes with classifier-free guidance; (n, 3, size, size), about [-1, 1]."""
    scheduler = DDIMScheduler(beta_schedule="squaredcos_cap_v2", timestep_spacing="trailing", prediction_type=PREDICTS)
    scheduler.set_timesteps(steps)
    rng = torch.Generator().manual_seed(seed)
    x_t = torch.randn(len(labels), 3, model.config.sample_size, model.config.sample_size, generator=rng).to(
        labels.device
    )
    twice = torch.cat([labels, torch.full_like(labels, model.config.num_class_embeds - 1)])
    for t in scheduler.timesteps:
        conditional, unconditional = model(torch.cat([x_t, x_t]), t, class_labels=twice).sample[:, :3].chunk(2)
        x_t = scheduler.step(unconditional + scale * (conditional - unconditional), t, x_t).prev_sample
    return x_t
