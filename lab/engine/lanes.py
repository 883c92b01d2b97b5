"""The lane loop: each tick advances the live lanes of all runs in one denoiser call.

A UNet takes one timestep per batch element, so lanes need not agree on timestep, scheduler or guidance scale to
share a call. Lanes join and leave between ticks. A lane's picture does not depend on its company: it has its own
scheduler, its own generator and its own rows.
"""

import inspect
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from diffusers.schedulers.scheduling_utils import SchedulerOutput
from torch import Tensor

from lab.engine.guidance import ClassifierFree
from lab.engine.noising import stream_seed
from lab.engine.samplers import alpha_bar_at, split_prediction


class Denoiser(Protocol):
    """What a loaded model offers the engine: `(x_t, t, conditioning) -> prediction`, and how to read it."""

    prediction_type: str  # "epsilon", "v_prediction" or "sample"
    alphas_cumprod: Tensor  # (T,) of the forward process it was made for
    shape: tuple[int, int, int]  # (channels, height, width) of one x_t

    def __call__(self, x_t: Tensor, t: Tensor, conditioning: Sequence[Any]) -> Tensor:
        """Predict for rows x_t (rows, channels, height, width) at timesteps t (rows,), one conditioning a row.

        A model that learned its variance (Improved DDPM) adds as many channels again, which hold it.
        """
        ...


class Changing(ABC):
    """Conditioning that is not the same at every step of a lane."""

    @abstractmethod
    def at(self, i: int, n: int) -> Any:
        """The row's conditioning in call i of n."""


@dataclass(frozen=True)
class Record:
    """One denoiser call of one lane, as seen before the lane moves; tensors (channels, height, width) on the CPU.

    The last record of a lane has i == n and t == -1 and holds the finished picture as x_t and x_0.
    """

    lane: int
    i: int
    n: int
    t: float
    log_snr: float
    x_t: Tensor  # variance-preserving, whatever space the scheduler works in
    x_0: Tensor
    eps: Tensor
    halves: tuple[Tensor, Tensor] | None = None  # conditional and unconditional prediction of a guided call


class StepNoise:
    """The noise that a stochastic lane draws.

    "sequence": one generator is drawn from in turn, x_T first, as diffusers' pipelines do.
    "level": the generator is seeded anew from (seed, t) at every step, so lanes with other samplers or step counts
    that meet the same timestep draw the same noise there. That is what makes comparing them fair.
    """

    def __init__(self, seed: int, by: str = "level") -> None:
        if by not in ("level", "sequence"):
            raise ValueError(f"noise is drawn by 'level' or by 'sequence', not by '{by}'")
        self.seed, self.by = seed, by
        self.generator = torch.Generator("cpu").manual_seed(seed)

    def initial(self, shape: Sequence[int]) -> Tensor:
        """x_T, standard normal, of `shape`."""
        return torch.randn(tuple(shape), generator=self.generator)

    def at(self, t: float) -> torch.Generator:
        """The generator to hand to a step that leaves from timestep t."""
        if self.by == "level":
            self.generator.manual_seed(stream_seed(self.seed, round(t)))
        return self.generator


