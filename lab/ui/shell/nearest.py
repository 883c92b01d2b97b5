"""Beside pictures of a learned model, on request: those of its training pictures that are nearest to them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lab.architecture import architecture
from lab.catalog import MODELS
from lab.requests.base import LabError, make_request
from lab.requests.nearest import Nearest, NearestRequest


def request(model: str, pictures: Sequence[np.ndarray]) -> NearestRequest:
    """For the nearest training pictures. Raises LabError, in words, where the lab does not have those of the model."""
    row = MODELS[model]
    if row.family == "exact":
        raise LabError(f"The {row.title} was not trained: its pictures are those of the set themselves.")
    if not row.data:
        raise LabError(
            f"The lab does not have the pictures that {row.title} was trained on, so none of them can be shown."
        )
    return make_request(NearestRequest, model=model, pictures=tuple(pictures))


def seek(backend: Any, wanted: NearestRequest, client: str) -> dict[int, Nearest]:
    """What was found, by the index of the picture. Raises LabError where the backend does."""
    return {event.index: event for event in backend.run(wanted, None, client) if isinstance(event, Nearest)}


def words(model: str) -> str:
    """How it was measured."""
    built = architecture(MODELS[MODELS[model].data])
    among = f"{built.pictures:,}" if built else "all"
    return (
        f"Nearest of the {among} training pictures that the lab ships, by the root mean square over pixels and colours, "
        "in grey levels of 255."
    )
