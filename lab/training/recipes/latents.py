"""What every recipe on captioned pictures shares, and every one on their latents: text-to-image, what stands on it, and the
prior of unCLIP.

Latents and tokens are constant, so they are computed once; a step only adds noise and denoises.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from lab.training.corpus import PEOPLE_GROUP, Corpus, draw_indices, to_device, to_pixels
from lab.training.losses import add_noise, diffusion_loss
from lab.training.recipes.autoencoder import encode
from lab.training.train import M, Models, Options, Recipe
from lab.training.wording import VARIANTS, tokenize, tokenize_wordings

CACHE = Path(".data/latents")


@dataclass(frozen=True)
class CaptionedOptions(Options):
    unconditional: float = 0.1  # share of captions dropped, for classifier-free guidance (Ho & Salimans 2022)
    styles: tuple[str, ...] = ("3D", "flat")  # of one hand: in the same minutes all six stay blurred (see the card)
    people_share: float = 0.35  # of a batch; the people are many and differ less than the drawings
    sheet_steps: int = 25  # DDIM steps of a picture on the sample sheet


@dataclass(frozen=True)
class LatentOptions(CaptionedOptions):
    batch: int = 48
    lr: float = 1e-3
    prediction_type: str = "epsilon"


@dataclass(frozen=True)
class Batch:
    """Clean latents, their captions, and their places in the training set."""

    latents: Tensor  # (batch, 4, size / 4, size / 4)
    tokens: Tensor  # (batch, MAX_TOKENS)
    index: Tensor  # (batch,)


class CaptionedRecipe(Recipe[M]):
    """Training pictures and their tokenized wordings."""

    options: CaptionedOptions
    wordings: ClassVar[tuple[int, ...]] = tuple(range(VARIANTS))  # of lab.training.wording, one as likely as another

    def learn_from(self, corpus: Corpus, tokenizer: Path) -> None:
        """Read the tokenizer, and lay ready the corpus' pictures in the options' styles, and their tokens."""
        corpus = corpus.in_styles(self.options.styles)
        self.training, self.unseen = corpus.training, corpus.unseen
        self.weights = balanced(self.training, self.options.people_share).to(self.device)
        self.tokenizer = CLIPTokenizer.from_pretrained(tokenizer)
        self.tokens = tokenize_wordings(self.tokenizer, self.training).to(self.device)
        self.nothing = tokenize(self.tokenizer, [""]).to(self.device)

    def draw(self, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Random pictures, as places in the training set (batch,), and of each one of its wordings, nothing for some:
        tokens (batch, MAX_TOKENS)."""
        index = torch.multinomial(self.weights, self.options.batch, replacement=True, generator=rng)
        wordings = torch.tensor(self.wordings, device=self.device)
        variant = wordings[draw_indices(len(wordings), len(index), rng)]
        dropped = torch.rand(len(index), generator=rng, device=self.device) < self.options.unconditional
        return index, torch.where(dropped[:, None], self.nothing, self.tokens[index, variant])


class LatentRecipe(CaptionedRecipe[M]):
    """Latents of the training pictures and their tokenized wordings.

    Pictures are not mirrored: letters and clocks would be wrong, and people face both ways already.
    """

    options: LatentOptions
    wordings = (0, 0, 0, 1, 1, 2, 4, 4, 4, 5, 5, 5)  # half of them with an article, half with the style

    def __init__(self, options: LatentOptions, corpus: Corpus, device: torch.device, models: Models) -> None:
        self.options, self.device = options, device
        autoencoder, tokenizer, text = self.parts(models)
        self.learn_from(corpus, tokenizer)
        self.autoencoder = AutoencoderKL.from_pretrained(autoencoder).float().to(device).eval()
        self.text = CLIPTextModel.from_pretrained(text).float().to(device).eval()
        self.latents = unit_latents(self.autoencoder, self.training.pixels)
        self.alphas_cumprod = noise_scheduler(options).alphas_cumprod.to(device)

    @staticmethod
    def parts(models: Models) -> tuple[Path, Path, Path]:
        """Where autoencoder, tokenizer and text encoder lie: those that the text-to-image model was trained with."""
        folder = models("text-to-image")
        return folder / "vae", folder / "tokenizer", folder / "text_encoder"

    def batch(self, rng: torch.Generator) -> Batch:
        """Latents of random pictures, each with one of its wordings, nothing for some."""
        index, tokens = self.draw(rng)
        return Batch(self.latents[index], tokens, index)

    @torch.no_grad()
    def hidden(self, tokens: Tensor) -> Tensor:
        """The text encoder's last hidden states, (n, MAX_TOKENS, width)."""
        return self.text(tokens).last_hidden_state

    def denoising_loss(self, denoise: Callable[[Tensor, Tensor], Tensor], x_0: Tensor, rng: torch.Generator) -> Tensor:
        """Noise x_0 to random t, predict with `denoise(x_t, t)`, weigh the error by min-SNR."""
        t = torch.randint(len(self.alphas_cumprod), (len(x_0),), generator=rng, device=self.device)
        eps = torch.randn(x_0.shape, generator=rng, device=self.device)
        prediction = denoise(add_noise(x_0, eps, self.alphas_cumprod[t]), t)
        return diffusion_loss(prediction, self.options.prediction_type, x_0, eps, self.alphas_cumprod[t])


def balanced(corpus: Corpus, people_share: float) -> Tensor:
    """How likely each picture is drawn, (n,), so that people make up `people_share` of a batch (where there are both)."""
    person = torch.tensor([group == PEOPLE_GROUP for group in corpus.groups])
    return torch.where(person, people_share / person.sum(), (1 - people_share) / (~person).sum())


def unit_latents(autoencoder: AutoencoderKL, pixels: np.ndarray) -> Tensor:
    """Latents of unit variance, (n, 4, size / 4, size / 4), on the autoencoder's device; kept in CACHE for next time."""
    digest = hashlib.sha256(pixels.tobytes())
    for weight in autoencoder.state_dict().values():
        digest.update(weight.cpu().numpy().tobytes())
    path = CACHE / f"{digest.hexdigest()[:20]}.pt"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        latents = encode(autoencoder, to_device(pixels, autoencoder.device)) * autoencoder.config.scaling_factor
        torch.save(latents.cpu(), path.with_suffix(".tmp"))
        path.with_suffix(".tmp").replace(path)
    return torch.load(path, map_location=autoencoder.device)


def noise_scheduler(options: LatentOptions) -> DDIMScheduler:
    """Stable Diffusion's scaled-linear betas; "trailing" spacing starts at the last t (Lin et al. 2023)."""
    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        prediction_type=options.prediction_type, timestep_spacing="trailing",
    )  # fmt: skip


@torch.no_grad()
def generate(
    pipeline: StableDiffusionPipeline, prompts: list[str], scale: float, steps: int = 25, seed: int = 0, **more: object
) -> np.ndarray:
    """Pictures of the prompts, (n, size, size, 3) uint8; picture i starts from the noise of seed + i."""
    pipeline.set_progress_bar_config(disable=True)
    rngs = [torch.Generator().manual_seed(seed + i) for i in range(len(prompts))]
    result = pipeline(
        prompts, guidance_scale=scale, num_inference_steps=steps, generator=rngs, output_type="pt", **more
    ).images
    return to_pixels(result.float() * 2 - 1)
