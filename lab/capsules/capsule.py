"""The capsule: a run as data, in a link, in a PNG's text chunk and in a JSON file, and back.

What is read here may have been written by anybody. Sizes are checked before anything is unpacked, pictures are never
decoded, and whatever is no capsule raises LabError in words and nothing else. A capsule that was read says what its
writer wanted; `fitted` turns each of its values into one that the control of that name could have had.
"""

import base64
import json
import re
import struct
import tomllib
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from lab.capsules.colours import plain_colour
from lab.catalog import leasable
from lab.requests.base import LabError, explain
from lab.requests.fields import MAX_PROMPT, Seed
from lab.settings import ASSETS

FORMAT = 1
KEYWORD = "diffusion-lab"  # of the PNG's text chunk
MAX_LINK = 8000  # characters of the query; browsers and servers take twice as much
MAX_JSON = 4_500_000  # bytes of a capsule once unpacked: four pictures of 512 px as they are, in base64, and to spare
MAX_DEPTH = 6  # lists within lists
MAX_WHOLE = 2**53  # larger ones are not exact everywhere
LIBRARIES = ("torch", "diffusers", "transformers", "openvino", "gradio", "numpy", "pillow")
SIGNATURE = b"\x89PNG\r\n\x1a\n"
UNREADABLE = "This file holds settings of the lab that are damaged or cut short. Save them, or the picture, once more."
NO_CAPSULE = "This file carries no settings of the lab. Choose a PNG or a JSON file that the lab has made."
DAMAGED = "The settings did not arrive in one piece. Copy the link, or save the file, once more."


def _plain(value: Any, depth: int = 0) -> Any:
    """The value, where it is JSON of a modest kind; else ValueError."""
    if depth > MAX_DEPTH:
        raise ValueError("too many lists within lists")
    if isinstance(value, dict):
        return {_readable(str(name)): _plain(one, depth + 1) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, depth + 1) for one in value]
    if isinstance(value, str):
        return _readable(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float) and abs(value) <= MAX_WHOLE:  # also refuses what is not a number, and no end
        return value
    raise ValueError("a value that is neither text, a number, a list nor a table of them")


def _readable(text: str) -> str:
    """Text without what cannot be shown or sent: lone surrogates and control characters."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", "", text)


Word = Annotated[str, Field(max_length=200)]


class Capsule(BaseModel):
    """Every setting of a run of a tab, and what it was made with. `values` are by the name of their control.

    A picture among them is {"example": name} or, a visitor's own, {"png": its bytes as a data URI}.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    format: Literal[1] = 1
    tab: Annotated[str, Field(pattern=r"^[a-z_]{1,30}$")]
    values: Annotated[dict[str, Any], AfterValidator(_plain)]
    lane: Annotated[int, Field(ge=0, lt=10_000)] | None = None  # of the run: the picture that carries the capsule
    seeds: Annotated[tuple[Seed, ...], Field(max_length=4096)] = ()  # that were really used, each once
    models: Annotated[dict[Word, Word], Field(max_length=20)] = {}  # catalog name -> source@revision
    versions: Annotated[dict[Word, Word], Field(max_length=40)] = {}

    def differences(self) -> list[str]:
        """What is not as it was when the capsule was made: models and libraries that may draw another picture."""
        here = versions()
        rows = leasable()
        models = [name for name, was in self.models.items() if name not in rows or origin(rows[name].source) != was]
        libraries = [name for name in ("torch", "diffusers") if self.versions.get(name, here[name]) != here[name]]
        return models + [f"{name} {self.versions[name]}" for name in libraries]


def make(tab: str, values: dict[str, Any], seeds: Iterable[int] = (), models: Iterable[str] = ()) -> Capsule:
    """The capsule of a run that the lab itself makes; `models` are names of the catalog, ControlNets included."""
    rows = leasable()
    return Capsule(
        tab=tab,
        values=values,
        seeds=tuple(dict.fromkeys(seeds)),
        models={name: origin(rows[name].source) for name in models},
        versions=versions(),
    )


