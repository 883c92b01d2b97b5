"""The head of a tab: what it asks, and in the same line the papers that ask it, their equation and the way into its lesson.

On a phone the question stands alone and the rest unfolds. Equations are plain HTML: a line of Markdown for LaTeX would
wait for its script. Who points at a part of one, or steps to it, sees in the tab what it means, and the other way round.
"""

from html import escape

from lab.papers import PAPERS
from lab.ui.shell import widgets
from lab.ui.shell.instrument import Instrument, Term
from lab.ui.shell.sources import beside

HEAD_JS = beside(__file__, "unfold.js") + beside(__file__, "terms.js")


def html(tab: Instrument) -> str:
    """The head of a tab, for gr.HTML with HEAD_JS."""
    links = " · ".join(map(link, tab.papers))
    return (
        f'<div class="lab-head"><h2>{escape(tab.question)}</h2><details open><summary>Paper and equation</summary>'
        f'<p><span>{links}</span><span class="lab-math" role="group" aria-label="{escape(tab.spoken)}">{_equation(tab)}</span>'
        "</p></details></div>"
    )


def plain(tab: Instrument) -> str:
    """The equation of a tab as HTML that is looked at only."""
    return "".join(one.html if isinstance(one, Term) else one for one in tab.equation)


def _equation(tab: Instrument) -> str:
    return "".join(
        _term(one) if isinstance(one, Term) else f'<span aria-hidden="true">{one}</span>' for one in tab.equation
    )


def _term(term: Term) -> str:
    return (
        f'<button type="button" class="term" data-places="{escape(", ".join(term.places))}" '
        f'aria-label="{escape(term.spoken)}: {escape(term.meaning)}">'
        f'<span aria-hidden="true">{term.html}</span><span class="meaning" aria-hidden="true">{widgets.subscripts(term.meaning)}</span></button>'
    )


def link(title: str) -> str:
    """The way to the paper of this title, by its authors and its year."""
    row = next(row for row in PAPERS if row.title == title)
    text = f"{row.authors} {row.year}"
    return f'<a href="{escape(row.link)}" title="{escape(row.title)}" target="_blank" rel="noopener">{escape(text)}</a>'
