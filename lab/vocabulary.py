"""What the lab's own models know: the words that they were trained on, the drawings that the exact denoiser averages.

The drawings are those of `assets/pictures/index.csv` that are not held out. A learned model has read their captions and
keywords, in the styles that it was trained in, and captions of people (`lab/training/wording.py`, `lab/training/people.py`).
Words compare equal whatever their case, accents and simple plural; an emoji is read as the name of its drawing.
"""

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby

from lab.captions import as_caption
from lab.settings import ASSETS

MAX_QUERY_CHARACTERS = 300  # what a person types; keeps a pasted book from costing time
STOP_WORDS = frozenset("a an and at in of on the with".split())
IRREGULAR_PLURALS = {"children": "child", "feet": "foot", "geese": "goose", "men": "man", "mice": "mouse",
                     "teeth": "tooth", "women": "woman"}  # fmt: skip
GRAMMAR = ("a", "an", "the", "that", "is")  # of the wordings that drawings are trained with: "an apple that is red"
LEARNED_STYLES = ("3D", "flat")  # of the models that were trained here; their cards say so
INDEX = ASSETS / "pictures" / "index.csv"
NEAREST = 3  # names that are suggested
SIMILAR = 0.3  # of bigrams, from which on a name is near
ASKS = "Did you mean "
_MODIFIERS = "[\ufe0f\U0001f3fb-\U0001f3ff]*"  # of an emoji: drawn in colour, skin tones

# fmt: off
PEOPLE = (  # captions of the training people with all the words that their captions have
    "a person with long black hair in an orange jumper and red trousers, hands on hips, white background",
    "a person with curly blond hair in a pink shirt and purple shorts, arms out, green background",
    "a person with short grey hair in a blue shirt and brown skirt, dancing, yellow background",
    "a person in an orange dress, running, white background",
    "a person in a yellow jumper and brown shorts, sitting, purple background",
    "a person in a yellow jumper and orange skirt, waving, blue background",
    "a person with short grey hair in a yellow shirt and purple skirt, kicking, grey background",
    "a person in a red jumper and purple trousers, standing, white background",
    "a person in a red dress, hands up, blue background",
    "a person in a white shirt and pink trousers, jumping, yellow background",
)
# fmt: on


@dataclass(frozen=True)
class Drawing:
    """One thing that the picture set shows, in whatever style."""

    name: str  # "red heart"
    emoji: str
    keywords: tuple[str, ...]
    held_out: bool  # no model may use it


def words(text: str, limit: int | None = MAX_QUERY_CHARACTERS) -> tuple[str, ...]:
    """Words that compare equal whatever their case, accents, punctuation and simple plural."""
    plain = unicodedata.normalize("NFKD", text[:limit]).casefold()
    plain = "".join(c for c in plain if c not in "'’" and not unicodedata.combining(c))
    return tuple(stem(word) for word in re.findall(r"[^\W_]+", plain))


@lru_cache(maxsize=16_384)
def stem(word: str) -> str:
    """One form for a word and its plural: apples, apple -> apple; knives, knife -> knif; boxes, box -> box."""
    word = IRREGULAR_PLURALS.get(word, word)
    if len(word) > 3:
        word = re.sub(r"(?<![sui])s$", "", word)
    if len(word) > 3:
        # What is left of -ies, -ves, -oes, -xes and the like; folded in the singular too, so that both meet.
        word = re.sub(r"ie$", "y", word)
        word = re.sub(r"(ve|fe)$", "f", word)
        word = re.sub(r"(?:(?<=[osxz])|(?<=[cs]h))e$", "", word)
    return word


@cache
def drawings() -> tuple[Drawing, ...]:
    """Every thing of the picture set once, in the order of its index; held-out ones too."""
    with INDEX.open(encoding="utf-8", newline="") as file:
        rows = {row["concept"]: row for row in csv.DictReader(file)}
    return tuple(
        Drawing(
            name=row["caption"].removesuffix(f", {row['style']} style"),
            emoji="".join(chr(int(point, 16)) for point in concept.split("-")),
            keywords=tuple(filter(None, row["keywords"].split("|"))),
            held_out=row["split"] == "held-out",
        )
        for concept, row in rows.items()
    )


@cache
def sheet_cells() -> tuple[tuple[str, int], ...]:
    """Where a picture of each drawing that models may use is: its sheet in `assets/pictures` and its cell there; flat ones
    where there are any, which read best small."""
    with INDEX.open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["style"] == "flat")
    cells = {row["concept"]: (row["sheet"], int(row["cell"])) for row in rows}
    return tuple(cells["-".join(f"{ord(sign):x}" for sign in one.emoji)] for one in known())


@cache
def known() -> tuple[Drawing, ...]:
    """The drawings that models may use."""
    return tuple(one for one in drawings() if not one.held_out)


