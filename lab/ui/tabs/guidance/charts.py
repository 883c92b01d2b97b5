"""The curves of the Guidance tab, as SVG: a point is a picture, so it can show it. And the same numbers as CSV."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import dist, inf, log2
from pathlib import Path

import numpy as np

from lab.catalog import GUIDANCE
from lab.measures import diversity
from lab.requests.sampling import LaneSettings
from lab.ui.shell import plots, theme
from lab.ui.tabs.guidance.view import MEASURES, Look, Sweep, colour, key, words

WIDTH, HEIGHT = 280, 164
WIDE = 430  # of two charts in a row
LEFT, RIGHT, TOP, BOTTOM, AIR = 38, 8, 10, 40, 8
SCALE, STEP = "guidance scale", "step, from noise to picture"
CLOSEST = 17  # px between two labels of an axis
UNCONDITIONAL, CONDITIONAL, DIFFERENCE = theme.NEUTRAL, theme.MARK, theme.NOISE
ABOUT = {
    "clip": "fit to the prompt, by the lab's own small CLIP",
    "saturation": "mean of all pixels",
    "clipped": "share of pixels beyond black or white",
    "contrast": "deviation of the luma",
    "diversity": "mean RMS between seeds",
    "trade": "CLIP score over diversity",
}
SPANS = {  # of the y axes, whatever a run has, unless it has more
    "clip": (-0.4, 1.0), "saturation": (0.0, 0.6), "clipped": (0.0, 0.2), "contrast": (0.0, 0.4), "diversity": (0.0, 0.3),
    "trade": (-0.4, 1.0), "eps": (0.0, 1.2), "difference": (0.0, 0.4),
}  # fmt: skip
LACKING = {"clip": "no prompt to score", "diversity": "needs two seeds", "trade": "needs a prompt and two seeds"}


@dataclass(frozen=True)
class Point:
    """A point of a curve; with a lane it is a picture that hovering shows."""

    x: float
    y: float
    lane: LaneSettings | None = None


@dataclass(frozen=True)
class Curve:
    """A line, and the pictures around it as dots."""

    name: str
    colour: str
    line: tuple[Point, ...]
    dots: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Chart:
    """One small chart. Its y axis has its `span`, and more where there is more; where nothing is drawn, it says what is
    `lacking`."""

    title: str
    about: str
    curves: Sequence[Curve]
    across: str  # what its x axis is
    ticks: Sequence[tuple[float, str]]
    span: tuple[float, float]
    lacking: str = ""
    labelled: bool = False  # a dot says its scale
    width: int = WIDTH

    def figure(self) -> str:
        caption = f"<figcaption>{escape(self.title)} <i>{escape(self.about)}</i></figcaption>"
        size = f'viewBox="0 0 {self.width} {HEIGHT}" role="img" aria-label="{escape(self.title)}"'
        return f"<figure>{caption}<svg {size}>{self._body()}</svg></figure>"

    def _numbers(self, curve: Curve) -> str:
        """What the line of a curve says, for the table of the chart: `widgets.chart_table` reads it."""
        at = dict(self.ticks)  # on a scale's own axis stand the numbers of its ticks
        points = " ".join(f"{at.get(p.x, f'{p.x:.5g}')},{p.y:.5g}" for p in curve.line)
        names = {"chart": self.title, "curve": curve.name, "across": self.across, "points": points}
        return " ".join(f'data-{name}="{escape(text, quote=True)}"' for name, text in names.items())

    def _number(self, curve: Curve, point: Point) -> str:
        """What a dot says beyond its curve's line, for the table too."""
        if point in curve.line:
            return ""
        return f' data-point="{dict(self.ticks).get(point.x, f"{point.x:.5g}")},{point.y:.5g}"'

    def _body(self) -> str:
        ys = [point.y for curve in self.curves for point in (*curve.line, *curve.dots)]
        low, high = min([self.span[0], *ys]), max([self.span[1], *ys])
        xs = [x for x, _ in self.ticks] + [p.x for curve in self.curves for p in (*curve.line, *curve.dots)] or [
            0.0,
            1.0,
        ]
        left, right = min(xs), max(xs)
        inside = self.width - LEFT - RIGHT - 2 * AIR

        def px(x: float) -> float:
            return LEFT + AIR + inside * ((x - left) / (right - left) if right > left else 0.5)

        def py(y: float) -> float:
            return TOP + (HEIGHT - TOP - BOTTOM) * (high - y) / (high - low)

        body = []
        for y, text in _tick_labels(plots.ticks(low, high)):
            body.append(f'<line class="axis" x1="{LEFT}" x2="{self.width - RIGHT}" y1="{py(y):.1f}" y2="{py(y):.1f}"/>')
            if ys:
                body.append(f'<text x="{LEFT - 6}" y="{py(y) + 4:.1f}" text-anchor="end">{text}</text>')
        last = -inf
        for x, label in self.ticks:
            if px(x) - last >= CLOSEST:  # a label that would touch its neighbour is left out
                body.append(f'<text x="{px(x):.1f}" y="{HEIGHT - 22}" text-anchor="middle">{label}</text>')
                last = px(x)
        middle = (LEFT + self.width - RIGHT) / 2
        body.append(f'<text x="{middle:.0f}" y="{HEIGHT - 5}" text-anchor="middle">{escape(self.across)}</text>')
        for curve in self.curves:
            if curve.line:
                points = " L".join(f"{px(p.x):.1f} {py(p.y):.1f}" for p in curve.line)
                body.append(f'<path d="M{points}" stroke="{curve.colour}" {self._numbers(curve)}/>')
        many = len(self.curves) > 1
        at = (-inf, -inf)
        for curve in self.curves:
            for point in curve.dots:
                x, y = px(point.x), py(point.y)
                labelled = self.labelled and not many and dist((x, y), at) > CLOSEST
                at = (x, y) if labelled else at
                body.append(_dot(point, curve.colour if many else "", x, y, labelled, self._number(curve, point)))
        if not ys:
            body.append(
                f'<text x="{middle:.0f}" y="{HEIGHT / 2 - 14}" text-anchor="middle">{escape(self.lacking)}</text>'
            )
        return "".join(body)


