"""What figures and sheets of trained models are taken from: the corpus, where the models lie, prompts and batches."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import StableDiffusionPipeline

from lab.training.corpus import PEOPLE_GROUP, Corpus
from lab.training.recipes.judge import plain_captions
from lab.training.recipes.latents import LatentOptions
from lab.training.train import Models

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Scene:
    """What the figures are taken from: the corpus, where the models lie, and how many prompts to spend."""

    corpus: Corpus
    models: Models
    prompts: int
    device: torch.device = CPU  # where pictures are generated; all else is measured on the CPU
    styles: tuple[str, ...] = LatentOptions.styles

    @property
    def prompt_corpus(self) -> Corpus:
        """The pictures whose captions are prompts of the latent models: drawings in their styles, and people."""
        return self.corpus.in_styles(self.styles)


def load_pipeline(scene: Scene) -> StableDiffusionPipeline:
    pipeline = StableDiffusionPipeline.from_pretrained(scene.models("text-to-image"), safety_checker=None)
    return pipeline.to(scene.device)


def in_batches(make: Callable[[list[str], int], np.ndarray], captions: list[str], batch: int = 25) -> np.ndarray:
    """`make(captions, number of the first)` of each batch, joined."""
    return np.concatenate([make(captions[i : i + batch], i) for i in range(0, len(captions), batch)])


def prompt_parts(scene: Scene) -> dict[str, Corpus]:
    """The prompts of text-to-image models: captions of drawings that they learned, of people that they did not."""
    training = scene.prompt_corpus.training
    drawings = distinct(
        training.select(np.array([group != PEOPLE_GROUP for group in training.groups])), scene.prompts // 2
    )
    return {"drawings": drawings, "people": distinct(unseen_people(scene), scene.prompts - len(drawings))}


def unseen_people(scene: Scene) -> Corpus:
    return scene.corpus.unseen.persons


def distinct(corpus: Corpus, n: int) -> Corpus:
    """At most n pictures, evenly spread, no two of one caption."""
    _, first = np.unique(np.array(plain_captions(corpus)), return_index=True)
    return corpus.select(np.sort(first)[np.linspace(0, len(first) - 1, min(n, len(first))).astype(int)])
