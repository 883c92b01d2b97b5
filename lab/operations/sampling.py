"""Pictures drawn side by side."""

import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from itertools import zip_longest

import numpy as np

from lab.catalog import JUDGE, MODELS, SCORER
from lab.engine.distances import path_distance, rms
from lab.engine.lanes import Lane, Record
from lab.measures import picture_measures
from lab.models.loaders import LoadedModel
from lab.models.stable_diffusion import ControlledPrompt
from lab.operations.guides import make_guides
from lab.operations.house import House
from lab.operations.lanes import Halves, make_lane
from lab.operations.limits import check_controls, check_decoder, check_load, check_model
from lab.operations.loading import loading
from lab.operations.painter import Painter
from lab.operations.prompts import as_captions, unread_notes
from lab.requests.base import Event, LabError, Note
from lab.requests.sampling import Decoded, LaneResult, SamplingRequest, Step
from lab.unused import unused

REPLAY_SHARE = 0.5  # of a run's time may go into decoding its steps once more after it, for the replay


SCORES, GUIDE_SCORE = {SCORER: "clip", JUDGE: "judge"}, "guide"  # names of what scores the fit to the prompt
REFERENCE = -1  # the lane index of the long reference run


def sampling(request: SamplingRequest, house: House) -> Iterator[Event]:
    """Draw the lanes of a request side by side; Steps as they come, then one LaneResult a lane, then what is Decoded.

    With `versus` all that can be refused of either model is, before files are fetched for any.
    """
    check_model(request, house.settings)
    request, notes = as_captions(request)
    yield from notes
    if request.versus is None:
        check_load(request, house.settings)
        yield from loading(house, *request.models())
        yield from _draw(request, house)
        return
    again = request.model_copy(update={"model": request.versus, "reference_steps": 0, "controls": (), "negative": ""})
    check_model(again, house.settings)
    check_load(request, house.settings)
    yield from loading(house, *request.models())
    with house.lease(request.model) as model, house.lease(again.model) as other:
        if model.shape != other.shape:
            raise LabError(f"'{MODELS[again.model].title}' works on other shapes; it cannot start from the same x_T.")
        texts: set[str] = set()
        with closing(_draw(request, house)) as ours, closing(_draw(again, house)) as theirs:
            for event, twin in zip_longest(ours, theirs):
                if event is not None:
                    yield event
                if isinstance(event, Note):
                    texts.add(event.text)
                if isinstance(twin, Note):
                    if twin.text not in texts:
                        yield Note(f"Of '{MODELS[again.model].title}': {twin.text}")
                elif twin is not None:
                    yield replace(twin, lane=len(request.lanes) + twin.lane)


def _draw(request: SamplingRequest, house: House) -> Generator[Step | LaneResult | Decoded | Note, None, None]:
    """The lanes of one model."""
    with ExitStack() as leases:
        model = leases.enter_context(house.lease(request.model))
        controls = [leases.enter_context(house.lease(name)) for name in request.controlnets()]
        networks = {name: leases.enter_context(house.lease(name)) for name in request.networks()}
        guides = make_guides(request, model, model.denoiser(request.forward), networks)
        denoiser = guides.denoiser
        check_controls(request, model, controls)
        check_decoder(request, model)
        yield from unread_notes(model, request.condition, "" if model.distilled else request.negative)
        halves = Halves(request, model, controls, guides.potentials)
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
        tiny = request.decoder == "tiny"
        painter = Painter(model, house.company, request.replay, hidden=REFERENCE, tiny=tiny)
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
            result = _result(index, path, reference, seconds[index], model, painter.pictures[index])
            result = replace(result, residuals=_residuals(lane))
            if request.measure:
                if index == 0:
                    yield from _score_notes(request, house)
                measures = _measures(result.picture, request, house)
                result = replace(result, measures=measures | {"clipped": painter.clipped[index]})
            yield result
        yield from painter.replay(REPLAY_SHARE * (time.perf_counter() - began))


def _residuals(lane: Lane) -> np.ndarray | None:
    """What the ControlNets added to the conditional half; in calls without it (scale 0), to the unconditional one."""
    if not isinstance(lane.conditional, ControlledPrompt):
        return None
    sizes = lane.conditional.residuals(lane.n)
    if isinstance(lane.unconditional, ControlledPrompt):
        alone = [i for i in lane.unconditional.rms if i not in lane.conditional.rms]
        sizes[:, alone] = lane.unconditional.residuals(lane.n)[:, alone]
    return sizes


def _measures(picture: np.ndarray, request: SamplingRequest, house: House) -> dict[str, float]:
    """Numbers of a finished picture; with a prompt, how well it fits: by the CLIP score, or by a CLIP that guides and the judge."""
    numbers, prompt = picture_measures(picture), request.condition.prompt
    for name in request.scorers() if prompt else ():
        with house.lease(name) as scorer:
            numbers[SCORES.get(name, GUIDE_SCORE)] = house.compute(partial(scorer.score, picture, prompt))
    return numbers


def _score_notes(request: SamplingRequest, house: House) -> Iterator[Note]:
    """What of the prompt its scorers do not know."""
    for name in request.scorers() if request.condition.prompt else ():
        with house.lease(name) as scorer:
            yield from map(Note, scorer.unread(request.condition.prompt))


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
