"""The charts and tables of the ControlNet tab: faithfulness against strength or window, and norms of the residuals."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from gradio.components.plot import PlotData

from lab.catalog import CONTROLS
from lab.quantities import quantity
from lab.ui.shell import plots, theme
from lab.ui.tabs.controlnet.experiments import Agreement, Finished
from lab.ui.tabs.controlnet.view import CHARTS

HEIGHT = 260
SCALE = [[0, "rgba(124,134,255,0.06)"], [0.5, "#7c86ff"], [1, "#e8590c"]]  # nothing to much, on white and on dark
MEASURES: tuple[tuple[str, str, Callable[[Agreement], float | None]], ...] = (
    ("edges found again, F1", "#4269d0", lambda one: one.edge_f1),
    ("silhouette, IoU", theme.SIGNAL, lambda one: one.silhouette),
    ("joints found again", "#a463f2", lambda one: one.joints_within),
)


def chart(name: str, done: Finished, lane: int | None) -> PlotData:
    """The chart of that name; `lane` is the picture that was clicked last."""
    return faithfulness(done) if name == CHARTS[0] else residuals(done, lane)


def faithfulness(done: Finished) -> PlotData:
    """How well the results follow the map: curves against strength, or a heat map over the run's two axes."""
    return (_curves(done) if done.plan.experiment == "strengths" else _heat(done)) or nothing()


def nothing(text: str = "") -> PlotData:
    """A chart of the same height that has nothing to show, and why."""
    axis = {"visible": False}
    note = {"text": text, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5, "showarrow": False}
    return plots.figure([], height=HEIGHT, xaxis=axis, yaxis=axis, annotations=[note] if text else [])


def _curves(done: Finished) -> PlotData | None:
    """The mean over the seeds as a line, every picture as a dot; guess mode dotted."""
    traces: list[dict[str, Any]] = []
    for title, colour, of in MEASURES:
        for guess in (False, True):
            points = [
                (lane.windows[0].strength, value)
                for index, lane in enumerate(done.plan.request.lanes)
                if lane.guess == guess and index in done.agreements
                if (value := of(done.agreements[index])) is not None
            ]
            if not points:
                continue
            at = sorted({strength for strength, _ in points})
            means = [float(np.mean([value for strength, value in points if strength == x])) for x in at]
            name = f"{title}, guess mode" if guess else title
            name += f", mean of {len(points) // len(at)}" if len(points) > len(at) else ""
            dash = {"dash": "dot"} if guess else {}
            traces.append(plots.line(at, means, name, colour, mode="lines+markers", line=dash))
            dots = {"color": colour, "size": 6, "opacity": 0.45}
            traces.append({"type": "scatter", "mode": "markers", "x": [p[0] for p in points],
                           "y": [round(p[1], 4) for p in points], "marker": dots, "name": f"{title}, one picture", "showlegend": False, "hoverinfo": "skip"})  # fmt: skip
    if not traces:
        return None
    return plots.figure(
        traces,
        height=HEIGHT,
        xaxis={"title": {"text": "strength of the control"}},
        yaxis={"title": {"text": "agreement with the map"}, "range": [-0.02, 1.02]},
        showlegend=True,
    )


def _heat(done: Finished) -> PlotData | None:
    """One heat map for each measure that the run has."""
    measures = [
        (title, of) for title, _, of in MEASURES if any(of(one) is not None for one in done.agreements.values())
    ][:2]
    panels = []
    for title, of in measures:
        z: list[list[float | None]] = [[None] * len(done.plan.columns) for _ in done.plan.rows]
        for lane, one in done.agreements.items():
            row, column = done.plan.places[lane]
            value = of(one)
            z[row][column] = None if value is None else round(value, 3)
        panels.append((title, z))
    if not panels:
        return None
    return _heat_maps(
        panels,
        [value for _, value in done.plan.columns],
        [value for _, value in done.plan.rows],
        done.plan.columns[0][0],
        done.plan.rows[0][0],
        top=1.0,
    )


def residuals(done: Finished, lane: int | None) -> PlotData:
    """RMS of what each ControlNet added to each block of the UNet at each call of one lane."""
    result = done.results.get(lane) if lane is not None else None
    if result is None or result.residuals is None:
        return nothing("Click a picture of a run that was not stopped.")
    if not result.residuals.any():
        return nothing("The ControlNet adds nothing to this picture.")
    calls, blocks = result.residuals.shape[1:]
    names = [*(f"skip {k + 1}" for k in range(blocks - 1)), "middle"]
    panels = [
        (CONTROLS[control.name].title, [[float(f"{value:.4g}") for value in row] for row in sizes.T])
        for control, sizes in zip(done.plan.request.controls, result.residuals, strict=True)
    ]
    return _heat_maps(panels, [str(i + 1) for i in range(calls)], names, "call, from noise to picture", "")


