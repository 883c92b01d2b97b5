"""What the tab shows of a run: pictures in the making, beside each what it is nearest to, and figures."""

from collections.abc import Mapping
from html import escape
from math import ceil

import numpy as np

from lab.quantities import quantity
from lab.requests.invention import Invention
from lab.requests.sampling import Step
from lab.ui.shell import lane_view, reel, widgets
from lab.ui.tabs.memory.outcome import COPY, Outcome, Tally, is_copy, tally
from lab.ui.tabs.memory.plans import Head, Plan, known, name

Steps = Mapping[int, Step]  # by lane: whose x_0 is shown
Found = Mapping[int, Invention]  # by lane

ROOM = (730, 416)  # px of a small window for all pictures, across and down
BENEATH = 34  # px of what stands beneath a picture
MOST_NARROW = 5  # pictures side by side on a phone


def part(lane: int) -> str:
    """What a picture is called in the reel."""
    return f"{lane}-picture"


def stage(plan: Plan, steps: Steps, found: Found) -> str:
    """All pictures of a run as far as they are made, in rows and columns with their heads."""
    body = ["<span></span>", *(_head(plan, found, one, "head") for one in plan.columns)]
    for index, row in enumerate(plan.rows):
        begin = index * len(plan.columns)
        body.append(_head(plan, found, row, "side"))
        body += [_cell(plan, lane, steps, found) for lane in plan.lanes[begin : begin + len(plan.columns)]]
    columns = len(plan.columns)
    narrow = ceil(columns / ceil(columns / MOST_NARROW))
    size = f"--columns:{columns};--rows:{len(plan.rows)};--narrow:{narrow}"
    kind = "beside" if _stands_beside(len(plan.columns), len(plan.rows)) else "beneath"
    name = f"Pictures of {quantity(len(plan.request.machines), 'machine')} from {quantity(len(plan.request.seeds), 'seed')}"
    return (
        f'<div class="inventions-box"><div class="inventions {kind}" data-experiment="{plan.experiment}" style="{size}" '
        f'role="group" aria-label="{escape(name)}">{"".join(body)}</div></div>'
    )


def _stands_beside(columns: int, rows: int) -> bool:
    """Whether pictures are larger with what they are nearest to beside them than beneath them."""
    across, down = ROOM[0] / columns, ROOM[1] / rows
    return min(0.6 * across, down) >= min(across, down - BENEATH)


def finished(outcome: Outcome, plays: bool) -> str:
    """The stage of a run that has ended, with its film."""
    ends = {lane: steps[-1] for lane, steps in outcome.steps.items()}
    names = [part(lane) for lane in range(len(outcome.plan.lanes))]
    film = reel.guesses(outcome, names)
    return film.wrap(stage(outcome.plan, ends, outcome.found), plays)


def _head(plan: Plan, found: Found, head: Head, kind: str) -> str:
    """A head; of a machine it says how many copies it made and how like the network's its pictures are, in lines that are there
    before that is known."""
    figures = ""
    if head.machine is not None:
        one = tally(plan, found, head.machine)
        likeness = "&nbsp;" if one.r2 is None else f"r² {one.r2:.2f}"
        figures = f"<em>{copies(one) or '&nbsp;'}</em><em>{likeness}</em>"
    more = f"<i>{escape(head.more)}</i>" if head.more else ""
    colour = f' style="--machine:{head.colour}"' if head.colour else ""
    return f'<span class="{kind}"{colour}><b>{escape(head.title)}</b>{more}{figures}</span>'


def copies(one: Tally) -> str:
    """How many of a machine's pictures are copies: "3/4 copied"; "" before the first."""
    return f"{one.copies}/{one.finished} copied" if one.finished else ""


def _cell(plan: Plan, lane: int, steps: Steps, found: Found) -> str:
    """A picture, and what it is nearest to; both have their place before they are there."""
    step, one = steps.get(lane), found.get(lane)
    picture = "" if step is None else lane_view.image(step.x_0, plan.title(lane), part(lane))
    bar = f'<i style="width:{100 * step.i / step.n:.0f}%"></i>' if step is not None and step.i < step.n else ""
    mark = "" if one is None else f' data-copy="{str(is_copy(one)).lower()}"'
    return f'<figure class="invention"{mark}><div>{picture}{bar}</div>{_nearest(one)}</figure>'


