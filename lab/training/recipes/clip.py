"""clip: a small CLIP (Radford et al. 2021), which conditions the text-to-image model and scores its pictures."""

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)  # fmt: skip

from lab.training.corpus import PEOPLE_GROUP, Corpus, draw_indices, flipped, to_device, to_unit
from lab.training.losses import contrastive_loss
from lab.training.records import tile
from lab.training.train import Models, Options, Recipe
from lab.training.wording import MAX_TOKENS, VARIANTS, ids_of, tokenize_wordings, train_tokenizer, wordings

EMBEDDED_AT_ONCE = 512  # pictures


@dataclass(frozen=True)
class ClipOptions(Options):
    people: int = 2_000  # they differ in few words; more of them would crowd out the drawings
    batch: int = 128
    lr: float = 1e-3
    weight_decay: float = 0.1
    ema: float = 0.995
    channels: tuple[int, ...] = (128, 160)  # widths of text and image
    layers: tuple[int, ...] = (2, 3)
    patch: int = 16
    projection: int = 128


class Clip(Recipe["TwoTowers"]):
    """Text and image encoder, contrastive on captions and keywords."""

    name = "clip"
    options: ClipOptions

    def __init__(self, options: ClipOptions, corpus: Corpus, device: torch.device, models: Models) -> None:
        self.options, self.device = options, device
        self.tokenizer = train_tokenizer(text for texts in wordings(corpus.training) for text in texts)
        training = corpus.training.select(~hidden_styles(corpus.training))
        self.pixels = to_device(training.pixels, device)
        self.tokens = tokenize_wordings(self.tokenizer, training).to(device)
        self.concepts, self.styles = ids_of(training.concepts).to(device), ids_of(training.styles).to(device)
        self.test = corpus.training.select(hidden_styles(corpus.training))
        torch.manual_seed(options.seed)
        self.model = TwoTowers(options, self.tokenizer.eos_token_id, len(self.tokenizer)).to(device)

    def loss(self, model: "TwoTowers", rng: torch.Generator) -> dict[str, Tensor]:
        index = draw_indices(len(self.pixels), self.options.batch, rng)
        variant = torch.randint(VARIANTS, (len(index),), generator=rng, device=self.device)
        pictures = shifted(flipped(to_unit(self.pixels[index]), rng), rng)
        tokens = self.tokens[index, variant]
        longest = int((tokens != self.tokenizer.eos_token_id).sum(1).max()) + 1  # a causal encoder never sees the rest
        images, texts = model.embed_images(pictures), model.embed_texts(tokens[:, :longest])
        concept, style = self.concepts[index], self.styles[index]
        names_style = variant == 0
        same = (concept[:, None] == concept) & ((style[:, None] == style) | ~names_style)
        loss = contrastive_loss(images, texts, model.log_scale, same)
        hit = same.gather(1, (images @ texts.T).argmax(1, keepdim=True)).float().mean()
        return {"loss": loss, "hit": hit}

    def sheet(self, model: "TwoTowers") -> np.ndarray:
        """Sixteen captions whose style was not trained on: the picture and the four that the model finds for it."""
        return nearest_sheet(model, self.test, tokenize_wordings(self.tokenizer, self.test)[:, 1], self.device)

    def export(self, model: "TwoTowers", folder: Path) -> None:
        model.text.save_pretrained(folder / "text_encoder")
        model.image.save_pretrained(folder / "image_encoder")
        self.tokenizer.save_pretrained(folder / "tokenizer")
        size = {"height": self.options.size, "width": self.options.size}
        CLIPImageProcessor(
            size=size, crop_size=size, do_center_crop=False, image_mean=[0.5] * 3, image_std=[0.5] * 3
        ).save_pretrained(folder / "image_processor")


class Embedder(Protocol):
    """What embeds pictures and texts into one space, as vectors of unit length."""

    def embed_images(self, pictures: Tensor) -> Tensor: ...

    def embed_texts(self, tokens: Tensor) -> Tensor: ...


class TwoTowers(nn.Module):
    """Text and image encoder side by side; both embed to unit length."""

    def __init__(self, options: ClipOptions, end: int, vocabulary: int) -> None:
        super().__init__()
        text, image = options.channels
        self.text = CLIPTextModelWithProjection(
            CLIPTextConfig(
                vocab_size=vocabulary, hidden_size=text, intermediate_size=4 * text, num_hidden_layers=options.layers[0],
                num_attention_heads=4, max_position_embeddings=MAX_TOKENS, projection_dim=options.projection,
                bos_token_id=end - 1, eos_token_id=end, pad_token_id=end,
            )
        )  # fmt: skip
        self.image = CLIPVisionModelWithProjection(
            CLIPVisionConfig(
                hidden_size=image, intermediate_size=4 * image, num_hidden_layers=options.layers[1],
                num_attention_heads=4, image_size=options.size, patch_size=options.patch,
                projection_dim=options.projection,
            )
        )  # fmt: skip
        self.log_scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    def embed_images(self, pictures: Tensor) -> Tensor:
        """Pictures in [-1, 1] -> (n, projection) of unit length."""
        return nn.functional.normalize(self.image(pixel_values=pictures).image_embeds, dim=-1)

    def embed_texts(self, tokens: Tensor) -> Tensor:
        """(n, MAX_TOKENS) -> (n, projection) of unit length."""
        return nn.functional.normalize(self.text(input_ids=tokens).text_embeds, dim=-1)


@torch.no_grad()
def embed_pictures(image: CLIPVisionModelWithProjection, pixels: np.ndarray) -> Tensor:
    """Pictures (n, size, size, 3) uint8 -> embeddings (n, projection), of the length that the encoder gives them, on its
    device."""
    parts = to_device(pixels, image.device).split(EMBEDDED_AT_ONCE)
    return torch.cat([image(pixel_values=to_unit(part)).image_embeds for part in parts])


@torch.no_grad()
def nearest_sheet(model: Embedder, test: Corpus, tokens: Tensor, device: torch.device) -> np.ndarray:
    """For up to sixteen of the test captions: the picture itself, then the four nearest pictures of the test."""
    queries = np.linspace(0, len(test) - 1, min(16, len(test) // 2 * 2)).astype(int)
    images = model.embed_images(to_unit(to_device(test.pixels, device)))
    nearest = (model.embed_texts(tokens[queries].to(device)) @ images.T).topk(min(4, len(test))).indices.cpu().numpy()
    indices = np.concatenate([queries[:, None], nearest], axis=1)
    return tile(test.pixels[indices.ravel()], 2 * indices.shape[1])


def hidden_styles(corpus: Corpus) -> np.ndarray:
    """A sixteenth of the drawings, (n,) bool, by a checksum: their concepts are seen in other styles only."""
    keys = zip(corpus.concepts, corpus.styles, corpus.groups, strict=True)
    return np.array([group != PEOPLE_GROUP and zlib.crc32(f"{c}/{s}".encode()) % 16 == 0 for c, s, group in keys])


def shifted(pictures: Tensor, rng: torch.Generator, most: int = 6) -> Tensor:
    """A batch moved by up to `most` pixels each way, the edge repeated."""
    padded = nn.functional.pad(pictures, (most,) * 4, mode="replicate")
    y, x = torch.randint(2 * most + 1, (2,), generator=rng, device=pictures.device).tolist()
    return padded[..., y : y + pictures.shape[-2], x : x + pictures.shape[-1]]