@cache
def learned_words() -> frozenset[str]:
    """Every word that the models trained here have read."""
    texts = [*PEOPLE, *GRAMMAR, *(f"{style} style" for style in LEARNED_STYLES)]
    texts += [text for one in known() for text in (one.name, *one.keywords)]
    return frozenset(word for text in texts for word in words(text))


def read_emoji(prompt: str) -> tuple[str, dict[str, str]]:
    """A prompt with the emoji of the picture set as the names of their drawings, and which are read so:
    "❤ on paper" -> ("red heart on paper", {"❤": "red heart"})."""
    names = _names_by_emoji()
    found: dict[str, str] = {}

    def name(match: re.Match[str]) -> str:
        found[match.group()] = names[_plain_emoji(match.group())]
        return f" {found[match.group()]} "

    text = _emoji_pattern().sub(name, prompt)
    return (re.sub(r"\s+([,;])", r"\1", " ".join(text.split())) if found else prompt), found


def as_read(prompt: str) -> str:
    """A prompt as the lab's own models read it: emoji by name, without what stands before the things it names."""
    return as_caption(read_emoji(prompt)[0])


def unknown_words(prompt: str) -> list[str]:
    """The words of a prompt, as they are typed, that no model trained here has read; each once. Signs and emoji without a
    drawing are among them."""
    text = as_read(prompt)[:MAX_QUERY_CHARACTERS]
    return [
        word for word in dict.fromkeys(_pieces(text)) if not (read := words(word)) or learned_words().isdisjoint(read)
    ]


def nearest(prompt: str) -> list[str]:
    """The names of drawings nearest to a prompt, at most NEAREST: by the bigrams (Dice 1945) that its unknown words, or
    else all of it, share with a name or a word of it, and by the known words that they have in common."""
    text = as_read(prompt)[:60]
    odd = [" ".join(words(word)) for word in unknown_words(text)] or [" ".join(words(text))]
    familiar = {*words(text)} & learned_words() - STOP_WORDS
    scores = [(_likeness(odd, familiar, one.name), -len(one.name), -i, one.name) for i, one in enumerate(known())]
    return [name for score, *_, name in sorted(scores, reverse=True)[:NEAREST] if score >= SIMILAR]


def suggestion(names: Iterable[str]) -> str:
    """A question that offers names; `suggested` reads them out of it."""
    return f"{ASKS}{' or '.join(names)}?"


def suggested(text: str) -> list[str]:
    """The names that a sentence which ends in a `suggestion` offers; none where it does not."""
    _, asks, names = text.rpartition(ASKS)
    return [name for name in names.removesuffix("?").split(" or ") if name in _names()] if asks else []


@cache
def _names() -> frozenset[str]:
    return frozenset(one.name for one in known())


def _likeness(odd: Iterable[str], familiar: set[str], name: str) -> float:
    parts = words(name)
    near = max(
        dice(word, part) * weight
        for word in odd
        for part, weight in [(" ".join(parts), 1), *((p, 0.95) for p in parts)]
    )
    return near + 0.5 * len(familiar & {*parts}) / max(len(familiar), 1)


@lru_cache(maxsize=8192)
def dice(a: str, b: str) -> float:
    """Sørensen and Dice's coefficient of two words' bigrams, ends included: 1 for equal ones, 0 for nothing in common."""
    one, other = _bigrams(a), _bigrams(b)
    return 2 * len(one & other) / max(len(one) + len(other), 1)


def _bigrams(word: str) -> set[str]:
    padded = f" {word} "
    return {padded[i : i + 2] for i in range(len(padded) - 1)} if word else set()


def _pieces(text: str) -> Iterator[str]:
    """Words and runs of signs, as they are typed."""
    for word in re.findall(r"[^\W_]+(?:['’][^\W_]+)*|[^\s\w]+", unicodedata.normalize("NFC", text)):
        if word[0].isalnum():
            yield word
        else:
            yield from ("".join(run) for sign, run in groupby(word, _is_sign) if sign)


def _is_sign(character: str) -> bool:
    """Whether a character is a picture, or joins or tints one."""
    return (
        unicodedata.category(character) == "So"
        or character in "\u200d\ufe0f"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )


@cache
def _names_by_emoji() -> dict[str, str]:
    return {_plain_emoji(one.emoji): one.name for one in drawings()}


@cache
def _emoji_pattern() -> re.Pattern[str]:
    """The emoji of the picture set, the longest first, however they are tinted."""
    known_emoji = sorted(_names_by_emoji(), key=len, reverse=True)
    return re.compile("|".join(_MODIFIERS.join(map(re.escape, emoji)) + _MODIFIERS for emoji in known_emoji))


def _plain_emoji(emoji: str) -> str:
    return re.sub("[\ufe0f\U0001f3fb-\U0001f3ff]", "", emoji)
