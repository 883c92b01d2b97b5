"""What the room asks for. Pure functions."""

from collections.abc import Sequence

from lab.requests.unclip import Embedding, UnclipLane, UnclipRequest

MEAN = 1  # the embedding that no component is kept of; 0 is the picture's own


def embeddings(counts: Sequence[int]) -> tuple[Embedding, ...]:
    """The picture's own, the mean of all, and what each number of components keeps."""
    return (Embedding(), *(Embedding(kind="components", components=count) for count in (0, *counts)))


def lanes(counts: Sequence[int], seeds: Sequence[int], lane: UnclipLane) -> tuple[UnclipLane, ...]:
    """A lane for each seed and each number of components, seed by seed; settled as `lane` in all else."""
    return tuple(
        lane.model_copy(update={"embedding": MEAN + 1 + place, "seed": seed})
        for seed in seeds
        for place in range(len(counts))
    )


def counts(request: UnclipRequest) -> list[int]:
    """The numbers of components of a request."""
    return [one.components for one in request.embeddings[MEAN + 1 :]]


def lanes_of(request: UnclipRequest, place: int) -> range:
    """The lanes of the number at this place, a seed each."""
    return range(place, len(request.lanes), len(counts(request)))
