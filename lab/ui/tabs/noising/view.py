"""What the Forward noising tab shows, as markup: pictures with their level, and example pictures and a film to click."""

from collections.abc import Sequence
from math import isinf

import numpy as np

from lab.requests.noising import NoisingFrame
from lab.ui.shell import film as films
from lab.ui.shell import media, own, widgets
from lab.ui.tabs.noising import drag
from lab.ui.tabs.noising.charts import Process
from lab.ui.tabs.noising.words import RECOVERED_WORDS

EMPTY = '<span class="frame"><span class="box"></span><span class="box"></span><small>&nbsp;</small></span>'


def jump(process: Process, title: str) -> str:
    """x_t in one jump, and its level in figures."""
    level = figures(process.frame)
    picture = widgets.picture(process.frame.x_t, title, level, colour=process.colour)
    return drag.stamped(picture, process.frame.t)


def chain(frame: NoisingFrame) -> str:
    """x_t step by step."""
    steps = (
        f"{frame.t} small step{'' if frame.t == 1 else 's'}, each with its own noise: other grains, same statistics."
    )
    if frame.chain is not None and len(frame.chain) < len(frame.x_t):
        steps += f" Walked at {len(frame.chain)} px."
    return drag.stamped(widgets.picture(frame.chain, "Step by step", steps), frame.t)


def recovered(frame: NoisingFrame) -> str:
    """What can be recovered from x_t."""
    return drag.stamped(widgets.picture(frame.recovered, "Recovered x_0", RECOVERED_WORDS), frame.t)


def figures(frame: NoisingFrame) -> str:
    """The noise level of a frame in figures."""
    if isinf(frame.log_snr) and frame.log_snr > 0:
        return f"t = {frame.t} · the picture itself"
    snr = "−∞" if isinf(frame.log_snr) else f"{round(frame.log_snr, 1) + 0.0:+.1f}".replace("-", "−")
    return f"t = {frame.t} · ᾱ {frame.alpha_bar:.3f} · log-SNR {snr} · PSNR {frame.psnr_db:.1f} dB"


def gallery(examples: Sequence[media.Example], name: str = "", own_token: str = "") -> str:
    """Example pictures to click, the one of this name marked, or the visitor's own."""
    cells = ((one.title, one.credit, f'<img alt="" src="{media.thumbnail(one.path, 96)}">') for one in examples)
    index = next((i for i, one in enumerate(examples) if one.path.stem == name), None)
    return own.gallery("Example pictures", cells, index, shown=own_token)


def film_frame(processes: Sequence[Process]) -> np.ndarray:
    """The picture of a process, and beside it its rival's, as a frame (height, width, 3) uint8 of a film to keep."""
    titles = [f"{one.name}, t = {one.frame.t}" for one in processes]
    shares = " and ".join(f"{one.frame.alpha_bar:.3f}" for one in processes)
    return films.frame([one.frame.x_t for one in processes], titles, f"signal share of variance {shares}")


def film(frames: Sequence[NoisingFrame], room: int = 0) -> str:
    """Frames to click: x_t above, what can be recovered from it below, and t; and `room` for as many to come."""
    cells = "".join(map(_frame, frames)) + EMPTY * room
    return (
        '<div class="film"><div class="film-head"><span>x<sub>t</sub></span><span>recover&shy;able</span>'
        f'<small>t</small></div><div class="film-frames">{cells}</div></div>'
    )


def _frame(frame: NoisingFrame) -> str:
    assert frame.recovered is not None
    return (
        f'<button type="button" class="frame" data-pick="{frame.t}" aria-label="go to t = {frame.t}">'
        f'<span class="box"><img alt="x_t at t = {frame.t}" src="{media.data_uri(frame.x_t, moving=True)}"></span>'
        f'<span class="box"><img alt="recovered at t = {frame.t}" src="{media.data_uri(frame.recovered)}"></span>'
        f"<small>{frame.t}</small></button>"
    )
