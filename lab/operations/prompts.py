"""Prompts as a model reads them, and what of them it does not read or never saw."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from lab.captions import as_caption
from lab.catalog import GUIDANCE, MODELS, UNCLIPS, Helper, Model
from lab.models.loaders import LoadedModel
from lab.requests.anatomy import AnatomyRequest
from lab.requests.attention import AttentionRequest
from lab.requests.base import Note
from lab.requests.edit import EditRequest
from lab.requests.fields import Condition
from lab.requests.inversion import InversionRequest
from lab.requests.sampling import SamplingRequest
from lab.requests.unclip import WORDS, UnclipRequest
from lab.vocabulary import as_read, known, read_emoji, unknown_words

WHY_CAPTIONS = "its captions name things without an article."
MOST_WORDS = 5  # of those that a model never saw, in its note
MOST_QUOTED = 60  # characters of a prompt


PromptRequest = TypeVar(
    "PromptRequest", SamplingRequest, AnatomyRequest, InversionRequest, EditRequest, AttentionRequest
)


def as_captions(request: PromptRequest) -> tuple[PromptRequest, list[Note]]:
    """A request with its prompts as its model knows them, and what the visitor should know of that."""
    if not (MODELS[request.model].captions or _by_clip(request)):
        return request, []
    prompts = {"prompt": request.condition.prompt}
    if isinstance(request, EditRequest):
        prompts["source"] = request.source.prompt
    if isinstance(request, AttentionRequest):
        prompts["target"] = request.target
    if not isinstance(request, InversionRequest) and MODELS[request.model].guided:
        prompts["negative"] = request.negative
    captions = {name: as_read(text) for name, text in prompts.items()}
    notes = _notes(prompts.values(), MODELS[request.model])
    if captions == prompts:
        return request, notes
    update: dict[str, Any] = {"condition": request.condition.model_copy(update={"prompt": captions["prompt"]})}
    if isinstance(request, EditRequest):
        update["source"] = request.source.model_copy(update={"prompt": captions["source"]})
    if "target" in captions:
        update["target"] = captions["target"]
    if "negative" in captions:
        update["negative"] = captions["negative"]
    return request.model_copy(update=update), notes


def unclip_as_captions(request: UnclipRequest) -> tuple[UnclipRequest, list[Note]]:
    """As `as_captions`, of every text of a request of unCLIP that such models read."""
    texts: dict[str, None] = {}

    def read(text: str) -> str:
        texts[text] = None
        return as_read(text)

    row = UNCLIPS[request.unclip]
    return request.reading(read), _notes(texts, row if row.captions else MODELS[WORDS])


def _by_clip(request: PromptRequest) -> bool:
    """Whether a CLIP that was trained on the lab's captions reads the prompt in the model's place."""
    lanes = [request.lane] if isinstance(request, AnatomyRequest) else getattr(request, "lanes", ())
    return any(GUIDANCE[lane.rule].guide == "clip" for lane in lanes)


def unread_notes(model: LoadedModel, condition: Condition, negative: str = "") -> Iterator[Note]:
    """What of the prompts a model does not read."""
    yield from map(Note, model.unread(condition, negative))


def _notes(texts: Iterable[str], reader: Model | Helper) -> list[Note]:
    """What is read of texts otherwise than it is written, and which of their words a trained reader never saw."""
    emoji = [read_emoji(text) for text in texts]
    notes = _emoji_notes({sign: name for _, found in emoji for sign, name in found.items()})
    captions = [(text.strip(), as_caption(text)) for text, _ in emoji]
    differences = [both for both in captions if both[0] != both[1]]
    if differences:
        notes.append(Note(f"{reader.title} reads {_changes(differences)}: {WHY_CAPTIONS}"))
    if isinstance(reader, Helper) or reader.trained:
        notes += _unknown_notes(caption for _, caption in captions)
    return notes


def _changes(differences: list[tuple[str, str]]) -> str:
    return " and ".join(
        f"“{_short(before)}” as “{_short(after)}”" if after else f"“{_short(before)}” as no words"
        for before, after in differences
    )


def _short(text: str) -> str:
    """The beginning of a text that is too long for a sentence."""
    return text if len(text) <= MOST_QUOTED else f"{text[: MOST_QUOTED - 1].rstrip()}…"


def _emoji_notes(found: dict[str, str]) -> list[Note]:
    return [Note(f"{sign} is read as {name}.") for sign, name in found.items()]


def _unknown_notes(prompts: Iterable[str]) -> list[Note]:
    """The words that a model trained here never saw, in one sentence."""
    words = dict.fromkeys(word for prompt in prompts for word in unknown_words(prompt))
    unknown = [f"“{word[:30]}”" for word in [*words][:MOST_WORDS]]
    if not unknown:
        return []
    verb = "is" if len(unknown) == 1 else "are"
    return [Note(f"{_listed(unknown)} {verb} not among the {len(known())} things that it was trained on.")]


def _listed(parts: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
