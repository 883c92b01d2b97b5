"""Tab: the first minute. Pictures come out of noise before anything is pressed, and every tool says what it answers."""

import base64
import io
from collections.abc import Sequence
from functools import cache, partial
from hashlib import blake2b
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lab.capsules import recordings
from lab.capsules.recordings import Recorded
from lab.requests.sampling import Recording
from lab.settings import ASSETS, Settings
from lab.ui.shell import heads
from lab.ui.shell.instrument import Instrument
from lab.ui.shell.openers import opener
from lab.ui.shell.sources import beside

FOLDER = ASSETS / "recordings"
FILM_STEPS = (0, 3, 6, 9, *range(11, 26))  # of the recording's steps: little is seen in the first ones
ROWS = len(FILM_STEPS)
SOURCE_TAB = "samplers"  # the tab that made the recording, and that replays it
FIRST_TABS = ("noising", "samplers", "guidance", "controlnet")  # the way in, for somebody new
HERO_JS = beside(__file__, "hero.js")


def front(others: Sequence[Instrument]) -> Instrument:
    """The page's first tab, with a card for each of `others` that has one."""
    return Instrument(
        name="start",
        title="Start",
        question="What is there to see?",
        group="",
        build=partial(build, others),
        style=beside(__file__, "style.css"),
        routes=(route,),
    )


def build(others: Sequence[Instrument], _backend: Any, _settings: Settings, _page: gr.Tab) -> "_Tab":
    """Lay out the tab; what its buttons open is wired by the page."""
    tab = _Tab()
    tab.lay_out(others)
    return tab


class _Tab:
    """One component for the film and one for the cards."""

    def lay_out(self, others: Sequence[Instrument]) -> None:
        live = next(tab.presets[0] for tab in others if tab.name == SOURCE_TAB)
        cards = "".join(_card(tab) for tab in others if tab.card)
        self.hero = gr.HTML(_hero(live), js_on_load=HERO_JS, elem_id="start-hero")
        self.through = gr.Button("Replay it large", elem_id="start-through")  # pressed by the film's own button
        self.cards = gr.HTML(f'{_order(others)}<div class="start-cards">{cards}</div>', elem_id="start-cards")


@cache
def shipped() -> Recorded:
    """The recording that the tab opens with."""
    return recordings.from_bytes((FOLDER / f"eight-seeds{recordings.SUFFIX}").read_bytes())


@cache
def film() -> tuple[str, bytes]:
    """The recording as one WebP, a row a step, a column for x_t of each lane and then one for its predicted x_0; and the
    WebP's name, new where the picture is."""
    recording = shipped().recording
    assert isinstance(recording, Recording)
    lanes = [[recording.steps[lane][i] for i in FILM_STEPS] for lane in range(len(recording.request.lanes))]
    columns = [[step.x_t for step in steps] for steps in lanes] + [[step.x_0 for step in steps] for steps in lanes]
    stream = io.BytesIO()
    Image.fromarray(np.concatenate([np.concatenate(column) for column in columns], axis=1)).save(
        stream, "WEBP", quality=72, method=2
    )
    packed = stream.getvalue()
    return f"film-{blake2b(packed, digest_size=6).hexdigest()}.webp", packed


def route() -> Route:
    """Where pages get the film: once, since its name changes with it."""
    name, packed = film()

    async def answer(_request: Request) -> Response:
        return Response(
            packed, media_type="image/webp", headers={"Cache-Control": "public, max-age=31536000, immutable"}
        )

    return Route(f"/{name}", answer)


def _hero(live: str) -> str:
    """The film, and a button that runs the preset `live` of the tab that made it."""
    recorded = shipped()
    lanes = recorded.recording.request.lanes
    captions = [result.nearest_caption for _, result in sorted(recorded.recording.results.items())]
    labels = {0: "<span>x<sub>t</sub></span>", len(lanes): "<span>its guess</span>"}
    frames = "".join(
        "<div>"
        + "".join(f'<i style="--column:{column}">{labels.get(column, "")}</i>' for column in (lane, len(lanes) + lane))
        + "</div>"
        for lane in range(len(lanes))
    )
    return (
        '<section class="start-hero"><h2>Every picture here began as noise.</h2>'
        "<p>Guess what was there before the noise came, take a little of the noise away, and guess again: that is all, from "
        "pure noise on. A diffusion model learns to guess. In this film nothing is learned: the best guess there is, given the "
        "lab's pictures, is worked out. Behind the tabs are both, paper by paper.</p>"
        f'<div class="start-film" role="img" aria-label="Noise turns into {escape(", ".join(captions))}" '
        f"style=\"--film:url('{film()[0]}'); --rows:{ROWS}\">{frames}</div>"
        '<div class="start-buttons">'
        + opener(SOURCE_TAB, f"Run live: {live}", preset=live, classes="first")
        + '<button type="button" data-through>Replay it large</button><button type="button" data-pause>Pause</button></div>'
        f'<p class="small">A recording: {len(lanes)} seeds on {lanes[0].steps} steps of DDIM. Above, the noisy x<sub>t</sub>; '
        "beneath, what the exact denoiser guesses from it. It was made with this lab; everything behind these tabs is "
        "computed while you watch.</p></section>"
    )


def _order(others: Sequence[Instrument]) -> str:
    """Where somebody new begins, and how to go on."""
    links = {
        tab.name: f'<a href="?tab={escape(tab.name)}" data-tab="{escape(tab.name)}">{escape(tab.title)}</a>'
        for tab in others
    }
    first, *then, last = (links[name] for name in FIRST_TABS)
    return (
        f'<p class="start-order">New here? Begin with {first}, then {", ".join(then)} and {last}: each stands on those before it. All other '
        f"tabs can wait, in any order. Why it works is derived in {links['notes']}, from the beginning.</p>"
    )


def _card(tab: Instrument) -> str:
    """A tab as a question, below its picture in assets/recordings or else its emblem."""
    picture = FOLDER / f"{tab.name}.webp"
    head = f'<div class="emblem" aria-hidden="true"><span>{tab.emblem or heads.plain(tab)}</span></div>'
    if picture.exists():
        head = f'<img alt="" src="{_uri(picture)}">'
    return (
        f'<article class="start-card">{head}<h3>{escape(tab.question)}</h3><p>{escape(tab.card)}</p>'
        f"{opener(tab.name, tab.title, label=f'Open {tab.title}')}</article>"
    )


def _uri(path: Path) -> str:
    return f"data:image/webp;base64,{base64.b64encode(path.read_bytes()).decode()}"
