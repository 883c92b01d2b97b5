"""The stage of the room: two grids, scales down and seeds across, one by the words and one from embeddings of the prior. Pure functions to
markup."""

from collections.abc import Sequence
from html import escape

from lab.quantities import quantity
from lab.ui.shell import widgets
from lab.ui.tabs.unclip import view
from lab.ui.tabs.unclip.diversity import plans
from lab.ui.tabs.unclip.outcome import Outcome
from lab.unclip_curves import unclip_curves

TITLES = {
    plans.WORDS: ("Text-to-image", "guided towards the words"),
    plans.UNCLIP: ("Prior + decoder", "guided towards an embedding"),
}


def stage(outcome: Outcome | None, scales: Sequence[float], seeds: int, prior: str) -> str:
    """A run as far as it is there; as large before one."""
    if outcome is not None:
        request = outcome.request
        scales, seeds = plans.scales(request), len(plans.seeds(request))
        prior = plans.prior_of(request)
    grids = "".join(_way(outcome, way, scales, seeds, prior) for way in plans.WAYS)
    return f'<div data-room="diversity" class="diversity" style="--columns:{seeds}">{grids}</div>'


def _way(outcome: Outcome | None, way: str, scales: Sequence[float], seeds: int, prior: str) -> str:
    title, more = TITLES[way]
    numbers = plans.seeds(outcome.request) if outcome else list(range(seeds))
    rows = []
    for scale in scales:
        place = plans.Place(way, scale)
        lanes = plans.rows(outcome.request)[place] if outcome else [-1] * seeds
        value = plans.diversity(outcome, place) if outcome else None
        cells = [
            view.drawn(outcome, lane, f"{title}, scale {scale:g}, seed {seed}", mark="plain")
            for lane, seed in zip(lanes, numbers, strict=True)
        ]
        rows.append((f"scale {scale:g}", view.number(value), cells))
    grid = view.grid(f"{title}: scales down, seeds across", [f"seed {seed}" for seed in numbers], rows)
    return (
        f'<section class="diversity-way" aria-label="{escape(title)}"><header><h4>{escape(title)}<small>{escape(more)}</small></h4>'
        f"{_told(outcome, way, seeds, prior)}</header>{grid}</section>"
    )


def _told(outcome: Outcome | None, way: str, seeds: int, prior: str) -> str:
    """What the pictures are drawn from: the words, or embeddings of the prior, as their nearest pictures of the lab."""
    if way == plans.WORDS:
        words = outcome.request.caption if outcome else ""
        return (
            f'<div class="diversity-told"><b title="{escape(words, quote=True)}">“{escape(words)}”</b></div>'
            if words
            else '<div class="diversity-told"></div>'
        )
    count = seeds if prior == plans.EACH else 1
    found = [outcome.embedded.get(index) if outcome else None for index in range(count)]
    cells = "".join(view.near(one.nearest[0] if one else None) for one in found)
    said = "one a seed, near" if prior == plans.EACH else "one for all, near"
    return f'<div class="diversity-told"><span>{said}</span>{cells}</div>'


# Words and numbers


def words(outcome: Outcome) -> str:
    """What is to be seen, with the figures of this run."""
    scales = sorted(plans.scales(outcome.request))
    ends = {
        way: [plans.diversity(outcome, plans.Place(way, scale)) for scale in (scales[0], scales[-1])]
        for way in plans.WAYS
    }
    if not outcome.whole or any(value is None for values in ends.values() for value in values):
        return ""
    (a, b), (c, d) = ends[plans.WORDS], ends[plans.UNCLIP]
    prior = plans.prior_of(outcome.request)
    told = "one embedding of the prior" if prior == plans.ONE else "an embedding of the prior for each seed"
    return widgets.words(
        f"Diversity is the mean of 1 − cosine over all pairs of a row’s pictures, in the judge’s embeddings. From scale {scales[0]:g} to "
        f"{scales[-1]:g} it goes from {view.number(a)} to {view.number(b)} ({_change(a, b)}) for the words, and from {view.number(c)} to "
        f"{view.number(d)} ({_change(c, d)}) for the decoder with {told}.{_over_prompts(prior)}"
    )


def _over_prompts(prior: str) -> str:
    """The same as it was measured over many prompts."""
    curves, points = unclip_curves(), {way: plans.measured(way, prior) for way in plans.WAYS}
    if curves is None or not all(points.values()):
        return ""
    (w, a), (x, b) = points[plans.WORDS][0], points[plans.WORDS][-1]
    c, d = points[plans.UNCLIP][0][1], points[plans.UNCLIP][-1][1]
    return (
        f" Over {curves.diversity_prompts} prompts with {curves.seeds} seeds each, from scale {w:g} to {x:g}: {view.number(a)} to {view.number(b)} "
        f"({_change(a, b)}) for the words, {view.number(c)} to {view.number(d)} ({_change(c, d)}) for the decoder."
    )


def _change(a: float | None, b: float | None) -> str:
    if not a or b is None:
        return ""
    return f"{100 * (b / a - 1):+.0f}\u00a0%".replace("-", "−")


def table(outcome: Outcome) -> str:
    """The numbers of each row of the grids."""
    rows = [
        [
            TITLES[place.way][0],
            f"{place.scale:g}",
            view.number(plans.diversity(outcome, place), 3),
            view.number(plans.fit(outcome, place), 3),
        ]
        for place in sorted(plans.rows(outcome.request), key=lambda one: (plans.WAYS.index(one.way), one.scale))
    ]
    return widgets.table(["way", "guidance scale", "diversity", "mean fit to the prompt"], rows)


def summary(outcome: Outcome) -> str:
    """A sentence at the end of a run."""
    request = outcome.request
    return f"{quantity(len(outcome.results), 'picture')}: {quantity(len(plans.scales(request)), 'scale')}, {quantity(len(plans.seeds(request)), 'seed')}, two ways."
