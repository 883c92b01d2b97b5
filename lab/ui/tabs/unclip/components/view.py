"""The stage of the room: a column for each number of components, and the picture at the end. Pure functions to markup."""

from collections.abc import Sequence
from html import escape

import numpy as np

from lab.quantities import quantity
from lab.requests.unclip import Near
from lab.ui.shell import widgets
from lab.ui.tabs.unclip import view
from lab.ui.tabs.unclip.components import figures, plans
from lab.ui.tabs.unclip.outcome import Outcome
from lab.unclip_curves import UnclipCurves

ALIKE = {view.THING: "thing", view.KIND: "kind", view.OTHER: "other"}  # classes


def stage(outcome: Outcome | None, counts: Sequence[int], seeds: int, picture: np.ndarray | None) -> str:
    """What each number of components keeps, as its nearest picture, and what is drawn from it; as large before a run."""
    if outcome is not None:
        counts, picture = plans.counts(outcome.request), outcome.request.pictures[0]
        seeds = len(plans.lanes_of(outcome.request, 0))
    columns = "".join(_column(outcome, place, count, seeds) for place, count in enumerate(counts))
    return (
        f'<div data-room="components" class="components" style="--columns:{len(counts) + 1}" role="group" '
        f'aria-label="An embedding by its components">{columns}{_itself(outcome, picture)}</div>'
    )


def _column(outcome: Outcome | None, place: int, count: int, seeds: int) -> str:
    kept = None if outcome is None else outcome.embedded.get(plans.MEAN + 1 + place)
    lanes = range(place, place + seeds) if outcome is None else plans.lanes_of(outcome.request, place)
    drawn = "".join(_drawn(outcome, lane, count) for lane in lanes)
    share = None if outcome is None else figures.variance(outcome, place)
    said = f"{100 * share:.0f} %" if share is not None else "\u00a0"
    return _section(quantity(count, "component"), f"{count}", said, drawn, kept.nearest[0] if kept else None)


def _drawn(outcome: Outcome | None, lane: int, count: int) -> str:
    words = f"Drawn from {quantity(count, 'component')}"
    if outcome is None:
        return view.cell(None, words)
    verdict, judged = figures.verdict(outcome, lane), outcome.judged.get(lane)
    caption = judged.nearest.caption if judged else ""
    return view.drawn(outcome, lane, words, caption, verdict, ALIKE.get(verdict, ""))


def _itself(outcome: Outcome | None, picture: np.ndarray | None) -> str:
    """The picture, in the place of what is drawn from all."""
    itself = None if outcome is None else figures.picture(outcome)
    whole = None if outcome is None else outcome.embedded.get(0)
    cell = view.cell(picture, "The picture", itself.caption if itself else "", mark="lead")
    return _section("The picture", "picture", "\u00a0", cell, whole.nearest[0] if whole else None)


def _section(label: str, title: str, said: str, drawn: str, nearest: Near | None) -> str:
    return (
        f'<section class="components-column" aria-label="{escape(label, quote=True)}"><h4>{escape(title)}</h4><small>{said}</small>'
        f"{drawn}{view.near(nearest)}</section>"
    )


def words(outcome: Outcome, curves: UnclipCurves | None = None) -> str:
    """What the judge makes of it, in sentences, and what was measured over many pictures, where that is known."""
    itself, counts = figures.picture(outcome), plans.counts(outcome.request)
    if itself is None or not outcome.whole:
        return ""
    kinds = _counts_with(outcome, counts, view.THING, view.KIND)
    things = _counts_with(outcome, counts, view.THING)
    said = (
        f"The judge takes the picture itself for “{itself.caption}”, of “{view.kind(itself)}”. What is drawn it takes for that kind with "
        f"{kinds}, and for that very thing with {things}. "
    )
    return widgets.words(
        escape(said)
        + "Each column begins at the same x<sub>T</sub>. Above it stands the share of the variance of the lab’s pictures that is kept, and below "
        f"it, small, the picture whose embedding lies nearest to what is left.{_over_many(curves)}"
    )


def _over_many(curves: UnclipCurves | None) -> str:
    """At how many components the judge knows the kind of half as many drawings as it ever does, and what it knows of the thing there."""
    if curves is None or not curves.kept:
        return ""
    last = curves.kept[-1]
    half = next(one for one in curves.kept if one.group >= last.group / 2)
    return (
        f" Over {curves.prompts} drawings: "
        + "; ".join(
            f"with {quantity(one.components, 'component')} the judge takes {100 * one.group:.0f} % for the drawing’s kind and "
            f"{100 * one.caption:.0f} % for the very thing"
            for one in dict.fromkeys((half, last))
        )
        + "."
    )


def _counts_with(outcome: Outcome, counts: Sequence[int], *verdicts: str) -> str:
    """The numbers with whose components most of the pictures have one of these verdicts, in words."""
    found = [count for place, count in enumerate(counts) if (figures.share(outcome, place, *verdicts) or 0) > 0.5]
    listed = ", ".join(f"{count}" for count in found[:-1])
    return (
        f"{listed} and {found[-1]} components"
        if listed
        else quantity(found[0], "component")
        if found
        else "none of them"
    )


def summary(outcome: Outcome) -> str:
    """A sentence at the end of a run."""
    counts = plans.counts(outcome.request)
    cosines = [(count, figures.drawn(outcome, place)) for place, count in enumerate(counts)]
    there = [(count, value) for count, value in cosines if value is not None]
    if not there:
        return f"{quantity(len(outcome.results), 'picture')}."
    (least, low), (most, high) = min(there), max(there)
    return f"Cosine to the picture, by the judge: {view.number(low)} with {quantity(least, 'component')}, {view.number(high)} with {most}."


def table(outcome: Outcome) -> str:
    """All numbers, a row a picture."""
    rows = []
    for place, count in enumerate(plans.counts(outcome.request)):
        for lane in plans.lanes_of(outcome.request, place):
            kept = outcome.embedded.get(plans.MEAN + 1 + place)
            cells = [
                f"{count}", f"{outcome.request.lanes[lane].seed}", view.number(figures.variance(outcome, place), 3),
                view.number(figures.own(outcome, place), 3), view.number(figures.cosine(outcome, place), 3),
                escape(kept.nearest[0].caption) if kept else "", figures.verdict(outcome, lane),
            ]  # fmt: skip
            rows.append((lane, cells))
    head = ["components", "seed", "variance kept", "of this one", "CLIP: cos to whole", "CLIP: nearest", "judge: it is"]
    return view.table(head, outcome, rows)
