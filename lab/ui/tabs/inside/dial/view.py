"""The stage of the dial: a column for each beta, and what a traversal needs in the page."""

import json
from collections.abc import Sequence
from html import escape

import numpy as np

from lab.requests.betas import LIVING, VALUES, BetaMeasures
from lab.requests.bound import BETAS
from lab.ui.shell import media, widgets
from lab.ui.tabs.inside import weights
from lab.ui.tabs.inside.dial.outcome import Outcome

ACROSS = 3  # pictures side by side in a column
GAP = 1  # pixel between them
FLOOR, TOP = 1e-3, 1e2  # nats: the ends of the bars' logarithmic axis
OWN = "your picture"
BEFORE = (
    "After a run, the picture that you walk from stands here, with a row for each living latent of the network of one β: "
    "seven pictures in which that latent alone changes, and a slider that moves it in yours."
)
REPLICATION = (
    "A replication found beta-VAE's near-perfect score very difficult to reproduce; "
    '<a href="https://arxiv.org/abs/1811.12359" target="_blank" rel="noopener">Locatello et al. 2018</a> found that the seed matters as much as the method.'
)


def stage(outcome: Outcome | None, beta: float) -> str:
    """HTML of the columns that are there, with places for those that are not, and of the traversal, at first under `beta`."""
    ready = outcome if outcome is not None and outcome.begun else None
    columns = "".join(_column(ready, beta) for beta in BETAS)
    data = escape(json.dumps(page_data(ready, beta), separators=(",", ":"))) if ready else ""
    script = f' data-script="dial.js" data-dial="{data}"'
    rows = -(-ready.request.shown // ACROSS) if ready else 2
    return (
        f'<div data-room="dial" class="dial"{script} style="--rows:{rows}">'
        f'<div class="dial-columns" role="region" aria-label="A column for each beta" tabindex="0">{_originals(ready)}{columns}</div>'
        f"{_walk(ready is not None)}</div>"
    )


def page_data(outcome: Outcome, beta: float) -> dict[str, object]:
    """What the page needs to walk by itself: of each network its decoder's address, the codes of the pictures, the divergence of each
    latent in nats, and how much of each factor's entropy it tells of."""
    request, shared = outcome.request, outcome.pictures
    entropies = np.array(list(shared.entropies.values()))
    return {
        "family": request.family,
        "start": request.start,
        "beta": beta,
        "titles": [_title(outcome, k) for k in range(len(shared.titles))],
        "factors": list(shared.entropies),
        "values": VALUES,
        "columns": [
            {
                "beta": found.beta,
                "address": _address(f"{request.family}/{request.pictures}-{found.beta:g}"),
                "order": found.order[: found.living].tolist(),
                "latents": len(found.kl),
                "kl": _rounded(found.kl),
                "means": [_rounded(one) for one in outcome.columns[found.beta].means],
                "shares": None if found.information is None else [_rounded(row) for row in found.information / entropies],
            }
            for found in outcome.measured
        ],
    }  # fmt: skip


def _address(member: str) -> str:
    """Where the page finds a decoder; "" where it is not shipped."""
    return weights.address(member) if member in weights.members() else ""


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


def _title(outcome: Outcome, k: int) -> str:
    return OWN if outcome.own and k == 0 else outcome.pictures.titles[k]


def _originals(outcome: Outcome | None) -> str:
    """The first column: pictures to start a traversal from, and what the rows are."""
    buttons = ""
    for k, picture in enumerate(outcome.pictures.pictures if outcome else ()):
        title = escape(_title(outcome, k)) if outcome else ""
        buttons += (
            f'<button type="button" data-start="{k}" aria-pressed="false" title="{title}: walk from it" aria-label="Walk from {title}">'
            f'<img alt="" src="{media.data_uri(picture)}"></button>'
        )
    return (
        '<h4 class="dial-head">Pictures</h4>'
        f'<div class="dial-mosaic{" dial-originals" if outcome else ""}">{buttons}</div>'
        '<p class="dial-side">Draws from the prior, one z for all β</p>'
        f'<p class="dial-side">KL by latent, log scale; dead under the line, {LIVING:g} nats</p>'
        '<p class="dial-side dial-foot">living latents<br>rate, nats<br>RMS, of 255</p>'
    )


def _column(outcome: Outcome | None, beta: float) -> str:
    column = outcome.columns.get(beta) if outcome else None
    found = outcome.measures.get(beta) if outcome else None
    head = (
        f'<h4 class="dial-head"><button type="button" data-beta="{beta:g}" aria-pressed="false" '
        f'aria-label="Walk under beta {beta:g}"{"" if found else " disabled"}>β = {beta:g}</button></h4>'
    )
    mosaics = '<div class="dial-mosaic"></div>' * 2
    if column is not None:
        mosaics = _mosaic(column.reconstructions, f"The pictures as the network of beta {beta:g} gives them back")
        mosaics += _mosaic(column.samples, f"Samples from the prior of beta {beta:g}")
    if found is None:
        return head + mosaics + '<div class="dial-bars"></div><p class="dial-foot"></p>'
    foot = f"<b>{found.living}</b> of {len(found.kl)}<br>{found.rate:.1f}<br>{found.rms:.1f}"
    return head + mosaics + bars(found) + f'<p class="dial-foot">{foot}</p>'


def sheet(pictures: np.ndarray, across: int = ACROSS, gap: int = GAP) -> np.ndarray:
    """Pictures (n, side, side, 3) in rows of `across`, `gap` transparent pixels between them, (height, width, 4) uint8."""
    side = pictures.shape[1]
    rows = -(-len(pictures) // across)
    whole = np.zeros((rows * (side + gap) - gap, across * (side + gap) - gap, 4), np.uint8)
    for k, picture in enumerate(pictures):
        top, left = (k // across) * (side + gap), (k % across) * (side + gap)
        whole[top : top + side, left : left + side] = np.concatenate(
            [picture, np.full((side, side, 1), 255, np.uint8)], 2
        )
    return whole


def _mosaic(pictures: np.ndarray, alt: str) -> str:
    return (
        f'<div class="dial-mosaic"><img alt="{escape(alt)}" src="{media.exact_uri(sheet(pictures), quick=True)}"></div>'
    )


def bars(found: BetaMeasures) -> str:
    """The mean KL divergence of each latent, sorted, on a logarithmic axis with the line below which one is dead."""
    items = "".join(
        f'<li{"" if found.kl[j] > LIVING else " class=dead"} style="--tall:{100 * height(found.kl[j]):.1f}%"></li>'
        for j in found.order
    )
    spoken = f"{found.living} of {len(found.kl)} latents above {LIVING:g} nats, the heaviest {found.kl.max():.2g} nats"
    return (
        f'<div class="dial-bars" role="img" aria-label="{spoken}" title="{spoken}">'
        f'<ol style="--line:{100 * height(LIVING):.1f}%">{items}</ol></div>'
    )


def height(nats: float) -> float:
    """Where a divergence stands on the bars' axis, 0 to 1."""
    return float(np.clip(np.log(max(nats, 1e-12) / FLOOR) / np.log(TOP / FLOOR), 0, 1))


def _walk(begun: bool) -> str:
    """The traversal, which dial.js fills; before a run it says what will be there."""
    rows = "" if begun else f'<p class="dial-before">{BEFORE}</p>'
    marks = "".join(f'<option value="{k}" label="{beta:g}"></option>' for k, beta in enumerate(BETAS))
    ends = len(BETAS) - 1
    return (
        '<section class="dial-walk" aria-label="Traversal"><div class="dial-live">'
        '<canvas width="32" height="32" role="img" aria-label="The picture as the sliders have it"></canvas>'
        '<label class="dial-beta"><span>β of the network <output></output></span>'
        f'<input type="range" min="0" max="{ends}" step="1" value="0" disabled list="dial-marks" aria-label="Beta of the network that is walked">'
        f'<datalist id="dial-marks">{marks}</datalist></label>'
        '<button type="button" class="dial-back" disabled>Back to the picture</button><p class="dial-said" aria-live="polite"></p></div>'
        f'<div class="dial-rows" role="region" aria-label="A row for each living latent" tabindex="0">{rows}</div></section>'
    )


# Words and numbers


def words(outcome: Outcome) -> str:
    """What the columns show, in sentences whose figures are the run's."""
    measured, said = outcome.measured, []
    if len(measured) > 1:
        first, last = measured[0], measured[-1]
        alive = ", ".join(f"{found.living} at β = {found.beta:g}" for found in measured)
        said.append(f"Of {len(first.kl)} latents live, with more than {LIVING:g} nats: {alive}.")
        said.append(
            f"From β = {first.beta:g} to {last.beta:g} the mean rate of {_measured(outcome)} goes from {first.rate:.4g} to {last.rate:.3g} nats, and the "
            f"RMS of what comes back from {first.rms:.1f} to {last.rms:.1f} of 255."
        )
    gaps = outcome.pictures.gaps
    if gaps:
        spread = [
            f"{min(gaps[beta]):.2f} and {max(gaps[beta]):.2f} at β = {beta:g}" for beta in (1, 16) if beta in gaps
        ]
        seeds = len(next(iter(gaps.values())))
        said.append(
            f"The mutual information gap of {seeds} seeds lies between {', between '.join(spread)}; 1 would be perfect. {REPLICATION}"
        )
    return widgets.words(" ".join(said))


def _measured(outcome: Outcome) -> str:
    return "held-out drawings" if outcome.request.pictures == "drawings" else "the shapes"


def summary(outcome: Outcome) -> str:
    """A sentence at the end of a run."""
    first, last = outcome.measured[0], outcome.measured[-1]
    return (
        f"{outcome.pictures.measured:,} {outcome.request.pictures} measured under each β: {first.living} of {len(first.kl)} latents live at "
        f"β = {first.beta:g}, {last.living} at {last.beta:g}."
    )


def table(outcome: Outcome) -> str:
    """Rates and distortions of all and of the visitor's picture, then what each latent tells of each factor."""
    own = outcome.own
    head = ["β", "living", "rate, nats", "distortion, nats", "RMS, of 255"]
    head += ["rate of your picture", "its distortion", "its RMS"] if own else []
    head += ["MIG of this network", "MIG of its seeds"] if outcome.pictures.gaps else []
    rows = [_row(outcome, found) for found in outcome.measured]
    note = (
        "<p>Distortion: squared error over twice the variance of the likelihood, which leaves its constant out; codes are drawn from q(z | x). "
        f"Of {_measured(outcome)}: {outcome.pictures.measured:,}.</p>"
    )
    return widgets.table(head, rows) + note + "".join(information_table(outcome, found) for found in outcome.measured)


def _row(outcome: Outcome, found: BetaMeasures) -> Sequence[str]:
    cells = [f"{found.beta:g}", f"{found.living}", f"{found.rate:.2f}", f"{found.distortion:.1f}", f"{found.rms:.1f}"]
    if outcome.own:
        column = outcome.columns[found.beta]
        cells += [f"{column.rates[0]:.2f}", f"{column.distortions[0]:.1f}", f"{column.rms[0]:.1f}"]
    if outcome.pictures.gaps:
        seeds = outcome.pictures.gaps.get(found.beta, ())
        cells += ["" if found.gap is None else f"{found.gap:.3f}", ", ".join(f"{gap:.3f}" for gap in seeds)]
    return cells


def information_table(outcome: Outcome, found: BetaMeasures) -> str:
    """I(z; v) in nats, a row a latent in the order of its divergence; "" where no factor is known."""
    if found.information is None:
        return ""
    rows = [[f"z{j + 1}", f"{found.kl[j]:.3g}", *(f"{one:.3f}" for one in found.information[j])] for j in found.order]
    entropies = ["entropy", "", *(f"{one:.3f}" for one in outcome.pictures.entropies.values())]
    title = f"β = {found.beta:g}: mutual information of latents and factors, nats"
    table = widgets.table(["latent", "KL", *outcome.pictures.entropies], [*rows, entropies])
    return f"<details><summary>{title}</summary>{table}</details>"
