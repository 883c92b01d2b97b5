"""Tab: the papers, oldest first, each with what can be tried of it here, and the written notebooks."""

from html import escape
from itertools import groupby
from typing import Any

import gradio as gr

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
    tries = "".join(map(_try, row.tries))
    offered = f"<ul>{tries}</ul>" if tries else f'<p class="unbuilt">{UNBUILT}</p>'
    return (
        f'<article class="papers-card"><h3><a href="{escape(row.link)}" target="_blank" rel="noopener">'
        f'{escape(row.title)}</a></h3><p class="by">{escape(row.authors)}</p><p>{escape(row.idea)}</p>\n\n'
        f"$${row.equation}$$\n\n{offered}</article>"
    )


def _try(row: Try) -> str:
    button = opener(row.tab, row.preset, preset=row.preset, label=f"Try it: {row.preset}")
    return f"<li>{button}<span>{escape(row.look_for)}</span></li>"
