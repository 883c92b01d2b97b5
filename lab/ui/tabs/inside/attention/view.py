"""The stage of the words: the prompt as words over a picture that they light up, or pictures of edited attention beside it."""

import json
from html import escape
from typing import Any

import numpy as np
from PIL import Image

from lab.requests.attention import Drawing
from lab.ui.shell import media, widgets
from lab.ui.tabs.inside.attention.outcome import PLAIN, Outcome

LARGEST_FRAME = 128  # pixels of a step's picture
AMBER = np.array([255, 176, 32], float)


def percent(share: float) -> str:
    """A share: 41 %, 2.5 %."""
    return f"{100 * share:.0f} %" if share >= 0.0995 else f"{100 * share:.1f} %"


def stage(outcome: Outcome | None, prompt: str) -> str:
    """The whole stage; as large before a run."""
    if outcome is None:
        return _looking(None, prompt)
    if outcome.request.weights:
        return _weighed(outcome)
    return _swapped(outcome) if outcome.request.target else _looking(outcome, prompt)


# Which word drew it


def _looking(outcome: Outcome | None, prompt: str) -> str:
    names = outcome.words.names if outcome and outcome.words else ("start", *prompt.split(), "end and padding")
    picture = outcome.picture(PLAIN) if outcome else None
    looked = bool(outcome and outcome.maps)
    shares = outcome.shares if outcome and looked else None
    chosen = outcome.fullest if outcome and looked else -1
    words = "".join(_word(k, name, shares, chosen) for k, name in enumerate(names))
    minis = "".join(
        f'<figure data-word="{k}"><canvas width="8" height="8" aria-hidden="true"></canvas><figcaption>{escape(name)}</figcaption></figure>'
        for k, name in enumerate(names)
    )
    image = (
        ""
        if picture is None
        else f'<img alt="The picture of the prompt" src="{media.data_uri(picture)}" decoding="sync" draggable="false">'
    )
    data = escape(json.dumps(_sheets(outcome)), quote=True) if outcome and looked else ""
    return (
        f'<div data-room="attention" data-script="attention.js" class="words-look">'
        f'<div class="words-prompt" role="group" aria-label="The words of the prompt">{words}</div>'
        f'<div class="words-pair"><figure class="lab-pic words-large"><div class="box">{image}<canvas class="still" hidden></canvas>'
        '<canvas class="heat" aria-hidden="true"></canvas></div><figcaption data-said aria-live="polite">&nbsp;</figcaption></figure>'
        f'<div class="words-side"><div class="words-minis">{minis}</div>{_controls(outcome)}</div></div>'
        f'<i hidden data-sheets="{data}"></i></div>'
    )


def _word(k: int, name: str, shares: np.ndarray | None, chosen: int) -> str:
    said = "" if shares is None else percent(float(shares[k]))
    return (
        f'<button type="button" data-word="{k}" aria-pressed="{str(k == chosen).lower()}"><b>{escape(name)}</b>'
        f"<small>{said or '&nbsp;'}</small></button>"
    )


def _controls(outcome: Outcome | None) -> str:
    """What the page does by itself: step, level, what lies beneath, opacity."""
    levels = sorted(next(iter(outcome.maps.values())).maps) if outcome and outcome.maps else [0]
    titles = {0: "all"} | {side: f"{side} × {side}" for side in levels if side}
    most = len(outcome.maps) if outcome else 0
    return (
        '<div class="words-controls">'
        f'<label class="words-step"><span>All steps</span><input type="range" min="0" max="{most}" value="{most}" step="1" aria-label="Step"></label>'
        + _choice("level", "Level", [(str(side), titles[side]) for side in levels])
        + _choice("under", "Under the map", [("x_0", "predicted x_0"), ("x_t", "x_t")])
        + '<label><span>Opacity</span><input type="range" data-opacity min="0" max="100" value="80" aria-label="Opacity of the map, percent"></label></div>'
    )


