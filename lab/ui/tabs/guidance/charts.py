"""The curves of the Guidance tab, as SVG: a point is a picture, so it can show it. And the same numbers as CSV."""

import csv
from collections.abc import Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path

import numpy as np

from lab.catalog import GUIDANCE
from lab.measures import diversity
from lab.requests.sampling import LaneSettings
from lab.ui.shell import plots, theme, widgets
from lab.ui.tabs.guidance import pull
from lab.ui.tabs.guidance.chart import SCALE, STEP, WIDE, Chart, Curve, Point, along, figures, legend, tick_labels
from lab.ui.tabs.guidance.view import Look, Sweep

UNCONDITIONAL, CONDITIONAL, DIFFERENCE = theme.NEUTRAL, theme.MARK, theme.NOISE
ABOUT = {
    "clip": "fit to the prompt, by the lab's own small CLIP",
    "guide": "fit to the prompt, by the CLIP that guides",
    "judge": "by a network that shares nothing with it",
    "gap": "each line from the lowest scale to the highest",
    "saturation": "mean of all pixels",
    "clipped": "share of pixels beyond black or white",
    "contrast": "deviation of the luma",
    "diversity": "mean RMS between seeds",
    "trade": "CLIP score over diversity",
}
SPANS = {  # of the y axes, whatever a run has, unless it has more
    "clip": (-0.4, 1.0), "saturation": (0.0, 0.6), "clipped": (0.0, 0.2), "contrast": (0.0, 0.4), "diversity": (0.0, 0.3),
    "guide": (-0.4, 1.0), "judge": (-0.4, 1.0), "trade": (-0.4, 1.0), "eps": (0.0, 1.2), "difference": (0.0, 0.4),
}  # fmt: skip
NO_PROMPT = "no prompt to score"
LACKING = {
    "clip": NO_PROMPT, "guide": NO_PROMPT, "judge": NO_PROMPT, "gap": NO_PROMPT, "diversity": "needs two seeds",
    "trade": "needs a prompt and two seeds",
}  # fmt: skip
SCORED = ("clip", "diversity", "saturation", "clipped", "contrast", "trade")  # the charts of a run
JUDGED = ("guide", "judge", "gap", "diversity", "saturation", "clipped")  # and of one that CLIP guides


def curves(sweep: Sweep) -> str:
    """Six small charts over the scale: fidelity up, diversity down, then burn. Where CLIP guides, what it says itself and
    what the judge says, one over the other."""
    rules = sweep.plan.rules
    lacking = LACKING if sweep.cells else dict.fromkeys(LACKING, "")
    charts = {name: _over_scale(sweep, name, title, lacking) for name, title in sweep.plan.measures.items()}
    charts["diversity"] = _over_scale(sweep, "diversity", "diversity", lacking)
    charts["trade"] = _trade_off(sweep, rules, lacking["trade"])
    charts["gap"] = _judge_over_guide(sweep, rules, lacking["gap"])
    seeds = len({seed for _, seed in sweep.plan.rows})
    line = f"line: mean of {seeds} seeds · dot" if seeds > 1 else "dot"
    drawn = figures([charts[name] for name in (JUDGED if sweep.plan.judged else SCORED)])
    names = legend([_named(rule) for rule in rules], f"{line}: a picture, hover to see it")
    said = widgets.words(escape(gap(sweep))) if sweep.plan.judged else ""
    return f'{names}<div class="curves">{drawn}</div>{said}'


def _named(rule: str, line: Sequence[Point] = (), dots: Sequence[Point] = ()) -> Curve:
    return Curve(GUIDANCE[rule].title, GUIDANCE[rule].colour, tuple(line), tuple(dots))


def _over_scale(sweep: Sweep, name: str, title: str, lacking: Mapping[str, str]) -> Chart:
    """A measure over the scale, a curve for each rule."""
    curve = _diversity_curve if name == "diversity" else partial(_measure_curve, name=name)
    ticks = [(along(scale), f"{scale:g}") for scale in sweep.plan.scales]
    rule_curves = [curve(sweep, rule) for rule in sweep.plan.rules]
    return Chart(title, ABOUT[name], rule_curves, SCALE, ticks, SPANS[name], lacking.get(name, ""))


