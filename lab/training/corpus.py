"""What the recipes learn from: the picture set and generated people, as one list of captioned pictures."""

from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from lab.models.pictures import PictureSet
from lab.training.people import people

SHIPPED = Path("assets/pictures")
PEOPLE_GROUP = "people"


@dataclass(frozen=True)
class Corpus:
    """Captioned pictures; every field has one entry per picture."""

    pixels: np.ndarray  # (n, size, size, 3) uint8 RGB
    captions: tuple[str, ...]  # "red apple, flat style"
    concepts: tuple[str, ...]  # equal where the same thing is drawn in several styles
    styles: tuple[str, ...]
    groups: tuple[str, ...]
    keywords: tuple[tuple[str, ...], ...]
    held_out: np.ndarray  # (n,) bool; True where no model may train on the picture
    joints: np.ndarray  # (n, 18, 2) in [0, 1]; NaN where the picture is no generated person
    visible: np.ndarray  # (n, 18) bool

    def __len__(self) -> int:
        return len(self.captions)

    def select(self, mask: np.ndarray) -> "Corpus":
        """The pictures where `mask` (n,) bool is True, or those at its indices."""
        indices = np.arange(len(self))[mask]

        def take(values: tuple) -> tuple:
            return tuple(values[i] for i in indices)

        return Corpus(
            pixels=self.pixels[indices], captions=take(self.captions), concepts=take(self.concepts),
            styles=take(self.styles), groups=take(self.groups), keywords=take(self.keywords),
            held_out=self.held_out[indices], joints=self.joints[indices], visible=self.visible[indices],
        )  # fmt: skip

    @property
    def training(self) -> "Corpus":
        return self.select(~self.held_out)

    def in_styles(self, styles: tuple[str, ...]) -> "Corpus":
        """The drawings in these styles, and the people."""
        return self.select(np.isin(np.array(self.styles), [*styles, ""]))

    @property
    def unseen(self) -> "Corpus":
        return self.select(self.held_out)

    def drawings(self, side: int) -> "Corpus":
        """The pictures that are no generated people, `side` pixels wide and high."""
        drawn = self.select(np.array([group != PEOPLE_GROUP for group in self.groups]))
        small = [cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA) for picture in drawn.pixels]
        return replace(drawn, pixels=np.stack(small))

    @property
    def persons(self) -> "Corpus":
        """The generated people, whose skeletons are known."""
        return self.select(np.isfinite(self.joints[:, 0, 0]))


def load_corpus(folder: Path = SHIPPED, size: int = 64, persons: int = 6_000, seed: int = 0) -> Corpus:
    """The pictures of the folder and `persons` people, the last of them held out too."""
    pictures = PictureSet.load(folder)
    pixels = pictures.pixels
    if pixels.shape[1] != size:
        pixels = np.stack([cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA) for picture in pixels])
    emoji = Corpus(
        pixels=pixels, captions=pictures.captions, concepts=pictures.concepts, styles=pictures.styles,
        groups=pictures.groups, keywords=pictures.keywords, held_out=pictures.held_out,
        joints=np.full((len(pictures), 18, 2), np.nan, np.float32), visible=np.zeros((len(pictures), 18), bool),
    )  # fmt: skip
    return joined(emoji, crowd(persons, size, seed)) if persons else emoji


def crowd(n: int, size: int, seed: int = 0) -> Corpus:
    """`n` generated people, of whom the last fifteenth (at least one) is held out."""
    persons = list(islice(people(seed, size), n))
    return Corpus(
        pixels=np.stack([person.picture for person in persons]), captions=tuple(person.caption for person in persons),
        concepts=tuple(person.caption for person in persons), styles=("",) * n, groups=(PEOPLE_GROUP,) * n,
        keywords=((),) * n, held_out=np.arange(n) >= min(n - n // 15, n - 1),
        joints=np.stack([person.joints for person in persons]), visible=np.stack([person.visible for person in persons]),
    )  # fmt: skip


def joined(a: Corpus, b: Corpus) -> Corpus:
    """`a` followed by `b`."""
    fields: dict[str, Any] = {}
    for name in Corpus.__dataclass_fields__:
        left, right = getattr(a, name), getattr(b, name)
        fields[name] = left + right if isinstance(left, tuple) else np.concatenate([left, right])
    return Corpus(**fields)


def evenly(corpus: Corpus, n: int) -> Corpus:
    """At most n pictures, evenly spread."""
    return corpus.select(np.linspace(0, len(corpus) - 1, min(n, len(corpus))).astype(int))


def to_device(pixels: np.ndarray, device: torch.device) -> Tensor:
    """(n, size, size, 3) uint8 -> (n, 3, size, size) uint8 on `device`, where a whole set takes 12 KB a picture."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous().to(device)


def to_unit(pixels: Tensor) -> Tensor:
    """uint8 pixels -> float32 in [-1, 1], the range every model here works in."""
    return pixels.float() / 127.5 - 1


def to_pixels(pictures: Tensor) -> np.ndarray:
    """(n, 3, h, w) in [-1, 1] -> (n, h, w, 3) uint8."""
    return ((pictures.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def flipped(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Each picture mirrored with probability one half."""
    mirror = torch.rand(len(pictures), generator=rng, device=pictures.device) < 0.5
    return torch.where(mirror[:, None, None, None], pictures.flip(-1), pictures)


def draw_indices(n: int, batch: int, rng: torch.Generator) -> Tensor:
    """A batch of indices below n, (batch,) on the generator's device."""
    return torch.randint(n, (batch,), generator=rng, device=rng.device)
