"""The stage of the room: a film with its frames in rows, or a map, and beside either what is looked at, enlarged. Pure functions to
markup, which between.js brings to life."""

import json
from collections.abc import Iterable
from html import escape

import numpy as np

from lab.ui.shell import media
from lab.ui.tabs.unclip.between import plans
from lab.ui.tabs.unclip.between.outcome import Outcome
from lab.ui.tabs.unclip.between.plans import Place
from lab.ui.tabs.unclip.view import number

NEAREST = 4  # pictures of the lab beside what is looked at
COLOURS = ("#4269d0", "#e8590c", "#2f9e6e", "#a463f2")  # of the pictures, here and in the chart
NAMES = ("first", "second", "third", "fourth")
MOST_SIDE = 256  # px of a picture in the page


def percent(weight: float) -> str:
    """A weight as the page says it."""
    return f"{100 * weight:.0f} %"


def label(experiment: str, place: Place) -> str:
    """A place in words."""
    if experiment == plans.FILM:
        return f"t = {place.x:.2f}"
    return ", ".join(f"{NAMES[k]} {percent(weight)}" for k, weight in enumerate(place.weights) if weight > 0)


def stage(
    experiment: str, places: list[Place], pictures: Iterable[np.ndarray], outcome: Outcome | None, x: float, y: float
) -> str:
    """The pictures of a run as far as they are there, as large before one; `x` and `y` say what is looked at."""
    originals = outcome.originals if outcome else [media.smooth_uri(media.shrunk(one, MOST_SIDE)) for one in pictures]
    at = plans.nearest(places, x, y)
    whole = outcome is not None and outcome.whole
    body = _film if experiment == plans.FILM else _map
    done = f' data-whole="{outcome.key}"' if outcome is not None and whole else ""
    frames = f'<i hidden data-frames="{_nearest_data(outcome)}"></i>' if outcome is not None and whole else ""
    return (
        f'<div data-room="between" data-script="between.js" class="between" data-experiment="{experiment}" data-at="{at}"{done}>'
        f"{body(places, originals, outcome, at)}{frames}</div>"
    )


def uri(pixels: np.ndarray) -> str:
    """A picture for the page, made smaller where it is larger than it is ever seen."""
    return media.data_uri(media.shrunk(pixels, MOST_SIDE))


def _nearest_data(outcome: Outcome) -> str:
    """For the page: the pictures of the lab that lie nearest to each place, each picture once."""
    known: dict[bytes, int] = {}
    pictures: list[str] = []
    places = []
    for lane in range(len(outcome.places)):
        found = []
        for one in outcome.embedded[lane].nearest[:NEAREST]:
            pixels = media.shrunk(one.picture, 64)
            if pixels.tobytes() not in known:
                known[pixels.tobytes()] = len(pictures)
                pictures.append(media.smooth_uri(pixels))
            found.append((known[pixels.tobytes()], one.caption, f"cos {number(one.cosine)}"))
        places.append(found)
    return escape(json.dumps({"pictures": pictures, "places": places}, separators=(",", ":")), quote=True)


# Pieces


def _large(part: str, title: str, caption: str, source: str = "") -> str:
    """What is looked at, enlarged; the page paints over it."""
    image = f'<img alt="" src="{source}" decoding="sync" draggable="false">' if source else ""
    return (
        f'<figure class="lab-pic between-large" data-of-part="{part}"><div class="box">{image}<canvas data-part="{part}" role="img" '
        f'aria-label="{escape(title, quote=True)}"></canvas></div><figcaption><b>{title}</b><span>{caption}</span></figcaption></figure>'
    )


def _cell(
    experiment: str, place: Place, lane: int, outcome: Outcome | None, caption: str | None, style: str = ""
) -> str:
    """A picture that is looked at when it is pressed; without a caption there is no line for one."""
    pixels = None if outcome is None else outcome.picture(lane)
    said = escape(label(experiment, place), quote=True)
    image = f'<img alt="" src="{uri(pixels)}" decoding="sync" draggable="false">' if pixels is not None else ""
    small = (
        "" if caption is None else f'<small title="{escape(caption, quote=True)}">{escape(caption) or "&nbsp;"}</small>'
    )
    near = f", near {escape(caption, quote=True)}" if caption else ""
    return (
        f'<button type="button" class="between-cell" data-lane="{lane}" data-row="{place.row}" data-column="{place.column}" data-x="{place.x}" '
        f'data-y="{place.y}" data-weights="{json.dumps(place.weights)}" data-label="{said}" aria-label="{said}{near}"{style}>'
        f"<span>{image}</span>{small}</button>"
    )


