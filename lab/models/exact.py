"""The closed-form optimal denoiser of a finite picture set: no network, no training, the ground truth of the lab.

For data {x_i} and x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) eps, the posterior over the data is
p(i | x_t) = softmax_i( -||x_t - sqrt(alpha_bar) x_i||^2 / (2 (1 - alpha_bar)) ), and the prediction that a perfectly
trained network would make is its mean, E[x_0 | x_t] = sum_i p(i | x_t) x_i (Karras et al. 2022, appendix B.3).
A condition restricts the set; the unconditional twin is the whole of it.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lab.engine.predictions import join_prediction
from lab.engine.process import Level, VariancePreserving

SAME_RMS = 1e-4  # of values in [-1, 1], far below one grey level
NEGLIGIBLE = 1e-9  # a posterior weight far below float32's rounding of the mean


@dataclass(frozen=True, eq=False)
class Support:
    """The pictures that a condition leaves: rows of the data, centred, with half their squared norms."""

    indices: Tensor  # (n,) into the whole set
    centred: Tensor  # (n, values) float32
    half_norms: Tensor  # (n,) ||x_i - mean||^2 / 2
    more: Tensor | None = None  # (1, values): one more picture, centred, beside those of the data
    log_prior: Tensor | None = None  # (n,) how likely each picture is before anything is seen, in nats; None: all alike


class ExactData:
    """A finite picture set on the device, ready to be denoised exactly. Shared by all views and threads.

    `pixels` is (n, channels, height, width) in [-1, 1]. Everything is kept relative to the mean picture: that
    makes the products small, and float32 keeps its digits where 1 - alpha_bar is small.
    """

    def __init__(self, pixels: Tensor) -> None:
        if pixels.ndim != 4 or len(pixels) == 0:
            raise ValueError("the picture set must be (n, channels, height, width) with n at least 1")
        self.shape: tuple[int, int, int] = (pixels.shape[1], pixels.shape[2], pixels.shape[3])
        flat = pixels.reshape(len(pixels), -1).float()
        self.mean = flat.mean(0)
        self.centred = flat - self.mean
        self.half_norms = self.centred.square().sum(1) / 2
        self.everything = Support(torch.arange(len(flat), device=flat.device), self.centred, self.half_norms)
        self._supports: OrderedDict[bytes, Support] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.centred)

    @property
    def nbytes(self) -> int:
        """Bytes held, supports included."""
        with self._lock:
            tensors = [
                tensor for support in self._supports.values() for tensor in (support.centred, support.half_norms)
            ]
        return sum(tensor.nbytes for tensor in (self.mean, self.centred, self.half_norms, *tensors))

    def to(self, device: torch.device) -> "ExactData":
        """Move all of it, while nobody denoises with it. Supports are forgotten: they are made again on the device."""
        self.mean, self.centred, self.half_norms = (
            part.to(device) for part in (self.mean, self.centred, self.half_norms)
        )
        self.everything = Support(torch.arange(len(self), device=device), self.centred, self.half_norms)
        with self._lock:
            self._supports.clear()
        return self

    def support(self, indices: Tensor) -> Support:
        """The restriction of the set to `indices` (n,), n at least 1; the same object for the same indices, as long as
        all supports together take less than the set itself."""
        if len(indices) == 0:
            raise ValueError("a support needs at least one picture")
        if len(indices) == len(self):  # each is there once: all of them need no copy
            return self.everything
        key = indices.cpu().numpy().tobytes()
        with self._lock:
            if key not in self._supports:
                indices = indices.to(self.centred.device)
                self._supports[key] = Support(indices, self.centred[indices], self.half_norms[indices])
            self._supports.move_to_end(key)
            while len(self._supports) > 1 and sum(len(support.indices) for support in self._supports.values()) > len(
                self
            ):
                self._supports.popitem(last=False)
            return self._supports[key]

    def knowing(self, x_0: Tensor, support: Support | None = None) -> Support:
        """`support`, or the whole set, and x_0 (channels, height, width) as one more picture of it, unless it is there already.
        Shares the set's tensors: nothing of it is copied."""
        more, whole = x_0.reshape(1, -1).to(self.centred) - self.mean, support or self.everything
        half_norm, apart = more.square().sum() / 2, SAME_RMS * more.numel() ** 0.5
        reach = (2 * half_norm).sqrt() * apart + apart**2 / 2 + 1e-5 * half_norm  # by Cauchy and Schwarz, and rounding
        alike = torch.nonzero((whole.half_norms - half_norm).abs() <= reach).flatten()
        if len(alike) and bool(((whole.centred[alike] - more).norm(dim=1) <= apart).any()):
            return whole
        return Support(whole.indices, whole.centred, whole.half_norms, more)

    def agreeing(self, x_0: Tensor, hole: Tensor, tolerance: float, support: Support | None = None) -> Support:
        """`support`, or the whole set, each picture x_i weighed by how well it agrees with what is known of x_0, both (channels,
        height, width): by Bayes' rule its share is proportional to N(x_0; x_i, tolerance^2 I) over the values where `hole`
        (1, height, width) is 0. What the exact denoiser then draws is the posterior of the picture, given its known part."""
        among = support or self.everything
        known = (1 - hole.expand(self.shape)).reshape(-1).to(self.centred) > 0.5
        given = (x_0.reshape(-1).to(self.centred) - self.mean)[known]
        squares = [(part[:, known] - given).square().sum(1) for part in among.centred.split(256)]
        log_likelihood = -torch.cat(squares) / (2 * tolerance**2)
        return replace(among, log_prior=log_likelihood - log_likelihood.max())

    def nearest(self, x_0: Tensor, among: Support | None = None) -> tuple[int, float]:
        """Index of the data picture nearest to x_0 (channels, height, width), and the RMS distance to it; of all, or of a
        support."""
        support = among or self.everything
        flat = x_0.reshape(-1).to(self.centred) - self.mean
        index = int((support.half_norms - support.centred @ flat).argmin())
        return int(support.indices[index]), float((support.centred[index] - flat).square().mean().sqrt())