def _heat_maps(
    panels: list[tuple[str, Any]], x: list[str], y: list[str], across: str, down: str, top: float | None = None
) -> PlotData:
    """Heat maps side by side, each from 0 to `top` or to its own largest value."""
    traces, layout, notes = [], {}, []
    width = 1 / len(panels)
    for i, (title, z) in enumerate(panels):
        tag = "" if i == 0 else str(i + 1)
        right = (i + 1) * width - 0.1 * width
        left = i * width + (0.05 if i else 0)
        layout[f"xaxis{tag}"] = {"title": {"text": across}, "domain": [left, right], "type": "category", "showgrid": False,
                                 "anchor": f"y{tag}"}  # fmt: skip
        layout[f"yaxis{tag}"] = {"title": {"text": "" if i else down}, "type": "category", "autorange": "reversed", "showgrid": False,
                                 "anchor": f"x{tag}"}  # fmt: skip
        bar = {
            "x": right + 0.01,
            "xanchor": "left",
            "thickness": 10,
            "outlinewidth": 0,
            "tickfont": {"size": 12},
            "nticks": 5,
        }
        most = top or max(value for row in z for value in row if value is not None)
        # Numbers where there is room for them: few cells in a panel.
        numbers = {"texttemplate": "%{z:.2f}"} if len(x) * len(panels) <= 12 else {}
        traces.append({"type": "heatmap", **numbers, "zmin": 0, "zmax": most or 1, "z": z, "x": x, "y": y, "colorscale": SCALE, "xaxis": f"x{tag}",
                       "yaxis": f"y{tag}", "colorbar": bar, "xgap": 2, "ygap": 2, "name": title,
                       "hovertemplate": f"%{{y}}, %{{x}}: %{{z}}<extra>{title}</extra>"})  # fmt: skip
        notes.append({"text": title, "x": left, "y": 1.04, "xref": "paper", "yref": "paper", "xanchor": "left",
                      "yanchor": "bottom", "showarrow": False})  # fmt: skip
    return plots.figure(
        traces,
        height=HEIGHT,
        annotations=notes,
        hovermode="closest",
        margin={**plots.MARGIN, "l": 66, "t": 30, "r": 24},
        **layout,
    )


def summary(done: Finished) -> str:
    """What the numbers say, in a sentence."""
    seconds = max((result.elapsed_s for result in done.results.values()), default=0.0)
    words = [f"{quantity(len(done.results), 'picture')} in {seconds:.1f} s."]
    lanes = done.plan.request.lanes
    for title, _, of in MEASURES[:2]:
        by: dict[float, list[float]] = {}
        for index, one in done.agreements.items():
            if (value := of(one)) is not None:
                by.setdefault(lanes[index].windows[0].strength, []).append(value)
        if done.plan.experiment == "strengths" and len(by) > 1:
            low, high = min(by), max(by)
            words.append(
                f"{title[:1].upper()}{title[1:]}: {np.mean(by[low]):.2f}{'' if low else ' by chance'} at strength {low:g}, {np.mean(by[high]):.2f} at {high:g}."
            )
    searches = [one for one in done.agreements.values() if one.pose_search]
    if searches:
        count = sum(one.joints is not None for one in searches)
        words.append(
            f"BlazePose finds a person in {count} of {quantity(len(searches), 'picture')}."
            if count
            else "BlazePose finds nobody in these pictures: the silhouettes say more."
        )
    return " ".join(words)


NUMBERS = ("seed", "control", "strength", "start", "end", "guess", "edge_f1", "silhouette_iou", "joints_within_0.1")


def save_numbers(done: Finished, path: Path) -> Path:
    """A row for every picture and control."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(NUMBERS)
        for index, lane in enumerate(done.plan.request.lanes):
            one = done.agreements.get(index, Agreement())
            for control, window in zip(done.plan.request.controls, lane.windows, strict=True):
                writer.writerow(
                    [lane.seed, control.name, window.strength, window.start, window.end, int(lane.guess),
                     *("" if value is None else round(value, 4) for value in (one.edge_f1, one.silhouette, one.joints_within))]
                )  # fmt: skip
    return path


def save_residuals(done: Finished, path: Path) -> Path:
    """A row for every residual: RMS of what a ControlNet added to a block in a call."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("seed", "control", "strength", "start", "end", "guess", "call", "block", "rms"))
        for index, result in done.results.items():
            lane = done.plan.request.lanes[index]
            if result.residuals is None:
                continue
            for control, window, sizes in zip(done.plan.request.controls, lane.windows, result.residuals, strict=True):
                settings = (lane.seed, control.name, window.strength, window.start, window.end, int(lane.guess))
                for (call, block), value in np.ndenumerate(sizes):
                    writer.writerow((*settings, call, block, f"{value:.6g}"))
    return path
