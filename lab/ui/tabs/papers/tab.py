"""Tab: the papers, oldest first, each with what can be tried of it here."""

from html import escape
from itertools import groupby
from typing import Any

import gradio as gr

from lab.papers import PAPERS, Paper, Try
from lab.settings import Settings
from lab.ui.shell import widgets
from lab.ui.shell.openers import opener
from lab.ui.tabs.controlnet import tab as controlnet
from lab.ui.tabs.guidance import tab as guidance
from lab.ui.tabs.noising import tab as noising
from lab.ui.tabs.samplers import tab as samplers

TITLE = "Papers"
QUESTION = "Who found this out?"
UNBUILT = "Instrument not built yet"
TITLES = {tab.__name__.split(".")[-2]: tab.TITLE for tab in (noising, samplers, guidance, controlnet)}

CSS = """
/* papers: years on a rail, cards beside it */
.papers { max-width: 1080px; }
.papers > p:empty { display: none; }
.papers-year { display: grid; grid-template-columns: 72px minmax(0, 1fr); border-left: 0; }
.papers-year > h2 { font-size: 18px; font-weight: 650; margin: 0; padding-top: 16px; font-variant-numeric: tabular-nums; }
.papers-year > div { border-left: 2px solid var(--border-color-primary); padding-left: 24px; }
.papers-card { padding: 16px 0 18px; border-bottom: 1px solid var(--border-color-primary); }
.papers-card h3 { font-size: 17px; font-weight: 620; line-height: 1.35; margin: 0 0 2px; }
.papers-card p { font-size: 15px; line-height: 1.5; margin: 4px 0; max-width: 78ch; }
.papers-card .by, .papers-card .unbuilt { color: var(--body-text-color-subdued); font-size: 14px; }
.papers-card .unbuilt { display: inline-block; padding: 4px 10px; border-radius: 999px;
  border: 1px dashed var(--border-color-primary); }
.papers-card .katex-display { text-align: left; margin: 10px 0; overflow-x: auto; overflow-y: hidden; }
.papers-card .katex-display > .katex { text-align: left; }
.papers-card ul { list-style: none; margin: 8px 0 0; padding: 0; display: grid; gap: 8px; }
.papers-card li { display: flex; align-items: baseline; gap: 12px; margin: 0; font-size: 15px; line-height: 1.45; }
.papers-card button { flex: none; padding: 6px 14px; border-radius: 999px; font-size: 14px; font-weight: 500; cursor: pointer;
  border: 1px solid var(--button-secondary-border-color); background: var(--button-secondary-background-fill);
  color: var(--button-secondary-text-color); }
.papers-card button:hover { background: var(--button-secondary-background-fill-hover); }
@media (max-width: 700px) {
  .papers-year { grid-template-columns: minmax(0, 1fr); }
  .papers-year > div { border-left: 0; padding-left: 0; }
  .papers-card li { flex-direction: column; gap: 4px; }
}
"""


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
            years,
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
    button = opener(row.tab, TITLES[row.tab], row.preset, preset=row.preset, label=f"Try it: {row.preset}")
    return f"<li>{button}<span>{escape(row.look_for)}</span></li>"
