"""The lane loop: each tick advances the live lanes of all runs in one denoiser call.

A UNet takes one timestep per batch element, so lanes need not agree on timestep, scheduler or guidance scale to
share a call. Lanes join and leave between ticks. A lane's picture does not depend on its company: it has its own
scheduler, its own generator and its own rows.
"""

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from diffusers.schedulers.scheduling_utils import SchedulerOutput
from torch import Tensor

from lab.engine.denoisers import Denoiser
from lab.engine.guidance import ClassifierFree
from lab.engine.inpainting import Known
from lab.engine.noising import stream_seed
from lab.engine.predictions import join_prediction, split_prediction
from lab.engine.process import Level
from lab.engine.samplers import Stepper


class Changing(ABC):
    """Conditioning that is not the same at every step of a lane."""

    @abstractmethod
    def at(self, i: int, n: int) -> Any:
        """The row's conditioning in call i of n."""


@dataclass(frozen=True)
class Record:
    """One denoiser call of one lane, before the lane moves; tensors (channels, height, width) on the CPU.

    The last record of a lane has i == n and t == -1 and holds the finished picture as x_t and x_0.
    """

    lane: int
    i: int
    n: int
    t: float
    level: Level[float]
    x_t: Tensor  # as the denoiser has it, level.signal * x_0 + level.noise * eps, whatever space the scheduler works in
    x_0: Tensor
    eps: Tensor
    halves: tuple[Tensor, Tensor] | None = None  # conditional and unconditional prediction of a guided call
    variance: Tensor | None = (
        None  # what the denoiser says of it, where it learned one (Nichol and Dhariwal 2021, eq. 15)
    )

    @property
    def log_snr(self) -> float:
        """Natural log-SNR of x_t; inf for the finished picture."""
        return self.level.log_snr


FINISHED = Level(1.0, 0.0)


class StepNoise:
    """The noise that a stochastic lane draws.

    "sequence": one generator is drawn from in turn, x_T first, as diffusers' pipelines do.
    "level": the generator is seeded anew from (seed, t) at every step, so lanes with other samplers or step counts
    that meet the same timestep draw the same noise there. That is what makes comparing them fair. Steps that leave from one
    timestep in a row, as Langevin's do, go on drawing from it.
    """

    def __init__(self, seed: int, by: str = "level") -> None:
        if by not in ("level", "sequence"):
            raise ValueError(f"noise is drawn by 'level' or by 'sequence', not by '{by}'")
        self.seed, self.by = seed, by
        self.generator = torch.Generator("cpu").manual_seed(seed)
        self._t: int | None = None  # that the generator was seeded for

    def initial(self, shape: Sequence[int]) -> Tensor:
        """x_T, standard normal, of `shape`."""
        return torch.randn(tuple(shape), generator=self.generator)

    def at(self, t: float) -> torch.Generator:
        """The generator to hand to a step that leaves from timestep t."""
        if self.by == "level" and round(t) != self._t:
            self._t = round(t)
            self.generator.manual_seed(stream_seed(self.seed, self._t))
        return self.generator


