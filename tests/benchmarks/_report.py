"""What the benchmarks share: the median of several timings, one JSON line a figure, the picture set."""

import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

FILES: list[TextIO] = []  # that every line goes into, too


def medians_s(*works: Callable[[], Any], repeats: int = 3, most_s: float = math.inf) -> list[float]:
    """Median wall time of each work in seconds, after warming up; in turns, so that a busy minute hits all alike. Once `most_s`
    seconds are over, no further round begins but the first that counts."""
    times: list[list[float]] = [[] for _ in works]
    until = time.monotonic() + most_s
    for round_ in range(repeats + 1):
        if round_ > 1 and time.monotonic() > until:
            break
        for work, mine in zip(works, times, strict=True):
            began = time.perf_counter()
            work()
            if round_:  # the first round warms up
                mine.append(time.perf_counter() - began)
    return [statistics.median(mine) for mine in times]


def compare(figure: str, ours: float, naive: float, aim: str) -> None:
    """Print one line: ours and the naive way in seconds, and their ratio ours / naive, which should be small."""
    line(figure=figure, ours=ours, naive=naive, ratio=ours / naive, aim=aim)


def value(figure: str, number: float, **more: Any) -> None:
    """Print one line: a figure that stands alone."""
    line(figure=figure, value=number, **more)


def line(**fields: Any) -> None:
    """Print one line of these fields, also into FILES."""
    text = json.dumps(_rounded(**fields))
    for file in (sys.stdout, *FILES):
        print(text, file=file, flush=True)


def exact_data() -> tuple[Any, str]:
    """The shipped picture set as ExactData, and words for it."""
    import torch

    from lab.models.loaders import load
    from lab.settings import Settings

    data = load("exact", Settings()).data  # type: ignore[attr-defined]
    return data, f"{len(data)} shipped pictures, {torch.get_num_threads()} threads"


def _rounded(**fields: Any) -> dict[str, Any]:
    return {key: float(f"{item:.4g}") if isinstance(item, float) else item for key, item in fields.items()}
