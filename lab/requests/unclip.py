"""unCLIP (Ramesh et al. 2022): embeddings of pictures and words in a CLIP's space, and the pictures that a decoder draws from them."""

from collections.abc import Callable, Hashable, Set
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from lab.catalog import JUDGE, UNCLIPS
from lab.requests.base import Event, Key, Load, Request, Rest
from lab.requests.fields import Picture, Prompt, Seed, name_in
from lab.requests.sampling import rest_of_lanes

MOST_PICTURES = 4
MOST_EMBEDDINGS = 512
MOST_COMPONENTS = 1024
MOST_CANDIDATES = 8
MOST_LEVEL = 999  # of the noise on an embedding
WORDS = "text-to-image"  # the model that draws from a caption alone

UnclipName = Annotated[str, name_in(UNCLIPS, "unCLIP model")]
Weights = Annotated[tuple[Annotated[float, Field(ge=0, le=1)], ...], Field(max_length=MOST_PICTURES)]


class Embedding(Request):
    """A point in the CLIP's space. `kind`:

    - "pictures": between the request's pictures, by their `weights` (slerp, Ramesh et al. 2022, section 3.2); one weight for each of the
      first pictures, of which at least one is above 0.
    - "text": the embedding of `prompt`, in the place of a picture's, at the length that pictures have.
    - "prior": what the prior draws for `prompt`, of `candidates` from `seed` on the one nearest to the prompt's own (section 2.2).
    - "difference": as "pictures", turned by `turn` of the way towards norm(prompt - base) (section 3.3).
    - "components": as "pictures", of which `components` principal components are kept (section 3.4).

    A decoder sees it under noise of `noise_seed` at `noise_level`, 0 for none.
    """

    kind: Literal["pictures", "text", "prior", "difference", "components"] = "pictures"
    weights: Weights = (1.0,)
    prompt: Prompt = ""
    base: Prompt = ""
    turn: Annotated[float, Field(ge=0, le=1)] = 0.0
    components: Annotated[int, Field(ge=0, le=MOST_COMPONENTS)] = 0
    seed: Seed = 0
    candidates: Annotated[int, Field(ge=1, le=MOST_CANDIDATES)] = 1
    noise_level: Annotated[int, Field(ge=0, le=MOST_LEVEL)] = 0
    noise_seed: Seed = 0

    @property
    def of_pictures(self) -> bool:
        """Whether it begins at the request's pictures."""
        return self.kind in ("pictures", "difference", "components")

    @model_validator(mode="after")
    def _names_a_picture(self) -> "Embedding":
        if self.of_pictures and not any(self.weights):
            raise ValueError("all weights of the pictures are 0; give one of them a share")
        return self


class UnclipLane(Request):
    """One picture, drawn by DDIM (Song et al. 2021) in `steps` with `eta`.

    `embedding` is an index into the request's; None: the decoder sees zeros, as it was taught for none. `way` "words": the text-to-image
    model draws, which knows no embeddings. x_T is the noise of `seed`, moved by `mix` towards that of `mix_seed`; or, with `inverted`, what
    DDIM inversion makes of the request's pictures, mixed by these weights (slerp).
    """

    embedding: int | None = None
    way: Literal["unclip", "words"] = "unclip"
    caption: Prompt = ""
    seed: Seed = 0
    mix_seed: Seed | None = None
    mix: Annotated[float, Field(ge=0, le=1)] = 0.0
    inverted: Weights = ()
    steps: Annotated[int, Field(ge=1, le=1000)] = 20
    eta: Annotated[float, Field(ge=0, le=1)] = 0.0
    guidance_scale: Annotated[float, Field(ge=0, le=30)] = 2.0


