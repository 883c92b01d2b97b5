"""What pulls the lanes of a run: its guides made ready, and the denoiser that heeds them."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

import torch

from lab.catalog import GUIDANCE, MODELS
from lab.engine.autoguidance import Two
from lab.engine.denoisers import Denoiser
from lab.engine.losses import Brightness, MeanColour, Symmetry
from lab.engine.potentials import Guided, Potential
from lab.models.guides import Classified, Described, ExactlyClassified
from lab.models.loaders import LoadedModel
from lab.requests.base import LabError
from lab.requests.fields import GuideSettings
from lab.requests.sampling import SamplingRequest

_wrappers: WeakValueDictionary[tuple[object, ...], Any] = WeakValueDictionary()
_lock = threading.Lock()


@dataclass(frozen=True)
class Guides:
    """The guides of a run's lanes by name, and the denoiser that heeds them; the model's own where there are none."""

    denoiser: Denoiser
    potentials: Mapping[str, Potential] = field(default_factory=dict)


def make_guides(
    request: SamplingRequest, model: LoadedModel, denoiser: Denoiser, networks: Mapping[str, Any]
) -> Guides:
    """What the rules of a request need beside its model; `networks` are the leased rows of HELPERS by name.

    Raises LabError where a guide lacks what it pulls to.
    """
    row = MODELS[request.model]
    names = {GUIDANCE[lane.rule].guide for lane in request.lanes}
    loaded = {name: networks[row.guides[name]] for name in names if row.guides.get(name)}
    if "weak" in names:
        denoiser = shared(Two, denoiser, loaded["weak"].denoiser(request.forward))
    potentials = {
        name: _potential(name, request, model, denoiser, loaded.get(name)) for name in sorted(names - {"", "weak"})
    }
    return Guides(shared(Guided, denoiser) if potentials else denoiser, potentials)


def shared(kind: Callable[..., Any], denoiser: Denoiser, *others: Any) -> Any:
    """The wrapper of a denoiser and what else it takes; the same object for whoever comes while anybody has it, so that runs share calls."""
    key = (kind, id(denoiser), *map(id, others))
    with _lock:
        if (found := _wrappers.get(key)) is None:
            found = _wrappers[key] = kind(denoiser, *others)
        return found


def _potential(name: str, request: SamplingRequest, model: LoadedModel, denoiser: Denoiser, network: Any) -> Potential:
    """The potential of a guide, by its name in Model.guides."""
    if name == "classifier" and network is None:
        return _exact_classifier(request, model, denoiser)
    if name == "classifier":
        return Classified(network, network.wanted(request.condition.group), request.guide.temperature)
    if name == "clip":
        if not request.condition.prompt:
            raise LabError("CLIP pulls towards a prompt: write one, such as red apple.")
        return Described(network, request.condition.prompt)
    return LOSSES[name](request.guide)


def _exact_classifier(request: SamplingRequest, model: LoadedModel, denoiser: Any) -> Potential:
    """Of the pictures that a request asks for among all; or, with a negative prompt, against those that it finds."""
    wanted, among = model.conditioning(request.condition), model.unconditional(request.negative)
    if request.negative:  # what is asked for need not be among what is moved away from
        among = denoiser.data.support(torch.cat([wanted.indices, among.indices]).unique())
    if len(among.indices) == len(wanted.indices):
        raise LabError("A classifier needs something to tell apart: write a prompt, or choose a group or style.")
    return ExactlyClassified(denoiser, wanted, among, request.guide.temperature)


def _mean_colour(settings: GuideSettings) -> Potential:
    red, green, blue = (int(settings.colour[at : at + 2], 16) / 127.5 - 1 for at in (1, 3, 5))
    return MeanColour((red, green, blue))


def _symmetry(settings: GuideSettings) -> Potential:
    return Symmetry()


def _brightness(settings: GuideSettings) -> Potential:
    return Brightness(settings.region, 2 * settings.brightness - 1)


LOSSES: dict[str, Callable[[GuideSettings], Potential]] = {
    "colour": _mean_colour,
    "symmetry": _symmetry,
    "brightness": _brightness,
}