def _dot(point: Point, hue: str, x: float, y: float, labelled: bool, number: str) -> str:
    """A picture as a point, in the colour of its curve, or of its scale where there is one curve only."""
    lane = point.lane
    assert lane is not None  # dots are pictures
    label = f'<text x="{x + 7:.1f}" y="{y - 5:.1f}">{lane.guidance_scale:g}</text>' if labelled else ""
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{hue or colour(lane.guidance_scale)}" '
        f'data-key="{key(lane)}" data-words="{escape(words(lane), quote=True)} · {point.y:.3f}"{number}/>{label}'
    )


def curves(sweep: Sweep) -> str:
    """Six small charts over the scale: fidelity up, diversity down, then burn."""
    rules = list(dict.fromkeys(rule for rule, _ in sweep.plan.rows))
    legend = "".join(
        f'<span><i style="background:{GUIDANCE[rule].colour}"></i>{escape(GUIDANCE[rule].title)}</span>'
        for rule in rules
    )
    ticks = [(log2(1 + scale), f"{scale:g}") for scale in sweep.plan.scales]
    lacking = LACKING if sweep.cells else dict.fromkeys(LACKING, "")
    charts = []
    for name, title in MEASURES.items():
        rule_curves = [_measure_curve(sweep, rule, name) for rule in rules]
        charts.append(
            Chart(title, ABOUT[name], rule_curves, SCALE, ticks, SPANS[name], lacking["clip"] if name == "clip" else "")
        )
    diversity_curves = [_diversity_curve(sweep, rule) for rule in rules]
    charts.insert(
        1,
        Chart(
            "diversity", ABOUT["diversity"], diversity_curves, SCALE, ticks, SPANS["diversity"], lacking["diversity"]
        ),
    )
    charts.append(_trade_off(sweep, rules, lacking["trade"]))
    seeds = len({seed for _, seed in sweep.plan.rows})
    line = f"line: mean of {seeds} seeds · dot" if seeds > 1 else "dot"
    how = f"<span>{line}: a picture, hover to see it</span>"
    figures = "".join(chart.figure() for chart in charts)
    return f'<div class="curve-legend">{legend}{how}</div><div class="curves">{figures}</div>'


def _lanes(sweep: Sweep, rule: str, scale: float) -> list[LaneSettings]:
    lanes = (lane for lane in sweep.plan.request.lanes if lane.rule == rule and lane.guidance_scale == scale)
    return [lane for lane in lanes if lane in sweep.cells]


