"""Words in pictures: the cross-attention of a picture's steps, and pictures of edited attention."""

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from lab.engine.attention import Word, align, mean_of_levels, of_words
from lab.engine.denoisers import Denoiser
from lab.engine.lanes import Lane, Record
from lab.models.attention import AttentionDenoiser, EditedRow, Keeping
from lab.models.prompts import END
from lab.models.stable_diffusion import LoadedStableDiffusion, TextRow
from lab.operations.house import House
from lab.operations.lanes import Halves, make_lane
from lab.operations.limits import check_load, check_model
from lab.operations.loading import loading
from lab.operations.painter import Painter, spread
from lab.operations.prompts import as_captions, unread_notes
from lab.operations.sampling import REPLAY_SHARE
from lab.requests.attention import AttentionRequest, WordMaps, Words
from lab.requests.base import Event, LabError
from lab.requests.fields import Condition
from lab.requests.sampling import LaneResult, SamplingRequest

LARGEST_MAP = 64  # pixels: what is finer is averaged
PLAIN = 0  # the lane of the prompt as it is


def attention(request: AttentionRequest, house: House) -> Iterator[Event]:
    """Draw the plain picture with the maps of its steps, beside it those of other weights and of the target; then the target
    with the plain picture's attention kept. Words come first, then Steps with WordMaps, LaneResults, and what is Decoded."""
    request, notes = as_captions(request)
    yield from notes
    plain = _as_sampling(request, request.condition)
    check_model(plain, house.settings)
    check_load(request, house.settings)
    yield from loading(house, *request.models())
    with house.lease(request.model) as model:
        denoiser = model.denoiser(request.forward)
        yield from unread_notes(model, request.condition, "" if model.distilled else request.negative)
        words = model.words(request.condition)
        yield Words(tuple(w.text for w in words), tuple(len(w.tokens) for w in words), words[-1].tokens[-1] + 1)
        rows = [one for one in request.drawings() if one.kind == "weight"]
        chosen = [(one.weight, _tokens(words, one.word)) for one in rows]
        yield from _draw(request, plain, model, denoiser, words, chosen, house)


def _draw(
    request: AttentionRequest,
    plain: SamplingRequest,
    model: LoadedStableDiffusion,
    denoiser: Any,
    words: Sequence[Word],
    chosen: Sequence[tuple[float, list[int]]],
    house: House,
) -> Iterator[Event]:
    halves = Halves(plain, model)
    row, unconditional = halves.of(request.lane)
    window = words[-1].tokens[-1] + 1  # tokens that the text encoder reads
    # Only what is edited or looked at is computed by torch: where nothing is edited lanes share calls with other runs.
    watched = model.attention(request.forward) if request.looks or request.weights or request.target else None
    drawing: Denoiser = watched if watched and request.weights else denoiser
    make = partial(make_lane, settings=request.lane, denoiser=drawing, unconditional=unconditional)
    lanes = [make(PLAIN, conditional=row)]
    lanes += [
        make(1 + k, conditional=_weighed(row, weight, tokens, window)) for k, (weight, tokens) in enumerate(chosen)
    ]
    if request.target:
        swapped = request.condition.model_copy(update={"prompt": request.target})
        yield from unread_notes(model, swapped)
        target, _ = Halves(_as_sampling(request, swapped), model).of(request.lane)
        lanes.append(make(len(lanes), conditional=target))
        alignment = align(words, model.words(swapped), window)

    began, painter, path = time.perf_counter(), Painter(model, house.company, request.looks), list[Tensor]()
    seconds: dict[int, float] = {}
    looks = spread(lanes[0].n, request.looks) if request.looks else frozenset()
    kept = len(lanes)

    def events(lanes: list[Lane], denoiser: Denoiser) -> Iterator[Event]:
        for record in house.drive(denoiser, lanes):
            seconds[record.lane] = time.perf_counter() - began
            yield painter.step(record, seconds[record.lane])
            if record.lane == PLAIN and record.i < record.n:
                path.append(record.x_t)
                if watched and record.i in looks:
                    yield house.compute(partial(_look, watched, record, row, words))

    yield from events(lanes, drawing)
    if watched and request.target:
        keeping = Keeping(target, row, path, alignment, request.kept, request.kept_picture)
        yield from events([make(kept, denoiser=watched, conditional=keeping)], watched)
    for lane, picture in sorted(painter.pictures.items()):
        yield LaneResult(lane, picture, lanes[PLAIN].n, seconds[lane])
    yield from painter.replay(REPLAY_SHARE * (time.perf_counter() - began))


def _weighed(row: TextRow, weight: float, tokens: list[int], window: int) -> TextRow | EditedRow:
    """A row whose attention to some tokens is multiplied; at weight 1 the row as it is."""
    if weight == 1:
        return row
    factors = torch.ones(window)
    factors[tokens] = weight
    return EditedRow(row, factors)


def _tokens(words: Sequence[Word], name: str) -> list[int]:
    """The tokens of all words of this name. Raises LabError where there is none."""
    wanted = name.casefold().strip()
    wanted = END if wanted in ("end", "padding") else wanted
    tokens = [token for word in words if word.text.casefold() == wanted for token in word.tokens]
    if not tokens:
        names = ", ".join(dict.fromkeys(word.text for word in words))
        raise LabError(f"The prompt has no word “{name}”. Choose one of: {names}.")
    return tokens


def _look(denoiser: AttentionDenoiser, record: Record, row: TextRow, words: Sequence[Word]) -> WordMaps:
    """The attention of a step, word by word."""
    layers = [of_words(one.maps, words) for one in denoiser.look(record.x_t, record.t, row)]
    by_side: dict[int, list[Tensor]] = {}
    for maps in layers:
        by_side.setdefault(maps.shape[-1], []).append(maps)
    levels = {side: torch.stack(maps).mean(dim=0) for side, maps in sorted(by_side.items())}
    levels[0] = mean_of_levels(layers, record.x_t.shape[-1])
    return WordMaps(record.i, record.n, record.t, {side: _small(maps).numpy() for side, maps in levels.items()})


def _small(maps: Tensor) -> Tensor:
    return adaptive_avg_pool2d(maps, LARGEST_MAP) if maps.shape[-1] > LARGEST_MAP else maps


def _as_sampling(request: AttentionRequest, condition: Condition) -> SamplingRequest:
    """The plain picture of a condition as the request of a run."""
    return SamplingRequest(
        model=request.model,
        condition=condition,
        negative=request.negative,
        forward=request.forward,
        lanes=(request.lane,),
    )