@cache
def versions() -> dict[str, str]:
    """The versions of the lab and of the libraries that its pictures depend on. Imports none of them."""
    by_library = {"lab": tomllib.loads((ASSETS.parent / "pyproject.toml").read_text("utf-8"))["project"]["version"]}
    for name in LIBRARIES:
        try:
            by_library[name] = version(name)
        except PackageNotFoundError:
            by_library[name] = "absent"
    return by_library


@cache
def origin(source: str) -> str:
    """A catalog row's `source` with its revision: the hub's, or for what is shipped a hash of its checksums."""
    if "@" in source:
        return source
    sums = (ASSETS / "models" / "SHA256SUMS").read_text("utf-8").splitlines()
    mine = [line for line in sums if f"models/{line.split()[-1]}".startswith(f"{source}/")]
    index = ASSETS / source / "index.csv"  # the exact denoiser's pictures
    content = index.read_bytes() if index.is_file() else "\n".join(mine).encode()
    return f"{source}@{blake2b(content, digest_size=6).hexdigest()}" if content else source


# Out


def to_json(capsule: Capsule) -> str:
    """The capsule as the text of a file."""
    return json.dumps(capsule.model_dump(exclude_none=True), indent=1)


def to_link(capsule: Capsule) -> str:
    """The capsule as the value of the query's `c`: compressed JSON in base64url.

    A visitor's own picture that is too large for it stays behind. Raises LabError where the rest still is too long.
    """
    if not whole_in_link(capsule):
        capsule = capsule.model_copy(update={"values": _without_pictures(capsule.values)})
    code = packed(capsule)
    if len(code) > MAX_LINK:
        raise LabError("These settings are too large for a link. Save them as a JSON file, or in the picture.")
    return code


def whole_in_link(capsule: Capsule) -> bool:
    """Whether a link carries all of the capsule, a visitor's own picture among it."""
    return len(packed(capsule)) <= MAX_LINK


def packed(capsule: Capsule) -> str:
    """All of the capsule as a link would carry it, however long it is: compressed JSON in base64url."""
    text = json.dumps(capsule.model_dump(exclude_none=True), separators=(",", ":"))
    return base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


def _without_pictures(value: Any) -> Any:
    """The value with {"png": data} emptied wherever it stands."""
    if isinstance(value, dict):
        return {name: "" if name == "png" else _without_pictures(one) for name, one in value.items()}
    return [_without_pictures(one) for one in value] if isinstance(value, list) else value


# In


def from_link(code: str) -> Capsule:
    """The inverse of `to_link`, for a query that came from anywhere."""
    if len(code) > MAX_LINK:
        raise LabError(DAMAGED)
    return unpacked(code)


def unpacked(code: str) -> Capsule:
    """The inverse of `packed`, for a text that came from anywhere. Raises LabError where it is none."""
    if len(code) > 2 * MAX_JSON or not re.fullmatch("[A-Za-z0-9_-]+", code):
        raise LabError(DAMAGED)
    try:
        text = _inflated(base64.urlsafe_b64decode(code + "=" * (-len(code) % 4)))
    except ValueError:
        text = None
    if text is None:
        raise LabError(DAMAGED)
    return from_json(text)


def from_json(text: bytes) -> Capsule:
    """The capsule in the text of a file: JSON in UTF-8, UTF-16 or UTF-32, with or without a byte order mark."""
    if len(text) > MAX_JSON:
        raise LabError(f"These settings have more than {MAX_JSON / 1e6:g} MB, which the lab never writes.")
    try:
        content = _plain(json.loads(text))
    except (ValueError, RecursionError):
        raise LabError(UNREADABLE if _looks_like_capsule(text) else NO_CAPSULE) from None
    if not isinstance(content, dict) or "tab" not in content or "values" not in content:
        raise LabError(NO_CAPSULE)
    if content.get("format") != FORMAT:
        raise LabError("These settings are written in another format: by a newer lab, or by hand.")
    try:
        return Capsule.model_validate(content)
    except ValidationError as error:
        raise LabError(f"These settings cannot be read. {explain(error)[:200]}") from None


def _looks_like_capsule(text: bytes) -> bool:
    """Whether a text that is no JSON begins as a capsule's JSON does."""
    head = text[:2000].decode(json.detect_encoding(text), "ignore")
    return head.lstrip("\ufeff \t\r\n").startswith("{") and '"format"' in head and '"tab"' in head


