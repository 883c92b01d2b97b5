"""The charts beneath the stage: what an edit costs against what it gains, by experiment. Pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any

from lab.catalog import EDITS
from lab.requests.edit import EditRequest
from lab.ui.shell import plots
from lab.ui.tabs.edit.outcome import DIVERSITY, Outcome

HEIGHT = 262
LEAST = 0.001  # what is drawn of a seam that is not there at all: its axis is logarithmic
BESIDE = {
    "nearest": "bottom center",
    "bicubic": "bottom left",
    "Lanczos": "bottom right",
}  # a formula's name, off the curve's
NOISE_CHARTS = (("Judge over RMS", "rms"), ("Judge over edges", "edges"))
FILL_CHARTS = (("Seam", "seam"), ("Known part", "known_rms"), ("Diversity", DIVERSITY))
BLUE, ORANGE, GREY = "#4269d0", "#e8590c", "#9498a0"
AXES = {
    "rms": "RMS to the picture, of 255",
    "edges": "edges of the picture found again, F1",
    "judge": "judge: fits the prompt",
    "judge_source": "judge: fits the second words",
    "seam": "seam: rim over inside",
    "known_rms": "RMS of the known part, of 255",
    DIVERSITY: "RMS between seeds in the hole, of 255",
    "psnr": "PSNR to the original, dB",
    "detail": "detail: energy of gradients",
}
LACKING = {
    "judge": "The judge reads words: type a prompt to see how well the pictures fit it.",
    DIVERSITY: "one seed has no other beside it",
    "psnr": "there is no original to compare with",
}


def chart(outcome: Outcome, noise: str, fill: str) -> Any:
    """The chart of the run's experiment; `noise` and `fill` say which of two."""
    which = {
        "noise": lambda: _trade_off(outcome, noise),
        "fill": lambda: _by_way(outcome, fill),
        "words": lambda: _reconstruction(outcome),
        "enlarge": lambda: _enlarged(outcome),
        "two": lambda: _both(outcome),
    }
    return which[outcome.plan.experiment]()


def _trade_off(outcome: Outcome, across: str) -> Any:
    """SDEdit's figure 3: realism over faithfulness. A point a picture, and the mean of each strength along a curve."""
    plan = outcome.plan
    means = [
        (outcome.mean(across, lanes), outcome.mean("judge", lanes), head.title)
        for head, lanes in ((head, plan.lanes_in(column)) for column, head in enumerate(plan.columns))
    ]
    dots = _dots(outcome, across, "judge", range(len(plan.lanes)))
    return _plane(dots, [_curve(means, "mean over seeds", BLUE)] if dots else [], across, "judge")


def _by_way(outcome: Outcome, what: str) -> Any:
    """A point a picture and a mean for each way to fill the hole; of diversity one for all seeds."""
    plan, request = outcome.plan, outcome.plan.request
    traces, places, least = [], [], LEAST if what == "seam" else 0
    for column, head in enumerate(plan.columns):
        lanes, place = plan.lanes_in(column), " ".join(filter(None, [head.title, head.more]))
        places.append(place)
        mean = outcome.mean(what, lanes)
        values = [(outcome.measure(what, lane), plan.names[lane]) for lane in lanes]
        found = [(max(value, least), name) for value, name in values if value is not None]
        colour = EDITS[request.lanes[lanes[0]].method].colour if isinstance(request, EditRequest) else GREY
        if found:
            traces.append(
                _marks([place] * len(found), [value for value, _ in found], [name for _, name in found], colour)
            )
        if mean is not None:
            traces.append({"type": "scatter", "mode": "markers", "name": f"{place}, all seeds", "x": [place], "y": [_round(max(mean, least))],
                           "hovertemplate": "%{y}<extra></extra>", "showlegend": False,
                           "marker": {"color": colour, "size": 17, "symbol": "line-ew-open", "line": {"width": 3}}})  # fmt: skip
    ticks = ["<br>".join(filter(None, [*head.title.split(), head.more])) for head in plan.columns]
    return _figure(
        traces,
        {"title": {"text": ""}, "type": "category", "categoryorder": "array", "categoryarray": places, "tickvals": places,
         "ticktext": ticks, "tickangle": 0, "range": [-0.5, len(places) - 0.5]},
        {"title": {"text": AXES[what]}, **({"type": "log"} if what == "seam" else {"rangemode": "tozero"})},
        LACKING.get(what, ""),
    )  # fmt: skip


def _reconstruction(outcome: Outcome) -> Any:
    """How far what comes back is from the picture over the guidance scale, under its own words and under others."""
    plan, count = outcome.plan, len(outcome.plan.columns)
    traces = []
    for row, (name, colour) in enumerate(
        (("its own words: error of reconstruction", BLUE), ("other words: what changed", ORANGE))
    ):
        lanes = [cell.lane for cell in plan.cells[row * count : (row + 1) * count]]
        points = [(float(plan.columns[k].title), outcome.measure("rms", lane)) for k, lane in enumerate(lanes)]
        found = sorted((x, y) for x, y in points if y is not None)
        if found:
            traces.append({"type": "scatter", "mode": "lines+markers", "name": name, "x": [x for x, _ in found],
                           "y": [_round(y) for _, y in found], "line": {"color": colour, "width": 2.5}})  # fmt: skip
    return _figure(
        traces,
        {"title": {"text": "guidance scale on the way down"}},
        {"title": {"text": AXES["rms"]}, "rangemode": "tozero"},
    )


