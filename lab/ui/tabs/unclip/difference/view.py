"""The stage of the room: the picture, the embedding at every turn, and what is drawn from it. Pure functions to markup."""

from html import escape

import numpy as np

from lab.quantities import quantity
from lab.requests.unclip import UnclipRequest
from lab.ui.shell import widgets
from lab.ui.tabs.unclip import view
from lab.ui.tabs.unclip.difference import figures, plans
from lab.ui.tabs.unclip.outcome import Outcome

SEEN = {
    figures.NOTHING: "nothing that one sees has changed",
    figures.COLOUR: "the outline stayed and the colours changed",
    figures.OUTLINE: "the outline is another",
}


def stage(outcome: Outcome | None, request: UnclipRequest, picture: np.ndarray | None) -> str:
    """The picture with the pictures drawn from its turned embedding in rows, and what lies nearest to the embedding itself; as large before
    a run."""
    heads = ["the picture", *(f"θ = {one.turn:g}" for one in request.embeddings)]
    rows = [
        (
            row.title,
            row.more,
            [_first(outcome, picture, row), *(_cell(outcome, row, lane, request) for lane in row.lanes)],
        )
        for row in plans.rows(request)
    ]
    embedded = [None if outcome is None else outcome.embedded.get(index) for index in range(len(request.embeddings))]
    near = [cell for one in embedded for cell in view.nearest(one, 1)]
    rows.append(("Its embedding z", "nearest picture of the lab", ["<span></span>", *near]))
    grid = view.grid("The picture’s embedding, turned and drawn", heads, rows)
    return f'<div data-room="difference" class="difference">{grid}</div>'


def _first(outcome: Outcome | None, picture: np.ndarray | None, row: plans.Row) -> str:
    """The picture itself, in the first row alone, with what the judge takes it for."""
    itself = None if outcome is None else outcome.judged_pictures.get(0)
    caption = itself.nearest.caption if itself else ""
    return "<span></span>" if row.lanes[0] else view.cell(picture, "The picture", caption)


def _cell(outcome: Outcome | None, row: plans.Row, lane: int, request: UnclipRequest) -> str:
    turn = request.embeddings[request.lanes[lane].embedding or 0].turn
    fit = None if outcome is None else figures.fit(outcome, lane)
    words = f"{row.title}, {row.more}, θ = {turn:g}"
    return view.drawn(outcome, lane, words, more="" if fit is None else f"fit {view.number(fit)}")


def words(outcome: Outcome) -> str:
    """What was turned, and what that changed, in sentences."""
    request = outcome.request
    if not outcome.whole or len(outcome.embedded) < len(request.embeddings):
        return ""
    text, base = plans.texts(request)
    first, last = outcome.embedded[0], outcome.embedded[len(request.embeddings) - 1]
    said = [
        f"Turned to θ = {request.embeddings[-1].turn:g}, the embedding’s cosine to “{text}” goes from {view.number(first.to_text)} to "
        f"{view.number(last.to_text)} and to “{base}” from {view.number(first.to_base)} to {view.number(last.to_base)}; the picture of the lab "
        f"nearest to it from “{first.nearest[0].caption}” to “{last.nearest[0].caption}”."
    ]
    said += [_of_row(outcome, row) for row in plans.rows(request)]
    return widgets.words(widgets.subscripts(" ".join(said)))


def _of_row(outcome: Outcome, row: plans.Row) -> str:
    first, last = row.lanes[0], row.lanes[-1]
    changed, same = figures.change(outcome, row, last), figures.kept(outcome, row, last)
    seen = SEEN.get(figures.verdict(outcome, row), "")
    judged = outcome.judged.get(last)
    fits = f"the judge’s fit to “{plans.texts(outcome.request)[0]}” goes from {view.number(figures.fit(outcome, first))} to {view.number(figures.fit(outcome, last))}"
    taken = f", and it takes the last for “{judged.nearest.caption}”" if judged else ""
    return (
        f"With {'its own x_T' if outcome.request.lanes[first].inverted else 'x_T drawn'} {seen} (RMS {view.number(changed, 1)} of 255, "
        f"overlap {view.number(None if same is None else 100 * same, 0)} %): {fits}{taken}."
    )


def summary(outcome: Outcome) -> str:
    """A sentence at the end of a run."""
    count = quantity(len(outcome.results), "picture")
    fits = [value for lane in outcome.results if (value := figures.fit(outcome, lane)) is not None]
    text, _ = plans.texts(outcome.request)
    return f"{count}; the judge’s fit to “{text}” is {view.number(max(fits))} at most." if fits else f"{count}."


def table(outcome: Outcome) -> str:
    """All numbers, a row a picture."""
    text, base = (escape(one) for one in plans.texts(outcome.request))
    found = []
    for row in plans.rows(outcome.request):
        for index, lane in enumerate(row.lanes):
            embedded, judged = outcome.embedded.get(index), outcome.judged.get(lane)
            rank = f"{judged.rank} of {judged.captions}" if judged and judged.rank else ""
            cells = [
                widgets.subscripts(row.title), f"{outcome.request.embeddings[index].turn:g}",
                view.number(embedded.to_text if embedded else None, 3), view.number(embedded.to_base if embedded else None, 3),
                view.number(figures.fit(outcome, lane), 3), rank,
                view.number(figures.change(outcome, row, lane), 1), view.number(figures.kept(outcome, row, lane)),
            ]  # fmt: skip
            found.append((lane, cells))
    head = [
        "x<sub>T</sub>", "θ", f"z to “{text}”", f"z to “{base}”", f"judge: fit to “{text}”", "its rank among captions",
        "RMS to θ = 0", "overlap with θ = 0",
    ]  # fmt: skip
    return view.table(head, outcome, found)
