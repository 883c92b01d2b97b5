"""Records of the engine as the Steps of a run, at a bounded cost."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np
import torch

from lab.engine.lanes import Record
from lab.measures import clipped_share
from lab.models.loaders import LoadedModel
from lab.models.tensors import to_uint8
from lab.requests.sampling import Decoded, Step

PREVIEW_SHARE = 0.03  # of the time in which runs draw may go into previews that need a decoder


class Painter:
    """Turns records into Steps, at a cost of at most PREVIEW_SHARE of the run where a picture is a decoder's work; of its part of
    the time, where it is one of a `company` of runs on the same device: else sixteen runs decode for half of it.

    x_t is always the cheap preview. x_0 is decoded in rounds, as often as that share allows: where it is decoded at
    call i of one lane, it is at call i of every lane, so that lanes side by side show the same kind of picture. In
    between it is the cheap preview, and said to be. A model's tiny decoder makes these pictures, where it has one. The last step
    is always the finished picture, by the full decoder or, with `tiny`, by the tiny one. `replay_steps` of each
    lane, evenly spaced, can be decoded afterwards. A `hidden` lane has no pictures but previews.
    """

    def __init__(
        self,
        model: LoadedModel,
        company: Callable[[], int],
        replay_steps: int = 0,
        hidden: int | None = None,
        tiny: bool = False,
    ) -> None:
        self.model, self.company, self.replay_steps, self.hidden = model, company, replay_steps, hidden
        self._sketch = model.tiny.to_picture if model.tiny else model.to_picture
        self._finish = model.tiny.to_values if model.tiny and tiny else model.to_values
        self.spent_s = 0.0
        self.rounds: dict[int, bool] = {}  # by call: whether its x_0 is decoded
        self.previews: dict[tuple[int, int], torch.Tensor] = {}  # x_0 by lane and call: to be decoded afterwards
        self.pictures: dict[int, np.ndarray] = {}
        self.clipped: dict[int, float] = {}  # of the finished picture, share of its pixels

    def step(self, record: Record, elapsed_s: float) -> Step:
        x_t, decoded = self.model.preview(record.x_t / 2), True  # noise has twice a picture's range
        if record.lane == self.hidden:
            x_0, decoded = self.model.preview(record.x_0), not self.model.latent
            x_t = x_0 if record.i == record.n else x_t
        elif record.i == record.n:
            values = self._finish(record.x_0)
            x_t = x_0 = self.pictures[record.lane] = to_uint8(values)
            self.clipped[record.lane] = clipped_share(values.numpy())
        elif not self.model.latent:
            x_0 = self.model.to_picture(record.x_0)
        elif decoded := self._in_round(record.i, elapsed_s):
            x_0 = self._decoded(record)
        else:
            x_0 = self.model.preview(record.x_0)
            if record.i in spread(record.n, self.replay_steps):
                self.previews[record.lane, record.i] = record.x_0
        return Step(record.lane, record.i, record.n, record.t, record.log_snr, x_t, x_0, elapsed_s, decoded)

    def _in_round(self, i: int, elapsed_s: float) -> bool:
        """Whether call i is decoded, in all lanes alike: the first of them that comes there decides."""
        return self.rounds.setdefault(i, i > 0 and self.spent_s <= PREVIEW_SHARE * elapsed_s / self.company())

    def _decoded(self, record: Record) -> np.ndarray:
        began = time.perf_counter()
        picture = self._sketch(record.x_0)
        self.spent_s += time.perf_counter() - began
        return picture

    def replay(self, seconds: float) -> Iterator[Decoded]:
        """Decode the steps that were kept, for at most about so many seconds: first a few over the whole of each lane,
        then those in between, all lanes alike."""
        began, calls = time.perf_counter(), sorted({i for _, i in self.previews})
        for i in _coarse_to_fine(calls):
            if time.perf_counter() - began > seconds:
                return
            for lane in sorted(lane for lane, at in self.previews if at == i):
                yield Decoded(lane, i, self._sketch(self.previews[lane, i]))


@cache
def spread(n: int, count: int) -> frozenset[int]:
    """At most `count` of the calls 0 .. n - 1, evenly spaced, the first and the last among them."""
    return frozenset(range(n)) if count >= n else frozenset(round(i) for i in np.linspace(0, n - 1, count))


def _coarse_to_fine(calls: Sequence[int]) -> list[int]:
    """The calls in an order whose every beginning is spread evenly over them: every 2^k-th, then those between."""
    stride = 1 << max(len(calls) - 1, 0).bit_length()
    order: list[int] = []
    while stride:
        order += [calls[k] for k in range(0, len(calls), stride) if calls[k] not in order]
        stride //= 2
    return order
