"""The chart beneath the stage: how far from copies, how alike the network, and how different from seed to seed."""

from collections.abc import Callable, Mapping
from typing import Any

from lab.requests.invention import Invention
from lab.ui.shell import plots, theme
from lab.ui.tabs.memory.outcome import COPY, Outcome, Tally, tally
from lab.ui.tabs.memory.plans import COLOURS, Plan, known, name

NEAREST, R2, OTHERS = "nearest", "r2", "others"
CHARTS = (("Distance to the nearest training picture", NEAREST), ("Likeness to the network, r²", R2), ("Distance between seeds", OTHERS))  # fmt: skip
AXES = {
    NEAREST: "RMS to the nearest, of 255",
    R2: "r² with the network's picture",
    OTHERS: "RMS to the nearest seed, of 255",
}
MOST = {NEAREST: 90.0, R2: 1.0, OTHERS: 120.0}  # of the y axis, unless a run has more
HEIGHT = 262
ACROSS = {"side": "machine", "patch": "side of a patch, px", "count": "pictures that the machine knows"}
VALUES: Mapping[str, Callable[[Invention], float | None]] = {
    NEAREST: lambda one: one.nearest_rms,
    R2: lambda one: one.r2,
    OTHERS: lambda one: one.others_rms,
}
MEANS: Mapping[str, Callable[[Tally], float | None]] = {
    NEAREST: lambda one: one.rms,
    R2: lambda one: one.r2,
    OTHERS: lambda one: one.others,
}
LACKING = {
    NEAREST: "no finished picture",
    R2: "no network beside these machines",
    OTHERS: "one seed has no other beside it",
}


def chart(outcome: Outcome, what: str) -> Any:
    """A point for each finished picture and the mean of each machine; where the run has no such value, why."""
    plan, kinds = outcome.plan, dict.fromkeys(name(machine) for machine in outcome.plan.request.machines)
    traces = [trace for kind in kinds for trace in _traces(outcome, kind, what)]
    highest = max([MOST[what], *(value for trace in traces for value in trace["y"] if value is not None)])
    return plots.figure(
        traces,
        height=HEIGHT,
        margin={**plots.MARGIN, "t": 26, "b": 54},
        xaxis=_across(plan),
        yaxis={"title": {"text": AXES[what]}, "range": [-0.03 * highest, 1.04 * highest]},
        shapes=_line_of_copies() if what == NEAREST else [],
        annotations=[] if traces else [_lack(LACKING[what])],
        hovermode="closest",
        showlegend=plan.experiment == "count",
    )


def _traces(outcome: Outcome, kind: str, what: str) -> list[dict[str, Any]]:
    """The pictures of a kind of machine as dots, and the means of its machines as a curve."""
    plan, colour = outcome.plan, COLOURS[kind]
    machines = [index for index, machine in enumerate(plan.request.machines) if name(machine) == kind]
    means = [(_place(plan, index), MEANS[what](tally(plan, outcome.found, index))) for index in machines]
    dots = [
        (_place(plan, index), value, plan.title(lane))
        for index in machines
        for lane in plan.of(index)
        if lane in outcome.found and (value := VALUES[what](outcome.found[lane])) is not None
    ]
    if not dots:
        return []
    return [
        {"type": "scatter", "mode": "markers", "name": f"{kind}, each picture", "x": [x for x, _, _ in dots],
         "y": [round(y, 3) for _, y, _ in dots], "text": [text for _, _, text in dots], "hovertemplate": "%{text}: %{y}<extra></extra>",
         "marker": {"color": colour, "size": 8, "opacity": 0.45}, "showlegend": False},
        {"type": "scatter", "mode": "lines+markers", "name": f"{kind}, mean", "x": [x for x, _ in means],
         "y": [None if y is None else round(y, 3) for _, y in means], "hovertemplate": "mean %{y}<extra></extra>",
         "line": {"color": colour, "width": 2.5}, "marker": {"color": colour, "size": 13, "symbol": "line-ew-open", "line": {"width": 3}}},
    ]  # fmt: skip


def _place(plan: Plan, index: int) -> str:
    """Where a machine stands on the x axis."""
    machine = plan.request.machines[index]
    if plan.experiment == "side":
        return name(machine)
    if plan.experiment == "patch":
        return "network" if machine.kind == "network" else f"{machine.patch}"
    return known(machine.pictures).removesuffix(" pictures").removesuffix(" picture")


def _across(plan: Plan) -> dict[str, Any]:
    """The x axis: machines, patch sizes or numbers of pictures, all of them in order."""
    places = list(dict.fromkeys(_place(plan, index) for index in range(len(plan.request.machines))))
    return {"title": {"text": ACROSS[plan.experiment]}, "type": "category", "categoryorder": "array", "categoryarray": places,
            "range": [-0.5, len(places) - 0.5], "tickangle": 0, "tickvals": places,
            "ticktext": [place.replace("network", "net-<br>work") if len(places) > 4 else place for place in places]}  # fmt: skip


def _line_of_copies() -> list[dict[str, Any]]:
    """Below it a picture counts as a copy."""
    return [
        {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": COPY, "y1": COPY,
         "line": {"color": theme.NEUTRAL, "width": 1, "dash": "dot"}}
    ]  # fmt: skip


def _lack(words: str) -> dict[str, Any]:
    """In the middle of a chart without a point: why."""
    return {"text": words, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5, "showarrow": False}
