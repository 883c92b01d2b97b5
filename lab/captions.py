"""Prompts as the lab's own models know them: as captions, which name what is seen and nothing before it.

Of the captions that the miniature models learned from, only those of people begin with an article ("a person in a red
shirt"), so to them a leading "a" means people. The exact denoiser searches those captions.
"""

import re

ARTICLES = ("a", "an", "the")
MEDIA = (
    "photo", "photograph", "picture", "pic", "image", "drawing", "painting", "illustration", "sketch", "rendering", "render",
    "icon", "emoji", "clipart", "cartoon", "portrait", "close-up", "closeup", "shot", "depiction",
)  # fmt: skip
PEOPLE = frozenset(
    "person people man men woman women boy boys girl girls child children kid kids lady gentleman guy human "
    "somebody someone".split()
)

_ARTICLE = re.compile(rf"(?:{'|'.join(ARTICLES)})(?![\w'-])\s*", re.IGNORECASE)
_MEDIUM = re.compile(
    rf"(?P<before>(?:[\w-]+\s+){{0,4}}?)(?:{'|'.join(MEDIA)})s?\s+(?:of|showing)(?![\w'-])\s*", re.IGNORECASE
)
_HEAD = re.compile(
    r"\b(?:with|without|in|on|at|of|and|or|under|by|from|behind|near|next|holding|wearing)\b", re.IGNORECASE
)


def as_caption(prompt: str) -> str:
    """The prompt without what stands before the things it names: "a photo of a cat, the moon" -> "cat, moon".

    "A photo of" and its like go at the beginning, articles at the beginning of every part between commas. A part that is
    about a person keeps its article, and so does everything in a prompt that begins with one. Other text is left as it is.
    """
    text = prompt.strip()
    while (medium := _MEDIUM.match(text)) and not (_about_people(medium.group()) or _HEAD.search(medium["before"])):
        text = text[medium.end() :]
    if _about_people(text):
        return text
    parts = re.split(r"(\s*[,;]\s*)", text)
    return "".join(part if _about_people(part) else _bare(part) for part in parts).strip(" ,;")


def _bare(part: str) -> str:
    article = _ARTICLE.match(part)
    return part[article.end() :] if article else part


def _about_people(text: str) -> bool:
    """Whether what a text names first is a person: "a happy woman with a dog", not "a dog with a happy woman"."""
    first = _HEAD.split(re.split(r"[,;]", text)[0])[0]
    return not PEOPLE.isdisjoint(re.findall(r"[\w'’-]+", first.lower()))
