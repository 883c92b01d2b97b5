"""The rows of 'Lane by lane': each is one lane of a comparison, with a sampler, steps, eta and spacing of its own."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import gradio as gr

from lab.capsules.capsule import Choice, Kind, Range, fitted
from lab.catalog import SAMPLERS, SPACINGS, Model, samplers_for
from lab.quantities import quantity
from lab.ui.shell import widgets
from lab.ui.shell.form import Choices, titled
from lab.ui.shell.shelf import Value
from lab.ui.shell.widgets import Update

MAX_COMPARED = 8  # lane cards that still read on a projector


class Lane(NamedTuple):
    """What a row is set to, in the order of its controls and of a capsule."""

    sampler: str = ""  # "": no lane
    steps: int = 20
    eta: float = 0.0
    spacing: str = "trailing"


JUMPS = tuple(Lane("lcm", steps) for steps in (1, 2, 4, 8))  # what a distilled model was made for


class Rows:
    """The rows' components, each row in the order of Lane. Laid out where it is made; holds nothing of any visitor."""

    def __init__(self, lanes: Sequence[Lane], model: Model) -> None:
        with widgets.more("Lane by lane") as self.box:
            gr.Markdown("Every row is one lane. Give each its own sampler, steps, eta and spacing.")
            self.rows = [_row(index, lane, model) for index, lane in enumerate(_all_rows(lanes))]

    def __iter__(self) -> Iterator[Sequence[Any]]:
        return iter(self.rows)

    @property
    def parts(self) -> list[Any]:
        """The components of all rows."""
        return [part for row in self.rows for part in row]

    def read(self, values: Mapping[Any, Any]) -> list[Lane]:
        """What a handler was given, row by row."""
        return [Lane(*(values[part] for part in row)) for row in self.rows]

    def show(self, lanes: Sequence[Lane], model: Model) -> Update:
        """The rows as `lanes` have them, with the samplers of a model; those that are left over are no lanes."""
        updates: Update = {}
        for row, lane in zip(self.rows, _all_rows(lanes), strict=True):
            sampler = gr.update(choices=_choices(model), value=lane.sampler)
            updates |= dict(zip(row, (sampler, *lane[1:]), strict=True))
        return updates


def values_of(lanes: Sequence[Lane]) -> list[Any]:
    """What the rows' components are set to, in the order of `Rows.parts`."""
    return [value for lane in _all_rows(lanes) for value in lane]


def samplers_of(lanes: Sequence[Lane]) -> list[str]:
    """Their names, each once."""
    return list(dict.fromkeys(lane.sampler for lane in lanes))


def lanes_for(model: Model, samplers: Sequence[str]) -> Sequence[Lane]:
    """What suits a model that was just chosen: its jumps, or the samplers of before that it has."""
    if model.consistency:
        return JUMPS
    return [Lane(name) for name in samplers if name in samplers_for(model)] or [Lane("ddim")]


def from_capsule(rows: Any, model: Model) -> list[Lane]:
    """The lanes in a capsule from anywhere, as the model could have them; none where they cannot be read."""
    rows = rows[:MAX_COMPARED] if isinstance(rows, list) else []
    if not all(isinstance(row, list) and len(row) == len(Lane._fields) for row in rows):
        return []
    possible = [lane for row in rows if (lane := fitting(row, model)) is not None]
    return possible if any(lane.sampler for lane in possible) else []


def to_capsule(lanes: Sequence[Lane], model: Model) -> list[list[Any]]:
    """The rows as a capsule keeps them. A row that no run reads may hold anything: what is no lane leaves an empty row."""
    return [list(fitting(lane, model) or Lane()) for lane in lanes]


def settings_of(rows: Sequence[Sequence[Any]]) -> dict[str, tuple[str, Value]]:
    """The lanes of a capsule in words, part by part, for the shelf; empty rows left out."""
    lanes = [Lane(*row) for row in rows]
    return {
        f"lane-{index}": (f"Lane {index}", [SAMPLERS[lane.sampler].title, quantity(lane.steps, "step"), f"eta {lane.eta:g}", f"{lane.spacing} spacing"])
        for index, lane in enumerate(lanes, 1)
        if lane.sampler
    }  # fmt: skip


def fitting(row: Sequence[Any], model: Model) -> Lane | None:
    """The row's values as a lane of the model; None where one of them is none."""
    kinds: tuple[Kind, ...] = (
        Choice(("", *samplers_for(model))), Range(1, 1000, whole=True), Range(0, 1), Choice(tuple(SPACINGS))
    )  # fmt: skip
    lane = Lane(*map(fitted, row, kinds))
    return None if None in lane else lane


def _row(index: int, lane: Lane, model: Model) -> tuple[gr.Dropdown, gr.Number, gr.Number, gr.Dropdown]:
    with gr.Row(elem_classes="lane-row"):
        return (
            gr.Dropdown(_choices(model), value=lane.sampler, label=f"Lane {index + 1}", scale=3, min_width=110),
            gr.Number(lane.steps, label="Steps", scale=1, min_width=60),
            gr.Number(lane.eta, label="Eta", minimum=0, maximum=1, step=0.05, scale=1, min_width=60),
            gr.Dropdown(list(SPACINGS), value=lane.spacing, label="Spacing", scale=2, min_width=90),
        )


def _choices(model: Model) -> Choices:
    return [("—", ""), *titled(samplers_for(model))]


def _all_rows(lanes: Sequence[Lane]) -> list[Lane]:
    """As many as there are rows."""
    return [*lanes, *[Lane()] * MAX_COMPARED][:MAX_COMPARED]
