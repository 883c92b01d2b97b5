"""What the Guidance tab shows: the sweep as a grid of cells, and one cell taken apart. Pure functions to markup.

Pictures are painted as data URIs and every box keeps its square, so nothing jumps while a run streams.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from lab.catalog import GUIDANCE, MODELS
from lab.requests.anatomy import Anatomy, AnatomyRequest
from lab.requests.base import make_request
from lab.requests.fields import MAX_SEED
from lab.requests.nearest import Nearest
from lab.requests.sampling import LaneSettings, Recording, SamplingRequest, Step
from lab.ui.shell import lane_view, lists, media, reel
from lab.ui.shell.sources import beside
from lab.ui.shell.widgets import subscripts
from lab.ui.tabs.guidance import pull
from lab.ui.tabs.guidance.cells import colour, figure, heat_colours, image, key, words
from lab.ui.tabs.guidance.rules import names_of_scales

MAX_SCALE = 30.0
MAX_CELLS = 256  # finished cells that a visitor's page remembers
MAX_ANATOMY_SCALES = 12  # predicted x_0 of one step
MEASURES = {
    "clip": "CLIP score", "guide": "guide's score", "judge": "judge's score", "saturation": "saturation",
    "clipped": "clipped pixels", "contrast": "contrast",
}  # fmt: skip


# A click picks a cell; its identity and not its place travels, since the grid may have changed meanwhile.
STAGE_JS = beside(__file__, "stage.js") + reel.REEL_JS

# Hovering over a point of a curve shows its picture and lights its cell; a click picks it.
CURVES_JS = beside(__file__, "curves.js")

# The large picture fills the screen at a click; Escape or a click goes back.
LOOK_JS = beside(__file__, "look.js")


# Lists that a visitor types


def parse_scales(text: Any) -> tuple[float, ...]:
    """The guidance scales in `text`, ascending and each once. Raises LabError with the word that is wrong."""
    return tuple(sorted(lists.numbers(text, "Guidance scales", 0, MAX_SCALE)))


def parse_seeds(text: Any) -> tuple[int, ...]:
    """The seeds in `text`, in their order and each once. Raises LabError with the word that is wrong."""
    return lists.whole_numbers(text, "Seeds", 0, MAX_SEED)


# A sweep


@dataclass(frozen=True)
class SweepPlan:
    """The request of a sweep: a lane for each of its cells, row by row, scales across."""

    request: SamplingRequest
    rows: tuple[tuple[str, int], ...]  # rule, seed
    scales: tuple[float, ...]

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules of its rows, each once."""
        return tuple(dict.fromkeys(rule for rule, _ in self.rows))

    @property
    def judged(self) -> bool:
        """Whether a judge scores its pictures: those that CLIP guides are never scored by what guided them."""
        return any(is_judged(lane) for lane in self.request.lanes)

    @property
    def measures(self) -> dict[str, str]:
        """What is measured of its pictures, by name, with the title."""
        left_out = ("clip",) if self.judged else ("guide", "judge")
        return {name: title for name, title in MEASURES.items() if name not in left_out}


def is_judged(lane: LaneSettings) -> bool:
    """Whether a run with this lane is scored by the judge."""
    return GUIDANCE[lane.rule].guide == "clip"


def make_plan(
    rules: Sequence[str], seeds: Sequence[int], scales: Sequence[float], lane: dict[str, Any], shared: dict[str, Any]
) -> SweepPlan:
    """A plan from what a visitor chose: `lane` is what all cells have in common, `shared` the rest of the request."""
    rows = tuple((rule, seed) for rule in rules for seed in seeds)
    lanes = tuple(
        make_request(LaneSettings, **lane, seed=seed, guidance_scale=scale, rule=rule)
        for rule, seed in rows
        for scale in scales
    )
    return SweepPlan(make_request(SamplingRequest, **shared, lanes=lanes), rows, tuple(scales))


@dataclass(frozen=True)
class Cell:
    """A finished picture of a sweep and its numbers."""

    picture: np.ndarray  # (height, width, 3) uint8
    uri: str
    measures: Mapping[str, float]