def _choice(name: str, title: str, options: list[tuple[str, str]]) -> str:
    buttons = "".join(
        f'<button type="button" data-{name}="{value}" aria-pressed="{str(k == 0).lower()}">{widgets.subscripts(text)}</button>'
        for k, (value, text) in enumerate(options)
    )
    return f'<div class="words-choice" role="group" aria-label="{title}"><span>{title}</span>{buttons}</div>'


def _sheets(outcome: Outcome) -> dict[str, Any]:
    """Everything that the page scrubs: one sheet of maps a level, words down and steps across, the mean of all steps last; each
    map from its least (0) to its most (255), which come beside it. Two of pictures."""
    calls = sorted(outcome.maps)
    levels = {}
    for level in outcome.maps[calls[0]].maps:
        stack = np.stack([*(outcome.maps[i].maps[level] for i in calls), outcome.mean(level)], axis=1)
        low, high = (edge(stack, axis=(2, 3)) for edge in (np.min, np.max))
        shown = (stack - low[..., None, None]) / np.maximum(high - low, 1e-9)[..., None, None]
        words, frames, side, _ = shown.shape
        sheet = (255 * shown).round().astype(np.uint8).transpose(0, 2, 1, 3).reshape(words * side, frames * side)
        numbers = np.stack([low, high, stack.mean(axis=(2, 3))], axis=-1)
        levels[level] = {
            "side": side,
            "sheet": media.exact_uri(sheet, quick=True),
            "numbers": numbers.round(4).tolist(),
        }
    steps = [outcome.frames[i] for i in calls if i in outcome.frames]
    names = outcome.words.names if outcome.words else ()
    return {
        "names": names,
        "levels": levels,
        "steps": [{"i": step.i, "n": step.n, "t": round(step.t)} for step in steps],
        "x_0": _row([step.x_0 for step in steps]),
        "x_t": _row([step.x_t for step in steps]),
        "chosen": outcome.fullest,
    }


def _row(pictures: list[np.ndarray]) -> dict[str, Any]:
    """Pictures side by side in one, as large as the largest of them, LARGEST_FRAME at most."""
    side = min(LARGEST_FRAME, max(picture.shape[0] for picture in pictures))
    how = Image.Resampling.NEAREST
    frames = [
        picture if picture.shape[0] == side else np.asarray(Image.fromarray(picture).resize((side, side), how))
        for picture in pictures
    ]
    return {"side": side, "sheet": media.noisy_uri(np.concatenate(frames, axis=1))}


