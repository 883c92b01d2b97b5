"""What an autoencoder keeps of a picture (Rombach et al. 2022, section 3.1): latents, changed and decoded."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from lab.catalog import MODELS
from lab.engine import latents as changes
from lab.models.stable_diffusion import LoadedStableDiffusion
from lab.models.tensors import to_signed, to_uint8
from lab.operations.house import House
from lab.operations.limits import check_load
from lab.operations.loading import loading
from lab.requests.base import Event, LabError
from lab.requests.latents import Decoding, Encoding, ExampleLatents, LatentLane, LatentRequest


def latents(request: LatentRequest, house: House) -> Iterator[Event]:
    """An Encoding a picture, the ExampleLatents where they are needed, then one Decoding a lane, in their order. Raises LabError where the
    model works on pixels, or has no such channel."""
    row = MODELS[request.model]
    if not row.latent:
        raise LabError(
            f"'{row.title}' works on pixels: it has no autoencoder to look into. Choose '{MODELS['text-to-image'].title}'."
        )
    check_load(request, house.settings)
    yield from loading(house, request.model)
    with house.lease(request.model) as model:
        _check_channels(request, model)
        subjects = []
        for index, picture in enumerate(one for one in (request.picture, request.second) if one is not None):
            subject = house.compute(partial(Subject, model, picture))
            subjects.append(subject)
            yield subject.encoding(index)
        centre = torch.zeros(model.shape[0])
        if request.linear_map or any(lane.of_examples for lane in request.lanes):
            known = house.compute(lambda: model.example_latents)
            centre = known.mean
            yield ExampleLatents(known.mean.numpy(), known.covariance.numpy(), known.to_rgb.numpy(), known.count)
        for index, lane in enumerate(request.lanes):
            yield Decoding(index, house.compute(partial(_decoded, lane, model, subjects, centre)))


def _check_channels(request: LatentRequest, model: LoadedStableDiffusion) -> None:
    """Refuse a channel that the model's latents do not have."""
    highest = max((lane.channel for lane in request.lanes if lane.channel is not None), default=0)
    if highest >= model.shape[0]:
        raise LabError(
            f"The latents of '{MODELS[request.model].title}' have {model.shape[0]} channels; there is no channel {highest + 1}. "
            "Choose a smaller number."
        )


class Subject:
    """A picture at the model's side, in bytes as it is shown, and its posterior."""

    def __init__(self, model: LoadedStableDiffusion, picture: np.ndarray) -> None:
        side = (model.side, model.side)
        self.picture = to_uint8(to_signed(picture, side))
        self.values = to_signed(self.picture, side)
        self.mean, self.deviation = model.posterior(self.values)
        self.decoded = model.to_values(self.mean)

    def encoding(self, index: int) -> Encoding:
        """What is told of it."""
        return Encoding(index, self.picture, to_uint8(self.decoded), self.mean.numpy(), self.deviation.numpy())


def _decoded(lane: LatentLane, model: LoadedStableDiffusion, subjects: list[Subject], centre: Tensor) -> np.ndarray:
    """The picture of a lane."""
    first, second = subjects[0], subjects[-1]
    if lane.kind == "pixel_noise":
        return to_uint8(changes.noised(first.values, lane.log_snr, lane.seed))
    if lane.kind == "pixel_lerp":
        return to_uint8(changes.lerp(first.decoded.clamp(-1, 1), second.decoded.clamp(-1, 1), lane.t))
    return model.to_picture(changed(lane, first, second, centre))


def changed(lane: LatentLane, first: Subject, second: Subject, centre: Tensor) -> Tensor:
    """The latents of a lane, (channels, height, width). `centre` is the mean over the example pictures, (channels,)."""
    z, middle = first.mean, centre if lane.centre == "mean" else torch.zeros_like(centre)
    match lane.kind:
        case "only" if lane.channel is not None:
            return changes.alone(z, lane.channel, middle)
        case "other":
            return changes.swapped(z, second.mean, lane.channel)
        case "shuffle":
            return changes.shuffled(z, lane.channel, lane.seed)
        case "noise":
            return changes.noised(z, lane.log_snr, lane.seed)
        case "lerp":
            return changes.lerp(z, second.mean, lane.t)
        case "slerp":
            return changes.slerp(z, second.mean, lane.t)
        case "draw":
            return changes.drawn(z, first.deviation, lane.factor, lane.seed)
        case _:
            return changes.scaled(z, lane.channel, lane.factor, middle)
