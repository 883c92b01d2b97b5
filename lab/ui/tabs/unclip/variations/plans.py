"""What each experiment of the room asks for. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

from lab.requests.unclip import Embedding, UnclipLane, UnclipRequest

SEEDS, NOISE = "seeds", "noise"
EXPERIMENTS = (("Other seeds", SEEDS), ("Noise on the embedding", NOISE))
ITSELF: tuple[float, ...] = (1.0,)  # x_T is that of the picture


@dataclass(frozen=True)
class Row:
    """A row of pictures: its head, more of that, and its lanes."""

    title: str
    more: str
    lanes: tuple[int, ...]


def of_seeds(
    seeds: Sequence[int], eta: float, lane: UnclipLane
) -> tuple[tuple[Embedding, ...], tuple[UnclipLane, ...]]:
    """The picture from its inverted x_T; from there with `eta`, where that makes a difference; and from noise that is drawn. Inversion is
    without guidance, and so is the way back."""
    back = lane.model_copy(
        update={"embedding": 0, "inverted": ITSELF, "guidance_scale": 1.0, "eta": 0.0, "seed": seeds[0]}
    )
    varied = [back.model_copy(update={"seed": seed, "eta": eta}) for seed in seeds] if eta else []
    drawn = [lane.model_copy(update={"embedding": 0, "seed": seed, "eta": eta}) for seed in seeds]
    return (Embedding(),), (back, *varied, *drawn)


def of_noise(
    levels: Sequence[int], seeds: Sequence[int], lane: UnclipLane
) -> tuple[tuple[Embedding, ...], tuple[UnclipLane, ...]]:
    """The embedding under noise of each level, drawn from the same x_T: a row a seed, of x_T and of the noise on the embedding."""
    cells = [(level, seed) for seed in seeds for level in levels]
    embeddings = tuple(Embedding(noise_level=level, noise_seed=seed) for level, seed in cells)
    return embeddings, tuple(
        lane.model_copy(update={"embedding": place, "seed": seed}) for place, (_, seed) in enumerate(cells)
    )


def experiment(request: UnclipRequest) -> str:
    """Which experiment a request is."""
    return SEEDS if request.inverted else NOISE


def levels(request: UnclipRequest) -> list[int]:
    """The levels of noise on the embedding, in their order."""
    return list(dict.fromkeys(one.noise_level for one in request.embeddings))


def seeds(request: UnclipRequest) -> list[int]:
    """The seeds, in their order."""
    return list(dict.fromkeys(lane.seed for lane in request.lanes))


def rows(request: UnclipRequest) -> list[Row]:
    """The rows of pictures, without the one from the inverted x_T at eta 0."""
    every = range(len(request.lanes))
    if experiment(request) == NOISE:
        count = len(levels(request))
        return [
            Row(f"Seed {seed}", "the same x_T", tuple(range(k * count, (k + 1) * count)))
            for k, seed in enumerate(seeds(request))
        ]
    inverted = tuple(lane for lane in every if request.lanes[lane].inverted and lane != 0)
    drawn = tuple(lane for lane in every if not request.lanes[lane].inverted)
    eta = f"η = {request.lanes[-1].eta:g}"
    return [Row(title, eta, lanes) for title, lanes in (("x_T inverted", inverted), ("x_T drawn", drawn)) if lanes]


def heads(request: UnclipRequest) -> list[str]:
    """What its columns are."""
    if experiment(request) == NOISE:
        return [f"level {level}" for level in levels(request)]
    return [f"seed {seed}" for seed in seeds(request)]


def slug(request: UnclipRequest, lane: int) -> str:
    """A lane in a few characters, for a file's name."""
    settings = request.lanes[lane]
    level = request.embeddings[settings.embedding or 0].noise_level
    start = "inverted" if settings.inverted else "drawn"
    return f"{start}-seed-{settings.seed}-eta-{settings.eta:g}-level-{level}"
