"""The stage of the room: the words and their embedding, then a row a seed: how the prior came to an embedding, and a picture by each way.
Pure functions to markup."""

from collections.abc import Callable, Mapping
from html import escape

from lab.quantities import quantity
from lab.requests.unclip import Embedded, Embedding, PriorStep
from lab.ui.shell import media, widgets
from lab.ui.tabs.unclip import view
from lab.ui.tabs.unclip.outcome import Outcome
from lab.ui.tabs.unclip.stages import plans

CALLS = 8  # of the prior that are shown, evenly spaced, the first among them
NEAREST = 3  # pictures that describe an embedding of the prior


def stage(outcome: Outcome | None, prompt: str, seeds: int) -> str:
    """A run as far as it is there; as large before one."""
    if outcome is not None:
        prompt, seeds = outcome.request.embeddings[plans.TEXT].prompt, len(plans.seeds(outcome.request))
    heads = "".join(_head(way) for way in plans.WAYS.values())
    rows = "".join(_row(outcome, k) for k in range(seeds))
    return (
        f'<div data-room="stages" class="stages" style="--rows:{seeds}"><div class="stages-grid" style="--columns:{len(plans.WAYS)}">'
        f"{_words(outcome, prompt)}{heads}{rows}{_verdicts(outcome)}</div></div>"
    )


def _head(way: plans.Way, again: str = "") -> str:
    return f'<span class="stages-head{again}"><b>{escape(way.title)}</b><small>{escape(way.more)}</small></span>'


def _words(outcome: Outcome | None, prompt: str) -> str:
    """The prompt, and the embedding of its text."""
    text = None if outcome is None else outcome.embedded.get(plans.TEXT)
    return (
        f'<div class="stages-words"><p><small>The words</small><b title="{escape(prompt, quote=True)}">“{escape(prompt)}”</b></p>'
        f"{view.embedding(text, 'The text’s embedding')}</div>"
    )


def _row(outcome: Outcome | None, k: int) -> str:
    """A seed: the prior's way, and three pictures from one noise; on a phone their heads stand above them, and not above all."""
    again = "".join(_head(way, " again") for way in plans.WAYS.values())
    pictures = []
    seed = "" if outcome is None else f", seed {plans.seeds(outcome.request)[k]}"
    for way, said in plans.WAYS.items():
        place = plans.lane(k, way)
        judged = None if outcome is None else outcome.judged.get(place)
        rank = "" if judged is None or judged.rank is None else f"rank {judged.rank} of {judged.captions}"
        fit = "" if judged is None else f"fit {view.number(judged.fit)}"
        pictures.append(view.drawn(outcome, place, f"{said.title}{seed}", rank or "\u00a0", fit or "\u00a0"))
    return f"{_prior(outcome, k)}{again}{''.join(pictures)}"


def _prior(outcome: Outcome | None, k: int) -> str:
    """The prior's way to its embedding of the k-th seed."""
    index = plans.drawn(k)
    ended = None if outcome is None else outcome.embedded.get(index)
    strip = "".join(_call(one) for one in calls(outcome, k))
    title = "Prior" if outcome is None else _title(outcome.request.embeddings[index])
    cells = "".join(view.nearest(ended, NEAREST))
    return (
        f'<section class="stages-prior" aria-label="{title}"><h4>{title}<small>nearest picture, call by call</small></h4>'
        f'<div class="stages-strip" style="--count:{CALLS}">{strip}</div><div class="stages-end"><p><b>It ends near</b>'
        f'<small>{_fit(ended)}</small></p><div class="unclip-near" style="--count:{NEAREST}">{cells}</div></div></section>'
    )


def calls(outcome: Outcome | None, k: int) -> list[PriorStep | None]:
    """Those of the prior's calls for the k-th seed that are shown, of the candidate that stays, or of the first until that is known; None
    where one has not come."""
    if outcome is None:
        return [None] * CALLS
    index = plans.drawn(k)
    ended = outcome.embedded.get(index)
    steps = outcome.prior_steps.get((index, (ended.candidate if ended else None) or 0), [])
    by_call, last = {step.i: step for step in steps}, outcome.request.prior_steps - 1
    return [by_call.get(i) for i in sorted({round(n * last / (CALLS - 1)) for n in range(CALLS)})]


def _title(one: Embedding) -> str:
    return f"Prior, seed {one.seed}" + (f", best of {one.candidates}" if one.candidates > 1 else "")


