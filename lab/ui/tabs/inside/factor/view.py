"""The stage of factors: a column each, with what comes back, what is lost, the latents, and figures. Pure functions to markup."""

from html import escape

import numpy as np

from lab.requests.factor import AUTOENCODERS, PIXELS, SIDE, UNET
from lab.ui.shell import media, widgets
from lab.ui.tabs.inside.factor.outcome import FACTORS, Outcome, title

GAIN = 4  # times which differences are shown
SHOWN = 4  # channels of latents, as many as these have
FIGURES = ("values", "PSNR, dB", "SSIM", "held out: PSNR", "held out: SSIM", "step, ms")


def difference(decoded: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """What decoding added or took, GAIN times as strong, around mid-grey: uint8 as the pictures."""
    return np.clip(127.5 + GAIN * (decoded.astype(float) - picture), 0, 255).round().astype(np.uint8)


def channel(latents: np.ndarray) -> np.ndarray:
    """One channel (height, width) as grey levels, its lowest value black and its highest white; grey where all are equal."""
    low, high = float(latents.min()), float(latents.max())
    if high <= low:
        return np.full(latents.shape, 128, np.uint8)
    return ((latents - low) / (high - low) * 255).round().astype(np.uint8)


def columns(outcome: Outcome | None) -> list[str]:
    """The names of what stands side by side: pixels, the autoencoders by their factors, and another model."""
    return [PIXELS, *(outcome.request.names if outcome else AUTOENCODERS)]


def stage(outcome: Outcome | None) -> str:
    """All columns; as large before a run."""
    names = columns(outcome)
    body = "".join(_column(outcome, name) for name in names)
    return (
        f'<div data-room="factor" class="factors" style="--columns:{len(names)}" role="group" '
        f'aria-label="Factors side by side">{body}</div>'
    )


def _column(outcome: Outcome | None, name: str) -> str:
    one = outcome.encoded.get(name) if outcome else None
    picture = next(iter(outcome.encoded.values())).picture if outcome and outcome.encoded else None
    if name == PIXELS:
        decoded, lost, latents = picture, None, None
        head, under = "f1, pixels", "the picture itself"
    else:
        decoded = one.decoded if one else None
        lost = difference(one.decoded, one.picture) if one else None
        latents = one.latents if one else None
        factor = FACTORS.get(name) or (one.factor if one else 0)
        head = title(name) if name in FACTORS else f"{title(name)}, f{factor}"
        under = _shape(latents)
    channels = "".join(
        _box(channel(one) if one is not None else None, f"latent channel {k + 1} of {head}")
        for k, one in enumerate(_channels(latents))
    )
    figures = "".join(
        f"<dt>{words}</dt><dd>{value or '&nbsp;'}</dd>"
        for words, value in zip(FIGURES, _figures(outcome, name), strict=True)
    )
    return (
        f'<section class="factor" aria-label="{escape(head)}"><h4>{escape(head)}</h4><small>{under}</small>'
        f"{_box(decoded, f'decoded by {head}' if name != PIXELS else 'the picture')}"
        f'<div class="factor-row{" none" if name == PIXELS else ""}">{_box(lost, f"difference of {head}, times {GAIN}")}'
        f'<div class="factor-latents">{channels}</div></div><dl>{figures}</dl></section>'
    )


def _channels(latents: np.ndarray | None) -> list[np.ndarray | None]:
    return [None] * SHOWN if latents is None else list(latents[:SHOWN])


def _shape(latents: np.ndarray | None) -> str:
    return "&nbsp;" if latents is None else " × ".join(map(str, latents.shape))


def _box(pixels: np.ndarray | None, alt: str) -> str:
    image = (
        ""
        if pixels is None
        else f'<img alt="{escape(alt)}" src="{media.data_uri(pixels)}" decoding="sync" draggable="false">'
    )
    return f'<div class="factor-box">{image}</div>'


def _figures(outcome: Outcome | None, name: str) -> list[str]:
    """The numbers of a column, in the order of FIGURES; "" where there is none yet."""
    if outcome is None or not outcome.begun:
        return [""] * len(FIGURES)
    one, time = outcome.encoded.get(name), outcome.times.get(name)
    values = 3 * SIDE**2 if name == PIXELS else one.latents.size if one else 0
    psnr, ssim = outcome.mean(name, "psnr"), outcome.mean(name, "ssim")
    own = name not in FACTORS
    return [
        f"{values:,}" + (f", {one.compression:g} ×" if one and one.compression != 1 else ""),
        "no loss" if name == PIXELS else f"{one.psnr:.1f}" if one else "",
        "1" if name == PIXELS else f"{one.ssim:.3f}" if one else "",
        "–" if name == PIXELS or own else f"{psnr:.1f}" if psnr is not None else "",
        "–" if name == PIXELS or own else f"{ssim:.3f}" if ssim is not None else "",
        f"{milliseconds(time.least)}{', its own' if own else ''}" if time else "",
    ]


def milliseconds(seconds: float) -> str:
    """Three digits of milliseconds."""
    return f"{1000 * seconds:.3g}" if seconds < 1 else f"{1000 * seconds:,.0f}"


def words(outcome: Outcome) -> str:
    """What was measured, in sentences."""
    said = []
    times = outcome.times
    if all(name in times for name in FACTORS):
        listed = ", ".join(f"{milliseconds(times[name].least)} ms at {title(name)}" for name in FACTORS)
        said.append(
            f"A step of the same UNet takes {listed}: f4 is {outcome.speedup(UNET):.1f} times as fast as pixels."
        )
    kept = [(title(name), outcome.mean(name, "psnr"), outcome.mean(name, "ssim")) for name in AUTOENCODERS]
    if all(psnr is not None for _, psnr, _ in kept):
        count = len(outcome.held_out[UNET].psnr)
        listed = ", ".join(f"{name} {psnr:.1f} dB and {ssim:.3f}" for name, psnr, ssim in kept)
        said.append(f"What {count} pictures that no network learned keep, PSNR and SSIM: {listed}.")
    said.append(
        "This is half of what Rombach et al. 2022 compare in section 4.1: what a factor costs and what it saves. Which one draws best takes a diffusion "
        "training for each, and the lab has that of f4 alone."
    )
    return widgets.words(" ".join(said))


def table(outcome: Outcome) -> str:
    """All numbers, a row a column of the stage, and each timed step."""
    rows = []
    for name in columns(outcome):
        time = outcome.times.get(name)
        figures = _figures(outcome, name)
        shape = " × ".join(map(str, time.shape)) if time else ""
        steps = ", ".join(milliseconds(second) for second in time.elapsed) if time else ""
        rows.append([title(name), shape, *figures[:5], steps])
    head = ["factor", "the UNet sees", *FIGURES[:5], "each timed step, ms"]
    return widgets.table(head, rows)
