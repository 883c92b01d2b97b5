"""What rooms read of controls that may hold anything. They raise LabError, in words, where one holds what a run cannot be made of."""

from collections.abc import Mapping
from typing import Any

from lab.requests.base import LabError
from lab.requests.fields import MAX_SEED
from lab.ui.shell import lists


def prompt_of(now: Mapping[str, Any]) -> str:
    """The prompt."""
    prompt = str(now["prompt"] or "").strip()
    if not prompt:
        raise LabError("The prompt is empty. Write what is to be drawn.")
    return prompt


def first_seed(now: Mapping[str, Any], count: int) -> int:
    """The first of `count` seeds that follow each other."""
    first = lists.whole(now["seed"], "Seed")
    if not 0 <= first <= MAX_SEED:
        raise LabError(f"Seed: {first} is out of range. Whole numbers from 0 to {MAX_SEED} are possible.")
    if first + count - 1 > MAX_SEED:
        raise LabError(f"Seed: {count} seeds from {first} on pass the largest seed, {MAX_SEED}. Take a smaller one.")
    return first