def heat(picture: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A picture (height, width, 3) uint8 under a map (side, side), from its least to its most, as the page paints it at 80 %."""
    value = (values - values.min()) / max(float(values.max() - values.min()), 1e-9)
    large = Image.fromarray((255 * value).round().astype(np.uint8)).resize(
        picture.shape[1::-1], Image.Resampling.NEAREST
    )
    share = np.asarray(large, float)[..., None] / 255
    opacity = 0.8 * (0.85 * (1 - share) + 0.6 * share)
    return (picture * (1 - opacity) + share * AMBER * opacity).round().astype(np.uint8)


# Edited attention


def _weighed(outcome: Outcome) -> str:
    """A row a word, a column a weight."""
    request = outcome.request
    rows = []
    for j, word in enumerate(request.words):
        cells = "".join(
            _cell(outcome, 1 + j * len(request.weights) + k, f"× {weight:g}", f"{word} × {weight:g}")
            for k, weight in enumerate(request.weights)
        )
        rows.append(f'<div class="words-row"><b>{escape(word)}</b><div>{cells}</div></div>')
    return (
        f'<div data-room="attention" class="words-grid" style="--columns:{len(request.weights)}">{"".join(rows)}</div>'
    )


def _cell(outcome: Outcome, lane: int, title: str, name: str) -> str:
    done = PLAIN in outcome.results and lane in outcome.results
    step = outcome.latest.get(lane)
    said = f"RMS {outcome.rms(lane):.1f}" if done else f"call {step.i}/{step.n}" if step else ""
    return widgets.picture(outcome.picture(lane), title.replace("-", "−"), said, alt=name)


def _swapped(outcome: Outcome) -> str:
    request = outcome.request
    titles = (
        ("Source", request.condition.prompt),
        ("Target alone", request.target),
        ("Target, attention kept", f"words in {percent(request.kept)} of the calls"),
    )
    cells = []
    for lane, (title, said) in enumerate(titles):
        done = lane != PLAIN and PLAIN in outcome.results and lane in outcome.results
        words = f"{said} · RMS {outcome.rms(lane):.1f} to the source" if done else said
        cells.append(widgets.picture(outcome.picture(lane), title, words))
    return f'<div data-room="attention" class="words-swap">{"".join(cells)}</div>'


# Numbers


def words(outcome: Outcome) -> str:
    """What was seen, in sentences."""
    if outcome.request.weights:
        return widgets.words(_on_weights(outcome))
    if outcome.request.target:
        return widgets.words(_on_swap(outcome))
    return widgets.words(_on_maps(outcome)) if outcome.maps and outcome.words else ""


def _on_maps(outcome: Outcome) -> str:
    assert outcome.words
    shares, names = outcome.shares, outcome.words.names
    aside = float(shares[0] + shares[-1])
    tokens = outcome.words.tokens[-1] + outcome.words.tokens[0]
    said = (
        f"Start, end and padding, {tokens} of {outcome.words.window} tokens, take <b>{percent(aside)}</b> of the attention: they stand for no word. "
        "The text encoder reads from left to right, so what stands behind a word knows of it, and the end knows all."
    )
    if len(names) > 2:
        k = outcome.fullest
        said += f" Of the words, “{escape(names[k])}” takes most, {percent(float(shares[k]))}."
    return said


def _lanes(outcome: Outcome, kind: str) -> list[tuple[int, Drawing]]:
    return [(lane, one) for lane, one in enumerate(outcome.drawings) if one.kind == kind and lane in outcome.results]


def _on_weights(outcome: Outcome) -> str:
    if PLAIN not in outcome.results:
        return ""
    said = []
    for word in outcome.request.words:
        distances = [(outcome.rms(lane), one.weight) for lane, one in _lanes(outcome, "weight") if one.word == word]
        if distances:
            most, weight = max(distances)
            at = f"{weight:g}".replace("-", "−")
            said.append(
                f"“{escape(word)}” changes the picture by at most {most:.1f} grey levels of 255, at weight {at}."
            )
    return (
        " ".join(said)
        + " RMS, in grey levels, is to the picture of weight 1. Of the two predictions of guidance only the one with the prompt is changed."
    )


def _on_swap(outcome: Outcome) -> str:
    if not {0, 1, 2} <= outcome.results.keys():
        return ""
    alone, kept = outcome.rms(1), outcome.rms(2)
    verdict = "nearer to" if kept < alone else "no nearer to"
    return (
        f"From the same x<sub>T</sub> the target alone is {alone:.1f} grey levels from the source, and with its attention kept {kept:.1f}: "
        f"{verdict} it."
    )


def table(outcome: Outcome) -> str:
    """The numbers of the run."""
    request = outcome.request
    if request.weights or request.target:
        if PLAIN not in outcome.results:
            return ""
        rows = [
            [one.kind, one.word or (request.target if one.kind in ("target", "kept") else request.condition.prompt), f"{one.weight:g}", f"{outcome.rms(lane):.2f}"]
            for lane, one in enumerate(outcome.drawings) if lane in outcome.results
        ]  # fmt: skip
        return widgets.table(["picture", "word or prompt", "weight", "RMS to the plain picture, grey levels"], rows)
    if not outcome.maps or not outcome.words:
        return ""
    calls, mean = sorted(outcome.maps), outcome.mean(0)
    first, last = outcome.maps[calls[0]].shares, outcome.maps[calls[-1]].shares
    rows = [
        [name, str(tokens), f"{100 * share:.2f} %", f"{100 * first[k]:.2f} %", f"{100 * last[k]:.2f} %", f"{100 * mean[k].max():.1f} %"]
        for k, (name, tokens, share) in enumerate(zip(outcome.words.names, outcome.words.tokens, outcome.shares, strict=True))
    ]  # fmt: skip
    return widgets.table(
        ["word", "tokens", "share of the attention", "in the first step", "in the last", "most at one place"], rows
    )