def _measure_curve(sweep: Sweep, rule: str, name: str) -> Curve:
    line, dots = [], []
    for scale in sweep.plan.scales:
        here = [
            Point(log2(1 + scale), sweep.cells[lane].measures[name], lane)
            for lane in _lanes(sweep, rule, scale)
            if name in sweep.cells[lane].measures
        ]
        if here:
            line.append(Point(here[0].x, float(np.mean([point.y for point in here]))))
        dots += here
    return Curve(GUIDANCE[rule].title, GUIDANCE[rule].colour, tuple(line), tuple(dots))


def _diversity(sweep: Sweep, rule: str, scale: float) -> float | None:
    lanes = _lanes(sweep, rule, scale)
    return diversity([sweep.cells[lane].picture for lane in lanes]) if len(lanes) > 1 else None


def _diversity_curve(sweep: Sweep, rule: str) -> Curve:
    """Diversity over scale; its dots stand on the line, each shows the first seed's picture."""
    line = [
        Point(log2(1 + scale), value, _lanes(sweep, rule, scale)[0])
        for scale in sweep.plan.scales
        if (value := _diversity(sweep, rule, scale)) is not None
    ]
    return Curve(GUIDANCE[rule].title, GUIDANCE[rule].colour, tuple(line), tuple(line))


def _trade_off(sweep: Sweep, rules: Sequence[str], lacking: str) -> Chart:
    """The paper's figure (Ho & Salimans 2022): what is won in fidelity and lost in diversity as the scale grows."""
    rule_curves = []
    for rule in rules:
        scores = {point.x: point.y for point in _measure_curve(sweep, rule, "clip").line}
        line = [Point(p.y, scores[p.x], p.lane) for p in _diversity_curve(sweep, rule).line if p.x in scores]
        rule_curves.append(Curve(GUIDANCE[rule].title, GUIDANCE[rule].colour, tuple(line), tuple(line)))
    xs = [point.x for curve in rule_curves for point in curve.line]
    ticks = _tick_labels(plots.ticks(0.0, max([SPANS["diversity"][1], *xs])))
    return Chart(
        "the trade-off", ABOUT["trade"], rule_curves, "diversity", ticks, SPANS["trade"], lacking, labelled=True
    )


def _tick_labels(values: Sequence[float]) -> list[tuple[float, str]]:
    """Ticks with their numbers, all with as many decimals as tell them apart."""
    spacing = values[1] - values[0] if len(values) > 1 else 0.0
    return [(value, plots.label(value, spacing)) for value in values]


def norms(look: Look | None) -> str:
    """RMS of both halves and of their difference at every step, from noise to picture."""
    steps = look.steps if look else ()
    ticks = [(float(i + 1), str(i + 1)) for i in range(steps[0].n)] if steps else []

    def curve(name: str, hue: str, which: int) -> Curve:
        return Curve(name, hue, tuple(Point(step.i + 1.0, step.norms[which]) for step in steps))

    halves = [curve("unconditional", UNCONDITIONAL, 0), curve("conditional", CONDITIONAL, 1)]
    gap = [curve("their difference", DIFFERENCE, 2)]
    legend = "".join(f'<span><i style="background:{c.colour}"></i>{c.name}</span>' for c in [*halves, *gap])
    charts = (
        Chart("eps of both halves", "RMS at each step", halves, STEP, ticks, SPANS["eps"], width=WIDE),
        Chart("their difference", "what guidance multiplies, RMS", gap, STEP, ticks, SPANS["difference"], width=WIDE),
    )
    figures = "".join(chart.figure() for chart in charts)
    return f'<div class="curve-legend">{legend}</div><div class="curves two">{figures}</div>'


def save_sweep(sweep: Sweep, path: Path) -> Path:
    """All curves of a sweep: a row for each finished picture, diversity repeated for its rule and scale."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["rule", "seed", "guidance_scale", *MEASURES, "diversity", "steps"])
        for lane in sweep.plan.request.lanes:
            if (cell := sweep.cells.get(lane)) is not None:
                diversity = _diversity(sweep, lane.rule, lane.guidance_scale)
                numbers = [cell.measures.get(name) for name in MEASURES]
                row = [None if value is None else round(value, 6) for value in [*numbers, diversity]]
                writer.writerow([lane.rule, lane.seed, f"{lane.guidance_scale:g}", *row, lane.steps])
    return path


def save_norms(look: Look, path: Path) -> Path:
    """The norms of one cell's steps."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "t", "log_snr", "rms_eps_unconditional", "rms_eps_conditional", "rms_difference"])
        for step in look.steps:
            writer.writerow([step.i + 1, step.t, round(step.log_snr, 6), *(round(value, 6) for value in step.norms)])
    return path
