"""noised-clip: a CLIP image encoder of x_t, given t (GLIDE, Nichol et al. 2021, section 2.3), to guide the pixel model by words.

The text encoder is that of the recipe clip, which stays as it is: what is learned is where a noisy drawing lies in its space.
GLIDE trains both anew. Only x_t asks for its caption, as guidance does, and not the caption for its x_t.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DModel
from torch import Tensor
from torch.nn.functional import normalize
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

from lab.engine.potentials import certainty
from lab.engine.process import Level
from lab.models.guides import CLIP_SCALE
from lab.models.noisy_encoder import NoisyEncoder
from lab.training.corpus import Corpus, draw_indices, flipped, to_device, to_unit
from lab.training.losses import add_noise, shared_cross_entropy
from lab.training.recipes.clip import hidden_styles, shifted
from lab.training.records import tile
from lab.training.train import Models, Options, Recipe
from lab.training.wording import VARIANTS, ids_of, tokenize_wordings

SHEET_TIMES = (0, 300, 600)  # of 1000; three columns a picture


@dataclass(frozen=True)
class NoisedClipOptions(Options):
    batch: int = 128
    weight_decay: float = 0.05
    channels: tuple[int, ...] = (32, 64, 96)
    resolution: int = 32
    shift: int = 3  # pixels, at most
    scale: float = CLIP_SCALE  # of the cosines, the inverse of the temperature
    start: str = ""  # a UNet of the recipe pixel to take the down half of, in diffusers' folder format; empty: none


class NoisedClip(Recipe[NoisyEncoder]):
    """A CLIP image encoder of noisy drawings, to guide the pixel model with."""

    name = "noised-clip"
    options: NoisedClipOptions

    def __init__(self, options: NoisedClipOptions, corpus: Corpus, device: torch.device, models: Models) -> None:
        self.options, self.device = options, device
        folder = models("clip")
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        text = CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder").float().to(device).eval()
        drawings = corpus.training.drawings(options.resolution)
        training = drawings.select(~hidden_styles(drawings))
        self.test = drawings.select(hidden_styles(drawings))
        self.pixels = to_device(training.pixels, device)
        self.texts = embed(text, tokenize_wordings(tokenizer, training))
        self.test_texts = embed(text, tokenize_wordings(tokenizer, self.test))[:, 1]
        self.concepts, self.styles = ids_of(training.concepts).to(device), ids_of(training.styles).to(device)
        self.scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2")
        self.alphas_cumprod = self.scheduler.alphas_cumprod.to(device)
        torch.manual_seed(options.seed)
        self.model = NoisyEncoder(self.texts.shape[-1], options.resolution, options.channels).to(device)
        if options.start:
            self.model.start_from(UNet2DModel.from_pretrained(options.start).float().to(device))

    def loss(self, model: NoisyEncoder, rng: torch.Generator) -> dict[str, Tensor]:
        index = draw_indices(len(self.pixels), self.options.batch, rng)
        variant = torch.randint(VARIANTS, (len(index),), generator=rng, device=self.device)
        x_0 = shifted(flipped(to_unit(self.pixels[index]), rng), rng, self.options.shift)
        t = torch.randint(len(self.alphas_cumprod), (len(index),), generator=rng, device=self.device)
        eps = torch.randn(x_0.shape, generator=rng, device=self.device)
        images = normalize(model(add_noise(x_0, eps, self.alphas_cumprod[t]), t).float(), dim=-1)
        texts = self.texts[index, variant]
        concept, style = self.concepts[index], self.styles[index]
        same = (concept[:, None] == concept) & ((style[:, None] == style) | (variant != 0))
        hit = same.gather(1, (images @ texts.T).argmax(1, keepdim=True)).float().mean()
        sure = certainty(Level.from_alpha_bar(self.alphas_cumprod[t]))[:, None]
        return {"loss": shared_cross_entropy(self.options.scale * sure * images @ texts.T, same), "hit": hit}

    @torch.no_grad()
    def sheet(self, model: NoisyEncoder) -> np.ndarray:
        """Sixteen captions whose style was not trained on: the picture, then the nearest of the test at each of SHEET_TIMES."""
        x_0 = to_unit(to_device(self.test.pixels, self.device))
        eps = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(0)).to(self.device)
        queries = torch.linspace(0, len(x_0) - 1, min(16, len(x_0) // 2 * 2)).long()
        columns = [queries]
        for time in SHEET_TIMES:
            t = torch.full((len(x_0),), time, device=self.device)
            images = normalize(model(add_noise(x_0, eps, self.alphas_cumprod[t]), t), dim=-1)
            columns.append((self.test_texts[queries] @ images.T).argmax(1).cpu())
        return tile(self.test.pixels[torch.stack(columns, dim=1).flatten().numpy()], 2 * len(columns))

    def export(self, model: NoisyEncoder, folder: Path) -> None:
        model.save_pretrained(folder / "image_encoder")
        self.scheduler.save_pretrained(folder / "scheduler")


@torch.no_grad()
def embed(text: CLIPTextModelWithProjection, tokens: Tensor) -> Tensor:
    """Tokens (n, VARIANTS, MAX_TOKENS) -> embeddings of unit length (n, VARIANTS, width), on the encoder's device."""
    parts = [text(input_ids=part.to(text.device)).text_embeds for part in tokens.flatten(0, 1).split(512)]
    return normalize(torch.cat(parts), dim=-1).unflatten(0, tokens.shape[:2])