def _lanes(sweep: Sweep, rule: str, scale: float) -> list[LaneSettings]:
    lanes = (lane for lane in sweep.plan.request.lanes if lane.rule == rule and lane.guidance_scale == scale)
    return [lane for lane in lanes if lane in sweep.cells]


def _measure_curve(sweep: Sweep, rule: str, name: str) -> Curve:
    line, dots = [], []
    for scale in sweep.plan.scales:
        here = [
            Point(along(scale), sweep.cells[lane].measures[name], lane)
            for lane in _lanes(sweep, rule, scale)
            if name in sweep.cells[lane].measures
        ]
        if here:
            line.append(Point(here[0].x, float(np.mean([point.y for point in here]))))
        dots += here
    return _named(rule, line, dots)


def _diversity(sweep: Sweep, rule: str, scale: float) -> float | None:
    lanes = _lanes(sweep, rule, scale)
    return diversity([sweep.cells[lane].picture for lane in lanes]) if len(lanes) > 1 else None


def _diversity_curve(sweep: Sweep, rule: str) -> Curve:
    """Diversity over scale; its dots stand on the line, each shows the first seed's picture."""
    line = [
        Point(along(scale), value, _lanes(sweep, rule, scale)[0])
        for scale in sweep.plan.scales
        if (value := _diversity(sweep, rule, scale)) is not None
    ]
    return _named(rule, line, line)


def _trade_off(sweep: Sweep, rules: Sequence[str], lacking: str) -> Chart:
    """The paper's figure (Ho & Salimans 2022): what is won in fidelity and lost in diversity as the scale grows."""
    rule_curves = []
    for rule in rules:
        scores = {point.x: point.y for point in _measure_curve(sweep, rule, "clip").line}
        line = [Point(p.y, scores[p.x], p.lane) for p in _diversity_curve(sweep, rule).line if p.x in scores]
        rule_curves.append(_named(rule, line, line))
    xs = [point.x for curve in rule_curves for point in curve.line]
    ticks = tick_labels(plots.ticks(0.0, max([SPANS["diversity"][1], *xs])))
    return Chart(
        "the trade-off", ABOUT["trade"], rule_curves, "diversity", ticks, SPANS["trade"], lacking, labelled=True
    )


def _judge_over_guide(sweep: Sweep, rules: Sequence[str], lacking: str) -> Chart:
    """GLIDE's figure (Nichol et al. 2021, Figure 6): what CLIP says of the pictures that it guided, and what one says that
    did not."""
    rule_curves = [_named(rule, line, line) for rule in rules for line in [_scores(sweep, rule)]]
    xs = [point.x for curve in rule_curves for point in curve.line]
    low, high = min([SPANS["guide"][0], *xs]), max([SPANS["guide"][1], *xs])
    across = tick_labels(plots.ticks(low, high))
    return Chart(
        "judge over guide", ABOUT["gap"], rule_curves, "guide's score", across, SPANS["judge"], lacking, labelled=True
    )


def _scores(sweep: Sweep, rule: str) -> list[Point]:
    """What the guide and the judge say at each scale, mean over the seeds; each shows the first seed's picture."""
    guide, judge = (_measure_curve(sweep, rule, name).line for name in ("guide", "judge"))
    at = {point.x: point.y for point in judge}
    pictures = {along(lane.guidance_scale): lane for lane in reversed(sweep.plan.request.lanes) if lane.rule == rule}
    return [Point(point.y, at[point.x], pictures[point.x]) for point in guide if point.x in at]


def gap(sweep: Sweep) -> str:
    """By how much the guide's score rises from the lowest scale to the highest, and the judge's, for each rule; and what both
    find of CLIP's pictures beside those of classifier-free guidance."""
    rises = [_rise(rule, _scores(sweep, rule)) for rule in sweep.plan.rules]
    clip = next((rule for rule in sweep.plan.rules if GUIDANCE[rule].guide == "clip"), "")
    return " ".join(filter(None, [*rises, _beside(_scores(sweep, clip), _scores(sweep, "cfg"))]))


