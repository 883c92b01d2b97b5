"""The room's numbers. Pure functions of what has come of a run."""

import numpy as np

from lab.measures import foreground, overlap, rms
from lab.ui.tabs.unclip.difference import plans
from lab.ui.tabs.unclip.outcome import Outcome

UNSEEN, SAME_OUTLINE = (
    4.0,
    0.85,
)  # RMS of 255 below which nobody sees a change; overlap from which on an outline is the same
NOTHING, COLOUR, OUTLINE = "nothing", "colour", "outline"


def change(outcome: Outcome, row: plans.Row, lane: int) -> float | None:
    """How far a finished picture is from its row's first, at θ = 0: RMS in grey levels."""
    pair = _pair(outcome, row, lane)
    return None if pair is None else rms(*pair)


def kept(outcome: Outcome, row: plans.Row, lane: int) -> float | None:
    """What its outline shares with that of its row's first: intersection over union of what is not background."""
    pair = _pair(outcome, row, lane)
    return None if pair is None else overlap(*map(foreground, pair))


def _pair(outcome: Outcome, row: plans.Row, lane: int) -> tuple[np.ndarray, np.ndarray] | None:
    results = outcome.results
    return (results[lane].picture, results[row.lanes[0]].picture) if {lane, row.lanes[0]} <= {*results} else None


def verdict(outcome: Outcome, row: plans.Row) -> str:
    """What turning all the way changed of a row's picture; "" before that is known."""
    changed, same = change(outcome, row, row.lanes[-1]), kept(outcome, row, row.lanes[-1])
    if changed is None or same is None:
        return ""
    return NOTHING if changed < UNSEEN else COLOUR if same >= SAME_OUTLINE else OUTLINE


def fit(outcome: Outcome, lane: int) -> float | None:
    """The judge's cosine of a lane's picture and the text that is wanted."""
    judged = outcome.judged.get(lane)
    return None if judged is None else judged.fit
