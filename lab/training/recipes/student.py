"""student: latent consistency distillation (Luo et al. 2023, LCM, algorithm 1) of the text-to-image model.

The student maps any x_t to x_0 in one call. It learns that two points of one guided trajectory of the teacher, a
`skip` of timesteps apart, have the same x_0; the guidance scale is an input, embedded beside the timestep. The
target network is the student itself without gradient, which needs no second average (Song & Dhariwal 2023, iCT).
"""

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import LCMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor, nn

from lab.engine.predictions import split_prediction
from lab.models.prompts import embed_scale
from lab.training.corpus import Corpus
from lab.training.losses import add_noise, expand, levels
from lab.training.recipes.latents import LatentOptions, LatentRecipe, generate
from lab.training.recipes.text_to_image import PROMPTS, SHEET_SCALE
from lab.training.records import tile
from lab.training.train import Models


@dataclass(frozen=True)
class StudentOptions(LatentOptions):
    batch: int = 24
    lr: float = 2e-4
    unconditional: float = 0.0
    scales: tuple[float, float] = (1.0, 8.0)  # guidance it can imitate
    skip: int = 20  # timesteps between the two points
    embedding: int = 64  # width of the embedded guidance scale


class Student(LatentRecipe[UNet2DConditionModel]):
    """The text-to-image model distilled to a few steps."""

    name = "student"
    options: StudentOptions

    def __init__(self, options: StudentOptions, corpus: Corpus, device: torch.device, models: Models) -> None:
        super().__init__(options, corpus, device, models)
        teacher = UNet2DConditionModel.from_pretrained(models("text-to-image"), subfolder="unet")
        self.teacher = teacher.float().to(device).eval().requires_grad_(False)
        torch.manual_seed(options.seed)
        self.model = UNet2DConditionModel.from_config(teacher.config, time_cond_proj_dim=options.embedding).to(device)
        self.model.load_state_dict(teacher.state_dict(), strict=False)  # all but the new projection of the scale
        nn.init.zeros_(self.model.time_embedding.cond_proj.weight)
        self.scheduler = LCMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False
        )

    def loss(self, model: UNet2DConditionModel, rng: torch.Generator) -> dict[str, Tensor]:
        batch, skip = self.batch(rng), self.options.skip
        hidden, n = self.hidden(batch.tokens), len(batch.index)
        later = (
            torch.randint(len(self.alphas_cumprod) // skip, (n,), generator=rng, device=self.device) + 1
        ) * skip - 1
        earlier = (later - skip).clamp(min=0)
        low, high = self.options.scales
        scale = low + (high - low) * torch.rand(n, generator=rng, device=self.device)
        eps = torch.randn(batch.latents.shape, generator=rng, device=self.device)
        x_later = add_noise(batch.latents, eps, self.alphas_cumprod[later])
        x_earlier = self.teacher_step(x_later, later, earlier, hidden, scale)
        prediction = self.consistency(model, x_later, later, hidden, scale)
        with torch.no_grad():
            target = self.consistency(model, x_earlier, earlier, hidden, scale)
        huber = ((prediction - target).square() + 0.001**2).sqrt() - 0.001  # pseudo-Huber, as LCM's
        return {"loss": huber.mean()}

    @torch.no_grad()
    def teacher_step(self, x: Tensor, t: Tensor, earlier: Tensor, hidden: Tensor, scale: Tensor) -> Tensor:
        """One DDIM step of the guided teacher (Song et al. 2021, eq. 12 with eta 0)."""
        nothing = self.hidden(self.nothing).expand(len(x), -1, -1)
        both = self.teacher(torch.cat([x, x]), torch.cat([t, t]), torch.cat([hidden, nothing])).sample
        conditional, unconditional = both.chunk(2)
        eps = unconditional + expand(scale, x) * (conditional - unconditional)
        return add_noise(self.clean(x, eps, t), eps, self.alphas_cumprod[earlier])

    def consistency(self, model: UNet2DConditionModel, x: Tensor, t: Tensor, hidden: Tensor, scale: Tensor) -> Tensor:
        """f(x, t) = c_skip x + c_out x_0(x, t), which is x itself at t = 0 (Song et al. 2023, section 3)."""
        eps = model(x, t, hidden, timestep_cond=embed_scale(scale, self.options.embedding)).sample
        scaled = expand(t, x).float() * self.scheduler.config.timestep_scaling
        skip, out = 0.25 / (scaled**2 + 0.25), scaled / (scaled**2 + 0.25).sqrt()
        return skip * x + out * self.clean(x, eps, t)

    def clean(self, x: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """x_0 from x_t and eps."""
        x_0, _ = split_prediction(eps, x, levels(self.alphas_cumprod[t], x), "epsilon")
        return x_0

    def sheet(self, model: UNet2DConditionModel) -> np.ndarray:
        """Sixteen prompts in 1, 2, 4 and 8 steps."""
        prompts = list(PROMPTS[::4])
        pictures = [generate(self.pipeline(model), prompts, SHEET_SCALE, steps=steps) for steps in (1, 2, 4, 8)]
        return tile(np.concatenate(pictures), len(prompts))

    def pipeline(self, model: UNet2DConditionModel) -> StableDiffusionPipeline:
        return StableDiffusionPipeline(
            vae=self.autoencoder, text_encoder=self.text, tokenizer=self.tokenizer, unet=model,
            scheduler=copy.deepcopy(self.scheduler), safety_checker=None, feature_extractor=None,
            requires_safety_checker=False,
        )  # fmt: skip

    def export(self, model: UNet2DConditionModel, folder: Path) -> None:
        self.pipeline(model).save_pretrained(folder)
