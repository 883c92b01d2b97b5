"""One picture to describe: from the set, held out of it, drawn by a model, a photograph, noise."""

from collections.abc import Iterator, Sequence

import numpy as np

from lab.catalog import MODELS
from lab.engine.denoisers import Denoiser
from lab.models.loaders import LoadedModel
from lab.models.sources import folder_of
from lab.operations.examples import Titled, noise, of_set, photographs, styled
from lab.operations.house import House
from lab.operations.lanes import make_lane
from lab.operations.limits import check_load
from lab.operations.loading import loading
from lab.requests.base import Event, LabError
from lab.requests.fields import Forward
from lab.requests.ledger import DRAWN_STEPS, MOST_EACH, Source, SourceRequest
from lab.requests.sampling import LaneSettings


def source(request: SourceRequest, house: House) -> Iterator[Event]:
    """The picture that is asked for. Raises LabError where the model cannot draw it."""
    check_load(request, house.settings)
    if request.kind != "drawn":
        title, picture = _shipped(request, house)
        yield Source(picture, title)
        return
    row = MODELS[request.model]
    if row.latent or not row.trained:
        raise LabError(f"'{row.title}' draws no picture of its own to describe. Choose another kind.")
    yield from loading(house, request.model)
    with house.lease(request.model) as model:
        denoiser = model.denoiser(Forward(schedule=row.schedules[0]))
        (picture,) = drawn(model, denoiser, [request.seed], house)
        yield Source(picture, f"Drawn by the network, seed {request.seed}")


def drawn(model: LoadedModel, denoiser: Denoiser, seeds: Sequence[int], house: House) -> list[np.ndarray]:
    """What a model draws from these seeds without a condition, by DDIM in DRAWN_STEPS; (side, side, 3) uint8 each."""
    settings = [LaneSettings(steps=DRAWN_STEPS, seed=seed) for seed in seeds]
    lanes = [make_lane(index, own, denoiser, model.unconditional(), None) for index, own in enumerate(settings)]
    ends = {record.lane: record.x_0 for record in house.drive(denoiser, lanes) if record.i == record.n}
    return [model.to_picture(ends[index]) for index in range(len(seeds))]


def _shipped(request: SourceRequest, house: House) -> Titled:
    """A picture that needs no model, with its title."""
    row, kind, seed = MODELS[request.model], request.kind, request.seed
    if kind == "noise":
        return "Noise, every value by itself", noise(row.size, 0, seed)
    if kind in ("photograph", "styled"):
        title, photo = photographs(row.size, MOST_EACH)[seed % MOST_EACH]
        return title, styled(photo) if kind == "styled" else photo
    folder = folder_of(MODELS[row.data or row.name].source, house.settings)
    return of_set(folder, kind == "held-out", row.size, 1, seed)[0]
