"""Lanes as HTML: cards that stream side by side, grids and strips. Pure functions from events to markup.

Pictures are painted as data URIs: one update of one component paints all lanes at once, and nothing jumps, since
every picture box keeps its square whether it is filled or not.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from math import isinf
from typing import Any

import numpy as np

from lab.catalog import CONTROLS, MODELS, SAMPLERS
from lab.quantities import quantity
from lab.requests.sampling import LaneResult, LaneSettings, SamplingRequest, Step
from lab.ui.shell import media
from lab.ui.shell.widgets import subscripts


def image(picture: np.ndarray, alt: str, part: str = "", moving: bool = False) -> str:
    """An <img>; decoded in step with the page, so that a new frame never flashes empty. `part` is its name in a reel; one
    that is `moving` is packed as a frame of a film is."""
    name = f' data-part="{part}"' if part else ""
    return f'<img decoding="sync" alt="{escape(alt, quote=True)}" src="{media.data_uri(picture, moving)}"{name}>'


def describe(lane: LaneSettings) -> str:
    """What sets a lane apart, in a few words: eta, steps, spacing, guidance; first what is told apart where there is little
    room."""
    words = [f"η {lane.eta:g}"] if SAMPLERS[lane.sampler].eta and lane.eta > 0 else []
    words.append(quantity(lane.steps, "step"))
    if lane.spacing != "trailing":
        words.append(lane.spacing)
    if lane.guidance_scale != 1:
        words.append(f"guidance {lane.guidance_scale:g}")
    return " · ".join(words)


def common(request: SamplingRequest) -> str:
    """What all pictures of a run have in common, as the name of their group for those who hear the page: model, prompts,
    control maps, and steps where they are the same for all."""
    prompt, negative, steps = request.condition.prompt, request.negative, {lane.steps for lane in request.lanes}
    words = [MODELS[request.model].title, f"prompt “{prompt}”" if prompt else "no prompt"]
    words += [f"negative prompt “{negative}”"] if negative else []
    words += [f"{CONTROLS[control.name].title.lower()} as a map" for control in request.controls]
    return ", ".join(words + [quantity(min(steps), "step")] * (len(steps) == 1))


def group(request: SamplingRequest | None) -> str:
    """The attributes of an element that holds the pictures of a run; none where there is no run yet."""
    return f' role="group" aria-label="{escape(common(request), quote=True)}"' if request else ""


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
    request: SamplingRequest | None = None  # of the run, for the name of the whole


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


Second = Mapping[int, tuple[np.ndarray, str]]  # by lane: another picture with its caption in the place of x_t


def cards(view: View, second: Second | None = None) -> str:
    """One card a lane: predicted x_0 with x_t beside it or as an inset, whichever fills the stage.

    `second` puts another picture with its caption in the place of x_t (a difference map, the nearest picture).
    """
    count = len(view.lanes)
    columns = {1: 2, 2: 2, 3: 3, 4: 2, 5: 3, 6: 3}.get(count, 4)
    pairs = count in (1, 4)  # these fill the stage side by side; other counts get one large picture with an inset
    body = "".join(_card(view, index, (second or {}).get(index)) for index in range(count))
    size = f"--columns:{columns};--rows:{-(-count // columns)}"
    return f'<div class="lanes{" pairs" if pairs else " compact"}" style="{size}"{group(view.request)}>{body}</div>'


def card_parts(view: View, second: Second | None = None) -> dict[str, np.ndarray | str]:
    """What changes in the cards while a run goes on, by the name of the element: pictures, and HTML."""
    lanes = [index for index in range(len(view.lanes)) if index in view.steps]
    return {
        f"{index}-{name}": part
        for index in lanes
        for name, part in _card_parts(view, index, (second or {}).get(index)).items()
    }


def _card_parts(view: View, index: int, second: tuple[np.ndarray, str] | None) -> dict[str, np.ndarray | str]:
    step = view.steps[index]
    guess = view.guesses.get(index, step)
    return {
        "left": second[0] if second else step.x_t,
        "left-words": subscripts(second[1] if second else _noisy_words(view, step)),
        "right": guess.x_0,
        "right-words": subscripts(guess_words(guess, step)),
        "bar": f'<i style="width:{100 * step.i / step.n:.0f}%"></i>',
        "foot": f"{_place(step)}<br>{_outcome(step, view.results.get(index))}",
    }


def _noisy_words(view: View, step: Step) -> str:
    return "x_t, latent" if view.latent and step.i < step.n else "x_t"


def _place(step: Step) -> str:
    """Where on its way a lane is: calls, t and noise level."""
    t = f" · t {step.t:.0f}" if step.i < step.n else ""
    return f"call {step.i}/{step.n}{t} · {level(step)}"


def _card(view: View, index: int, second: tuple[np.ndarray, str] | None) -> str:
    lane, step = view.lanes[index], view.steps.get(index)
    row = SAMPLERS[lane.sampler]
    words = f"{view.marks[index]} · {describe(lane)}" if view.marks else describe(lane)
    name = f"{row.title}, {words.replace(' · ', ', ')}"
    parts = {
        "left-words": subscripts(second[1] if second else "x_t, latent" if view.latent else "x_t"),
        "right-words": subscripts("predicted x_0"), "bar": '<i style="width:0%"></i>', "foot": "&nbsp;",
    } if step is None else _card_parts(view, index, second)  # fmt: skip
    finished = step is not None and step.i == step.n
    attribute = ' class="same"' if finished and second is None else ""  # x_t is the picture now: no inset of itself
    return (
        f'<section class="lane" style="--lane:{row.colour}" aria-label="{escape(name)}">'
        f"<header><b>{escape(row.title)}</b><span>{escape(words)}</span></header>"
        f'<div class="pair"><figure{attribute}>{_half(parts, index, "left", name)}</figure>'
        f"<figure>{_half(parts, index, 'right', name)}</figure></div>"
        f'<div class="bar" data-part="{index}-bar">{parts["bar"]}</div>'
        f'<div class="foot" data-part="{index}-foot">{parts["foot"]}</div></section>'
    )


def _half(parts: Mapping[str, Any], index: int, side: str, title: str) -> str:
    """A picture of a card, where there is one, and its caption."""
    words, picture = parts[f"{side}-words"], parts.get(side)
    alt = f"{title}: {re.sub('<.*?>', '', words)}"
    pixels = "" if picture is None else image(picture, alt, f"{index}-{side}")
    return f'{pixels}<figcaption data-part="{index}-{side}-words">{words}</figcaption>'


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
    cells = ["<span></span>"] + [f'<span class="head">{quantity(count, "step")}</span>' for count in steps]
    for i, name in enumerate(samplers):
        row = SAMPLERS[name]
        cells.append(f'<span class="row" style="--lane:{row.colour}">{escape(row.title)}</span>')
        cells += [
            _cell(view, i * len(steps) + j, f"{row.title}, {quantity(count, 'step')}") for j, count in enumerate(steps)
        ]
    return f'<div class="cells" style="--columns:{len(steps)};--rows:{len(samplers)}"{group(view.request)}>{"".join(cells)}</div>'


def strip(view: View, labels: Iterable[str]) -> str:
    """Lanes to be read like text, each with its label."""
    cells = [_cell(view, index, label) for index, label in enumerate(labels)]
    return f'<div class="strip" style="--columns:4;--rows:{-(-len(cells) // 4)}"{group(view.request)}>{"".join(cells)}</div>'


def cell_parts(view: View, labels: Iterable[str]) -> dict[str, np.ndarray | str]:
    """As `card_parts`, of a grid or a strip: the label of each lane is what it says when it is finished."""
    parts: dict[str, np.ndarray | str] = {}
    for index, label in enumerate(labels):
        if step := view.steps.get(index):
            parts[f"{index}-picture"] = view.guesses.get(index, step).x_0
            parts[f"{index}-note"] = escape(_note(view, index, label))
    return parts


def _note(view: View, index: int, label: str) -> str:
    step, result = view.steps[index], view.results.get(index)
    if result is not None and result.rms_to_reference is not None:
        note = distance(result.rms_to_reference)
    else:
        note = label if step.i == step.n else f"{step.i}/{step.n}"
    guess = view.guesses.get(index, step)
    if not guess.decoded:
        return f"latent, {note}"
    return f"call {guess.i}, now {note}" if guess.i < step.i else note


def _cell(view: View, index: int, label: str) -> str:
    step = view.steps.get(index)
    if step is None:
        return '<div class="cell"></div>'
    picture = image(view.guesses.get(index, step).x_0, label, f"{index}-picture")
    return (
        f'<div class="cell">{picture}<small data-part="{index}-note">{escape(_note(view, index, label))}</small></div>'
    )


def panels(pictures: Sequence[tuple[np.ndarray, str, str]]) -> str:
    """Large pictures in a row: (picture, title, one plain sentence)."""
    body = "".join(
        f'<section class="lane" style="--lane:var(--border-color-primary)"><header><b>{subscripts(title)}</b></header>'
        f'<div style="padding:0 8px"><figure>{image(picture, title)}</figure></div>'
        f'<div class="foot">{subscripts(text)}</div></section>'
        for picture, title, text in pictures
    )
    return f'<div class="lanes" style="--columns:{len(pictures)}">{body}</div>'