@dataclass(frozen=True)
class Sweep:
    """What a visitor's page keeps: the plan that the grid shows, finished cells by everything that decides them, and how
    the cells of the plan came about."""

    plan: SweepPlan
    cells: Mapping[LaneSettings, Cell] = field(default_factory=dict)
    film: reel.Film = field(default_factory=reel.Film)  # its elements are named by `key`

    def with_plan(self, plan: SweepPlan) -> "Sweep":
        """The new plan with those finished cells that still are what it asks for; the rest are forgotten."""
        if _origin(plan.request) != _origin(self.plan.request):
            return Sweep(plan)
        return Sweep(plan, dict(list(self.cells.items())[-MAX_CELLS:]), self.film)

    def new_lanes(self) -> tuple[LaneSettings, ...]:
        """The lanes of the plan that have no finished cell; and where none of them is guided by CLIP, but others of the plan
        are, one of those, so that the judge scores the new ones too."""
        lanes = self.plan.request.lanes
        new = tuple(lane for lane in lanes if lane not in self.cells)
        if not new or any(map(is_judged, new)):
            return new
        return (*new, *[lane for lane in lanes if is_judged(lane)][:1])


def _origin(request: SamplingRequest) -> tuple[object, ...]:
    """What all cells of a sweep share; seed, scale and rule are a cell's own."""
    first = request.lanes[0].model_copy(update={"seed": 0, "guidance_scale": 1.0, "rule": "cfg"})
    judged = any(map(is_judged, request.lanes))
    return request.model, request.condition, request.negative, request.forward, request.guide, judged, first


def lane_of(plan: SweepPlan, name: object) -> LaneSettings | None:
    """The lane of a plan that `key` gives this name; None where the grid has changed and has none."""
    return next((lane for lane in plan.request.lanes if key(lane) == name), None)


