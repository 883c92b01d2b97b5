"""Precision and recall of small sets of pictures: the request, and what is measured of each set."""

from collections.abc import Hashable, Set
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, model_validator

from lab.catalog import JUDGE, MODELS
from lab.requests.base import Event, Key, Load, Request, Rest
from lab.requests.fields import Condition, ModelName, Picture

MOST = 256  # pictures of a request, all its sets together

PictureSet = Annotated[tuple[Picture, ...], Field(min_length=2, max_length=64)]


class FidelityRequest(Request):
    """Precision and recall (Kynkäänniemi et al. 2019) of each of `sets`, small ones that `model` drew of `condition`, against
    the pictures of that condition among those that the lab ships of what the model was trained on (Model.data)."""

    model: ModelName
    condition: Condition = Condition()
    sets: Annotated[tuple[PictureSet, ...], Field(min_length=1, max_length=64)]

    @model_validator(mode="after")
    def _pictures_fit(self) -> "FidelityRequest":
        if self.count > MOST:
            raise ValueError(f"all sets together have {self.count} pictures; at most {MOST} can be measured at a time")
        return self

    @property
    def count(self) -> int:
        """Pictures of all sets."""
        return sum(map(len, self.sets))

    @property
    def data(self) -> str:
        """The exact denoiser that holds the real pictures; "" where the lab does not have them."""
        row = MODELS[self.model]
        return row.data or ("" if row.trained else row.name)

    def load(self) -> Load:
        """As Request.load: a look at each picture."""
        return Load(steps=self.count)

    def models(self) -> tuple[str, ...]:
        """As Request.models: the exact denoiser holds the real pictures, the judge says what they have in common."""
        return (self.data, JUDGE) if self.data else ()

    def rest(self, events: Set[Key]) -> Rest | None:
        """As Request.rest: nothing once all sets have come."""
        return None if len([key for key in events if key[0] is Fidelity]) == len(self.sets) else Rest(self)


@dataclass(frozen=True)
class Fidelity(Event):
    """Precision, the share of a set's pictures that lie among the real ones, and recall, the share of the real ones that lie
    among those of the set; both in [0, 1], in the judge's features with `k` nearest neighbours."""

    index: int  # into request.sets
    n: int  # pictures of the set
    real: int  # pictures of the condition
    k: int
    precision: float
    recall: float

    @property
    def key(self) -> Hashable:
        """As Event.key."""
        return self.index
