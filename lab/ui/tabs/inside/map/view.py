"""What the map shows: two planes with their pictures, two rows of decoded pictures, and the numbers."""

import base64
import json
import secrets
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import numpy as np

from lab.requests.latent_map import DRAWS, NEAR, NETWORKS, PICTURES, SIDE, MapDraws, MapPlane, MapPoint, member
from lab.ui.shell import media, widgets
from lab.ui.tabs.inside import weights
from lab.ui.tabs.inside.map.outcome import Outcome, ends, spread

COLUMNS = 64  # pictures in a row of the sheet
ROW = 9  # pictures of a row beneath the planes
COLOURS = ("#efb118", "#ff8ab7", "#3ca951", "#ff725c", "#4269d0", "#a463f2", "#9c6b4e", "#15aabf")  # of groups
ROWS = {"draws": "Decoded draws from N(0, I)", "walk": "A straight walk from A to B, decoded"}
TOOLS = '<span class="map-tools"><button type="button" data-end="0">A: the ringed picture</button><button type="button" data-end="1">B: the ringed picture</button></span>'
KEYS = "Arrow keys move the cross, with Shift in larger steps; A and B put the ends of the walk at the picture that is nearest."


def stage(outcome: Outcome | None, now: dict[str, Any]) -> str:
    """The stage; `now` are the live controls."""
    begun = outcome is not None and outcome.begun
    content = f'<i hidden data-content="{escape(json.dumps(_content(outcome)), quote=True)}"></i>' if begun else ""  # type: ignore[arg-type]
    planes = "".join(_plane(network, outcome if begun else None) for network in NETWORKS)
    rows = "".join(_row(network) for network in NETWORKS)
    live = " ".join(
        f'data-{name.removeprefix("map_")}="{escape(str(value), quote=True)}"' for name, value in now.items()
    )
    script = f'data-script="map.js" data-run="{secrets.token_hex(4)}"' if begun else ""
    return (
        f'<div class="map" data-room="map" {script} {live}><div class="map-planes">{planes}</div>'
        f'<ul class="map-legend">{_legend(outcome) if begun else ""}</ul>'  # type: ignore[arg-type]
        f'<section class="map-rows" aria-label="Decoded pictures"><div class="map-head"><h4></h4>{TOOLS}</div>{rows}</section>'
        f'<p class="unseen" data-aloud></p>{content}</div>'
    )


def _plane(network: str, outcome: Outcome | None) -> str:
    rms = "" if outcome is None else f"reconstruction RMS {outcome.planes[network].rms.mean():.1f}"
    named = f"The plane of the {NETWORKS[network].lower()}'s two latents. {KEYS}"
    pictures = "".join(
        f'<figure data-of="{name}"><canvas class="crisp" width="{SIDE}" height="{SIDE}" role="img" aria-label="{title}"></canvas>'
        f"<figcaption>{title}</figcaption></figure>"
        for name, title in (
            ("decoded", "decoded here"),
            ("nearest", "nearest code"),
            ("own", "the picture"),
            ("again", "its code"),
        )
    )
    return (
        f'<figure class="map-plane" data-network="{network}"><figcaption><b>{NETWORKS[network]}</b> <span>{rms}</span> <button type="button" data-zoom aria-pressed="false" hidden>Zoom to N(0, I)</button></figcaption>'
        f'<div class="map-field"><div class="map-box" tabindex="0" role="application" aria-label="{escape(named, quote=True)}"><canvas></canvas></div>'
        f'<div class="map-here">{pictures}</div></div><p class="map-said">&nbsp;</p></figure>'
    )


