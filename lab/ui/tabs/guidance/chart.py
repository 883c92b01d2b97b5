"""One small chart of the Guidance tab, as SVG: a point is a picture, or a number, so it can show it."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import dist, inf, log2

from lab.requests.sampling import LaneSettings
from lab.ui.shell import plots
from lab.ui.tabs.guidance.cells import colour, key, words

WIDTH, HEIGHT = 280, 164
WIDE = 430  # of two charts in a row
LEFT, RIGHT, TOP, BOTTOM, AIR = 38, 8, 10, 40, 8
SCALE, STEP = "guidance scale", "step, from noise to picture"  # what an x axis is
CLOSEST = 17  # px between two labels of an axis


@dataclass(frozen=True)
class Point:
    """A point of a curve; with a lane it is a picture that hovering shows, else hovering shows its `name`."""

    x: float
    y: float
    lane: LaneSettings | None = None
    name: str = ""


@dataclass(frozen=True)
class Curve:
    """A line, and the pictures around it as dots."""

    name: str
    colour: str
    line: tuple[Point, ...]
    dots: tuple[Point, ...] = ()
    dashed: bool = False  # no curve of a rule: a level to compare with


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
        for y, text in tick_labels(plots.ticks(low, high)):
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
                dashes = ' stroke-dasharray="5 5"' if curve.dashed else ""
                body.append(f'<path d="M{points}" stroke="{curve.colour}"{dashes} {self._numbers(curve)}/>')
        many = len(self.curves) > 1
        at = (-inf, -inf)
        for curve in self.curves:
            for point in curve.dots:
                x, y = px(point.x), py(point.y)
                labelled = self.labelled and not many and dist((x, y), at) > CLOSEST
                at = (x, y) if labelled else at
                hue = curve.colour if many or point.lane is None else ""
                body.append(_dot(point, hue, x, y, labelled, self._number(curve, point)))
        if not ys:
            body.append(
                f'<text x="{middle:.0f}" y="{HEIGHT / 2 - 14}" text-anchor="middle">{escape(self.lacking)}</text>'
            )
        return "".join(body)


def _dot(point: Point, hue: str, x: float, y: float, labelled: bool, number: str) -> str:
    """A point as a dot, in the colour of its curve, or of its picture's scale where there is one curve only."""
    at = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5"'
    lane = point.lane
    if lane is None:
        return f'{at} fill="{hue}"><title>{escape(point.name)}</title></circle>'
    label = f'<text x="{x + 7:.1f}" y="{y - 5:.1f}">{lane.guidance_scale:g}</text>' if labelled else ""
    return (
        f'{at} fill="{hue or colour(lane.guidance_scale)}" '
        f'data-key="{key(lane)}" data-words="{escape(words(lane), quote=True)} · {point.y:.3f}"{number}/>{label}'
    )


def legend(curves: Sequence[Curve], how: str = "") -> str:
    """The names of curves in their colours, and a sentence about their dots."""
    names = "".join(f'<span><i style="background:{c.colour}"></i>{escape(c.name)}</span>' for c in curves)
    return f'<div class="curve-legend">{names}{f"<span>{escape(how)}</span>" if how else ""}</div>'


def figures(charts: Sequence[Chart]) -> str:
    """Charts one after the other."""
    return "".join(chart.figure() for chart in charts)


def along(scale: float) -> float:
    """Where a guidance scale stands on an axis of scales: the small ones apart."""
    return log2(1 + scale)


def tick_labels(values: Sequence[float]) -> list[tuple[float, str]]:
    """Ticks with their numbers, all with as many decimals as tell them apart."""
    spacing = values[1] - values[0] if len(values) > 1 else 0.0
    return [(value, plots.label(value, spacing)) for value in values]
