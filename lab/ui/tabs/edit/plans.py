"""What an experiment asks for: its pictures, and where on the stage each of them stands."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from lab.catalog import EDITS, GROUPS, VIEWS, Model
from lab.measures import seam
from lab.requests.base import LabError, make_request
from lab.requests.edit import MOST_REPEATS, EditLane, EditRequest
from lab.requests.enlarge import FACTOR, MOST_NOISE, EnlargeLane, EnlargeRequest
from lab.requests.fields import MAX_SEED, Condition, Forward
from lab.requests.sampling import LaneSettings
from lab.ui.shell import lists
from lab.ui.tabs.edit.drawing import ARRANGED, Drawing

PICTURE, HOLE, X_T, SMALL, ORIGINAL = "picture", "hole", "x_T", "small", "original"  # stills, which no lane draws
FORMULAS = {"nearest": "Nearest", "bicubic": "Bicubic", "Lanczos": "Lanczos"}
UNTOUCHED = "At strength {} not one of {} steps is taken, and no call is made: {}."
STAYS, CODED = "the picture stays as it is", "what is changed there the autoencoder alone did"


class Head(NamedTuple):
    """What stands at the top of a column or before a row."""

    title: str
    more: str = ""
    colour: str = ""


class Cell(NamedTuple):
    """A picture of the grid: a lane's, as it was drawn or as it is `seen` in the second view."""

    lane: int
    seen: bool = False


class Still(NamedTuple):
    """A picture beside the grid that no lane draws."""

    name: str
    title: str


@dataclass(frozen=True)
class Plan:
    """The request of an experiment. `cells` are its pictures row by row, `names` say of each lane what sets it apart."""

    experiment: str
    request: EditRequest | EnlargeRequest
    columns: tuple[Head, ...]
    rows: tuple[Head, ...]
    cells: tuple[Cell, ...]
    names: tuple[str, ...]
    stills: tuple[Still, ...] = ()
    notes: tuple[str, ...] = ()
    own_seam: float | None = None  # of the picture over the rim of the hole, where the hole hides a part of the picture

    @property
    def lanes(self) -> Sequence[LaneSettings | EnlargeLane]:
        """The lanes of the request."""
        return self.request.lanes

    def column_of(self, lane: int) -> int:
        """The column in which a lane stands."""
        return next(place for place, cell in enumerate(self.cells) if cell.lane == lane) % len(self.columns)

    def lanes_in(self, column: int) -> list[int]:
        """The lanes of a column, from top to bottom, each once."""
        return list(dict.fromkeys(cell.lane for cell in self.cells[column :: len(self.columns)]))


def plan(now: Mapping[str, Any], row: Model, drawing: Drawing) -> Plan:
    """The plan of the experiment that the controls `now` are set to, for the model `row`. Raises LabError where it cannot be."""
    return EXPERIMENTS[now["experiment"]](now, row, drawing)


def check_pictures(plan: Plan, most: int) -> Plan:
    """The plan itself; raises LabError where it makes more pictures than the `most` of a run."""
    if len(plan.lanes) > most:
        across, down = len(plan.columns), len(plan.lanes) // len(plan.columns)
        raise LabError(
            f"{across} columns × {down} rows make {len(plan.lanes)} pictures; one run makes at most {most}. Take fewer."
        )
    return plan


# Each experiment


def _noise(now: Mapping[str, Any], row: Model, drawing: Drawing) -> Plan:
    """SDEdit: a column a strength, a row a seed."""
    strengths, seeds = lists.numbers(now["strengths"], "Strengths", 0, 1), _seeds(now)
    lanes = [_lane(now, method="sdedit", strength=one, seed=seed) for seed in seeds for one in strengths]
    return Plan(
        "noise",
        _edit(now, row, drawing, lanes),
        tuple(Head(f"{one:g}", "strength" if k == 0 else "") for k, one in enumerate(strengths)),
        _seed_heads(seeds),
        _in_order(lanes),
        tuple(f"strength {lane.strength:g}, seed {lane.seed}" for lane in lanes),
        (Still(PICTURE, "picture"),),
        _untouched(lanes, row),
    )


def _untouched(lanes: Sequence[EditLane], row: Model) -> tuple[str, ...]:
    """A note where strengths are too low for a single step."""
    low = dict.fromkeys(f"{lane.strength:g}" for lane in lanes if lane.taken == 0)
    return (UNTOUCHED.format(" and ".join(low), lanes[0].steps, CODED if row.latent else STAYS),) if low else ()