def _row(network: str) -> str:
    cells = "".join(
        f'<figure><canvas class="crisp" width="{SIDE}" height="{SIDE}" role="img" aria-label="{k + 1} of {ROW}"></canvas><small>&nbsp;</small></figure>'
        for k in range(ROW)
    )
    first, last = (
        f'<figure data-true="{k}"><canvas class="crisp" width="{SIDE}" height="{SIDE}" role="img" aria-label="{name}"></canvas><small>{name}</small></figure>'
        for k, name in enumerate("AB")
    )
    return f'<div class="map-row" data-network="{network}"><b>{NETWORKS[network]}<small></small></b>{first}{cells}{last}</div>'


def _legend(outcome: Outcome) -> str:
    assert outcome.data is not None
    dots = "".join(
        f'<li><i style="background:{COLOURS[k % len(COLOURS)]}"></i>{escape(label)}</li>'
        for k, label in enumerate(outcome.data.labels)
    )
    own = '<li><i class="own"></i>the picture</li>' if outcome.points else ""
    drawn = '<li class="of-draws"><i class="draw"></i>draws</li><li class="of-draws"><i class="draw near"></i>near a picture</li>'
    return (
        f'{dots}{own}<li><i class="nearest"></i>the code nearest to the cross last moved, in both planes</li><li><i class="prior"></i><i class="prior outer"></i>N(0, I), 1 and 2 σ</li>'
        f'{drawn}<li class="ellipses"></li>'
    )


# What the script is given


def _content(outcome: Outcome) -> dict[str, Any]:
    data = outcome.data
    assert data is not None
    return {
        "side": SIDE,
        "columns": COLUMNS,
        "sheet": _once(outcome, "sheet", lambda: sheet(data.pixels)),
        "titles": data.titles,
        "label": _packed(data.label.astype(np.uint8)),
        "colours": [COLOURS[k % len(COLOURS)] for k in range(len(data.labels))],
        "rows": ROWS,
        "ends": ends(_planes(outcome), data.label),
        "planes": {network: _of_plane(outcome, network) for network in NETWORKS},
    }


def _once(outcome: Outcome, name: str, make: Callable[[], np.ndarray]) -> str:
    if name not in outcome.packed:
        outcome.packed[name] = media.smooth_uri(make())
    return outcome.packed[name]


def _of_plane(outcome: Outcome, network: str) -> dict[str, Any]:
    plane = outcome.planes[network]
    shown: dict[str, Any] = {
        "address": weights.address(f"map/{member(outcome.request.pictures, network)}"),
        "box": plane.box,
        "codes": _packed(plane.mean.astype(np.float32)),
        "std": None if plane.kl is None else _packed(plane.std.astype(np.float32)),
        "grid": _once(outcome, network, lambda: plane.grid),
        "far": _packed(plane.far.astype(np.float32)),
        "cells": len(plane.far),
    }
    if found := outcome.points.get(network):
        shown["own"] = _of_own(found)
    if drawn := outcome.draws.get(network):
        shown["draws"] = _of_draws(drawn)
    return shown


def _of_own(point: MapPoint) -> dict[str, Any]:
    return {
        "code": [float(value) for value in point.mean],
        "std": [float(value) for value in point.std],
        "picture": media.exact_uri(point.picture),
        "decoded": media.exact_uri(point.decoded),
        "rms": round(point.rms, 1),
    }


def _of_draws(draws: MapDraws) -> dict[str, Any]:
    return {
        "codes": draws.codes[:ROW].tolist(),
        "rms": [round(float(one), 1) for one in draws.prior[:ROW]],
        "near": [bool(one <= draws.threshold) for one in draws.prior[:ROW]],
        "share": f"{draws.share(draws.prior):.0%} of {DRAWS} near: RMS at most {draws.threshold:.1f}",
        "threshold": draws.threshold,
    }


