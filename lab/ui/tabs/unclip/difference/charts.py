"""The chart of the room. Pure functions."""

from html import escape
from typing import Any

from lab.ui.shell import plots
from lab.ui.tabs.unclip.difference import figures, plans
from lab.ui.tabs.unclip.outcome import Outcome

HEIGHT = 262
BLUE, GREY, COLOURS = "#4269d0", "#9498a0", ("#e8590c", "#2f9e6e")
MARGIN = {**plots.MARGIN, "t": 26, "b": 48}
LONGEST = 18  # characters of a text in the legend


def chart(outcome: Outcome) -> Any:
    """Cosines over θ: of the embedding to both texts, by its own CLIP, and of the pictures to the text that is wanted, by the judge."""
    if not outcome.embedded:
        return None
    text, base = (_short(one) for one in plans.texts(outcome.request))
    turns = [one.turn for one in outcome.request.embeddings]
    there = [outcome.embedded.get(index) for index in range(len(turns))]
    traces = [
        _curve(turns, [one.to_text if one else None for one in there], f"z to “{text}”", BLUE, "dash"),
        _curve(turns, [one.to_base if one else None for one in there], f"z to “{base}”", GREY, "dash"),
    ]
    for row, colour in zip(plans.rows(outcome.request), COLOURS, strict=False):
        own = outcome.request.lanes[row.lanes[0]].inverted
        name = f"judge, {'own x<sub>T</sub>' if own else 'x<sub>T</sub> drawn'}"
        traces.append(_curve(turns, [figures.fit(outcome, lane) for lane in row.lanes], name, colour, "solid"))
    return plots.figure(
        traces,
        height=HEIGHT,
        margin=MARGIN,
        xaxis={"title": {"text": "θ, the part of the way"}},
        yaxis={"title": {"text": "cosine"}},
    )


def _curve(turns: list[float], values: list[float | None], name: str, colour: str, dash: str) -> dict[str, Any]:
    points = [(turn, round(value, 3)) for turn, value in zip(turns, values, strict=True) if value is not None]
    x, y = [turn for turn, _ in points], [value for _, value in points]
    return plots.line(x, y, name, colour, mode="lines+markers", line={"dash": dash})


def _short(text: str) -> str:
    return escape(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")
