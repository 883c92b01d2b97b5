"""Tab: the first minute. Pictures come out of noise before anything is pressed, and every tool says what it answers."""

import base64
import io
from dataclasses import dataclass
from functools import cache
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
from lab.papers import PAPERS
from lab.requests.sampling import Recording
from lab.settings import ASSETS, Settings
from lab.ui.shell.openers import opener
from lab.ui.tabs.controlnet import tab as controlnet
from lab.ui.tabs.guidance import tab as guidance
from lab.ui.tabs.noising import tab as noising
from lab.ui.tabs.papers import tab as papers
from lab.ui.tabs.samplers import tab as samplers

TITLE = "Start"
QUESTION = "What is there to see?"
FOLDER = ASSETS / "recordings"
SHOWN = (0, 3, 6, 9, *range(11, 26))  # of the recording's steps: little is seen in the first ones
ROWS = len(SHOWN)
FILM_S = 7


@dataclass(frozen=True)
class Card:
    """A tab as a question."""

    tab: str
    title: str
    question: str
    answer: str


# fmt: off
CARDS = (
    Card("noising",    noising.TITLE,    noising.QUESTION,    "Drag t and watch a picture drown, level by level, and see what could still be recovered."),
    Card("samplers",   samplers.TITLE,   samplers.QUESTION,   "DDPM, DDIM and the solvers since start from the same noise. Watch where they part."),
    Card("guidance",   guidance.TITLE,   guidance.QUESTION,   "One prompt at eight guidance scales, from vague to burnt, and every step taken apart."),
    Card("controlnet", controlnet.TITLE, controlnet.QUESTION, "Draw a few lines, or drag a skeleton, and see how well the picture follows."),
    Card("papers",     papers.TITLE,     papers.QUESTION,     f"{len(PAPERS)} papers, oldest first. Each opens what you can try of it here."),
)
# fmt: on

CSS = f"""
/* start: a film of pictures coming out of noise, then a card a tool */
.start-hero {{ margin: 6px 0 0; }}
.start-hero h2 {{ font-size: clamp(24px, 3.2vw, 38px); font-weight: 700; letter-spacing: -.02em; line-height: 1.12; margin: 8px 0 6px; }}
.start-hero p {{ font-size: 16px; line-height: 1.5; max-width: 76ch; margin: 0 0 14px; }}
.start-film {{ display: grid; grid-template-columns: repeat(8, minmax(0, 1fr)); gap: 10px; margin: 0 0 14px; }}
.start-film div {{ display: grid; gap: 4px; }}
.start-film i {{ aspect-ratio: 1; border-radius: 10px; image-rendering: pixelated; background-image: var(--film); position: relative;
  background-size: 1600% {ROWS * 100}%; background-position: calc(100% / 15 * var(--column)) 0; border: 1px solid var(--border-color-primary);
  animation: start-film {FILM_S}s linear infinite; }}
.start-film span {{ position: absolute; left: 6px; bottom: 6px; font: 12px/1 var(--font); padding: 4px 6px; border-radius: 6px;
  background: rgb(255 255 255 / .88); color: #1f2430; }}
.start-film sub {{ color: inherit !important; }}
@keyframes start-film {{
  0% {{ background-position-y: 0; animation-timing-function: steps({ROWS}, jump-none); }}
  64%, 100% {{ background-position-y: 100%; }}
}}
.start-still .start-film i {{ animation-play-state: paused; }}
@media (prefers-reduced-motion: reduce) {{
  .start-film i {{ background-position-y: 100%; }}
  .start-moving .start-film i {{ animation: start-film {FILM_S}s linear infinite !important; }}
}}
.start-hero .small {{ font-size: 14px; color: var(--body-text-color-subdued); margin: 0; }}
.start-buttons {{ display: flex; flex-wrap: wrap; gap: 10px; align-items: center; margin: 0 0 10px; }}
.start-buttons button, .start-card button {{ border-radius: 10px; font-size: 15px; font-weight: 600; padding: 10px 18px; cursor: pointer;
  min-height: 44px; margin: 0; border: 1px solid var(--button-secondary-border-color); background: var(--button-secondary-background-fill);
  color: var(--button-secondary-text-color); }}
.start-buttons button.first {{ background: var(--button-primary-background-fill); color: var(--button-primary-text-color);
  border-color: transparent; }}
.start-buttons button:hover, .start-card button:hover {{ filter: brightness(1.08); }}
.start-cards {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(250px, 1fr)); gap: 16px; margin: 26px 0 8px; }}
.start-card {{ border: 1px solid var(--border-color-primary); border-radius: 14px; padding: 14px; display: flex; flex-direction: column;
  gap: 8px; background: var(--block-background-fill); }}
.start-card img {{ width: 100%; border-radius: 8px; display: block; image-rendering: pixelated; aspect-ratio: 4; }}
.start-card .years {{ aspect-ratio: 4; border-radius: 8px; display: grid; place-items: center; font-size: 26px; font-weight: 700;
  letter-spacing: .02em; color: var(--body-text-color-subdued); background: var(--background-fill-secondary);
  font-variant-numeric: tabular-nums; }}
.start-card h3 {{ font-size: 18px; font-weight: 650; line-height: 1.3; margin: 4px 0 0; }}
.start-card p {{ font-size: 15px; line-height: 1.45; margin: 0; flex: 1; }}
#start-through {{ display: none; }}
@media (max-width: 700px) {{
  .start-film {{ grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 8px; }}
  .start-film span {{ left: 3px; bottom: 3px; font-size: 11px; padding: 3px 4px; }}
  .start-buttons {{ gap: 8px; }}
  .start-buttons button {{ padding: 10px 12px; }}
}}
"""

