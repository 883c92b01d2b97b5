"""The stage of the bound: the picture, what comes back, nats by pixel and by latent, and their sum. Pure functions to markup."""

from math import log

import numpy as np

from lab.quantities import quantity
from lab.requests.bound import BoundTerms
from lab.ui.shell import widgets
from lab.ui.shell.openers import opener
from lab.ui.tabs.inside.bound.outcome import Outcome

# From what costs most to what costs nothing: dark red over orange to pale yellow, legible on either ground.
RAMP = np.array([[92, 8, 34], [189, 28, 45], [240, 110, 50], [252, 196, 110], [255, 246, 214]], float)
FEW = 100  # effective draws below which L_K would still rise


def heat(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """(height, width) as colours (height, width, 3) uint8: `low` and below dark, `high` pale."""
    place = np.clip((values - low) / max(high - low, 1e-12), 0, 1) * (len(RAMP) - 1)
    return (
        np.stack([np.interp(place, range(len(RAMP)), RAMP[:, k]) for k in range(3)], axis=-1).round().astype(np.uint8)
    )


def stage(outcome: Outcome | None) -> str:
    """Three pictures and the bars of the latents above their sum; as large before a run."""
    terms = outcome.terms if outcome else None
    figures = [
        widgets.picture(terms.picture if terms else None, "The picture x", _whose(outcome)),
        widgets.picture(
            terms.decoded if terms else None, "Decoded again", "from the mean of q(z | x)" if terms else ""
        ),
        _map(outcome),
        _bars(terms),
    ]
    return (
        f'<div data-room="bound" class="bound"><div class="bound-parts">{"".join(figures)}</div>{_sum(outcome)}</div>'
    )


def _whose(outcome: Outcome | None) -> str:
    if outcome is None or outcome.terms is None:
        return ""
    terms = outcome.terms
    side = f"{terms.picture.shape[1]} × {terms.picture.shape[0]} px"
    if not terms.title:
        return side
    return f"{terms.title}, {'held out' if terms.held_out else 'learned'}"


def map_range(outcome: Outcome) -> tuple[float, float]:
    """Nats of a pixel: the least of the map, and the most that there can be."""
    return float(outcome.known.reconstruction.min()), outcome.best_pixel


def _map(outcome: Outcome | None) -> str:
    if outcome is None or outcome.terms is None:
        return widgets.picture(None, "log p(x | z) by pixel")
    low, high = map_range(outcome)
    picture = heat(outcome.terms.reconstruction, low, high)
    words = f"{signed(low, 1)} to {signed(high, 1)} nats"
    figure = widgets.picture(
        picture, "log p(x | z) by pixel", words, alt=f"Map of nats: from {words}, the most there can be"
    )
    return figure.replace("</figcaption>", '<i class="bound-ramp" aria-hidden="true"></i></figcaption>')


def _bars(terms: BoundTerms | None) -> str:
    """KL of each latent as a bar."""
    if terms is None:
        return '<figure class="lab-pic bound-bars"><div class="box"></div><figcaption><b>KL by latent</b></figcaption></figure>'
    most = max(float(terms.kl.max()), 1e-9)
    bars = "".join(
        f'<li style="--tall:{100 * max(kl, 0) / most:.1f}%" title="latent {k}: {kl:.2f} nats"><span class="unseen">latent {k}: {kl:.2f} nats</span></li>'
        for k, kl in enumerate(terms.kl.tolist())
    )
    used = int((terms.kl > 0.1).sum())
    words = f"{used} of {len(terms.kl)} above 0.1; most {most:.1f} nats"
    return (
        f'<figure class="lab-pic bound-bars"><div class="box"><ol>{bars}</ol></div>'
        f"<figcaption><b>KL by latent</b><span>{words}</span></figcaption></figure>"
    )


def _sum(outcome: Outcome | None) -> str:
    """R - KL = ELBO, and beside it what the network was trained for."""
    if outcome is None or outcome.terms is None:
        values = ("", "", "", "")
    else:
        gap = outcome.gap
        values = (
            signed(outcome.reconstruction, 1),
            f"{outcome.rate:.1f}",
            signed(outcome.elbo, 1),
            f"≥ {gap:.1f}" if gap is not None else "",
        )
    cells = (
        ("reconstruction R", values[0], "E<sub>q</sub> log p(x | z)"),
        ("−", "", ""),
        ("rate KL", values[1], "KL(q(z | x) ‖ p(z))"),
        ("=", "", ""),
        ("ELBO", values[2], "at most log p(x)"),
        ("", "", ""),
        ("gap to log p(x)", values[3], "KL(q ‖ p(z | x))"),
    )
    body = "".join(
        f"<i>{name}</i>"
        if not words
        else f"<div><span>{name}</span><b>{value or '&nbsp;'}</b><small>{words}</small></div>"
        for name, value, words in cells
    )
    return f'<div class="bound-sum" role="group" aria-label="The bound, in nats">{body}</div>'


def words(outcome: Outcome) -> str:
    """What the numbers say, and the two bounds beside each other."""
    said = widgets.words(" ".join(filter(None, [_trained(outcome), _gap(outcome)])))
    return said + beside(outcome) + widgets.words(_density(outcome))


def _trained(outcome: Outcome) -> str:
    beta, bound = outcome.request.beta, signed(outcome.elbo, 1)
    if beta == 1:
        return f"This network was trained for the bound itself: R − KL = {bound} nats."
    objective = signed(outcome.objective, 1)
    if beta == 0:
        return (
            f"This network was trained for R alone, {objective} nats, which bounds nothing: its code was free. "
            f"With the rate paid the bound is {bound}."
        )
    return (
        f"This network was trained for R − {beta:g} KL = {objective} nats. The bound is R − KL = {bound}: "
        "it lies above that, and log p(x) above both."
    )


def _gap(outcome: Outcome) -> str:
    gap, curve = outcome.gap, outcome.curve
    if gap is None or outcome.weights is None:
        return ""
    count, mean = curve[-1][:2]
    said = (
        f"{count:,} draws weighed together bound log p(x) from below by {signed(mean, 1)}, so q(z | x) lies at least {gap:.1f} nats "
        "from the true posterior."
    )
    effective = outcome.weights.effective
    if effective < FEW:
        said += f" They count as {effective:.0f} of equal weight, so more of them would still raise it."
    return said


def _density(outcome: Outcome) -> str:
    terms = outcome.known
    best = outcome.density_bits(outcome.best_pixel * terms.dimensions / 3)
    in_bytes = best + outcome.byte_bits / terms.dimensions
    return (
        f"p(x | z) is a Gaussian density over [−1, 1] of fixed deviation {terms.scale:g}, so the bound is "
        f"{signed(outcome.density_bits(outcome.elbo), 2)} bits per dimension, and a perfect copy would have {signed(best, 2)}. "
        f"In bits of bytes, a density times a byte's width, even that costs {in_bytes:.2f} of 8: a fixed deviation cannot say more."
    )


def beside(outcome: Outcome) -> str:
    """The bound of this VAE and that of a diffusion model, term by term in bits of the picture's bytes."""
    terms, other = outcome.known, outcome.diffusion
    steps = outcome.request.calls
    rate, back = outcome.rate / log(2), outcome.reconstruction_bits
    latents = len(terms.kl)
    chain = "Σ KL(q(x<sub>t−1</sub> | x<sub>t</sub>, x<sub>0</sub>) ‖ p(x<sub>t−1</sub> | x<sub>t</sub>))"
    theirs = ["…"] * 5 if outcome.request.calls else ["left out"] * 5
    if other is not None:
        between, total = sum(other.divergences), other.prior + sum(other.divergences) + other.reconstruction
        theirs = [
            f"KL(q(x<sub>T</sub> | x<sub>0</sub>) ‖ p(x<sub>T</sub>)): {other.prior:,.1f}",
            f"{chain}, {steps - 1} terms: {between:,.1f}",
            f"−log p(x<sub>0</sub> | x<sub>1</sub>): {other.reconstruction:,.1f}",
            f"{total:,.1f}",
            f"{total / terms.dimensions:.2f}",
        ]
    rows = [
        ("Encoder", f"learned: q(z | x) of {quantity(latents, 'number')}", f"nothing learned: noise; x<sub>T</sub> of {terms.dimensions:,} numbers"),
        ("Prior term", f"KL(q(z | x) ‖ p(z)): {rate:,.1f}", theirs[0]),
        ("Between", "nothing: one step", theirs[1]),
        ("Reconstruction", f"−E log p(x | z): {back:,.1f}", theirs[2]),
        ("Sum", f"{rate + back:,.1f}", theirs[3]),
        ("Per value", f"{(rate + back) / terms.dimensions:.2f}", theirs[4]),
    ]  # fmt: skip
    body = "".join(
        f'<tr><th scope="row">{name}</th><td>{mine}</td><td>{theirs}</td></tr>' for name, mine, theirs in rows
    )
    head = "".join(
        f'<th scope="col">{one}</th>'
        for one in ("Bits of bytes", "This VAE", "Miniature pixel diffusion: a VAE whose encoder is fixed")
    )
    link = opener("ledger", "Open the Ledger: each of these terms", label="Open the tab Ledger", classes="bound-open")
    return f'<div class="bound-beside"><table class="lab-table"><tr>{head}</tr>{body}</table></div>{link}'


def table(outcome: Outcome) -> str:
    """KL, mean and deviation of each latent, and the bounds by K."""
    terms = outcome.known
    latents = (
        [f"{k}", f"{kl:.3f}", signed(mean, 3), f"{std:.3f}"]
        for k, (kl, mean, std) in enumerate(zip(terms.kl, terms.mean, terms.std, strict=True))
    )
    bounds = ([f"{count:,}", *(signed(value, 2) for value in row)] for count, *row in outcome.curve)
    return widgets.table(["K", "mean of L_K, nats", "5 %", "95 %"], bounds) + widgets.table(
        ["latent", "KL, nats", "mean of q", "deviation of q"], latents
    )


def signed(value: float, digits: int) -> str:
    """A number with a real minus."""
    return f"{value:,.{digits}f}".replace("-", "−")


def title(outcome: Outcome) -> str:
    """The network in words."""
    return f"{outcome.request.pictures}, β = {outcome.request.beta:g}"
