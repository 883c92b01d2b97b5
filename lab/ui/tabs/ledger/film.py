"""The film of a bill: what receivers have while their bits come in, all at the same log-SNR. Pure functions.

A place of the slider is a log-SNR, from that of the noisiest term, 0, to that of the clearest one; the last place is the end,
when all bits have come.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lab.requests.ledger import LedgerTerm
from lab.ui.shell import media, reel
from lab.ui.tabs.ledger import view
from lab.ui.tabs.ledger.bills import Account, Plan

CAPTION = "Bits received, all at the same log-SNR"
HALF = 0.5


class Places:
    """The place of each term of some runs."""

    def __init__(self, accounts: Sequence[Account]) -> None:
        levels = [term.log_snr for account in accounts for term in account.terms] or [0.0]
        self._low, self._width = min(levels), max(levels) - min(levels) or 1.0

    def of(self, term: LedgerTerm) -> int:
        """0 .. reel.LAST - 1."""
        return round((term.log_snr - self._low) / self._width * (reel.LAST - 1))

    def along(self, account: Account) -> list[int]:
        """Of each term of a run, and of its end."""
        return [*map(self.of, account.terms), reel.LAST]


def film(plan: Plan, accounts: Sequence[Account], half_way: bool = False) -> reel.Film:
    """The stage at every place. It rests at its end, or `half_way` where the first receiver has at most half of its bits. Its
    frames are exact: what a packing loses is more than what the last bits buy."""
    places = Places(accounts)
    changes = sorted({places.of(term) for account in accounts for term in account.frames} | {0, reel.LAST})
    found = reel.film(changes, lambda place: parts(plan, accounts, place), pack=media.exact_uri)
    return replace(found, caption=CAPTION, rest=_half(plan, accounts) if half_way else reel.LAST)


def parts(plan: Plan, accounts: Sequence[Account], place: int) -> reel.Parts:
    """What the stage shows at a place."""
    shown: dict[str, np.ndarray | str] = {}
    for run, account in enumerate(accounts):
        term = at(accounts, account, place)
        shown[f"{run}-words"] = view.outcome(plan, account, run, term)
        guess = view.end(plan, account, run) if term is None else term.x_0
        noisy = view.picture([account]) if term is None else term.x_t
        if guess is not None:
            shown[f"{run}-guess"] = guess
        if run == 0 and noisy is not None:
            shown |= {"noisy": noisy, "noisy-words": view.level(term)}
    return shown


def at(accounts: Sequence[Account], account: Account, place: int) -> LedgerTerm | None:
    """The term that a receiver is about to get at a place, of those with pictures; None once it has all, and before any."""
    frames = account.frames
    if not frames or (place >= reel.LAST and account.whole):
        return None
    places = Places(accounts)
    return next((term for term in reversed(frames) if places.of(term) <= place), frames[0])


def step_at(plan: Plan, accounts: Sequence[Account], place: int) -> int:
    """The step of the first bill that is next at a place."""
    account = accounts[plan.bills[0].run]
    term = at(accounts, account, place)
    return account.terms[-1].i if term is None else term.i


def _half(plan: Plan, accounts: Sequence[Account]) -> int:
    """The last place at which the first receiver has at most half of its bits."""
    account = accounts[0]
    shares = account.shares(view.first(plan, 0).payer.variance)
    return max((Places(accounts).of(term) for term in account.frames if shares[term.i] <= HALF), default=0)
