"""What the Models tab shows of a backend's Status: numbers, memory as bars, a row for each model. Pure functions.

All three keep the same elements in the same order whatever the status says, a model that is not there as a segment of
no width: the page patches what differs and moves nothing else.
"""

from dataclasses import dataclass
from html import escape
from math import isinf

from lab.catalog import CONTROLS, HELPERS, leasable
from lab.requests.status import Compiled, Compiling, LeasePlan, Replica, Resident, Status
from lab.ui.shell.widgets import subscripts

STARTING = "The lab is starting; what it holds appears here in a moment."
NONE = "–"
READY = "ready"
REPLICA_COLUMNS = ("Replica", "Computes on", "Holds", "Memory", "Runs", "Lanes", "Lane steps a second")
HEADROOM = 0.75  # so much of a bar without an end is filled

# One for each model in the order of the page, in bar, key and row alike. All have the same lightness: dark letters on
# them have a contrast above 5, and they stand out from the white and from the dark page above 3.
# fmt: off
COLOURS = ("#7787f3", "#cb8509", "#33a566", "#eb6457", "#1f9fbf", "#b56fdc", "#8d982d", "#e6659e", "#24a592", "#e07227",
           "#7b91ae", "#a88467")
# fmt: on


@dataclass(frozen=True)
class _ModelLine:
    """A row of the catalog, and what the status says of it."""

    name: str
    title: str
    colour: str
    resident: Resident | None
    nbytes: int  # 0 where that is not known yet
    where: str
    run: str  # what pressing Run would do
    notes: tuple[str, ...]


def _lines(status: Status) -> list[_ModelLine]:
    """All that is offered, in the order of the tables, and whatever else is held."""
    residents = {one.name: one for one in status.resident}
    plans = {one.name: one for one in status.plans}
    compiled = {one.name: one for one in status.compiling.models} if status.compiling else {}
    lines: list[_ModelLine] = []
    for name in dict.fromkeys([*plans, *sorted(residents)]):
        title, about = _title_and_about(name)
        resident, plan = residents.get(name), plans.get(name)
        on_disk = resident is not None or plan is None or not plan.fetch
        notes = resident.notes if resident and resident.notes else (about,)
        if resident and resident.own_nbytes < resident.nbytes:
            notes = (*notes, f"{megabytes(resident.nbytes - resident.own_nbytes)} of it shared with others")
        if name in compiled:
            notes = (*notes, _compiled(compiled[name]))
        line = _ModelLine(
            name=name,
            title=title,
            colour=COLOURS[len(lines) % len(COLOURS)],
            resident=resident,
            nbytes=resident.nbytes if resident else plan.nbytes if plan else 0,
            where=_where(resident, on_disk),
            run=_run(plan, resident, on_disk, status),
            notes=notes,
        )
        lines.append(line)
    return lines


def _title_and_about(name: str) -> tuple[str, str]:
    """Title of what the cache calls `name`, and a sentence."""
    row = leasable().get(name)
    if row is None:
        return name, ""
    return f"ControlNet: {row.title}" if name in CONTROLS else row.title, row.about


def _where(resident: Resident | None, on_disk: bool) -> str:
    if resident is None:
        return "on disk" if on_disk else "not fetched"
    return "on the device" if resident.on_device else "in memory"


def _run(plan: LeasePlan | None, resident: Resident | None, on_disk: bool, status: Status) -> str:
    """What pressing Run would do, in words."""
    if plan is None:  # not offered any more
        return "moves to the device" if resident and _two_places(status) and not resident.on_device else READY
    if plan.load:
        does = "loads" if on_disk else "fetches and loads"
        if plan.name in HELPERS:
            return f"{does} when {HELPERS[plan.name].when}"
        does += f" {megabytes(plan.nbytes)}" if plan.nbytes else " it"
    elif plan.move:
        does = "moves to the device"
    else:
        return READY
    return f"{does} and evicts {_two_names([_title_and_about(name)[0] for name in plan.evict])}" if plan.evict else does


