"""The stage of the room: a strip of large pictures, and beneath it every change in rows and columns. Pure functions to markup.

What is hovered or focused beneath is enlarged in the strip, and sliders move by the sheet of all frames, both in the page
(`latents.js`).
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from html import escape

import numpy as np

from lab.quantities import quantity
from lab.ui.shell import media, widgets
from lab.ui.tabs.inside.latents import plans
from lab.ui.tabs.inside.latents.outcome import Outcome, uri

DIFFERENCE = 4  # times by which the difference of picture and decoded one is enlarged
FRAME_SIDE = 128  # px of a frame of a slider, at most
COLUMNS = 7  # levels or places that have a column of small pictures
Paint = Callable[[float], np.ndarray | None]  # the picture of a frame


# Pieces


def picture(markup_uri: str, title: str, caption: str = "", part: str = "", alt: str = "") -> str:
    """A large picture with its title; `part` is its name in the page's script, which paints over it."""
    text = escape(alt or f"{title} {caption}".strip(), quote=True)
    image = f'<img alt="{text}" src="{markup_uri}" draggable="false">' if markup_uri else ""
    canvas = f'<canvas data-part="{part}" aria-hidden="true"></canvas>' if part else ""
    of = f' data-caption="{part}"' if part else ""
    return (
        f'<figure class="lab-pic"><div class="box">{image}{canvas}</div>'
        f"<figcaption{of}><b>{escape(title)}</b><span>{escape(caption)}</span></figcaption></figure>"
    )


def cell(source: str, words: str, text: str = "", track: int | None = None, **data: str) -> str:
    """A small picture that may be looked at in the strip: `words` say what it is, `text` stands beneath it. Where it has a `track` the
    slider moves it."""
    image = f'<img alt="" src="{source}" draggable="false">' if source else ""
    canvas = "" if track is None else f'<canvas data-track="{track}" aria-hidden="true"></canvas>'
    attributes = "".join(f' data-{name}="{escape(value, quote=True)}"' for name, value in data.items())
    small = f"<small{'' if track is None else f' data-text={track}'}>{escape(text) or '&nbsp;'}</small>"
    return (
        f'<button type="button" class="latents-cell" data-words="{escape(words, quote=True)}" aria-label="{escape(words, quote=True)}"'
        f"{attributes}><span>{image}{canvas}</span>{small}</button>"
    )


def slider(name: str, labels: Sequence[str], at: int, ready: bool) -> str:
    """What moves all frames at once; dead until they are there."""
    options = escape(json.dumps(labels), quote=True)
    dead = "" if ready else " disabled"
    return (
        f'<label class="latents-slider"><b>{escape(name)}</b><input type="range" min="0" max="{len(labels) - 1}" step="1" value="{at}" '
        f'data-labels="{options}" aria-valuetext="{escape(labels[at], quote=True)}" aria-label="{escape(name, quote=True)}"{dead}>'
        f"<output>{escape(labels[at])}</output></label>"
    )


def sheet(tracks: Sequence[Paint], frames: Sequence[float], texts: Sequence[Sequence[str]]) -> str:
    """All frames as one picture: a row a track, a column a frame; and what stands beneath each. "" where one is missing."""
    rows = []
    for track in tracks:
        painted = [track(frame) for frame in frames]
        if any(one is None for one in painted):
            return ""
        rows.append(np.concatenate([media.shrunk(one, FRAME_SIDE) for one in painted if one is not None], axis=1))
    whole = np.concatenate(rows)
    pack = media.exact_uri if whole.size < 3_000_000 else media.noisy_uri
    said = escape(json.dumps(texts), quote=True)
    side = whole.shape[1] // len(frames)
    return f'<i hidden data-sheet="{pack(whole)}" data-side="{side}" data-texts="{said}"></i>'


def grey(values: np.ndarray) -> np.ndarray:
    """(height, width) as greys, (height, width, 3) uint8: the least black, the most white."""
    low, high = float(values.min()), float(values.max())
    levels = (values - low) / max(high - low, 1e-12) * 255
    return np.repeat(levels.round().astype(np.uint8)[..., None], 3, axis=2)


