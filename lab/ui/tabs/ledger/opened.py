"""One step of the chain opened: what is sent, what was expected, and what the difference costs. Pure functions to markup."""

from html import escape

import numpy as np

from lab.requests.ledger import OpenedStep
from lab.ui.shell import lane_view
from lab.ui.shell.widgets import subscripts
from lab.ui.tabs.ledger.bills import Bill
from lab.ui.tabs.ledger.view import amount, signed

EMPTY = (
    '<p class="lab-words">Press Run, drag the slider beside Play to a place on the way, and open the step there.</p>'
)


def markup(step: OpenedStep, bill: Bill, n: int) -> str:
    """Both reverse steps from one x_t, as pictures and in figures; `n` is the number of steps."""
    least, mean, most = step.predicted_variance
    even = most - least <= 1e-3 * most
    spread = f"{mean:.2g}" if even else f"{least:.2g} to {most:.2g}"
    figures = (
        _figure(step.x_t, "x_t", f"log-SNR {signed(step.log_snr)}"),
        _figure(step.mean, "Mean of q", f"variance {step.variance:.2g}"),
        _figure(step.predicted_mean, "Mean of p", f"variance {spread}"),
        _figure(step.kl_map, "Where the bits go", f"white: {step.most_bits:.2g} bits a pixel"),
        _figure(step.variance_map, "Variance of p", "everywhere the same" if even else "white: the most"),
    )
    name = "L<sub>0</sub>, the 8-bit values" if step.i == n - 1 else "KL(q ‖ p)"
    words = (
        f"{escape(bill.title)}, step {step.i + 1:,} of {n:,}: {name} = <b>{amount(step.bits)} bits</b> of the picture."
    )
    return f'<p class="lab-words">{words}</p><div class="ledger-step">{"".join(figures)}</div>'


def _figure(pixels: np.ndarray, title: str, words: str) -> str:
    image = lane_view.image(pixels, f"{title}: {words}")
    return (
        f'<figure class="lab-pic"><div class="box">{image}</div><figcaption><b>{subscripts(title)}</b>'
        f"<span>{subscripts(words)}</span></figcaption></figure>"
    )