class SweepPainter:
    """Paints a sweep while it runs. A picture is encoded once for each step that is new."""

    def __init__(self, sweep: Sweep) -> None:
        self.plan, self.cells, self.before = sweep.plan, dict(sweep.cells), sweep.film
        self.steps: dict[LaneSettings, Step] = {}  # the latest of each lane
        self.guesses: dict[LaneSettings, Step] = {}  # whose x_0 is shown
        self._uris: dict[LaneSettings, tuple[Step, str]] = {}

    def add(self, lane: LaneSettings, step: Step) -> None:
        """Take in a step of a lane."""
        self.steps[lane] = step
        self.guesses[lane] = lane_view.guess(self.guesses.get(lane), step)

    def film(self, recording: Recording) -> reel.Film:
        """How the pictures of the grid came about: those of a run that ends here, and as far as they fit those from before."""
        lanes, whole = recording.request.lanes, self.plan.request.lanes
        frames = reel.guesses(recording, [key(lane) for lane in lanes], reel.MOST_PIXELS * len(lanes) // len(whole))
        return frames.join(self.before, {key(lane) for lane in whole if lane in self.cells})

    def grid(self, stopped: bool = False) -> str:
        return _grid(self.plan, lambda index: self._cell(index, stopped), lane_view.group(self.plan.request))

    def _cell(self, index: int, stopped: bool) -> str:
        lane = self.plan.request.lanes[index]
        title = words(lane)
        step, cell = self.steps.get(lane), self.cells.get(lane)
        body, part = "", False
        if cell is not None:
            body = image(cell.uri, title, key(lane)) + f"<small>seed {lane.seed} · {lane.guidance_scale:g}</small>"
        elif step is not None:
            guess = self.guesses[lane]
            latent = "" if guess.decoded else "latent, "
            body = image(self._uri(lane, guess), f"{title}, {latent}step {guess.i} of {guess.n}", key(lane))
            if stopped and step.i < step.n:
                part = True
                body += f"<small>{latent}{guess.i}/{guess.n}</small>"
            elif step.i < step.n:
                body += "" if guess.decoded else '<small class="latent">latent</small>'
                body += f'<i class="bar" style="width:{100 * step.i / step.n:.0f}%"></i>'
        return (
            f'<button type="button" data-key="{key(lane)}"{" class=part" if part else ""} '
            f'style="--scale:{colour(lane.guidance_scale)}" aria-label="{escape(title, quote=True)}">{body}</button>'
        )

    def progress(self, lanes: Sequence[LaneSettings]) -> str:
        """How far the run of these lanes has come."""
        calls = sum(self.steps[lane].i for lane in lanes if lane in self.steps)
        finished = sum(lane in self.cells for lane in lanes)
        return (
            f"{finished} of {len(lanes)} pictures · step {calls} of {sum(lane.steps for lane in lanes)}"
            f"{self._reuse_note(lanes, ' · ')}"
        )

    def ended(self, lanes: Sequence[LaneSettings], seconds: float) -> str:
        """What the run of these lanes has made, in a sentence."""
        left = sum(lane not in self.cells for lane in lanes)
        count = len(self.plan.request.lanes)
        if not lanes:
            return f"All {count} pictures were there already. Add a scale or a seed, and only the new ones are made."
        if left:
            return f"Stopped. {count - left} finished pictures stay; Run makes the other {left}."
        steps = sum(lane.steps for lane in lanes)
        return f"{len(lanes)} pictures, {steps} steps in {seconds:.1f} s{self._reuse_note(lanes, '; ')}."

    def _reuse_note(self, lanes: Sequence[LaneSettings], comma: str) -> str:
        before = len(self.plan.request.lanes) - len(lanes)
        return f"{comma}{before} kept from before" if before else ""

    def _uri(self, lane: LaneSettings, step: Step) -> str:
        entry = self._uris.get(lane)
        if entry is None or entry[0] is not step:
            entry = self._uris[lane] = step, media.data_uri(step.x_0, moving=step.i < step.n)
        return entry[1]


def _grid(plan: SweepPlan, cell: Callable[[int], str], named: str = "") -> str:
    """A plan's heads, and for each of its lanes what `cell` says of the lane of this index. `named` are the attributes that
    name the whole for a screen reader."""
    several, names = len(plan.rules) > 1, names_of_scales(plan.rules, MODELS[plan.request.model].family == "exact")
    body = ['<span class="corner">guidance scale</span>']
    for scale in plan.scales:
        name = names.get(scale, "").replace("plain ", "") or "&nbsp;"
        if name == "unconditional" and plan.request.negative.strip():
            name = "negative"  # it took the place of no prompt
        body.append(f'<span class="head" style="--scale:{colour(scale)}"><i>{name}</i>{scale:g}</span>')
    for row, (rule, seed) in enumerate(plan.rows):
        title = f"{GUIDANCE[rule].title}<i>seed {seed}</i>" if several else f"<i>seed</i>{seed}"
        body.append(f'<span class="side" style="--rule:{GUIDANCE[rule].colour}">{title}</span>')
        body += [cell(row * len(plan.scales) + column) for column in range(len(plan.scales))]
    size = f"--columns:{len(plan.scales)};--rows:{len(plan.rows)}"
    return f'<div class="sweep-box"><div class="sweep" style="{size}"{named}>{"".join(body)}</div></div>'


def nearest_grid(plan: SweepPlan, found: Mapping[LaneSettings, Nearest], text: str = "") -> str:
    """A grid like the one above it, of the training pictures nearest to its cells; and how that was measured, or why there
    are none."""

    def cell(index: int) -> str:
        one = found.get(plan.request.lanes[index])
        if one is None:
            return '<figure class="near"></figure>'
        what = f"{one.caption}, {one.rms:.0f} grey levels away"
        return f'<figure class="near">{image(media.data_uri(one.picture), what)}<small>{one.rms:.0f}</small></figure>'

    return _grid(plan, cell) + f'<p class="lab-words" role="status">{escape(text)}</p>'


# One cell, taken apart


@dataclass(frozen=True)
class Look:
    """The selected cell, and the steps of its anatomy that are there."""

    request: AnatomyRequest
    cell: Cell | None
    steps: tuple[Anatomy, ...] = ()

    @property
    def whole(self) -> bool:
        return bool(self.steps) and len(self.steps) == self.steps[0].n


def anatomy_scales(scales: Sequence[float], own: float) -> tuple[float, ...]:
    """At most MAX_ANATOMY_SCALES of a sweep's scales, evenly chosen, the cell's own among them."""
    if len(scales) <= MAX_ANATOMY_SCALES:
        return tuple(scales)
    even = [scales[round(i)] for i in np.linspace(0, len(scales) - 1, MAX_ANATOMY_SCALES - 1)]
    return tuple(sorted({*even, own}))


def look(look: Look | None, index: int = 0, scales: Sequence[float] = ()) -> str:
    """The selected picture, large and with its numbers, beside one step of its anatomy."""
    if look is None:
        return f'<div class="look">{figure("", "Click a picture above", "", "large")}<div>{_apart(None, scales, -1)}</div></div>'
    lane, cell = look.request.lane, look.cell
    numbers = ""
    if cell is not None:
        rows = [(title, f"{cell.measures[name]:.3f}") for name, title in MEASURES.items() if name in cell.measures]
        numbers = "".join(f"<dt>{title}</dt><dd>{value}</dd>" for title, value in rows)
    title = f"scale {lane.guidance_scale:g}, seed {lane.seed}"
    under = f"{GUIDANCE[lane.rule].title} · {lane.steps} steps. Click for full size."
    large = figure(image(cell.uri, words(lane)) if cell else "", title, under, "large", f"<dl>{numbers}</dl>")
    step = look.steps[min(max(index, 0), len(look.steps) - 1)] if look.steps else None
    # The picked cell is outlined from here, so that the grid need not be painted again.
    mark = f'<style>.sweep [data-key="{key(lane)}"] {{ box-shadow: 0 0 0 3px var(--primary-500) !important; }}</style>'
    latent = MODELS[look.request.model].latent
    apart = _apart(step, look.request.scales, lane.guidance_scale, latent)
    return f'<div class="look">{mark}{large}<div>{apart}{pull.panel(lane, step)}</div></div>'


def _apart(step: Anatomy | None, scales: Sequence[float], own: float, latent: bool = False) -> str:
    pictures: list[np.ndarray | None] = [None] * 4
    under = [""] * 4
    level = ""
    if step is not None:
        pictures = [step.x_t, step.unconditional, step.conditional, heat_colours(step.difference)]
        sign = "−" if step.log_snr < 0 else "+"
        level = f" · step {step.i + 1} of {step.n}, log-SNR {sign}{abs(step.log_snr):.1f}"
        without, with_prompt, gap = step.norms
        share = gap / max(with_prompt, 1e-9)
        under = [f"t = {step.t:.0f}", f"RMS {without:.3f}", f"RMS {with_prompt:.3f}", f"RMS {gap:.3f}, {share:.0%} of eps"]  # fmt: skip
    titles = ("x_t", "eps, unconditional", "eps, conditional", "their difference")
    if latent:
        titles = ("x_t, latent", *titles[1:])
    halves = "".join(
        figure("" if picture is None else image(media.data_uri(picture), title), title, line)
        for picture, title, line in zip(pictures, titles, under, strict=True)
    )
    guesses = ""
    for i, scale in enumerate(scales):
        body = (
            '<span class="empty"></span>' if step is None else image(media.data_uri(step.x_0[i]), f"x_0 at {scale:g}")
        )
        kind = ' class="own"' if scale == own else ""
        guesses += (
            f'<figure{kind} style="--scale:{colour(scale)}"><div class="box">{body}</div>'
            f"<figcaption>{scale:g}</figcaption></figure>"
        )
    return (
        f'<div class="halves">{halves}</div>'
        f"<h4>{subscripts('Predicted x_0 at each scale, all from this one x_t')}{escape(level)}</h4>"
        f'<div class="guesses" style="--columns:{max(len(scales), 1)}">{guesses}</div>'
    )