class TwoGroups:
    """Pictures of two groups as the data: which the denoiser then knows, and which group an x_0 belongs to.

    `groups` are their indices into the whole set, an index as often as its picture weighs.
    """

    def __init__(self, data: ExactData, groups: tuple[Tensor, Tensor]) -> None:
        self._data, self._groups = data, groups
        self.support = data.support(torch.cat(groups))

    def picture(self, group: int, number: int) -> Tensor:
        """A picture of a group as x_0 (channels, height, width) on the CPU; they are counted round and round."""
        own = self._groups[group]
        index = int(own[number % len(own)])
        return (self._data.centred[index] + self._data.mean).reshape(self._data.shape).cpu()

    def group_of(self, x_0: Tensor) -> int:
        """The group of the picture nearest to x_0 (channels, height, width), among those of both: 0 or 1."""
        flat = x_0.reshape(-1).to(self._data.centred) - self._data.mean
        nearest = int((self.support.half_norms - self.support.centred @ flat).argmin())
        return int(nearest >= len(self._groups[0]))


class ExactDenoiser:
    """A view of an ExactData through one forward process; a `Denoiser` of the engine, safe to share.

    Conditioning of a row is a `Support`. Rows with the same support share one matrix product for the scores and
    one, over the pictures that matter, for the mean.
    """

    def __init__(self, data: ExactData, alphas_cumprod: Tensor, prediction_type: str = "epsilon") -> None:
        self.data = data
        self.process = VariancePreserving(alphas_cumprod)
        self.prediction_type = prediction_type
        self.shape = data.shape

    def __call__(self, x_t: Tensor, t: Tensor, conditioning: Sequence[Support]) -> Tensor:
        """The optimal prediction for rows x_t (rows, channels, height, width) at timesteps t (rows,)."""
        alpha_bar = self.process.alpha_bar(t).to(x_t)
        x_0 = self.posterior_mean(x_t, alpha_bar, conditioning)
        return join_prediction(x_0, x_t, Level.from_alpha_bar(alpha_bar[:, None, None, None]), self.prediction_type)

    def posterior_mean(self, x_t: Tensor, alpha_bar: Tensor, conditioning: Sequence[Support]) -> Tensor:
        """E[x_0 | x_t] for each row; alpha_bar is (rows,) in (0, 1)."""
        flat = x_t.reshape(len(x_t), -1).to(self.data.centred)  # lanes live on the CPU, the data on the device
        alpha_bar = alpha_bar.to(flat)
        x_0 = torch.empty_like(flat)
        for support, rows in _rows_by_support(conditioning).items():
            weights = self.posterior(flat[rows], alpha_bar[rows], support)
            mean = _weighted_mean(weights[:, : len(support.centred)], support.centred) + self.data.mean
            x_0[rows] = mean if support.more is None else mean + weights[:, -1:] @ support.more
        return x_0.reshape(x_t.shape).to(x_t)

    def posterior(self, flat: Tensor, alpha_bar: Tensor, support: Support) -> Tensor:
        """p(i | x_t) over a support: flat (rows, values), alpha_bar (rows,) -> (rows, n), each row summing to 1; the one
        more picture of a support comes last.

        What does not depend on i cancels in the softmax, which subtracts the largest score first.
        """
        return torch.softmax(self._scores(flat, alpha_bar, support), dim=1)

    def log_masses(self, x_t: Tensor, alpha_bar: Tensor, among: Support, wanted: Support) -> tuple[Tensor, Tensor]:
        """log of the sum of q(x_t | x_i) over the pictures of `among` that are wanted, and over its others, up to what depends
        on x_t alone: (rows,) each, in nats, of x_t (rows, channels, height, width) at alpha_bar (rows,) in (0, 1).
        Differentiable in x_t. Their difference is the posterior's log-odds of what is wanted."""
        flat = x_t.reshape(len(x_t), -1).to(self.data.centred)
        scores = self._scores(flat, alpha_bar.to(flat), among)
        inside = torch.isin(among.indices, wanted.indices)
        return torch.logsumexp(scores[:, inside], dim=1), torch.logsumexp(scores[:, ~inside], dim=1)

    def _scores(self, flat: Tensor, alpha_bar: Tensor, support: Support) -> Tensor:
        """log q(x_t | x_i), and the prior of x_i where there is one, over a support, (rows, n), up to what depends on x_t alone.

        Expanding the square leaves (sqrt(a) <x_t - sqrt(a) mean, c_i> - a ||c_i||^2 / 2) / (1 - a) with c_i the centred picture.
        """
        a = alpha_bar[:, None]
        moved = flat - a.sqrt() * self.data.mean
        scores = (a.sqrt() * (moved @ support.centred.T) - a * support.half_norms) / (1 - a)
        if support.log_prior is not None:
            scores = scores + support.log_prior
        if support.more is not None:
            one = (a.sqrt() * (moved @ support.more.T) - a * support.more.square().sum(1) / 2) / (1 - a)
            scores = torch.cat([scores, one], dim=1)
        return scores

    def score(self, x_t: Tensor, t: Tensor, conditioning: Sequence[Support]) -> Tensor:
        """The exact score grad log q_t(x_t) = (sqrt(alpha_bar) E[x_0 | x_t] - x_t) / (1 - alpha_bar) (Tweedie)."""
        alpha_bar = self.process.alpha_bar(t).to(x_t)
        a = alpha_bar[:, None, None, None]
        return (a.sqrt() * self.posterior_mean(x_t, alpha_bar, conditioning) - x_t) / (1 - a)


