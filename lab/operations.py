"""Request type -> generator of events: the only place that joins models and engine."""

import math
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import zip_longest
from typing import Any, Protocol, TypeVar

import cv2
import numpy as np
import torch

from lab.annotators import ANNOTATORS, hub, obstacle
from lab.annotators import joints as skeletons
from lab.annotators.canny import canny
from lab.annotators.pose import find_pose, pose_map
from lab.annotators.scribble import scribble
from lab.capsule import (
    Anatomy,
    AnatomyRequest,
    AnnotateRequest,
    Condition,
    ConditioningMap,
    Decoded,
    Event,
    Forward,
    InversionRequest,
    InversionResult,
    LabError,
    LaneResult,
    LaneSettings,
    NoisingFrame,
    NoisingRequest,
    Note,
    Request,
    SamplingRequest,
    Step,
    Waiting,
)
from lab.captions import as_caption
from lab.catalog import GUIDANCE, MODELS, SAMPLERS, SCHEDULES, control_of, rules_for, samplers_for
from lab.engine import noising as forward_process
from lab.engine.distances import path_distance, rms
from lab.engine.guidance import classifier_free, make_rule
from lab.engine.lanes import Denoiser, Lane, Record, StepNoise, look
from lab.engine.samplers import make_scheduler, slerp, split_prediction
from lab.measures import clipped_share, picture_measures
from lab.models.cache import ModelCache
from lab.models.loaders import SCORER, LoadedModel, arrived, slow_to_load, title_of
from lab.models.stable_diffusion import Controlled, LoadedControl, TextRow
from lab.models.tensors import to_uint8
from lab.settings import Settings
from lab.unused import unused

PREVIEW_SHARE = 0.03  # of a run's time may go into previews that need a decoder
TELL_EVERY_S = 0.5  # how often a run that waits for a download hears how far it is
REPLAY_SHARE = 0.5  # of a run's time may go into decoding its steps once more after it, for the replay
WHY_CAPTIONS = "its captions name things without an article."
REFERENCE = -1  # the lane index of the long reference run


class Drive(Protocol):
    """Runs lanes to their end and yields their records: in this thread, or on a shared worker."""

    def __call__(self, denoiser: Denoiser, lanes: Iterable[Lane]) -> Iterator[Record]: ...


@dataclass(frozen=True)
class House:
    """What operations work with: the settings, the models and whatever drives lanes."""

    settings: Settings
    cache: ModelCache[Any]  # of LoadedModel, and the scorer
    drive: Drive
    scenes: forward_process.Scenes = field(default_factory=forward_process.Scenes)
    stop: threading.Event | None = None  # the run's: a lease that waits is given up

    def lease(self, name: str) -> AbstractContextManager[Any]:
        """The model as ModelCache.lease has it, for as long as the run is not stopped."""
        return self.cache.lease(name, self.stop)


def sampling(request: SamplingRequest, house: House) -> Iterator[Event]:
    """Draw the lanes of a request side by side; Steps as they come, then one LaneResult a lane, then what is Decoded.

    With `versus` all that can be refused of either model is, before files are fetched for any.
    """
    _check_model(request, house.settings)
    request, notes = _as_captions(request)
    yield from notes
    if request.versus is None:
        _check_load(request, house.settings)
        yield from _loading(house, request.model, *_nets(request))
        yield from _draw(request, house)
        return
    again = request.model_copy(update={"model": request.versus, "reference_steps": 0, "controls": (), "negative": ""})
    _check_model(again, house.settings)
    _check_load(request, house.settings)
    yield from _loading(house, request.model, again.model, *_nets(request))
    with house.lease(request.model) as model, house.lease(again.model) as other:
        if model.shape != other.shape:
            raise LabError(f"'{MODELS[again.model].title}' works on other shapes; it cannot start from the same x_T.")
        said: set[str] = set()
        with closing(_draw(request, house)) as ours, closing(_draw(again, house)) as theirs:
            for event, twin in zip_longest(ours, theirs):
                if event is not None:
                    yield event
                if isinstance(event, Note):
                    said.add(event.text)
                if isinstance(twin, Note):
                    if twin.text not in said:
                        yield Note(f"Of '{MODELS[again.model].title}': {twin.text}")
                elif twin is not None:
                    yield replace(twin, lane=len(request.lanes) + twin.lane)


