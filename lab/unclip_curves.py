"""What of unCLIP's claims is found in the miniature, measured once and shipped: retrieval by the way a picture is made, what
components of an embedding keep, and diversity over the guidance scale (Ramesh et al. 2022, section 5.1, figures 7, 9 and 11)."""

import json
from dataclasses import dataclass
from functools import lru_cache

from lab.settings import ASSETS

FILE = ASSETS / "curves" / "unclip.json"
WAYS = ("stack", "text", "words")
SPREADS = ("words", "fixed", "each")
SCALES = (1.0, 2.0, 4.0, 8.0)
COMPONENTS = (2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Retrieval:
    """Shares of pictures, in [0, 1], for which the judge ranks the prompt first, and among the first five, of the lab's captions."""

    way: str  # "stack": prior and decoder; "text": the decoder, its embedding the text's; "words": the text-to-image model
    wording: str  # "caption": as the drawing has it; "article": as a sentence has it
    scale: float  # of guidance
    first: float
    five: float


@dataclass(frozen=True)
class Kept:
    """Of drawings whose embeddings keep so many components: the shares, in [0, 1], of decoded pictures whose nearest picture of the
    lab, by the judge, is of the drawing's group, and has its caption."""

    components: int
    group: float
    caption: float


@dataclass(frozen=True)
class Spread:
    """How unlike each other pictures of one prompt are: the mean over prompts of lab.engine.embeddings.diversity, in the judge's
    embeddings; and the share of them for which the judge ranks the prompt first."""

    way: str  # "words": the text-to-image model; the decoder, from one embedding of the prior ("fixed") or one for each seed ("each")
    scale: float  # of guidance
    diversity: float
    first: float


@dataclass(frozen=True)
class UnclipCurves:
    """The figures, and how they were measured."""

    retrieval: tuple[Retrieval, ...]
    kept: tuple[Kept, ...]
    diversity: tuple[Spread, ...]
    prompts: int  # of retrieval; drawings of `kept`
    captions: int  # of the lab, that the judge ranks
    diversity_prompts: int
    seeds: int  # pictures of each of them
    steps: int  # of DDIM
    prior_steps: int
    prior_scale: float
    kept_scale: float
    command: str  # that measures it again


@lru_cache(maxsize=1)
def unclip_curves() -> UnclipCurves | None:
    """The figures that are shipped; None where nothing is measured yet."""
    if not FILE.is_file():
        return None
    content = json.loads(FILE.read_text(encoding="utf-8"))
    del content["weights"]
    for name, kind in (("retrieval", Retrieval), ("kept", Kept), ("diversity", Spread)):
        content[name] = tuple(kind(**point) for point in content[name])
    return UnclipCurves(**content)