def _two_names(names: list[str]) -> str:
    """At most two names, and how many more."""
    words = names if len(names) <= 2 else [*names[:2], f"{len(names) - 2} more"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _two_places(status: Status) -> bool:
    return status.device != "cpu"


# At a glance


def numbers(status: Status | None) -> str:
    """What the lab does at this moment, in four large numbers."""
    values = [NONE] * 4
    if status is not None:
        values = [*map(str, (status.running, status.waiting, status.lanes)), _speed(status.steps_per_s)]
    words = ("runs under way", "waiting in line", "lanes in flight", "lane steps a second")
    return f'<div class="lab-now">{"".join(map(_number, values, words))}</div>'


def _number(value: str, words: str) -> str:
    return f"<div><b{' class=none' if value in ('0', NONE) else ''}>{value}</b><span>{words}</span></div>"


def _speed(steps_per_s: float) -> str:
    return f"{steps_per_s:.1f}" if 0 < steps_per_s < 9.95 else f"{steps_per_s:,.0f}"


# Memory


def memory(status: Status | None) -> str:
    """A bar for each place that holds models, from nothing to its budget, and the key to them."""
    if status is None:
        bar = f'<section><header><b>Memory</b><span>{STARTING}</span></header><div class="bar"></div></section>'
        return f'<div class="memory" style="--rows:1">{bar}<ul class="key"></ul></div>'
    lines = _lines(status)
    whole = f"models only; the whole process takes {size(status.process)}" if status.process else ""
    places = [_Place("Host memory" if _two_places(status) else "Memory", whole, status.host_used, status.host_budget)]
    if _two_places(status):
        words = f"{status.device_name}, {status.device}"
        places.insert(0, _Place("Device memory", words, status.device_used, status.device_budget, on_device=True))
    shared = any(one.own_nbytes < one.nbytes for one in status.resident)
    rest_name = "shared" if shared else "arriving"  # a model that is being loaded is not resident yet
    bars, rest = "", 0
    for place in places:
        own = _own(lines, place)
        rest += place.used - sum(own)
        bars += _bar(place, [*zip(lines, own, strict=True)], rest_name)
    key = "".join(_key(line) for line in lines)
    key += f'<li{"" if rest else " hidden"}><i class="shared"></i><span>{rest_name}</span><b>{size(rest)}</b></li>'
    return f'<div class="memory" style="--rows:{len(lines) + 1}">{bars}<ul class="key">{key}</ul></div>'


@dataclass(frozen=True)
class _Place:
    """Where models are held."""

    title: str
    words: str
    used: int
    budget: float
    on_device: bool = False


def _own(lines: list[_ModelLine], place: _Place) -> list[int]:
    """Bytes of each line's own parts in a place; together at most what is used there.

    They would be more while a model is moved: some of its parts are still, or already, elsewhere.
    """
    left, own = place.used, []
    for line in lines:
        here = line.resident is not None and line.resident.on_device == place.on_device
        own.append(min(line.resident.own_nbytes, left) if line.resident and here else 0)
        left -= own[-1]
    return own


def _bar(place: _Place, parts: list[tuple[_ModelLine, int]], rest_name: str) -> str:
    no_limit = isinf(place.budget)
    end = max(place.used / HEADROOM if no_limit else place.budget, place.used, 1)
    segments = "".join(_segment(line.title, nbytes, end, "swatch", f"--model:{line.colour};") for line, nbytes in parts)
    segments += _segment(rest_name, place.used - sum(nbytes for _, nbytes in parts), end, "shared")
    free = f"{size(max(place.budget - place.used, 0))}</b> free of {size(place.budget)}"
    return (
        f"<section><header><b>{place.title} <span>{escape(place.words)}</span></b>"
        f"<span><b>{size(place.used)}</b> used, {'no limit' if no_limit else f'<b>{free}'}</span></header>"
        f'<div class="bar{" open" if no_limit else ""}">{segments}</div></section>'
    )


def _segment(title: str, nbytes: int, end: float, kind: str, style: str = "") -> str:
    words = escape(f"{title}: {size(nbytes)}", quote=True)
    return (
        f'<i class="{kind}{" some" if nbytes else ""}" data-bytes="{nbytes}" title="{words}" '
        f'style="{style}width:{100 * nbytes / end:.3f}%"><em>{escape(title)}</em></i>'
    )


def _key(line: _ModelLine) -> str:
    opening = f'<li class="{"here" if line.resident else "away"}"><i class="swatch" style="--model:{line.colour}"></i>'
    own = size(line.resident.own_nbytes) if line.resident else NONE
    return f"{opening}<span>{escape(line.title)}</span><b>{own}</b></li>"


# Where there are several places to run


def replicas(status: Status | None) -> str:
    """A row for each replica: where it is, what it holds and what runs on it; nothing where there is one place only."""
    if status is None or not status.replicas:
        return '<div class="replicas"></div>'
    head = "".join(f'<th scope="col">{words}</th>' for words in REPLICA_COLUMNS)
    body = "".join(map(_replica, status.replicas))
    return f'<div class="replicas"><table class="lab-table"><tr>{head}</tr>{body}</table></div>'


def _replica(one: Replica) -> str:
    titles = ", ".join(_title_and_about(name)[0] for name in one.models) or NONE
    cells = (one.device_name, titles, size(one.used), str(one.running), str(one.lanes), _speed(one.steps_per_s))
    rest = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f'<tr data-name="{escape(one.name, quote=True)}"><th scope="row">{escape(one.name)}</th>{rest}</tr>'


# What is compiled


def compiling(status: Compiling | None) -> str:
    """How far the compiled networks are, in a sentence or two; nothing where none are compiled."""
    if status is None or not status.models:
        return ""
    ready, to_come, torch = (sum(getattr(one, kind) for one in status.models) for kind in ("ready", "to_come", "torch"))
    count = ready + to_come + torch
    left = (
        f" Torch computes {torch}; its row says why." if torch == 1 else f" Torch computes {torch}; their rows say why."
    )
    if not to_come:
        all_of = f"All {count}" if ready == count else f"{ready} of {count}"
        return (
            f"{all_of} networks that the lab prepares are ready: what the tabs open with was compiled, the others are on disk and are "
            f"compiled at their first call. What no call uses for minutes is released, and compiled again.{left if torch else ''}"
        )
    now = ""
    if status.now is not None:
        name, network, rows = status.now
        does = f"compiled for calls of {rows} row{'' if rows == 1 else 's'}" if rows else "converted"
        now = f" Now {_title_and_about(name)[0]}, {network}, is being {does}."
    return (
        f"{ready} of {count} networks that the lab prepares are ready, {to_come} to come. Until a network is, torch computes it; what a "
        f"run waits for goes first.{now}{left if torch else ''}"
    )


def _compiled(one: Compiled) -> str:
    count = one.ready + one.to_come + one.torch
    come = f", {one.to_come} to come" if one.to_come else ""
    return f"{one.ready} of {count} network{'' if count == 1 else 's'} ready{come}"


# Every model


def table(status: Status | None) -> str:
    """Everything that is offered: where it is, its size, who uses it, and what pressing Run would do; above it, what is compiled."""
    columns = "".join(f'<col style="width:{width}%">' for width in (29, 17, 11, 14, 29))
    head = "".join(
        f'<th scope="col"{" class=number" if words == "Size" else ""}>{words}</th>'
        for words in ("Model", "Where", "Size", "In use", "Pressing Run now")
    )
    body = "".join(map(_row, _lines(status))) if status else ""
    words = escape(compiling(status.compiling if status else None))
    return f'<p class="compiling">{words}</p><table class="models"><colgroup>{columns}</colgroup><thead><tr>{head}</tr></thead>{body}</table>'


def _row(line: _ModelLine) -> str:
    resident = line.resident
    pinned = '<i class="pinned">pinned</i>' if resident and resident.pinned else ""
    use = NONE if resident is None else "idle"
    if resident and resident.leases:
        use = f'<span class="busy">in use by {resident.leases}</span>'
    notes = "".join(f"<span>{subscripts(note)}</span>" for note in line.notes)
    return (
        f'<tbody class="{"here" if resident else "away"}" data-name="{escape(line.name, quote=True)}" '
        f'style="--model:{line.colour}"><tr><th scope="row">{escape(line.title)}</th>'
        f'<td data-head="Where"><span>{line.where}{pinned}</span></td>'
        f'<td data-head="Size" class="number"><span>{megabytes(line.nbytes) if line.nbytes else NONE}</span></td>'
        f'<td data-head="In use"><span>{use}</span></td><td data-head="Run now" class="run" rowspan="2">'
        f"<span{' class=ready' if line.run == READY else ''}>{escape(line.run)}</span></td></tr>"
        f'<tr class="notes"><td colspan="4">{notes}</td></tr></tbody>'
    )


def megabytes(nbytes: float) -> str:
    """For columns, where numbers are compared."""
    return f"{nbytes / 1e6:.1f} MB" if nbytes < 9.95e6 else f"{nbytes / 1e6:,.0f} MB"


def size(nbytes: float) -> str:
    """For sentences: GB where there are some."""
    return f"{nbytes / 1e9:.3g} GB" if nbytes >= 999.5e6 else megabytes(nbytes)
