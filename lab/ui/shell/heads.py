"""The head of a tab: what it asks, and in the same line the papers that ask it, their equation and the way into its lesson.

On a phone the question stands alone and the rest unfolds. Equations are plain HTML: a line of Markdown for LaTeX would
wait for its script.
"""

from html import escape

from lab.papers import PAPERS, Paper
from lab.ui.shell.instrument import Instrument
from lab.ui.shell.sources import beside

UNFOLD_JS = beside(__file__, "unfold.js")


def html(tab: Instrument) -> str:
    """The head of a tab, for gr.HTML with UNFOLD_JS."""
    links = " · ".join(_link(_paper(title)) for title in tab.papers)
    return (
        f'<div class="lab-head"><h2>{escape(tab.question)}</h2><details open><summary>Paper and equation</summary>'
        f'<p><span>{links}</span><span class="lab-math" role="math" aria-label="{escape(tab.spoken)}">{tab.equation}</span>'
        "</p></details></div>"
    )


def _paper(title: str) -> Paper:
    return next(row for row in PAPERS if row.title == title)


def _link(row: Paper) -> str:
    text = f"{row.authors} {row.year}"
    return f'<a href="{escape(row.link)}" title="{escape(row.title)}" target="_blank" rel="noopener">{escape(text)}</a>'
