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
THIRD = 1 / 3


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


def film(plan: Plan, accounts: Sequence[Account], by_bits: bool = False) -> reel.Film:
    """The stage at every place. It rests where there is as much noise as picture, or `by_bits` where the first receiver has
    a third of its bits: at the end all pictures are equal. Its frames are exact: what a packing loses is more than what the
    last bits buy."""
    places = Places(accounts)
    changes = sorted({places.of(term) for account in accounts for term in account.frames} | {0, reel.LAST})
    found = reel.film(changes, lambda place: parts(plan, accounts, place), pack=media.exact_uri)
    return replace(found, caption=CAPTION, rest=_rest(plan, accounts, by_bits))


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


def _rest(plan: Plan, accounts: Sequence[Account], by_bits: bool) -> int:
    """The last place at which the first receiver has at most a third of its bits, or a log-SNR of at most 0."""
    account = accounts[0]
    shares = account.shares(view.first(plan, 0).payer.variance)
    before = [term for term in account.frames if (shares[term.i] <= THIRD if by_bits else term.log_snr <= 0)]
    return max(map(Places(accounts).of, before), default=0)
