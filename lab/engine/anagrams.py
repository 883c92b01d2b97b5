"""Anagrams by a latent model: a latent for each way to see the picture, and at every step the picture that both agree on.

An autoencoder's latents are turned neither by exchanging their places nor inverted by their sign: what lies within a place is
turned as well (Geng et al. 2024, "Visual Anagrams", arXiv 2311.17919, draw in pixels therefore). So each description denoises a latent
of its own, and the pictures that the two predict as x_0 are decoded, brought back, averaged, and encoded again as either sees it:
diffusions synchronised by what Tweedie's formula says (Kim et al. 2024, "SyncTweedies", arXiv 2403.14370).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from lab.engine.composition import Composed
from lab.engine.denoisers import Denoiser, by_row
from lab.engine.lanes import Record
from lab.engine.predictions import join_prediction, split_prediction


class Autoencoder(Protocol):
    """From latents (channels, height, width) to a picture (3, height, width) in [-1, 1], about, and back."""

    def to_values(self, x_0: Tensor, /) -> Tensor: ...

    def from_values(self, values: Tensor, /) -> Tensor: ...


class Synchronised:
    """A denoiser of two latents at once, (2 channels, height, width): the first of the picture as it is, the second of the picture
    as the second part of a `Composed` sees it. Itself a `Denoiser`, in the same terms; the parts' shares are taken to be equal.

    All latents of all rows are predicted in one call of the denoiser; a row costs two decodings and two encodings more. After the
    last step of a sampler that ends in predicted x_0 both latents are of one picture.
    """

    most_rows = 4  # of a call, two guided lanes: decoding is done one by one, and shares nothing

    def __init__(self, denoiser: Denoiser, autoencoder: Autoencoder) -> None:
        self.denoiser, self.autoencoder = denoiser, autoencoder
        self.process, self.prediction_type = denoiser.process, denoiser.prediction_type
        self.channels, height, width = denoiser.shape
        self.shape = (2 * self.channels, height, width)

    def __call__(self, x_t: Tensor, t: Tensor, conditioning: Sequence[Composed]) -> Tensor:
        """Predict for rows x_t (rows, 2 channels, height, width) at timesteps t (rows,), each of two parts."""
        parts = [own.parts[k] for k in (0, 1) for own in conditioning]
        x_t, t = torch.cat(x_t.chunk(2, dim=1)), torch.cat([t, t])
        prediction = self.denoiser(x_t, t, [part.conditioning for part in parts])[:, : self.channels]
        level = by_row(self.process.level(t.double()), x_t)
        x_0, _ = split_prediction(prediction, x_t, level, self.prediction_type)
        decode, encode = self.autoencoder.to_values, self.autoencoder.from_values
        pictures = [part.map.undo(decode(own), 3) for part, own in zip(parts, x_0, strict=True)]
        agreed = [
            (first + second) / 2
            for first, second in zip(pictures[: len(conditioning)], pictures[len(conditioning) :], strict=True)
        ]
        x_0 = torch.stack([encode(part.map.see(own)) for part, own in zip(parts, agreed * 2, strict=True)]).to(x_t)
        return torch.cat(join_prediction(x_0, x_t, level, self.prediction_type).chunk(2), dim=1)


def first_latent(record: Record) -> Record:
    """A record of two latents as one of the first: of the picture as it is."""
    x_t, x_0, eps = (both[: len(both) // 2] for both in (record.x_t, record.x_0, record.eps))
    halves = record.halves and (record.halves[0][: len(x_t)], record.halves[1][: len(x_t)])
    return replace(record, x_t=x_t, x_0=x_0, eps=eps, halves=halves)
