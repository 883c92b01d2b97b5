"""The lane loop: each tick advances the live lanes of all runs in one denoiser call.

A UNet takes one timestep per batch element, so lanes need not agree on timestep, scheduler or guidance scale to
share a call. Lanes join and leave between ticks. A lane's picture does not depend on its company: it has its own
scheduler, its own generator and its own rows.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from diffusers.schedulers.scheduling_utils import SchedulerOutput
from torch import Tensor

from lab.engine.guidance import classifier_free, needs
from lab.engine.noising import stream_seed
from lab.engine.samplers import alpha_bar_at, split_prediction


class Denoiser(Protocol):
    """What a loaded model offers the engine: `(x_t, t, conditioning) -> prediction`, and how to read it."""

    prediction_type: str  # "epsilon", "v_prediction" or "sample"
    alphas_cumprod: Tensor  # (T,) of the forward process it was made for
    shape: tuple[int, int, int]  # (channels, height, width) of one x_t

    def __call__(self, x_t: Tensor, t: Tensor, conditioning: Sequence[Any]) -> Tensor:
        """Predict for rows x_t (rows, channels, height, width) at timesteps t (rows,), one conditioning a row."""
        ...


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
    """One picture being made: its own scheduler, noise, guidance scale and conditioning.

    `x_T` is (channels, height, width), unit variance. `conditional` and `unconditional` are whatever the denoiser
    takes as a row's conditioning. `eta` is passed to schedulers that know it.
    """

    def __init__(
        self,
        index: int,
        scheduler: Any,
        x_T: Tensor,
        noise: StepNoise,
        conditional: Any,
        unconditional: Any = None,
        guidance_scale: float = 1.0,
        eta: float = 0.0,
        scale_initial: bool = True,
    ) -> None:
        self.index, self.scheduler, self.noise = index, scheduler, noise
        self.guidance_scale = guidance_scale
        use_conditional, use_unconditional = needs(guidance_scale)
        self.conditioning = [conditional] * use_conditional + [unconditional] * use_unconditional
        self.timesteps = [float(t) for t in scheduler.timesteps]
        self.i, self.n = 0, len(self.timesteps)
        sample = x_T[None]
        self.sample = sample * scheduler.init_noise_sigma if scale_initial else sample
        self._input: Tensor | None = None
        parameters = type(scheduler).step.__code__.co_varnames
        self._extra: dict[str, Any] = {"eta": eta} if "eta" in parameters else {}
        self._takes_generator = "generator" in parameters

    @property
    def done(self) -> bool:
        return self.i >= self.n

    @property
    def rows(self) -> int:
        """Rows this lane needs in a call: 2 when guided, else 1."""
        return len(self.conditioning)

    @property
    def t(self) -> float:
        return self.timesteps[self.i]

    def model_input(self) -> Tensor:
        """x_t as the denoiser sees it, (1, channels, height, width)."""
        if self._input is None:
            self._input = self.scheduler.scale_model_input(self.sample, self.scheduler.timesteps[self.i])
        return self._input

    def advance(self, predictions: Tensor, denoiser: Denoiser) -> Iterator[Record]:
        """Take one step with this lane's rows of the prediction; yields its record, at the end also the picture."""
        if len(predictions) == 2:
            prediction = classifier_free(predictions[:1], predictions[1:], self.guidance_scale)
        else:
            prediction = predictions
        x_t = self.model_input()
        alpha_bar = float(alpha_bar_at(denoiser.alphas_cumprod, torch.tensor(self.t)))
        x_0, eps = split_prediction(prediction, x_t, alpha_bar, denoiser.prediction_type)
        yield Record(self.index, self.i, self.n, self.t, log_snr(alpha_bar), x_t[0].cpu(), x_0[0].cpu(), eps[0].cpu())

        extra = dict(self._extra)
        if self._takes_generator:
            extra["generator"] = self.noise.at(self.t)
        self.sample = self.scheduler.step(
            prediction, self.scheduler.timesteps[self.i], self.sample, **extra
        ).prev_sample
        self._input = None
        self.i += 1
        if self.done:
            final = self.sample[0].cpu()
            yield Record(self.index, self.n, self.n, -1.0, float("inf"), final, final, torch.zeros_like(final))


def log_snr(alpha_bar: float) -> float:
    """log(alpha_bar / (1 - alpha_bar)), the logarithm of the signal-to-noise ratio (Kingma et al. 2021)."""
    return float(torch.logit(torch.tensor(alpha_bar, dtype=torch.float64)))


class Run:
    """The lanes that one press of a button asks for. `cancel` takes them out at the next tick."""

    def __init__(self, lanes: Iterable[Lane]) -> None:
        self.live = list(lanes)
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    @property
    def done(self) -> bool:
        return self.cancelled or not self.live


class LaneLoop:
    """All live runs of one denoiser. `tick` makes one denoiser call of at most `max_rows` rows.

    Fairness: runs are served in turn, starting behind the last one served, each giving its least advanced lanes
    first; so a run of sixty lanes does not keep a run of one waiting. A lane that alone needs more than
    `max_rows` still gets its call.
    """

    def __init__(self, denoiser: Denoiser, max_rows: int = 16) -> None:
        self.denoiser, self.max_rows = denoiser, max_rows
        self.runs: list[Run] = []

    def add(self, run: Run) -> None:
        self.runs.append(run)

    @torch.no_grad()
    def tick(self) -> list[tuple[Run, Record]]:
        """Advance as many lanes as fit one call by one call each; returns what they recorded."""
        self.runs = [run for run in self.runs if not run.done]
        chosen = self._choose()
        if not chosen:
            return []
        lanes = [lane for _, lane in chosen]
        x_t = torch.cat([lane.model_input().expand(lane.rows, -1, -1, -1) for lane in lanes])
        t = torch.tensor([lane.t for lane in lanes for _ in range(lane.rows)])
        predictions = self.denoiser(x_t, t, [row for lane in lanes for row in lane.conditioning])
        records = []
        for (run, lane), rows in zip(chosen, predictions.split([lane.rows for lane in lanes]), strict=True):
            records += [(run, record) for record in lane.advance(rows, self.denoiser)]
            if lane.done:
                run.live.remove(lane)
        return records

    def _choose(self) -> list[tuple[Run, Lane]]:
        queues = {run: sorted(run.live, key=lambda lane: lane.i / lane.n) for run in self.runs}
        chosen: list[tuple[Run, Lane]] = []
        rows = 0
        turn = 0
        while any(queues.values()):
            run = self.runs[turn % len(self.runs)]
            turn += 1
            if not queues[run]:
                continue
            lane = queues[run][0]
            if chosen and rows + lane.rows > self.max_rows:
                self.runs = self.runs[turn - 1 :] + self.runs[: turn - 1]  # this run comes first next time
                break
            chosen.append((run, queues[run].pop(0)))
            rows += lane.rows
        return chosen


def drive(denoiser: Denoiser, lanes: Iterable[Lane], max_rows: int = 16) -> Iterator[Record]:
    """Run `lanes` to their end in this thread, yielding records as they come. Closing the generator stops them."""
    loop, run = LaneLoop(denoiser, max_rows), Run(lanes)
    loop.add(run)
    while not run.done:
        for _, record in loop.tick():
            yield record


class _OneLook:
    """A schedule of a single call: look at x_t at timestep t and stay there."""

    init_noise_sigma = 1.0

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
