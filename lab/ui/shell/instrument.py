"""An instrument: all that the page has to know of a tab, in one record.

The package of a tab holds its own, `TAB`; `TABS` in `lab/ui/__init__.py` is their order in the page. Whatever goes
through all tabs (head, lesson, card, papers, presenting, style, address) reads these records and keeps no list of tabs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from starlette.routing import Route

from lab.settings import Settings


@dataclass(frozen=True)
class Question:
    """One step of a lesson: predict, then see. `look` is said while the preset runs, `truth` after it; `wrong` says of each
    other answer what speaks against it. tests/test_claims.py draws what `truth` says."""

    ask: str
    answers: tuple[str, ...]
    right: int  # index of the answer that the preset shows
    preset: str  # title of a preset of the tab
    look: str
    truth: str
    wrong: Mapping[int, str]  # by the index of the answer


@dataclass(frozen=True)
class Term:
    """A part of a head's equation. `places` are the CSS selectors of where its tab shows what it means, or sets it."""

    html: str
    spoken: str
    meaning: str
    places: tuple[str, ...]


@dataclass(frozen=True)
class Instrument:
    """A tab. `build(backend, settings, page)` lays it out on its gr.Tab and wires it.

    What `build` returns may have `buttons`, those of its presets, which its lesson presses; `share`, a share.Panel,
    if its runs are shared; and `replayed`, if it replays recordings, of the class that it `replays`.
    """

    name: str  # of its folder, in addresses and in the ids of its elements
    title: str
    question: str
    group: str  # of the tabs that it stands with
    build: Callable[[Any, Settings, gr.Tab], Any]
    card: str = ""  # what there is to do, for the first page; a tab without it has no card there
    emblem: str = (
        ""  # HTML above the card's question where the lab has no picture of the tab; the equation if not given
    )
    papers: tuple[str, ...] = ()  # titles in lab/papers.py
    equation: tuple[str | Term, ...] = ()  # HTML of the lab's own
    spoken: str = ""  # the equation in words, for screen readers
    lesson: tuple[Question, ...] = ()
    presets: tuple[str, ...] = ()  # titles
    stage: str = ""  # CSS selector of its pictures, which fill the screen while presenting
    board: str = ""  # CSS selector of what a visitor draws on, which may stand beside them then
    style: str = ""  # CSS
    routes: tuple[Callable[[], Route], ...] = ()  # what else the server answers for it