# Reduced motion shows the finished pictures and moves when it is asked to.
HERO_JS = """
const hero = element.querySelector('.start-hero'), pause = hero.querySelector('[data-pause]');
const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
let moving = !calm;
const show = () => {
  hero.classList.toggle('start-still', !moving);
  hero.classList.toggle('start-moving', moving);
  pause.textContent = moving ? 'Pause' : 'Play';
};
pause.addEventListener('click', () => { moving = !moving; show(); });
hero.querySelector('[data-through]').addEventListener('click', () => document.getElementById('start-through').click());
show();
"""


def build(_backend: Any, _settings: Settings, _page: gr.Tab) -> "_Tab":
    """Lay out the tab; what its buttons open is wired by the page."""
    tab = _Tab()
    tab.lay_out()
    return tab


class _Tab:
    """One component for the film and one for the cards."""

    def lay_out(self) -> None:
        self.hero = gr.HTML(_hero(), js_on_load=HERO_JS, elem_id="start-hero")
        self.through = gr.Button("Replay it large", elem_id="start-through")  # pressed by the film's own button
        self.cards = gr.HTML(f'<div class="start-cards">{"".join(map(_card, CARDS))}</div>', elem_id="start-cards")


@cache
def shipped() -> Recorded:
    """The recording that the tab opens with."""
    return recordings.from_bytes((FOLDER / f"eight-seeds{recordings.SUFFIX}").read_bytes())


@cache
def film() -> tuple[str, bytes]:
    """The recording as one WebP, a row a step, a column for x_t of each lane and then one for its predicted x_0; and the
    WebP's name, new where the picture is."""
    recording: Recording = shipped().recording
    lanes = [[recording.steps[lane][i] for i in SHOWN] for lane in range(len(recording.request.lanes))]
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


def _hero() -> str:
    recorded = shipped()
    lanes = recorded.recording.request.lanes
    captions = [result.nearest_caption for _, result in sorted(recorded.recording.results.items())]
    told = {0: "<span>x<sub>t</sub></span>", len(lanes): "<span>its guess</span>"}
    frames = "".join(
        "<div>"
        + "".join(f'<i style="--column:{column}">{told.get(column, "")}</i>' for column in (lane, len(lanes) + lane))
        + "</div>"
        for lane in range(len(lanes))
    )
    return (
        '<section class="start-hero"><h2>Every picture here began as noise.</h2>'
        "<p>Guess what was there before the noise came, take a little of the noise away, and guess again: that is all, from "
        "pure noise on. A diffusion model learns to guess. In this film nothing is learned: the best guess there is, given the "
        "lab's pictures, is worked out. Behind the tabs are both, paper by paper.</p>"
        f'<div class="start-film" role="img" aria-label="Noise turns into {escape(", ".join(captions))}" '
        f"style=\"--film:url('{film()[0]}')\">{frames}</div>"
        '<div class="start-buttons">'
        + opener(
            "samplers",
            samplers.TITLE,
            f"Run live: {samplers.PRESETS[0].title}",
            preset=samplers.PRESETS[0].title,
            classes="first",
        )
        + '<button type="button" data-through>Replay it large</button><button type="button" data-pause>Pause</button></div>'
        f'<p class="small">A recording: {len(lanes)} seeds on {lanes[0].steps} steps of DDIM. Above, the noisy x<sub>t</sub>; '
        "beneath, what the exact denoiser guesses from it. It was made with this lab; everything behind these tabs is "
        "computed while you watch.</p></section>"
    )


def _card(card: Card) -> str:
    picture = FOLDER / f"{card.tab}.webp"
    head = f'<div class="years" aria-hidden="true">{PAPERS[0].year} – {PAPERS[-1].year}</div>'
    if picture.exists():
        head = f'<img alt="" src="{_uri(picture)}">'
    return (
        f'<article class="start-card">{head}<h3>{escape(card.question)}</h3><p>{escape(card.answer)}</p>'
        f"{opener(card.tab, card.title, card.title, label=f'Open {card.title}')}</article>"
    )


def _uri(path: Path) -> str:
    return f"data:image/webp;base64,{base64.b64encode(path.read_bytes()).decode()}"