def to_picture(values: np.ndarray) -> np.ndarray:
    """(height, width, 3) in [-1, 1], clipped there, as uint8."""
    return ((values.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8)


def signed(value: float, digits: int = 2) -> str:
    """A number with a real minus."""
    return f"{value:.{digits}f}".replace("-", "−")


def levels(value: float | None) -> str:
    """An RMS as a cell says it."""
    return "" if value is None else f"{value:.1f}"


# The stage


def stage(outcome: Outcome | None, experiment: str) -> str:
    """The pictures of a run as far as they are there; as large before one."""
    draw = {plans.CHANNELS: _channels, plans.NOISE: _noise, plans.BETWEEN: _between, plans.DRAWS: _draws}
    if outcome is not None and outcome.begun:
        name, body = outcome.experiment, draw[outcome.experiment](outcome)
    else:
        name, body = experiment, _empty(experiment)
    return f'<div data-room="latents" data-script="latents.js" class="latents" data-experiment="{name}">{body}</div>'


TITLES = {
    plans.CHANNELS: ("Picture", "Decoded again", "Difference × 4", "A channel", "A change of it"),
    plans.NOISE: ("Decoded, no noise", "Noise on latents", "Noise on pixels"),
    plans.BETWEEN: ("Latents, straight", "Latents, arc", "Pixels"),
    plans.DRAWS: ("Picture", "Decoded mean", "A draw"),
}


def _empty(experiment: str) -> str:
    return _strip(picture("", title) for title in TITLES[experiment]) + '<div class="latents-grid"></div>'


def _strip(figures: Iterable[str]) -> str:
    found = list(figures)
    return f'<div class="latents-strip" style="--count:{len(found)}">{"".join(found)}</div>'


def _grid(heads: Sequence[str], rows: Iterable[str], columns: int, name: str) -> str:
    head = "".join(f'<span class="latents-head">{one}</span>' for one in heads)
    return (
        f'<div class="latents-grid" role="group" aria-label="{escape(name, quote=True)}" style="--columns:{columns}">'
        f"{head}{''.join(rows)}</div>"
    )


def _side(title: str, more: str = "") -> str:
    shown = re.sub(r"^(Channel|mean \+|Latents,) ", r"<i>\1 </i>", escape(title))  # on a phone without
    return f'<span class="latents-side"><b>{shown}</b><small>{escape(more)}</small></span>'


# Channels


def _channels(outcome: Outcome) -> str:
    first = outcome.first
    difference = 128 + DIFFERENCE * (first.picture.astype(float) - first.decoded)
    maps = [grey(first.latents[k]) for k in range(outcome.channels)]
    off = outcome.scaled(0, 0.0)
    strip = _strip(
        (
            picture(uri(first.picture), "Picture", f"{len(first.picture)} × {len(first.picture)}"),
            picture(uri(first.decoded), "Decoded again", f"RMS {levels(outcome.change(first.picture))}"),
            picture(uri(difference.clip(0, 255).round().astype(np.uint8)), f"Difference × {DIFFERENCE}", "grey: none"),
            picture(uri(maps[0]), "Channel 1", _range(outcome, 0), "map"),
            picture("" if off is None else uri(off), "Channel 1 off", f"RMS {levels(outcome.change(off))}", "look"),
        )
    )
    heads = ("", "map", "off", "alone", "<output data-slid>×\u00a02</output>", "other’s", "shuffled", "linear, off")
    rows = [_channel(outcome, k, maps[k]) for k in range(outcome.channels)]
    rows.append(_all_channels(outcome))
    tracks = [(lambda factor, k=k: outcome.scaled(k, factor)) for k in (*range(outcome.channels), None)]
    texts = [[levels(outcome.change(track(factor))) for factor in plans.FACTORS] for track in tracks]
    frames = sheet(tracks, plans.FACTORS, texts) if outcome.whole else ""
    labels = [f"×\u00a0{signed(factor, 1).removesuffix('.0')}" for factor in plans.FACTORS]
    moves = slider("Scale a channel", labels, plans.FACTORS.index(2.0), bool(frames))
    return (
        strip
        + moves
        + _grid(heads, rows, 7, "Changes of each channel, decoded; numbers are RMS to the decoded picture")
        + frames
    )


def _range(outcome: Outcome, channel: int) -> str:
    values = outcome.first.latents[channel]
    return f"{signed(float(values.min()), 1)} to {signed(float(values.max()), 1)}"


def _channel(outcome: Outcome, k: int, channel_map: np.ndarray) -> str:
    name = f"Channel {k + 1}"
    cells = [
        _side(name, _range(outcome, k)),
        cell(
            uri(channel_map),
            f"{name} as a picture",
            _range(outcome, k).replace(" to ", "…"),
            map=f"{name}",
            range=_range(outcome, k),
        ),
        _lane(outcome, f"{name} off", outcome.lane("scale", channel=k, factor=0.0)),
        _lane(outcome, f"{name} alone", outcome.lane("only", channel=k)),
        _lane(outcome, f"{name} scaled", outcome.lane("scale", channel=k, factor=2.0), track=k),
        _lane(outcome, f"{name} of the second picture", outcome.lane("other", channel=k)),
        _lane(outcome, f"{name} shuffled", outcome.lane("shuffle", channel=k)),
        _linear(outcome, f"Linear map, channel {k + 1} off", k),
    ]
    return f'<div class="latents-row" data-row="{k}">{"".join(cells)}</div>'


def _all_channels(outcome: Outcome) -> str:
    first, second, every = outcome.first, outcome.encodings.get(1), outcome.channels
    cells = [
        _side("All", "together"),
        _linear(outcome, "Linear map of all channels to RGB", None),
        _lane(outcome, "All channels off", outcome.lane("scale", channel=None, factor=0.0)),
        cell(uri(first.decoded), "All channels: decoded again", "0.0"),
        _lane(outcome, "All channels scaled", outcome.lane("scale", channel=None, factor=2.0), track=every),
        cell("" if second is None else uri(second.decoded), "All channels of the second picture",
             levels(outcome.change(second.decoded)) if second else ""),
        _lane(outcome, "Places shuffled, all channels alike", outcome.lane("shuffle", channel=None)),
        "<span></span>",
    ]  # fmt: skip
    return f'<div class="latents-row" data-row="{every}">{"".join(cells)}</div>'


def _lane(outcome: Outcome, words: str, lane: int | None, track: int | None = None, text: str | None = None) -> str:
    """A lane's cell."""
    there = lane is not None and lane in outcome.found
    said = levels(outcome.change(outcome.found[lane])) if there and lane is not None else ""
    return cell(outcome.uris.get(-1 if lane is None else lane, ""), words, said if text is None else text, track)


def _linear(outcome: Outcome, words: str, off: int | None) -> str:
    """A cell of what the linear map says."""
    values = outcome.linear(off)
    if values is None:
        return cell("", words)
    change = outcome.linear_change(off) if off is not None else None
    return cell(uri(to_picture(values)), words, levels(change) if off is not None else "to RGB")


# Noise


def _noise(outcome: Outcome) -> str:
    all_levels = outcome.levels
    at = min(range(len(all_levels)), key=lambda k: abs(all_levels[k] + 1))
    titles = {"noise": "Noise on latents", "pixel_noise": "Noise on pixels"}
    large = [picture(uri(outcome.first.decoded), "Decoded, no noise")]
    for track, (kind, title) in enumerate(titles.items()):
        lane = outcome.lane(kind, log_snr=all_levels[at])
        value = outcome.alike(kind, all_levels[at])
        large.append(picture(_uri(outcome, lane), title, "" if value is None else _r(value), f"track-{track}"))
    tracks = [(lambda level, kind=kind: outcome.picture(kind, log_snr=level)) for kind in titles]
    labels = [f"log-SNR {signed(level, 1)}" for level in all_levels]
    texts = (
        [[_r(outcome.alike(kind, level) or 0.0) for level in all_levels] for kind in titles] if outcome.whole else []
    )
    frames = sheet(tracks, all_levels, texts) if outcome.whole else ""
    columns = plans.spread(len(all_levels), COLUMNS)
    rows = []
    for kind, title in titles.items():
        cells = [
            _frame(outcome, outcome.lane(kind, log_snr=all_levels[k]), f"{title}, {labels[k]}", k,
                   "" if (value := outcome.alike(kind, all_levels[k])) is None else f"{value:.2f}".replace("-", "−"))
            for k in columns
        ]  # fmt: skip
        rows.append(
            f'<div class="latents-row">{_side(title.removeprefix("Noise "), "r from afar")}{"".join(cells)}</div>'
        )
    heads = ("", *(signed(all_levels[k], 1).removesuffix(".0") for k in columns))
    return (
        _strip(large)
        + slider("Level", labels, at, bool(frames))
        + _grid(heads, rows, len(columns), "Levels of noise")
        + frames
    )


def _uri(outcome: Outcome, lane: int | None) -> str:
    return "" if lane is None else outcome.uris.get(lane, "")


def _r(value: float) -> str:
    return f"r = {signed(value)} from afar"


def _frame(outcome: Outcome, lane: int | None, words: str, frame: int, text: str) -> str:
    """A small picture that brings the slider to its frame."""
    return cell(_uri(outcome, lane), words, text, frame=str(frame))


# Between two


def _between(outcome: Outcome) -> str:
    places = outcome.places
    at = min(range(len(places)), key=lambda k: abs(places[k] - 0.5))
    titles = {"lerp": "Latents, straight", "slerp": "Latents, arc", "pixel_lerp": "Pixels"}
    large = [
        picture(
            _uri(outcome, outcome.lane(kind, t=places[at])), title, _energy(outcome, kind, places[at]), f"track-{track}"
        )
        for track, (kind, title) in enumerate(titles.items())
    ]
    tracks = [(lambda t, kind=kind: outcome.picture(kind, t=t)) for kind in titles]
    texts = [[_energy(outcome, kind, t) for t in places] for kind in titles] if outcome.whole else []
    frames = sheet(tracks, places, texts) if outcome.whole else ""
    columns = plans.spread(len(places), COLUMNS)
    rows = []
    for kind, title in titles.items():
        cells = [
            _frame(outcome, outcome.lane(kind, t=places[k]), f"{title}, t = {places[k]:.2f}", k,
                   "" if (share := outcome.energy(kind, places[k])) is None else f"{share:.0%}".replace("%", " %"))
            for k in columns
        ]  # fmt: skip
        rows.append(f'<div class="latents-row">{_side(title, "gradient energy")}{"".join(cells)}</div>')
    heads = ("", *(f"t = {places[k]:.2f}" for k in columns))
    labels = [f"t = {t:.2f}" for t in places]
    return (
        _strip(large)
        + slider("From one to the other", labels, at, bool(frames))
        + _grid(heads, rows, len(columns), "Places between two pictures")
        + frames
    )


def _energy(outcome: Outcome, kind: str, t: float) -> str:
    share = outcome.energy(kind, t)
    return "" if share is None else f"gradient energy {100 * share:.0f} %"


# Draws


def _draws(outcome: Outcome) -> str:
    first, seeds = outcome.first, outcome.seeds
    lane = outcome.lane("draw", factor=outcome.factors[0], seed=seeds[0])
    large = [
        picture(uri(first.picture), "Picture"),
        picture(uri(first.decoded), "Decoded mean", f"RMS {levels(outcome.change(first.picture))} to the picture"),
        picture(
            _uri(outcome, lane),
            "Draw 1, × 1",
            "" if lane is None or lane not in outcome.found else _to_mean(outcome, lane),
            "look",
        ),
    ]
    maps = "".join(
        picture(uri(grey(deviation)), f"std {k + 1}", f"{deviation.min():.2g} to {deviation.max():.2g}")
        for k, deviation in enumerate(first.deviations)
    )
    rows = []
    for factor in outcome.factors:
        found = outcome.drawn(factor)
        mean = f"RMS {sum(found) / len(found):.1f}" if found else ""
        cells = [
            _lane(outcome, f"Draw {n + 1}, × {factor:g}", outcome.lane("draw", factor=factor, seed=seed))
            for n, seed in enumerate(seeds)
        ]
        rows.append(f'<div class="latents-row">{_side(f"mean + {factor:g} std ε", mean)}{"".join(cells)}</div>')
    heads = ("", *(f"draw {n + 1}" for n in range(len(seeds))))
    return (
        _strip(large)
        + f'<div class="latents-maps" role="group" aria-label="The posterior’s deviation, by channel">{maps}</div>'
        + _grid(
            heads,
            rows,
            len(seeds),
            "Draws from the posterior, and from wider ones; numbers are RMS to the decoded mean",
        )
    )


def _to_mean(outcome: Outcome, lane: int) -> str:
    return f"RMS {levels(outcome.change(outcome.found[lane]))} to the mean’s"


# Words and numbers


def words(outcome: Outcome) -> str:
    """What is to be seen, with the figures of this run."""
    say = {plans.CHANNELS: _of_channels, plans.NOISE: _of_noise, plans.BETWEEN: _of_between, plans.DRAWS: _of_draws}
    text = say[outcome.experiment](outcome) if outcome.whole else ""
    return widgets.words(text) if text else ""


def _of_channels(outcome: Outcome) -> str:
    changes = [outcome.change(outcome.scaled(k, 0.0)) or 0.0 for k in range(outcome.channels)]
    most, least = int(np.argmax(changes)), int(np.argmin(changes))
    said = (
        f"With channel {most + 1} off the decoded picture changes most, by {changes[most]:.1f} grey levels RMS; with channel {least + 1} "
        f"least, by {changes[least]:.1f}."
    )
    known, fit, pair = outcome.known, outcome.fit(), outcome.together()
    if known is not None and fit is not None:
        told = [outcome.linear_change(k) or 0.0 for k in range(outcome.channels)]
        shown = [outcome.coarse_change(k) or 0.0 for k in range(outcome.channels)]
        worst = int(np.argmax(np.abs(np.array(told) - shown)))
        said += (
            f" The linear map to RGB has R² {signed(fit[0])} against the decoded picture, {fit[1]:.1f} dB. It is wrong most about channel "
            f"{worst + 1}: off, it would change the picture by {told[worst]:.1f}, and the decoder changes it by {shown[worst]:.1f} at the latents’ resolution, as the chart has it."
        )
        if pair and abs(pair[2]) > 0.5:
            i, j, r = pair
            said += (
                f" Channels {i + 1} and {j + 1} go together in the {known.count} example pictures (r = {signed(r)}): least squares "
                "may give such a pair large weights that cancel."
            )
        zero = any(lane.centre == "zero" for lane in outcome.request.lanes)
        far = int(np.argmax(np.abs(known.mean)))
        said += (
            f" Off is 0 here; channel {far + 1}’s mean over the examples is {signed(float(known.mean[far]))}, so 0 also shifts it."
            if zero
            else f" Off is the mean over the examples, which takes away what the channel says of this picture and adds nothing; 0 would also "
            f"shift channel {far + 1}, whose mean is {signed(float(known.mean[far]))}."
        )
    return said


def _of_noise(outcome: Outcome) -> str:
    latent, pixel = outcome.half("noise"), outcome.half("pixel_noise")
    factor = len(outcome.first.picture) // outcome.first.latents.shape[1]
    said = (
        f"r is the correlation with the clean picture of means over 8 × 8 blocks: what is left from afar. A latent stands for "
        f"{factor} × {factor} pixels, so its noise is a blotch; a pixel’s is a grain, and grains average out."
    )
    if latent is None or pixel is None:
        which = "neither" if latent is None and pixel is None else "only one"
        return f"{said} Of the two, {which} falls to r = 0.5 within these levels."
    apart = abs(latent - pixel)
    order = "latents lose the picture sooner" if latent > pixel else "pixels lose the picture sooner"
    verdict = f"{order}, by {apart:.1f}" if apart >= 0.1 else "both lose the picture at the same level"
    return f"{said} r falls to 0.5 at log-SNR {signed(latent, 1)} for latents and {signed(pixel, 1)} for pixels: {verdict}."


SAME = 0.1  # of the ends' gradient energy: less cannot be told apart by eye


def _of_between(outcome: Outcome) -> str:
    places = outcome.places
    t = places[min(range(len(places)), key=lambda k: abs(places[k] - 0.5))]
    latent, arc, pixel, double = (
        *(outcome.energy(kind, t) or 0.0 for kind in plans.MIXES), outcome.exposure(t) or 0.0,
    )  # fmt: skip
    apart = outcome.apart("lerp", t) or 0.0
    if latent - pixel > SAME:
        verdict = (
            "Edges are stronger than a double exposure’s; whether they belong to one picture is for the eye to say."
        )
    else:
        verdict = "So the mean of latents is a double exposure, too: both pictures lie over each other."
    return (
        f"At t = {t:.2f} the pixels’ mix has {100 * pixel:.0f} % of the ends’ gradient energy; a double exposure whose edges do not meet has "
        f"{100 * double:.0f} %. The latents’ mix has {100 * latent:.0f} % (arc: {100 * arc:.0f} %), and lies {apart:.1f} grey levels RMS from the "
        f"pixels’. {verdict} Both ends are decoded pictures, so all three rows begin and end alike."
    )


def _of_draws(outcome: Outcome) -> str:
    first = outcome.first
    own = first.latents.reshape(outcome.channels, -1).std(axis=1)
    deviations = first.deviations.reshape(outcome.channels, -1).mean(axis=1)
    shares = ", ".join(f"{100 * share:.0f} %" for share in deviations / np.maximum(own, 1e-9))
    by_factor = {factor: found for factor in outcome.factors if (found := outcome.drawn(factor))}
    figures = ", ".join(f"{sum(found) / len(found):.1f} at × {factor:g}" for factor, found in by_factor.items())
    rest = outcome.change(first.picture) or 0.0
    return (
        f"Draws from the posterior differ from the mean’s picture by {figures} grey levels RMS; encoding and decoding alone costs {rest:.1f}. The "
        f"posterior’s deviations are {shares} of what channels 1 to {outcome.channels} vary over this picture."
    )


def table(outcome: Outcome) -> str:
    """The numbers of a run."""
    make = {
        plans.CHANNELS: _channel_table,
        plans.NOISE: _noise_table,
        plans.BETWEEN: _between_table,
        plans.DRAWS: _draw_table,
    }
    return make[outcome.experiment](outcome)


def _channel_table(outcome: Outcome) -> str:
    first, known = outcome.first, outcome.known
    rows = []
    for k in range(outcome.channels):
        values = first.latents[k]
        rows.append(
            [
                str(k + 1), signed(float(values.min())), signed(float(values.max())), signed(float(values.mean())), f"{values.std():.2f}",
                f"{first.deviations[k].mean():.3f}", signed(float(known.mean[k])) if known else "",
                *(_number(value) for value in (outcome.change(outcome.scaled(k, 0.0)), outcome.coarse_change(k), outcome.linear_change(k))),
            ]
        )  # fmt: skip
    head = [
        "channel", "least", "most", "mean", "std", "posterior std", "mean of examples", "off: RMS", "off, coarse: RMS", "off, linear map: RMS",
    ]  # fmt: skip
    return widgets.table(head, rows) + (_matrix(outcome) if known else "")


def _matrix(outcome: Outcome) -> str:
    """The linear map, and how channels vary together in the examples."""
    assert outcome.known is not None
    head = ["linear map", *(f"channel {k + 1}" for k in range(outcome.channels)), "1"]
    rows = [
        [colour, *(signed(float(value), 3) for value in row)]
        for colour, row in zip(("red", "green", "blue"), outcome.known.to_rgb, strict=True)
    ]
    deviations = np.sqrt(np.diagonal(outcome.known.covariance))
    correlation = outcome.known.covariance / np.maximum(np.outer(deviations, deviations), 1e-12)
    together = [[f"channel {k + 1}", *(signed(float(value)) for value in row)] for k, row in enumerate(correlation)]
    return widgets.table(head, rows) + widgets.table(["correlation in the examples", *head[1:-1]], together)


def _noise_table(outcome: Outcome) -> str:
    rows = (
        [signed(level, 1), *(_number(outcome.alike(kind, level), 3) for kind in plans.NOISES)]
        for level in outcome.levels
    )
    return widgets.table(["log-SNR", "r, noise on latents", "r, noise on pixels"], rows)


def _between_table(outcome: Outcome) -> str:
    rows = (
        [f"{t:.2f}", *(_number(outcome.energy(kind, t), 3) for kind in plans.MIXES), _number(outcome.exposure(t), 3),
         *(_number(outcome.apart(kind, t)) for kind in plans.MIXES[:2])]
        for t in outcome.places
    )  # fmt: skip
    head = [
        "t",
        "energy, straight",
        "energy, arc",
        "energy, pixels",
        "energy, edges apart",
        "straight to pixels, RMS",
        "arc to pixels, RMS",
    ]
    return widgets.table(head, rows)


def _draw_table(outcome: Outcome) -> str:
    rows = ([f"{factor:g}", *(f"{value:.2f}" for value in outcome.drawn(factor))] for factor in outcome.factors)
    spread = (
        [
            f"{k + 1}",
            f"{deviation.mean():.4f}",
            f"{deviation.min():.4f}",
            f"{deviation.max():.4f}",
            f"{outcome.first.latents[k].std():.3f}",
        ]
        for k, deviation in enumerate(outcome.first.deviations)
    )
    head = ["times the deviation", *(f"draw {n + 1}, RMS" for n in range(len(outcome.seeds)))]
    return widgets.table(head, rows) + widgets.table(
        ["channel", "mean std", "least", "most", "std of the latents"], spread
    )


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else signed(value, digits)


def summary(outcome: Outcome) -> str:
    """A sentence at the end of a run."""
    first = outcome.first
    shape = " × ".join(str(side) for side in first.latents.shape)
    floats, pixels = first.latents.size, first.picture.size
    return f"{quantity(len(outcome.found), 'picture')} from {shape} latents: {floats:,} numbers for {pixels:,} values of pixels"