Prompted = TypeVar("Prompted", SamplingRequest, AnatomyRequest, InversionRequest)


def _as_captions(request: Prompted) -> tuple[Prompted, list[Note]]:
    """A request with its prompts as its model knows them, and what the visitor should know of that."""
    if not MODELS[request.model].captions:
        return request, []
    asked = {"prompt": request.condition.prompt}
    if not isinstance(request, InversionRequest) and MODELS[request.model].guided:
        asked["negative"] = request.negative
    read = {name: as_caption(text) for name, text in asked.items()}
    changed = [(text.strip(), read[name]) for name, text in asked.items() if text.strip() != read[name]]
    if not changed:
        return request, []
    words = " and ".join(
        f"“{before}” as “{after}”" if after else f"“{before}” as no words" for before, after in changed
    )
    update: dict[str, Any] = {"condition": request.condition.model_copy(update={"prompt": read["prompt"]})}
    if "negative" in read:
        update["negative"] = read["negative"]
    return request.model_copy(update=update), [Note(f"{MODELS[request.model].title} reads {words}: {WHY_CAPTIONS}")]


def _nets(request: SamplingRequest) -> list[str]:
    """The ControlNets of a request, as the cache names them."""
    rows = (control_of(MODELS[request.model], control.name) for control in request.controls)
    return [row.name for row in rows if row]


def _loading(house: House, *names: str) -> Iterator[Waiting]:
    """Says so before something large is loaded, and how far its files have come where they must be fetched.

    A visitor who stops meanwhile leaves; the download goes on, for whoever asks next.
    """
    for name in names:
        plan = house.cache.plan(name)
        if plan.fetch:
            coming = _in_background(partial(house.cache.fetch, name))
            while not coming.done():
                yield Waiting(0, 0.0, f"Fetching the {title_of(name)}: {arrived(name) / 1e6:,.0f} MB so far …")
                wait([coming], TELL_EVERY_S)
            coming.result()
        if plan.load and slow_to_load(name, house.settings):
            yield Waiting(0, 0.0, f"Loading the {title_of(name)} …")


def _in_background(work: Callable[[], None]) -> "Future[None]":
    """Its end, from a thread that neither a visitor who leaves nor the end of the process waits for."""
    end: Future[None] = Future()

    def run() -> None:
        try:
            work()
            end.set_result(None)
        except Exception as error:
            end.set_exception(error)

    threading.Thread(target=run, name="lab-fetch", daemon=True).start()
    return end


def _notes(model: LoadedModel, condition: Condition, negative: str = "") -> Iterator[Note]:
    """What of the prompts a model does not read."""
    yield from map(Note, model.unread(condition, negative))


