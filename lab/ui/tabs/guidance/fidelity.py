"""Precision and recall of a visitor's own grid, a set of pictures for each rule and scale. Pure functions to markup."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lab.catalog import GUIDANCE
from lab.requests.base import LabError, make_request
from lab.requests.fidelity import Fidelity, FidelityRequest
from lab.ui.shell import widgets
from lab.ui.tabs.guidance.chart import SCALE, WIDE, Chart, Curve, Point, along, figures, legend
from lab.ui.tabs.guidance.view import Sweep

SHARE = (0.0, 1.0)  # the span of precision and of recall
FEW = 8  # pictures of a set, below which its numbers are a hint at most
TOO_FEW = "Precision and recall are of sets of pictures: take at least two seeds, better eight or more, press Run, and measure them then."
ABOUT = (
    "Precision is the share of the drawn pictures that lie among the real ones, recall the share of the real ones that lie "
    "among the drawn (Kynkäänniemi et al. 2019)."
)


@dataclass(frozen=True)
class PictureSet:
    """The finished pictures of a grid by one rule at one scale, a picture for each seed."""

    rule: str
    scale: float
    pictures: tuple[np.ndarray, ...]


def sets(sweep: Sweep) -> list[PictureSet]:
    """Those sets of a grid that can be measured. Raises LabError, in words, where there is none."""
    by_place: dict[tuple[str, float], list[np.ndarray]] = {}
    for lane in sweep.plan.request.lanes:
        if cell := sweep.cells.get(lane):
            by_place.setdefault((lane.rule, lane.guidance_scale), []).append(cell.picture)
    found = [PictureSet(rule, scale, tuple(all_)) for (rule, scale), all_ in by_place.items() if len(all_) > 1]
    if not found:
        raise LabError(TOO_FEW)
    return found


def request(sweep: Sweep, wanted: Iterable[PictureSet]) -> FidelityRequest:
    """For precision and recall of these sets. Raises LabError, in words, where they are too many."""
    whole = sweep.plan.request
    return make_request(
        FidelityRequest, model=whole.model, condition=whole.condition, sets=tuple(one.pictures for one in wanted)
    )


def measured(found: Sequence[tuple[PictureSet, Fidelity]] = ()) -> str:
    """Precision and recall over the scale, a curve for each rule; empty before anything is measured."""
    scales = sorted({one.scale for one, _ in found})
    ticks = [(along(scale), f"{scale:g}") for scale in scales]
    rules = list(dict.fromkeys(one.rule for one, _ in found))
    charts = [_share(name, found, rules, ticks) for name in ("precision", "recall")]
    names = legend([Curve(GUIDANCE[rule].title, GUIDANCE[rule].colour, ()) for rule in rules])
    said = widgets.words(_said([event for _, event in found]) if found else "Nothing is measured yet.")
    return f'{names}<div class="curves two">{figures(charts)}</div>{said}'


def _share(
    name: str, found: Sequence[tuple[PictureSet, Fidelity]], rules: Sequence[str], ticks: Sequence[tuple[float, str]]
) -> Chart:
    curves = []
    for rule in rules:
        mine = sorted(((one.scale, getattr(event, name)) for one, event in found if one.rule == rule))
        title = GUIDANCE[rule].title
        line = tuple(Point(along(at), y, name=f"{title}, scale {at:g}: {name} {y:.2f}") for at, y in mine)
        curves.append(Curve(title, GUIDANCE[rule].colour, line, line))
    return Chart(name, "of your grid", curves, SCALE, ticks, SHARE, width=WIDE)


def _said(events: Sequence[Fidelity]) -> str:
    """How the sets were measured, and what so few pictures are worth."""
    first, fewest = events[0], min(event.n for event in events)
    how = f"Sets of {fewest} pictures against {first.real} real ones of the same condition, k = {first.k}."
    few = f" With fewer than {FEW} a set, one picture decides much: take them for a hint." if fewest < FEW else ""
    return f"{how}{few} Small sets are biased; compare scales with each other only."
