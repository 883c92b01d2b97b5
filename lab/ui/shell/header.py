"""The top of the page: the lab's name, the way past it for who uses no mouse, light or dark, the keys, and presenting.

All of it happens in the page (`header.js`); what a visitor chose is kept in the browser and the server knows nothing of it.
"""

from collections.abc import Sequence
from html import escape

import gradio as gr

from lab.ui.shell import presenting
from lab.ui.shell.instrument import Instrument
from lab.ui.shell.sources import beside

HEADER_JS = beside(__file__, "header.js")

MARK = (
    '<svg viewBox="0 0 8 8" aria-hidden="true" shape-rendering="crispEdges"><rect width="8" height="8" fill="#14181f"/>'
    '<path fill="#7c86ff" d="M1 1h3v6h-3z"/><path fill="#a5afff" d="M4 2h1v1h-1zM4 4h1v2h-1zM5 3h1v1h-1zM6 5h1v1h-1z"/>'
    '<path fill="#e1e4ea" d="M5 1h1v1h-1zM6 2h1v1h-1zM5 6h1v1h-1zM6 4h1v1h-1z"/></svg>'
)

KEYS = (
    ("P", "present, and leave"),
    ("← →", "while presenting: the preset before, the next one"),
    ("Esc", "leave, close a large picture"),
    ("Enter", "in a line of text: run"),
)


def header(title: str, line: str, tabs: Sequence[Instrument]) -> gr.HTML:
    """The top of the page for the tabs that it has: mark, name, one line and the page's own switches."""
    return gr.HTML(
        '<a class="lab-skip" href="#lab-tabs" data-skip>Skip to the pictures</a>'
        f'<header class="lab-header">{MARK}<div><h1>{escape(title)}</h1><p>{escape(line)}</p></div>'
        f'<div class="lab-switches">{_look()}{_keys()}{presenting.button(tabs)}</div></header>',
        js_on_load=HEADER_JS,
    )


def _look() -> str:
    return '<button type="button" class="lab-switch" data-look>Dark</button>'


def _keys() -> str:
    """The keys that work without a modifier, and the switch that WCAG 2.1.4 asks for: a voice that is typed presses them."""
    rows = "".join(f"<dt><kbd>{escape(key)}</kbd></dt><dd>{escape(what)}</dd>" for key, what in KEYS)
    return (
        f'<details class="lab-keys"><summary class="lab-switch">Keys</summary><div><dl>{rows}</dl>'
        '<label><input type="checkbox" data-single-keys checked> P is a key of the lab</label></div></details>'
    )
