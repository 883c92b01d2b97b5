"""Changed copies of drawings, for what is not to know them by heart."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from lab.training.corpus import PEOPLE_GROUP, Corpus, joined

COPIES = 3  # of each drawing


@dataclass(frozen=True)
class Move:
    """How far a picture is moved at most: degrees, scales, and a share of its side."""

    turn: float
    scale: tuple[float, float]
    shift: float

    def __call__(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A picture (size, size, 3) uint8 on its own ground, turned, scaled, shifted, and mirrored in half of all cases."""
        size = picture.shape[0]
        turn = cv2.getRotationMatrix2D(
            (size / 2, size / 2), rng.uniform(-self.turn, self.turn), rng.uniform(*self.scale)
        )
        turn[:, 2] += rng.uniform(-size * self.shift, size * self.shift, 2)
        ground = tuple(int(value) for value in np.median(picture[[0, 0, -1, -1], [0, -1, 0, -1]], axis=0))
        mirrored = picture[:, ::-1] if rng.random() < 0.5 else picture
        return cv2.warpAffine(
            np.ascontiguousarray(mirrored), turn, (size, size), flags=cv2.INTER_AREA, borderValue=ground
        )


FAR = Move(turn=30, scale=(0.6, 1.1), shift=1 / 6)
LITTLE = Move(turn=12, scale=(0.75, 1.1), shift=1 / 10)


def in_another_hue(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture (size, size, 3) uint8 whose hues are turned around their circle, by 30 degrees at least; greys stay."""
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)  # hues in [0, 180)
    hsv[..., 0] = (hsv[..., 0].astype(int) + rng.integers(15, 166)) % 180
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def with_copies(corpus: Corpus, change: Callable[[np.ndarray, int, np.random.Generator], np.ndarray]) -> Corpus:
    """The corpus, and of each of its training drawings COPIES, as `change(picture, number of the copy, rng)` makes them."""
    drawings = corpus.select(np.array([group != PEOPLE_GROUP for group in corpus.groups]) & ~corpus.held_out)
    rng = np.random.default_rng(0)
    for copy in range(COPIES):
        changed = np.stack([change(picture, copy, rng) for picture in drawings.pixels])
        corpus = joined(corpus, replace(drawings, pixels=changed))
    return corpus


def with_moved_copies(corpus: Corpus) -> Corpus:
    """The corpus, and copies of its training drawings, moved far."""
    return with_copies(corpus, lambda picture, copy, rng: FAR(picture, rng))


def with_varied_copies(corpus: Corpus) -> Corpus:
    """The corpus, and copies of its training drawings, moved a little, all but the first in another hue: what no drawing
    of the set looks like."""
    return with_copies(
        corpus,
        lambda picture, copy, rng: in_another_hue(LITTLE(picture, rng), rng) if copy else LITTLE(picture, rng),
    )
