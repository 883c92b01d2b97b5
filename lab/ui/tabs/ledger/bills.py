"""Bills of a picture: which are compared, and what has come of each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import isfinite, log
from typing import Any

from lab.catalog import SCHEDULES
from lab.quantities import quantity
from lab.requests.base import Event, LabError, make_request
from lab.requests.ledger import LedgerPrior, LedgerRequest, LedgerTerm

MOST_RUNS, MOST_BILLS = 4, 6
DASHES = ("solid", "dash", "dot", "dashdot")  # of the runs of one payer


@dataclass(frozen=True)
class Payer:
    """Who is to describe the picture: a model, and the variance of its reverse steps."""

    title: str
    model: str
    variance: str  # of lab.requests.ledger.VARIANCES
    colour: str


PAYERS = {
    "network": Payer("Network, learned variance", "pixel", "learned", "#4269d0"),
    "network-small": Payer("Network, β̃", "pixel", "small", "#efb118"),
    "network-large": Payer("Network, β", "pixel", "large", "#ff725c"),
    "memoriser": Payer("Memoriser", "exact-32", "exact", "#3ca951"),
    "memoriser-small": Payer("Memoriser, Gaussian steps, β̃", "exact-32", "small", "#a463f2"),
    "memoriser-large": Payer("Memoriser, Gaussian steps, β", "exact-32", "large", "#9c6b4e"),
}


@dataclass(frozen=True)
class Bill:
    """A payer on one chain of the comparison."""

    payer: Payer
    run: int  # index into Plan.requests
    words: str  # what tells its chain from others; "" where there is one
    dash: str = "solid"

    @property
    def title(self) -> str:
        """The payer, and its chain where there are several."""
        return f"{self.payer.title}{self.words and f' · {self.words}'}"


@dataclass(frozen=True)
class Plan:
    """What a press of Run asks for: a request for each model and chain, and the bills that are read off them."""

    requests: tuple[LedgerRequest, ...]
    bills: tuple[Bill, ...]


def plan(payers: Sequence[str], schedules: Sequence[str], calls: Sequence[int], shared: dict[str, Any]) -> Plan:
    """All payers on all chains. `shared` is what the requests have in common. Raises LabError where that is too much."""
    if not payers:
        raise LabError("Choose at least one bill.")
    chains = [(schedule, count) for schedule in schedules for count in calls]
    models = list(dict.fromkeys(PAYERS[name].model for name in payers))
    runs = [(model, *chain) for model in models for chain in chains]
    if len(runs) > MOST_RUNS or len(payers) * len(chains) > MOST_BILLS:
        raise LabError(
            f"That is {quantity(len(payers) * len(chains), 'bill')} over {quantity(len(runs), 'chain')}; the page compares at most {MOST_BILLS} "
            f"over {MOST_RUNS}. Take fewer bills, schedules or numbers of calls."
        )
    requests = tuple(
        make_request(LedgerRequest, model=model, schedule=schedule, calls=count, **shared)
        for model, schedule, count in runs
    )
    bills = [
        Bill(PAYERS[name], runs.index((PAYERS[name].model, *chain)), _words(chain, schedules, calls), DASHES[i])
        for name in payers
        for i, chain in enumerate(chains)
    ]
    return Plan(requests, tuple(bills))


def _words(chain: tuple[str, int], schedules: Sequence[str], calls: Sequence[int]) -> str:
    """What is not the same on all chains."""
    words = [SCHEDULES[chain[0]].title.lower()] if len(schedules) > 1 else []
    return ", ".join(words + ([quantity(chain[1], "call", ",")] if len(calls) > 1 else []))


class Account:
    """What has come of one run, term by term from the noisiest on. Terms that came early wait for those before them."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.prior: LedgerPrior | None = None
        self.terms: list[LedgerTerm] = []  # without a gap
        self._early: dict[int, LedgerTerm] = {}
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        if isinstance(event, LedgerPrior):
            self.prior = event
        elif isinstance(event, LedgerTerm):
            self._early[event.i] = event
            while term := self._early.pop(len(self.terms), None):
                self.terms.append(term)

    @property
    def whole(self) -> bool:
        """Whether all terms have come."""
        return bool(self.terms) and len(self.terms) == self.terms[0].n

    @property
    def dimensions(self) -> int:
        """Values of the picture; 1 before anything has come, so that it divides."""
        return self.prior.dimensions if self.prior else 1

    def sums(self, variance: str) -> list[float]:
        """Bits at hand before each term and, last, after all that have come; L_T is among them from the start."""
        first = self.prior.bits if self.prior else 0.0
        return list(accumulate((term.bits[variance] for term in self.terms), initial=first))

    def total(self, variance: str) -> float:
        """Bits of all that has come, in the whole picture; inf where the model cannot describe it."""
        return self.sums(variance)[-1]

    def parts(self, variance: str) -> tuple[float, float, float | None]:
        """L_T, the sum of L_{t-1}, and L_0 where it has come, in bits."""
        steps = [term.bits[variance] for term in self.terms]
        last = steps.pop() if self.whole else None
        return (self.prior.bits if self.prior else 0.0), sum(steps), last

    def shares(self, variance: str) -> list[float]:
        """`sums` as shares of the bill; of a bill without end, of as much of it as can be counted."""
        sums = self.sums(variance)
        whole = max([one for one in sums if isfinite(one)][-1], 1e-9)
        return [min(bits / whole, 1.0) for bits in sums]

    @property
    def frames(self) -> list[LedgerTerm]:
        """The terms that have pictures."""
        return [term for term in self.terms if term.x_0 is not None]

    def densities(self, variance: str) -> tuple[list[float], list[float]]:
        """log-SNR half-way through each step, and its bits per unit of log-SNR and dimension; L_0, which ends in no noise at
        all, has no width and is left out."""
        levels = [term.log_snr for term in self.terms]
        widths = [after - before for before, after in pairwise(levels)]
        places = [before + width / 2 for before, width in zip(levels, widths, strict=False)]
        bits = [term.bits[variance] / self.dimensions / width for term, width in zip(self.terms, widths, strict=False)]
        return places, bits


def per_dimension(bits: float, account: Account) -> float:
    """Bits per dimension of bits in the picture."""
    return bits / account.dimensions


def uniform_code(pictures: int) -> float:
    """log2 N: the bits that name one of N pictures."""
    return log(pictures, 2)
