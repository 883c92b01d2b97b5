"""prior: words to the CLIP embedding of a picture, the first stage of unCLIP (Ramesh et al. 2022, section 2.2).

It ships in the folder of the decoder (recipe unclip), as diffusers' StableUnCLIPPipeline has it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, PriorTransformer
from torch import Tensor
from torch.nn.functional import normalize
from transformers import CLIPTextModelWithProjection, CLIPVisionModelWithProjection

from lab.training.corpus import Corpus
from lab.training.losses import add_noise
from lab.training.recipes.clip import embed_pictures
from lab.training.recipes.latents import CaptionedOptions, CaptionedRecipe
from lab.training.recipes.text_to_image import PROMPTS
from lab.training.records import tile
from lab.training.train import Models
from lab.training.wording import MAX_TOKENS, tokenize

PARTS = {  # of a pipeline's model_index.json
    "prior": ("diffusers", "PriorTransformer"),
    "prior_scheduler": ("diffusers", "DDIMScheduler"),
    "prior_text_encoder": ("transformers", "CLIPTextModelWithProjection"),
    "prior_tokenizer": ("transformers", "CLIPTokenizer"),
}


@dataclass(frozen=True)
class PriorOptions(CaptionedOptions):
    batch: int = 128
    channels: tuple[int, ...] = (128,)  # width of the transformer
    layers: int = 6
    head: int = 32  # width of one attention head


class Prior(CaptionedRecipe[PriorTransformer]):
    """A transformer that turns noise into the CLIP embedding of a picture, given the words.

    It predicts the embedding itself by mean squared error (equation 2), in units of each coordinate's deviation.
    """

    name = "prior"
    options: PriorOptions

    def __init__(self, options: PriorOptions, corpus: Corpus, device: torch.device, models: Models) -> None:
        self.options, self.device = options, device
        folder = models("clip")
        self.learn_from(corpus, folder / "tokenizer")
        self.text = CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder").float().to(device).eval()
        if self.text.config.hidden_size != self.text.config.projection_dim:
            raise ValueError(
                f"The text encoder of {folder} has states of {self.text.config.hidden_size} values and embeds in "
                f"{self.text.config.projection_dim}; a PriorTransformer reads both alike. Train the recipe clip with the width of its "
                "text as its projection."
            )
        image = CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder").float().to(device).eval()
        embeddings = embed_pictures(image, self.training.pixels)
        torch.manual_seed(options.seed)
        width = options.channels[0]
        self.model = PriorTransformer(
            num_attention_heads=width // options.head, attention_head_dim=options.head, num_layers=options.layers,
            embedding_dim=embeddings.shape[1], num_embeddings=MAX_TOKENS,
        ).to(device)  # fmt: skip
        for own, value in ((self.model.clip_mean, embeddings.mean(0)), (self.model.clip_std, embeddings.std(0))):
            own.requires_grad_(False).copy_(value[None])
        self.embeddings = (embeddings - self.model.clip_mean) / self.model.clip_std
        self.scheduler = prior_scheduler()
        self.alphas_cumprod = self.scheduler.alphas_cumprod.to(device)

    def loss(self, model: PriorTransformer, rng: torch.Generator) -> dict[str, Tensor]:
        index, tokens = self.draw(rng)
        x_0 = self.embeddings[index]
        t = torch.randint(len(self.alphas_cumprod), (len(index),), generator=rng, device=self.device)
        eps = torch.randn(x_0.shape, generator=rng, device=self.device)
        x_t = add_noise(x_0, eps, self.alphas_cumprod[t])
        return {"loss": (self.predict(model, x_t, t, tokens) - x_0).square().mean()}

    def predict(self, model: PriorTransformer, x_t: Tensor, t: Tensor, tokens: Tensor) -> Tensor:
        """The network's x_0 of rows x_t (n, width) at timesteps t (n,), given tokens (n, MAX_TOKENS)."""
        with torch.no_grad():
            text = self.text(input_ids=tokens)
        return model(x_t, t, text.text_embeds, text.last_hidden_state, self.mask(tokens)).predicted_image_embedding

    def mask(self, tokens: Tensor) -> Tensor:
        """Which tokens (n, MAX_TOKENS) are the text's, as the tokenizer's attention mask: all up to the first end token, which is
        the padding as well."""
        ends = (tokens == self.tokenizer.eos_token_id).int()
        return ends.cumsum(1) - ends < 1

    @torch.no_grad()
    def sheet(self, model: PriorTransformer) -> np.ndarray:
        """Sixteen prompts, four embeddings of each: the training pictures that lie nearest to them."""
        prompts = PROMPTS[:: len(PROMPTS) // 16]
        tokens = tokenize(self.tokenizer, list(prompts)).to(self.device).repeat_interleave(4, 0)
        scheduler = prior_scheduler()
        scheduler.set_timesteps(self.options.sheet_steps)
        x = torch.randn(len(tokens), self.embeddings.shape[1], generator=torch.Generator().manual_seed(0))
        x = x.to(self.device)
        for t in scheduler.timesteps:
            x = scheduler.step(self.predict(model, x, t.expand(len(x)), tokens), t, x).prev_sample
        made, real = (normalize(model.post_process_latents(z), dim=-1) for z in (x, self.embeddings))
        return tile(self.training.pixels[(made @ real.T).argmax(1).cpu().numpy()], 8)

    def export(self, model: PriorTransformer, folder: Path) -> None:
        model.save_pretrained(folder / "prior")
        self.scheduler.save_pretrained(folder / "prior_scheduler")
        self.text.save_pretrained(folder / "prior_text_encoder")
        self.tokenizer.save_pretrained(folder / "prior_tokenizer")


def prior_scheduler() -> DDIMScheduler:
    """Cosine betas (Nichol & Dhariwal 2021); the network predicts x_0 itself."""
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2", prediction_type="sample", clip_sample=False, timestep_spacing="trailing",
    )  # fmt: skip
