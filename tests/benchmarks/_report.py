"""What the benchmarks share: the median of several timings, one JSON line a figure, the picture set."""

import json
import statistics
import time
from collections.abc import Callable
from typing import Any


def medians_s(*works: Callable[[], Any], repeats: int = 3) -> list[float]:
    """Median wall time of each work in seconds, after warming up; in turns, so that a busy minute hits all alike."""
    times: list[list[float]] = [[] for _ in works]
    for round_ in range(repeats + 1):
        for work, mine in zip(works, times, strict=True):
            began = time.perf_counter()
            work()
            if round_:  # the first round warms up
                mine.append(time.perf_counter() - began)
    return [statistics.median(mine) for mine in times]


def compare(figure: str, ours: float, naive: float, aim: str) -> None:
    """Print one line: ours and the naive way in seconds, and their ratio ours / naive, which should be small."""
    print(json.dumps(_rounded(figure=figure, ours=ours, naive=naive, ratio=ours / naive, aim=aim)), flush=True)


def value(figure: str, number: float, **more: Any) -> None:
    """Print one line: a figure that stands alone."""
    print(json.dumps(_rounded(figure=figure, value=number, **more)), flush=True)


def exact_data() -> tuple[Any, str]:
    """The shipped picture set as ExactData, and words for it."""
    import torch

    from lab.models.loaders import load
    from lab.settings import Settings

    data = load("exact", Settings()).data  # type: ignore[attr-defined]
    return data, f"{len(data)} shipped pictures, {torch.get_num_threads()} threads"


def _rounded(**fields: Any) -> dict[str, Any]:
    return {key: float(f"{item:.4g}") if isinstance(item, float) else item for key, item in fields.items()}
