"""Lanes as HTML: cards that stream side by side, grids and strips. Pure functions from events to markup.

Pictures are painted as data URIs: one update of one component paints all lanes at once, and nothing jumps, since
every picture box keeps its square whether it is filled or not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from math import isinf

import numpy as np

from lab.catalog import SAMPLERS
from lab.requests.sampling import LaneResult, LaneSettings, Step
from lab.ui.shell import media
from lab.ui.shell.widgets import subscripts


def image(picture: np.ndarray, alt: str) -> str:
    """An <img>; decoded in step with the page, so that a new frame never flashes empty."""
    return f'<img decoding="sync" alt="{escape(alt, quote=True)}" src="{media.data_uri(picture)}">'


def describe(lane: LaneSettings) -> str:
    """What sets a lane apart, in a few words: steps, eta, spacing, guidance."""
    words = [f"{lane.steps} step{'s' if lane.steps != 1 else ''}"]
    if SAMPLERS[lane.sampler].eta and lane.eta > 0:
        words.append(f"η {lane.eta:g}")
    if lane.spacing != "trailing":
        words.append(lane.spacing)
    if lane.guidance_scale != 1:
        words.append(f"guidance {lane.guidance_scale:g}")
    return " · ".join(words)


def level(step: Step) -> str:
    """The noise level of a step in words."""
    return "finished" if isinf(step.log_snr) else f"log-SNR {step.log_snr:+.1f}"


def distance(value: float, digits: int = 3) -> str:
    """An RMS distance in figures. What these round to nothing is said to be below the last of them; only 0 is 0."""
    if value == 0 or value >= 0.5 * 10**-digits:
        return f"{value:.{digits}f}" if value else "0"
    return f"below {10**-digits:.{digits}f}"


@dataclass(frozen=True)
class View:
    """What a stage shows: the lanes of a request and the step of each to paint, with results where they are in."""

    lanes: Sequence[LaneSettings]
    steps: Mapping[int, Step]
    results: Mapping[int, LaneResult]
    marks: Sequence[str] = ()  # what tells lanes of equal settings apart: whose score they follow
    guesses: Mapping[int, Step] = field(default_factory=dict)  # whose x_0 is shown, where that is not the lane's step
    latent: bool = False  # the model works on latents: x_t is one, shown by a linear map


def guess(before: Step | None, step: Step) -> Step:
    """The step of a lane whose x_0 is shown once `step` has come: the latest one that is decoded, `before` or itself, so
    that pictures and previews do not alternate; the preview where none is."""
    return before if before is not None and before.decoded and not step.decoded else step


def guess_words(guess: Step, step: Step) -> str:
    """What is shown as x_0 beside `step`: its own, one of an earlier call, or a latent that is not decoded."""
    if guess.i == guess.n:
        return "x_0"
    if not guess.decoded:
        return "predicted x_0, latent"
    return "predicted x_0" if guess.i == step.i else f"predicted x_0, call {guess.i}"


def cards(view: View, second: Mapping[int, tuple[np.ndarray, str]] | None = None) -> str:
    """One card a lane: predicted x_0 with x_t beside it or as an inset, whichever fills the stage.

    `second` puts another picture with its caption in the place of x_t (a difference map, the nearest picture).
    """
    count = len(view.lanes)
    columns = {1: 2, 2: 2, 3: 3, 4: 2, 5: 3, 6: 3}.get(count, 4)
    pairs = count in (1, 4)  # these fill the stage side by side; other counts get one large picture with an inset
    body = "".join(_card(view, index, (second or {}).get(index)) for index in range(count))
    return f'<div class="lanes{"" if pairs else " compact"}" style="--columns:{columns}">{body}</div>'


def _card(view: View, index: int, second: tuple[np.ndarray, str] | None) -> str:
    lane, step = view.lanes[index], view.steps.get(index)
    row = SAMPLERS[lane.sampler]
    words = f"{view.marks[index]} · {describe(lane)}" if view.marks else describe(lane)
    left = right = ""
    foot = "&nbsp;"
    finished = step is not None and step.i == step.n
    left_caption = second[1] if second else "x_t, latent" if view.latent and not finished else "x_t"
    right_caption = "predicted x_0"
    if step is not None:
        guess = view.guesses.get(index, step)
        right_caption = guess_words(guess, step)
        noisy = image(step.x_t, f"{row.title}: {left_caption} at {level(step)}")
        left = image(second[0], f"{row.title}: {second[1]}") if second else noisy
        right = image(guess.x_0, f"{row.title}: {right_caption} at {level(guess)}")
        foot = f"call {step.i}/{step.n} · {level(step)}<br>{_outcome(step, view.results.get(index))}"
    done = 100 * step.i / step.n if step else 0
    attribute = ' class="same"' if finished and second is None else ""  # x_t is the picture now: no inset of itself
    return (
        f'<section class="lane" style="--lane:{row.colour}" aria-label="{escape(row.title)} {escape(words)}">'
        f"<header><b>{escape(row.title)}</b><span>{escape(words)}</span></header>"
        f'<div class="pair"><figure{attribute}>{left}<figcaption>{subscripts(left_caption)}</figcaption></figure>'
        f"<figure>{right}<figcaption>{subscripts(right_caption)}</figcaption></figure></div>"
        f'<div class="bar"><i style="width:{done:.0f}%"></i></div><div class="foot">{foot}</div></section>'
    )


def _outcome(step: Step, result: LaneResult | None) -> str:
    if result is None:
        return f"{step.elapsed_s:.1f} s"
    words = [f"{result.elapsed_s:.1f} s"]
    if result.rms_to_reference is not None:
        words.append(f"RMS to reference {distance(result.rms_to_reference)}")
    if result.nearest_rms is not None:
        words.append(f"nearest: {escape(result.nearest_caption)} (RMS {distance(result.nearest_rms)})")
    return " · ".join(words)


def grid(view: View, samplers: Sequence[str], steps: Sequence[int]) -> str:
    """Samplers down, step counts across; lanes are in row-major order."""
    cells = ["<span></span>"] + [f'<span class="head">{count} steps</span>' for count in steps]
    for i, name in enumerate(samplers):
        row = SAMPLERS[name]
        cells.append(f'<span class="row" style="--lane:{row.colour}">{escape(row.title)}</span>')
        cells += [_cell(view, i * len(steps) + j, f"{row.title}, {count} steps") for j, count in enumerate(steps)]
    return f'<div class="cells" style="--columns:{len(steps)}">{"".join(cells)}</div>'


def strip(view: View, labels: Iterable[str]) -> str:
    """Lanes to be read like text, each with its label."""
    cells = [_cell(view, index, label) for index, label in enumerate(labels)]
    return f'<div class="strip" style="--columns:4">{"".join(cells)}</div>'


def _cell(view: View, index: int, label: str) -> str:
    step, result = view.steps.get(index), view.results.get(index)
    if step is None:
        return '<div class="cell"></div>'
    if result is not None and result.rms_to_reference is not None:
        note = distance(result.rms_to_reference)
    else:
        note = label if step.i == step.n else f"{step.i}/{step.n}"
    guess = view.guesses.get(index, step)
    if not guess.decoded:
        note = f"latent, {note}"
    elif guess.i < step.i:
        note = f"call {guess.i}, now {note}"
    return f'<div class="cell">{image(guess.x_0, label)}<small>{escape(note)}</small></div>'


def panels(pictures: Sequence[tuple[np.ndarray, str, str]]) -> str:
    """Large pictures in a row: (picture, title, one plain sentence)."""
    body = "".join(
        f'<section class="lane" style="--lane:var(--border-color-primary)"><header><b>{subscripts(title)}</b></header>'
        f'<div style="padding:0 8px"><figure>{image(picture, title)}</figure></div>'
        f'<div class="foot">{subscripts(text)}</div></section>'
        for picture, title, text in pictures
    )
    return f'<div class="lanes" style="--columns:{len(pictures)}">{body}</div>'
