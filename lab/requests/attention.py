"""Words in pictures: which word a picture's parts look at while it is drawn, and what becomes of it when that is changed."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from lab.catalog import MODELS
from lab.requests.base import Event, Load, Request
from lab.requests.fields import Condition, Forward, ModelName, Prompt, check_steps
from lab.requests.sampling import LaneSettings

MOST_WEIGHT, MOST_WORDS, MOST_WEIGHTS, MOST_LOOKS = 20.0, 4, 9, 50
Share = Annotated[float, Field(ge=0, le=1)]


class Drawing(NamedTuple):
    """One picture of the run: as the prompt is, with a word's weight changed, of the target prompt, or of that with the
    source's attention kept."""

    kind: Literal["plain", "weight", "target", "kept"]
    word: str = ""
    weight: float = 1.0


class AttentionRequest(Request):
    """One prompt's picture, with the cross-attention of up to `looks` of its steps, evenly spread; and pictures of edited
    attention, all from the same x_T.

    `weights` multiply the probabilities of each of `words`, in the conditional half (attention re-weighting, Hertz et al. 2022,
    section 3.2): one picture a word and weight. A `target` prompt is drawn twice: as it is, and with the source's
    attention to words in the first `kept` share of the calls, to the picture itself in the first `kept_picture` of them.
    """

    model: ModelName = "text-to-image"
    condition: Condition = Condition()
    negative: Prompt = ""
    forward: Forward = Forward(schedule="scaled_linear")
    lane: LaneSettings = LaneSettings()
    looks: Annotated[int, Field(ge=0, le=MOST_LOOKS)] = 20
    words: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=40)], ...], Field(max_length=MOST_WORDS)] = ()
    weights: Annotated[
        tuple[Annotated[float, Field(ge=-MOST_WEIGHT, le=MOST_WEIGHT)], ...], Field(max_length=MOST_WEIGHTS)
    ] = ()
    target: Prompt = ""
    kept: Share = 0.8
    kept_picture: Share = 0.0

    @model_validator(mode="after")
    def _has_words(self) -> "AttentionRequest":
        if MODELS[self.model].family != "stable_diffusion":
            raise ValueError(
                f"'{MODELS[self.model].title}' has no layers that attend to words; choose a latent model that is told in words"
            )
        if not self.condition.prompt:
            raise ValueError("the prompt is empty; write what the picture is to show")
        if bool(self.words) != bool(self.weights):
            raise ValueError("a word's weight needs both: at least one word and at least one weight")
        return check_steps(self, self.lane.steps)

    def drawings(self) -> tuple[Drawing, ...]:
        """What each lane draws."""
        weighed = [Drawing("weight", word, weight) for word in self.words for weight in self.weights]
        swapped = [Drawing("target"), Drawing("kept")] if self.target else []
        return (Drawing("plain"), *weighed, *swapped)

    def load(self) -> Load:
        """As Request.load: a look is a call of one row."""
        lanes = len(self.drawings())
        looks = min(self.looks, self.lane.calls)
        return Load(lanes, lanes * self.lane.calls + looks, rows=1 if self.lane.guidance_scale == 1 else 2)

    def models(self) -> tuple[str, ...]:
        """As Request.models."""
        return (self.model,)


@dataclass(frozen=True)
class Words(Event):
    """The words of the prompt as the model reads it, with the number of tokens of each: the first is the start, the last the end with all
    padding. `window` is how many tokens there are."""

    names: tuple[str, ...]
    tokens: tuple[int, ...]
    window: int

    @property
    def key(self) -> Hashable:
        """As Event.key: a run has one."""
        return ()


@dataclass(frozen=True)
class WordMaps(Event):
    """Cross-attention in call i of n of the plain picture, by the side of a level in its own pixels: (words, side, side)
    float32, the mean of the level's layers and heads, which sums to one over the words. At 0: the mean of all layers and heads,
    each enlarged to the latents' side first (Tang et al. 2022)."""

    i: int
    n: int
    t: float
    maps: dict[int, np.ndarray]

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.i

    @property
    def shares(self) -> np.ndarray:
        """Of the attention of all layers that each word takes, (words,); they sum to one."""
        return self.maps[0].mean(axis=(1, 2))
