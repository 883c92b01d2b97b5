"""Pieces that all tabs are built from, so that every tab has one face.

    buttons = widgets.preset_row("noising", ["Half gone", "Pure noise"])
    with widgets.grid():
        with widgets.stage():
            view = gr.HTML(widgets.picture(pixels, "x_t", "t = 500"))
            chart = widgets.plot("alpha-bar over t")
            gr.HTML(widgets.words("One plain sentence with x<sub>t</sub>."))
        with widgets.controls():
            play = widgets.go("Play")
            note = gr.HTML(widgets.note("T must be at least 10.", bad=True))

`note`, `picture` and `table` escape their text: it may come from a visitor. `words` takes the lab's own markup.
"""

import json
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Protocol

import gradio as gr
import numpy as np
from gradio.data_classes import ImageData

from lab.requests.base import LabError, Waiting
from lab.ui.shell import media
from lab.ui.shell.sources import beside
from lab.vocabulary import ASKS, suggested

Update = dict[Any, Any]  # components to what they show next
# Without "show_progress_on" the page would look for every output that ever was one, among all components, at every update of a run.
QUIET: dict[str, Any] = {"show_progress": "hidden", "show_progress_on": [], "api_visibility": "private"}
# Of an event that says what was clicked or drawn. While one is under way Gradio's own way drops the next, and its
# "always_last" sends the first one's data again in place of the last one's; the page drops answers that come too late.
PICKED: dict[str, Any] = {**QUIET, "trigger_mode": "multiple"}
# Of a control that is answered at once: the last of several changes counts, which Gradio's own way may drop.
LATEST: dict[str, Any] = {**QUIET, "queue": False, "trigger_mode": "always_last"}
MAX_TYPED = 10_000  # characters that a line takes: what is too long for a run is refused in words, and not cut unseen


def picture_input(label: str, **options: Any) -> gr.Image:
    """Upload, paste or webcam; hands over the path of the file unopened, for `media.open_picture` to check first.

    gr.Image itself opens the file on the way in and answers a text file with nothing but "Error", and it would store
    what a webcam sees with left and right exchanged.
    """

    def path_only(payload: ImageData | None) -> str | None:
        return payload.path if payload else None

    component = gr.Image(
        label=label, type="filepath", sources=["upload", "clipboard", "webcam"],
        webcam_options=gr.WebcamOptions(mirror=False), **options,
    )  # fmt: skip
    # Not a subclass: for those Gradio writes a .pyi file beside the source.
    component.preprocess = path_only
    return component


class Cited(Protocol):
    """A catalog row that names its paper."""

    @property
    def paper(self) -> str: ...
    @property
    def arxiv(self) -> str: ...


def grid() -> gr.Row:
    """The two columns of a tab; put `stage()` and `controls()` inside."""
    return gr.Row(elem_classes="stage-row")


def stage() -> gr.Column:
    """The left two thirds: pictures, then one curve, then words. First on a phone."""
    return gr.Column(scale=9, min_width=340, elem_classes="stage")


def controls() -> gr.Column:
    """The right third: one primary button, at most six controls, the rest in `more(...)`."""
    return gr.Column(scale=4, min_width=320, elem_classes="controls")


def dock() -> gr.Column:
    """Run and Stop, or what a tab has in their place, and the sentence beside them: on a phone always at the lower edge."""
    return gr.Column(elem_classes="dock", min_width=0)


def more(title: str) -> gr.Accordion:
    """Controls that fold away until asked for."""
    return gr.Accordion(title, open=False)


def go(label: str, **options: Any) -> gr.Button:
    """The one obvious button of a tab."""
    return gr.Button(label, variant="primary", elem_classes="lab-go", min_width=96, **options)


def stop(label: str = "Stop", **options: Any) -> gr.Button:
    """Beside `go`; quiet, same height."""
    return gr.Button(label, variant="secondary", elem_classes="lab-go", min_width=80, **options)


def preset_row(tab: str, titles: Sequence[str]) -> list[gr.Button]:
    """A row of pills, one click each, in the order of `titles`; `#<tab>-presets` in the page."""
    with gr.Row(elem_id=f"{tab}-presets", elem_classes="presets"):
        return [gr.Button(title, size="sm", variant="secondary") for title in titles]


def plot(label: str, **options: Any) -> gr.Plot:
    """A chart; feed it what `lab.ui.shell.plots` makes. Figures fix their own height, so nothing jumps. Its numbers unfold
    beneath it as a table, which the page makes of what the chart was given."""
    with gr.Column(elem_classes="chart", min_width=0):
        component = gr.Plot(label=label, show_label=False, container=False, **options)
        chart_table(options["elem_id"], label)
    return component


CHART_JS = beside(__file__, "chart.js")
NO_CHART = "There is no chart with a curve yet: press Run first."


def chart_table(of: str, label: str) -> gr.HTML:
    """The numbers of the chart with the id `of`, to unfold: for screen readers, and for everybody who wants them."""
    region = f'<div class="chart-table" tabindex="0" role="region" aria-label="{escape(label)}, numbers"></div>'
    return gr.HTML(
        f'<details data-of="{of}"><summary>The curves as a table</summary>{region}</details>',
        js_on_load=CHART_JS, elem_id=f"{of}-table", elem_classes="chart-numbers", padding=False,
    )  # fmt: skip


