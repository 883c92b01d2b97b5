"""classifier: the noisy classifier of Dhariwal & Nichol 2021 (section 4), whose gradient guides the pixel model.

It sees x_t of the pixel model's own process at every t alike, and names the group of the drawing: cross-entropy. As in the
paper the pictures are moved at random, against learning them by heart, and the weights decay more.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DModel
from torch import Tensor
from torch.nn.functional import cross_entropy

from lab.engine.potentials import certainty
from lab.engine.process import Level
from lab.models.noisy_encoder import NoisyEncoder
from lab.training.corpus import Corpus, draw_indices, flipped, to_device, to_pixels, to_unit
from lab.training.losses import add_noise
from lab.training.recipes.clip import shifted
from lab.training.records import tile
from lab.training.train import Models, Options, Recipe

RIGHT, WRONG = (46, 160, 67), (218, 54, 51)
SHEET_LEVELS = 8  # of noise, a column each


@dataclass(frozen=True)
class ClassifierOptions(Options):
    batch: int = 64
    weight_decay: float = 0.05
    channels: tuple[int, ...] = (32, 64, 96)
    resolution: int = 32
    shift: int = 3  # pixels, at most
    start: str = ""  # a UNet of the recipe pixel to take the down half of, in diffusers' folder format; empty: none


class Classifier(Recipe[NoisyEncoder]):
    """A classifier of noisy drawings, to guide the pixel model with."""

    name = "classifier"
    options: ClassifierOptions

    def __init__(self, options: ClassifierOptions, corpus: Corpus, device: torch.device, models: Models) -> None:
        self.options, self.device = options, device
        training = corpus.training.drawings(options.resolution)
        self.test = corpus.unseen.drawings(options.resolution)
        self.pixels = to_device(training.pixels, device)
        self.groups, labels = np.unique(np.array(training.groups), return_inverse=True)
        self.labels = torch.from_numpy(labels).to(device)
        self.scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2")
        self.alphas_cumprod = self.scheduler.alphas_cumprod.to(device)
        torch.manual_seed(options.seed)
        self.model = NoisyEncoder(len(self.groups), options.resolution, options.channels).to(device)
        if options.start:
            self.model.start_from(UNet2DModel.from_pretrained(options.start).float().to(device))

    def loss(self, model: NoisyEncoder, rng: torch.Generator) -> dict[str, Tensor]:
        index = draw_indices(len(self.pixels), self.options.batch, rng)
        x_0 = shifted(flipped(to_unit(self.pixels[index]), rng), rng, self.options.shift)
        t = torch.randint(len(self.alphas_cumprod), (len(index),), generator=rng, device=self.device)
        eps = torch.randn(x_0.shape, generator=rng, device=self.device)
        logits = self.logits(model, add_noise(x_0, eps, self.alphas_cumprod[t]), t)
        labels = self.labels[index]
        return {"loss": cross_entropy(logits, labels), "accuracy": (logits.argmax(1) == labels).float().mean()}

    def logits(self, model: NoisyEncoder, x_t: Tensor, t: Tensor) -> Tensor:
        """(rows, classes), as far as x_t tells of the class."""
        return certainty(Level.from_alpha_bar(self.alphas_cumprod[t]))[:, None] * model(x_t, t).float()

    @torch.no_grad()
    def sheet(self, model: NoisyEncoder) -> np.ndarray:
        """A row for each of up to eight held-out drawings, ever noisier: framed in green where the classifier is right, else
        in red."""
        indices = np.linspace(0, len(self.test) - 1, min(8, len(self.test))).astype(int).repeat(SHEET_LEVELS)
        shown = self.test.select(indices)
        x_0 = to_unit(to_device(shown.pixels, self.device))
        t = torch.linspace(0, len(self.alphas_cumprod) - 1, SHEET_LEVELS).long().repeat(len(x_0) // SHEET_LEVELS)
        eps = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(0)).to(self.device)
        x_t = add_noise(x_0, eps, self.alphas_cumprod[t.to(self.device)])
        named = self.groups[self.logits(model, x_t, t.to(self.device)).argmax(1).cpu().numpy()]
        return tile(framed(to_pixels(x_t), named == np.array(shown.groups)), SHEET_LEVELS)

    def export(self, model: NoisyEncoder, folder: Path) -> None:
        model.save_pretrained(folder / "classifier")
        self.scheduler.save_pretrained(folder / "scheduler")
        (folder / "classes.json").write_text(json.dumps(self.groups.tolist()))


def framed(pictures: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Pictures (n, h, w, 3) uint8 in a frame of two pixels, by whether each is `right` (n,) bool."""
    colours = np.where(right[:, None], RIGHT, WRONG).astype(np.uint8)[:, None, None]
    out = np.broadcast_to(colours, (len(pictures), pictures.shape[1] + 4, pictures.shape[2] + 4, 3)).copy()
    out[:, 2:-2, 2:-2] = pictures
    return out
