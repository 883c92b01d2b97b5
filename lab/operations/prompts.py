"""Prompts as a model reads them, and what of them it does not read."""

from collections.abc import Iterator
from typing import Any, TypeVar

from lab.captions import as_caption
from lab.catalog import MODELS
from lab.models.loaders import LoadedModel
from lab.requests.anatomy import AnatomyRequest
from lab.requests.base import Note
from lab.requests.fields import Condition
from lab.requests.inversion import InversionRequest
from lab.requests.sampling import SamplingRequest

WHY_CAPTIONS = "its captions name things without an article."


Prompted = TypeVar("Prompted", SamplingRequest, AnatomyRequest, InversionRequest)


def as_captions(request: Prompted) -> tuple[Prompted, list[Note]]:
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


def unread_notes(model: LoadedModel, condition: Condition, negative: str = "") -> Iterator[Note]:
    """What of the prompts a model does not read."""
    yield from map(Note, model.unread(condition, negative))