def _draw(request: SamplingRequest, house: House) -> Generator[Step | LaneResult | Decoded | Note, None, None]:
    """The lanes of one model."""
    with ExitStack() as leases:
        model = leases.enter_context(house.lease(request.model))
        controls = [leases.enter_context(house.lease(name)) for name in _nets(request)]
        denoiser = model.denoiser(request.forward)
        _check_controls(request, model, controls)
        yield from _notes(model, request.condition, "" if model.distilled else request.negative)
        halves = _Halves(request, model, controls)
        lanes = [
            make_lane(index, settings, denoiser, *halves.of(settings)) for index, settings in enumerate(request.lanes)
        ]
        calls = [lane.n for lane in lanes]
        yield from map(Note, unused(request, calls, distilled=halves.unconditional is None, alike=halves.alike))
        if request.reference_steps:
            first = request.lanes[0]
            settings = first.model_copy(
                update={"sampler": "ddim", "steps": request.reference_steps, "eta": 0.0, "spacing": "trailing"}
            )
            lanes.append(make_lane(REFERENCE, settings, denoiser, *halves.of(settings)))

        began = time.perf_counter()
        painter = _Painter(model, request.replay, hidden=REFERENCE)
        paths: dict[int, list[Record]] = {lane.index: [] for lane in lanes}
        seconds: dict[int, float] = {}
        for record in house.drive(denoiser, lanes):
            seconds[record.lane] = time.perf_counter() - began
            if not request.reference_steps:
                paths[record.lane].clear()  # only the end is needed
            paths[record.lane].append(record)
            yield painter.step(record, seconds[record.lane])
        reference = paths.pop(REFERENCE, None)
        for (index, path), lane in zip(paths.items(), lanes, strict=False):
            result = _result(index, path, reference, seconds[index], model, painter.finished[index])
            result = replace(result, residuals=_residuals(lane))
            if request.measure:
                if index == 0:
                    yield from _score_notes(request.condition.prompt, house)
                measures = _measures(result.picture, request.condition.prompt, house)
                result = replace(result, measures=measures | {"clipped": painter.clipped[index]})
            yield result
        yield from painter.replay(REPLAY_SHARE * (time.perf_counter() - began))


def _check_controls(request: SamplingRequest, model: Any, controls: Sequence[LoadedControl]) -> None:
    """Refuse a ControlNet that was made for another base model."""
    for name, control in zip(_nets(request), controls, strict=True):
        try:
            model.try_control(control)
        except LabError as error:
            raise LabError(f"The {title_of(name)} cannot steer '{MODELS[request.model].title}': {error}") from error


def _residuals(lane: Lane) -> np.ndarray | None:
    """What the ControlNets added to the conditional half; in calls without it (scale 0), to the unconditional one."""
    if not isinstance(lane.conditional, Controlled):
        return None
    sizes = lane.conditional.residuals(lane.n)
    if isinstance(lane.unconditional, Controlled):
        alone = [i for i in lane.unconditional.seen if i not in lane.conditional.seen]
        sizes[:, alone] = lane.unconditional.residuals(lane.n)[:, alone]
    return sizes


def _measures(picture: np.ndarray, prompt: str, house: House) -> dict[str, float]:
    """Numbers of a finished picture; the CLIP score where there was a prompt."""
    numbers = picture_measures(picture)
    if prompt.strip():
        with house.lease(SCORER) as clip:
            numbers["clip"] = clip.score(picture, prompt)
    return numbers


def _score_notes(prompt: str, house: House) -> Iterator[Note]:
    """What of the prompt the CLIP score does not know."""
    if prompt:
        with house.lease(SCORER) as clip:
            yield from map(Note, clip.unread(prompt))


class _Halves:
    """Conditional and unconditional conditioning of the lanes of a request; what lanes share is made once.

    A model that was distilled with its guidance (Luo et al. 2023) has no unconditional half: it is told the scale.
    """

    def __init__(self, request: SamplingRequest, model: LoadedModel, controls: Sequence[LoadedControl] = ()) -> None:
        self.conditional = model.conditioning(request.condition)
        self.unconditional = None if model.distilled else model.unconditional(request.negative)
        self.hints = [
            loaded.hint(control.map, model.side) for loaded, control in zip(controls, request.controls, strict=True)
        ]

    @property
    def alike(self) -> bool:
        """Whether both are conditioned alike, so that no guidance scale changes anything."""
        first, second = (getattr(half, "prompt", half) for half in (self.conditional, self.unconditional))
        return first is second or (isinstance(first, int | str) and first == second)

    def of(self, lane: LaneSettings) -> tuple[Any, Any]:
        """(conditional, unconditional) of a lane; in guess mode only the first is under control (Zhang et al. 2023)."""
        conditional = self.conditional
        if self.unconditional is None:
            conditional = TextRow(replace(conditional.prompt, scale=lane.guidance_scale))
        if not (self.hints and lane.holds):
            return conditional, self.unconditional
        controlled = Controlled(conditional.prompt, self.hints, lane.holds, lane.guess)
        if lane.guess or self.unconditional is None:
            return controlled, self.unconditional
        return controlled, Controlled(self.unconditional.prompt, self.hints, lane.holds, guess=False)


