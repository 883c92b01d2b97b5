"""The stage of a bill: the picture, what its receiver has of it, and the bill in figures. Pure functions to markup."""

from collections.abc import Sequence
from html import escape
from math import isinf

import numpy as np

from lab.quantities import quantity
from lab.requests.ledger import LedgerTerm, Likelihood
from lab.ui.shell import lane_view, widgets
from lab.ui.shell.widgets import subscripts
from lab.ui.tabs.ledger.bills import Account, Bill, Plan, per_dimension, uniform_code

UNKNOWN = "∞"


def stage(plan: Plan | None, accounts: Sequence[Account]) -> str:
    """The picture, x_t, the guess of each run, and the bill of all payers as far as it has come."""
    runs = range(len(plan.requests)) if plan else range(1)
    figures = [_figure("picture", picture(accounts), "The picture x_0", _size(accounts))]
    figures += [_figure("noisy", _received(accounts), "Received: x_t", _noisy_words(accounts))]
    figures += [_guess(plan, accounts, run) for run in runs]
    return f'<div class="ledger" style="--columns:{len(figures)}">{"".join(figures)}</div>{table(plan, accounts)}'


def first(plan: Plan, run: int) -> Bill:
    """The bill that a run's film follows."""
    return next(bill for bill in plan.bills if bill.run == run)


def picture(accounts: Sequence[Account]) -> np.ndarray | None:
    """x_0 as the model has it, once it is there."""
    return next((account.prior.picture for account in accounts if account.prior), None)


def _size(accounts: Sequence[Account]) -> str:
    count = next((account.dimensions for account in accounts if account.prior), 0)
    return quantity(count, "value", ",") if count else ""


def _newest(account: Account) -> LedgerTerm | None:
    """The latest term that has pictures."""
    return next((term for term in reversed(account.terms) if term.x_0 is not None), None)


def _received(accounts: Sequence[Account]) -> np.ndarray | None:
    """What the first receiver has by now: x_t, and the picture once all terms have come."""
    if not accounts or accounts[0].whole:
        return picture(accounts)
    term = _newest(accounts[0])
    return term.x_t if term else None


def _noisy_words(accounts: Sequence[Account]) -> str:
    if not accounts or not accounts[0].terms:
        return ""
    return level(None if accounts[0].whole else accounts[0].terms[-1])


def level(term: LedgerTerm | None) -> str:
    """The noise level of what a receiver has before a term, or after all."""
    return f"log-SNR {signed(term.log_snr)}" if term else "all of it"


def outcome(plan: Plan, account: Account, run: int, term: LedgerTerm | None) -> str:
    """Bits that a run's receiver has before a term, or after the last, and how far its guess is from the picture."""
    sums = account.sums(first(plan, run).payer.variance)
    if term is None:
        rms = account.terms[-1].rms if account.terms and isinf(sums[-1]) else 0
        return f"{amount(sums[-1])} bits · RMSE {rms:.0f}" if account.whole else ""
    return f"{amount(sums[term.i])} of {amount(sums[-1])} bits · RMSE {term.rms:.0f}"


def end(plan: Plan, account: Account, run: int) -> np.ndarray | None:
    """What a run's receiver has once all bits have come: the picture, or the last guess of a model that cannot draw it."""
    cannot = isinf(account.total(first(plan, run).payer.variance))
    newest = _newest(account)
    return newest.x_0 if cannot and newest else picture([account])


def _guess(plan: Plan | None, accounts: Sequence[Account], run: int) -> str:
    account = accounts[run] if run < len(accounts) else Account()
    term = _newest(account)
    pixels = end(plan, account, run) if plan and account.whole else term.x_0 if term else None
    words = outcome(plan, account, run, None if account.whole else term) if plan and term else ""
    bill = first(plan, run) if plan else None
    title = (
        f"Guess: {bill.payer.title.split(',')[0].lower()}{bill.words and f', {bill.words}'}" if bill else "Guess of x_0"
    )
    return _figure(f"{run}-guess", pixels, title, words, part=f"{run}-words", before=mark(bill) if bill else "")


def _figure(name: str, pixels: np.ndarray | None, title: str, words: str, part: str = "", before: str = "") -> str:
    """A picture that a reel may move, with its title and its words."""
    image = "" if pixels is None else lane_view.image(pixels, f"{title} {words}".strip(), name)
    return (
        f'<figure class="lab-pic" data-of="{name}"><div class="box">{image}</div><figcaption><b>{before}{subscripts(title)}</b>'
        f'<span data-part="{part or f"{name}-words"}">{subscripts(words)}</span></figcaption></figure>'
    )