def save_chart_js(of: str) -> str:
    """For a button's `js`: saves the numbers of the chart with the id `of` as CSV, and says a note, or why it cannot."""
    return f"() => window.labCharts?.save({json.dumps(of)}) ? {json.dumps(note(''))} : {json.dumps(note(NO_CHART, bad=True))}"


LATEX: list[dict[str, str | bool]] = [  # for gr.Markdown(latex_delimiters=...)
    {"left": "$$", "right": "$$", "display": True},
    {"left": "$", "right": "$", "display": False},
]


def paper(row: Cited) -> str:
    """Markdown link to the paper of a catalog row."""
    return f"[{row.paper}](https://arxiv.org/abs/{row.arxiv})"


def gallery(label: str, cells: Iterable[tuple[str, str, str]], index: int | None, kind: str = "") -> str:
    """Things to click, each by title, credit and markup, the one of this index marked; for gr.HTML with PICK_JS."""
    buttons = "".join(
        f'<button type="button" data-pick="{i}" aria-pressed="{str(i == index).lower()}" '
        f'title="{escape(title)}{escape(f" ({credit})" if credit else "")}" aria-label="{escape(title)}">{markup}</button>'
        for i, (title, credit, markup) in enumerate(cells)
    )
    return f'<div class="{f"gallery {kind}".strip()}" role="group" aria-label="{escape(label)}">{buttons}</div>'


def words(html: str) -> str:
    """Plain sentences under a picture, for gr.HTML. The lab's own markup, never a visitor's text."""
    whole = re.sub(r"(?<=\d) %", "\u00a0%", html)  # no line begins with the sign
    return f'<p class="lab-words">{whole}</p>'


def note(text: str, bad: bool = False) -> str:
    """A sentence to the visitor, for gr.HTML; `reader` speaks it. Empty text clears it."""
    return f'<div data-aloud class="lab-note{" bad" if bad else ""}">{escape(text)}</div>'


def progress(text: str) -> str:
    """How far a run is, as a note: read by those who see it, and spoken only where a run takes long."""
    return f'<div data-aloud class="lab-note passing">{escape(text)}</div>'


def refusal(error: LabError) -> str:
    """Why there is no answer, as a note; the stage beside it is marked as what was there before. Names that it offers are
    buttons, which `vocabulary.js` puts into the prompt."""
    markup = note(str(error), bad=True).replace("lab-note bad", "lab-note bad refusal", 1)
    if names := suggested(str(error)):
        buttons = [f'<button type="button" data-name="{escape(name)}">{escape(name)}</button>' for name in names]
        markup = f"{markup.rpartition(ASKS)[0]}{ASKS}{' or '.join(buttons)}?</div>"
    return markup


def waiting(event: Waiting) -> str:
    """What a run waits for, as a note."""
    if event.text or not event.position:
        return progress(event.text or "Next in line …")
    return progress(f"Place {event.position} in the line, about {max(1, round(event.seconds))} s.")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A small table, for gr.HTML."""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div style="overflow-x:auto"><table class="lab-table"><tr>{top}</tr>{body}</table></div>'


def sent(event: gr.EventData, name: str) -> Any:
    """What the page's script sent by this name along with an event; None where it did not."""
    try:
        return getattr(event, name, None)
    except TypeError:  # a hand-made call came without anything
        return None


NUMBERS_JS = beside(__file__, "numbers.js")  # for the page: what sliders cannot take
SETTLED_JS = beside(__file__, "settled.js")  # for the page: Run while a control is answered
PICK_JS = beside(__file__, "pick.js")  # for a component whose buttons carry a `data-pick`


def picked(event: gr.EventData) -> int:
    """The number of what was clicked, as the page's script sent it. Raises LabError where it is none."""
    try:
        return int(sent(event, "pick"))
    except (TypeError, ValueError, OverflowError):
        raise LabError("The click did not arrive in one piece. Click once more.") from None


def picture(
    pixels: np.ndarray | None,  # (height, width, 3) uint8; None keeps the empty square
    title: str,
    caption: str = "",
    *,
    alt: str = "",
    colour: str = "",
) -> str:
    """A square picture with a bold title and a caption below; enlarged crisply when it is small."""
    dot = f'<i class="dot" style="background:{escape(colour)}"></i>' if colour else ""
    image = ""
    if pixels is not None:
        crisp = ' class="crisp"' if max(pixels.shape[:2]) <= 128 else ""
        text = escape(alt or f"{title} {caption}".strip(), quote=True)
        image = f'<img{crisp} alt="{text}" src="{media.data_uri(pixels)}" decoding="sync" draggable="false">'
    return (
        f'<figure class="lab-pic"><div class="box">{image}</div>'
        f"<figcaption>{dot}<b>{subscripts(title)}</b><span>{subscripts(caption)}</span></figcaption></figure>"
    )


def typeset(text: str) -> str:
    """Markdown in which x_t, x_0, eps_u and their like are mathematics."""
    names = {"x": "x", "eps": r"\epsilon"}
    return re.sub(r"\b(x|eps)_(\w)\b", lambda found: f"${names[found[1]]}_{found[2]}$", text)


def subscripts(text: str) -> str:
    """Escaped text in which x_t, x_0 and x_T have real subscripts."""
    safe = escape(text)
    for letter in "t0T":
        safe = safe.replace(f"x_{letter}", f"x<sub>{letter}</sub>")
    return safe
