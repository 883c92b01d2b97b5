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


PromptRequest = TypeVar("PromptRequest", SamplingRequest, AnatomyRequest, InversionRequest)


def as_captions(request: PromptRequest) -> tuple[PromptRequest, list[Note]]:
    """A request with its prompts as its model knows them, and what the visitor should know of that."""
    if not MODELS[request.model].captions:
        return request, []
    prompts = {"prompt": request.condition.prompt}
    if not isinstance(request, InversionRequest) and MODELS[request.model].guided:
        prompts["negative"] = request.negative
    captions = {name: as_caption(text) for name, text in prompts.items()}
    differences = [(text.strip(), captions[name]) for name, text in prompts.items() if text.strip() != captions[name]]
    if not differences:
        return request, []
    words = " and ".join(
        f"“{before}” as “{after}”" if after else f"“{before}” as no words" for before, after in differences
    )
    update: dict[str, Any] = {"condition": request.condition.model_copy(update={"prompt": captions["prompt"]})}
    if "negative" in captions:
        update["negative"] = captions["negative"]
    return request.model_copy(update=update), [Note(f"{MODELS[request.model].title} reads {words}: {WHY_CAPTIONS}")]


def unread_notes(model: LoadedModel, condition: Condition, negative: str = "") -> Iterator[Note]:
    """What of the prompts a model does not read."""
    yield from map(Note, model.unread(condition, negative))