def _fill(now: Mapping[str, Any], row: Model, drawing: Drawing) -> Plan:
    """A column a way to fill the hole, RePaint's once for each number of resamplings; a row a seed."""
    names, seeds = [name for name in EDITS if name in (now["methods"] or ())], _seeds(now)
    if not names:
        raise LabError("Choose at least one way to fill the hole.")
    repeats = lists.whole_numbers(now["resamplings"], "Resamplings", 1, MOST_REPEATS) if "repaint" in names else (1,)
    ways = [(name, r) for name in names for r in (repeats if name == "repaint" else (1,))]
    lanes = [
        _lane(now, method=name, seed=seed, resamplings=r, jump=now["jump"] if name == "repaint" else 1)
        for seed in seeds
        for name, r in ways
    ]
    return Plan(
        "fill",
        _edit(now, row, drawing, lanes, mask=drawing.mask, tolerance=now["tolerance"]),
        tuple(Head(EDITS[name].title, _more(name, r), EDITS[name].colour) for name, r in ways),
        _seed_heads(seeds),
        _in_order(lanes),
        tuple(f"{_way(lane.method, lane.resamplings)}, seed {lane.seed}" for lane in lanes),
        (Still(HOLE, "with its hole"),),
        own_seam=_own_seam(drawing),
    )


def _own_seam(drawing: Drawing) -> float | None:
    """The seam that the picture itself has where the hole is; None of outpainting and tiles, whose hole hides nothing that the
    picture should have there."""
    laid_out = drawing.arranged and drawing.area in ARRANGED
    if drawing.picture is None or drawing.mask is None or laid_out:
        return None
    return seam(drawing.picture, drawing.mask)


def _more(name: str, resamplings: int) -> str:
    return f"{resamplings} ×" if name == "repaint" else ""


def _way(name: str, resamplings: int) -> str:
    return f"{EDITS[name].title} {_more(name, resamplings)}".strip()


def _words(now: Mapping[str, Any], row: Model, drawing: Drawing) -> Plan:
    """DDIM inversion: a column a guidance scale on the way down; first under the picture's own words, then under the others."""
    scales = lists.numbers(now["scales"], "Guidance scales", 0, 30)
    lanes = [
        _lane(now, method="inverted", guidance_scale=scale, words=words, seed=_first_seed(now))
        for words in ("source", "target")
        for scale in scales
    ]
    request = _edit(now, row, drawing, lanes, source=_condition(now, row, "source", "second_group", style=False))
    own, other = (_said(condition) or "no words" for condition in (request.source, request.condition))
    return Plan(
        "words",
        request,
        tuple(Head(f"{one:g}", "guidance" if k == 0 else "") for k, one in enumerate(scales)),
        (Head("its own words", own), Head("other words", other)),
        _in_order(lanes),
        tuple(f"{own if lane.words == 'source' else other}, guidance {lane.guidance_scale:g}" for lane in lanes),
        (Still(PICTURE, "picture"), Still(X_T, "its noise x_T")),
    )


def _enlarge(now: Mapping[str, Any], row: Model, drawing: Drawing) -> Plan:
    """The upsampler: a column an amount of noise augmentation, a row a seed; formulas and original beside it."""
    noises, seeds, cascade = (
        lists.whole_numbers(now["noises"], "Augmentation", 0, MOST_NOISE),
        _seeds(now),
        now["cascade"],
    )
    if not cascade and drawing.picture is None:
        raise LabError("There is no picture to enlarge; choose one, or let the pixel model draw it.")
    lanes = [
        make_request(EnlargeLane, seed=seed, steps=now["steps"], noise=noise) for seed in seeds for noise in noises
    ]
    request = make_request(
        EnlargeRequest,
        picture=None if cascade else drawing.at(FACTOR * now["side"]),
        condition=make_request(Condition, group=now["group"] if cascade else ""),
        seed=seeds[0],
        guidance_scale=now["guidance"],
        side=32 if cascade else now["side"],
        lanes=tuple(lanes),
    )
    stills = [Still(SMALL, f"{request.side} px"), *(Still(name, title) for name, title in FORMULAS.items())]
    return Plan(
        "enlarge",
        request,
        tuple(Head(f"{one}", "augmentation" if k == 0 else "") for k, one in enumerate(noises)),
        _seed_heads(seeds),
        _in_order(lanes),
        tuple(f"augmentation {lane.noise}, seed {lane.seed}" for lane in lanes),
        tuple(stills) if cascade else (*stills, Still(ORIGINAL, f"original, {FACTOR * request.side} px")),
    )


