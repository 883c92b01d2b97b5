"""Markup that rooms of unCLIP share: a lane's picture, an embedding as its nearest pictures of the lab, and a grid of pictures with heads.
Pure functions.

    view.grid("Variations", ("seed 0", "seed 1"), [("x_T drawn", "eta 1", [view.drawn(outcome, 0), view.drawn(outcome, 1)])])

All words are escaped here; the style is style.css beside this file.
"""

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from lab.catalog import GROUPS
from lab.requests.unclip import Embedded, Near
from lab.ui.shell import media, widgets
from lab.ui.tabs.unclip.outcome import Outcome

THING, KIND, OTHER = "same thing", "same kind", "another kind"
Row = tuple[str, str, Sequence[str]]  # its head, more of that, and its cells


def number(value: float | None, digits: int = 2) -> str:
    """A number with a real minus, and without one before zero; "" where there is none."""
    return "" if value is None else f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def kind(near: Near) -> str:
    """The group of a picture of the lab, as the page calls it."""
    return GROUPS.get(near.group, near.group)


def alike(one: Near, other: Near) -> str:
    """What two pictures of the lab have in common: THING, where their captions are equal, in whatever style; else KIND or OTHER."""
    if one.caption == other.caption:
        return THING
    return KIND if one.group == other.group else OTHER


def cell(pixels: np.ndarray | None, words: str, caption: str = "", more: str = "", mark: str = "") -> str:
    """A picture of a grid, (height, width, 3) uint8, or its empty square. `words` say what it is to those who do not see it; `caption`
    and `more` stand beneath, a line each; `mark` is a class of its own."""
    image = ""
    if pixels is not None:
        text = escape(words, quote=True)
        image = f'<img alt="{text}" src="{media.data_uri(pixels)}" decoding="sync" draggable="false">'
    lines = "".join(
        f'<span title="{escape(line, quote=True)}">{widgets.subscripts(line)}</span>'
        for line in (caption, more)
        if line
    )
    return (
        f'<figure class="unclip-cell {escape(mark, quote=True)}"><div class="box">{image}</div>'
        f"<figcaption>{lines or '&nbsp;'}</figcaption></figure>"
    )


def drawn(outcome: Outcome | None, lane: int, words: str, caption: str = "", more: str = "", mark: str = "") -> str:
    """A lane's picture as it comes. Without a caption the judge's word stands beneath, once it is there."""
    picture = None if outcome is None else outcome.picture(lane)
    judged = None if outcome is None else outcome.judged.get(lane)
    if judged is not None and not caption:
        caption, more = judged.nearest.caption, more or to_picture(outcome, lane)
    return cell(picture, words, caption, more, mark)


def to_picture(outcome: Outcome | None, lane: int) -> str:
    """How near the judge finds a lane's picture to the first of the request's, in words; "" where it has not said so."""
    judged = None if outcome is None else outcome.judged.get(lane)
    return "" if judged is None or judged.to_picture is None else f"cos {number(judged.to_picture)}"


def near(one: Near | None) -> str:
    """A picture of the lab with its caption and the cosine."""
    if one is None:
        return cell(None, "")
    return cell(
        one.picture, f"{one.caption}, cosine {number(one.cosine)}", one.caption, f"cos {number(one.cosine)}", "near"
    )


def nearest(embedded: Embedded | None, count: int = 4) -> list[str]:
    """An embedding, drawn as the pictures of the lab that lie nearest to it; as many empty squares before it is there."""
    found = () if embedded is None else embedded.nearest[:count]
    return [near(one) for one in found] + [near(None)] * (count - len(found))


def embedding(embedded: Embedded | None, title: str, count: int = 4, more: str = "") -> str:
    """An embedding with its title: its nearest pictures of the lab in one line. `more` says what else is known of it."""
    cells = "".join(nearest(embedded, count))
    return (
        f'<section class="unclip-embedding" aria-label="{escape(title, quote=True)}"><h4>{widgets.subscripts(title)}</h4>'
        f'<div class="unclip-near" style="--count:{count}">{cells}</div><small>{widgets.subscripts(more) or "&nbsp;"}</small></section>'
    )


def grid(name: str, heads: Sequence[str], rows: Iterable[Row]) -> str:
    """Pictures in rows and columns, each with its head; a row has one cell a column, and may lack the last ones."""
    columns = len(heads)
    head = "".join(f'<span class="unclip-head">{widgets.subscripts(one)}</span>' for one in ("", *heads))
    body = "".join(
        f'<span class="unclip-side"><b>{widgets.subscripts(title)}</b><small>{widgets.subscripts(more)}</small></span>'
        f"{''.join(cells)}{'<span></span>' * (columns - len(cells))}"
        for title, more, cells in rows
    )
    return f'<div class="unclip-grid" role="group" aria-label="{escape(name, quote=True)}" style="--columns:{columns}">{head}{body}</div>'


def table(head: Sequence[str], outcome: Outcome, rows: Iterable[tuple[int, Sequence[str]]]) -> str:
    """Numbers of lanes: the cells of each, then the judge's nearest picture of the lab, its kind and the cosines."""
    said = []
    for lane, cells in rows:
        judged = outcome.judged.get(lane)
        more = ["", "", "", ""]
        if judged is not None:
            one = judged.nearest
            more = [one.caption, kind(one), number(one.cosine, 3), number(judged.to_picture, 3)]
        said.append([*cells, *map(escape, more)])
    return widgets.table([*head, "judge: nearest", "kind", "cos to it", "cos to the picture"], said)
