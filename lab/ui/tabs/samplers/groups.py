"""The share of two groups on the stage: for each sampler a wall of its pictures, and how many belong to the first group."""

from collections.abc import Mapping, Sequence
from html import escape

from lab.catalog import GROUPS, SAMPLERS
from lab.quantities import quantity
from lab.requests.share import GroupStep, ShareRequest
from lab.ui.shell import lane_view, widgets

Latest = Mapping[int, GroupStep]  # of each lane


def stage(request: ShareRequest, latest: Latest) -> str:
    """A block a sampler: pictures framed in the colour of their group, the bar of the share, and the share in words."""
    body = "".join(_block(request, index, latest) for index in range(len(request.samplers)))
    name = f"Ends of each sampler, {quantity(request.counts[0], 'picture')} of {' and '.join(_with_counts(request))} as the data"
    return f'<div class="lanes" style="--columns:{len(request.samplers)}" role="group" aria-label="{escape(name)}">{body}</div>'


def progress(request: ShareRequest, latest: Latest) -> str:
    """How far a run has come, in calls."""
    calls = sum(lane.calls for lane in request.lanes)
    return f"{quantity(len(request.lanes), 'lane')} · {sum(step.i for step in latest.values())} of {quantity(calls, 'denoiser call')}"


def summary(request: ShareRequest, latest: Latest) -> str:
    """What a finished run took."""
    calls, seconds = sum(step.i for step in latest.values()), max(step.elapsed_s for step in latest.values())
    return f"{quantity(len(request.lanes), 'picture')}, {quantity(calls, 'denoiser call')} in {seconds:.1f} s."


def table(request: ShareRequest, latest: Latest) -> str:
    """The shares in figures."""
    head = (
        "sampler",
        "steps",
        "pictures",
        GROUPS[request.groups[0]],
        GROUPS[request.groups[1]],
        "share of the first",
        "of the data",
    )
    rows = []
    for index, sampler in enumerate(request.samplers):
        groups = [step.group for step in _own(request, index, latest)]
        counts = groups.count(0), groups.count(1)
        numbers = (
            request.steps,
            len(groups),
            *counts,
            f"{counts[0] / max(1, len(groups)):.2f}",
            f"{request.truth:.2f}",
        )
        rows.append((SAMPLERS[sampler].title, *map(str, numbers)))
    return widgets.table(head, rows)


def _with_counts(request: ShareRequest) -> list[str]:
    first, second = (GROUPS[name] for name in request.groups)
    return [first, f"{request.counts[1]} of {second}"]


def _own(request: ShareRequest, index: int, latest: Latest) -> Sequence[GroupStep]:
    """The latest steps of a sampler's lanes."""
    lanes = range(index * request.pictures, (index + 1) * request.pictures)
    return [latest[lane] for lane in lanes if lane in latest]


def _block(request: ShareRequest, index: int, latest: Latest) -> str:
    row, steps = SAMPLERS[request.samplers[index]], _own(request, index, latest)
    cells = [_cell(request, step) for step in steps] + ["<span></span>"] * (request.pictures - len(steps))
    return (
        f'<section class="lane" style="--lane:{row.colour}" aria-label="{escape(row.title)}, {quantity(request.steps, "step")}">'
        f"<header><b>{escape(row.title)}</b><span>{quantity(request.steps, 'step')}</span></header>"
        f'<div class="wall">{"".join(cells)}</div>{_bar(request, steps)}<div class="foot">{_words(request, steps)}</div></section>'
    )


def _cell(request: ShareRequest, step: GroupStep) -> str:
    return f'<span data-group="{step.group}">{lane_view.image(step.x_0, GROUPS[request.groups[step.group]])}</span>'


def _bar(request: ShareRequest, steps: Sequence[GroupStep]) -> str:
    """Both groups as parts of a bar, and a mark where the data's share lies."""
    parts = "".join(
        f'<i data-group="{group}" style="width:{100 * sum(step.group == group for step in steps) / len(steps):.1f}%"></i>'
        for group in (0, 1)
        if steps
    )
    return f'<div class="share-bar" aria-hidden="true">{parts}<b style="left:{100 * request.truth:.0f}%"></b></div>'


def _words(request: ShareRequest, steps: Sequence[GroupStep]) -> str:
    """ "Smileys and emotion 0.75, data 0.80 ± 0.09 (20 pictures)"."""
    data = f"data {request.truth:.2f} ± {request.standard_error:.2f} ({quantity(request.pictures, 'picture')})"
    if not steps:
        return f"{GROUPS[request.groups[0]]}, {data}"
    share = sum(step.group == 0 for step in steps) / len(steps)
    ended = len(steps) == request.pictures and all(step.i == step.n for step in steps)
    return f"{GROUPS[request.groups[0]]} {share:.2f}{'' if ended else ' so far'}, {data}"