class Lane:
    """One picture being made: its own scheduler, noise, guidance rule and conditioning.

    `x_T` is (channels, height, width), unit variance. `conditional` and `unconditional` are whatever the denoiser
    takes as a row's conditioning, or `Changing`. `eta` is passed to schedulers that know it. Without a `rule` the
    lane follows the plain conditional model. With a `start` it leaves out the calls before that one, and `x_T` is x_t there.
    What is `known` of the picture is put back after every step.
    """

    def __init__(
        self,
        index: int,
        scheduler: Any,
        x_T: Tensor,
        noise: StepNoise,
        conditional: Any,
        unconditional: Any = None,
        rule: ClassifierFree | None = None,
        eta: float = 0.0,
        start: int | None = None,
        known: Known | None = None,
    ) -> None:
        self.index, self.noise, self.known = index, noise, known
        self.rule = rule or ClassifierFree(1.0)
        self.conditional, self.unconditional = conditional, unconditional
        self.always_both = False  # call for both halves even where the rule needs one
        self._stepper = Stepper(scheduler, eta, start or 0)
        self.timesteps = self._stepper.timesteps
        self.i, self.n = 0, len(self.timesteps)
        self.sample = self._stepper.initial(x_T[None]) if start is None else self._stepper.state(x_T[None], 0)
        self._input: Tensor | None = None  # of call i, worked out once
        self._level: Level[float] | None = None

    @property
    def done(self) -> bool:
        return self.i >= self.n

    @property
    def t(self) -> float:
        return self.timesteps[self.i]

    def rows(self, denoiser: Denoiser) -> int:
        """Rows this lane needs in its next call: 2 when guided there, else 1."""
        return sum(self._needs(denoiser))

    def conditioning(self, denoiser: Denoiser) -> list[Any]:
        """The conditioning of its rows: the conditional one first."""
        halves = zip((self.conditional, self.unconditional), self._needs(denoiser), strict=True)
        rows = [half for half, need in halves if need]
        return [row.at(self.i, self.n) if isinstance(row, Changing) else row for row in rows]

    def _needs(self, denoiser: Denoiser) -> tuple[bool, bool]:
        return (True, True) if self.always_both else self.rule.needs(self.level(denoiser))

    def level(self, denoiser: Denoiser) -> Level[float]:
        """The noise level of its next call."""
        if self._level is None:
            self._level = denoiser.process.level(self.t)
        return self._level

    def model_input(self) -> Tensor:
        """x_t as the denoiser sees it, (1, channels, height, width)."""
        if self._input is None:
            self._input = self._stepper.model_input(self.sample, self.i)
        return self._input

    def advance(self, predictions: Tensor, denoiser: Denoiser) -> Iterator[Record]:
        """Take one step with this lane's rows of the prediction; yields its record, at the end also the picture.

        Raises ValueError where its scheduler steps along another process than the denoiser's.
        """
        self._stepper.check(denoiser.process)
        x_t, level = self.model_input(), self.level(denoiser)
        predictions, variances = predictions[:, : x_t.shape[1]], predictions[:, x_t.shape[1] :]
        halves = (predictions[0].cpu(), predictions[1].cpu()) if len(predictions) == 2 else None
        prediction = self._guided(predictions, x_t, level, denoiser.prediction_type)
        x_0, eps = split_prediction(prediction, x_t, level, denoiser.prediction_type)
        variance = variances[:1] if self.rule.needs(level)[0] else variances[-1:]  # guidance leaves it alone
        v = variance[0].cpu() if variance.numel() else None
        yield Record(self.index, self.i, self.n, self.t, level, x_t[0].cpu(), x_0[0].cpu(), eps[0].cpu(), halves, v)

        if self._stepper.prediction_type == "epsilon":  # of a model's x_0 too, where the class knows no x_0 prediction
            prediction = eps
        elif self._stepper.prediction_type not in (None, denoiser.prediction_type):
            prediction = join_prediction(x_0, x_t, level, self._stepper.prediction_type)
        if self._stepper.takes_variance:
            prediction = torch.cat([prediction, variance], dim=1)
        generator = self.noise.at(self.t) if self._stepper.takes_generator else None
        self.sample = self._stepper.step(prediction, self.sample, self.i, generator)
        self._input = self._level = None
        self.i += 1
        if self.known:
            self.sample = self._with_known(self.known, denoiser)
        if self.done:
            final = self.sample[0].cpu()
            yield Record(self.index, self.n, self.n, -1.0, FINISHED, final, final, torch.zeros_like(final))

    def _with_known(self, known: Known, denoiser: Denoiser) -> Tensor:
        """The state with what is known at its level; the picture itself, once the lane is done."""
        if self.done:
            return known.fill(self.sample, known.x_0[None])
        return known.fill(self.sample, self._stepper.state(known.at(self.level(denoiser), self.t)[None], self.i))

    def _guided(self, predictions: Tensor, x_t: Tensor, level: Level[float], prediction_type: str) -> Tensor:
        """What the rule makes of the rows that it needs."""
        conditional, unconditional = self.rule.needs(level)
        if conditional and unconditional:
            return self.rule.combine(predictions[:1], predictions[1:], x_t, level, prediction_type)
        return self.rule.alone(predictions[:1] if conditional else predictions[-1:], x_t, level, prediction_type)