def _call(step: PriorStep | None) -> str:
    if step is None:
        return '<figure class="near"></figure>'
    words = f"call {step.i + 1} of {step.n}, t = {step.t:.0f}: {step.nearest.caption}, cosine {view.number(step.nearest.cosine)}"
    said = escape(words, quote=True)
    return f'<figure class="near" title="{said}"><img alt="{said}" src="{media.data_uri(step.nearest.picture)}" draggable="false"></figure>'


def _fit(ended: Embedded | None) -> str:
    return "&nbsp;" if ended is None else f"cos to the text’s {view.number(ended.to_text)}"


def _verdicts(outcome: Outcome | None) -> str:
    """Beneath the columns: what the judge says of them, here and over many prompts, and what the paper says."""
    judged = [None if outcome is None else plans.verdict(outcome, way) for way in plans.WAYS]
    rows = [
        ("The judge ranks the prompt first", [f"{one.first} of {one.pictures}" if one else "&nbsp;" for one in judged]),
        ("mean fit to the prompt", [view.number(one.fit) if one else "&nbsp;" for one in judged]),
    ]
    if found := plans.measured(outcome.request.lanes[0].guidance_scale if outcome else plans.SCALE):
        rows.append(
            (
                f"ranked first, {found.prompts} prompts, scale {found.scale:g}",
                [_percent(found.first[way]) for way in plans.WAYS],
            )
        )
    rows.append(("FID in the paper, less is better", [f"{way.fid:.2f}" for way in plans.WAYS.values()]))
    return "".join(
        f'<span class="stages-said">{title}</span>{"".join(f"<output>{value}</output>" for value in values)}'
        for title, values in rows
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f}\u00a0%"


# Words and numbers


def words(outcome: Outcome) -> str:
    """What is to be seen, with the figures of this run."""
    text = outcome.embedded.get(plans.TEXT)
    drawn = [outcome.embedded[index] for index in outcome.request.drawn if index in outcome.embedded]
    fits = {way: one.fit for way in plans.WAYS if (one := plans.verdict(outcome, way))}
    if text is None or not drawn or len(fits) < len(plans.WAYS) or not outcome.whole:
        return ""
    mean = sum(one.nearest[0].cosine for one in drawn) / len(drawn)
    return widgets.words(
        f"Texts and pictures point to different parts of CLIP’s space: the picture nearest to the text’s embedding has cosine "
        f"{view.number(text.nearest[0].cosine)}, the one nearest to the prior’s {view.number(mean)}. "
        f"The judge’s mean fit, best first: {_listed(fits, view.number)}. {_over_prompts(outcome)}"
        "Ramesh et al. 2022 (section 5.1) compare FID: their stack 7.99, a decoder trained on texts’ embeddings 9.16, texts’ embeddings in the "
        "picture decoder 16.55. In the second one’s place stands the lab’s text-to-image model, which reads the words themselves."
    )


def _over_prompts(outcome: Outcome) -> str:
    found = plans.measured(outcome.request.lanes[0].guidance_scale)
    if found is None:
        return ""
    return (
        f"Over {found.prompts} of the lab’s captions, at scale {found.scale:g}, it ranks the caption first for: "
        f"{_listed(found.first, _percent)}. "
    )


def _listed(values: Mapping[str, float], written: Callable[[float], str]) -> str:
    """The ways with a value each, the largest first."""
    best_first = sorted(values, key=lambda way: -values[way])
    return ", ".join(f"{escape(plans.WAYS[way].title)} {written(values[way])}" for way in best_first)


def table(outcome: Outcome) -> str:
    """The numbers of each picture."""
    rows = []
    for k, seed in enumerate(plans.seeds(outcome.request)):
        for way, said in plans.WAYS.items():
            place = plans.lane(k, way)
            judged, told = outcome.judged.get(place), outcome.embedding(place)
            to_text = "" if told is None or way == "text" else view.number(told.to_text, 3)
            near = "" if told is None else f"{told.nearest[0].caption}, {view.number(told.nearest[0].cosine, 3)}"
            rank = "" if judged is None or judged.rank is None else f"{judged.rank} of {judged.captions}"
            nearest = "" if judged is None else judged.nearest.caption
            rows.append(
                [str(seed), said.title, near, to_text, rank, view.number(judged.fit if judged else None, 3), nearest]
            )
    head = [
        "seed",
        "way",
        "embedding: nearest, cos",
        "cos to the words’",
        "judge: rank of the prompt",
        "fit",
        "judge: nearest",
    ]
    return widgets.table(head, rows)


def summary(outcome: Outcome) -> str:
    """A sentence at the end of a run."""
    seeds = len(plans.seeds(outcome.request))
    return f"{quantity(seeds, 'embedding')} of the prior, {quantity(len(outcome.results), 'picture')}, three ways from the same noise."