def _near() -> str:
    """The pictures of the lab nearest to the embedding that is looked at; the page fills it."""
    cell = (
        '<figure class="unclip-cell near"><div class="box"><canvas aria-hidden="true"></canvas></div>'
        "<figcaption><span>&nbsp;</span><span>&nbsp;</span></figcaption></figure>"
    )
    return f'<section class="between-near" aria-label="Nearest pictures of the lab"><h4>Nearest in the lab to this embedding</h4><div>{cell * NEAREST}</div></section>'


def _original(sources: list[str], k: int) -> str:
    if k >= len(sources):
        return '<span class="between-original"></span>'
    return (
        f'<img class="between-original" data-original alt="The {NAMES[k]} picture" title="The {NAMES[k]} picture" src="{sources[k]}" '
        f'decoding="sync" draggable="false" style="--colour:{COLOURS[k]}">'
    )


def _looked_at(outcome: Outcome | None, at: int) -> str:
    pixels = None if outcome is None else outcome.picture(at)
    source = uri(pixels) if pixels is not None else ""
    return _large("frame", "unCLIP", "embeddings mixed", source) + _large("mix", "Double exposure", "pixels mixed")


# The film


def _film(places: list[Place], originals: list[str], outcome: Outcome | None, at: int) -> str:
    ready = outcome is not None and outcome.whole
    words = label(plans.FILM, places[at])
    dead = "" if ready else " disabled"
    bar = (
        f'<div class="between-bar"><button type="button"{dead}>Play</button>{_original(originals, 0)}'
        f'<input type="range" min="0" max="{len(places) - 1}" step="1" value="{at}" aria-label="From the first picture to the second" '
        f'aria-valuetext="{words}"{dead}>{_original(originals, 1)}<output>{words}</output></div>'
    )
    heads = "".join(f'<span class="unclip-head">{place.x:.2f}</span>' for place in places)
    drawn = "".join(
        _cell(plans.FILM, place, lane, outcome, nearest(outcome, lane)) for lane, place in enumerate(places)
    )
    mixed = "".join(
        f'<button type="button" class="between-cell between-mixed" data-of="{lane}" tabindex="-1" aria-hidden="true"><span><canvas></canvas></span></button>'
        for lane in range(len(places))
    )
    return (
        f'<div class="between-strip">{_looked_at(outcome, at)}{_near()}</div>{bar}'
        f'<div class="between-frames" role="region" aria-label="All frames" tabindex="0"><div class="between-grid" style="--columns:{len(places)}">'
        f'<span class="unclip-head">t</span>{heads}{_side("unCLIP", "and nearest in the lab")}{drawn}{_side("Double exposure")}{mixed}</div></div>'
    )


def _side(title: str, more: str = "") -> str:
    small = f"<small>{more}</small>" if more else ""
    return f'<span class="unclip-side"><b>{title}</b>{small}</span>'


def nearest(outcome: Outcome | None, lane: int) -> str:
    """The caption of the picture of the lab that lies nearest to a lane's embedding; "" before it is there."""
    there = None if outcome is None else outcome.embedded.get(lane)
    return there.nearest[0].caption if there is not None and there.nearest else ""


# The maps


def _map(places: list[Place], originals: list[str], outcome: Outcome | None, at: int) -> str:
    count = len(places[0].weights)
    experiment = plans.TRIANGLE if count == 3 else plans.SQUARE
    side = max(place.row for place in places) + 1
    corners = plans.corners(places)
    cells = "".join(
        _cell(experiment, place, lane, outcome, None, _where(place, side, experiment, corners, lane))
        for lane, place in enumerate(places)
    )
    weights = "".join(
        f'<li style="--colour:{COLOURS[k]};--weight:{places[at].weights[k]}">{_original(originals, k)}<i></i><b>{percent(places[at].weights[k])}</b></li>'
        for k in range(count)
    )
    return (
        f'<div class="between-whole"><div class="between-plane" role="group" aria-label="Map of pictures; arrow keys move" '
        f'style="--columns:{side};--tracks:{2 * side}">{cells}</div><div class="between-looked">{_looked_at(outcome, at)}'
        f'<div class="between-shares"><h4>Shares of the pictures</h4><ol class="between-weights">{weights}</ol><output class="unseen">{label(experiment, places[at])}</output></div>{_near()}</div></div>'
    )


def _where(place: Place, side: int, experiment: str, corners: list[int], lane: int) -> str:
    """Where the cell of a place stands, and whose corner it is."""
    start = side - 1 - place.row + 2 * place.column if experiment == plans.TRIANGLE else 2 * place.column
    colour = f";--colour:{COLOURS[corners.index(lane)]}" if lane in corners else ""
    corner = f' data-corner="{corners.index(lane) + 1}"' if lane in corners else ""
    return f'{corner} style="grid-row:{place.row + 1};grid-column:{start + 1} / span 2{colour}"'
