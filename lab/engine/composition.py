"""One picture that several descriptions fit: what a denoiser predicts under each of them becomes one prediction at every step.

A part of a composition sees the picture its own way, through a map A that is undone on what it predicts, and gives a share of the
whole. By shares of equal size the scores of the descriptions are averaged (composable diffusion, Liu et al. 2022, arXiv
2206.01714, section 3). Seen through A as well, the picture is an anagram (Geng et al. 2024, "Visual Anagrams", arXiv 2311.17919,
section 3.2); with a share for each region it is MultiDiffusion over two masks (Bar-Tal et al. 2023, arXiv 2302.08113); with one for
each band of frequencies, a hybrid (Geng et al. 2024, "Factorized Diffusion", arXiv 2404.11615, section 3).

Any A that is linear and orthogonal will do ("Visual Anagrams", section 3.3). Linear: A x_t is signal * A x_0 + noise * A eps.
Orthogonal: A eps is white Gaussian noise as well. So A x_t is the state of a picture A x_0 at the same level, and as x_0 and eps are
mapped alike, so is every prediction that is a linear mixture of them: eps, x_0, v and the flow's velocity all come back by the inverse.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from lab.engine.denoisers import Denoiser
from lab.engine.lanes import Changing

REFERENCE_SIDE = 64  # pixels of the picture in which the cutoff of a hybrid is given


def _same(x: Tensor) -> Tensor:
    return x


@dataclass(frozen=True)
class OrthogonalMap:
    """A way to see x (..., height, width): its places exchanged by `move`, which `back` undoes, and its values times `sign`, 1 or -1."""

    move: Callable[[Tensor], Tensor] = _same
    back: Callable[[Tensor], Tensor] = _same
    sign: int = 1

    def see(self, x: Tensor) -> Tensor:
        """A x."""
        return self.sign * self.move(x)

    def undo(self, prediction: Tensor, channels: int) -> Tensor:
        """The inverse of A on a prediction (..., channels or more, height, width). Channels beyond the first hold its variance,
        which moves with its pixel and has no sign to change."""
        moved = self.back(prediction)
        return torch.cat([self.sign * moved[..., :channels, :, :], moved[..., channels:, :, :]], dim=-3)


def _flipped(*dims: int) -> OrthogonalMap:
    flip = partial(torch.flip, dims=dims)
    return OrthogonalMap(flip, flip)


AS_IT_IS = OrthogonalMap()
MAPS = {
    "flip": _flipped(-2),  # upside down
    "mirror": _flipped(-1),
    "turn": _flipped(-2, -1),  # half a turn
    "quarter": OrthogonalMap(  # to the left
        partial(torch.rot90, k=1, dims=(-2, -1)), partial(torch.rot90, k=-1, dims=(-2, -1))
    ),
    "negative": OrthogonalMap(sign=-1),
}


@dataclass(frozen=True, eq=False)
class Weighted:
    """The share of a prediction that `weight` says: a number, or one for each place, (1, height, width)."""

    weight: Tensor

    def __call__(self, prediction: Tensor) -> Tensor:
        """As `Part.share`."""
        return self.weight.to(prediction) * prediction


@dataclass(frozen=True)
class LowPass:
    """What a Gaussian blur leaves of a prediction; `deviation` in its pixels."""

    deviation: float

    def __call__(self, prediction: Tensor) -> Tensor:
        """As `Part.share`."""
        height, width = (blur_matrix(side, self.deviation).to(prediction) for side in prediction.shape[-2:])
        return height @ prediction @ width.T


@dataclass(frozen=True)
class HighPass:
    """What a Gaussian blur takes away from a prediction; `deviation` in its pixels."""

    deviation: float

    def __call__(self, prediction: Tensor) -> Tensor:
        """As `Part.share`."""
        return prediction - LowPass(self.deviation)(prediction)


def blur_matrix(side: int, deviation: float) -> Tensor:
    """(side, side) float64 that blurs a column of `side` values by a Gaussian of `deviation` pixels. Each row sums to 1: near the
    border the mean is of what lies within."""
    places = torch.arange(side, dtype=torch.float64)
    return (-((places[:, None] - places) ** 2) / (2 * deviation**2)).softmax(1)


WHOLE = Weighted(torch.ones(()))
HALF = Weighted(torch.full((), 0.5))


@dataclass(frozen=True, eq=False)
class Part:
    """A description of a picture: what it is conditioned on, how the picture is seen under it, and its share of the prediction,
    a linear map of (channels, height, width) that is applied after the prediction came back."""

    conditioning: Any  # or `Changing`
    map: OrthogonalMap = AS_IT_IS
    share: Callable[[Tensor], Tensor] = WHOLE


@dataclass(frozen=True, eq=False)
class Composed(Changing):
    """A row's conditioning that is made of parts, whose shares of one prediction add up to that prediction.

    Under classifier-free guidance both halves of a lane are composed: all is linear, so what is guided is each part by itself.
    """

    parts: tuple[Part, ...]

    def at(self, i: int, n: int) -> "Composed":
        if not any(isinstance(part.conditioning, Changing) for part in self.parts):
            return self
        return Composed(
            tuple(
                replace(part, conditioning=part.conditioning.at(i, n))
                if isinstance(part.conditioning, Changing)
                else part
                for part in self.parts
            )
        )


class Composing:
    """A denoiser whose rows may be conditioned on a `Composed`; itself a `Denoiser`, in the same terms.

    All parts of all rows are predicted in one call of the denoiser. Parts of a row that see it alike under the same conditioning,
    as the unconditional half of two regions, are predicted once. Other rows pass through as they are.
    """

    def __init__(self, denoiser: Denoiser) -> None:
        self.denoiser, self.process = denoiser, denoiser.process
        self.prediction_type, self.shape = denoiser.prediction_type, denoiser.shape
        if (most := getattr(denoiser, "most_rows", None)) is not None:
            self.most_rows = most

    def __call__(self, x_t: Tensor, t: Tensor, conditioning: Sequence[Any]) -> Tensor:
        """Predict for rows x_t (rows, channels, height, width) at timesteps t (rows,), each as its parts have it."""
        parts = [own.parts if isinstance(own, Composed) else (Part(own),) for own in conditioning]
        needed = {_key(row, part): (row, part) for row, own in enumerate(parts) for part in own}
        places = {key: place for place, key in enumerate(needed)}
        predictions = self.denoiser(
            torch.stack([part.map.see(x_t[row]) for row, part in needed.values()]),
            t[[row for row, _ in needed.values()]],
            [part.conditioning for _, part in needed.values()],
        )
        back = [
            part.map.undo(prediction, x_t.shape[1])
            for prediction, (_, part) in zip(predictions, needed.values(), strict=True)
        ]
        return torch.stack(
            [
                torch.stack([part.share(back[places[_key(row, part)]]) for part in own]).sum(0)
                for row, own in enumerate(parts)
            ]
        )


def _key(row: int, part: Part) -> tuple[int, int, OrthogonalMap]:
    """What parts share that ask for the same prediction."""
    return row, id(part.conditioning), part.map


def joined(
    view: str,
    first: Any,
    second: Any,
    shape: tuple[int, int, int],
    mask: Any = None,
    cutoff: float = 3.0,
) -> Composed:
    """Two conditionings as one, as a row of VIEWS has it, for x_t of `shape` (channels, height, width).

    "painted" takes a `mask` of any size, an array (height, width) that is true where the second holds: of each place of x_t the
    second gives as much as is covered. "frequencies" parts a hybrid at `cutoff`, the deviation of the blur in pixels of a picture of 64.
    Raises ValueError for a name that is none, a mask that is none, a cutoff of 0 or less, and a quarter turn of what is not a square.
    """
    height, width = shape[1:]
    if view in MAPS:
        if view == "quarter" and height != width:
            raise ValueError(f"a quarter turn needs a square picture; this has {width} x {height} values")
        return Composed((Part(first, share=HALF), Part(second, MAPS[view], HALF)))
    if view == "frequencies":
        if not cutoff > 0:
            raise ValueError(f"the blur that parts the frequencies needs a deviation above 0; this is {cutoff}")
        deviation = cutoff * min(height, width) / REFERENCE_SIDE
        return Composed((Part(first, share=LowPass(deviation)), Part(second, share=HighPass(deviation))))
    if view == "left-right":
        weight = _second_half(width).expand(1, height, width)
    elif view == "top-bottom":
        weight = _second_half(height)[:, None].expand(1, height, width)
    elif view == "painted":
        weight = _covered(mask, height, width)
    else:
        raise ValueError(f"unknown view '{view}': use left-right, top-bottom, painted, frequencies, {', '.join(MAPS)}")
    return Composed((Part(first, share=Weighted(1 - weight)), Part(second, share=Weighted(weight))))


def _second_half(side: int) -> Tensor:
    """(side,) 0 in the first half and 1 in the second; 1/2 in the middle of an odd number."""
    return (torch.arange(side) - side / 2 + 1).clamp(0, 1)


def _covered(mask: Any, height: int, width: int) -> Tensor:
    """(1, height, width): how much of each place a mask of another size covers, 0 to 1."""
    mask = torch.as_tensor(mask if mask is not None else ())
    if mask.dim() != 2 or not mask.numel():
        raise ValueError("painted regions need a mask of (height, width); paint over where the second words hold")
    return interpolate(mask[None, None].float(), (height, width), mode="area")[0]
