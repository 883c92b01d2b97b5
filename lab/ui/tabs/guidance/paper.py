"""The paper's curves as the lab ships them: precision over recall, and the Fréchet distance over the scale, with how they were
measured. Pure functions to markup."""

import csv
import io
from collections.abc import Iterable, Sequence
from html import escape
from math import ceil, floor
from urllib.parse import quote

from lab.catalog import GUIDANCE, SAMPLERS
from lab.fidelity_curves import CurvePoint, FidelityCurves
from lab.ui.shell import plots, theme, widgets
from lab.ui.tabs.guidance.chart import SCALE, WIDE, Chart, Curve, Point, along, figures, legend, tick_labels
from lab.ui.tabs.guidance.fidelity import ABOUT

FLOOR = "real against real"
HEAD = ("rule", "guidance_scale", "precision", "recall", "frechet_distance")


def shipped(data: FidelityCurves) -> str:
    """Precision over recall, and the Fréchet distance over the scale with its floor; how they were measured; what the paper
    says and what is found here."""
    rules = list(dict.fromkeys(point.rule for point in data.points))
    curves = [_curve(rule, _of(data, rule), "recall") for rule in rules]
    level = Curve(
        FLOOR, theme.NEUTRAL, tuple(Point(along(p.scale), data.floor) for p in _of(data, rules[0])), dashed=True
    )
    distances = [*(_curve(rule, _of(data, rule), "scale") for rule in rules), level]
    ticks = [(along(point.scale), f"{point.scale:g}") for point in _of(data, rules[0])]
    highest = max(point.frechet for point in data.points)
    recalls, precisions = (_tenths(getattr(point, name) for point in data.points) for name in ("recall", "precision"))
    across = tick_labels(plots.ticks(*recalls))
    charts = (
        Chart("precision over recall", "a dot is a scale: hover to read it", curves, "recall", across, precisions, width=WIDE),
        Chart("Fréchet distance", "less is better", distances, SCALE, ticks, (0.0, highest), width=WIDE),
    )  # fmt: skip
    names = legend([*curves, level])
    words = widgets.words(f"{ABOUT} {_how(data)}") + widgets.words(table_4(data))
    return f'{names}<div class="curves two">{figures(charts)}</div>{words}{_table(data)}'


def _tenths(shares: Iterable[float]) -> tuple[float, float]:
    """The tenths between which all of these shares lie."""
    values = [*shares]
    return floor(min(values) * 10) / 10, ceil(max(values) * 10) / 10


def _of(data: FidelityCurves, rule: str) -> list[CurvePoint]:
    return sorted((point for point in data.points if point.rule == rule), key=lambda point: point.scale)


def _curve(rule: str, points: Sequence[CurvePoint], across: str) -> Curve:
    row, line = GUIDANCE[rule], []
    for one in points:
        name = (
            f"{row.title}, scale {one.scale:g}: precision {one.precision:.2f}, recall {one.recall:.2f}, "
            f"Fréchet distance {one.frechet:.4g}"
        )
        at = (one.recall, one.precision) if across == "recall" else (along(one.scale), one.frechet)
        line.append(Point(*at, name=name))
    return Curve(row.title, row.colour, tuple(line), tuple(line))


def _how(data: FidelityCurves) -> str:
    return (
        f"Each dot is {data.n} pictures of the pixel model against {data.real} real ones, k = {data.k} neighbours, in the "
        f"judge's features; {data.steps} steps of {escape(SAMPLERS[data.sampler].title)}, seeds from {data.seed} on. So few "
        f"pictures bias all three numbers: the Fréchet distance of {data.n} real pictures to others of them is "
        f"{data.floor:.4g}, the dashed line, and not 0. Compare curves, not with other papers' numbers."
    )


def table_4(data: FidelityCurves) -> str:
    """What Table 4 of Dhariwal & Nichol 2021 says of an unconditional model, and what is found here."""
    at = {point.scale: point.frechet for point in data.points if point.rule == "classifier"}
    if not {0.0, 1.0} <= at.keys():
        return ""
    found = "worse here too" if at[1.0] > at[0.0] else "better here"
    if abs(at[1.0] - at[0.0]) < data.floor:
        found = "hardly different here, less than the distance of real pictures to real ones"
    best = min(at, key=lambda scale: at[scale])
    row = GUIDANCE["classifier"]
    return (
        f'Table 4 of <a href="https://arxiv.org/abs/{row.arxiv}">{escape(row.paper)}</a> says: on an unconditional model, a '
        f"classifier at scale 1 has a worse FID than none. It is {found}: the Fréchet distance is {at[0.0]:.4g} at scale 0 and "
        f"{at[1.0]:.4g} at scale 1. It is lowest at scale {best:g}, {at[best]:.4g}."
    )


def _table(data: FidelityCurves) -> str:
    """All numbers, to unfold and to save, and the command that makes them again."""
    rows = [(p.rule, f"{p.scale:g}", f"{p.precision:.4g}", f"{p.recall:.4g}", f"{p.frechet:.5g}") for p in data.points]
    text = io.StringIO()
    csv.writer(text).writerows([HEAD, *rows])
    link = f'<a download="guidance-curves.csv" href="data:text/csv;charset=utf-8,{quote(text.getvalue())}">Numbers, CSV</a>'
    titled = [(GUIDANCE[rule].title, *numbers) for rule, *numbers in rows]
    table = widgets.table(("Rule", "Scale", "Precision", "Recall", "Fréchet distance"), titled)
    return (
        f'<details><summary>All numbers as a table</summary><div class="chart-table" tabindex="0" role="region" '
        f'aria-label="The paper\'s curves, numbers">{table}</div></details>'
        f'<p class="lab-words">{link} Measured again by <code>{escape(data.command)}</code></p>'
    )
