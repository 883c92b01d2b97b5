"""Pictures of all kinds, sorted by what they cost. Pure functions to markup."""

from collections.abc import Sequence
from html import escape
from math import isinf

from lab.requests.ledger import KINDS
from lab.requests.ledger import Bill as PictureBill
from lab.ui.shell import lane_view
from lab.ui.tabs.ledger.bills import Payer
from lab.ui.tabs.ledger.view import UNKNOWN, amount

COLOURS = {
    "training": "#3ca951", "held-out": "#4269d0", "drawn": "#a463f2", "photograph": "#ff725c", "styled": "#efb118",
    "noise": "#9498a0", "own": "#0b7285",
}  # fmt: skip


def stage(bills: Sequence[PictureBill], payer: Payer) -> str:
    """The cheapest picture first, each with a bar as long as its bill."""
    ranked = sorted(bills, key=lambda bill: bill.bits[payer.variance])
    finite = [bill.bits[payer.variance] for bill in ranked if not isinf(bill.bits[payer.variance])]
    most = max(finite, default=1.0)
    rows = "".join(_row(bill, payer.variance, most) for bill in ranked)
    return f'<ol class="ledger-ranking" style="--columns:4" aria-label="Pictures, the cheapest first; {escape(payer.title)}">{rows}</ol>'


def _row(bill: PictureBill, variance: str, most: float) -> str:
    bits = bill.bits[variance]
    width = 100.0 if isinf(bits) else 100 * bits / most
    each = UNKNOWN if isinf(bits) else f"{bill.bits_per_dimension[variance]:.2f}"
    return (
        f'<li style="--kind:{COLOURS[bill.kind]}">{lane_view.image(bill.picture, bill.title)}<div><b>{escape(KINDS[bill.kind])}</b>'
        f'<span>{escape(bill.title)}</span><i style="width:{width:.1f}%"></i></div>'
        f"<em>{each}<small>{amount(bits)} bits</small></em></li>"
    )