class _Painter:
    """Turns records into Steps, at a cost of at most PREVIEW_SHARE of the run where a picture is a decoder's work.

    x_t is always the cheap preview. x_0 is decoded in rounds, as often as that share allows: where it is decoded at
    call i of one lane, it is at call i of every lane, so that lanes side by side show the same kind of picture. In
    between it is the cheap preview, and said to be. The last step is always the finished picture. `kept` steps of each
    lane, evenly spaced, can be decoded afterwards. A `hidden` lane has no pictures but previews.
    """

    def __init__(self, model: LoadedModel, kept: int = 0, hidden: int | None = None) -> None:
        self.model, self.kept, self.hidden = model, kept, hidden
        self.spent_s = 0.0
        self.rounds: dict[int, bool] = {}  # by call: whether its x_0 is decoded
        self.previews: dict[tuple[int, int], torch.Tensor] = {}  # x_0 by lane and call: to be decoded afterwards
        self.finished: dict[int, np.ndarray] = {}
        self.clipped: dict[int, float] = {}  # of the finished picture, share of its pixels

    def step(self, record: Record, elapsed_s: float) -> Step:
        x_t, decoded = self.model.preview(record.x_t / 2), True  # noise has twice a picture's range
        if record.lane == self.hidden:
            x_0, decoded = self.model.preview(record.x_0), not self.model.latent
            x_t = x_0 if record.i == record.n else x_t
        elif record.i == record.n:
            values = self.model.to_values(record.x_0)
            x_t = x_0 = self.finished[record.lane] = to_uint8(values)
            self.clipped[record.lane] = clipped_share(values.numpy())
        elif not self.model.latent:
            x_0 = self.model.to_picture(record.x_0)
        elif decoded := self._in_round(record.i, elapsed_s):
            x_0 = self._decoded(record)
        else:
            x_0 = self.model.preview(record.x_0)
            if record.i in _spread(record.n, self.kept):
                self.previews[record.lane, record.i] = record.x_0
        return Step(record.lane, record.i, record.n, record.t, record.log_snr, x_t, x_0, elapsed_s, decoded)

    def _in_round(self, i: int, elapsed_s: float) -> bool:
        """Whether call i is decoded, in all lanes alike: the first of them that comes there decides."""
        return self.rounds.setdefault(i, i > 0 and self.spent_s <= PREVIEW_SHARE * elapsed_s)

    def _decoded(self, record: Record) -> np.ndarray:
        began = time.perf_counter()
        picture = self.model.to_picture(record.x_0)
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
                yield Decoded(lane, i, self.model.to_picture(self.previews[lane, i]))


@cache
def _spread(n: int, count: int) -> frozenset[int]:
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


def anatomy(request: AnatomyRequest, house: House) -> Iterator[Event]:
    """Draw one lane and take every guided step of it apart."""
    request, notes = _as_captions(request)
    yield from notes
    sampled = SamplingRequest(
        model=request.model, condition=request.condition, negative=request.negative, forward=request.forward,
        lanes=(request.lane,),
    )  # fmt: skip
    _check_model(sampled, house.settings)
    _check_load(request, house.settings)
    yield from _loading(house, request.model)
    with house.lease(request.model) as model:
        if model.distilled:
            raise LabError(
                f"'{MODELS[request.model].title}' was distilled with its guidance: a step of it has no two halves."
            )
        denoiser = model.denoiser(request.forward)
        yield from _notes(model, request.condition, request.negative)
        conditional, unconditional = _Halves(sampled, model).of(request.lane)
        lane = make_lane(0, request.lane, denoiser, conditional, unconditional)
        lane.always_both = True
        for record in house.drive(denoiser, [lane]):
            if record.halves:
                yield _anatomy(record, request.scales, denoiser, model)