class Run:
    """The lanes that one press of a button asks for. `cancel` takes them out at the next tick; while `pause` is set they
    are left where they are. Runs of one `client` share its turns; without one a run has turns of its own."""

    def __init__(self, lanes: Iterable[Lane], client: object = None) -> None:
        self.live = list(lanes)
        self.client = self if client is None else client
        self.cancelled = self.pause = False

    def cancel(self) -> None:
        self.cancelled = True

    @property
    def done(self) -> bool:
        return self.cancelled or not self.live


class LaneLoop:
    """All live runs of one denoiser. `tick` makes one denoiser call of at most `max_rows` rows.

    Fairness: clients are served in turn, and so are the runs of each, starting behind the last one served; a run gives
    its least advanced lanes first. So neither a run of sixty lanes nor a client of fifty runs keeps a run of one
    waiting. A lane that alone needs more than `max_rows` still gets its call. A denoiser whose rows are much work says itself
    how many it takes (`most_rows`), so that the runs of others, on other denoisers, do not wait long for its call.

    Faults stay with their run. Where the device runs out of memory the call is made again in halves, and later
    calls are no larger than what worked; a single lane that does not fit asks `make_room` (true: try again). Any other
    error in a shared call makes each of its lanes call alone, so that only the culprit's run fails. A prediction that is not
    finite is made once more, alone.
    """

    def __init__(self, denoiser: Denoiser, max_rows: int = 16, make_room: Callable[[], bool] = lambda: False) -> None:
        self.denoiser, self._make_room = denoiser, make_room
        self.max_rows = min(max_rows, getattr(denoiser, "most_rows", max_rows))
        self.runs: list[Run] = []

    def add(self, run: Run) -> None:
        self.runs.append(run)

    @torch.no_grad()
    def tick(self) -> list[tuple[Run, Record | Exception]]:
        """Advance as many lanes as fit one call by one call each; what they recorded, or what their run failed of."""
        self.runs = [run for run in self.runs if not run.done]
        batch = self._batch()
        events: list[tuple[Run, Record | Exception]] = []
        for (run, lane), rows in zip(batch, self._predict([lane for _, lane in batch]), strict=True):
            if run.cancelled:  # by another of its lanes, just now
                continue
            try:
                if isinstance(rows, Exception):
                    raise rows
                events += [(run, record) for record in lane.advance(rows, self.denoiser)]
            except Exception as error:
                events.append((run, error))
                run.cancel()
            if lane.done:
                run.live.remove(lane)
        return events

    def _predict(self, lanes: list[Lane]) -> list[Tensor | Exception]:
        """Each lane's rows of one shared prediction, or what went wrong with them."""
        if not lanes:
            return []
        try:
            predictions, rows_by_lane = self._call(lanes)
        except Exception as error:
            if len(lanes) > 1 and out_of_memory(error):
                half = len(lanes) // 2
                self.max_rows = max(1, min(self.max_rows, sum(lane.rows(self.denoiser) for lane in lanes) // 2))
                return self._predict(lanes[:half]) + self._predict(lanes[half:])
            if len(lanes) > 1:
                return [rows for lane in lanes for rows in self._predict([lane])]
            return self._predict(lanes) if out_of_memory(error) and self._make_room() else [error]
        own = [_rows(predictions, places) for places in rows_by_lane]
        if finite(predictions):
            return [*own]
        return [rows if finite(rows) else self._again(lane) for lane, rows in zip(lanes, own, strict=True)]

    def _again(self, lane: Lane) -> Tensor | Exception:
        """The prediction of a lane alone, where that of a shared call was not finite: what was amiss with one call of a library
        need not end a run. What is not finite again is the network's own doing."""
        try:
            predictions, [places] = self._call([lane])
        except Exception as error:
            return error
        rows = _rows(predictions, places)
        return rows if finite(rows) else FloatingPointError("a prediction is not finite")

    def _call(self, lanes: list[Lane]) -> tuple[Tensor, list[list[int]]]:
        """The prediction of one denoiser call, and which of its rows are whose. Rows that are equal are computed once: the
        lanes of a sweep share their first step, where x_T, t and conditioning are the same."""
        places: dict[Any, int] = {}
        rows: list[tuple[Tensor, float, Any]] = []
        rows_by_lane: list[list[int]] = []
        for lane in lanes:
            x_t = lane.model_input()
            own: list[int] = []
            for conditioning in lane.conditioning(self.denoiser):
                key = (x_t.numpy().tobytes(), lane.t, id(conditioning)) if lane.i == 0 else (id(lane), len(own))
                if key not in places:
                    places[key] = len(rows)
                    rows.append((x_t, lane.t, conditioning))
                own.append(places[key])
            rows_by_lane.append(own)
        predictions = self.denoiser(
            torch.cat([x_t for x_t, _, _ in rows]),
            torch.tensor([t for _, t, _ in rows]),
            [conditioning for _, _, conditioning in rows],
        )
        return predictions, rows_by_lane

    def _batch(self) -> list[tuple[Run, Lane]]:
        """The lanes of the next call, and whose turn comes first in the one after it."""
        lanes = {run: deque(sorted(run.live, key=lambda lane: lane.i / lane.n)) for run in self.runs if not run.pause}
        runs: dict[object, deque[Run]] = {}
        for run in self.runs:
            runs.setdefault(run.client, deque()).append(run)
        turns, idle = deque(runs), []
        batch: list[tuple[Run, Lane]] = []
        rows = 0
        while turns:
            queue = runs[turns[0]]
            for _ in range(len(queue)):
                if lanes.get(queue[0]):
                    break
                queue.rotate(-1)
            else:
                idle.append(turns.popleft())
                continue
            more = lanes[queue[0]][0].rows(self.denoiser)
            if batch and rows + more > self.max_rows:
                break  # it comes first next time
            batch.append((queue[0], lanes[queue[0]].popleft()))
            rows += more
            queue.rotate(-1)
            turns.rotate(-1)
        self.runs = [run for client in [*turns, *idle] for run in runs[client]]
        return batch


def _rows(predictions: Tensor, places: list[int]) -> Tensor:
    """The rows at `places`; without a copy where they lie in a row."""
    first, last = places[0], places[-1]
    in_a_row = places == list(range(first, last + 1))
    return predictions[first : last + 1] if in_a_row else predictions[places]


def finite(values: Tensor) -> bool:
    """Whether all values are numbers. Their sum is one then, and takes a fraction of the time; a sum that is none may still be
    of large numbers."""
    return math.isfinite(float(values.sum())) or bool(values.isfinite().all())


def out_of_memory(error: BaseException) -> bool:
    """Whether a device or the host had no memory left; torch's CPU allocator says so in a plain RuntimeError."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)


def drive(denoiser: Denoiser, lanes: Iterable[Lane], max_rows: int = 16) -> Iterator[Record]:
    """Run `lanes` to their end in this thread, yielding records as they come. Closing the generator stops them."""
    loop, run = LaneLoop(denoiser, max_rows), Run(lanes)
    loop.add(run)
    while not run.done:
        for _, record in loop.tick():
            if isinstance(record, Exception):
                raise record
            yield record


class _OneLook:
    """A schedule of a single call: look at x_t at timestep t and stay there."""

    init_noise_sigma = 1.0
    config: ClassVar[dict[str, Any]] = {}

    def __init__(self, t: float) -> None:
        self.timesteps = torch.tensor([t])

    def scale_model_input(self, sample: Tensor, timestep: Tensor) -> Tensor:
        return sample

    def step(self, prediction: Tensor, timestep: Tensor, sample: Tensor) -> SchedulerOutput:
        return SchedulerOutput(prev_sample=sample)


def look(
    drive: Callable[[Denoiser, list[Lane]], Iterator[Record]],
    denoiser: Denoiser,
    x_t: Tensor,
    t: float,
    conditioning: Any,
) -> Record:
    """One denoiser call on x_t (channels, height, width) at timestep t, sharing the call with whatever runs."""
    (record, _) = drive(denoiser, [Lane(0, _OneLook(t), x_t, StepNoise(0), conditioning)])
    return record