def mark(bill: Bill) -> str:
    """The line of a bill in the chart."""
    return f'<i class="stroke" data-dash="{bill.dash}" style="--stroke:{bill.payer.colour}"></i>'


HEAD = ("Bill", "Bits so far", "per dimension", "L<sub>T</sub>", "L<sub>T−1</sub> … L<sub>1</sub>", "L<sub>0</sub>")


def table(plan: Plan | None, accounts: Sequence[Account]) -> str:
    """The bill: a row a payer."""
    whole = bool(accounts) and all(account.whole for account in accounts)
    cells = ["Bits in all" if whole and cell == HEAD[1] else cell for cell in HEAD]
    head = "".join(f'<th scope="col">{cell}</th>' for cell in cells)
    rows = "".join(_row(bill, accounts[bill.run]) for bill in plan.bills) if plan else ""
    empty = '<tr><th scope="row">&nbsp;</th><td colspan="5"></td></tr>'
    return f'<div class="ledger-bill"><table class="lab-table"><thead><tr>{head}</tr></thead><tbody>{rows or empty}</tbody></table></div>'


def _row(bill: Bill, account: Account) -> str:
    prior, steps, last = account.parts(bill.payer.variance)
    total = account.total(bill.payer.variance)
    each = "&nbsp;" if isinf(total) else f"{per_dimension(total, account):.3f}"
    cells = (f"{prior:,.2f}", amount(steps), "…" if last is None else amount(last))
    name = f"{mark(bill)}{escape(bill.title)}"
    figures = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr><th scope="row">{name}</th><td class="sum">{_amount(account, bill)}</td><td>{each}</td>{figures}</tr>'


def signed(value: float) -> str:
    """A log-SNR in figures."""
    return f"{value:+.1f}".replace("-", "−")


def amount(bits: float) -> str:
    """Bits in figures: two decimals where they are few, none where they are many."""
    if isinf(bits):
        return UNKNOWN
    return f"{bits:,.2f}" if abs(bits) < 100 else f"{bits:,.0f}"


def _amount(account: Account, bill: Bill) -> str:
    """The number that grows."""
    return f"<b>{amount(account.total(bill.payer.variance))}</b>" if account.prior else "&nbsp;"


def progress(accounts: Sequence[Account], plan: Plan) -> str:
    """How far a run has come."""
    done, calls = (sum(counts) for counts in zip(*ways(accounts, plan), strict=True))
    return f"{done:,} of {quantity(calls, 'term', ',')}"


def ways(accounts: Sequence[Account], plan: Plan) -> list[tuple[int, int]]:
    """Of each run the terms that have come, and how many there will be."""
    return [(len(account.terms), request.calls) for account, request in zip(accounts, plan.requests, strict=True)]


def summary(plan: Plan, accounts: Sequence[Account], seconds: float) -> str:
    """The end of a run in a sentence or two."""
    calls = sum(request.calls for request in plan.requests)
    words = [f"{quantity(calls, 'term', ',')} in {max(seconds, 0.1):.1f} s."]
    for bill in plan.bills:
        prior = accounts[bill.run].prior
        if bill.payer.variance == "exact" and prior and prior.pictures:
            words.append(
                f"log₂ {prior.pictures:,} = {uniform_code(prior.pictures):.2f} bits name one of the memoriser's pictures."
                if prior.known
                else f"The memoriser holds at best one {accounts[bill.run].terms[-1].rms:.0f} grey levels off, and cannot draw this one."
            )
            break
    return " ".join(words)


def opinion(likelihood: Likelihood, bill: Bill, account: Account) -> str:
    """The likelihood by the ODE, beside the bound."""
    bound = per_dimension(account.total(bill.payer.variance), account)
    beside = "" if isinf(bound) else f" The bound of this run says {bound:.3f}."
    words = (
        f"By the density of the probability-flow ODE, {likelihood.steps} steps of Heun with Hutchinson's estimate of the divergence: "
        f"<b>{likelihood.bits_per_dimension:.3f} bits per dimension</b>, {amount(likelihood.bits)} bits.{beside} "
        "The bound lies above −log p, and both are estimates."
    )
    return widgets.words(words)
