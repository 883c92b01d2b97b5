"""prior and unclip: the two stages of unCLIP (Ramesh et al. 2022, sections 2.1 and 2.2), words to a CLIP embedding of a
picture and that embedding to a picture, on the small CLIP of the recipe clip.

Both are saved into one folder, laid out as diffusers' StableUnCLIPPipeline has it; the image encoder lies beside it, so that
StableUnCLIPImg2ImgPipeline reads the same folder.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    PriorTransformer,
    StableUnCLIPImg2ImgPipeline,
    UNet2DConditionModel,
)
from diffusers.models.embeddings import get_timestep_embedding
from diffusers.pipelines.stable_diffusion import StableUnCLIPImageNormalizer
from torch import Tensor
from transformers import (
    CLIPImageProcessor,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionModelWithProjection,
)

from lab.training.corpus import PEOPLE_GROUP, Corpus, draw_indices, joined, to_device, to_pixels, to_unit
from lab.training.losses import add_noise
from lab.training.recipes.latents import LatentOptions, LatentRecipe, balanced, noise_scheduler
from lab.training.recipes.text_to_image import PROMPTS
from lab.training.records import tile
from lab.training.train import Models, Recipe
from lab.training.wording import MAX_TOKENS, tokenize, tokenize_wordings

PRIOR_PARTS = {
    "prior": ("diffusers", "PriorTransformer"),
    "prior_scheduler": ("diffusers", "DDIMScheduler"),
    "prior_text_encoder": ("transformers", "CLIPTextModelWithProjection"),
    "prior_tokenizer": ("transformers", "CLIPTokenizer"),
}
COPIES = 3  # of each drawing, moved; two of them in other hues
MOST_TURN = 12  # degrees of a copy


@dataclass(frozen=True)
class PriorOptions(LatentOptions):
    batch: int = 128
    channels: tuple[int, ...] = (128,)  # width of the transformer
    layers: int = 6
    head: int = 32  # width of one attention head


class Prior(Recipe[PriorTransformer]):
    """A transformer that turns noise into the CLIP embedding of a picture, given the words (section 2.2).

    It predicts the embedding itself by mean squared error (equation 2), in units of each coordinate's deviation.
    """

    name = "prior"
    options: PriorOptions

    def __init__(self, options: PriorOptions, corpus: Corpus, device: torch.device, models: Models) -> None:
        self.options, self.device = options, device
        training = corpus.in_styles(options.styles).training
        folder = models("clip")
        self.text = CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder").float().to(device).eval()
        self.tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        image = CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder").float().to(device).eval()
        self.pixels = training.pixels
        self.weights = balanced(training, options.people_share).to(device)
        self.tokens = tokenize_wordings(self.tokenizer, training).to(device)
        self.nothing = tokenize(self.tokenizer, [""]).to(device)
        embeddings = embed_images(image, training.pixels)
        torch.manual_seed(options.seed)
        width = options.channels[0]
        self.model = PriorTransformer(
            num_attention_heads=width // options.head, attention_head_dim=options.head, num_layers=options.layers,
            embedding_dim=embeddings.shape[1], num_embeddings=MAX_TOKENS,
        )  # fmt: skip
        self.model.requires_grad_(True)
        for share, value in ((self.model.clip_mean, embeddings.mean(0)), (self.model.clip_std, embeddings.std(0))):
            share.data = value[None].clone()
            share.requires_grad_(False)
        self.model.to(device)
        self.embeddings = (embeddings - self.model.clip_mean) / self.model.clip_std
        self.scheduler = prior_scheduler()
        self.alphas_cumprod = self.scheduler.alphas_cumprod.to(device)

    def loss(self, model: PriorTransformer, rng: torch.Generator) -> dict[str, Tensor]:
        index = torch.multinomial(self.weights, self.options.batch, replacement=True, generator=rng)
        variant = draw_indices(self.tokens.shape[1], len(index), rng)
        dropped = torch.rand(len(index), generator=rng, device=self.device) < self.options.unconditional
        tokens = torch.where(dropped[:, None], self.nothing, self.tokens[index, variant])
        x_0 = self.embeddings[index]
        t = torch.randint(len(self.alphas_cumprod), (len(index),), generator=rng, device=self.device)
        eps = torch.randn(x_0.shape, generator=rng, device=self.device)
        x_t = add_noise(x_0, eps, self.alphas_cumprod[t])
        return {"loss": (self.predict(model, x_t, t, tokens) - x_0).square().mean()}

    def predict(self, model: PriorTransformer, x_t: Tensor, t: Tensor, tokens: Tensor) -> Tensor:
        """The embedding that the words ask for, (n, width), in units of each coordinate's deviation."""
        with torch.no_grad():
            text = self.text(input_ids=tokens)
        return model(x_t, t, text.text_embeds, text.last_hidden_state, self.mask(tokens)).predicted_image_embedding

    def mask(self, tokens: Tensor) -> Tensor:
        """Which tokens are words: up to the first end token, as the tokenizer's attention mask has it."""
        ended = (tokens == self.tokenizer.eos_token_id).cumsum(1)
        return ended - (tokens == self.tokenizer.eos_token_id).int() < 1

    @torch.no_grad()
    def sheet(self, model: PriorTransformer) -> np.ndarray:
        """Sixteen prompts: the training pictures that lie nearest to four embeddings of each."""
        prompts = PROMPTS[:: len(PROMPTS) // 16]
        tokens = tokenize(self.tokenizer, list(prompts)).to(self.device).repeat_interleave(4, 0)
        scheduler = prior_scheduler()
        scheduler.set_timesteps(self.options.sheet_steps)
        x = torch.randn(len(tokens), self.embeddings.shape[1], generator=torch.Generator().manual_seed(0))
        x = x.to(self.device)
        for t in scheduler.timesteps:
            made = self.predict(model, x, t.expand(len(x)), tokens)
            x = scheduler.step(made, t, x).prev_sample
        near = torch.nn.functional.normalize(model.post_process_latents(x), dim=-1) @ torch.nn.functional.normalize(
            model.post_process_latents(self.embeddings), dim=-1
        ).T  # fmt: skip
        return tile(self.pixels[near.argmax(1).cpu().numpy()], 8)

    def export(self, model: PriorTransformer, folder: Path) -> None:
        model.save_pretrained(folder / "prior")
        self.scheduler.save_pretrained(folder / "prior_scheduler")
        self.text.save_pretrained(folder / "prior_text_encoder")
        self.tokenizer.save_pretrained(folder / "prior_tokenizer")


@dataclass(frozen=True)
class UnclipOptions(LatentOptions):
    batch: int = 48
    lr: float = 5e-4
    unconditional: float = (
        0.7  # share of captions dropped: the paper drops half; few are left to leave it to the picture
    )
    no_picture: float = 0.1  # share of embeddings set to zero (section 2.1)


class Unclip(LatentRecipe[UNet2DConditionModel]):
    """The text-to-image UNet taught to draw from a CLIP embedding of a picture, added to the embedding of t (section 2.1).

    The embedding is noised as diffusers' StableUnCLIPPipeline does it: to a level that joins the network's input, a low
    one more often than a high one.
    """

    name = "unclip"
    options: UnclipOptions

    def __init__(self, options: UnclipOptions, corpus: Corpus, device: torch.device, models: Models) -> None:
        corpus = with_varied_copies(corpus.in_styles(options.styles))
        super().__init__(options, corpus, device, models)
        folder = models("clip")
        self.image = CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder").float().to(device).eval()
        self.processor = CLIPImageProcessor.from_pretrained(folder / "image_processor")
        self.embeddings = embed_images(self.image, self.training.pixels)
        self.normalizer = StableUnCLIPImageNormalizer(self.embeddings.shape[1]).requires_grad_(False)
        self.normalizer.mean.data = self.embeddings.mean(0, keepdim=True)
        self.normalizer.std.data = self.embeddings.std(0, keepdim=True)
        self.noising = DDPMScheduler(beta_schedule="squaredcos_cap_v2")
        base = UNet2DConditionModel.from_pretrained(models("text-to-image"), subfolder="unet").float()
        torch.manual_seed(options.seed)
        self.model = told_embeddings(base, self.embeddings.shape[1]).to(device)

    def loss(self, model: UNet2DConditionModel, rng: torch.Generator) -> dict[str, Tensor]:
        batch = self.batch(rng)
        hidden = self.hidden(batch.tokens)
        n, steps = len(batch.index), self.noising.config.num_train_timesteps
        level = (steps * torch.rand(n, generator=rng, device=self.device) ** 2).long()
        noise = torch.randn(n, self.embeddings.shape[1], generator=rng, device=self.device)
        labels = self.labels(self.embeddings[batch.index], level, noise)
        shown = torch.rand(n, 1, generator=rng, device=self.device) >= self.options.no_picture

        def denoise(x_t: Tensor, t: Tensor) -> Tensor:
            return model(x_t, t, encoder_hidden_states=hidden, class_labels=labels * shown).sample

        return {"loss": self.denoising_loss(denoise, batch.latents, rng)}

    def labels(self, embeddings: Tensor, level: Tensor, noise: Tensor) -> Tensor:
        """Embeddings (n, width) noised to levels (n,), then the levels' own embeddings: (n, 2 width)."""
        noised = self.noising.add_noise(self.normalizer.scale(embeddings), noise, level)
        times = get_timestep_embedding(level, embeddings.shape[1], flip_sin_to_cos=True, downscale_freq_shift=0)
        return torch.cat([self.normalizer.unscale(noised), times], dim=1)

    def sheet(self, model: UNet2DConditionModel) -> np.ndarray:
        """Pictures, learned ones and held-out ones in turn, and three variations of each."""
        sample = joined(some(self.training, 8), some(self.unseen, 8))
        pipeline = self.pipeline(model)
        pipeline.set_progress_bar_config(disable=True)
        rows = [sample.pixels]
        for seed in range(3):
            rngs = [torch.Generator().manual_seed(seed + i) for i in range(len(sample))]
            made = pipeline(
                prompt=[""] * len(sample), image_embeds=embed_images(self.image, sample.pixels), guidance_scale=2.0,
                num_inference_steps=self.options.sheet_steps, generator=rngs, output_type="pt",
            ).images  # fmt: skip
            rows.append(to_pixels(made.float() * 2 - 1))
        return tile(np.concatenate(rows), len(sample))

    def pipeline(self, model: UNet2DConditionModel) -> StableUnCLIPImg2ImgPipeline:
        return StableUnCLIPImg2ImgPipeline(
            feature_extractor=self.processor, image_encoder=self.image, image_normalizer=self.normalizer,
            image_noising_scheduler=self.noising, tokenizer=self.tokenizer, text_encoder=self.text, unet=model,
            scheduler=noise_scheduler(self.options), vae=self.autoencoder,
        )  # fmt: skip

    def export(self, model: UNet2DConditionModel, folder: Path) -> None:
        self.pipeline(model).save_pretrained(folder)
        index = json.loads((folder / "model_index.json").read_text())
        index |= {"_class_name": "StableUnCLIPPipeline"} | {name: list(part) for name, part in PRIOR_PARTS.items()}
        (folder / "model_index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def prior_scheduler() -> DDIMScheduler:
    """Cosine betas (Nichol & Dhariwal 2021); the network predicts the embedding itself."""
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2", prediction_type="sample", clip_sample=False, timestep_spacing="trailing",
    )  # fmt: skip


def told_embeddings(base: UNet2DConditionModel, width: int) -> UNet2DConditionModel:
    """`base` with embeddings of `width` added to that of t, which draws the same whatever they hold, until it has learned
    otherwise."""
    model = UNet2DConditionModel.from_config(
        base.config, class_embed_type="projection", projection_class_embeddings_input_dim=2 * width
    )
    model.load_state_dict(model.state_dict() | base.state_dict())
    torch.nn.init.zeros_(model.class_embedding.linear_2.weight)
    torch.nn.init.zeros_(model.class_embedding.linear_2.bias)
    return model


@torch.no_grad()
def embed_images(image: CLIPVisionModelWithProjection, pixels: np.ndarray) -> Tensor:
    """Pictures (n, size, size, 3) uint8 -> CLIP embeddings (n, width), of the length that the encoder gives them."""
    parts = to_device(pixels, image.device).split(512)
    return torch.cat([image(pixel_values=to_unit(part)).image_embeds for part in parts])


def with_varied_copies(corpus: Corpus) -> Corpus:
    """The corpus, and COPIES of each of its training drawings, moved a little and all but the first in another hue: an
    embedding that was never seen is to mean something, too."""
    drawings = corpus.select(np.array([group != PEOPLE_GROUP for group in corpus.groups]) & ~corpus.held_out)
    rng = np.random.default_rng(0)
    for copy in range(COPIES):
        varied = np.stack([vary(picture, rng, hue=copy > 0) for picture in drawings.pixels])
        corpus = joined(corpus, replace(drawings, pixels=varied))
    return corpus


def vary(picture: np.ndarray, rng: np.random.Generator, hue: bool) -> np.ndarray:
    """A picture (size, size, 3) uint8 on its own ground, turned by up to MOST_TURN degrees, scaled by 0.75 to 1.1, shifted
    by up to a tenth of its side, mirrored in half of all cases; with `hue`, its colours turned around their circle."""
    size = picture.shape[0]
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), rng.uniform(-MOST_TURN, MOST_TURN), rng.uniform(0.75, 1.1))
    turn[:, 2] += rng.uniform(-size / 10, size / 10, 2)
    ground = tuple(int(value) for value in np.median(picture[[0, 0, -1, -1], [0, -1, 0, -1]], axis=0))
    mirrored = picture[:, ::-1] if rng.random() < 0.5 else picture
    moved = cv2.warpAffine(np.ascontiguousarray(mirrored), turn, (size, size), flags=cv2.INTER_AREA, borderValue=ground)
    if not hue:
        return moved
    hsv = cv2.cvtColor(moved, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(int) + rng.integers(15, 166)) % 180
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def some(corpus: Corpus, n: int) -> Corpus:
    """`n` pictures, evenly through the corpus."""
    return corpus.select(np.linspace(0, len(corpus) - 1, min(n, len(corpus))).astype(int))
