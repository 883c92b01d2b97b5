"""What the tab shows of a run: pictures in the making, what they are made from, and figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

import numpy as np

from lab.catalog import MODELS, VIEWS
from lab.quantities import quantity
from lab.requests.edit import INVERSION, EditLane, EditRequest
from lab.requests.sampling import LaneResult, Step
from lab.ui.shell import lane_view, media, reel, widgets
from lab.ui.tabs.edit.outcome import DIVERSITY, Outcome
from lab.ui.tabs.edit.plans import PICTURE, SMALL, Cell, Head, Plan
from lab.views import TURNS, second_view

Steps = Mapping[int, Step]  # by lane: whose x_0 is shown
Results = Mapping[int, LaneResult]  # by lane
Stills = Mapping[str, np.ndarray]  # by name
Formulas = Mapping[str, Mapping[str, float]]  # measures, by name

CORNER = {  # of an experiment: the number under a picture, what stands before it, and its digits
    "noise": ("rms", "RMS ", 0),
    "fill": ("seam", "seam ", 2),
    "words": ("rms", "RMS ", 0),
    "two": ("judge", "", 2),
}
BREAKS = {  # where a title may be broken over a narrow column
    "Replacement": "Replace\u00adment", "Exact posterior": "Exact poste\u00adrior", "Nine channels": "Nine chan\u00adnels",
}  # fmt: skip
CAPTION = {
    "words": "From noise to picture; of the picture its way up, at the same log-SNR",
}
SAID = {
    "noise": "<b>RMS</b> is the distance to the picture, in grey levels of 255. At strength 1 the way begins with nothing but noise; at 0 the picture stays as it is.",
    "fill": "<b>Seam</b>: squared steps of grey level across the rim of the hole, over those inside it. The lower, the less the rim stands out.",
    "words": "<b>RMS</b> is the distance to the picture, in grey levels of 255: in the first row the error of what comes back.",
    "enlarge": "<b>PSNR</b> is the likeness to the original, in dB: more is nearer, pixel by pixel. Sharp guesses pay for what they guess.",
    "two": "The numbers: how well the judge finds the words of the row in the picture as the row shows it, from −1 to 1.",
}
CASCADED = (
    "The pixel model drew one small picture, which all rows enlarge. There is no original, so what the upsampler adds is its own. "
    "<b>Detail</b> is the energy of gradients over that of the small picture enlarged by nearest neighbour."
)
OWN = "the picture itself"
KEPT = " The known part goes through the autoencoder, too, which blurs it a little, unless the hole is pasted in."
UNSEEN = " The judge never saw a hybrid: it finds the near one hardly where you see it."


def part(lane: int, seen: bool = False) -> str:
    """What a picture is called in the reel."""
    return f"{lane}-{'seen' if seen else 'picture'}"


def stage(plan: Plan, steps: Steps, results: Results, stills: Stills, formulas: Formulas | None = None) -> str:
    """All pictures of a run as far as they are made, in rows and columns with their heads; what they are made from beside them.
    `formulas` are the measures of stills that a formula made, by name."""
    view = _view(plan)
    lead = "".join(
        _still(one.name, one.title, stills.get(one.name), (formulas or {}).get(one.name)) for one in plan.stills
    )
    body = ['<span class="corner"></span>', *(_head(one, "head") for one in plan.columns)]
    for index, row in enumerate(plan.rows):
        begin = index * len(plan.columns)
        body.append(_head(row, "side"))
        body += [_cell(plan, cell, steps, results, view) for cell in plan.cells[begin : begin + len(plan.columns)]]
    across = max(len(plan.columns), len(plan.stills)) if plan.experiment == "enlarge" else len(plan.columns)
    size = f"--columns:{len(plan.columns)};--rows:{len(plan.rows)};--stills:{len(plan.stills)};--across:{across}"
    return (
        f'<div class="edits" data-experiment="{plan.experiment}" data-view="{view}" style="{size}" role="group" '
        f'aria-label="{escape(_name(plan), quote=True)}">'
        f'{f"<div class=lead>{lead}</div>" if lead else ""}<div class="edit-grid">{"".join(body)}</div></div>'
    )


def finished(outcome: Outcome, plays: bool) -> str:
    """The stage of a run that has ended, with its film."""
    ends = {lane: steps[-1] for lane, steps in outcome.steps.items()}
    return film(outcome).wrap(stage(outcome.plan, ends, outcome.results, outcome.stills, outcome.formulas), plays)


@dataclass(frozen=True)
class _Paths:
    """The steps of lanes and of the hidden one, for the reel."""

    steps: Mapping[int, Sequence[Step]]


def film(outcome: Outcome) -> reel.Film:
    """The lanes from noise to picture, all at the same log-SNR; the way up to x_T beside them, backwards."""
    plan, view, way = outcome.plan, _view(outcome.plan), list(outcome.way)
    upward = plan.experiment == "words"
    if upward:
        way = [step for step in reversed(way) if step.i < step.n]
    paths = _Paths(dict(outcome.steps) | ({INVERSION: way} if way else {}))

    def parts(position: int) -> reel.Parts:
        shown: dict[str, np.ndarray | str] = {}
        at = reel.at_position(paths, position)
        for cell in plan.cells:
            if cell.lane in at:
                picture = reel.guess(outcome.steps[cell.lane], at[cell.lane]).x_0
                shown[part(*cell)] = second_view(view, picture) if cell.seen else picture
        if INVERSION in at:
            shown[PICTURE if upward else SMALL] = at[INVERSION].x_t if upward else at[INVERSION].x_0
        return shown

    made = reel.film(reel.changes(paths), parts, pack=media.noisy_uri if upward else media.smooth_uri)
    return replace(made, caption=CAPTION[plan.experiment]) if plan.experiment in CAPTION else made


def _view(plan: Plan) -> str:
    return plan.request.view if plan.experiment == "two" and isinstance(plan.request, EditRequest) else ""


def _name(plan: Plan) -> str:
    """The run in a few words, for those who hear the page."""
    return f"{quantity(len(plan.lanes), 'picture')} in {quantity(len(plan.columns), 'column')}"


def _head(head: Head, kind: str) -> str:
    more = f"<i>{escape(head.more)}</i>" if head.more else ""
    colour = f' style="--method:{head.colour}"' if head.colour else ""
    title = escape(BREAKS.get(head.title, head.title))
    return f'<span class="{kind}"{colour}>{more if kind == "head" else ""}<b>{title}</b>{more if kind == "side" else ""}</span>'


def _still(name: str, title: str, picture: np.ndarray | None, measures: Mapping[str, float] | None) -> str:
    image = "" if picture is None else lane_view.image(picture, title, name)
    said = f"<small>{_likeness(measures)}</small>" if measures else ""
    return f'<figure class="still"><div class="box">{image}</div><figcaption>{widgets.subscripts(title)}</figcaption>{said}</figure>'


def _cell(plan: Plan, cell: Cell, steps: Steps, results: Results, view: str) -> str:
    """A picture with its number; it has its place before it is there."""
    step, name = steps.get(cell.lane), plan.names[cell.lane]
    image = bar = ""
    if step is not None:
        picture = second_view(view, step.x_0) if cell.seen else step.x_0
        image = lane_view.image(picture, name, part(*cell))
        image += "" if step.decoded else "<small class=latent>latent</small>"
        bar = f'<i style="width:{100 * step.i / step.n:.0f}%"></i>' if step.i < step.n else ""
    figure = corner(plan, cell, results)
    turns = ""
    if view in TURNS and not cell.seen:
        turns = (
            f' role="button" tabindex="0" aria-pressed="false" aria-label="{escape(f"Turn it: {name}", quote=True)}"'
        )
    kind = "edit seen" if cell.seen else "edit"
    return f'<figure class="{kind}"{turns}><div class="box">{image}{bar}</div><small>{escape(figure)}</small></figure>'


def corner(plan: Plan, cell: Cell, results: Results) -> str:
    """The number under a finished picture; "" where it has none."""
    result = results.get(cell.lane)
    if plan.experiment == "enlarge":
        return "" if result is None else _likeness(result.measures)
    name, before, digits = CORNER[plan.experiment]
    if plan.experiment == "two" and cell.seen != (VIEWS[_view(plan)].kind == "frequencies"):
        name = "judge_source"  # a hybrid's first words are what is seen from afar
    value = None if result is None else result.measures.get(name)
    return "" if value is None else f"{before}{value:.{digits}f}".replace("-", "−")


def _likeness(measures: Mapping[str, float]) -> str:
    """What is known of an enlarged picture: its PSNR, where there is an original, and its detail."""
    said = (("psnr", "PSNR ", 1), ("detail", "detail ", 2))
    return ", ".join(f"{before}{measures[name]:.{digits}f}" for name, before, digits in said if name in measures)


# In words


def under_stage(plan: Plan) -> str:
    """What the numbers under the pictures are."""
    cascaded = plan.experiment == "enlarge" and plan.request.picture is None
    more = f" {VIEWS[_view(plan)].about}" if _view(plan) else ""
    if _view(plan) == "frequencies":
        more += UNSEEN
    if plan.own_seam is not None:
        more = f" {OWN[:1].upper()}{OWN[1:]} has {plan.own_seam:.2f} there."
    request = plan.request
    if plan.experiment == "fill" and isinstance(request, EditRequest) and MODELS[request.model].latent:
        more += KEPT
    return widgets.words((CASCADED if cascaded else SAID[plan.experiment]) + more)


def progress(plan: Plan, steps: Steps) -> str:
    """How far a run has come, in calls."""
    total = plan.request.load().steps
    calls = sum(_calls(plan, step) for step in steps.values())
    return f"{quantity(len(plan.lanes), 'picture')} · {calls} of {quantity(total, 'denoiser call')}"


def summary(outcome: Outcome) -> str:
    """What a finished run took."""
    ends = [steps[-1] for steps in outcome.steps.values()]
    calls = sum(_calls(outcome.plan, step) for step in [*ends, *outcome.way[-1:]])
    seconds = max((step.elapsed_s for step in ends), default=0)
    return f"{quantity(len(ends), 'picture')}, {quantity(calls, 'denoiser call')} in {seconds:.1f} s."


def _calls(plan: Plan, step: Step) -> int:
    """The calls that a lane has made by a step of it: none, where its strength leaves no step."""
    lane = plan.lanes[step.lane] if step.lane >= 0 else None
    return min(step.i, lane.calls) if isinstance(lane, EditLane) else step.i


COLUMNS = {  # of the table: the name of a number, and its head
    "noise": (("rms", "RMS", 1), ("edges", "edges, F1", 2), ("judge", "judge", 2)),
    "fill": (("seam", "seam", 2), ("known_rms", "RMS of the known part", 1), (DIVERSITY, "diversity in the hole", 1), ("judge", "judge", 2)),
    "words": (("rms", "RMS", 1), ("edges", "edges, F1", 2), ("judge", "judge, other words", 2), ("judge_source", "judge, its own words", 2)),
    "enlarge": (("psnr", "PSNR, dB", 1), ("detail", "detail", 2)),
    "two": (("judge", "judge, first words", 2), ("judge_source", "judge, second words", 2)),
}  # fmt: skip
DOWN = {"noise": "strength", "fill": "way", "words": "guidance", "enlarge": "augmentation", "two": "picture"}


def table(outcome: Outcome) -> str:
    """The means of every column in figures; of DDIM inversion each row by itself, of an upsampler the formulas, too."""
    plan, measures = outcome.plan, COLUMNS[outcome.plan.experiment]
    rows = [
        (name, *(_written(values.get(key), digits) for key, _, digits in measures))
        for name, values in outcome.formulas.items()
    ]
    if plan.own_seam is not None:
        rows.append((OWN, _written(plan.own_seam, 2), "0.0", "", ""))
    for title, lanes in groups(plan):
        rows.append((title, *(_written(outcome.mean(key, lanes), digits) for key, _, digits in measures)))
    return widgets.table((DOWN[plan.experiment], *(head for _, head, _ in measures)), rows)


def groups(plan: Plan) -> list[tuple[str, list[int]]]:
    """The lanes of which a table has one row: those of a column, of DDIM inversion one by one."""
    if plan.experiment == "words":
        return [(name, [lane]) for lane, name in enumerate(plan.names)]
    titles = [
        " ".join(filter(None, [head.title, head.more if plan.experiment == "fill" else ""])) for head in plan.columns
    ]
    return [(title, plan.lanes_in(column)) for column, title in enumerate(titles)]


def _written(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def pictures(outcome: Outcome) -> list[tuple[int, np.ndarray]]:
    """Lanes with their finished pictures, in order."""
    return [(lane, result.picture) for lane, result in sorted(outcome.results.items())]