def _two(now: Mapping[str, Any], row: Model, drawing: Drawing) -> Plan:
    """Two descriptions of one picture: a column a seed, and beneath each picture how it is seen in the second view."""
    seeds, view = _seeds(now), VIEWS[now["view"]]
    lanes = [_lane(now, method="composed", seed=seed) for seed in seeds]
    mask = drawing.mask if view.name == "painted" else None
    more = {"source": _condition(now, row, "source", "second_group"), "view": view.name, "cutoff": now["cutoff"]}
    request = _edit(now, row, Drawing(picture=None, mask=None), lanes, mask=mask, **more)
    first, second = _said(request.condition), _said(request.source)
    rows = {
        "regions": [Head("both at once", f"{first}; {second}")],
        "turned": [Head("as drawn", first), Head(SEEN.get(view.name, ""), second)],
        "frequencies": [Head("near", second), Head("from afar", first)],
    }[view.kind]
    return Plan(
        "two",
        request,
        _seed_heads(seeds),
        tuple(rows),
        tuple(Cell(lane, bool(row)) for row in range(len(rows)) for lane in range(len(lanes))),
        tuple(f"{first} and {second}, {view.title.lower()}, seed {lane.seed}" for lane in lanes),
    )


SEEN = {  # what is done to a picture to see the second
    "flip": "upside down", "turn": "half a turn", "quarter": "a quarter turn", "mirror": "in the mirror", "negative": "its negative",
}  # fmt: skip
EXPERIMENTS: Mapping[str, Callable[[Mapping[str, Any], Model, Drawing], Plan]] = {
    "noise": _noise,
    "fill": _fill,
    "words": _words,
    "enlarge": _enlarge,
    "two": _two,
}


# Parts of requests


def _edit(now: Mapping[str, Any], row: Model, drawing: Drawing, lanes: Sequence[EditLane], **more: Any) -> EditRequest:
    return make_request(
        EditRequest,
        model=row.name,
        picture=drawing.picture,
        condition=_condition(now, row, "prompt", "group"),
        negative=now["negative"] if row.guided and "prompt" in row.conditions else "",
        forward=Forward(schedule=row.schedules[0]),
        measure=True,
        lanes=tuple(lanes),
        **more,
    )


def _lane(now: Mapping[str, Any], **more: Any) -> EditLane:
    shared = {"sampler": now["sampler"], "steps": now["steps"], "guidance_scale": now["guidance"]}
    return make_request(EditLane, **(shared | more))


def _condition(now: Mapping[str, Any], row: Model, prompt: str, group: str, style: bool = True) -> Condition:
    """What one of two descriptions says, as far as the model reads it."""
    told = {"prompt": now[prompt], "style": now["style"] * style}
    told = told if "prompt" in row.conditions else {"group": now[group]}
    return make_request(Condition, **{name: text for name, text in told.items() if name in row.conditions and text})


def _said(condition: Condition) -> str:
    """A description in a few words."""
    parts = [condition.prompt, GROUPS.get(condition.group, ""), condition.style and f"{condition.style} style"]
    return ", ".join(filter(None, parts))


def _first_seed(now: Mapping[str, Any]) -> int:
    first = lists.whole(now["seed"], "First seed")
    if not 0 <= first <= MAX_SEED:
        raise LabError(f"First seed: {first} is out of range. Whole numbers from 0 to {MAX_SEED} are possible.")
    return first


def _seeds(now: Mapping[str, Any]) -> tuple[int, ...]:
    first, count = _first_seed(now), lists.whole(now["count"], "Seeds")
    return tuple((first + k) % (MAX_SEED + 1) for k in range(count))


def _seed_heads(seeds: Sequence[int]) -> tuple[Head, ...]:
    return tuple(Head(f"seed {seed}") for seed in seeds)


def _in_order(lanes: Sequence[Any]) -> tuple[Cell, ...]:
    return tuple(Cell(lane) for lane in range(len(lanes)))


def has_hole(drawing: Drawing) -> bool:
    """Whether anything is painted over."""
    return drawing.mask is not None and bool(drawing.mask.any())