def from_file(data: bytes) -> Capsule:
    """The capsule in the bytes of a PNG or of a JSON file. No picture is decoded: the chunks are walked by their lengths.

    A picture may have been packed anew by a program that keeps its text, in any kind of text chunk (PNG, third edition,
    section 11.3.3), before its pixels or behind them.
    """
    if not data.startswith(SIGNATURE):
        return from_json(data)
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind in _TEXTS:
            keyword, _, text = data[at + 8 : at + 8 + length].partition(b"\0")
            if keyword == KEYWORD.encode():
                return _from_chunk(_TEXTS[kind](text))
        if kind == b"IEND":
            break
        at += 12 + length
    else:
        raise LabError(
            "This picture is cut short, and what there is of it carries no settings. Choose the file as the lab saved it."
        )
    raise LabError(
        "This picture carries no settings of the lab. They are lost where a picture is edited, or sent by a service "
        "that packs pictures anew. Choose the file as the lab saved it."
    )


def _from_chunk(text: bytes | None) -> Capsule:
    if text is None:
        raise LabError(UNREADABLE)
    try:
        return from_json(text)
    except LabError as error:  # the chunk's name says that these are settings
        raise LabError(UNREADABLE if str(error) == NO_CAPSULE else str(error)) from None


def _inflated(packed: bytes) -> bytes | None:
    """What zlib packed, of at most MAX_JSON bytes; None where it is more, or damaged."""
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(packed, MAX_JSON)
    except zlib.error:
        return None
    return text if unpacking.eof else None


def _plain_text(body: bytes) -> bytes:
    """A tEXt chunk behind its keyword: Latin-1 by the standard, UTF-8 by many programs."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode("latin-1").encode()
    return body


def _packed_text(body: bytes) -> bytes | None:
    """A zTXt chunk behind its keyword: the method, of which there is one, and Latin-1 packed by it."""
    text = _inflated(body[1:]) if body[:1] == b"\0" else None
    return None if text is None else _plain_text(text)


def _international_text(body: bytes) -> bytes | None:
    """An iTXt chunk behind its keyword: whether it is packed, how, language, translated keyword, and UTF-8."""
    packed, (_, _, text) = body[:1], (*body[2:].split(b"\0", 2), b"", b"")[:3]
    return _inflated(text) if packed == b"\1" else text


_TEXTS = {b"tEXt": _plain_text, b"zTXt": _packed_text, b"iTXt": _international_text}


# Values as controls could have them


@dataclass(frozen=True)
class Range:
    """A slider or a number."""

    low: float
    high: float
    whole: bool = False


@dataclass(frozen=True)
class Choice:
    """One of some names; with `most` a list of them."""

    names: tuple[Any, ...]
    most: int = 0


@dataclass(frozen=True)
class Text:
    """A line that a visitor types."""

    most: int = MAX_PROMPT


@dataclass(frozen=True)
class Flag:
    """A check box."""


@dataclass(frozen=True)
class Colour:
    """A colour, as "#rrggbb"."""


Kind = Range | Choice | Text | Flag | Colour


def fitted(value: Any, kind: Kind) -> Any:
    """The value as a control of this kind could have it, or None where it could not."""
    if isinstance(kind, Range):
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_WHOLE
        number = min(max(value, kind.low), kind.high) if is_number else None
        return round(number) if number is not None and kind.whole else number
    if isinstance(kind, Choice) and kind.most:
        names = [one for one in value if _among(one, kind.names)] if isinstance(value, list) else None
        return list(dict.fromkeys(names))[: kind.most] if names else None
    if isinstance(kind, Choice):
        return value if _among(value, kind.names) else None
    if isinstance(kind, Colour):
        return plain_colour(value)
    if isinstance(kind, Text):
        return re.sub(r"[\t\n]", " ", _readable(value))[: kind.most] if isinstance(value, str) else None
    return value if isinstance(value, bool) else None


def _among(value: Any, names: tuple[Any, ...]) -> bool:
    return isinstance(value, str | int) and any(type(value) is type(name) and value == name for name in names)
