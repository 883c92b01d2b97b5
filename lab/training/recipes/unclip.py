"""unclip: the CLIP embedding of a picture to a picture, the second stage of unCLIP (Ramesh et al. 2022, section 2.1), on the
text-to-image model and the small CLIP.

It is saved as diffusers' StableUnCLIPPipeline has it; the image encoder lies beside it, so that StableUnCLIPImg2ImgPipeline
opens the same folder. StableUnCLIPPipeline needs the parts of the recipe prior there, too. The network `context` beside them
makes the paper's second use of an embedding, tokens beside the prompt's: a pipeline is handed both as `prompt_embeds`.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler, StableUnCLIPImg2ImgPipeline, UNet2DConditionModel
from diffusers.models.embeddings import get_timestep_embedding
from diffusers.pipelines.stable_diffusion import StableUnCLIPImageNormalizer
from torch import Tensor, nn
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from lab.models.unclip import EmbeddingContext
from lab.training.copies import with_varied_copies
from lab.training.corpus import Corpus, draw_indices, evenly, joined, to_pixels
from lab.training.recipes import prior
from lab.training.recipes.clip import embed_pictures
from lab.training.recipes.latents import LatentOptions, LatentRecipe, noise_scheduler
from lab.training.records import tile
from lab.training.train import Models

VARIATIONS = 3  # of each picture of the sheet
SHEET_SCALE = 2.0
CONTEXT_BATCH = 256  # of fitting the tokens to those of captions


@dataclass(frozen=True)
class UnclipOptions(LatentOptions):
    lr: float = 5e-4
    unconditional: float = 0.7  # the paper drops half of the captions; with fewer, more is left to the embedding
    no_picture: float = 0.1  # share of embeddings set to zero (section 2.1)
    context: int = 16  # tokens; a person's caption has about 20, a drawing's at most 8
    context_steps: int = 2_000  # of fitting them to those of captions


class ContextAndUNet(nn.Module):
    """The two networks that learn together."""

    def __init__(self, context: EmbeddingContext, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.context, self.unet = context, unet


class Unclip(LatentRecipe[ContextAndUNet]):
    """The text-to-image UNet taught to draw from a CLIP embedding of a picture, as Ramesh et al. do it: added to the embedding of
    t, and as tokens of context beside the prompt's.

    The embedding is noised as StableUnCLIPPipeline does it, to a level that joins the network's input; low levels come more
    often than high ones. Of each drawing copies in other hues and places join it, so that an embedding that no drawing has
    means something as well. Before the UNet learns, the tokens are fitted to those that the text encoder makes of a picture's
    caption, which the UNet can draw already.
    """

    name = "unclip"
    options: UnclipOptions

    def __init__(self, options: UnclipOptions, corpus: Corpus, device: torch.device, models: Models) -> None:
        drawn = corpus.in_styles(options.styles)
        super().__init__(options, with_varied_copies(drawn), device, models)
        folder = models("clip")
        self.image = CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder").float().to(device).eval()
        self.processor = CLIPImageProcessor.from_pretrained(folder / "image_processor")
        self.embeddings = embed_pictures(self.image, self.training.pixels)
        width = self.embeddings.shape[1]
        self.normalizer = StableUnCLIPImageNormalizer(width).to(device).requires_grad_(False)
        self.normalizer.mean.copy_(self.embeddings.mean(0, keepdim=True))
        self.normalizer.std.copy_(self.embeddings.std(0, keepdim=True))
        self.noising = DDPMScheduler(beta_schedule="squaredcos_cap_v2")
        base = UNet2DConditionModel.from_pretrained(models("text-to-image"), subfolder="unet").float()
        torch.manual_seed(options.seed)
        context = EmbeddingContext(2 * width, base.config.cross_attention_dim, options.context)
        self.model = ContextAndUNet(context, with_class_embedding(base, 2 * width)).to(device)
        self.fit_context(len(drawn.training))

    def fit_context(self, n: int) -> None:
        """Fit the tokens of the first `n` pictures, which are no copies, to the hidden states of their captions, and those of no
        embedding to the hidden states of no text."""
        context, count = self.model.context, self.options.context
        nothing, said = self.hidden(self.nothing)[:, :count], self.hidden(self.tokens[:n, 1])[:, :count]
        rng = torch.Generator(self.device).manual_seed(self.options.seed)
        optimiser = torch.optim.Adam(context.parameters(), lr=1e-3)
        for _ in range(self.options.context_steps):
            index = draw_indices(n, CONTEXT_BATCH, rng)
            labels, shown = self.noised_labels(index, rng)
            target = torch.where(shown[..., None], said[index], nothing)
            optimiser.zero_grad()
            (context(labels) - target).square().mean().backward()
            optimiser.step()

    def loss(self, model: ContextAndUNet, rng: torch.Generator) -> dict[str, Tensor]:
        batch = self.batch(rng)
        labels, _ = self.noised_labels(batch.index, rng)
        hidden = torch.cat([self.hidden(batch.tokens), model.context(labels)], dim=1)

        def denoise(x_t: Tensor, t: Tensor) -> Tensor:
            return model.unet(x_t, t, encoder_hidden_states=hidden, class_labels=labels).sample

        return {"loss": self.denoising_loss(denoise, batch.latents, rng)}

    def noised_labels(self, index: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Class labels of pictures (n,), (n, 2 width), each under noise of its own level; zeros for some, and for which they are
        none, (n, 1) bool."""
        n, steps = len(index), self.noising.config.num_train_timesteps
        level = (steps * torch.rand(n, generator=rng, device=self.device) ** 2).long()
        noise = torch.randn(n, self.embeddings.shape[1], generator=rng, device=self.device)
        shown = torch.rand(n, 1, generator=rng, device=self.device) >= self.options.no_picture
        return self.labels(self.embeddings[index], level, noise) * shown, shown

    @torch.no_grad()
    def labels(self, embeddings: Tensor, level: Tensor, noise: Tensor) -> Tensor:
        """Embeddings (n, width) under noise of levels (n,), then the levels' own embeddings: (n, 2 width), as
        StableUnCLIPPipeline.noise_image_embeddings, which knows one level for all."""
        noised = self.noising.add_noise(self.normalizer.scale(embeddings), noise, level)
        times = get_timestep_embedding(level, embeddings.shape[1], flip_sin_to_cos=True, downscale_freq_shift=0)
        return torch.cat([self.normalizer.unscale(noised), times], dim=1)

    @torch.no_grad()
    def sheet(self, model: ContextAndUNet) -> np.ndarray:
        """Eight pictures that it learned, eight held-out ones, and variations of each."""
        sample = joined(evenly(self.training, 8), evenly(self.unseen, 8))
        n, pipeline = len(sample), self.pipeline(model)
        pipeline.set_progress_bar_config(disable=True)
        embeddings = embed_pictures(self.image, sample.pixels)
        level = torch.zeros(n, dtype=torch.long, device=self.device)
        labels = self.labels(embeddings, level, torch.zeros_like(embeddings))
        rows, nothing = [sample.pixels], self.hidden(self.nothing).expand(n, -1, -1)
        for row in range(VARIATIONS):
            made = pipeline(
                prompt_embeds=torch.cat([nothing, model.context(labels)], dim=1),
                negative_prompt_embeds=torch.cat([nothing, model.context(torch.zeros_like(labels))], dim=1),
                image_embeds=embeddings, guidance_scale=SHEET_SCALE, num_inference_steps=self.options.sheet_steps,
                generator=[torch.Generator().manual_seed(row * n + i) for i in range(n)], output_type="pt",
            ).images  # fmt: skip
            rows.append(to_pixels(made.float() * 2 - 1))
        return tile(np.concatenate(rows), n)

    def pipeline(self, model: ContextAndUNet) -> StableUnCLIPImg2ImgPipeline:
        return StableUnCLIPImg2ImgPipeline(
            feature_extractor=self.processor, image_encoder=self.image, image_normalizer=self.normalizer,
            image_noising_scheduler=self.noising, tokenizer=self.tokenizer, text_encoder=self.text, unet=model.unet,
            scheduler=noise_scheduler(self.options), vae=self.autoencoder,
        )  # fmt: skip

    def export(self, model: ContextAndUNet, folder: Path) -> None:
        self.pipeline(model).save_pretrained(folder)
        model.context.save_pretrained(folder / "context")
        index = json.loads((folder / "model_index.json").read_text())
        index |= {"_class_name": "StableUnCLIPPipeline"} | prior.PARTS
        (folder / "model_index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def with_class_embedding(base: UNet2DConditionModel, width: int) -> UNet2DConditionModel:
    """`base` with class labels of `width` values, embedded and added to the embedding of t. Its last layer begins at zero: it
    draws as `base`, whatever the labels hold, until it has learned otherwise."""
    model = UNet2DConditionModel.from_config(
        base.config, class_embed_type="projection", projection_class_embeddings_input_dim=width
    )
    model.load_state_dict(model.state_dict() | base.state_dict())
    torch.nn.init.zeros_(model.class_embedding.linear_2.weight)
    torch.nn.init.zeros_(model.class_embedding.linear_2.bias)
    return model
