"""What the Samplers tab asks for: its controls, by name, as requests."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lab.capsules.recordings import REPLAY_POSITIONS
from lab.catalog import MODELS
from lab.quantities import quantity
from lab.requests.base import LabError, make_request
from lab.requests.fields import Condition, Forward
from lab.requests.inversion import InversionRequest
from lab.requests.sampling import LaneSettings, SamplingRequest
from lab.requests.share import ShareRequest
from lab.ui.shell.form import decoder_of
from lab.ui.tabs.samplers.lanes import Lane

Values = Mapping[str, Any]  # of the controls

GRID_STEPS = (4, 5, 10, 20, 40)  # they divide the reference's 200, so their levels are among its own
MIXES = tuple(i / 7 for i in range(8))


def condition(values: Values) -> Condition:
    """The condition, as far as the model understands it; the other fields are hidden and may hold old words."""
    names = MODELS[values["model"]].conditions
    return make_request(Condition, **{name: values[name] for name in names if values[name]})


def forward(values: Values) -> Forward:
    """The forward process."""
    return make_request(Forward, schedule=values["schedule"], T=values["T"])


def sampling(values: Values, lanes: Sequence[Lane]) -> SamplingRequest:
    """The run of an experiment but inversion; `lanes` are those of a comparison. Raises LabError where it cannot be."""
    experiment, process = values["experiment"], forward(values)
    settings = _settings(values, lanes, process.T)
    if not settings:
        raise LabError("Choose at least one sampler.")
    reference = int(values["reference"] or 0) or (200 if experiment == "grid" else 0)
    beside = values["versus"] and experiment == "compare"
    return make_request(
        SamplingRequest, model=values["model"], condition=condition(values), forward=process,
        lanes=tuple(
            make_request(LaneSettings, seed=values["seed"], guidance_scale=values["guidance"], **one) for one in settings
        ),
        reference_steps=min(reference, process.T), replay=REPLAY_POSITIONS,
        decoder=decoder_of(values, MODELS[values["model"]]),
        versus=(MODELS[values["model"]].perfect or None) if beside else None,
    )  # fmt: skip


def _settings(values: Values, lanes: Sequence[Lane], T: int) -> list[dict[str, Any]]:
    """What the lanes of an experiment do not share."""
    if values["experiment"] == "grid":
        counts = [count for count in GRID_STEPS if count <= T]
        return [{"sampler": name, "steps": count} for name in values["samplers"] for count in counts]
    if values["experiment"] == "between":
        if values["mix_seed"] is None:
            raise LabError("Choose a second seed: any whole number.")
        return [{"steps": values["steps"], "mix_seed": values["mix_seed"], "mix": mix} for mix in MIXES]
    return [lane._asdict() for lane in lanes if lane.sampler]


def inversion(values: Values, picture: np.ndarray) -> InversionRequest:
    """The way up from a picture and down again."""
    return make_request(
        InversionRequest, picture=picture, model=values["model"], condition=condition(values), forward=forward(values),
        steps=values["steps"], seed=values["seed"], known=values["in_set"],
    )  # fmt: skip


def share(values: Values) -> ShareRequest:
    """The share of two groups in what samplers end in; groups, weight and start are the request's own."""
    return make_request(
        ShareRequest, model=values["model"], forward=forward(values), samplers=values["samplers"], steps=values["steps"],
        seed=values["seed"],
    )  # fmt: skip


def left_out(values: Values, request: SamplingRequest) -> list[str]:
    """What the controls ask for and the request has not, in sentences."""
    T, sentences = request.forward.T, []
    if values["experiment"] == "grid" and max(GRID_STEPS) > T:
        sentences.append(f"T is {T}: columns of more steps are left out.")
    if (values["reference"] or 0) > request.reference_steps > 0:
        sentences.append(f"T is {T}: the reference takes {quantity(request.reference_steps, 'step')}.")
    if values["versus"] and request.versus is None and MODELS[request.model].perfect:
        sentences.append("The perfect score stands beside compared lanes only.")
    return sentences