def _beside(clip: Sequence[Point], cfg: Sequence[Point]) -> str:
    """GLIDE's comparison (Nichol et al. 2021, section 5.2) at the highest scale: the gap is what the guide claims beyond what the
    judge grants."""
    if not clip or not cfg:
        return ""
    ahead = [one - other for one, other in ((clip[-1].x, cfg[-1].x), (clip[-1].y, cfg[-1].y))]
    guide, judge, claimed = (f"{round(rise, 2) + 0.0:+.2f}".replace("-", "−") for rise in (*ahead, ahead[0] - ahead[1]))
    return f"CLIP's pictures against classifier-free ones at the highest scale: {guide} for the guide, {judge} for the judge, a gap of {claimed}."


def _rise(rule: str, scores: Sequence[Point]) -> str:
    if len(scores) < 2:
        return ""
    first, last = scores[0], scores[-1]
    assert first.lane and last.lane  # points of pictures
    guide, judge = (round(rise, 2) + 0.0 for rise in (last.x - first.x, last.y - first.y))  # no minus before zero
    ends = f"{first.lane.guidance_scale:g} to {last.lane.guidance_scale:g}"
    numbers = f"guide {guide:+.2f}, judge {judge:+.2f}".replace("-", "−")
    return f"{GUIDANCE[rule].title}, from scale {ends}: {numbers}."


def norms(look: Look | None) -> str:
    """RMS of both halves and of their difference at every step, from noise to picture; and, of a rule with a guide, what it
    believes and how it pulls."""
    steps = look.steps if look else ()
    ticks = [(float(i + 1), str(i + 1)) for i in range(steps[0].n)] if steps else []

    def curve(name: str, hue: str, which: int) -> Curve:
        return Curve(name, hue, tuple(Point(step.i + 1.0, step.norms[which]) for step in steps))

    halves = [curve("unconditional", UNCONDITIONAL, 0), curve("conditional", CONDITIONAL, 1)]
    gap = [curve("their difference", DIFFERENCE, 2)]
    hue = GUIDANCE[look.request.lane.rule].colour if look else ""
    pulls = pull.charts(steps, ticks, hue)
    charts = (
        Chart("eps of both halves", "RMS at each step", halves, STEP, ticks, SPANS["eps"], width=WIDE),
        Chart("their difference", "what guidance multiplies, RMS", gap, STEP, ticks, SPANS["difference"], width=WIDE),
    )
    names = legend([*halves, *gap, *([Curve(pull.PULL, hue, ())] if pulls else [])])
    more = f'<div class="curves">{figures(pulls)}</div>' if pulls else ""
    return f'{names}<div class="curves two">{figures(charts)}</div>{more}'


def save_sweep(sweep: Sweep, path: Path) -> Path:
    """All curves of a sweep: a row for each finished picture, diversity repeated for its rule and scale."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["rule", "seed", "guidance_scale", *sweep.plan.measures, "diversity", "steps"])
        for lane in sweep.plan.request.lanes:
            if (cell := sweep.cells.get(lane)) is not None:
                diversity = _diversity(sweep, lane.rule, lane.guidance_scale)
                numbers = [cell.measures.get(name) for name in sweep.plan.measures]
                row = [None if value is None else round(value, 6) for value in [*numbers, diversity]]
                writer.writerow([lane.rule, lane.seed, f"{lane.guidance_scale:g}", *row, lane.steps])
    return path


def save_norms(look: Look, path: Path) -> Path:
    """The norms of one cell's steps, and of what pulls it besides."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        names = ["step", "t", "log_snr", "rms_eps_unconditional", "rms_eps_conditional", "rms_difference"]
        writer.writerow([*names, *pull.columns(look.steps)])
        for step in look.steps:
            halves = (round(value, 6) for value in step.norms)
            writer.writerow([step.i + 1, step.t, round(step.log_snr, 6), *halves, *pull.numbers(step)])
    return path