class Lane:
    """One picture being made: its own scheduler, noise, guidance rule and conditioning.

    `x_T` is (channels, height, width), unit variance. `conditional` and `unconditional` are whatever the denoiser
    takes as a row's conditioning, or `Changing`. `eta` is passed to schedulers that know it. Without a `rule` the
    lane follows the plain conditional model.
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
        scale_initial: bool = True,
    ) -> None:
        self.index, self.scheduler, self.noise = index, scheduler, noise
        self.rule = rule or ClassifierFree(1.0)
        self.conditional, self.unconditional = conditional, unconditional
        self.always_both = False  # ask for both halves even where the rule needs one
        self.timesteps = [float(t) for t in scheduler.timesteps]
        self.i, self.n = 0, len(self.timesteps)
        sample = x_T[None]
        self.sample = sample * scheduler.init_noise_sigma if scale_initial else sample
        self._input: Tensor | None = None  # what is known of the step ahead, once asked for
        self._level: float | None = None
        parameters = inspect.signature(scheduler.step).parameters
        self._extra: dict[str, Any] = {"eta": eta} if "eta" in parameters else {}
        self._takes_generator = "generator" in parameters
        self._takes_eps = scheduler.config.get("prediction_type") == "epsilon"
        self._takes_variance = str(scheduler.config.get("variance_type", "")).startswith("learned")

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
        chosen = [half for half, needed in halves if needed]
        return [half.at(self.i, self.n) if isinstance(half, Changing) else half for half in chosen]

    def _needs(self, denoiser: Denoiser) -> tuple[bool, bool]:
        return (True, True) if self.always_both else self.rule.needs(self._alpha_bar(denoiser))

    def _alpha_bar(self, denoiser: Denoiser) -> float:
        if self._level is None:
            self._level = float(alpha_bar_at(denoiser.alphas_cumprod, torch.tensor(self.t)))
        return self._level

    def model_input(self) -> Tensor:
        """x_t as the denoiser sees it, (1, channels, height, width)."""
        if self._input is None:
            self._input = self.scheduler.scale_model_input(self.sample, self.scheduler.timesteps[self.i])
        return self._input

    def advance(self, predictions: Tensor, denoiser: Denoiser) -> Iterator[Record]:
        """Take one step with this lane's rows of the prediction; yields its record, at the end also the picture."""
        x_t = self.model_input()
        alpha_bar = self._alpha_bar(denoiser)
        predictions, variances = predictions[:, : x_t.shape[1]], predictions[:, x_t.shape[1] :]
        halves = (predictions[0].cpu(), predictions[1].cpu()) if len(predictions) == 2 else None
        conditional, unconditional = self.rule.needs(alpha_bar)
        if conditional and unconditional:
            prediction = self.rule.combine(predictions[:1], predictions[1:], x_t, alpha_bar, denoiser.prediction_type)
        else:
            wanted = predictions[:1] if conditional else predictions[-1:]
            prediction = self.rule.alone(wanted, x_t, alpha_bar, denoiser.prediction_type)
        x_0, eps = split_prediction(prediction, x_t, alpha_bar, denoiser.prediction_type)
        yield Record(
            self.index, self.i, self.n, self.t, log_snr(alpha_bar), x_t[0].cpu(), x_0[0].cpu(), eps[0].cpu(), halves
        )

        if self._takes_eps:  # a model's x_0 too, where the class knows no x_0 prediction
            prediction = eps
        if self._takes_variance:
            variance = variances[:1] if conditional else variances[-1:]  # guidance leaves the variance alone
            prediction = torch.cat([prediction, variance], dim=1)
        extra = dict(self._extra)
        if self._takes_generator:
            extra["generator"] = self.noise.at(self.t)
        self.sample = self.scheduler.step(
            prediction, self.scheduler.timesteps[self.i], self.sample, **extra
        ).prev_sample
        self._input = self._level = None
        self.i += 1
        if self.done:
            final = self.sample[0].cpu()
            yield Record(self.index, self.n, self.n, -1.0, float("inf"), final, final, torch.zeros_like(final))


def log_snr(alpha_bar: float) -> float:
    """log(alpha_bar / (1 - alpha_bar)), the logarithm of the signal-to-noise ratio (Kingma et al. 2021)."""
    return float(torch.logit(torch.tensor(alpha_bar, dtype=torch.float64)))


class Run:
    """The lanes that one press of a button asks for. `cancel` takes them out at the next tick; while `held` is set they
    are left where they are. Runs of one `client` share its turns; without one a run has turns of its own."""

    def __init__(self, lanes: Iterable[Lane], client: object = None) -> None:
        self.live = list(lanes)
        self.client = self if client is None else client
        self.cancelled = self.held = False

    def cancel(self) -> None:
        self.cancelled = True

    @property
    def done(self) -> bool:
        return self.cancelled or not self.live