def _nearest(one: Invention | None) -> str:
    """The nearest training picture, small, and how far away it is."""
    if one is None:
        return '<figcaption class="near"><span></span><small>&nbsp;</small></figcaption>'
    words = f"nearest training picture: {one.nearest_caption}"
    verdict = "copy" if is_copy(one) else "new"
    return (
        f'<figcaption class="near" title="{escape(one.nearest_caption, quote=True)}"><span>{lane_view.image(one.nearest, words)}</span>'
        f"<small><b>{verdict}</b> {grey(one.nearest_rms)}</small></figcaption>"
    )


def grey(rms: float) -> str:
    """A distance in grey levels: whole ones, a tenth where it is small, and 0 where it is nothing."""
    return f"{rms:.0f}" if rms >= 9.95 else "0" if rms < 0.05 else f"{rms:.1f}"


# In words


def under_stage(plan: Plan, found: Found) -> str:
    """Of every kind of machine, how many of its pictures are copies, and how that is measured."""
    kinds = dict.fromkeys(name(machine) for machine in plan.request.machines)
    copied = "; ".join(_of_kind(plan, found, kind) for kind in kinds) if found else "…"
    return widgets.words(
        f"<b>Copied:</b> {copied}. Beside each picture is the nearest training picture that its machine knows, and the RMS "
        f"distance to it in grey levels of 255; below {COPY:g} it is a copy."
    )


def _of_kind(plan: Plan, found: Found, kind: str) -> str:
    """The copies of all machines of one kind, and where some are none, which: "Local score 6 of 24: 3 with 31 px, 3 with 63 px"."""
    machines = [index for index, machine in enumerate(plan.request.machines) if name(machine) == kind]
    tallies = [(_size(plan, index), tally(plan, found, index)) for index in machines]
    copies, finished = sum(one.copies for _, one in tallies), sum(one.finished for _, one in tallies)
    some = [f"{one.copies} with {size}" for size, one in tallies if one.copies]
    which = f": {', '.join(some)}" if len(machines) > 1 and 0 < copies < finished else ""
    return f"{escape(kind)} {copies} of {finished}{which}"


def _size(plan: Plan, index: int) -> str:
    """What sets a machine apart from the others of its kind."""
    machine = plan.request.machines[index]
    return f"{machine.patch} px" if plan.experiment == "patch" else known(machine.pictures)


def to_come(plan: Plan, steps: Steps) -> list[str]:
    """The kinds of machines none of which has begun: their models may be loading."""
    begun = {name(machine) for index, machine in enumerate(plan.request.machines) if steps.keys() & {*plan.of(index)}}
    return list(dict.fromkeys(kind for kind in map(name, plan.request.machines) if kind not in begun))


def progress(plan: Plan, steps: Steps) -> str:
    """How far a run has come, in calls, and who is still to begin."""
    calls, total = sum(step.i for step in steps.values()), len(plan.lanes) * plan.request.steps
    words = [quantity(len(plan.lanes), "lane"), f"{calls} of {quantity(total, 'denoiser call')}"]
    if kinds := to_come(plan, steps):
        words.append(f"to come: {', '.join(kinds)}")
    return " · ".join(words)


def summary(outcome: Outcome) -> str:
    """What a finished run took."""
    ends = [steps[-1] for steps in outcome.steps.values()]
    calls, seconds = sum(step.i for step in ends), max((step.elapsed_s for step in ends), default=0)
    return f"{quantity(len(ends), 'picture')}, {quantity(calls, 'denoiser call')} in {seconds:.1f} s."


def table(outcome: Outcome) -> str:
    """Every machine in figures."""
    head = ("machine", "patch", "knows", "pictures", "copies", "to the nearest", "r² with the network", "between seeds")
    rows = []
    for index, machine in enumerate(outcome.plan.request.machines):
        one = tally(outcome.plan, outcome.found, index)
        patch = f"{machine.patch} px" if machine.kind == "local" else ""
        rms, others = ("" if value is None else f"{value:.1f}" for value in (one.rms, one.others))
        r2 = "" if one.r2 is None else f"{one.r2:.2f}"
        rows.append(
            (name(machine), patch, known(machine.pictures), str(one.finished), str(one.copies), rms, r2, others)
        )
    return widgets.table(head, rows)


def pictures(outcome: Outcome) -> list[tuple[int, np.ndarray]]:
    """Lanes with their finished pictures, in order."""
    return [(lane, one.picture) for lane, one in sorted(outcome.found.items())]
