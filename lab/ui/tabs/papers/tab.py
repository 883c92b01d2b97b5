"""Tab: the papers, oldest first, each with what can be tried of it here, and the written notebooks."""

from functools import cache
from html import escape
from itertools import groupby
from typing import Any

import gradio as gr

from lab.notes.chapters import CHAPTERS
from lab.notes.history import slug
from lab.papers import PAPERS, Paper, Try
from lab.settings import Settings
from lab.ui.shell import widgets
from lab.ui.shell.openers import opener
from lab.ui.tabs.papers import notebooks

UNBUILT = "Instrument not built yet"


def build(_backend: Any, _settings: Settings, _page: gr.Tab) -> "_Tab":
    """Lay out the tab; the page lets its buttons open the others."""
    tab = _Tab()
    tab.lay_out()
    return tab


class _Tab:
    """One component for all papers: a page of a hundred components costs every visitor, on every tab."""

    def lay_out(self) -> None:
        years = "\n".join(_year(year, list(rows)) for year, rows in groupby(PAPERS, key=lambda row: row.year))
        self.view = gr.Markdown(
            notebooks.html() + years,
            elem_id="papers-list",
            elem_classes="papers",
            latex_delimiters=widgets.LATEX,
            sanitize_html=False,  # the lab's own table, escaped below; sanitizing takes the buttons out
        )


def _year(year: int, rows: list[Paper]) -> str:
    cards = "\n".join(map(_card, rows))
    return f'<section class="papers-year"><h2>{year}</h2><div>\n{cards}\n</div></section>\n'


def _card(row: Paper) -> str:
    """HTML around an equation; the blank lines let Markdown see it."""
    tries, key = "".join(map(_try, row.tries)), f"{row.authors} {row.year}"
    offered = f"<ul>{tries}</ul>" if tries else f'<p class="unbuilt">{UNBUILT}</p>'
    return (
        f'<article class="papers-card" id="papers-at-{slug(key)}"><h3><a href="{escape(row.link)}" target="_blank" rel="noopener">'
        f'{escape(row.title)}</a></h3><p class="by">{escape(row.authors)}</p><p>{escape(row.idea)}</p>\n\n'
        f"$${row.equation}$$\n\n{_derived(key)}{offered}</article>"
    )


def _derived(key: str) -> str:
    """The steps of the notes that derive, and check, what the paper says: their numbers, and where it says so."""
    links = "; ".join(
        f'<a href="?tab=notes&amp;at={name}" data-tab="notes" data-place="{name}" title="{escape(title)}">{number}</a> ({escape(place)})'
        for number, name, title, place in _steps().get(key, ())
    )
    return f'<p class="derived"><b>Derived and checked in Notes</b> {links}</p>' if links else ""


@cache
def _steps() -> dict[str, list[tuple[str, str, str, str]]]:
    """Of each work the steps of the notes that name it: number, name, title, and the place in the work."""
    found: dict[str, list[tuple[str, str, str, str]]] = {}
    for i, chapter in enumerate(CHAPTERS, 1):
        for j, step in enumerate(chapter.steps, 1):
            for source in step.sources:
                row = (f"{i}.{j}", f"{chapter.name}.{step.name}", step.title, source.place)
                found.setdefault(source.work, []).append(row)
    return found


def _try(row: Try) -> str:
    button = opener(row.tab, row.preset, preset=row.preset, label=f"Try it: {row.preset}")
    return f"<li>{button}<span>{escape(row.look_for)}</span></li>"
