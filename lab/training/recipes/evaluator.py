"""evaluator: the judge of the generated pictures, which no generator ever saw.

A convolutional picture encoder (He et al. 2016) and a recurrent text encoder (Cho et al. 2014), contrastive like
CLIP but of another architecture, seed and wording, so that it does not share the text encoder's blind spots. It is
measured with and never shipped.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, silu

from lab.training.corpus import Corpus, draw_indices, flipped, to_device, to_unit
from lab.training.losses import contrastive_loss
from lab.training.recipes.clip import hidden_styles, nearest_sheet, shifted
from lab.training.train import Models, Options, Recipe
from lab.training.wording import MAX_TOKENS, ids_of, tokenize, train_tokenizer


@dataclass(frozen=True)
class EvaluatorOptions(Options):
    seed: int = 1234
    people: int = 3_000
    batch: int = 96
    lr: float = 1e-3
    weight_decay: float = 0.05
    ema: float = 0.995
    channels: tuple[int, ...] = (32, 64, 128, 192)
    width: int = 128  # of the shared embedding


class Evaluator(Recipe["Judge"]):
    """An independent judge of captions, to measure generated pictures with."""

    name = "evaluator"
    options: EvaluatorOptions

    def __init__(self, options: EvaluatorOptions, corpus: Corpus, device: torch.device, models: Models) -> None:
        self.options, self.device = options, device
        self.tokenizer = train_tokenizer(plain_captions(corpus.training), vocabulary=3000)
        training = corpus.training.select(~hidden_styles(corpus.training))
        self.test = corpus.training.select(hidden_styles(corpus.training))
        self.pixels = to_device(training.pixels, device)
        self.tokens = tokenize(self.tokenizer, plain_captions(training)).to(device)
        self.captions = ids_of(plain_captions(training)).to(device)
        torch.manual_seed(options.seed)
        self.model = Judge(options, len(self.tokenizer), self.tokenizer.eos_token_id).to(device)

    def loss(self, model: "Judge", rng: torch.Generator) -> dict[str, Tensor]:
        index = draw_indices(len(self.pixels), self.options.batch, rng)
        images = model.embed_images(shifted(flipped(to_unit(self.pixels[index]), rng), rng))
        texts = model.embed_texts(self.tokens[index])
        same = self.captions[index][:, None] == self.captions[index]
        return {"loss": contrastive_loss(images, texts, model.log_scale, same)}

    def sheet(self, model: "Judge") -> np.ndarray:
        return nearest_sheet(model, self.test, tokenize(self.tokenizer, plain_captions(self.test)), self.device)

    def export(self, model: "Judge", folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer.save_pretrained(folder / "tokenizer")
        torch.save({"options": self.options, "weights": model.state_dict()}, folder / "judge.pt")


class Judge(nn.Module):
    """Four stages of residual blocks, each halving the side; a GRU for the text. Both embed to unit length."""

    def __init__(self, options: EvaluatorOptions, vocabulary: int, end: int) -> None:
        super().__init__()
        widths = (3, *options.channels)
        self.stages = nn.ModuleList(ResidualStage(a, b) for a, b in itertools.pairwise(widths))
        self.head = nn.Linear(widths[-1], options.width)
        self.words = nn.Embedding(vocabulary, options.width)
        self.reader = nn.GRU(options.width, options.width, batch_first=True, bidirectional=True)
        self.text_head = nn.Linear(2 * options.width, options.width)
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())
        self.end = end

    def features(self, pictures: Tensor) -> Tensor:
        """(n, channels[-1]): what the Fréchet distance is taken over."""
        for stage in self.stages:
            pictures = stage(pictures)
        return pictures.mean(dim=(2, 3))

    def embed_images(self, pictures: Tensor) -> Tensor:
        return normalize(self.head(self.features(pictures)), dim=-1)

    def embed_texts(self, tokens: Tensor) -> Tensor:
        tokens = tokens[:, : int((tokens != self.end).sum(1).max()) + 1]
        states, _ = self.reader(self.words(tokens))
        read = (tokens != self.end).unsqueeze(-1).float()
        return normalize(self.text_head((states * read).sum(1) / read.sum(1).clamp(min=1)), dim=-1)


class ResidualStage(nn.Module):
    """Halve the side, then add two convolutions to what came."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(before, width, 3, stride=2, padding=1)
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for _ in range(2))
        self.convolutions = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        y = x
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            y = convolution(silu(norm(y)))
        return x + y


def plain_captions(corpus: Corpus) -> list[str]:
    """Captions without the style."""
    pairs = zip(corpus.captions, corpus.styles, strict=True)
    return [caption.removesuffix(f", {style} style") for caption, style in pairs]


def load_judge(folder: Path, device: torch.device) -> Judge:
    """The exported evaluator, ready to judge."""
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", model_max_length=MAX_TOKENS)
    saved = torch.load(folder / "judge.pt", map_location=device, weights_only=False)
    judge = Judge(saved["options"], len(tokenizer), tokenizer.eos_token_id)
    judge.load_state_dict(saved["weights"])
    judge.tokenizer = tokenizer
    return judge.to(device).eval()