class LaneLoop:
    """All live runs of one denoiser. `tick` makes one denoiser call of at most `max_rows` rows.

    Fairness: clients are served in turn, and so are the runs of each, starting behind the last one served; a run gives
    its least advanced lanes first. So neither a run of sixty lanes nor a client of fifty runs keeps a run of one
    waiting. A lane that alone needs more than `max_rows` still gets its call.

    Faults stay with their run. Where the device runs out of memory the call is made again in halves, and later
    calls are no larger than what worked; a single lane that does not fit asks `make_room` (true: try again). Any other
    error in a shared call makes each of its lanes call alone, so that only the culprit's run fails.
    """

    def __init__(self, denoiser: Denoiser, max_rows: int = 16, make_room: Callable[[], bool] = lambda: False) -> None:
        self.denoiser, self.max_rows, self._make_room = denoiser, max_rows, make_room
        self.runs: list[Run] = []

    def add(self, run: Run) -> None:
        self.runs.append(run)

    @torch.no_grad()
    def tick(self) -> list[tuple[Run, Record | Exception]]:
        """Advance as many lanes as fit one call by one call each; what they recorded, or what their run failed of."""
        self.runs = [run for run in self.runs if not run.done]
        chosen = self._choose()
        seen: list[tuple[Run, Record | Exception]] = []
        for (run, lane), rows in zip(chosen, self._predict([lane for _, lane in chosen]), strict=True):
            if run.cancelled:  # by another of its lanes, just now
                continue
            try:
                if isinstance(rows, Exception):
                    raise rows
                seen += [(run, record) for record in lane.advance(rows, self.denoiser)]
            except Exception as error:
                seen.append((run, error))
                run.cancel()
            if lane.done:
                run.live.remove(lane)
        return seen

    def _predict(self, lanes: list[Lane]) -> list[Tensor | Exception]:
        """Each lane's rows of one shared prediction, or what went wrong with them."""
        if not lanes:
            return []
        try:
            predictions = self._call(lanes)
        except Exception as error:
            if len(lanes) > 1 and out_of_memory(error):
                half = len(lanes) // 2
                self.max_rows = max(1, min(self.max_rows, sum(lane.rows(self.denoiser) for lane in lanes) // 2))
                return self._predict(lanes[:half]) + self._predict(lanes[half:])
            if len(lanes) > 1:
                return [rows for lane in lanes for rows in self._predict([lane])]
            return self._predict(lanes) if out_of_memory(error) and self._make_room() else [error]
        return [
            rows if rows.isfinite().all() else FloatingPointError("a prediction is not finite") for rows in predictions
        ]

    def _call(self, lanes: list[Lane]) -> Sequence[Tensor]:
        """One denoiser call. Rows that are equal are computed once: the lanes of a sweep share their first step, where
        x_T, t and conditioning are the same."""
        places: dict[Any, int] = {}
        rows: list[tuple[Tensor, float, Any]] = []
        taken: list[list[int]] = []
        for lane in lanes:
            x_t = lane.model_input()
            mine: list[int] = []
            for conditioning in lane.conditioning(self.denoiser):
                key = (x_t.numpy().tobytes(), lane.t, id(conditioning)) if lane.i == 0 else (id(lane), len(mine))
                if key not in places:
                    places[key] = len(rows)
                    rows.append((x_t, lane.t, conditioning))
                mine.append(places[key])
            taken.append(mine)
        predictions = self.denoiser(
            torch.cat([x_t for x_t, _, _ in rows]),
            torch.tensor([t for _, t, _ in rows]),
            [conditioning for _, _, conditioning in rows],
        )
        return [predictions[mine] for mine in taken]

    def _choose(self) -> list[tuple[Run, Lane]]:
        lanes = {run: deque(sorted(run.live, key=lambda lane: lane.i / lane.n)) for run in self.runs if not run.held}
        runs: dict[object, deque[Run]] = {}
        for run in self.runs:
            runs.setdefault(run.client, deque()).append(run)
        turns, served = deque(runs), []
        chosen: list[tuple[Run, Lane]] = []
        rows = 0
        while turns:
            mine = runs[turns[0]]
            for _ in range(len(mine)):
                if lanes.get(mine[0]):
                    break
                mine.rotate(-1)
            else:
                served.append(turns.popleft())
                continue
            lane = lanes[mine[0]][0]
            needed = lane.rows(self.denoiser)
            if chosen and rows + needed > self.max_rows:
                break  # it comes first next time
            chosen.append((mine[0], lanes[mine[0]].popleft()))
            rows += needed
            mine.rotate(-1)
            turns.rotate(-1)
        self.runs = [run for client in [*turns, *served] for run in runs[client]]
        return chosen


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