def _enlarged(outcome: Outcome) -> Any:
    """Detail over likeness to the original (Blau & Michaeli 2018): formulas as points, the upsampler along its noise."""
    plan = outcome.plan
    formulas = [
        {"type": "scatter", "mode": "markers+text", "name": name, "x": [_round(values["psnr"])], "y": [_round(values["detail"])],
         "text": [name], "textposition": BESIDE[name], "hovertemplate": f"{name}: %{{x}} dB, detail %{{y}}<extra></extra>",
         "showlegend": False, "marker": {"color": GREY, "size": 10, "symbol": "square"}}
        for name, values in outcome.formulas.items() if "psnr" in values and "detail" in values
    ]  # fmt: skip
    if not formulas:
        return _detail(outcome)
    means = [
        (outcome.mean("psnr", lanes), outcome.mean("detail", lanes), f"noise {head.title}")
        for head, lanes in ((head, plan.lanes_in(column)) for column, head in enumerate(plan.columns))
    ]
    dots = _dots(outcome, "psnr", "detail", range(len(plan.lanes)))
    return _plane(
        [*formulas, *dots], [_curve(means, "upsampler, mean over seeds", BLUE)] if dots else [], "psnr", "detail"
    )


def _detail(outcome: Outcome) -> Any:
    """Of a cascade, which has no original: detail over the noise."""
    plan = outcome.plan
    places = [float(head.title) for head in plan.columns]
    means = [outcome.mean("detail", plan.lanes_in(column)) for column in range(len(places))]
    found = sorted((x, y) for x, y in zip(places, means, strict=True) if y is not None)
    traces = [plots.line([x for x, _ in found], [_round(y) for _, y in found], "upsampler", BLUE)] if found else []
    for name, values in outcome.formulas.items():
        if "detail" in values:
            traces.append(plots.line([min(places), max(places)], [_round(values["detail"])] * 2, name, GREY))
    return _figure(
        traces, {"title": {"text": "noise, of 1,000 steps"}}, {"title": {"text": AXES["detail"]}, "rangemode": "tozero"}
    )


def _both(outcome: Outcome) -> Any:
    """How well both descriptions are found: a point a picture (Geng et al. 2024, section 4.2)."""
    lanes = range(len(outcome.plan.lanes))
    return _plane(
        _dots(outcome, "judge", "judge_source", lanes), [], "judge", "judge_source", first="judge: fits the first words"
    )


# Traces


def _dots(outcome: Outcome, across: str, up: str, lanes: Sequence[int]) -> list[dict[str, Any]]:
    """The pictures that have both numbers, as one trace; none where no picture has."""
    points = [(outcome.measure(across, lane), outcome.measure(up, lane), outcome.plan.names[lane]) for lane in lanes]
    found = [(x, y, name) for x, y, name in points if x is not None and y is not None]
    if not found:
        return []
    return [_marks([_round(x) for x, _, _ in found], [y for _, y, _ in found], [name for *_, name in found], BLUE)]


def _marks(x: Sequence[Any], y: Sequence[float], names: Sequence[str], colour: str) -> dict[str, Any]:
    return {"type": "scatter", "mode": "markers", "name": "each picture", "x": list(x), "y": [_round(one) for one in y],
            "text": list(names), "hovertemplate": "%{text}: %{y}<extra></extra>", "showlegend": False,
            "marker": {"color": colour, "size": 8, "opacity": 0.5}}  # fmt: skip


def _curve(points: Sequence[tuple[float | None, float | None, str]], name: str, colour: str) -> dict[str, Any]:
    """Means in their order, each with its name."""
    found = [(x, y, text) for x, y, text in points if x is not None and y is not None]
    return {"type": "scatter", "mode": "lines+markers+text", "name": name, "x": [_round(x) for x, _, _ in found],
            "y": [_round(y) for _, y, _ in found], "text": [text for *_, text in found], "textposition": "top center",
            "hovertemplate": "%{text}: %{y}<extra></extra>", "line": {"color": colour, "width": 2.5},
            "marker": {"color": colour, "size": 10}}  # fmt: skip


def _plane(dots: list[dict[str, Any]], curves: list[dict[str, Any]], across: str, up: str, first: str = "") -> Any:
    lacking = LACKING["psnr"] if across == "psnr" else LACKING["judge"]
    return _figure([*dots, *curves], {"title": {"text": first or AXES[across]}}, {"title": {"text": AXES[up]}}, lacking)


def _figure(
    traces: list[dict[str, Any]],
    xaxis: Mapping[str, Any],
    yaxis: Mapping[str, Any],
    lacking: str = "no finished picture",
) -> Any:
    """A chart; where it has no trace, why."""
    words = {
        "text": lacking or "no finished picture",
        "xref": "paper",
        "yref": "paper",
        "x": 0.5,
        "y": 0.5,
        "showarrow": False,
    }
    return plots.figure(
        traces,
        height=HEIGHT,
        margin={**plots.MARGIN, "l": 64, "t": 26, "b": 54},
        xaxis=dict(xaxis),
        yaxis={**yaxis, "title": {**yaxis["title"], "standoff": 8}},
        annotations=[] if traces else [words],
        hovermode="closest",
        showlegend=any(trace.get("showlegend", True) for trace in traces),
    )


def _round(value: float) -> float:
    return float(f"{value:.4g}")
