"""judge: reads generated pictures, which no generator, guide or scorer ever learned from; lab/models/judge.py.

It has another architecture, seed, tokenizer and wording than the recipe clip, so that it does not share the text encoder's blind
spots. A person's caption is in its words, a drawing's without the style.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lab.models.judge import Judge
from lab.training.corpus import Corpus, draw_indices, flipped, to_device, to_unit
from lab.training.losses import contrastive_loss
from lab.training.recipes.clip import hidden_styles, nearest_sheet, shifted
from lab.training.train import Models, Options, Recipe
from lab.training.wording import ids_of, tokenize, train_tokenizer


@dataclass(frozen=True)
class JudgeOptions(Options):
    seed: int = 1234
    people: int = 3_000
    batch: int = 96
    lr: float = 1e-3
    weight_decay: float = 0.05
    ema: float = 0.995
    channels: tuple[int, ...] = (32, 64, 128, 192)
    width: int = 128  # of the shared embedding


class JudgeRecipe(Recipe[Judge]):
    """An independent judge of captions, to measure generated pictures with."""

    name = "judge"
    options: JudgeOptions

    def __init__(self, options: JudgeOptions, corpus: Corpus, device: torch.device, models: Models) -> None:
        self.options, self.device = options, device
        self.tokenizer = train_tokenizer(plain_captions(corpus.training), vocabulary=3000)
        training = corpus.training.select(~hidden_styles(corpus.training))
        self.test = corpus.training.select(hidden_styles(corpus.training))
        self.pixels = to_device(training.pixels, device)
        self.tokens = tokenize(self.tokenizer, plain_captions(training)).to(device)
        self.captions = ids_of(plain_captions(training)).to(device)
        torch.manual_seed(options.seed)
        vocabulary, end = len(self.tokenizer), self.tokenizer.eos_token_id
        self.model = Judge(vocabulary, end, options.channels, options.width, options.size).to(device)

    def loss(self, model: Judge, rng: torch.Generator) -> dict[str, Tensor]:
        index = draw_indices(len(self.pixels), self.options.batch, rng)
        images = model.embed_images(shifted(flipped(to_unit(self.pixels[index]), rng), rng))
        texts = model.embed_texts(self.tokens[index])
        same = self.captions[index][:, None] == self.captions[index]
        return {"loss": contrastive_loss(images, texts, model.log_scale, same)}

    def sheet(self, model: Judge) -> np.ndarray:
        return nearest_sheet(model, self.test, tokenize(self.tokenizer, plain_captions(self.test)), self.device)

    def export(self, model: Judge, folder: Path) -> None:
        model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder / "tokenizer")


def plain_captions(corpus: Corpus) -> list[str]:
    """Captions without the style."""
    pairs = zip(corpus.captions, corpus.styles, strict=True)
    return [caption.removesuffix(f", {style} style") for caption, style in pairs]
