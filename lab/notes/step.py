"""What the notes are made of: chapters of steps, each an equation with a check that computes both of its sides.

Neither chapters nor this module compute anything, so they are read at once; what checks compute is in `lab/notes/checks`.
A check is a pure function of a few numbers. It returns `Sides`: two numbers from two ways of computing, and how far they may lie
apart, so that a false step is seen. Checks are one-dimensional where they can be: closed forms against quadrature or against a mean of
random draws, whose standard error is known.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

RANDOM, STEPS = "random draws, five standard errors", "the finite steps"
ROUNDING = "rounding"
DEVIATIONS = 5.0  # of a mean of random draws: a true equality is refused once in two million seeds
DRAWS = 100_000  # of most means
EXACT = 1e-6  # of the larger side, where nothing is random


@dataclass(frozen=True)
class Number:
    """A number of a check that a reader can change. `symbol` is LaTeX."""

    name: str
    symbol: str
    value: float
    low: float
    high: float
    whole: bool = False

    def read(self, given: str | float) -> float:
        """The number that was given. Raises ValueError with a sentence that says what to type instead."""
        kind = "a whole number" if self.whole else "a number"
        wanted = f"Give {self.name} {kind} from {self.low:g} to {self.high:g}."
        try:
            value = float(given)
        except ValueError:
            raise ValueError(wanted) from None
        if not self.low <= value <= self.high or (self.whole and value != int(value)):  # false of NaN, too
            raise ValueError(wanted)
        return value


SEED = Number("seed", r"\text{seed}", 0, 0, 9999, whole=True)


@dataclass(frozen=True)
class Sides:
    """Both sides of a step on given numbers.

    They agree where they differ by no more than `margin`, which is what `because` says. Where `relation` is "≤" the left one is to be
    the smaller, within that margin.
    """

    left: float
    right: float
    margin: float
    because: str = ROUNDING
    relation: str = "="

    @property
    def difference(self) -> float:
        """left - right."""
        return self.left - self.right

    @property
    def agree(self) -> bool:
        """Whether the step holds on these numbers; never where a side is no number."""
        distance = self.difference if self.relation == "≤" else abs(self.difference)
        return math.isfinite(self.left) and math.isfinite(self.right) and distance <= self.margin


def exact(left: float, right: float, relation: str = "=", digits: float = EXACT) -> Sides:
    """Sides that may differ by rounding alone, or by `digits` of the larger one where a quadrature or a difference gives no more."""
    left, right = float(left), float(right)
    return Sides(left, right, digits * max(1.0, abs(left), abs(right)), relation=relation)


def drawn(left: tuple[float, float], right: float, relation: str = "=") -> Sides:
    """A mean of random draws with its standard error, beside a number that is known."""
    mean, error = left
    return Sides(mean, float(right), DEVIATIONS * error, RANDOM, relation)


@dataclass(frozen=True)
class Check:
    """Both sides of an equation on numbers: what each is, in words, and the function that computes them, "module.function" of lab/notes/checks."""

    left: str
    right: str
    sides: str
    numbers: tuple[Number, ...] = ()

    def function(self) -> Callable[..., Sides]:
        """What computes both sides, of the numbers by name. It is imported when it is first asked for, and the engine and torch with it."""
        module, _, name = self.sides.partition(".")
        return cast(Callable[..., Sides], getattr(import_module(f"lab.notes.checks.{module}"), name))

    def run(self, values: Mapping[str, str | float]) -> Sides:
        """The sides for these values, and for a number that is not among them its own. Raises ValueError with a sentence where a value
        is out of range, or where values do not go together."""
        given: dict[str, Any] = {}
        for number in self.numbers:
            value = number.read(values.get(number.name, number.value))
            given[number.name] = int(value) if number.whole else value
        return self.function()(**given)


@dataclass(frozen=True)
class Source:
    """Where a work says it: a key of WORKS in history.py, and the equation or section there."""

    work: str
    place: str


@dataclass(frozen=True)
class Shown:
    """The instrument that shows a step: a tab of the lab, and one of its presets."""

    tab: str
    preset: str = ""


@dataclass(frozen=True)
class Step:
    """One step of a derivation.

    `text` is prose with LaTeX between dollars, a paragraph an entry; `equation` is one or more lines of LaTeX; `code` names what in the
    lab computes it, as places.py reads it.
    """

    name: str
    title: str
    text: tuple[str, ...]
    equation: tuple[str, ...]
    check: Check
    sources: tuple[Source, ...]
    code: tuple[str, ...] = ()
    shown: tuple[Shown, ...] = ()


@dataclass(frozen=True)
class Chapter:
    """A page of the notes: steps that stand on those before."""

    name: str  # in addresses
    title: str
    about: str
    steps: tuple[Step, ...]