def _anatomy(record: Record, scales: Sequence[float], denoiser: Denoiser, model: LoadedModel) -> Anatomy:
    x_t, alpha_bar = record.x_t, 1 / (1 + math.exp(-record.log_snr))
    halves = [split_prediction(half, x_t, alpha_bar, denoiser.prediction_type) for half in record.halves or ()]
    (clean, eps), (clean_u, eps_u) = halves
    difference = eps - eps_u
    heat = difference.square().mean(0).sqrt()
    return Anatomy(
        i=record.i,
        n=record.n,
        t=record.t,
        log_snr=record.log_snr,
        x_t=model.preview(x_t / 2),
        unconditional=model.preview(eps_u / 2),
        conditional=model.preview(eps / 2),
        difference=(heat / heat.max().clamp(min=1e-9) * 255).to(torch.uint8).numpy(),
        norms=tuple(float(part.square().mean().sqrt()) for part in (eps_u, eps, difference)),  # type: ignore[arg-type]
        x_0=tuple(model.to_picture(classifier_free(clean, clean_u, scale)) for scale in scales),
    )


def inversion(request: InversionRequest, house: House) -> Iterator[Event]:
    """DDIM inversion: lane 0 climbs from the picture to x_T, lane 1 comes down again from there."""
    _check_process(request.model, request.forward, request.steps, house.settings)
    _check_load(request, house.settings)
    request, notes = _as_captions(request)
    yield from notes
    yield from _loading(house, request.model)
    with house.lease(request.model) as model:
        denoiser = model.denoiser(request.forward)
        yield from _notes(model, request.condition)
        conditional = model.conditioning(request.condition)
        x_0 = model.from_picture(request.picture)
        noise = StepNoise(request.seed)

        def scheduler(name: str) -> Any:
            options = {"clip_sample": False, "set_alpha_to_one": True}
            return make_scheduler(
                name, denoiser.alphas_cumprod, denoiser.prediction_type, request.steps, "trailing", options
            )

        began = time.perf_counter()
        up = scheduler("DDIMInversion")
        lowest = float(denoiser.alphas_cumprod[int(up.timesteps[0])])
        x_T = down = forward_process.q_sample(x_0, lowest, noise.initial(x_0.shape))
        painter = _Painter(model)
        for record in house.drive(denoiser, [Lane(0, up, x_T, noise, conditional)]):
            x_T = record.x_t
            yield painter.step(record, time.perf_counter() - began)
        painter = _Painter(model)  # the way down is another run: its rounds are its own
        turned = time.perf_counter()
        for record in house.drive(denoiser, [Lane(1, scheduler("DDIM"), x_T, noise, conditional)]):
            down = record.x_0
            yield replace(painter.step(record, time.perf_counter() - turned), elapsed_s=time.perf_counter() - began)
        error = (down - x_0).abs().mean(0)
        yield InversionResult(
            original=model.to_picture(x_0),
            x_T=model.preview(x_T),
            reconstruction=model.to_picture(down),
            error=(error / error.max().clamp(min=1e-6) * 255).to(torch.uint8).numpy(),
            rms=rms(down, x_0),
            x_T_mean=float(x_T.mean()),
            x_T_deviation=float(x_T.std()),
        )


