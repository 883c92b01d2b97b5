"""The charts of a bill: pure functions from accounts to figures. Whose each curve is says the table beside them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, nan
from typing import Any

from gradio.components.plot import PlotData

from lab.ui.shell import plots
from lab.ui.tabs.ledger.bills import Account, Bill, Plan, per_dimension
from lab.ui.tabs.ledger.film import Places

T_AXIS, LEVEL_AXIS = "t", "log_snr"
LEAST = 1e-7  # bits per dimension of a term: below that a logarithmic axis shows nothing
APART = 20  # times the smallest bill: the running sums have a logarithmic axis
FEWEST = 0.01  # bits on it
POINTS = 250  # of a curve
SHARE = "t / T: 1 is noise, 0 the picture"

Series = tuple[Sequence[float], Sequence[float]]


def draw(name: str, over: str, plan: Plan, accounts: Sequence[Account]) -> PlotData:
    """One of CHARTS, over t or over log-SNR where it has the choice."""
    return CHARTS[name][1](plan, accounts, over)


def terms(plan: Plan, accounts: Sequence[Account], over: str) -> PlotData:
    """The terms (Nichol & Dhariwal 2021, Figure 2), each in bits per dimension; over log-SNR as a density, whose area is the
    bill, so that schedules and numbers of calls compare (Kingma et al. 2021, section 5.1)."""

    def series(account: Account, variance: str) -> Series:
        if over == LEVEL_AXIS:
            return account.densities(variance)
        return _shares(account), [per_dimension(term.bits[variance], account) for term in account.terms]

    y = "bits/dim per log-SNR" if over == LEVEL_AXIS else "bits/dim, each term"
    return _figure(_curves(plan, accounts, series, LEAST), over, y={"title": {"text": y}, "type": "log"})


def running(plan: Plan, accounts: Sequence[Account], over: str) -> PlotData:
    """The bits of the whole picture that a receiver has at each level."""

    def series(account: Account, variance: str) -> Series:
        sums = account.sums(variance)
        if over == LEVEL_AXIS:
            return [term.log_snr for term in account.terms], sums[:-1]
        return [*_shares(account), 0.0], sums

    totals = [
        total for total in (accounts[bill.run].total(bill.payer.variance) for bill in plan.bills) if 0 < total < inf
    ]
    apart = bool(totals) and max(totals) > APART * min(totals)  # the smaller ones would lie on the axis
    y = {"type": "log"} if apart else {"rangemode": "tozero"}
    least = FEWEST if apart else -inf
    return _figure(_curves(plan, accounts, series, least), over, y={"title": {"text": "bits received"}, **y})


def distortion(plan: Plan, accounts: Sequence[Account], over: str) -> PlotData:
    """Error of the guess over the bits received (Ho et al. 2020, Figure 5, right)."""

    def series(account: Account, variance: str) -> Series:
        rates = [per_dimension(bits, account) for bits in account.sums(variance)]
        errors = [term.rms for term in account.terms]
        return (rates, [*errors, 0.0]) if account.whole else (rates[:-1], errors)

    traces = _traces(_curves(plan, accounts, series))
    return plots.figure(
        traces,
        xaxis={"title": {"text": "rate: bits per dimension received"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "distortion: RMSE, of 255"}, "rangemode": "tozero"},
        showlegend=False,
    )


CHARTS: dict[str, tuple[str, Callable[[Plan, Sequence[Account], str], PlotData]]] = {
    "terms": ("Each term", terms),
    "running": ("Running sum", running),
    "distortion": ("Error over bits", distortion),
}


@dataclass(frozen=True)
class Curve:
    """The curve of a bill; `places` are those of the slider at which a receiver is at each point."""

    bill: Bill
    x: Sequence[float]
    y: Sequence[float]
    places: Sequence[int]


def _curves(
    plan: Plan, accounts: Sequence[Account], series: Callable[[Account, str], Series], least: float = -inf
) -> list[Curve]:
    """The curve of each bill, thinned evenly; its ends stay. What lies below `least`, or has no end, is a gap."""
    found, places = [], Places(accounts)
    for bill in plan.bills:
        account, variance = accounts[bill.run], bill.payer.variance
        x, y = series(account, variance)
        along, count = places.along(account), min(len(x), len(y))
        step = max(1, count // POINTS)
        keep = [i for i in range(count) if i % step == 0 or i == count - 1]
        heights = [y[i] if least <= y[i] < inf else nan for i in keep]
        found.append(Curve(bill, [x[i] for i in keep], heights, [along[i] for i in keep]))
    return found


def _shares(account: Account) -> list[float]:
    """t / T of each term: of x_t at its beginning."""
    return [1 - term.i / term.n for term in account.terms]


def _traces(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """The curves as Plotly has them; `marks.js` reads their places."""
    return [
        plots.line(one.x, one.y, one.bill.title, one.bill.payer.colour, line={"dash": one.bill.dash},
                   customdata=list(one.places))
        for one in curves
    ]  # fmt: skip


def _figure(curves: Sequence[Curve], over: str, y: dict[str, Any]) -> PlotData:
    """Curves along the way from noise, on the left, to the picture."""
    across = (
        {"title": {"text": f"{plots.LOG_SNR}; beyond it L<sub>0</sub>"}}
        if over == LEVEL_AXIS
        else {"title": {"text": SHARE}, "range": [1.01, -0.01]}
    )
    return plots.figure(_traces(curves), xaxis=across, yaxis=y, showlegend=False)