class Memoriser:
    """What the exact model of a set has to say of one x_0 (channels, height, width), along a path of x_t.

    Its reverse step is a mixture, p(x_{t-1} | x_t) = sum_i p(i | x_t) q(x_{t-1} | x_t, x_i). What it pays for x_0 on the way
    from x_t to x_{t-1} is S_{t-1} - S_t, with S_t = log q(x_t | x_0) - log p_t(x_t): what x_t says of x_0. Its marginal is
    p_t(x) = 1/N sum_i N(x; sqrt(alpha_bar) x_i, (1 - alpha_bar) I), so for an x_0 of the set S_t = log N + log p(x_0 | x_t).
    """

    def __init__(self, data: ExactData, x_0: Tensor) -> None:
        self._data, self._x_0 = data, x_0.reshape(1, -1).to(data.centred) - data.mean
        apart = torch.cdist(data.centred, self._x_0, compute_mode="donot_use_mm_for_euclid_dist")[:, 0]
        self._same = apart <= SAME_RMS * x_0.numel() ** 0.5
        self._squares = apart.double().square()

    @property
    def known(self) -> bool:
        """Whether x_0 is in the set."""
        return bool(self._same.any())

    @property
    def whole(self) -> float:
        """S of x_0 itself, -log of its share of the set, in nats: log N where it is there once, inf where it is not."""
        return math.log(len(self._data) / int(self._same.sum())) if self.known else math.inf

    def information(self, x_t: Tensor, alpha_bar: Tensor) -> Tensor:
        """S_t in nats, (rows,) float64 on the CPU, of x_t (rows, channels, height, width) at alpha_bar (rows,) in (0, 1).

        Relative to x_0 the exponent of picture i is sqrt(a) <x_t - sqrt(a) x_0, x_i - x_0> - a ||x_i - x_0||^2 / 2, over
        1 - a: nothing large cancels.
        """
        a = alpha_bar.to(self._squares)[:, None]
        away = x_t.reshape(len(x_t), -1).to(self._squares) - a.sqrt() * (self._x_0 + self._data.mean)
        away = away.to(self._x_0)
        along = (away @ self._data.centred.T - away @ self._x_0.T).double()
        exponents = (a.sqrt() * along - a * self._squares / 2) / (1 - a)
        exponents[:, self._same] = 0  # without the product's rounding
        return (math.log(len(self._data)) - exponents.logsumexp(1)).cpu()


def _weighted_mean(weights: Tensor, pictures: Tensor) -> Tensor:
    """weights (rows, n) @ pictures (n, values). From middle noise levels on nearly all weight lies on a few
    pictures; reading only those is what the memory's speed allows. What is left out weighs under 1e-9 a picture."""
    matter = torch.nonzero(weights.amax(0) > NEGLIGIBLE).flatten()
    if len(matter) < len(pictures) // 4:
        return weights[:, matter] @ pictures[matter]
    return weights @ pictures


def _rows_by_support(conditioning: Sequence[Support]) -> dict[Support, list[int]]:
    rows: dict[Support, list[int]] = {}
    for row, support in enumerate(conditioning):
        rows.setdefault(support, []).append(row)
    return rows