def noising(request: NoisingRequest, house: House) -> Iterator[Event]:
    """One frame of the forward process: x_t in one jump, by the chain where asked, and what is measured of it."""
    began = time.perf_counter()
    forward = request.forward
    if request.recover:
        _check_process(request.recover, forward, 1, house.settings)
    scene = house.scenes.get(request.picture, forward.schedule, forward.T, forward.zero_snr, request.seed)
    t = request.t if request.at_log_snr is None else forward_process.t_at_log_snr(scene.table, request.at_log_snr)
    x_t = scene.x_t(t)
    numbers = scene.numbers(t, x_t)
    chain = forward_process.to_picture(scene.chain.at(t)) if request.chain else None
    recovered = _recover(request, t, request.recover, house) if request.recover else None
    alpha_bar = float(scene.table[t])
    yield NoisingFrame(
        t=t,
        alpha_bar=alpha_bar,
        alpha_bars=scene.table,
        log_snr=float(forward_process.log_snr(alpha_bar)),
        x_t=forward_process.to_picture(x_t),
        chain=chain,
        psnr_db=numbers.psnr_db,
        histogram=numbers.histogram,
        histogram_edges=forward_process.HISTOGRAM_EDGES,
        spectrum=numbers.spectrum,
        spectrum_signal=numbers.signal,
        spectrum_noise=numbers.noise,
        recovered=recovered,
        server_ms=(time.perf_counter() - began) * 1000,
    )


def annotate(request: AnnotateRequest, house: House) -> Iterator[Event]:
    """One conditioning map: a skeleton drawn from its joints, or what an annotator sees in a picture."""
    if request.joints is not None:
        try:
            joints, visible = skeletons.from_list([list(joint) for joint in request.joints])
        except ValueError as error:
            raise LabError(f"These joints cannot be drawn: {error}.") from error
        yield ConditioningMap(pose_map(joints, visible, request.size), joints, visible)
        return
    if request.annotator not in ANNOTATORS:
        raise LabError(f"There is no annotator named '{request.annotator[:40]}'.")
    if problem := obstacle(request.annotator, house.settings):
        raise LabError(problem)
    seen = request.picture
    assert seen is not None  # the request has a picture or joints
    picture = _at_side(seen, request.size)
    if request.annotator == "pose":
        yield _pose_of(seen, request.size)
        return
    if request.annotator == "canny":
        picture = canny(picture, request.low, request.high, request.blur)
    elif request.annotator == "scribble":
        picture = scribble(picture)
    elif request.annotator in hub.DETECTORS:
        picture = _at_side(hub.detect(request.annotator, seen, house.settings), request.size)
    yield ConditioningMap(picture)


def _pose_of(picture: np.ndarray, size: int) -> ConditioningMap:
    pose = find_pose(picture)
    if pose is None:
        return ConditioningMap(np.zeros((size, size, 3), np.uint8), note="No person was found in this picture.")
    return ConditioningMap(pose_map(pose.joints, pose.visible, size), pose.joints, pose.visible)