def sheet(pixels: np.ndarray) -> np.ndarray:
    """Pictures (n, side, side, 3) as one, COLUMNS wide, filled row by row."""
    n, side = pixels.shape[:2]
    rows = -(-n // COLUMNS)
    whole = np.full((rows * COLUMNS, side, side, 3), 255, np.uint8)
    whole[:n] = pixels
    return whole.reshape(rows, COLUMNS, side, side, 3).swapaxes(1, 2).reshape(rows * side, COLUMNS * side, 3)


def _packed(values: np.ndarray) -> str:
    """Numbers as base64, in this machine's order of bytes, which is that of all browsers."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


# Words and numbers


def words(outcome: Outcome) -> str:
    """What the run shows, in figures."""
    if not outcome.whole:
        return ""
    said = [f"{_share(outcome, 'ae')} of the autoencoder's and {_share(outcome, 'vae')} of the variational one's pictures drawn from N(0, I) are as near to a training picture as {NEAR:.0%} of its own reconstructions."]  # fmt: skip
    (_, ae), (_, vae) = (spread(outcome.planes[network]) for network in NETWORKS)
    said.append(
        f"Nothing keeps the autoencoder's codes near the origin: their deviations are {ae[0]:.1f} and {ae[1]:.1f}, the variational one's {vae[0]:.1f} and {vae[1]:.1f}."
    )
    if outcome.points:
        point = outcome.points["ae"], outcome.points["vae"]
        said.append(
            f"The picture that is chosen comes back with an RMS of {point[0].rms:.1f} and {point[1].rms:.1f} grey levels."
        )
    return widgets.words(" ".join(said))


def _share(outcome: Outcome, network: str) -> str:
    draws = outcome.draws[network]
    return f"{draws.share(draws.prior):.0%}"


def summary(outcome: Outcome) -> str:
    """The sentence at the end of a run."""
    count = 0 if outcome.data is None else len(outcome.data.pixels)
    kl = outcome.planes["vae"].kl
    nats = "" if kl is None else f", {kl.mean():.1f} nats a picture in the variational one"
    return f"{count:,} {PICTURES[outcome.request.pictures].lower()} in two planes{nats}. Drag a cross."


def table(outcome: Outcome) -> str:
    """The numbers of both networks."""
    if not outcome.begun:
        return ""
    rows: list[tuple[str, Sequence[str]]] = [
        ("Reconstruction, RMS over the training pictures", [f"{plane.rms.mean():.2f}" for plane in _planes(outcome)]),
        ("KL of the posterior from N(0, I), nats a picture", ["–" if plane.kl is None else f"{plane.kl.mean():.2f}" for plane in _planes(outcome)]),
        ("Mean of the codes", [_pair(spread(plane)[0]) for plane in _planes(outcome)]),
        ("Deviation of the codes", [_pair(spread(plane)[1]) for plane in _planes(outcome)]),
        ("Deviation of a posterior, mean", ["–" if plane.kl is None else _pair(plane.std.mean(0), 3) for plane in _planes(outcome)]),
    ]  # fmt: skip
    if outcome.whole:
        draws = [outcome.draws[network] for network in NETWORKS]
        rows += [
            ("Near a training picture: of draws from N(0, I)", [f"{one.share(one.prior):.1%}" for one in draws]),
            ("Of draws from the Gaussian of its own codes", [f"{one.share(one.fitted):.1%}" for one in draws]),
            ("“Near” is an RMS of at most", [f"{one.threshold:.1f}" for one in draws]),
            ("RMS of a draw from N(0, I) to the nearest, median", [f"{np.median(one.prior):.1f}" for one in draws]),
        ]
    if outcome.points:
        points = [outcome.points[network] for network in NETWORKS]
        rows.append(("The picture: code", [_pair(one.mean) for one in points]))
        rows.append(("The picture: RMS of its reconstruction", [f"{one.rms:.2f}" for one in points]))
    return widgets.table(["", *NETWORKS.values()], [(name, *values) for name, values in rows])


def _planes(outcome: Outcome) -> list[MapPlane]:
    return [outcome.planes[network] for network in NETWORKS]


def _pair(values: np.ndarray, digits: int = 2) -> str:
    return ", ".join(f"{value:.{digits}f}".replace("-", "−") for value in values)
