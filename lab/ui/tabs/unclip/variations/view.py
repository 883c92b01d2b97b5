"""The stage of the room: the picture, its embedding, and rows of what is drawn from it. Pure functions to markup."""

from collections.abc import Sequence
from html import escape

import numpy as np

from lab.quantities import quantity
from lab.ui.shell import widgets
from lab.ui.tabs.unclip import view
from lab.ui.tabs.unclip.outcome import Outcome
from lab.ui.tabs.unclip.variations import figures, plans

NEAREST = 4


def stage(
    outcome: Outcome | None,
    experiment: str,
    rows: Sequence[plans.Row],
    heads: Sequence[str],
    picture: np.ndarray | None,
) -> str:
    """The picture and its embedding above, and beneath what is drawn from it; as large before a run."""
    if outcome is not None:
        experiment, picture = plans.experiment(outcome.request), outcome.request.pictures[0]
        rows, heads = plans.rows(outcome.request), plans.heads(outcome.request)
    grid = view.grid(
        "Pictures drawn from the embedding",
        heads,
        [(row.title, row.more, [_cell(outcome, lane, row) for lane in row.lanes]) for row in rows],
    )
    return f'<div data-room="variations" class="variations">{_first(outcome, experiment, picture)}{grid}</div>'


def _first(outcome: Outcome | None, experiment: str, picture: np.ndarray | None) -> str:
    """The picture, what comes back from its inverted x_T, and the nearest pictures of its embedding."""
    itself = None if outcome is None else figures.itself(outcome)
    found = [view.cell(picture, "The picture", "The picture", f"judge: {itself.caption}" if itself else "")]
    if experiment == plans.SEEDS:
        apart = None if outcome is None else figures.apart(outcome, 0)
        back = None if outcome is None else outcome.picture(0)
        more = "" if apart is None else f"RMS {apart:.1f}"
        found.append(view.cell(back, "Drawn from its inverted x_T at η = 0", "inverted x_T, η = 0", more))
    embedded = None if outcome is None else outcome.embedded.get(0)
    near = view.embedding(embedded, "Its embedding z, as the nearest pictures of the lab", NEAREST)
    return f'<div class="variations-first">{"".join(found)}{near}</div>'


def _cell(outcome: Outcome | None, lane: int, row: plans.Row) -> str:
    words = f"{row.title}, {row.more}"
    if outcome is None:
        return view.cell(None, words)
    return view.drawn(outcome, lane, words)


def words(outcome: Outcome) -> str:
    """What is kept and what changes, in sentences."""
    itself = figures.itself(outcome)
    if itself is None or not outcome.whole:
        return ""
    say = _of_noise if plans.experiment(outcome.request) == plans.NOISE else _of_seeds
    said = f"The judge takes the picture itself for “{itself.caption}”, of “{view.kind(itself)}”. {say(outcome)}"
    return widgets.words(widgets.subscripts(said))


def _tally(outcome: Outcome, lanes: Sequence[int]) -> str:
    verdicts = [figures.verdict(outcome, lane) for lane in lanes]
    things, kinds = verdicts.count(view.THING), len(verdicts) - verdicts.count(view.OTHER)
    return f"{things} of {len(lanes)} for the same thing and {kinds} for the same kind"


def _of_seeds(outcome: Outcome) -> str:
    rows = {row.title: row for row in plans.rows(outcome.request)}
    said = []
    for title, row in rows.items():
        apart = figures.mean(figures.apart(outcome, lane) for lane in row.lanes)
        said.append(
            f"With {title} and {row.more} it takes {_tally(outcome, row.lanes)}, at {view.number(apart, 1)} grey levels RMS from the picture."
        )
    back = figures.apart(outcome, 0)
    said.append(f"Inverted x_T with η = 0 comes back to {view.number(back, 1)} grey levels.")
    return " ".join(said)


def _of_noise(outcome: Outcome) -> str:
    rows, levels = plans.rows(outcome.request), plans.levels(outcome.request)
    columns = [[row.lanes[place] for row in rows] for place in range(len(levels))]
    cosines = [figures.mean(figures.cosine(outcome, lane) for lane in lanes) for lanes in columns]
    first, last = levels[0], levels[-1]
    return (
        f"At level {first} it takes {_tally(outcome, columns[0])}, at level {last} {_tally(outcome, columns[-1])}; the cosine to the picture goes from "
        f"{view.number(cosines[0])} to {view.number(cosines[-1])}. Each row has one x_T, so only the embedding’s noise makes its pictures differ."
    )


def summary(outcome: Outcome) -> str:
    """A sentence at the end of a run."""
    lanes = [lane for row in plans.rows(outcome.request) for lane in row.lanes if lane in outcome.judged]
    cosine = figures.mean(figures.cosine(outcome, lane) for lane in lanes)
    if cosine is None:
        return f"{quantity(len(outcome.results), 'picture')}."
    return f"{quantity(len(lanes), 'picture')} from one embedding; cosine to the picture, by the judge, {view.number(cosine)} on average."


def table(outcome: Outcome) -> str:
    """All numbers, a row a picture."""
    rows = []
    for lane, settings in enumerate(outcome.request.lanes):
        one = outcome.request.embeddings[settings.embedding or 0]
        cells = [
            "inverted" if settings.inverted else "drawn", f"{settings.seed}", f"{settings.eta:g}", f"{settings.guidance_scale:g}",
            f"{one.noise_level}", view.number(figures.apart(outcome, lane), 1), escape(figures.verdict(outcome, lane)),
        ]  # fmt: skip
        rows.append((lane, cells))
    head = ["x<sub>T</sub>", "seed", "η", "guidance", "level of noise on z", "RMS to the picture", "judge: it is"]
    return view.table(head, outcome, rows)