def _at_side(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture as (side, side, 3); averaged where it shrinks, as the pictures were that ControlNets learned from."""
    if picture.shape[:2] == (side, side):
        return picture
    how = cv2.INTER_AREA if side < min(picture.shape[:2]) else cv2.INTER_CUBIC
    return cv2.resize(picture, (side, side), interpolation=how)


def _recover(request: NoisingRequest, t: int, name: str, house: House) -> np.ndarray:
    """The predicted x_0 of a model from x_t at the model's own size; the exact denoiser takes the picture itself for one
    of its set. At t = 0 it is asked about t = 1."""
    with house.lease(name) as model:
        denoiser = model.denoiser(request.forward)
        x_0 = model.from_picture(request.picture)
        k = max(t, 1) - 1
        eps = forward_process.gaussian(request.seed, 0, tuple(x_0.shape))
        x_t = forward_process.q_sample(x_0, float(denoiser.alphas_cumprod[k]), eps)
        return model.to_picture(look(house.drive, denoiser, x_t, k, model.knowing(x_0)).x_0)


def make_lane(index: int, settings: LaneSettings, denoiser: Denoiser, conditional: Any, unconditional: Any) -> Lane:
    """A lane as its settings have it: sampler, spacing, noise by level, guidance rule where there are two halves."""
    row = SAMPLERS[settings.sampler]
    scheduler = make_scheduler(
        row.scheduler,
        denoiser.alphas_cumprod,
        denoiser.prediction_type,
        settings.steps,
        settings.spacing if settings.spacing in row.spacings else row.spacings[0],
        row.options,
    )
    noise = StepNoise(settings.seed)
    x_T = noise.initial(denoiser.shape)
    if settings.mix_seed is not None and settings.mix > 0:
        x_T = slerp(x_T, StepNoise(settings.mix_seed).initial(denoiser.shape), settings.mix)
    eta = settings.eta if row.eta else 0.0
    rule = None if unconditional is None else make_rule(settings.rule, settings.guidance_scale)
    return Lane(index, scheduler, x_T, noise, conditional, unconditional, rule, eta)


def _result(
    index: int,
    path: list[Record],
    reference: list[Record] | None,
    elapsed_s: float,
    model: LoadedModel,
    picture: np.ndarray,
) -> LaneResult:
    end = path[-1]
    nearest = model.nearest(end.x_0)
    return LaneResult(
        lane=index,
        picture=picture,
        calls=end.n,
        elapsed_s=elapsed_s,
        rms_to_reference=rms(end.x_0, reference[-1].x_0) if reference else None,
        path_distance=path_distance(path, reference) if reference else None,
        nearest=nearest[0] if nearest else None,
        nearest_caption=nearest[1] if nearest else "",
        nearest_rms=nearest[2] if nearest else None,
    )


def _check_load(request: Request, settings: Settings) -> None:
    """Refuse more pictures, or more steps over all of them, than one run may take; a reference run is no picture."""
    load = request.load()
    pictures = load.lanes - bool(getattr(request, "reference_steps", 0))
    if pictures > settings.max_lanes:
        raise LabError(f"{pictures} pictures asked for; one run makes at most {settings.max_lanes}. Take fewer lanes.")
    if load.steps > settings.max_lane_steps:
        raise LabError(
            f"This run takes {load.steps} steps over all its lanes; at most {settings.max_lane_steps} a run. "
            "Take fewer steps or fewer lanes."
        )


def _check_model(request: SamplingRequest, settings: Settings) -> None:
    """Refuse what the model of a request was not made for, and lanes that are longer than the settings allow."""
    allowed = samplers_for(MODELS[request.model])
    for lane in request.lanes:
        if lane.sampler not in allowed:
            raise LabError(
                f"{SAMPLERS[lane.sampler].title} needs a model that was trained for it; "
                f"'{MODELS[request.model].title}' is not. Choose another sampler."
            )
        if lane.rule not in rules_for(MODELS[request.model]):
            raise LabError(f"{GUIDANCE[lane.rule].title} needs pixels in [-1, 1]; this model works on latents.")
    for control in request.controls:
        if control_of(MODELS[request.model], control.name) is None:
            raise LabError(
                f"'{MODELS[request.model].title}' has no control named '{control.name}'. Choose another model or remove it."
            )
    longest = max(request.reference_steps, *(lane.steps for lane in request.lanes))
    _check_process(request.model, request.forward, longest, settings)


def _check_process(model: str, forward: Forward, steps: int, settings: Settings) -> None:
    """Refuse a forward process that the model was not made for, and more steps than the settings allow."""
    row = MODELS[model]
    if forward.schedule not in row.schedules or (row.trained and forward != Forward(schedule=forward.schedule)):
        raise LabError(
            f"'{row.title}' was not made for this forward process. "
            f"It was trained under the {SCHEDULES[row.schedules[0]].title.lower()} schedule with T = 1000."
            if row.trained
            else f"'{row.title}' was not made for the {forward.schedule} schedule."
        )
    if steps > settings.max_steps:
        raise LabError(f"{steps} steps asked for; a lane takes at most {settings.max_steps}.")


OPERATIONS: dict[type, Callable[[Any, House], Iterator[Event]]] = {
    SamplingRequest: sampling,
    InversionRequest: inversion,
    NoisingRequest: noising,
    AnatomyRequest: anatomy,
    AnnotateRequest: annotate,
}
