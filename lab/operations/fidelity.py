"""Precision and recall of small sets of pictures, in the judge's features."""

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor

from lab.catalog import JUDGE, MODELS
from lab.engine.fidelity import Manifold
from lab.models.judge import LoadedJudge
from lab.models.pictures import resized
from lab.operations.house import House
from lab.operations.loading import loading
from lab.requests.base import Event, LabError
from lab.requests.fidelity import Fidelity, FidelityRequest
from lab.requests.fields import Condition
from lab.vocabulary import as_read

NEIGHBOURS = 3  # k, as in the paper, where there are so many pictures
AT_ONCE = 64  # pictures of a call, so that nobody waits long for it


def fidelity(request: FidelityRequest, house: House) -> Iterator[Event]:
    """One Fidelity a set, in their order. Raises LabError where the lab has no pictures of what the model was trained on, or not
    two of the condition."""
    if not request.data:
        raise LabError(f"The lab does not have the pictures that '{MODELS[request.model].title}' was trained on.")
    yield from loading(house, *request.models())
    with house.lease(request.data) as data, house.lease(JUDGE) as judge:
        real = data.depicting(_searched(request.condition))
        if len(real) < 2:
            raise LabError(
                "Of this condition the lab has one picture, and no neighbour of it to compare with. Take fewer words, or a group."
            )
        features = _features(judge, real, house)
        manifold = lru_cache(partial(Manifold, features))  # by k
        for index, pictures in enumerate(request.sets):
            drawn = _features(judge, [resized(picture, data.side) for picture in pictures], house)
            k = min(NEIGHBOURS, len(drawn) - 1, len(real) - 1)
            precision, recall = manifold(k).share(drawn), Manifold(drawn, k).share(features)
            yield Fidelity(index, len(drawn), len(real), k, precision, recall)


def _searched(condition: Condition) -> Condition:
    """The condition as captions name things."""
    return condition.model_copy(update={"prompt": as_read(condition.prompt)})


def _features(judge: LoadedJudge, pictures: Sequence[np.ndarray] | np.ndarray, house: House) -> Tensor:
    """(n, width), computed in turn with the lanes of others."""
    parts = [pictures[start : start + AT_ONCE] for start in range(0, len(pictures), AT_ONCE)]
    return torch.from_numpy(np.concatenate([house.compute(partial(judge.features, part)) for part in parts]))