class UnclipRequest(Request):
    """Make embeddings, and draw pictures from them: one a lane. `prior_steps` and `prior_scale` are the prior's DDIM steps and guidance;
    `inversion_steps` those of every inversion, without guidance. With `judged` each picture is compared by the judge: with the lab's
    pictures, with `caption` among their captions, and with the request's own pictures."""

    unclip: UnclipName = "unclip"
    pictures: Annotated[tuple[Picture, ...], Field(max_length=MOST_PICTURES)] = ()
    embeddings: Annotated[tuple[Embedding, ...], Field(max_length=MOST_EMBEDDINGS)] = ()
    lanes: Annotated[tuple[UnclipLane, ...], Field(min_length=1)]
    prior_steps: Annotated[int, Field(ge=1, le=1000)] = 25
    prior_scale: Annotated[float, Field(ge=0, le=30)] = 2.0
    inversion_steps: Annotated[int, Field(ge=1, le=1000)] = 25
    judged: bool = False
    caption: Prompt = ""
    replay: Annotated[int, Field(ge=0, le=1000)] = 0

    @model_validator(mode="after")
    def _refers_to_what_is_there(self) -> "UnclipRequest":
        for number, lane in enumerate(self.lanes, 1):
            if lane.embedding is not None and not 0 <= lane.embedding < len(self.embeddings):
                raise ValueError(f"picture {number} asks for embedding {lane.embedding + 1} of {len(self.embeddings)}")
        needed = [lane.inverted for lane in self.lanes if any(lane.inverted)]
        needed += [one.weights for one in self.embeddings if one.of_pictures]
        if any(len(weights) > len(self.pictures) for weights in needed):
            raise ValueError("a picture is missing; choose an example or your own")
        return self

    @property
    def drawn(self) -> list[int]:
        """The embeddings that the prior draws."""
        return [index for index, one in enumerate(self.embeddings) if one.kind == "prior"]

    @property
    def inverted(self) -> list[int]:
        """The pictures whose x_T is needed."""
        weights = [lane.inverted for lane in self.lanes]
        return sorted({place for some in weights for place, weight in enumerate(some) if weight > 0})

    def reading(self, read: Callable[[str], str]) -> "UnclipRequest":
        """Itself with `read` of every text that goes to a network which knows prompts as the captions of the lab's pictures: the
        text-to-image model and the judge, and the unCLIP where it is such a one."""
        embeddings, lanes, own = self.embeddings, self.lanes, UNCLIPS[self.unclip].captions
        if own:
            texts = ({"prompt": read(one.prompt), "base": read(one.base)} for one in embeddings)
            embeddings = tuple(one.model_copy(update=both) for one, both in zip(embeddings, texts, strict=True))
        lanes = tuple(
            lane.model_copy(update={"caption": read(lane.caption)}) if own or lane.way == "words" else lane
            for lane in lanes
        )
        return self.model_copy(update={"embeddings": embeddings, "lanes": lanes, "caption": read(self.caption)})

    def load(self) -> Load:
        """As Request.load: the decoder's steps, those of the inversions, and the prior's."""
        steps = sum(lane.steps for lane in self.lanes) + self.inversion_steps * len(self.inverted)
        candidates = sum(self.embeddings[index].candidates for index in self.drawn)
        guided = any(lane.guidance_scale != 1 for lane in self.lanes)
        return Load(len(self.lanes), steps + self.prior_steps * candidates, rows=2 if guided else 1)

    def models(self) -> tuple[str, ...]:
        """As Request.models."""
        words = [WORDS] if any(lane.way == "words" for lane in self.lanes) else []
        return (self.unclip, *words, *([JUDGE] if self.judged else []))

    def rest(self, events: Set[Key]) -> Rest | None:
        """As Request.rest: the lanes without a result."""
        return rest_of_lanes(self, events)


@dataclass(frozen=True)
class Near:
    """A picture of the lab's near an embedding: (side, side, 3) uint8, its caption and group, and the cosine of both embeddings."""

    picture: np.ndarray
    caption: str
    group: str
    cosine: float


@dataclass(frozen=True)
class Embedded(Event):
    """An embedding of the request: its `vector`, (width,) float32; the pictures of the lab that lie nearest; the cosines to the embeddings
    of its own prompt and of its base, where it has them; which of the prior's candidates it is, where that drew it; and of kind
    "components" the share of the variance of the lab's pictures that its components keep."""

    index: int
    vector: np.ndarray
    nearest: tuple[Near, ...]
    to_text: float | None = None
    to_base: float | None = None
    candidate: int | None = None
    variance: float | None = None

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.index


@dataclass(frozen=True)
class PriorStep(Event):
    """Call i of n of the prior on the way to an embedding of the request: the picture of the lab that lies nearest to the embedding that it
    predicts by now. Timestep t, and log-SNR."""

    index: int
    candidate: int
    i: int
    n: int
    t: float
    log_snr: float
    nearest: Near

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.index, self.candidate, self.i


@dataclass(frozen=True)
class InvertedPicture(Event):
    """What DDIM inversion made of a picture of the request: a preview of x_T, (height, width, 3) uint8."""

    index: int
    x_T: np.ndarray

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.index


@dataclass(frozen=True)
class JudgedPicture(Event):
    """The picture of the lab that the judge takes for nearest to a picture of the request."""

    index: int
    nearest: Near

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.index


@dataclass(frozen=True)
class Judged(Event):
    """What the judge says of a lane's picture: its embedding, (width,) float32 of unit length; the picture of the lab that it takes for
    nearest; among the lab's captions the `rank` of the request's caption, from 1 on, and `fit`, their cosine, None where the request has
    none; and the cosine to each of the request's pictures."""

    lane: int
    vector: np.ndarray
    nearest: Near
    rank: int | None = None
    captions: int = 0
    fit: float | None = None
    to_pictures: tuple[float, ...] = ()

    @property
    def to_picture(self) -> float | None:
        """The cosine to the first of the request's pictures; None where it has none."""
        return self.to_pictures[0] if self.to_pictures else None

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.lane
